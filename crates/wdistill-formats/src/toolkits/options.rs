//! What is asked of whoever imports a model.

use std::path::PathBuf;

use wdistill_model::SourceEnding;

/// How a text becomes words of a vocabulary, where a model does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subwords {
    /// A SentencePiece model, or codes of subword-nmt or fastBPE.
    File(PathBuf),
    /// None: words stand between spaces.
    Whitespace,
}

/// Answers to what a model of another toolkit may leave open. What is not asked for is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Subwords of the source, and of the target unless that has its own.
    pub subwords: Option<Subwords>,
    /// Subwords of the target.
    pub target_subwords: Option<Subwords>,
    /// File with the words of the source, and of the target unless that has its own.
    pub vocabulary: Option<PathBuf>,
    /// File with the words of the target.
    pub target_vocabulary: Option<PathBuf>,
    /// Whether the encoder reads the end token.
    pub source_ending: Option<SourceEnding>,
}
