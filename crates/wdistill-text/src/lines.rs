//! Reading text files line by line, with the checks that need raw bytes.

use crate::compressed::text_reader;
use wdistill_base::{FileError, Problem};

use crate::error::TextError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use twox_hash::XxHash3_128;
use wdistill_base::digits;

/// How many examples of one kind of finding are kept.
pub(crate) const EXAMPLES: usize = 5;

/// The path that stands for standard input where one text is expected.
const STANDARD_INPUT: &str = "-";

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// How often something was seen, and where first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrences {
    /// How often.
    pub count: usize,
    /// Line numbers, from 1, of the first five.
    pub first_lines: Vec<usize>,
}

impl Occurrences {
    /// Counts one more.
    pub fn add(&mut self, line: usize) {
        self.count += 1;
        if self.first_lines.len() < EXAMPLES {
            self.first_lines.push(line);
        }
    }
}

/// The lines of a text file, without line endings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLines {
    /// Where the lines were read.
    pub path: PathBuf,
    /// Hash of the file's bytes, compressed or not, the same as [`wdistill_base::hash_file`] of the unchanged file.
    pub hash: String,
    /// The lines, in order. Only a line feed ends a line: other characters that some tools treat as
    /// line breaks (U+2028, form feed, a lone carriage return) stay inside their line.
    pub lines: Vec<String>,
    /// A byte order mark at the start of the file, which was stripped.
    pub byte_order_mark: Occurrences,
    /// Lines that ended with carriage return and line feed; both were stripped.
    pub carriage_returns: Occurrences,
}

/// Reads a UTF-8 text file, compressed or not, as [`text_reader`] does.
///
/// # Errors
/// [`TextError::File`] when it cannot be read or unpacked or is no text, [`TextError::InvalidUtf8`] with the first
/// bad byte.
pub fn read_lines(path: &Path) -> Result<TextLines, TextError> {
    lines_of(path, File::open(path).map_err(FileError::when("open", path))?)
}

/// Reads a text file as [`read_lines`] does, and standard input where the path is `-`.
///
/// # Errors
/// As [`read_lines`]; the path is then `standard input`.
pub fn read_lines_or_standard_input(path: &Path) -> Result<TextLines, TextError> {
    match path == Path::new(STANDARD_INPUT) {
        true => lines_of(Path::new("standard input"), std::io::stdin()),
        false => read_lines(path),
    }
}

/// Reads lines as [`read_lines`] does, of a file that is open; errors name `path`.
pub(crate) fn lines_of(path: &Path, input: impl Read + Send) -> Result<TextLines, TextError> {
    let mut hasher = XxHash3_128::new();
    let mut lines = Vec::new();
    let (path, byte_order_mark, carriage_returns) = {
        let mut reader = LineReader::new(path, Hashed { input, hasher: &mut hasher })?;
        while let Some(line) = reader.next_line()? {
            lines.push(line.to_owned());
        }
        (reader.path, reader.byte_order_mark, reader.carriage_returns)
    };
    Ok(TextLines { path, hash: digits(&hasher), lines, byte_order_mark, carriage_returns })
}

/// Lines as they come, such as those of a terminal, without line endings and without a byte order mark at the start.
///
/// # Errors
/// Those of `reader`, and [`ErrorKind::InvalidData`] for a line that is no UTF-8; each is the last item.
pub fn lines_as_they_come(
    mut reader: impl BufRead,
) -> impl Iterator<Item = std::io::Result<String>> {
    let (mut is_first, mut has_ended) = (true, false);
    std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        let line = match reader.read_until(b'\n', &mut bytes) {
            _ if has_ended => return None,
            Ok(0) => return None,
            Ok(_) => String::from_utf8(without_ending(bytes)).map_err(not_utf_8),
            Err(error) => Err(error),
        };
        has_ended = line.is_err();
        let was_first = std::mem::take(&mut is_first);
        Some(line.map(|line| match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if was_first => rest.to_string(),
            _ => line,
        }))
    })
}

fn without_ending(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    line
}

fn not_utf_8(error: FromUtf8Error) -> std::io::Error {
    let byte = error.utf8_error().valid_up_to();
    let fact = format!("not valid UTF-8 at byte {byte} of the line, counted from 0");
    let problem = Problem::with_hint(fact, "convert the text to UTF-8");
    std::io::Error::new(ErrorKind::InvalidData, problem)
}

/// Bytes on their way from a file, which are hashed as they come, before anything unpacks them.
struct Hashed<'h, R> {
    input: R,
    hasher: &'h mut XxHash3_128,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.write(&buffer[..count]);
        Ok(count)
    }
}

/// The lines of a text file, one after the other, with the checks of [`read_lines`].
pub struct LineReader<'r> {
    path: PathBuf,
    reader: Box<dyn BufRead + Send + 'r>,
    /// Lines read so far.
    count: usize,
    /// Where the last of them starts in the file.
    start: usize,
    /// Where the next one starts.
    next_start: usize,
    bytes: Vec<u8>,
    byte_order_mark: Occurrences,
    carriage_returns: Occurrences,
}

impl<'r> LineReader<'r> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`TextError::File`].
    pub fn open(path: &Path) -> Result<LineReader<'static>, TextError> {
        LineReader::new(path, File::open(path).map_err(FileError::when("open", path))?)
    }

    fn new(path: &Path, input: impl Read + Send + 'r) -> Result<LineReader<'r>, TextError> {
        Ok(LineReader {
            path: path.to_path_buf(),
            reader: text_reader(input).map_err(FileError::when("read", path))?,
            count: 0,
            start: 0,
            next_start: 0,
            bytes: Vec::new(),
            byte_order_mark: Occurrences::default(),
            carriage_returns: Occurrences::default(),
        })
    }

    /// The next line, without its ending; none at the end.
    ///
    /// # Errors
    /// As [`read_lines`].
    pub fn next_line(&mut self) -> Result<Option<&str>, TextError> {
        self.bytes.clear();
        let length = self
            .reader
            .read_until(b'\n', &mut self.bytes)
            .map_err(FileError::when("read", &self.path))?;
        if length == 0 {
            return Ok(None);
        }
        (self.start, self.next_start) = (self.next_start, self.next_start + length);
        self.count += 1;
        let content = self.content();
        // Offsets count from the raw line, a byte order mark included, as an editor would show them.
        let stripped = content.start;
        let text = std::str::from_utf8(&self.bytes[content]).map_err(|error| {
            let byte_in_line = stripped + error.valid_up_to();
            TextError::InvalidUtf8 {
                path: self.path.clone(),
                line: self.count,
                byte_in_line,
                byte_in_file: self.start + byte_in_line,
            }
        })?;
        Ok(Some(text))
    }

    /// Where the line stands in its bytes, without its ending and a byte order mark; both are counted.
    fn content(&mut self) -> Range<usize> {
        let mut content = 0..self.bytes.len();
        if self.bytes.ends_with(b"\n") {
            content.end -= 1;
            if self.bytes[content.clone()].ends_with(b"\r") {
                content.end -= 1;
                self.carriage_returns.add(self.count);
            }
        }
        if self.count == 1 && self.bytes.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            content.start = BYTE_ORDER_MARK.len();
            self.byte_order_mark.add(self.count);
        }
        content
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lines read so far, and so the number, from 1, of the last one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A byte order mark at the start of the file, which was stripped.
    pub fn byte_order_mark(&self) -> &Occurrences {
        &self.byte_order_mark
    }

    /// Lines so far that ended with carriage return and line feed; both were stripped.
    pub fn carriage_returns(&self) -> &Occurrences {
        &self.carriage_returns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<TextLines, TextError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.de");
        std::fs::write(&path, bytes).unwrap();
        read_lines(&path)
    }

    #[test]
    fn a_last_line_counts_with_and_without_its_line_feed() {
        assert_eq!(read(b"a\nb\n").unwrap().lines, ["a", "b"]);
        assert_eq!(read(b"a\nb").unwrap().lines, ["a", "b"]);
        assert_eq!(read(b"a\n\n").unwrap().lines, ["a", ""]);
        assert!(read(b"").unwrap().lines.is_empty());
    }

    #[test]
    fn the_hash_is_that_of_the_file() {
        for bytes in [&b""[..], b"a\r\nb", b"\xef\xbb\xbfa\n\nb\n"] {
            assert_eq!(read(bytes).unwrap().hash, wdistill_base::hash_bytes(bytes));
        }
    }

    #[test]
    fn only_a_line_feed_ends_a_line() {
        let text = read("a\u{2028}b\u{85}c\x0cd\re\x0bf\n".as_bytes()).unwrap();
        assert_eq!(text.lines, ["a\u{2028}b\u{85}c\x0cd\re\x0bf"]);
        assert_eq!(text.carriage_returns.count, 0);
    }

    #[test]
    fn a_byte_order_mark_and_carriage_returns_are_stripped_and_counted() {
        let text = read(b"\xef\xbb\xbfa\r\nb\nc\r\n\xef\xbb\xbfd").unwrap();
        assert_eq!(text.lines, ["a", "b", "c", "\u{feff}d"]);
        assert_eq!(text.byte_order_mark, Occurrences { count: 1, first_lines: vec![1] });
        assert_eq!(text.carriage_returns, Occurrences { count: 2, first_lines: vec![1, 3] });
    }

    #[test]
    fn invalid_utf8_is_located() {
        // Line 1 takes bytes 0 to 7; line 2 is `x`, an e acute in Latin-1, `y`.
        let error = read(b"Stra\xc3\x9fe\nx\xe9y\n").unwrap_err();
        match error {
            TextError::InvalidUtf8 { line, byte_in_line, byte_in_file, .. } => {
                assert_eq!((line, byte_in_line, byte_in_file), (2, 1, 9));
            }
            other => panic!("{other}"),
        }
        let error = read(b"\xef\xbb\xbfa\xff").unwrap_err();
        assert!(
            matches!(
                error,
                TextError::InvalidUtf8 { line: 1, byte_in_line: 4, byte_in_file: 4, .. }
            ),
            "{error}"
        );
    }

    #[test]
    fn lines_come_one_by_one_up_to_the_first_that_is_no_text() {
        let text = b"\xef\xbb\xbfa\r\nb\r\n\xef\xbb\xbfc\n\nd\xffe\nf".as_slice();
        let (lines, errors): (Vec<_>, Vec<_>) = lines_as_they_come(text).partition(Result::is_ok);
        let lines: Vec<String> = lines.into_iter().map(Result::unwrap).collect();
        assert_eq!(lines, ["a", "b", "\u{feff}c", ""]);
        let [error] = &errors[..] else { panic!("{errors:?}") };
        let error = error.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("not valid UTF-8 at byte 1 of the line"), "{error}");
        let last: Vec<String> = lines_as_they_come(&b"a\nb"[..]).map(Result::unwrap).collect();
        assert_eq!(last, ["a", "b"]);
    }
}
