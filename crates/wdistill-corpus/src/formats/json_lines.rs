//! A JSON object a line.

use std::path::Path;

use serde_json::Value;
use wdistill_text::{FindingKind, LineReader, Occurrences};

use crate::error::CorpusError;
use crate::formats::{content, stripped};
use crate::raw::{Changes, RawPair, ReadPairs, without_breaks};

/// A file of objects.
pub(crate) struct JsonLines<'f> {
    lines: LineReader<'static>,
    /// Of source and target.
    fields: &'f [String; 2],
    breaks: Occurrences,
}

impl<'f> JsonLines<'f> {
    /// Opens it.
    pub(crate) fn open(path: &Path, fields: &'f [String; 2]) -> Result<JsonLines<'f>, CorpusError> {
        Ok(JsonLines { lines: LineReader::open(path)?, fields, breaks: Occurrences::default() })
    }
}

impl ReadPairs for JsonLines<'_> {
    fn read(&mut self, pair: &mut RawPair) -> Result<bool, CorpusError> {
        let Some(line) = self.lines.next_line()? else { return Ok(false) };
        let object: Result<Value, _> = serde_json::from_str(line);
        let number = self.lines.count();
        let wrong = |fact: String, hint: &str| content(self.lines.path(), number, fact, hint);
        let object = object.map_err(|error| {
            wrong(format!("no JSON: {error}"), "expected one object on every line")
        })?;
        let mut has_breaks = false;
        for (field, side) in self.fields.iter().zip([&mut pair.source, &mut pair.target]) {
            let found = field.split('.').try_fold(&object, |value, name| value.get(name));
            let Some(text) = found.and_then(Value::as_str) else {
                let fact = format!("no text in the field {field}");
                let hint =
                    "`fields = [\"SOURCE\", \"TARGET\"]` names others; \"a.b\" is b inside of a";
                return Err(wrong(fact, hint));
            };
            has_breaks |= without_breaks(text, side);
        }
        if has_breaks {
            self.breaks.add(number);
        }
        pair.lines = [number; 2];
        Ok(true)
    }

    fn changes(&self) -> Changes<'_> {
        let breaks = (FindingKind::LineBreaks, self.lines.path(), &self.breaks);
        stripped(&self.lines).into_iter().chain([breaks]).collect()
    }
}
