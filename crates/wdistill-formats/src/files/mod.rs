//! File formats that other toolkits use: archives, arrays, pickles, YAML. Nothing here knows what a model is. Readers take a
//! file in memory, never look outside it, and allocate no more than its size justifies.

use std::path::{Path, PathBuf};

use wdistill_base::{FileError, Pending, Problem};

use crate::error::FormatError;

pub(crate) mod archive;
pub(crate) mod arrays;
pub(crate) mod bytes;
pub(crate) mod items;
pub(crate) mod npz;
pub(crate) mod pickle;
pub(crate) mod torch;
pub(crate) mod yaml;

/// What stands in place of a large file where only git has been, without its extension for these.
const LARGE_FILE_POINTER: &[u8] = b"version https://git-lfs";

/// A file's bytes.
///
/// # Errors
/// [`FormatError::Io`]; [`FormatError::Malformed`] if the file was never fetched.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    let bytes = std::fs::read(path).map_err(FileError::when("read", path))?;
    if bytes.starts_with(LARGE_FILE_POINTER) {
        Err(FormatError::Malformed {
            path: path.to_path_buf(),
            format: "the file itself",
            reason: Problem::with_hint("a pointer of Git LFS stands in its place", "git lfs pull"),
        })
    } else {
        Ok(bytes)
    }
}

/// A file's bytes, if it is there.
///
/// # Errors
/// [`FormatError::Io`].
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FormatError> {
    if path.exists() { read_file(path).map(Some) } else { Ok(None) }
}

/// Little-endian bytes of numbers.
pub(crate) fn float32_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Rows in 8 bits: `round(factor * w)`, ties to even, with `factor = 127 / max |w|` of the row, as CTranslate2
/// (`quantize` of `python/ctranslate2/specs/model_spec.py`) and Marian have it, for which a matrix is one row.
pub(crate) fn quantised(data: &[f32], columns: usize) -> (Vec<u8>, Vec<f32>) {
    let factor = |row: &[f32]| {
        let largest = row.iter().fold(0f32, |largest, number| largest.max(number.abs()));
        if largest == 0.0 { 1.0 } else { 127.0 / largest }
    };
    let factors: Vec<f32> = data.chunks_exact(columns).map(factor).collect();
    let bytes = data.chunks_exact(columns).zip(&factors).flat_map(|(row, factor)| {
        row.iter().map(move |number| (number * factor).round_ties_even() as i8 as u8)
    });
    (bytes.collect(), factors)
}

/// Writes all files of a folder to the disk before the first takes its place.
///
/// # Errors
/// [`FormatError::Io`].
pub(crate) fn publish(folder: &Path, files: Vec<(&str, Vec<u8>)>) -> Result<(), FormatError> {
    let pending = files
        .into_iter()
        .map(|(name, bytes)| Pending::write(&folder.join(name), |file| file.write_all(&bytes)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(pending.into_iter().try_for_each(Pending::publish)?)
}

/// The files of a folder, by their names.
///
/// # Errors
/// [`FormatError::Io`].
pub(crate) fn files_in(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let failed = |error| FileError::when("read", folder)(error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}
