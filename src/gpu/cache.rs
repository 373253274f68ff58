//! Pipelines that earlier processes made, as the driver keeps them: a file for each adapter and driver in the user's
//! cache folder. One that is damaged or stale is made again.

use super::{Gpu, adapter::Adapter, faults::lock};
use sha2::{Digest, Sha256};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

/// The file, and the cache in use.
pub(super) struct Cache {
    pub(super) raw: wgpu::PipelineCache,
    path: PathBuf,
    /// Pipelines made when it was last written.
    written: u64,
}

impl Cache {
    /// What earlier processes left for this adapter, and what there is to say of it; none where the device offers no
    /// such thing.
    pub(super) fn open(device: &wgpu::Device, adapter: &Adapter) -> (Option<Cache>, Option<String>) {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return (None, None);
        }
        let Some(folder) = folder() else { return (None, None) };
        let key = hex(&[&adapter.backend, &adapter.name, &adapter.driver].map(|part| part.as_bytes()).join(&0));
        let path = folder.join(format!("pipelines-{}.bin", &key[..16]));
        let (data, note) = match fs::read(&path) {
            Ok(bytes) => match content(&bytes) {
                Some(data) => (Some(data.to_vec()), None),
                None => (None, Some(format!("{} is damaged; it is made again", path.display()))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
            Err(error) => (None, Some(format!("cannot read {}: {error}", path.display()))),
        };
        (Some(Cache { raw: make(device, data.as_deref()), path, written: 0 }), note)
    }

    fn write(&self) -> io::Result<()> {
        let Some(data) = self.raw.get_data() else { return Ok(()) };
        write_whole(&self.path, &[&Sha256::digest(&data)[..], &data].concat())
    }
}

/// Writes a file, in a folder made where it is not there, so that no one ever sees a part of it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let temporary = path.with_extension(format!("tmp-{}", process::id()));
    let written = fs::write(&temporary, bytes);
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // What is left of it would lie there for ever.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// The driver looks at whom its data are for; that they are as it wrote them, the checksum tells.
#[expect(unsafe_code, reason = "wgpu asks that the data come from the same call of an earlier process")]
fn make(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    // SAFETY: the data are what `get_data` gave for an adapter and driver of these names, unchanged by their SHA-256.
    unsafe { device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor { label: None, data, fallback: true }) }
}

/// What stands behind the checksum, if it is right.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, data) = bytes.split_at_checked(32)?;
    (Sha256::digest(data)[..] == *sum).then_some(data)
}

/// The user's cache folder for us.
pub fn folder() -> Option<PathBuf> {
    let at = |name: &str| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let base = match () {
        () if cfg!(windows) => at("LOCALAPPDATA")?,
        () if cfg!(target_os = "macos") => at("HOME")?.join("Library/Caches"),
        () => at("XDG_CACHE_HOME").or_else(|| Some(at("HOME")?.join(".cache")))?,
    };
    Some(base.join("rxlt"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Gpu {
    /// Keeps the pipelines made so far for later processes, if there are new ones. Returns what there is to say.
    pub fn keep_pipelines(&self) -> Option<String> {
        let mut cache = lock(&self.pipelines.cache);
        let (cache, made) = (cache.as_mut()?, self.statistics().pipelines);
        if made == std::mem::replace(&mut cache.written, made) {
            return None;
        }
        let error = cache.write().err()?;
        Some(format!("pipelines are not kept for the next run: cannot write {}: {error}", cache.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_whole_is_believed() {
        let file = [&Sha256::digest(b"data")[..], b"data"].concat();
        assert_eq!(content(&file), Some(&b"data"[..]));
        for bad in [&file[..35], &file[..10], &[], &[&file[..], b"x"].concat()] {
            assert_eq!(content(bad), None);
        }
    }
}
