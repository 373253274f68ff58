//! Lists the files below `shaders/` and `tasks/`, so that a new one needs no line elsewhere, and names the commit that is built.

use std::{env, error::Error, fs, path::Path, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    // All that the program is made of. A commit alone is no reason to build again: the name is that of the checkout when
    // there was something to build.
    for part in ["src", "shaders", "tasks", "recipes", "build.rs", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={part}");
    }
    println!("cargo::rerun-if-env-changed=RXLT_COMMIT");
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let mut version = env::var("CARGO_PKG_VERSION")?;
    if let Some(commit) = env::var("RXLT_COMMIT").ok().or_else(|| commit(&root)) {
        version = format!("{version} ({commit})");
        println!("cargo::rustc-env=RXLT_COMMIT={commit}");
    }
    println!("cargo::rustc-env=RXLT_VERSION={version}");
    let out = env::var("OUT_DIR")?;
    let list = |table: &str, folders: &[(&str, &str)], ending: &str| -> Result<(), Box<dyn Error>> {
        let mut entries = Vec::new();
        for (folder, prefix) in folders {
            for entry in fs::read_dir(Path::new(&root).join(folder))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == ending) {
                    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                    entries.push(format!("({:?}, include_str!({path:?})),\n", format!("{prefix}{stem}")));
                }
            }
        }
        entries.sort();
        Ok(fs::write(Path::new(&out).join(table), format!("&[\n{}]\n", entries.concat()))?)
    };
    list("sources.rs", &[("shaders", ""), ("shaders/shared", "shared/")], "wgsl")?;
    list("tasks.rs", &[("tasks", "")], "toml")?;
    Ok(())
}

/// The commit that is checked out, `-dirty` where files differ from it; nothing outside of a checkout of its own.
fn commit(root: &str) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let own = fs::canonicalize(top).ok()? == fs::canonicalize(root).ok()?;
    if own { git(&["describe", "--always", "--dirty", "--exclude=*"]) } else { None }
}
