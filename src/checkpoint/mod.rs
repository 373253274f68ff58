//! Weights and folders on disk: reading safetensors and PyTorch's files, writing safetensors, and commits that survive a
//! crash.
//!
//! Nothing in a file is believed before it is checked (`header`), nothing is visible before it is whole (`commit`).

mod commit;
mod float8;
mod header;
mod output;
mod pickle;
mod torch;
mod weights;
mod write;

pub use commit::{
    MARKER, clean, commit_folder, is_complete, remove_folder, sha256_file, verify, verify_if_sealed, write_file,
};
pub(crate) use header::READ;
pub use output::{Existing, Output, check_folder_output};
#[cfg(test)]
pub(crate) use torch::tests as torch_files;
pub use weights::{WEIGHTS, Weights, not_finite, shards};
pub use write::{Entry, Float, Values, write};

use std::{fs::File, io};

/// Reads up to `buffer.len()` bytes that begin at byte `at`, without a shared cursor; fewer at the end of the file.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        #[cfg(unix)]
        let result = std::os::unix::fs::FileExt::read_at(file, &mut buffer[filled..], at + filled as u64);
        #[cfg(windows)]
        let result = std::os::windows::fs::FileExt::seek_read(file, &mut buffer[filled..], at + filled as u64);
        match result {
            Ok(0) => break,
            Ok(n_bytes) => filled += n_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A number as eight bits keep it, where they do.
pub fn in_eight_bits(x: f32) -> Option<f32> {
    float8::from_f32(x).map(float8::to_f32)
}
