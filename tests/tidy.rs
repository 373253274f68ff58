//! What ARCHITECTURE.md promises: layers, absences, and tables that are complete.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// All files with this extension below a folder, with their text.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for path in fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                collect(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    collect(&root().join(folder), extension, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).expect("it lies inside").to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("source is text"))).collect()
}

/// The lines of code of a file: without comments, and without its tests, which may be all of it.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let tests = text.find("#[cfg(test)]").or_else(|| text.find("#[test]")).unwrap_or(text.len());
    let own = if text[..tests].contains("fn ") { &text[..tests] } else { "" };
    own.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The modules of lib.rs, lowest first.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs is there");
    let module = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_string());
    text.lines().filter_map(module).collect()
}

#[test]
fn a_module_uses_only_those_above_it() {
    let layers = layers();
    let level = |module: &str| layers.iter().position(|layer| layer == module);
    let mut wrong = Vec::new();
    for (name, text) in files("src", "rs") {
        let own = name.trim_start_matches("src/").trim_end_matches(".rs").split('/').next().unwrap_or_default();
        let Some(own_level) = level(own) else { continue };
        let own_code: Vec<&str> = code(&text).collect();
        let joined = own_code.join("\n");
        for used in used_modules(&joined) {
            if level(&used).is_some_and(|used_level| used_level > own_level) {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The first names after `crate::`, in paths and in groups.
fn used_modules(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if depth == 0 && start && !c.is_whitespace() => {
                    found.insert(word(&group[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn things_are_said_only_where_they_belong() {
    let rules: [(&str, &[&str]); 5] = [
        ("ureq::", &["src/hub/"]),
        ("wgpu::", &["src/gpu/"]),
        ("unsafe ", &["src/cpu/", "src/gpu/"]),
        ("println!", &["src/cli/", "src/main.rs", "src/train/progress.rs"]),
        ("io::stderr()", &["src/cli/", "src/main.rs", "src/train/progress.rs"]),
    ];
    let mut wrong = Vec::new();
    for (name, text) in files("src", "rs") {
        for (word, homes) in rules {
            if !homes.iter().any(|home| name.starts_with(home)) && code(&text).any(|line| line.contains(word)) {
                wrong.push(format!("{name} says {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a command writes for its user goes through `checkpoint::Output`, which loses nothing of theirs.
#[test]
fn commands_write_through_one_place() {
    let mut wrong = Vec::new();
    for (name, text) in files("src/cli", "rs") {
        for word in ["write_file(", "fs::write(", "File::create", "rename("] {
            if code(&text).any(|line| line.contains(word)) {
                wrong.push(format!("{name} says {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What trains, measures and reports asks a kind of task, and never which kind it is.
#[test]
fn only_tasks_and_kinds_tell_kinds_apart() {
    let mut wrong = Vec::new();
    for folder in ["train", "report", "cli", "bench", "doctor"] {
        for (name, text) in files(&format!("src/{folder}"), "rs") {
            for word in [
                "task.kind",
                "task.search",
                "tasks::Kind",
                "Kind::Classify",
                "Kind::Tag",
                "Kind::Span",
                "Kind::Choose",
                "Kind::Rank",
                "Kind::Retrieve",
            ] {
                let says = |line: &str| line.replace("HeadKind::", "").contains(word);
                if code(&text).any(says) {
                    wrong.push(format!("{name} says {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let rust = files("src", "rs").into_iter().chain(files("tests", "rs")).filter(|(_, text)| !text.starts_with("//!"));
    let shaders = files("shaders", "wgsl").into_iter().filter(|(_, text)| !text.starts_with("// "));
    let silent: Vec<String> = rust.chain(shaders).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// Operations that launch the shaders of others.
const COMPOSED: &[&str] = &["gelu_linear"];

#[test]
fn the_table_of_operations_is_complete() {
    let listed: BTreeSet<&str> = rxlt::ops::ALL.iter().map(|spec| spec.name).collect();
    let with_spec = files("src/ops", "rs").into_iter().filter(|(_, text)| text.contains("const SPEC: Spec"));
    let stem = |name: &str| name.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_string();
    let written: BTreeSet<String> = with_spec.map(|(name, _)| stem(&name)).collect();
    assert_eq!(listed, written.iter().map(String::as_str).collect());
    for name in written.iter().filter(|name| !COMPOSED.contains(&name.as_str())) {
        let shader = root().join(format!("shaders/{name}.wgsl"));
        assert!(shader.is_file(), "{} is not there", shader.display());
    }
}

#[test]
fn documents_name_files_that_exist() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(document)).expect("the document is there");
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path =
                ["src/", "shaders/", "tests/", "scripts/", "recipes/"].iter().any(|start| quoted.starts_with(start));
            if is_path && !quoted.contains("NAME") && !quoted.contains(' ') {
                assert!(root().join(quoted).exists(), "{document} names {quoted}");
            }
        }
    }
}
