use std::path::PathBuf;

use wdistill_base::{ContentError, FileError, Hinted, Problem};
use wdistill_text::TextError;

/// Everything that can go wrong with corpora.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A line or a pair.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line of a file is not what its format asks for.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A path of a corpus names no files, or other numbers of files on its two sides.
    #[error("{}: {problem}", path.display())]
    Path {
        /// The path, as it was given.
        path: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
    /// A file of encoded pairs is not what was written.
    #[error("{}: {problem}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
    /// There are no pairs to make batches of.
    #[error("there are no pairs to make batches of")]
    NoPairs,
    /// A pair does not fit a batch alone.
    #[error(
        "pair {number} of {part} has {source_length} source and {target_length} target tokens, but a batch takes at most {max_tokens}"
    )]
    PairTooLong {
        /// The part of the corpus.
        part: String,
        /// The pair in it, from 1.
        number: usize,
        /// Source tokens with the end.
        source_length: usize,
        /// Target tokens with the end.
        target_length: usize,
        /// The limit.
        max_tokens: usize,
    },
    /// A saved position is beyond the batches of its block.
    #[error(
        "no batch {offset} in block {block} of epoch {epoch}, which has {batches} batches (counted from 0)"
    )]
    InvalidPosition {
        /// The epoch, from 0.
        epoch: u64,
        /// The block of the epoch, from 0.
        block: u64,
        /// The batch of the block, from 0.
        offset: u64,
        /// How many the block has.
        batches: u64,
    },
}

impl Hinted for CorpusError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            CorpusError::Text(error) => return error.hint(),
            CorpusError::File(error) => return error.hint(),
            CorpusError::Content(error) => return error.hint(),
            CorpusError::Path { problem, .. } | CorpusError::Store { problem, .. } => {
                return problem.hint();
            }
            CorpusError::NoPairs => return None,
            CorpusError::PairTooLong { .. } => {
                "lower the tokens per sentence or allow larger batches"
            }
            CorpusError::InvalidPosition { .. } => {
                "the corpus or the batch settings changed since the position was saved"
            }
        };
        Some(hint.to_string())
    }
}
