//! Files that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::error::FormatError;

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FormatError {
    let path = path.to_path_buf();
    move |error| FormatError::Io { action, path, error }
}

/// A file under a temporary name. Dropped without [`publish`](Pending::publish), it leaves nothing.
pub(crate) struct Pending {
    target: PathBuf,
    temporary: PathBuf,
    published: bool,
}

impl Pending {
    /// Writes a file next to `target`, whose folder is created if need be, down to the disk.
    pub(crate) fn write(
        target: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Pending, FormatError> {
        fs::create_dir_all(folder_of(target)).map_err(io_error("create", folder_of(target)))?;
        let (file, temporary) = create_beside(target).map_err(io_error("create", target))?;
        let pending = Pending { target: target.to_path_buf(), temporary, published: false };
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        content(&mut writer)
            .and_then(|()| writer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all())
            .map_err(io_error("write", target))?;
        Ok(pending)
    }

    /// Puts the file in its place, over an older one.
    pub(crate) fn publish(mut self) -> Result<(), FormatError> {
        fs::rename(&self.temporary, &self.target).map_err(io_error("write", &self.target))?;
        self.published = true;
        sync_folder(folder_of(&self.target)).map_err(io_error("write", &self.target))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.published {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Creates a file that nobody else has, in the folder of `target`: only there is a rename atomic.
fn create_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut attempt = 0;
    loop {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{attempt}.partial", process::id()));
        let path = folder_of(target).join(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A rename is on the disk only when its folder is; other systems than Unix cannot open a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a whole file: a reader sees the old content or the new, never a part, and after the call the
/// new one is on the disk. Missing folders are created.
///
/// # Errors
/// [`FormatError::Io`]; the old file, if there was one, is then untouched.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    Pending::write(path, |file| file.write_all(bytes))?.publish()
}

/// Whether a name is one that a write gives its file before it is published.
fn is_temporary(name: &OsStr) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let writer = name
        .to_str()
        .and_then(|name| name.strip_prefix('.')?.strip_suffix(".partial")?.rsplit_once('.'))
        .and_then(|(_, writer)| writer.split_once('-'));
    writer.is_some_and(|(process, attempt)| is_number(process) && is_number(attempt))
}

/// Which files to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Those of the folder itself.
    Folder,
    /// Those of the folders below it too.
    Tree,
}

/// Removes what writes that were killed have left in a folder, and returns how many files that were.
/// Nobody may be writing there.
///
/// # Errors
/// [`FormatError::Io`].
pub fn remove_leftovers(folder: &Path, depth: Depth) -> Result<usize, FormatError> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))? {
        let entry = entry.map_err(io_error("read", folder))?;
        let path = entry.path();
        if entry.file_type().map_err(io_error("read", &path))?.is_dir() {
            if depth == Depth::Tree {
                removed += remove_leftovers(&path, depth)?;
            }
        } else if is_temporary(&entry.file_name()) {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        atomic_write(&path, b"a longer first content").unwrap();
        atomic_write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn folders_are_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/1/log.txt");
        atomic_write(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        atomic_write(&path, b"old").unwrap();
        let failed = Pending::write(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::other("no space left"))
        });
        let message = failed.err().expect("the error was swallowed").to_string();
        assert_eq!(message, format!("cannot write {}: no space left", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["log.txt"]);
    }

    #[test]
    fn an_unpublished_file_is_invisible_and_vanishes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let pending = Pending::write(&path, |file| file.write_all(b"new")).unwrap();
        assert!(!path.exists());
        assert_eq!(names(folder.path()).len(), 1);
        drop(pending);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn leftovers_of_killed_writes_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("teacher/model");
        atomic_write(&below.join("model.safetensors"), b"x").unwrap();
        let pending = Pending::write(&below.join("config.toml"), |_| Ok(())).unwrap();
        // A killed process does not drop.
        std::mem::forget(pending);
        assert_eq!(names(&below).len(), 2);
        assert_eq!(remove_leftovers(folder.path(), Depth::Folder).unwrap(), 0);
        assert_eq!(remove_leftovers(folder.path(), Depth::Tree).unwrap(), 1);
        assert_eq!(names(&below), ["model.safetensors"]);
        // What others call partial is theirs.
        for name in [".download.partial", ".a.1-x.partial", "a.1-2.partial", ".a.1-2.part"] {
            fs::write(below.join(name), "x").unwrap();
        }
        assert_eq!(remove_leftovers(folder.path(), Depth::Tree).unwrap(), 0);
    }

    #[test]
    fn a_path_that_is_a_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        fs::create_dir(&path).unwrap();
        let message = atomic_write(&path, b"x").unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot write {}", path.display())), "{message}");
        assert_eq!(names(folder.path()), ["log.txt"]);
    }
}
