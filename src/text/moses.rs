//! Words as Moses's scripts part them (Koehn et al., 2007): punctuation is made uniform, then parted from words. XLM was
//! pre-trained on such text, each language by rules of its own.
//!
//! What comes out is what transformers' XLM tokenizer gets from sacremoses 0.2 for the language, but for letters that are
//! younger than the tables there.

use std::collections::BTreeSet;

use regex::Regex;

/// All that a pattern matches, and what stands in its place.
type Rule = (Regex, &'static str);

/// Letters as sacremoses has them: of the basic plane, without Han and Hangul, but with the signs that join (virama) or
/// alter (nukta) consonants of Indic scripts.
const LETTER: &str = concat!(
    r"[[\p{Alphabetic}\x{135F}\x{25CC}",
    r"\x{93C}\x{94D}\x{9BC}\x{9CD}\x{A3C}\x{A4D}\x{ABC}\x{ACD}\x{AFD}-\x{AFF}\x{B3C}\x{B4D}\x{BCD}",
    r"\x{C4D}\x{CBC}\x{CCD}\x{D3B}\x{D3C}\x{D4D}\x{DCA}\x{EBA}\x{1039}\x{1714}\x{1BAB}\x{1C37}",
    r"\x{A8C4}\x{A8F3}\x{A8F4}\x{A953}\x{AAF6}",
    r"]&&[\x{0}-\x{FFFF}]--[\p{Han}\x{AC00}-\x{D7A3}]]",
);
/// Digits and other numbers.
const NUMBER: &str = r"[\p{N}&&[\x{0}-\x{FFFF}]]";
/// Lower case, which Georgian's letters were not counted among.
const LOWER: &str = r"^[\p{Lowercase}--[\x{10D0}-\x{10FF}]]";

/// Stands for each of several periods in a row while words are parted: text has none, as control characters and what has
/// no meaning of its own are removed.
const PERIOD: char = '\u{E000}';

/// Languages whose words have no spaces between them, so that XLM's text was segmented by other tools.
const SEGMENTED: [(&str, &str); 3] =
    [("ja", "KyTea"), ("th", "PyThaiNLP"), ("zh", "Stanford's segmenter, in transformers by jieba")];

/// Abbreviations whose period is theirs, as Moses's files `nonbreaking_prefix.LANGUAGE` list them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Prefixes {
    always: BTreeSet<String>,
    before_numbers: BTreeSet<String>,
}

impl Prefixes {
    /// One a line; `#` begins a comment, and `#NUMERIC_ONLY#` behind one says that a number must follow.
    pub fn parse(text: &str) -> Prefixes {
        let mut prefixes = Prefixes::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.rsplit_once(' ').filter(|(_, mark)| mark.starts_with("#NUMERIC_ONLY#")) {
                Some((prefix, _)) => prefixes.before_numbers.insert(prefix.to_owned()),
                None => prefixes.always.insert(line.to_owned()),
            };
        }
        prefixes
    }
}

/// The rules of a language.
pub(super) struct Moses {
    normalization: Vec<Rule>,
    spacing: Vec<Rule>,
    periods: Regex,
    apostrophes: Vec<Rule>,
    letter: Regex,
    lower: Regex,
    last: Vec<Rule>,
    romanian: bool,
    prefixes: Prefixes,
}

impl Moses {
    /// The rules of a language by its code in ISO 639-1; refuses one whose text wants another tool.
    pub fn new(language: &str, prefixes: Prefixes) -> Result<Moses, String> {
        if let Some((_, tool)) = SEGMENTED.iter().find(|(code, _)| *code == language) {
            return Err(format!(
                "\"{language}\" is written without spaces between words, and XLM learned it from text parted by {tool}, which \
                 is not here; leave that language out, or take a model such as xlm-roberta-base"
            ));
        }
        Ok(Moses {
            normalization: normalization(language),
            spacing: spacing(language),
            periods: compiled(r"\.{2,}"),
            apostrophes: apostrophes(language),
            letter: compiled(&letters(language)),
            lower: compiled(LOWER),
            last: rules(&[(r"\.' ?$", " . ' ")]),
            romanian: language == "ro",
            prefixes,
        })
    }

    /// The words of a text, punctuation among them.
    pub fn words(&self, text: &str) -> Vec<String> {
        let mut text = applied(&self.normalization, plain_punctuation(text));
        if self.romanian {
            text = text.chars().map(without_romanian_marks).collect();
        }
        text = applied(&self.spacing, text.trim().to_owned());
        let marked = |found: &regex::Captures| {
            let periods: String = found[0].chars().map(|_| PERIOD).collect();
            format!(" {periods} ")
        };
        text = self.periods.replace_all(&text, marked).into_owned();
        text = applied(&self.apostrophes, text);
        text = applied(&self.last, self.part_periods(&text));
        text.replace(PERIOD, ".").split_whitespace().map(str::to_owned).collect()
    }

    /// Parts the period at a word's end from it, unless it belongs to an abbreviation or the sentence goes on.
    fn part_periods(&self, text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let part = |(i, word): (usize, &&str)| match word.strip_suffix('.').filter(|before| !before.is_empty()) {
            Some(before) if !self.keeps_period(before, words.get(i + 1).copied()) => format!("{before} ."),
            _ => (*word).to_owned(),
        };
        words.iter().enumerate().map(part).collect::<Vec<String>>().join(" ")
    }

    fn keeps_period(&self, before: &str, next: Option<&str>) -> bool {
        (before.contains('.') && self.letter.is_match(before))
            || self.prefixes.always.contains(before)
            || next.is_some_and(|next| self.lower.is_match(next))
            || self.prefixes.before_numbers.contains(before)
                && next.is_some_and(|next| next.starts_with(|first: char| first.is_ascii_digit()))
    }
}

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("it is a pattern")
}

fn rules(list: &[(&str, &'static str)]) -> Vec<Rule> {
    list.iter().map(|(pattern, by)| (compiled(pattern), *by)).collect()
}

/// A text after one replacement after another.
fn applied(rules: &[Rule], text: String) -> String {
    rules.iter().fold(text, |text, (pattern, by)| match pattern.replace_all(&text, *by) {
        std::borrow::Cow::Owned(changed) => changed,
        std::borrow::Cow::Borrowed(_) => text,
    })
}

/// Korean's are Hangul, too.
fn letters(language: &str) -> String {
    if language == "ko" { format!(r"[{LETTER}\p{{scx=Hangul}}]") } else { LETTER.to_owned() }
}

/// Python has four separators among spaces.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&c)
}

/// East Asian punctuation and digits, as others have them.
fn plain_punctuation(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '。' | '．' => {
                plain.push_str(". ");
                while chars.next_if(|next| is_space(*next)).is_some() {}
            }
            '，' | '、' => plain.push(','),
            '”' | '“' | '《' | '》' | '」' | '「' => plain.push('"'),
            '∶' | '：' => plain.push(':'),
            '？' => plain.push('?'),
            '（' => plain.push('('),
            '）' => plain.push(')'),
            '！' => plain.push('!'),
            '；' => plain.push(';'),
            '～' => plain.push('~'),
            '’' => plain.push('\''),
            '…' => plain.push_str("..."),
            '━' => plain.push('-'),
            '〈' => plain.push('<'),
            '〉' => plain.push('>'),
            '【' => plain.push('['),
            '】' => plain.push(']'),
            '％' => plain.push('%'),
            '０'..='９' => plain.push(char::from(b'0' + (c as u32 - '０' as u32) as u8)),
            c => plain.push(c),
        }
    }
    plain
}

/// XLM's English-Romanian model reads Romanian without the marks of its letters.
fn without_romanian_marks(c: char) -> char {
    match c {
        'Ş' | 'Ș' => 'S',
        'ş' | 'ș' => 's',
        'Ţ' | 'Ț' => 'T',
        'ţ' | 'ț' => 't',
        'Ă' | 'Â' => 'A',
        'ă' | 'â' => 'a',
        'Î' => 'I',
        'î' => 'i',
        c => c,
    }
}

/// Quotation marks, dashes and the spaces around punctuation; then what is not to be printed goes.
fn normalization(language: &str) -> Vec<Rule> {
    let spaces = (" +", " ");
    let mut list = vec![
        ("\r", ""),
        (r"\(", " ("),
        (r"\)", ") "),
        spaces,
        (r"\) ([.!:?;,])", ")$1"),
        (r"\( ", "("),
        (r" \)", ")"),
        (r"(\d) %", "$1%"),
        (" ([:;])", "$1"),
        ("`", "'"),
        ("''", " \" "),
        ("„", "\""),
        ("–", "-"),
        ("—", " - "),
        spaces,
        ("[´‘‚]", "'"),
        ("''", "\""),
        ("\u{A0}«\u{A0}|«\u{A0}|«", "\""),
        ("\u{A0}»\u{A0}|\u{A0}»|»", "\""),
        ("\u{A0}%", "%"),
        ("nº\u{A0}", "nº "),
        ("\u{A0}:", ":"),
        ("\u{A0}(ºC|cm)", " $1"),
        ("\u{A0}([?!;])", "$1"),
        (",\u{A0}", ", "),
        spaces,
    ];
    match language {
        "en" => list.push((r#""([,.]+)"#, "$1\"")),
        "de" | "es" | "fr" => list.extend([(",\"", "\","), (r#"(\.+)"(\s*[^<])"#, "\"$1$2")]),
        _ => {}
    }
    let decimal = if ["de", "es", "cs", "fr"].contains(&language) { "$1,$2" } else { "$1.$2" };
    list.extend([("(\\d)\u{A0}(\\d)", decimal), (r"\p{C}", "")]);
    rules(&list)
}

/// Spaces around what is neither letter nor digit, and around commas that are not in numbers.
fn spacing(language: &str) -> Vec<Rule> {
    let letters = letters(language);
    let other = format!(r"([^{letters}[\p{{Nd}}&&[\x{{0}}-\x{{FFFF}}]]\s.'`,\-])");
    let [before, behind] = [format!(r"([^{NUMBER}]),"), format!(r",([^{NUMBER}])")];
    let last = format!(r"({NUMBER}),$");
    rules(&[(r"\s+", " "), (&other, " $1 "), (&before, "$1 , "), (&behind, " , $1"), (&last, "$1 , ")])
}

/// English keeps the apostrophe with what follows, French and Italian with what comes before it.
fn apostrophes(language: &str) -> Vec<Rule> {
    let alone = format!("([^{LETTER}])'([^{LETTER}])");
    let opening = format!("([^{LETTER}{NUMBER}])'({LETTER})");
    let opening_or_number = format!("([^{LETTER}])'({LETTER})");
    let closing = format!("({LETTER})'([^{LETTER}])");
    let inside = format!("({LETTER})'({LETTER})");
    let decade = format!("({NUMBER})'(s)");
    let (apart, joins_next, joins_last) = ("$1 ' $2", "$1 '$2", "$1' $2");
    match language {
        "en" => rules(&[
            (&alone, apart),
            (&opening, apart),
            (&closing, apart),
            (&inside, joins_next),
            (&decade, joins_next),
        ]),
        "fr" | "it" => rules(&[(&alone, apart), (&opening_or_number, apart), (&closing, apart), (&inside, joins_last)]),
        _ => rules(&[("'", " ' ")]),
    }
}
