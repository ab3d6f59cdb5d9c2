//! Writing files that are never seen half written.

use crate::error::{TextError, file_error};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes to a file beside it first, which then takes its name.
///
/// # Errors
/// [`TextError::File`] with the path; what was there before stays.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TextError> {
    let partial = partial_path(path);
    write_and_sync(&partial, bytes).and_then(|()| std::fs::rename(&partial, path)).map_err(
        |error| {
            // The write's error matters more than what becomes of the partial file.
            let _ = std::fs::remove_file(&partial);
            file_error("write", path)(error)
        },
    )
}

fn partial_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Named as all temporary files are, so that what a kill leaves is found: .NAME.PROCESS-ATTEMPT.partial.
    path.with_file_name(format!(".{name}.{}-0.partial", std::process::id()))
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
