//! Codes of languages: what looks like one, and which name the same language.

/// Codes of one language each: ISO 639-1, then 639-3, that of a macrolanguage before the member that data sets mean by it.
const SAME: &[&[&str]] = &[
    &["af", "afr"],
    &["am", "amh"],
    &["ar", "ara", "arb"],
    &["as", "asm"],
    &["ay", "aym", "ayr"],
    &["az", "aze", "azj"],
    &["ba", "bak"],
    &["be", "bel"],
    &["bg", "bul"],
    &["bm", "bam"],
    &["bn", "ben"],
    &["bo", "bod"],
    &["bs", "bos"],
    &["ca", "cat"],
    &["cs", "ces"],
    &["cy", "cym"],
    &["da", "dan"],
    &["de", "deu"],
    &["dz", "dzo"],
    &["ee", "ewe"],
    &["el", "ell"],
    &["en", "eng"],
    &["eo", "epo"],
    &["es", "spa"],
    &["et", "est", "ekk"],
    &["eu", "eus"],
    &["fa", "fas", "pes"],
    &["fi", "fin"],
    &["fj", "fij"],
    &["fo", "fao"],
    &["fr", "fra"],
    &["ga", "gle"],
    &["gd", "gla"],
    &["gl", "glg"],
    &["gn", "grn", "gug"],
    &["gu", "guj"],
    &["ha", "hau"],
    &["he", "iw", "heb"],
    &["hi", "hin"],
    &["hr", "hrv"],
    &["ht", "hat"],
    &["hu", "hun"],
    &["hy", "hye"],
    &["id", "in", "ind"],
    &["ig", "ibo"],
    &["is", "isl"],
    &["it", "ita"],
    &["ja", "jpn"],
    &["jv", "jav"],
    &["ka", "kat"],
    &["kg", "kon"],
    &["ki", "kik"],
    &["kk", "kaz"],
    &["km", "khm"],
    &["kn", "kan"],
    &["ko", "kor"],
    &["ks", "kas"],
    &["ku", "kur", "kmr"],
    &["ky", "kir"],
    &["lb", "ltz"],
    &["lg", "lug"],
    &["li", "lim"],
    &["ln", "lin"],
    &["lo", "lao"],
    &["lt", "lit"],
    &["lv", "lav", "lvs"],
    &["mg", "mlg", "plt"],
    &["mi", "mri"],
    &["mk", "mkd"],
    &["ml", "mal"],
    &["mn", "mon", "khk"],
    &["mr", "mar"],
    &["ms", "msa", "zsm"],
    &["mt", "mlt"],
    &["my", "mya"],
    &["ne", "nep", "npi"],
    &["nl", "nld"],
    &["nn", "nno"],
    &["no", "nb", "nor", "nob"],
    &["ny", "nya"],
    &["oc", "oci"],
    &["om", "orm", "gaz"],
    &["or", "ori", "ory"],
    &["pa", "pan"],
    &["pl", "pol"],
    &["ps", "pus", "pbt"],
    &["pt", "por"],
    &["qu", "que", "quy"],
    &["rn", "run"],
    &["ro", "ron"],
    &["ru", "rus"],
    &["rw", "kin"],
    &["sa", "san"],
    &["sc", "srd"],
    &["sd", "snd"],
    &["sg", "sag"],
    &["si", "sin"],
    &["sk", "slk"],
    &["sl", "slv"],
    &["sm", "smo"],
    &["sn", "sna"],
    &["so", "som"],
    &["sq", "sqi", "als"],
    &["sr", "srp"],
    &["ss", "ssw"],
    &["st", "sot"],
    &["su", "sun"],
    &["sv", "swe"],
    &["sw", "swa", "swh"],
    &["ta", "tam"],
    &["te", "tel"],
    &["tg", "tgk"],
    &["th", "tha"],
    &["ti", "tir"],
    &["tk", "tuk"],
    &["tl", "fil", "tgl"],
    &["tn", "tsn"],
    &["tr", "tur"],
    &["ts", "tso"],
    &["tt", "tat"],
    &["tw", "twi"],
    &["ug", "uig"],
    &["uk", "ukr"],
    &["ur", "urd"],
    &["uz", "uzb", "uzn"],
    &["vi", "vie"],
    &["wo", "wol"],
    &["xh", "xho"],
    &["yi", "yid", "ydd"],
    &["yo", "yor"],
    &["zh", "zho", "cmn"],
    &["zu", "zul"],
];

/// A language's code of two letters (ISO 639-1), or what it is called where it has none.
pub fn two_letters(code: &str) -> &str {
    let language = code.split(['-', '_']).next().unwrap_or(code);
    let group = SAME.iter().find(|group| group.contains(&language));
    group.and_then(|group| group.first()).filter(|first| first.len() == 2).copied().unwrap_or(language)
}

/// Scripts that data sets write in lower case.
const SCRIPTS: [&str; 8] = ["arab", "cyrl", "deva", "grek", "hans", "hant", "hebr", "latn"];

/// Whether a name has the form of a language's code (BCP 47): a language, perhaps a script, perhaps a region, perhaps a
/// variant that begins with a digit; parted by `-` or `_`.
///
/// Variants and extensions of letters alone are left out, rather than let `de-backup` be a language.
pub fn is_code(name: &str) -> bool {
    let mut parts = name.split(['-', '_']).peekable();
    let language = parts.next().unwrap_or_default();
    if !(2..=3).contains(&language.len()) || !language.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return false;
    }
    parts.next_if(|part| is_script(part));
    parts.next_if(|part| is_region(part));
    parts.all(|part| {
        let long = (4..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        long && part.starts_with(|first: char| first.is_ascii_digit())
    })
}

fn is_script(part: &str) -> bool {
    let titled = part.len() == 4
        && part.starts_with(|first: char| first.is_ascii_uppercase())
        && part[1..].bytes().all(|byte| byte.is_ascii_lowercase());
    titled || SCRIPTS.contains(&part)
}

fn is_region(part: &str) -> bool {
    let letters = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    letters || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a code says more than a language and its script.
pub fn is_regional(code: &str) -> bool {
    code.split(['-', '_']).skip(1).any(|part| !is_script(part))
}

/// Whether two codes can name the same language: one language, and no two scripts or regions at odds.
pub fn can_be_same(a: &str, b: &str) -> bool {
    let parts = |code: &str| {
        let mut parts = code.split(['-', '_']).map(str::to_lowercase);
        (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>())
    };
    let ((a, a_rest), (b, b_rest)) = (parts(a), parts(b));
    let grouped = |group: &&[&str]| group.contains(&a.as_str()) && group.contains(&b.as_str());
    let agree = a_rest.is_empty() || b_rest.is_empty() || a_rest == b_rest;
    agree && (a == b || SAME.iter().any(grouped))
}

/// Codes of languages with few texts that are words in names of files: `test-all.csv` is hardly in Allar.
const WORDS: [&str; 14] =
    ["all", "bad", "big", "dev", "gen", "new", "old", "out", "raw", "src", "sub", "tgt", "tmp", "tst"];

/// Says which of these codes may be no languages.
pub fn word_notes(codes: &[String]) -> impl Iterator<Item = String> {
    let words = codes.iter().filter(|code| WORDS.contains(&code.as_str()));
    words.map(|word| {
        format!("\"{word}\" is taken for a language, whose code it is; if it is none, give its file another name")
    })
}

/// Says which of these codes may be of one language.
pub fn same_notes(codes: &[String]) -> impl Iterator<Item = String> {
    let pairs = codes.iter().enumerate().flat_map(|(i, a)| codes[..i].iter().map(move |b| (b, a)));
    let same = pairs.filter(|(a, b)| can_be_same(a, b));
    same.map(|(a, b)| format!("{a} and {b} can be codes of one language, which would weigh twice in every mean"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_names_of_copies() {
        for code in ["de", "gsw", "swh_Latn", "zh-Hant", "zh-hans", "pt-BR", "pt-br", "es-419", "zh_Hant_TW", "de-1996"]
        {
            assert!(is_code(code), "{code}");
        }
        let copies = [
            "",
            "d",
            "de (1)",
            "de.old",
            "de~",
            "de-old",
            "de-backup",
            "de_copy",
            "de-v2",
            "DE",
            "german",
            "de-",
            "dé",
            "de copy",
            "de-Latn-x",
            "ä",
            "de-\u{e4}\u{f6}",
        ];
        for name in copies {
            assert!(!is_code(name), "{name}");
        }
    }

    #[test]
    fn one_language_has_several_codes() {
        let same = [("sw", "swh_Latn"), ("swa", "swh"), ("zh", "zho_Hans"), ("zh-Hans", "zho_Hans"), ("de", "de")];
        for (a, b) in same {
            assert!(can_be_same(a, b) && can_be_same(b, a), "{a} {b}");
        }
        for (a, b) in [("sw", "swe_Latn"), ("zh-Hant", "zho_Hans"), ("de", "dee"), ("de", ""), ("nn", "nob")] {
            assert!(!can_be_same(a, b) && !can_be_same(b, a), "{a} {b}");
        }
    }

    #[test]
    fn the_code_of_two_letters_is_the_usual_one() {
        for (code, two) in [("swh_Latn", "sw"), ("zh-Hant", "zh"), ("deu", "de"), ("en", "en"), ("gsw", "gsw")] {
            assert_eq!(two_letters(code), two);
        }
    }

    #[test]
    fn words_in_names_of_files_are_no_languages_of_large_test_sets() {
        assert!(WORDS.iter().all(|word| is_code(word) && !SAME.concat().contains(word)));
        let codes = ["all", "de", "min"].map(str::to_owned);
        assert_eq!(word_notes(&codes).count(), 1);
    }

    #[test]
    fn no_code_stands_for_two_languages() {
        let mut all: Vec<&str> = SAME.iter().flat_map(|group| group.iter().copied()).collect();
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
        assert!(all.iter().all(|code| is_code(code)));
    }
}
