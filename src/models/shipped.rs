//! The encoder that ships with the program: inside of it, so that an installed binary needs no file beside it.

use crate::{
    checkpoint,
    error::{Error, Result},
};
use std::path::Path;

/// Where it lies in the project, and what recipes call it.
pub const PATH: &str = "weights/xlmr-open";

/// Its files, as Hugging Face lays them out; how they were made is in `weights/README.md`.
const FILES: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../weights/xlmr-open/config.json")),
    ("model.safetensors", include_bytes!("../../weights/xlmr-open/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../weights/xlmr-open/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../weights/xlmr-open/tokenizer_config.json")),
];

/// Puts the encoder into a folder, unless it is there already, whole and the same.
pub fn unpack(folder: &Path) -> Result<()> {
    let same = |(name, bytes): &(&str, &[u8])| std::fs::read(folder.join(name)).is_ok_and(|found| found == *bytes);
    if checkpoint::is_complete(folder) && FILES.iter().all(same) {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Error::write(parent, &error))?;
    }
    checkpoint::commit_folder(folder, |folder| {
        FILES.iter().try_for_each(|(name, bytes)| checkpoint::write_file(&folder.join(name), bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_damaged_is_put_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let encoder = folder.path().join("a/b");
        unpack(&encoder).unwrap();
        let config = encoder.join("config.json");
        fs::write(&config, "{}").unwrap();
        unpack(&encoder).unwrap();
        assert_eq!(fs::read(&config).unwrap(), FILES[0].1);
    }
}
