//! What can go wrong between a folder and a translation.

use wdistill_base::{Hinted, Problem, listed};
use wdistill_formats::FormatError;
use wdistill_search::SearchError;
use wdistill_text::TextError;

use crate::packed::TooWide;
use crate::token_error::{TokenError, in_a_row};

/// Why no translator could be made.
#[derive(Debug, thiserror::Error)]
pub enum TranslatorError {
    /// Every problem found.
    #[error("these translator options do not hold together:{}", listed(.0))]
    Options(Vec<Problem>),
    /// The model cannot be computed with in int8.
    #[error(transparent)]
    TooWide(#[from] TooWide),
    /// The system gave no thread.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// The model's folder.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The shortlist.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl Hinted for TranslatorError {
    fn hint(&self) -> Option<String> {
        match self {
            TranslatorError::Options(_) | TranslatorError::Threads { .. } => None,
            TranslatorError::TooWide(error) => error.hint(),
            TranslatorError::Format(error) => error.hint(),
            TranslatorError::Text(error) => error.hint(),
        }
    }
}

/// A line that is longer than allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// By its tokens, or those of one of its sentences.
    Tokens {
        /// How many there are.
        found: usize,
        /// How many are allowed.
        most: usize,
    },
    /// By its characters, which are judged before it is divided.
    Characters {
        /// How many there are.
        found: usize,
        /// How many are allowed.
        most: usize,
    },
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (found, most, what) = match self {
            TooLong::Tokens { found, most } => (found, most, "tokens"),
            TooLong::Characters { found, most } => (found, most, "characters"),
        };
        write!(f, "has {found} {what}, at most {most} are allowed")
    }
}

/// Why lines could not be translated.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// Some lines are longer than allowed.
    #[error("{}", .0.iter().map(|(line, problem)| format!("line {line} {problem}")).collect::<Vec<_>>().join("\n"))]
    Lines(Vec<(usize, TooLong)>),
    /// The search failed.
    #[error("the batch of lines {}: {reason}", in_a_row(lines))]
    Search {
        /// Numbers (from 1) of the lines that the batch's sentences are of, in the batch's order.
        lines: Vec<usize>,
        /// What went wrong.
        reason: SearchError,
    },
    /// A source, or a translation, that the vocabularies do not know.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Ids that are no sentences of the model.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

impl Hinted for TranslateError {
    fn hint(&self) -> Option<String> {
        match self {
            TranslateError::Lines(_) => None,
            TranslateError::Search { reason, .. } => reason.hint(),
            TranslateError::Text(error) => error.hint(),
            TranslateError::Tokens(error) => error.hint(),
        }
    }
}

impl TranslateError {
    /// The same error, where `before` lines have been translated before these.
    pub fn after(mut self, before: usize) -> TranslateError {
        match &mut self {
            TranslateError::Lines(problems) => {
                problems.iter_mut().for_each(|(line, _)| *line += before);
            }
            TranslateError::Search { lines, .. } => {
                lines.iter_mut().for_each(|line| *line += before)
            }
            TranslateError::Text(_) | TranslateError::Tokens(_) => {}
        }
        self
    }
}
