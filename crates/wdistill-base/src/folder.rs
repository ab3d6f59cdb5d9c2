//! Files to read, on the disk or in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::files::FileError;

/// Files in memory under their names.
pub type MemoryFiles = BTreeMap<String, Vec<u8>>;

/// A folder to read from. What reads a model takes one, and never asks where its bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Folder<'a> {
    /// A folder of the file system.
    OnDisk(&'a Path),
    /// Files that something else has read, such as a browser, which has no file system.
    InMemory(&'a MemoryFiles),
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Folder<'a> {
    fn from(path: &'a P) -> Folder<'a> {
        Folder::OnDisk(path.as_ref())
    }
}

/// A file that has been opened: its bytes in their order.
pub struct OpenFile<'a> {
    /// How many there are.
    pub length: u64,
    /// What gives them, a block at a time.
    pub bytes: Box<dyn Read + Send + 'a>,
}

impl<'a> Folder<'a> {
    /// What errors call a file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Folder::OnDisk(folder) => folder.join(name),
            Folder::InMemory(_) => PathBuf::from(name),
        }
    }

    /// Opens a file of the folder.
    ///
    /// # Errors
    /// If there is no such file, or the system does not give it.
    pub fn open(&self, name: &str) -> Result<OpenFile<'a>, FileError> {
        self.open_path(&self.path(name))
    }

    /// Opens a file that was named on its own: wherever the path leads on the disk; in memory, one of the folder's files.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_path(&self, path: &Path) -> Result<OpenFile<'a>, FileError> {
        let opened = match self {
            Folder::OnDisk(_) => File::open(path).and_then(|file| {
                let length = file.metadata()?.len();
                Ok(OpenFile { length, bytes: Box::new(BufReader::with_capacity(1 << 16, file)) })
            }),
            Folder::InMemory(files) => match path.to_str().and_then(|name| files.get(name)) {
                Some(bytes) => {
                    Ok(OpenFile { length: bytes.len() as u64, bytes: Box::new(bytes.as_slice()) })
                }
                None => Err(io::ErrorKind::NotFound.into()),
            },
        };
        opened.map_err(FileError::when("read", path))
    }

    /// All bytes of a file of the folder.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, FileError> {
        let OpenFile { length, mut bytes } = self.open(name)?;
        let mut content = Vec::with_capacity(length as usize);
        let path = self.path(name);
        bytes.read_to_end(&mut content).map_err(FileError::when("read", &path))?;
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_on_the_disk_and_in_memory() {
        let disk = tempfile::tempdir().unwrap();
        std::fs::write(disk.path().join("a.txt"), "text").unwrap();
        let memory = MemoryFiles::from([("a.txt".to_string(), b"text".to_vec())]);
        for folder in [Folder::from(disk.path()), Folder::InMemory(&memory)] {
            assert_eq!(folder.read("a.txt").unwrap(), b"text");
            assert_eq!(folder.open_path(&folder.path("a.txt")).unwrap().length, 4);
            let error = folder.read("b.txt").unwrap_err();
            assert_eq!(error.error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().contains(&folder.path("b.txt").display().to_string()));
        }
    }
}
