//! The folder of a run, which one process has at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use wdistill_base::{Depth, FileError, remove_leftovers};

use crate::error::PipelineError;
use crate::stage::is_stage;

const LOCK: &str = "lock";

/// A folder that nobody else works in as long as this lives; nothing may be written into the folder of a
/// run before there is one.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Given up by the system when the process ends, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder if it is not there, takes it, and removes what a kill left half written.
    ///
    /// # Errors
    /// [`PipelineError::Busy`] if another process has it, or [`PipelineError::Io`].
    pub fn claim(path: &Path) -> Result<RunFolder, PipelineError> {
        std::fs::create_dir_all(path).map_err(FileError::when("create", path))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(FileError::when("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PipelineError::Busy { folder: path.to_path_buf() });
            }
            Err(TryLockError::Error(error)) => {
                return Err(FileError::when("lock", &lock_path)(error).into());
            }
        }
        remove_leftovers(path, Depth::Folder)?;
        Ok(RunFolder { path: path.to_path_buf(), _lock: lock })
    }

    /// Whether a folder is that of a run, or of one of its stages: no place for other results.
    pub fn is_used(path: &Path) -> bool {
        path.join(LOCK).exists() || is_stage(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
