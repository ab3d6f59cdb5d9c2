//! The folder of a run, which one process has at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use wdistill_base::{Depth, FileError, remove_leftovers};

use crate::error::PipelineError;
use crate::stage::is_stage;

const LOCK: &str = "lock";

fn open_lock(folder: &Path) -> Result<File, FileError> {
    std::fs::create_dir_all(folder).map_err(FileError::when("create", folder))?;
    let path = folder.join(LOCK);
    File::create(&path).map_err(FileError::when("create", &path))
}

/// A folder that nobody else works in as long as this lives; nothing may be written into the folder of a
/// run before there is one.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Given up by the system when the process ends, however it ends.
    lock: File,
}

impl RunFolder {
    /// Makes the folder if it is not there, takes it, and removes what a kill left half written.
    ///
    /// # Errors
    /// [`PipelineError::Busy`] if another process has it, or [`PipelineError::Io`].
    pub fn claim(path: &Path) -> Result<RunFolder, PipelineError> {
        let lock = open_lock(path)?;
        match lock.try_lock() {
            Ok(()) => RunFolder::taken(path, lock),
            Err(TryLockError::WouldBlock) => {
                Err(PipelineError::Busy { folder: path.to_path_buf() })
            }
            Err(TryLockError::Error(error)) => {
                Err(FileError::when("lock", &path.join(LOCK))(error).into())
            }
        }
    }

    /// The same, but waits until another process has given it up.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn wait_for(path: &Path) -> Result<RunFolder, PipelineError> {
        let lock = open_lock(path)?;
        lock.lock().map_err(FileError::when("lock", &path.join(LOCK)))?;
        RunFolder::taken(path, lock)
    }

    fn taken(path: &Path, lock: File) -> Result<RunFolder, PipelineError> {
        remove_leftovers(path, Depth::Folder)?;
        Ok(RunFolder { path: path.to_path_buf(), lock })
    }

    /// Lets others have it. Only what several may write at the same time may be written from now on.
    pub(crate) fn give_up(&self) -> Result<(), PipelineError> {
        Ok(self.lock.unlock().map_err(FileError::when("unlock", &self.path.join(LOCK)))?)
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
