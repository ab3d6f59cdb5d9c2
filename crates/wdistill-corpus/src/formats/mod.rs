//! A file for each format that pairs are read from.

pub(crate) mod aligned;
pub(crate) mod json_lines;
pub(crate) mod pharaoh;
pub(crate) mod tab_separated;
pub(crate) mod tmx;

use wdistill_base::{ContentError, Problem};
use wdistill_text::{FindingKind, LineReader};

use crate::error::CorpusError;
use crate::raw::Changes;

/// What a reader of lines stripped from them.
fn stripped<'l>(lines: &'l LineReader<'_>) -> Changes<'l> {
    vec![
        (FindingKind::ByteOrderMark, lines.path(), lines.byte_order_mark()),
        (FindingKind::CarriageReturns, lines.path(), lines.carriage_returns()),
    ]
}

/// An error that names a line of a file.
fn content(path: &std::path::Path, line: usize, fact: String, hint: &str) -> CorpusError {
    let problem = Problem::with_hint(fact, hint);
    ContentError { path: path.to_path_buf(), line, problem }.into()
}
