//! A text that is read in stretches of its lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;
use wdistill_base::{FileError, digits};

use crate::error::CorpusError;

/// A text of UTF-8 lines, of which only some are in memory at a time; every line ends with a line feed.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    hash: String,
    lines: usize,
    /// Lines of a stretch.
    stretch: usize,
    /// Bytes before each stretch.
    starts: Vec<u64>,
}

impl LineFile {
    /// Goes through a text once, to know where its stretches of so many lines begin.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn open(path: &Path, stretch: usize) -> Result<LineFile, CorpusError> {
        let file = File::open(path).map_err(FileError::when("open", path))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut hasher = XxHash3_128::new();
        let (mut lines, mut bytes, mut starts) = (0, 0, Vec::new());
        let mut is_start = true;
        loop {
            let found = reader.fill_buf().map_err(FileError::when("read", path))?;
            if found.is_empty() {
                break;
            }
            hasher.write(found);
            for (place, byte) in found.iter().enumerate() {
                if std::mem::take(&mut is_start) && lines % stretch == 0 {
                    starts.push(bytes + place as u64);
                }
                if *byte == b'\n' {
                    lines += 1;
                    is_start = true;
                }
            }
            let count = found.len();
            bytes += count as u64;
            reader.consume(count);
        }
        // A last line without its feed.
        lines += usize::from(!is_start && bytes > 0);
        let (path, hash) = (path.to_path_buf(), digits(&hasher));
        Ok(LineFile { path, hash, lines, stretch, starts })
    }

    /// Hash of its bytes, that of [`wdistill_base::hash_file`].
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// How many stretches it has.
    pub fn stretches(&self) -> usize {
        self.starts.len()
    }

    /// How many lines a stretch has.
    pub fn lines_of(&self, stretch: usize) -> usize {
        self.stretch.min(self.lines - stretch * self.stretch)
    }

    /// The lines of a stretch.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn read(&self, stretch: usize) -> Result<Vec<String>, CorpusError> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.starts[stretch]))?;
            let mut text = String::new();
            match self.starts.get(stretch + 1) {
                Some(end) => file.take(end - self.starts[stretch]).read_to_string(&mut text)?,
                None => file.read_to_string(&mut text)?,
            };
            Ok(text)
        };
        let text: String = read().map_err(FileError::when("read", &self.path))?;
        Ok(text.strip_suffix('\n').unwrap_or(&text).split('\n').map(str::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wdistill_base::hash_file;

    #[test]
    fn stretches_together_are_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        for (text, expected) in [
            ("", 0),
            ("\n", 1),
            ("a\n\nc\n", 3),
            ("a\nb", 2),
            ("one\ntwo\r\nthree\n\n\nsix\nseven\n", 7),
        ] {
            std::fs::write(&path, text).unwrap();
            for stretch in 1..5 {
                let file = LineFile::open(&path, stretch).unwrap();
                assert_eq!((file.lines(), file.hash()), (expected, &*hash_file(&path).unwrap()));
                assert_eq!(file.stretches(), expected.div_ceil(stretch), "{text:?}, {stretch}");
                let read: Vec<Vec<String>> =
                    (0..file.stretches()).map(|number| file.read(number).unwrap()).collect();
                for (number, lines) in read.iter().enumerate() {
                    assert_eq!(lines.len(), file.lines_of(number), "{text:?}, {stretch}, {number}");
                }
                let whole = read.concat().join("\n");
                assert_eq!(whole, text.strip_suffix('\n').unwrap_or(text), "{stretch}");
            }
        }
    }
}
