//! What can go wrong at the level of token ids.

use std::fmt;

use wdistill_base::Hinted;
use wdistill_search::SearchError;

/// What is wrong with a source sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceProblem {
    /// It does not end with the end token.
    NoEnd {
        /// Number of the sentence, from 1.
        sentence: usize,
        /// The token that ends a source sentence.
        end: u32,
        /// Its last token, if it has any.
        found: Option<u32>,
    },
    /// A token is outside of the vocabulary.
    UnknownToken {
        /// Number of the sentence, from 1.
        sentence: usize,
        /// The token.
        token: u32,
        /// Words of the source vocabulary.
        vocabulary: usize,
    },
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceProblem::NoEnd { sentence, end, found: Some(found) } => {
                write!(
                    f,
                    "sentence {sentence} ends with token {found}, expected the end token {end}"
                )
            }
            SourceProblem::NoEnd { sentence, end, found: None } => {
                write!(
                    f,
                    "sentence {sentence} has no tokens, expected at least the end token {end}"
                )
            }
            SourceProblem::UnknownToken { sentence, token, vocabulary } => {
                write!(
                    f,
                    "sentence {sentence} has token {token}, but the vocabulary has {vocabulary} words"
                )
            }
        }
    }
}

/// Problems listed by an error message; the others are counted.
const LISTED: usize = 10;

fn list_problems(problems: &[SourceProblem]) -> String {
    let listed = problems.iter().take(LISTED).map(|problem| format!("\n  {problem}"));
    let mut text: String = listed.collect();
    if problems.len() > LISTED {
        text += &format!("\n  and {} more", problems.len() - LISTED);
    }
    text
}

/// Why sentences could not be translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Some sources cannot be read; nothing was translated.
    #[error("{} source sentences cannot be translated:{}", .0.len(), list_problems(.0))]
    Sources(Vec<SourceProblem>),
    /// The search failed.
    #[error("the batch of sentences {}: {reason}", in_a_row(sentences))]
    Search {
        /// Numbers (from 1) of the sentences of the batch, in the batch's order.
        sentences: Vec<usize>,
        /// What went wrong.
        reason: SearchError,
    },
}

impl Hinted for TokenError {
    fn hint(&self) -> Option<String> {
        match self {
            TokenError::Sources(_) => None,
            TokenError::Search { reason, .. } => reason.hint(),
        }
    }
}

/// Numbers with commas between them.
pub(crate) fn in_a_row(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
