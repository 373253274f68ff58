//! SentencePiece's text normalization: the compiled rewrite table of a model file, and spaces.
//!
//! The table is a double array (Darts, Aoe 1989) over UTF-8 bytes whose leaves point into a string of
//! replacements. The `tokenizers` crate applies it per grapheme, which differs from SentencePiece on text
//! such as half-width katakana; XLM-R was pre-trained with SentencePiece's longest match, so we use that.

/// A checked rewrite table.
#[derive(Debug, Clone)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

/// How SentencePiece treats spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spaces {
    /// Whether text begins with a space of its own.
    pub prefix: bool,
    /// Whether outer spaces are dropped and runs of spaces made one.
    pub squeeze: bool,
}

/// What SentencePiece does to text before it is cut into pieces.
#[derive(Debug, Clone)]
pub(super) struct Normalization {
    /// None is the identity.
    pub table: Option<Charsmap>,
    pub spaces: Spaces,
    /// User-defined symbols, the longest first: the table does not touch them.
    pub whole: Vec<String>,
}

/// SentencePiece writes a space as this character.
pub(super) const SPACE: char = '\u{2581}';

impl Charsmap {
    /// Reads `u32` size, that many bytes of units, replacements separated by NUL; checks every reachable unit.
    pub fn parse(bytes: &[u8]) -> Result<Charsmap, String> {
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or("its normalization table is cut short")?;
        let size = u32::from_le_bytes(*size) as usize;
        if size == 0 || !size.is_multiple_of(1024) || size > rest.len() {
            return Err(format!("its normalization table claims {size} bytes of {}", rest.len()));
        }
        let (units, replacements) = rest.split_at(size);
        let units = units.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        let replacements = String::from_utf8(replacements.to_vec())
            .map_err(|_| "the replacements of its normalization table are not UTF-8")?;
        let charsmap = Charsmap { units, replacements };
        charsmap.check()?;
        Ok(charsmap)
    }

    /// Walks every path, so that lookups need no further checks.
    fn check(&self) -> Result<(), String> {
        let mut seen = vec![false; self.units.len()];
        let mut todo = vec![offset(self.units[0])];
        while let Some(base) = todo.pop() {
            if base >= self.units.len() {
                return Err(format!("its normalization table points to unit {base} of {}", self.units.len()));
            }
            if std::mem::replace(&mut seen[base], true) {
                continue;
            }
            for byte in 1..=255 {
                let child = base ^ byte; // the length is a multiple of 256, so this stays inside
                let unit = self.units[child];
                if label(unit) != byte as u32 {
                    continue;
                }
                let next = child ^ offset(unit);
                todo.push(next);
                let leaf = if has_leaf(unit) { self.units.get(next) } else { None };
                if leaf.is_some_and(|leaf| !self.replacements.is_char_boundary(value(*leaf))) {
                    return Err("its normalization table points outside of its replacements".to_string());
                }
            }
        }
        Ok(())
    }

    /// The longest rule that matches at the start of `text`: bytes it consumes, and what replaces them.
    fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        let mut at = offset(self.units[0]);
        let mut found = None;
        for (n, byte) in text.iter().enumerate() {
            at ^= usize::from(*byte);
            let unit = self.units[at];
            if *byte == 0 || label(unit) != u32::from(*byte) {
                break;
            }
            at ^= offset(unit);
            if has_leaf(unit) {
                found = Some((n + 1, value(self.units[at])));
            }
        }
        let (length, start) = found?;
        let tail = &self.replacements[start..];
        Some((length, tail.split('\0').next().unwrap_or(tail)))
    }
}

impl Normalization {
    /// What stands for the next character or characters of `text`, and how many bytes it stands for.
    fn step<'a>(&'a self, text: &'a str) -> (usize, &'a str) {
        if let Some(symbol) = self.whole.iter().find(|symbol| text.starts_with(symbol.as_str())) {
            return (symbol.len(), &text[..symbol.len()]);
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        let rule = self.table.as_ref().and_then(|table| table.longest(text.as_bytes()));
        rule.unwrap_or((length, &text[..length]))
    }

    /// Normalized text with every space as [`SPACE`], as `Normalizer::Normalize` of SentencePiece does it.
    pub fn apply(&self, text: &str) -> String {
        let text = self.without_outer_spaces(text);
        self.extend(self.start(text), text, SPACE, |_, _| ())
    }

    /// The same, with the place in `text` of each of its bytes.
    pub fn apply_with_places(&self, text: &str) -> (String, Vec<usize>) {
        let kept = self.without_outer_spaces(text);
        let start = self.start(kept);
        let mut places = vec![text.len() - kept.len(); start.len()];
        let output = self.extend(start, kept, SPACE, |output, rest| places.resize(output, text.len() - rest));
        places.truncate(output.len());
        (output, places)
    }

    fn start(&self, text: &str) -> String {
        let prefix = self.spaces.prefix && !text.is_empty();
        if prefix { SPACE.to_string() } else { String::new() }
    }

    /// The same with spaces as they are and none put before: what added tokens are looked for in.
    pub fn rewrite(&self, text: &str) -> String {
        self.extend(String::new(), self.without_outer_spaces(text), ' ', |_, _| ())
    }

    fn without_outer_spaces<'a>(&self, mut text: &'a str) -> &'a str {
        while self.spaces.squeeze && !text.is_empty() {
            match self.step(text) {
                (length, " ") => text = &text[length..],
                _ => break,
            }
        }
        text
    }

    /// `grown` hears after each step how many bytes there are, and of how many that are left in `text` they began.
    fn extend(&self, mut output: String, mut text: &str, space: char, mut grown: impl FnMut(usize, usize)) -> String {
        let squeeze = self.spaces.squeeze;
        output.reserve(text.len() + text.len() / 4);
        let mut after_space = squeeze;
        while !text.is_empty() {
            let (length, mut part) = self.step(text);
            let left = text.len();
            text = &text[length..];
            if after_space {
                part = part.trim_start_matches(' ');
            }
            if !part.is_empty() {
                after_space = squeeze && part.ends_with(' ');
                output.extend(part.chars().map(|c| if c == ' ' { space } else { c }));
                grown(output.len(), left);
            }
        }
        if squeeze {
            output.truncate(output.trim_end_matches([' ', SPACE]).len());
        }
        output
    }
}

fn has_leaf(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn value(unit: u32) -> usize {
    (unit & 0x7fff_ffff) as usize
}

fn label(unit: u32) -> u32 {
    unit & 0x8000_00ff
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & 1 << 9) >> 6)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A table with `A → a`, `AB → x y` and TAB → space, laid out by hand.
    pub fn small_table() -> Vec<u8> {
        let mut units = [0u32; 512];
        let unit = |offset: u32, leaf: bool, label: u8| offset << 10 | u32::from(leaf) << 8 | u32::from(label);
        let leaf = |value: u32| value | 0x8000_0000;
        units[0] = unit(256, false, 0); // children at 256 ^ byte
        units[256 ^ 0x41] = unit(128, true, 0x41); // A: base 321 ^ 128 = 449
        units[449] = leaf(0);
        units[449 ^ 0x42] = unit(8, true, 0x42); // AB: base 387 ^ 8 = 395
        units[395] = leaf(2);
        units[256 ^ 0x09] = unit(16, true, 0x09); // TAB: base 265 ^ 16 = 281
        units[281] = leaf(6);
        let mut bytes = (units.len() as u32 * 4).to_le_bytes().to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(b"a\0x y\0 \0");
        bytes
    }

    fn rewritten(applied: &str, spaces: Spaces) -> String {
        let text = if spaces.prefix { applied.strip_prefix(SPACE).unwrap_or_default() } else { applied };
        text.replace(SPACE, " ")
    }

    #[test]
    fn the_longest_rule_wins_and_spaces_are_squeezed() {
        let table = Some(Charsmap::parse(&small_table()).unwrap());
        let squeeze = Spaces { prefix: true, squeeze: true };
        let keep = Spaces { prefix: false, squeeze: false };
        for (text, spaces, expected) in [
            ("", squeeze, ""),
            (" \t ", squeeze, ""),
            ("A", squeeze, "▁a"),
            ("ABA", squeeze, "▁x▁ya"),
            (" é  \t C ", squeeze, "▁é▁C"),
            ("c▁", squeeze, "▁c"),
            ("\0c", squeeze, "▁\0c"),
            (" A  B ", keep, "▁a▁▁B▁"),
        ] {
            let normalization = Normalization { table: table.clone(), spaces, whole: vec!["AB".to_string()] };
            let plain = Normalization { whole: Vec::new(), ..normalization.clone() };
            assert_eq!(plain.apply(text), expected, "{text:?}");
            assert_eq!(plain.rewrite(text), rewritten(expected, spaces), "{text:?}");
            assert_eq!(normalization.apply("BAB"), if spaces.prefix { "▁BAB" } else { "BAB" });
        }
    }

    #[test]
    fn malformed_tables_are_refused() {
        let good = small_table();
        let mut far = good.clone();
        far[4..8].copy_from_slice(&(1u32 << 30).to_le_bytes()); // the root points outside
        let mut text = good.clone();
        text.truncate(good.len() - 8); // no replacements left
        for bad in [&[][..], &[1, 2, 3], &[0; 64], &[255; 5000], &good[..600], &far, &text] {
            assert!(Charsmap::parse(bad).is_err());
        }
    }
}
