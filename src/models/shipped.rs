//! The encoder that ships with the program: inside of it, so that an installed binary needs no file beside it.

use crate::{
    checkpoint,
    error::{Error, Result},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
};

/// Where it lies in the project, and what recipes call it.
pub const PATH: &str = "weights/xlmr-open";

/// Its files, as Hugging Face lays them out; how they were made is in `weights/README.md`. A static stands in the program
/// once, where a constant stood twice.
static FILES: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../weights/xlmr-open/config.json")),
    ("model.safetensors", include_bytes!("../../weights/xlmr-open/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../weights/xlmr-open/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../weights/xlmr-open/tokenizer_config.json")),
];

/// The folder that a recipe's model means: what lies there, or the encoder that ships, which `cache` then keeps.
pub fn folder(path: &str, cache: Option<&Path>) -> Result<PathBuf> {
    let named = Path::new(path);
    if path != PATH || named.exists() {
        return Ok(named.to_owned());
    }
    let cache = cache.ok_or_else(|| {
        let remedy = "set XDG_CACHE_HOME or HOME, or name a model by --model";
        Error::Missing(format!("there is no \"{path}\" here, and no cache folder for a copy of it; {remedy}"))
    })?;
    let folder = cache.join(format!("xlmr-open-{}", FILES.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()));
    unpack(&folder)?;
    Ok(folder)
}

/// Puts the encoder into a folder, unless it is there already, whole and the same. Other processes may do so at once: each
/// unpacks into a folder of its own, and the first to be ready gives it the name.
pub fn unpack(folder: &Path) -> Result<()> {
    if is_there(folder) {
        return Ok(());
    }
    let fail = |error: io::Error| Error::write(folder, &error);
    fs::create_dir_all(folder.parent().unwrap_or(folder)).map_err(fail)?;
    let mut own = folder.as_os_str().to_owned();
    own.push(format!("-{}", process::id()));
    let own = PathBuf::from(own);
    checkpoint::commit_folder(&own, |folder| {
        FILES.iter().try_for_each(|(name, bytes)| checkpoint::write_file(&folder.join(name), bytes))
    })?;
    if folder.exists() && !is_there(folder) {
        fs::remove_dir_all(folder).map_err(fail)?; // damaged
    }
    match fs::rename(&own, folder) {
        Err(_) if is_there(folder) => fs::remove_dir_all(&own).map_err(fail),
        renamed => renamed.map_err(fail),
    }
}

fn is_there(folder: &Path) -> bool {
    let same = |(name, bytes): &(&str, &[u8])| fs::read(folder.join(name)).is_ok_and(|found| found == *bytes);
    checkpoint::is_complete(folder) && FILES.iter().all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_put_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let encoder = folder.path().join("a/b");
        unpack(&encoder).unwrap();
        let config = encoder.join("config.json");
        fs::write(&config, "{}").unwrap();
        unpack(&encoder).unwrap();
        assert_eq!(fs::read(&config).unwrap(), FILES[0].1);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1, "nothing else is left");
    }
}
