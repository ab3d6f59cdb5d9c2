//! The lengths that a model's shapes are made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A named length: the only vocabulary in which shapes are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Words the encoder reads.
    SourceVocabulary,
    /// Words the decoder reads and writes.
    TargetVocabulary,
    /// The encoder's residual stream.
    EncoderWidth,
    /// The decoder's residual stream.
    DecoderWidth,
    /// Hidden layer of the encoder's feed-forward blocks.
    EncoderFeedForward,
    /// Hidden layer of the decoder's feed-forward blocks.
    DecoderFeedForward,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Axis::SourceVocabulary => "source-vocabulary",
            Axis::TargetVocabulary => "target-vocabulary",
            Axis::EncoderWidth => "encoder-width",
            Axis::DecoderWidth => "decoder-width",
            Axis::EncoderFeedForward => "encoder-feed-forward",
            Axis::DecoderFeedForward => "decoder-feed-forward",
        })
    }
}
