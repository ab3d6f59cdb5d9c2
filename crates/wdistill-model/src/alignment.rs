//! Which attention of a model aligns words.

use serde::{Deserialize, Serialize};

/// Which attention to the source aligns words best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignmentHead {
    /// Decoder layer, from 0.
    pub layer: usize,
    /// Head, from 0.
    pub head: usize,
    /// Whose attention is a target word's.
    pub query: AlignmentQuery,
}

impl std::fmt::Display for AlignmentQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AlignmentQuery::Predicting => "that predicts the word",
            AlignmentQuery::Reading => "that reads the word",
        })
    }
}

/// Whose attention to the source is a target word's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlignmentQuery {
    /// That of the step that predicts the word.
    Predicting,
    /// That of the step that reads the word, to predict the next (Chen et al. 2020, "Accurate Word Alignment Induction from
    /// Neural Machine Translation").
    Reading,
}
