//! What ARCHITECTURE.md promises: layers, absences, and tables that are complete.

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// Rooms in which files use each other in circles, with the files of each: operations whose gradients are each other.
const CIRCLES: [(&str, &[&str]); 1] = [("ops", &["matmul", "sum_rows"])];

/// The files of a room use each other one way, and the table of a room, which is its `mod.rs`, is not counted.
#[test]
fn files_of_a_room_use_each_other_one_way() {
    let mut rooms: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (name, text) in files("src", "rs") {
        let parts: Vec<&str> = name.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
        let joined =
            code(&text).filter(|line| !line.trim_start().starts_with("pub use")).collect::<Vec<_>>().join("\n");
        for depth in 1..parts.len() {
            let (room, own) = (parts[..depth].join("/"), parts[depth]);
            let mut used = used_after(&format!("crate::{}::", parts[..depth].join("::")), &joined);
            if depth + 1 == parts.len() && own != "mod" {
                used.extend(used_after("super::", &joined.replace("super::super::", "")));
            }
            rooms.entry(room).or_default().entry(own.to_owned()).or_default().extend(used);
        }
    }
    let mut found = Vec::new();
    for (room, uses) in &rooms {
        let circle: Vec<&str> =
            uses.keys().filter(|file| *file != "mod" && reaches(uses, file)).map(String::as_str).collect();
        if !circle.is_empty() {
            found.push((room.as_str(), circle));
        }
    }
    let known: Vec<(&str, Vec<&str>)> = CIRCLES.iter().map(|(room, files)| (*room, files.to_vec())).collect();
    assert_eq!(found, known);
}

/// Whether a file uses itself by way of others of its room.
fn reaches(uses: &BTreeMap<String, BTreeSet<String>>, file: &str) -> bool {
    let (mut open, mut seen) = (vec![file], BTreeSet::new());
    while let Some(next) = open.pop() {
        for used in uses.get(next).into_iter().flatten().filter(|used| *used != "mod" && *used != next) {
            if used == file {
                return true;
            }
            if seen.insert(used.as_str()) {
                open.push(used);
            }
        }
    }
    false
}

/// The first names after `crate::`, in paths and in groups.
fn used_modules(code: &str) -> BTreeSet<String> {
    used_after("crate::", code)
}

/// The first names after a path, alone and in groups.
fn used_after(path: &str, code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(path) {
        let rest = &code[at + path.len()..];
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
        ("println!", &["src/cli/", "src/main.rs", "src/run/progress.rs"]),
        ("io::stderr()", &["src/terminal.rs", "src/run/progress.rs"]),
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
    for folder in ["learn", "recipe", "data", "measure", "run", "report", "cli", "bench", "doctor"] {
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
