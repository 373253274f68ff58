//! Lists the files below `shaders/`, so that a new shader needs no line elsewhere.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=shaders");
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let mut entries = Vec::new();
    for folder in ["", "shared/"] {
        for entry in fs::read_dir(Path::new(&root).join("shaders").join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wgsl") {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                entries.push(format!("({:?}, include_str!({path:?})),\n", format!("{folder}{stem}")));
            }
        }
    }
    entries.sort();
    let table = Path::new(&env::var("OUT_DIR")?).join("sources.rs");
    fs::write(table, format!("&[\n{}]\n", entries.concat()))?;
    Ok(())
}
