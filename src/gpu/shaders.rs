//! The WGSL sources, and their composition from parts.
//!
//! A source may say, on a line of its own,
//! - `#import name`: paste `shaders/shared/name.wgsl` here, once per module; of a shader that imports `operands` there
//!   is a second variant, called `…_f16`, with `operands_f16` in its place;
//! - `#unroll i in 0..8 {` … `}`: repeat the lines between for `i` from 0 to 7, each `{i}` replaced by the number.
//!   Loops may be nested. WGSL compilers unroll little, and names like `sum{i}` keep numbers in registers.

/// Every file under `shaders/` without its extension, and its text; listed by build.rs.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The names of all shaders that can be composed: the files outside `shared/`, and `_f16` variants of those that
/// multiply `operands`.
pub fn names() -> Vec<String> {
    let files = SOURCES.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("shared/"));
    files.flat_map(|name| [Some(name.to_string()), in_f16(name).then(|| format!("{name}_f16"))]).flatten().collect()
}

/// Whether a shader has a variant that rounds operands to f16.
fn in_f16(name: &str) -> bool {
    let mut pasted = Vec::new();
    paste(name, OPERANDS, &mut pasted, &mut String::new()).is_ok() && pasted.iter().any(|name| name == OPERANDS)
}

/// What says in which type operands of products are held.
const OPERANDS: &str = "shared/operands";

/// The complete WGSL module of a shader.
pub fn compose(name: &str) -> Result<String, String> {
    let mut text = String::new();
    let f16 = name.strip_suffix("_f16").filter(|stem| in_f16(stem));
    let operands = if f16.is_some() { "shared/operands_f16" } else { OPERANDS };
    paste(f16.unwrap_or(name), operands, &mut Vec::new(), &mut text)?;
    let cooperates = text.contains("coop_mat"); // always of f16
    let enables = [("f16", f16.is_some() || cooperates), ("wgpu_cooperative_matrix", cooperates)];
    let enables = enables.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| format!("enable {name};\n"));
    unroll(&(enables.collect::<String>() + &text))
}

/// The same module, except that the memory of a workgroup starts as large numbers: a kernel that reads what it did not
/// write is found by its result.
pub(super) fn poison(source: &str) -> String {
    let declarations = source.lines().filter_map(|line| line.strip_prefix("var<workgroup> "));
    let mut poison: String = declarations.map(poison_of).collect();
    if poison.is_empty() {
        return source.to_string();
    }
    poison.push_str("workgroupBarrier();\n");
    let (mut result, mut in_signature) = (String::new(), false);
    for line in source.lines() {
        result.extend([line, "\n"]);
        in_signature |= line.starts_with("@compute");
        if in_signature && line.ends_with(") {") {
            result.push_str(&poison);
            in_signature = false;
        }
    }
    result
}

/// The loop that fills `name: array<element, length>;`.
fn poison_of(declaration: &str) -> String {
    let parts = declaration.split_once(">;").and_then(|(declaration, _)| {
        let (name, array) = declaration.split_once(": array<")?;
        let (element, length) = array.rsplit_once(", ")?;
        Some((name, element, length))
    });
    let (name, element, length) = parts.unwrap_or_else(|| panic!("\"{declaration}\" is no array"));
    format!("for (var i = 0u; i < {length}u; i++) {{ {name}[i] = {element}(30000.0); }}\n")
}

/// Appends a source with what it imports, each file once; `operands` takes the place of [`OPERANDS`].
fn paste(name: &str, operands: &str, pasted: &mut Vec<String>, text: &mut String) -> Result<(), String> {
    if pasted.iter().any(|other| other == name) {
        return Ok(());
    }
    pasted.push(name.to_string());
    let file = if name == OPERANDS { operands } else { name };
    let (_, source) = SOURCES.iter().find(|(other, _)| *other == file).ok_or(format!("there is no source {file}"))?;
    for line in source.lines() {
        match line.trim().strip_prefix("#import ") {
            Some(import) => paste(&format!("shared/{}", import.trim()), operands, pasted, text)?,
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

    #[test]
    fn memory_is_poisoned_where_every_entry_begins() {
        let source = "var<workgroup> a: array<vec2<f32>, 8>; // why\nfn f() {\n}\n@compute @workgroup_size(8)\nfn b(\n    x: u32,\n) {\n}\n";
        let poison = "for (var i = 0u; i < 8u; i++) { a[i] = vec2<f32>(30000.0); }\nworkgroupBarrier();\n";
        assert_eq!(super::poison(source), source.replace("\n) {\n", &format!("\n) {{\n{poison}")));
        assert_eq!(super::poison("fn f() {\n}\n"), "fn f() {\n}\n");
    }
}
