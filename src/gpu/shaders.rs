//! The WGSL sources, and their composition from parts.
//!
//! A source may say, on a line of its own,
//! - `#import name`: paste `shaders/shared/name.wgsl` here, once per module. Three of these files say in which type
//!   numbers are held: `operands` of products, what is `stored` of inputs, and the `result`. A [`Shader`] may have any of
//!   them replaced by its namesake that ends in `_f16`;
//! - `#unroll i in 0..8 {` … `}`: repeat the lines between for `i` from 0 to 7, each `{i}` replaced by the number.
//!   Loops may be nested. WGSL compilers unroll little, and names like `sum{i}` keep numbers in registers.

use std::{borrow::Cow, fmt};

/// Every file under `shaders/` without its extension, and its text; listed by build.rs.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// A file of `shaders/`, and what in it is held in f16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shader {
    /// The file's name without its extension.
    pub stem: &'static str,
    /// Operands of products.
    pub operands: bool,
    /// Inputs, where they may be; operands are then, too.
    pub inputs: bool,
    /// The result, where it may be.
    pub output: bool,
}

impl From<&'static str> for Shader {
    /// With everything in f32.
    fn from(stem: &'static str) -> Shader {
        Shader { stem, operands: false, inputs: false, output: false }
    }
}

impl fmt::Display for Shader {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let parts =
            [(self.operands || self.inputs || self.output, "_f16"), (self.inputs, "_in"), (self.output, "_out")];
        f.write_str(self.stem)?;
        parts.iter().filter(|(there, _)| *there).try_for_each(|(_, part)| f.write_str(part))
    }
}

impl Shader {
    /// Every shader that can be composed.
    pub fn all() -> Vec<Shader> {
        let stems = SOURCES.iter().map(|(stem, _)| *stem).filter(|stem| !stem.starts_with("shared/"));
        stems.flat_map(|stem| Shader::from(stem).forms()).collect()
    }

    /// The same with operands of products in f16.
    pub fn rounded(self, in_f16: bool) -> Shader {
        Shader { operands: in_f16, ..self }
    }

    /// This file with everything in f32, and with what kernels ask for in f16.
    fn forms(self) -> Vec<Shader> {
        let mut pasted = Vec::new();
        // A file that cannot be composed has one form, whose test says why.
        let _ = paste(self.stem, &mut pasted, &mut String::new(), &|name| name.to_string());
        let has = |alias: &str| pasted.iter().any(|name| name == alias);
        let [products, stored, result] = [OPERANDS, STORED, RESULT].map(has);
        let forms =
            (0..8).map(|bits| Shader { operands: bits & 1 > 0, inputs: bits & 2 > 0, output: bits & 4 > 0, ..self });
        // In f16 is what the file names. Of products the result is so with the inputs only, and these with the operands.
        let possible = |form: &Shader| {
            let named = form.operands <= products && form.inputs <= stored && form.output <= result;
            named && (!products || form.output <= form.inputs && form.inputs <= form.operands)
        };
        forms.filter(possible).collect()
    }
}

/// What says in which type operands of products are held.
const OPERANDS: &str = "shared/operands";
/// What says in which type inputs are stored.
const STORED: &str = "shared/stored";
/// What says in which type the result is stored.
const RESULT: &str = "shared/result";

/// The complete WGSL module of a shader.
pub fn compose(shader: Shader) -> Result<String, String> {
    let in_f16 = [(OPERANDS, shader.operands || shader.inputs), (STORED, shader.inputs), (RESULT, shader.output)];
    let file = |name: &str| match in_f16.contains(&(name, true)) {
        true => format!("{name}_f16"),
        false => name.to_string(),
    };
    let mut text = String::new();
    paste(shader.stem, &mut Vec::new(), &mut text, &file)?;
    let cooperates = text.contains("coop_mat"); // always of f16
    let enables = [("f16", text.contains("= f16;") || cooperates), ("wgpu_cooperative_matrix", cooperates)];
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

/// Appends a source with what it imports, each file once; `file` says which is taken for a name.
fn paste(name: &str, pasted: &mut Vec<String>, text: &mut String, file: &dyn Fn(&str) -> String) -> Result<(), String> {
    if pasted.iter().any(|other| other == name) {
        return Ok(());
    }
    pasted.push(name.to_string());
    let file_name = file(name);
    let source = source(&file_name).ok_or(format!("there is no source {file_name}"))?;
    for line in source.lines() {
        match line.trim().strip_prefix("#import ") {
            Some(import) => paste(&format!("shared/{}", import.trim()), pasted, text, file)?,
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

/// The text of a file.
fn source(name: &str) -> Option<Cow<'static, str>> {
    let (_, text) = SOURCES.iter().find(|(other, _)| *other == name)?;
    let text = Cow::Borrowed(*text);
    #[cfg(test)]
    let text = broken::changed(name, text);
    Some(text)
}

/// For tests of what finds faults: sources that are not what they should be.
#[cfg(test)]
pub(crate) mod broken {
    use std::{borrow::Cow, cell::Cell};

    /// A file without its extension, a text that it has once, and what stands there instead.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Fault(pub &'static str, pub &'static str, pub &'static str);

    thread_local! {
        static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Runs with a fault in what this thread composes.
    pub(crate) fn with<T>(fault: Fault, run: impl FnOnce() -> T) -> T {
        FAULT.set(Some(fault));
        let result = run();
        FAULT.set(None);
        result
    }

    /// A file's text, with the fault if it is this file's.
    pub(super) fn changed(name: &str, text: Cow<'static, str>) -> Cow<'static, str> {
        match FAULT.get() {
            Some(Fault(file, right, wrong)) if file == name => {
                assert_eq!(text.matches(right).count(), 1, "{right} in {name}");
                text.replace(right, wrong).into()
            }
            _ => text,
        }
    }
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
