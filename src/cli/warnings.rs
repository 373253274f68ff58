//! Warnings that are the same but for language and numbers, said of a few.

/// So many of a sort are said in full.
const SAID: usize = 3;
/// So many languages are named of the rest.
const NAMED: usize = 12;

/// The warnings; of those of one sort, in more languages than a few, the first and the names of the others.
pub(super) fn shortened(warnings: &[String]) -> Vec<String> {
    let mut sorts: Vec<(String, Vec<&String>)> = Vec::new();
    for warning in warnings {
        let sort = sort_of(warning);
        match sorts.iter_mut().find(|(known, _)| *known == sort) {
            Some((_, all)) => all.push(warning),
            None => sorts.push((sort, vec![warning])),
        }
    }
    let mut short = Vec::new();
    for (_, all) in sorts {
        // One more in full is as short as a line that names it.
        let said = if all.len() > SAID + 1 { SAID } else { all.len() };
        short.extend(all[..said].iter().map(|warning| (*warning).clone()));
        let rest = &all[said..];
        if let Some(first) = rest.first() {
            let names: Vec<&str> = rest.iter().take(NAMED).map(|warning| language_of(warning)).collect();
            let more = if rest.len() > NAMED { ", …" } else { "" };
            let what = first[language_of(first).len()..].trim_start_matches(": ");
            let (n, names) = (rest.len(), names.join(", "));
            short.push(format!("{n} more languages: {names}{more}: as above, such as {}: {what}", language_of(first)));
        }
    }
    short
}

/// What stands before the first colon, where that is a code.
fn language_of(warning: &str) -> &str {
    let (before, _) = warning.split_once(": ").unwrap_or_default();
    let is_code = !before.is_empty() && before.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    if is_code { before } else { "" }
}

/// The warning without language, numbers and what is quoted.
fn sort_of(warning: &str) -> String {
    let language = language_of(warning);
    if language.is_empty() {
        return warning.to_owned(); // by itself
    }
    let rest = &warning[language.len()..];
    let unquoted = rest.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    unquoted.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_sort_are_few_lines() {
        let of = |code: &str| format!("{code}: 3{} of 99 predictions are \"{code}\", whatever the text", code.len());
        let mut warnings: Vec<String> = ["de", "fr", "swh", "am", "zh-hant"].map(of).to_vec();
        warnings.push("train en: 3 items are tested".to_owned());
        let short = shortened(&warnings);
        assert_eq!(short[..3], warnings[..3]);
        assert_eq!(
            short[3],
            "2 more languages: am, zh-hant: as above, such as am: 32 of 99 predictions are \"am\", whatever the text"
        );
        assert_eq!(short[4], warnings[5]);
        assert_eq!(shortened(&warnings[..4]), warnings[..4]);
    }
}
