//! What a tape asks of the machine that computes: the closed list of a model's operations, there and back.

use std::ops::Range;

use crate::layers::{Attention, Embedding, LayerNorm, Linear, LossTargets, Projection};
use crate::{Accumulate, CrossEntropySums, Dropout};

/// Memory and operations of a machine that trains.
///
/// Rows are packed tokens without padding, and each operation computes what the free function of its name in this crate
/// computes, with the conventions that stand there: gradients of parameters are added to what is there, those of activations
/// overwrite it unless an [`Accumulate`] says otherwise, and lengths that do not fit are a programming error that panics.
///
/// A machine may compute later than it is asked, in the order of the calls, and may fail. Operations do not say so: a machine
/// remembers its first failure, does nothing from then on, and [`Machine::losses`], which everybody who computes calls in
/// the end, returns it. So a model's forward pass, which is written once for all engines, needs no errors.
pub trait Machine: Sized {
    /// Activations and their gradients.
    type Numbers;
    /// What keeps more digits, where a machine has two kinds of numbers: statistics, gradients of parameters, positions.
    type Sums;
    /// A tensor among the parameters.
    type Parameter<'a>: Copy
    where
        Self: 'a;
    /// A parameter's gradient.
    type Gradient<'a>
    where
        Self: 'a;
    /// The tokens of a batch, and their positions.
    type Tokens;
    /// Which rows of a packed batch belong to which sentence, for its queries and for its keys.
    type Spans;
    /// Losses of a batch that may still be computed.
    type Losses;
    /// A loss inside a model that may still be computed.
    type Inside;
    /// Why a machine fails.
    type Error: std::error::Error;

    /// A buffer of `length` numbers of any value.
    fn take(&self, length: usize) -> Self::Numbers;

    /// Takes a buffer back.
    fn give(&self, numbers: Self::Numbers);

    /// How many numbers there are.
    fn length(numbers: &Self::Numbers) -> usize;

    /// A buffer of `length` zeros.
    fn zeros(&self, length: usize) -> Self::Sums;

    /// A buffer of these numbers.
    fn sums_of(&self, numbers: &[f64]) -> Self::Sums;

    /// Takes a buffer back.
    fn give_sums(&self, sums: Self::Sums);

    /// Parts of a buffer that do not overlap, to be added to.
    fn parts<const N: usize>(
        sums: &mut Self::Sums,
        ranges: [Range<usize>; N],
    ) -> [Self::Gradient<'_>; N];

    /// The tokens of a batch and the position of each.
    fn tokens(&self, ids: &[u32], position_ids: &[u32]) -> Self::Tokens;

    /// Sentence `b` owns the query rows `query_offsets[b]..query_offsets[b + 1]`, and key rows alike.
    fn spans(&self, query_offsets: &[usize], key_offsets: &[usize]) -> Self::Spans;

    /// `to = from`, of one length.
    fn copy(&self, to: &mut Self::Numbers, from: &Self::Numbers);

    /// `sum += x`.
    fn add(&self, sum: &mut Self::Numbers, x: &Self::Numbers);

    /// `x = dropout(x)`, of rows of a width.
    fn apply_dropout(&self, x: &mut Self::Numbers, width: usize, dropout: Dropout);

    /// See [`embed_forward`](crate::embed_forward).
    fn embed_forward(
        &self,
        y: &mut Self::Numbers,
        tokens: &Self::Tokens,
        layer: &Embedding<Self::Parameter<'_>, &Self::Sums>,
    );

    /// See [`embed_backward`](crate::embed_backward); positions have no gradient.
    fn embed_backward(
        &self,
        dtable: Self::Gradient<'_>,
        dy: &Self::Numbers,
        tokens: &Self::Tokens,
        layer: &Embedding<Self::Parameter<'_>, &Self::Sums>,
    );

    /// See [`linear_forward`](crate::linear_forward).
    fn linear_forward(
        &self,
        y: &mut Self::Numbers,
        pre_activation: Option<&mut Self::Numbers>,
        x: &Self::Numbers,
        layer: &Linear<Self::Parameter<'_>>,
    );

    /// See [`linear_backward`](crate::linear_backward).
    fn linear_backward(
        &self,
        gradients: LinearGradients<'_, Self::Numbers, Self::Gradient<'_>>,
        dy: &mut Self::Numbers,
        saved: &Self::Numbers,
        x: &Self::Numbers,
        layer: &Linear<Self::Parameter<'_>>,
    );

    /// See [`residual`](crate::residual).
    fn residual(
        &self,
        y: &mut Self::Numbers,
        x: &Self::Numbers,
        branch: &Self::Numbers,
        width: usize,
        dropout: Dropout,
    );

    /// See [`layer_norm_forward`](crate::layer_norm_forward); gives what its way back needs.
    fn norm_forward(
        &self,
        y: &mut Self::Numbers,
        x: &Self::Numbers,
        norm: &LayerNorm<Self::Parameter<'_>>,
    ) -> Statistics<Self::Sums>;

    /// See [`residual_norm_forward`](crate::residual_norm_forward), which writes `y` and the sum; gives what the way back needs
    /// besides.
    fn residual_norm_forward(
        &self,
        y_and_sum: [&mut Self::Numbers; 2],
        x: &Self::Numbers,
        branch: &Self::Numbers,
        dropout: Dropout,
        norm: &LayerNorm<Self::Parameter<'_>>,
    ) -> Statistics<Self::Sums>;

    /// The way back of both: `x` is what was normalised, the sum if there was a branch. See
    /// [`layer_norm_backward`](crate::layer_norm_backward) and [`residual_norm_backward`](crate::residual_norm_backward).
    fn norm_backward(
        &self,
        gradients: NormGradients<'_, Self::Numbers, Self::Gradient<'_>>,
        dy: &Self::Numbers,
        x: &Self::Numbers,
        statistics: &Statistics<Self::Sums>,
        dropout: Dropout,
        norm: &LayerNorm<Self::Parameter<'_>>,
    );

    /// See [`attention_forward`](crate::attention_forward), of queries, keys and values; gives what its way back needs
    /// besides `y`: probabilities, or what they can be computed from again.
    fn attention_forward(
        &self,
        y: &mut Self::Numbers,
        inputs: [&Self::Numbers; 3],
        spans: &Self::Spans,
        attention: &Attention,
    ) -> Self::Sums;

    /// See [`attention_backward`](crate::attention_backward); the output is `y` and what the way forward gave.
    fn attention_backward(
        &self,
        gradients: [&mut Self::Numbers; 3],
        dy: &Self::Numbers,
        output: (&Self::Numbers, &Self::Sums),
        inputs: [&Self::Numbers; 3],
        spans: &Self::Spans,
        attention: &Attention,
    );

    /// See [`recur_forward`](crate::recur_forward), of candidates and forget gates, from zero before each sentence of the
    /// queries; gives the cells.
    fn recur_forward(
        &self,
        y: &mut Self::Numbers,
        inputs: [&Self::Numbers; 2],
        spans: &Self::Spans,
        width: usize,
    ) -> Self::Sums;

    /// See [`recur_backward`](crate::recur_backward).
    fn recur_backward(
        &self,
        gradients: [&mut Self::Numbers; 2],
        dy: &Self::Numbers,
        cells: &Self::Sums,
        inputs: [&Self::Numbers; 2],
        spans: &Self::Spans,
        width: usize,
    );

    /// See [`smoothed_cross_entropy`](crate::smoothed_cross_entropy), and
    /// [`smoothed_cross_entropy_with_gradients`](crate::smoothed_cross_entropy_with_gradients) where gradients are wanted.
    fn cross_entropy(
        &self,
        gradients: Option<CrossEntropyGradients<'_, Self::Numbers, Self::Gradient<'_>>>,
        x: &Self::Numbers,
        targets: &LossTargets<'_, &Self::Numbers, Self::Parameter<'_>>,
        projection: &Projection<Self::Parameter<'_>>,
    ) -> Self::Losses;

    /// See [`state_distance`](crate::state_distance).
    fn state_distance(
        &self,
        slopes: Slopes<'_, Self::Numbers>,
        student: Rows<'_, Self::Numbers>,
        teacher: Rows<'_, Self::Numbers>,
    ) -> Self::Inside;

    /// See [`relation_divergence`](crate::relation_divergence); the rows are the queries of the spans, and the keys as well.
    fn relation_divergence(
        &self,
        slopes: Slopes<'_, Self::Numbers>,
        student: Rows<'_, Self::Numbers>,
        teacher: Rows<'_, Self::Numbers>,
        spans: &Self::Spans,
        heads: usize,
    ) -> Self::Inside;

    /// See [`guidance_loss`](crate::guidance_loss), of the queries and keys of one head of several.
    fn guidance_loss(
        &self,
        slopes: [Slopes<'_, Self::Numbers>; 2],
        inputs: [Rows<'_, Self::Numbers>; 2],
        alignments: &[f32],
        spans: &Self::Spans,
        head_of: (usize, usize),
    ) -> Self::Inside;

    /// A loss inside, once everything that was asked before is done.
    ///
    /// # Errors
    /// As of [`Machine::losses`].
    fn inside(&self, inside: Self::Inside) -> Result<f64, Self::Error>;

    /// The losses, once everything that was asked before is done.
    ///
    /// # Errors
    /// The first failure of the machine, at this or anything that was asked before.
    fn losses(&self, losses: Self::Losses) -> Result<CrossEntropySums, Self::Error>;
}

/// What a normalisation keeps of each row.
#[derive(Debug)]
pub struct Statistics<S> {
    /// Mean `[rows]`.
    pub mean: S,
    /// `1 / sqrt(variance + epsilon)`, `[rows]`.
    pub reciprocal_deviation: S,
}

/// Where a linear layer's way back puts its gradients.
#[derive(Debug)]
pub struct LinearGradients<'a, N, G> {
    /// Of `x [rows, inputs]`.
    pub input: &'a mut N,
    /// What happens to the numbers that `input` holds.
    pub accumulate: Accumulate,
    /// Of `W`, added.
    pub weight: G,
    /// Of `b`, added.
    pub bias: Option<G>,
}

/// Where a normalisation's way back puts its gradients.
#[derive(Debug)]
pub struct NormGradients<'a, N, G> {
    /// Of the input, or of `x` of a sum `[rows, width]`.
    pub input: &'a mut N,
    /// What happens to the numbers that `input` holds.
    pub accumulate: Accumulate,
    /// Of the branch `[rows, width]`, overwritten; absent for a normalisation without one.
    pub branch: Option<&'a mut N>,
    /// Of the gain `[width]`, added.
    pub gain: G,
    /// Of the bias `[width]`, added.
    pub bias: G,
}

/// Where the loss's gradients go, and what they are multiplied by.
#[derive(Debug)]
pub struct CrossEntropyGradients<'a, N, G> {
    /// Of `x [rows, width]`, overwritten.
    pub input: &'a mut N,
    /// Of `W [vocabulary, width]`, added.
    pub table: G,
    /// Of `b [vocabulary]`, added.
    pub bias: Option<G>,
    /// Factor on every gradient.
    pub factor: f64,
}

/// Activations, `[rows, width]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, N> {
    /// Row by row.
    pub values: &'a N,
    /// Numbers of a row.
    pub width: usize,
}

/// Where the slopes of a loss inside a model go.
#[derive(Debug)]
pub struct Slopes<'a, N> {
    /// The slope at every number, overwritten.
    pub gradient: &'a mut N,
    /// Factor on it.
    pub scale: f64,
}
