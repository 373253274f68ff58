//! The WGSL sources, and their composition from parts.
//!
//! A source may say, on a line of its own,
//! - `#import name`: paste `shaders/shared/name.wgsl` here, once per module;
//! - `#unroll i in 0..8 {` … `}`: repeat the lines between for `i` from 0 to 7, each `{i}` replaced by the number.
//!   Loops may be nested. WGSL compilers unroll little, and names like `sum{i}` keep numbers in registers.

macro_rules! source {
    ($name:literal) => {
        ($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))
    };
}

/// Every file under `shaders/`, without its extension.
const SOURCES: &[(&str, &str)] = &[
    source!("adamw"),
    source!("add"),
    source!("attention"),
    source!("attention_lanes"),
    source!("attention_mask"),
    source!("attention_quads"),
    source!("clamp"),
    source!("clip_factor"),
    source!("columns"),
    source!("copy"),
    source!("cross_entropy"),
    source!("dropout"),
    source!("gather"),
    source!("gelu"),
    source!("layer_norm"),
    source!("linear"),
    source!("linear_lanes"),
    source!("matmul"),
    source!("matmul_nn"),
    source!("matmul_nt"),
    source!("matmul_tn"),
    source!("noise"),
    source!("scale"),
    source!("segment_scale"),
    source!("slice"),
    source!("sum_rows"),
    source!("sum_squares"),
    source!("tanh"),
    source!("shared/attention_rows"),
    source!("shared/backward"),
    source!("shared/lanes_nt"),
    source!("shared/matmul_lanes"),
    source!("shared/matmul_tile"),
    source!("shared/max64"),
    source!("shared/philox"),
    source!("shared/quads"),
    source!("shared/sum64"),
    source!("shared/unary"),
];

/// The names of all shaders that can be composed: the files outside `shared/`.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("shared/"))
}

/// The complete WGSL module of a shader.
pub fn compose(name: &str) -> Result<String, String> {
    let mut text = String::new();
    paste(name, &mut Vec::new(), &mut text)?;
    unroll(&text)
}

/// Appends a source with what it imports, each file once.
fn paste(name: &str, pasted: &mut Vec<String>, text: &mut String) -> Result<(), String> {
    if pasted.iter().any(|other| other == name) {
        return Ok(());
    }
    pasted.push(name.to_string());
    let (_, source) = SOURCES.iter().find(|(other, _)| *other == name).ok_or(format!("there is no source {name}"))?;
    for line in source.lines() {
        match line.trim().strip_prefix("#import ") {
            Some(import) => paste(&format!("shared/{}", import.trim()), pasted, text)?,
            None => text.extend([line, "\n"]),
        }
    }
    Ok(())
}

/// Replaces every `#unroll` by its repetitions.
fn unroll(text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let directive = line.trim();
        if let Some(rest) = directive.strip_prefix("#unroll ") {
            let (variable, count) = parse_unroll(rest).ok_or(format!("\"{directive}\" is no unrolled loop"))?;
            let body = take_block(&mut lines).ok_or(format!("\"{directive}\" has no end"))?;
            let placeholder = format!("{{{variable}}}");
            for i in 0..count {
                result.push_str(&unroll(&body.replace(&placeholder, &i.to_string()))?);
            }
        } else if directive.starts_with('#') {
            return Err(format!("\"{directive}\" is no directive"));
        } else {
            result.extend([line, "\n"]);
        }
    }
    Ok(result)
}

/// The variable and the number of repetitions of `i in 0..8 {`.
fn parse_unroll(rest: &str) -> Option<(&str, usize)> {
    let (variable, range) = rest.strip_suffix('{')?.split_once(" in ")?;
    Some((variable.trim(), range.trim().strip_prefix("0..")?.parse().ok()?))
}

/// The lines up to the brace that closes a block whose opening brace was just read.
fn take_block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let (mut body, mut depth) = (String::new(), 1);
    for line in lines {
        depth += line.matches('{').count() as isize - line.matches('}').count() as isize;
        if depth == 0 {
            return (line.trim() == "}").then_some(body);
        }
        body.extend([line, "\n"]);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::Path};

    #[test]
    fn the_table_lists_the_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
        let mut files = BTreeSet::new();
        for (folder, prefix) in [(root.clone(), ""), (root.join("shared"), "shared/")] {
            for entry in std::fs::read_dir(folder).expect("the shaders are part of the source") {
                let path = entry.expect("readable").path();
                if path.extension().is_some_and(|extension| extension == "wgsl") {
                    files.insert(format!("{prefix}{}", path.file_stem().expect("a file").to_string_lossy()));
                }
            }
        }
        let table: BTreeSet<String> = SOURCES.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(table, files);
    }

    #[test]
    fn loops_are_unrolled() {
        let cases = [
            ("a\n", Ok("a\n")),
            ("#unroll i in 0..2 {\nx{i} = {i}u;\n}\nb\n", Ok("x0 = 0u;\nx1 = 1u;\nb\n")),
            ("#unroll i in 0..2 {\n#unroll j in 0..2 {\n{i}{j}\n}\n}\n", Ok("00\n01\n10\n11\n")),
            ("#unroll i in 0..1 {\nif (a) {\n{i}\n}\n}\n", Ok("if (a) {\n0\n}\n")),
            ("#unroll i in 1..2 {\n}\n", Err("\"#unroll i in 1..2 {\" is no unrolled loop")),
            ("#unroll i in 0..2 {\n", Err("\"#unroll i in 0..2 {\" has no end")),
            ("#if a\n", Err("\"#if a\" is no directive")),
        ];
        for (text, expected) in cases {
            assert_eq!(unroll(text).as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
