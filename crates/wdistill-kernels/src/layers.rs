//! Layers and targets, whatever their parameters lie in: slices of this process's memory, or views of a card's.

use crate::{Activation, Dropout, Mask, Precision};

/// A linear layer: `y = dropout(activation(x W^T + b))`.
#[derive(Clone, Copy, Debug)]
pub struct Linear<P> {
    /// `W [outputs, inputs]`.
    pub weight: P,
    /// `b [outputs]`, or none.
    pub bias: Option<P>,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Applied to each element before dropout, if any.
    pub activation: Option<Activation>,
    /// Applied last.
    pub dropout: Dropout,
    /// In which its three products are computed.
    pub precision: Precision,
}

/// The parameters of a layer normalisation.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<P> {
    /// Gain `[width]`.
    pub gain: P,
    /// Bias `[width]`.
    pub bias: P,
    /// Added to the variance.
    pub epsilon: f64,
}

/// An embedding layer: `y[r] = dropout(scale * table[ids[r]] + positions[position_ids[r]])`.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<P, T> {
    /// `[vocabulary, width]`.
    pub table: P,
    /// `[most positions, width]`.
    pub positions: T,
    /// Width of a row.
    pub width: usize,
    /// Factor of the table, often `sqrt(width)`.
    pub scale: f64,
    /// Applied to the sum.
    pub dropout: Dropout,
}

/// What an attention is besides its numbers and which rows are a sentence's.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Width of queries, keys, values and output, all heads together.
    pub width: usize,
    /// Heads; they divide the width, and head `h` owns columns `h * width / heads ..`.
    pub heads: usize,
    /// Which keys a query sees.
    pub mask: Mask,
    /// Applied to the probabilities.
    pub dropout: Dropout,
}

/// The output projection: `logits = x W^T + b`.
#[derive(Clone, Copy, Debug)]
pub struct Projection<P> {
    /// `W [vocabulary, width]`, often the embedding table.
    pub table: P,
    /// `b [vocabulary]`, or none.
    pub bias: Option<P>,
    /// Width of the hidden states.
    pub width: usize,
    /// In which its products are computed.
    pub precision: Precision,
}

/// The right word of each row, and perhaps what a teacher thinks of all words.
#[derive(Clone, Copy, Debug)]
pub struct LossTargets<'a, S, P> {
    /// The right words, `[rows]`.
    pub words: &'a [u32],
    /// Label smoothing, at least 0 and below 1.
    pub smoothing: f64,
    /// The teacher's distribution.
    pub teacher: Option<TeacherDistribution<S, P>>,
}

/// The distribution `q = softmax(states W_tᵀ + b_t)` of a teacher over the same words, learned besides the
/// right word (word-level knowledge distillation; Kim and Rush, EMNLP 2016, section 3.1).
#[derive(Clone, Copy, Debug)]
pub struct TeacherDistribution<S, P> {
    /// The teacher's hidden states, `[rows, its width]`.
    pub states: S,
    /// The teacher's output projection, over as many words.
    pub projection: Projection<P>,
    /// Weight of the distribution's cross-entropy, from 0 to 1; the right word has the rest.
    pub weight: f64,
}
