//! What a forward pass is made of.

use wdistill_base::{Activation, Mask};

use crate::positions::PositionTable;
use crate::tokens::{Spans, Tokens};
use crate::tree::{LayerNorm, Leaf, Linear, OutputLayer};

/// How words become activations: `dropout(scale * table[id] + positions[first + i])`, where the row of
/// [`NO_WORD`](crate::NO_WORD) is zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingRule {
    /// Factor on the embedding.
    pub scale: f64,
    /// What is added to it.
    pub positions: PositionTable,
    /// Position of each sentence's first token.
    pub first: usize,
}

/// The operations of the one forward pass, coarse enough that an engine can fuse what it likes.
///
/// Activations are packed, `[tokens, width]`: no operation but [`attend`](Engine::attend) looks across
/// rows, and that one is told by [`Spans`] which rows belong together. An engine that trains applies
/// dropout where each operation says so; others leave it out.
pub trait Engine {
    /// Leaf family of the weights it computes with.
    type Leaf: Leaf;
    /// `[tokens, width]`.
    type Activations: Clone;
    /// Keys and values of one attention, for all sentences of a batch.
    type KeyValues;
    /// Cells of one recurrence, for all target sentences of a batch.
    type Cells;

    /// Looks up words and adds positions; then residual dropout.
    fn embed(
        &self,
        tokens: &Tokens,
        table: &<Self::Leaf as Leaf>::Matrix,
        rule: &EmbeddingRule,
    ) -> Self::Activations;

    /// `x Wᵀ + b`, `[tokens, input] -> [tokens, output]`.
    fn linear(&self, x: &Self::Activations, linear: &Linear<Self::Leaf>) -> Self::Activations;

    /// `x Wᵀ`, `[tokens, input] -> [tokens, output]`.
    fn product(
        &self,
        x: &Self::Activations,
        weight: &<Self::Leaf as Leaf>::Matrix,
    ) -> Self::Activations;

    /// `f(x Wᵀ + b)`, then activation dropout.
    fn activated_linear(
        &self,
        x: &Self::Activations,
        linear: &Linear<Self::Leaf>,
        activation: Activation,
    ) -> Self::Activations;

    /// Several products of the same activations; an engine may run them as one.
    fn project<const N: usize>(
        &self,
        x: &Self::Activations,
        linears: [&Linear<Self::Leaf>; N],
    ) -> [Self::Activations; N] {
        linears.map(|linear| self.linear(x, linear))
    }

    /// `x + dropout(branch)`.
    fn residual(&self, x: &Self::Activations, branch: &Self::Activations) -> Self::Activations;

    /// Layer normalisation of every row.
    fn norm(
        &self,
        x: &Self::Activations,
        norm: &LayerNorm<Self::Leaf>,
        epsilon: f64,
    ) -> Self::Activations;

    /// `norm(x + dropout(branch))`.
    fn residual_norm(
        &self,
        x: &Self::Activations,
        branch: &Self::Activations,
        norm: &LayerNorm<Self::Leaf>,
        epsilon: f64,
    ) -> Self::Activations {
        self.norm(&self.residual(x, branch), norm, epsilon)
    }

    /// Appends keys and values, `[tokens, width]`, to what each sentence has.
    fn remember(
        &self,
        past: Option<Self::KeyValues>,
        keys: Self::Activations,
        values: Self::Activations,
        spans: &Spans,
    ) -> Self::KeyValues;

    /// `softmax(q kᵀ / sqrt(width / heads)) v` for each sentence and head, with attention dropout on
    /// the probabilities. `spans` divides the queries among the sentences of `memory`; a sentence may
    /// have no query.
    fn attend(
        &self,
        queries: &Self::Activations,
        spans: &Spans,
        memory: &Self::KeyValues,
        heads: usize,
        mask: Mask,
    ) -> Self::Activations;

    /// The recurrence of a simpler simple recurrent unit, along each sentence of `spans` and element by element:
    /// `c = f c' + (1 - f) a` with `a` of `candidates`, `f = sigmoid(forget)`, both `[tokens, width]`, and `c'` the cells
    /// one token before, from `past` at a sentence's first token here, or zero. Gives `relu(c)`, `[tokens, width]`, and
    /// the cells after the last token of each sentence.
    fn recur(
        &self,
        candidates: &Self::Activations,
        forget: &Self::Activations,
        spans: &Spans,
        past: Option<Self::Cells>,
    ) -> (Self::Activations, Self::Cells);

    /// `x Eᵀ + b`, `[tokens, width] -> [tokens, vocabulary]`.
    fn logits(
        &self,
        x: &Self::Activations,
        layer: &OutputLayer<'_, Self::Leaf>,
    ) -> Self::Activations;
}
