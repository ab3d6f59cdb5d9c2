//! Translation Memory eXchange 1.4: units (`tu`) of variants (`tuv`), each with a language and a segment (`seg`). Marks of
//! layout inside of a segment (`bpt`, `ept`, `it`, `ph`, `ut`) are no text; what `hi` marks is.

use std::fs::File;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use wdistill_base::FileError;
use wdistill_text::{FindingKind, Occurrences, text_reader};

use crate::error::CorpusError;
use crate::formats::content;
use crate::raw::{Changes, RawPair, ReadPairs, without_breaks};

/// Elements of a segment whose content is no text.
const MARKS: [&str; 5] = ["bpt", "ept", "it", "ph", "ut"];

/// A file of units.
pub(crate) struct Tmx<'f> {
    path: PathBuf,
    reader: Reader<CountedLines>,
    languages: &'f [String; 2],
    breaks: Occurrences,
}

/// Counts the line feeds that have been read.
struct CountedLines {
    input: Box<dyn BufRead + Send>,
    lines: usize,
}

impl std::io::Read for CountedLines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let found = self.input.read(buffer)?;
        self.lines += buffer[..found].iter().filter(|byte| **byte == b'\n').count();
        Ok(found)
    }
}

impl BufRead for CountedLines {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(bytes) = self.input.fill_buf() {
            let read = &bytes[..amount.min(bytes.len())];
            self.lines += read.iter().filter(|byte| **byte == b'\n').count();
        }
        self.input.consume(amount);
    }
}

impl<'f> Tmx<'f> {
    /// Opens it.
    pub(crate) fn open(path: &Path, languages: &'f [String; 2]) -> Result<Tmx<'f>, CorpusError> {
        let file = File::open(path).map_err(FileError::when("open", path))?;
        let input = text_reader(file).map_err(FileError::when("read", path))?;
        let mut reader = Reader::from_reader(CountedLines { input, lines: 0 });
        reader.config_mut().expand_empty_elements = true;
        let (path, breaks) = (path.to_path_buf(), Occurrences::default());
        Ok(Tmx { path, reader, languages, breaks })
    }

    fn line(&self) -> usize {
        self.reader.get_ref().lines + 1
    }

    fn next_event(&mut self) -> Result<Event<'static>, CorpusError> {
        let mut buffer = Vec::new();
        match self.reader.read_event_into(&mut buffer) {
            Ok(event) => Ok(event.into_owned()),
            Err(error) => Err(self.wrong(format!("no XML: {error}"), "mend the file there")),
        }
    }

    fn wrong(&self, fact: String, hint: &str) -> CorpusError {
        content(&self.path, self.line(), fact, hint)
    }

    /// Which side a variant is, by its language: 0, 1, or neither.
    fn side(&self, variant: &BytesStart<'_>) -> Option<usize> {
        let mut attributes = variant.attributes();
        attributes.with_checks(false);
        let language = attributes
            .filter_map(Result::ok)
            .find(|attribute| matches!(attribute.key.as_ref(), "xml:lang" | "lang"))?
            .value;
        let is = |wanted: &String| is_language(&language, wanted);
        self.languages.iter().position(is)
    }

    /// Reads a unit to its end; whether it has line breaks inside of a segment.
    fn read_unit(&mut self, pair: &mut RawPair) -> Result<bool, CorpusError> {
        let start = self.line();
        pair.source.clear();
        pair.target.clear();
        pair.lines = [start; 2];
        let (mut side, mut has_breaks) = (None, false);
        loop {
            match self.next_event()? {
                Event::Start(element) => match element.name().as_ref() {
                    "tuv" => side = self.side(&element),
                    "seg" => {
                        let line = self.line();
                        let segment = self.read_segment()?;
                        let Some(side) = side else { continue };
                        let into = [&mut pair.source, &mut pair.target];
                        has_breaks |=
                            without_breaks(&segment, into.into_iter().nth(side).expect("two"));
                        pair.lines[side] = line;
                    }
                    _ => {}
                },
                Event::End(element) if element.name().as_ref() == "tu" => return Ok(has_breaks),
                Event::Eof => {
                    return Err(self.wrong(
                        "the file ends inside of a unit".to_string(),
                        "the file was cut short, make it anew",
                    ));
                }
                _ => {}
            }
        }
    }

    /// The text of a segment, to its end.
    fn read_segment(&mut self) -> Result<String, CorpusError> {
        let (mut text, mut open, mut marks) = (String::new(), 0, 0);
        loop {
            let event = self.next_event()?;
            let is_mark = |name: &str| MARKS.contains(&name);
            match event {
                Event::Start(element) => {
                    open += 1;
                    marks += usize::from(is_mark(element.name().as_ref()));
                }
                Event::End(_) if open == 0 => return Ok(text),
                Event::End(element) => {
                    open -= 1;
                    marks -= usize::from(is_mark(element.name().as_ref()));
                }
                _ if marks > 0 => {}
                Event::Text(found) => text.push_str(&found),
                Event::CData(found) => text.push_str(&found),
                Event::GeneralRef(found) => text.push(self.character(&found)?),
                Event::Eof => {
                    return Err(self.wrong(
                        "the file ends inside of a segment".to_string(),
                        "the file was cut short, make it anew",
                    ));
                }
                _ => {}
            }
        }
    }

    /// The character that a reference such as `&amp;` or `&#x20;` stands for.
    fn character(&self, reference: &BytesRef<'_>) -> Result<char, CorpusError> {
        let by_name = || match &reference[..] {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        };
        let by_number = reference.resolve_char_ref().ok().flatten();
        by_number.or_else(by_name).ok_or_else(|| {
            let name = &**reference;
            self.wrong(
                format!("unknown character &{name};"),
                "XML knows amp, lt, gt, quot, apos and numbers",
            )
        })
    }
}

/// Whether a code means the language that is wanted: the same code, or one with more behind it, `en-GB` for `en`.
fn is_language(found: &str, wanted: &str) -> bool {
    let (found, wanted) = (found.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let rest = found.strip_prefix(wanted.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

impl ReadPairs for Tmx<'_> {
    fn read(&mut self, pair: &mut RawPair) -> Result<bool, CorpusError> {
        loop {
            match self.next_event()? {
                Event::Start(element) if element.name().as_ref() == "tu" => {
                    if self.read_unit(pair)? {
                        self.breaks.add(pair.lines[0]);
                    }
                    return Ok(true);
                }
                Event::Eof => return Ok(false),
                _ => {}
            }
        }
    }

    fn changes(&self) -> Changes<'_> {
        vec![(FindingKind::LineBreaks, &self.path, &self.breaks)]
    }
}
