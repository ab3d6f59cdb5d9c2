//! The machine that this process runs on.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ops::Range;

use crate::layers::{self, Attention, LayerNorm, Linear, Projection};
use crate::machine::{self, Machine, Statistics};
use crate::{
    AttentionGradients, AttentionInputs, AttentionShape, Buffers, CrossEntropyGradients,
    CrossEntropySums, Dropout, Embedding, EmbeddingGradients, GuidedHead, LikenessGradient,
    LinearGradients, LossTargets, NormGradients, NormStatistics, Real, RecurrenceGradients,
    RecurrenceInputs, RelationShape, ResidualNormSaved, Rows, TeacherDistribution,
};

/// The processor's operations on numbers of one kind: float32 trains, float64 checks gradients. They are this crate's free
/// functions, computed when they are called, and cannot fail. Buffers are used again.
#[derive(Debug)]
pub struct Host<R> {
    buffers: Buffers<R>,
    /// Room for a block of logits.
    logits: RefCell<Vec<R>>,
}

impl<R> Default for Host<R> {
    fn default() -> Self {
        Host { buffers: Buffers::default(), logits: RefCell::default() }
    }
}

/// Tokens and their positions.
#[derive(Debug)]
pub struct HostTokens {
    ids: Vec<u32>,
    position_ids: Vec<u32>,
}

/// Offsets of sentences.
#[derive(Debug)]
pub struct HostSpans {
    queries: Vec<usize>,
    keys: Vec<usize>,
}

impl HostSpans {
    fn of_attention<'a>(&'a self, attention: &Attention) -> AttentionShape<'a> {
        let &Attention { width, heads, mask, dropout } = attention;
        let (query_offsets, key_offsets) = (&self.queries, &self.keys);
        AttentionShape { width, heads, query_offsets, key_offsets, mask, dropout }
    }

    fn of_recurrence<'a, R>(
        &'a self,
        [candidates, forget]: [&'a Vec<R>; 2],
        width: usize,
    ) -> RecurrenceInputs<'a, R> {
        RecurrenceInputs { candidates, forget, offsets: &self.queries, width }
    }
}

/// The same layer over slices.
fn of_slices<'a, R>(layer: &layers::Embedding<&'a [R], &'a Vec<R>>) -> Embedding<'a, R> {
    let &layers::Embedding { table, positions, width, scale, dropout } = layer;
    Embedding { table, positions, width, scale, dropout }
}

impl<R: Real> Host<R> {
    /// A cross-entropy without gradients of some rows of `x`.
    pub fn cross_entropy_of(
        &self,
        x: &[R],
        targets: &LossTargets<'_, R>,
        projection: &Projection<&[R]>,
    ) -> CrossEntropySums {
        crate::smoothed_cross_entropy(&mut self.logits.borrow_mut(), x, targets, projection)
    }
}

impl<R: Real> Machine for Host<R> {
    type Numbers = Vec<R>;
    type Sums = Vec<R>;
    type Parameter<'a> = &'a [R];
    type Gradient<'a> = &'a mut [R];
    type Tokens = HostTokens;
    type Spans = HostSpans;
    type Losses = CrossEntropySums;
    type Inside = f64;
    type Error = Infallible;

    fn take(&self, length: usize) -> Vec<R> {
        self.buffers.take(length)
    }

    fn give(&self, numbers: Vec<R>) {
        self.buffers.give(numbers);
    }

    fn length(numbers: &Vec<R>) -> usize {
        numbers.len()
    }

    fn zeros(&self, length: usize) -> Vec<R> {
        let mut sums = self.take(length);
        sums.fill(R::ZERO);
        sums
    }

    fn sums_of(&self, numbers: &[f64]) -> Vec<R> {
        numbers.iter().map(|number| R::from_f64(*number)).collect()
    }

    fn give_sums(&self, sums: Vec<R>) {
        self.buffers.give(sums);
    }

    fn parts<const N: usize>(sums: &mut Vec<R>, ranges: [Range<usize>; N]) -> [&mut [R]; N] {
        sums.get_disjoint_mut(ranges).expect("parts that do not overlap")
    }

    fn tokens(&self, ids: &[u32], position_ids: &[u32]) -> HostTokens {
        HostTokens { ids: ids.to_vec(), position_ids: position_ids.to_vec() }
    }

    fn spans(&self, query_offsets: &[usize], key_offsets: &[usize]) -> HostSpans {
        HostSpans { queries: query_offsets.to_vec(), keys: key_offsets.to_vec() }
    }

    fn copy(&self, to: &mut Vec<R>, from: &Vec<R>) {
        to.copy_from_slice(from);
    }

    fn add(&self, sum: &mut Vec<R>, x: &Vec<R>) {
        crate::add_into(sum, x);
    }

    fn apply_dropout(&self, x: &mut Vec<R>, width: usize, dropout: Dropout) {
        crate::apply_dropout(x, width, dropout);
    }

    fn embed_forward(
        &self,
        y: &mut Vec<R>,
        tokens: &HostTokens,
        layer: &layers::Embedding<&[R], &Vec<R>>,
    ) {
        crate::embed_forward(y, &tokens.ids, &tokens.position_ids, &of_slices(layer));
    }

    fn embed_backward(
        &self,
        dtable: &mut [R],
        dy: &Vec<R>,
        tokens: &HostTokens,
        layer: &layers::Embedding<&[R], &Vec<R>>,
    ) {
        let gradients = EmbeddingGradients { table: Some(dtable), positions: None };
        let layer = of_slices(layer);
        crate::embed_backward(gradients, dy, &tokens.ids, &tokens.position_ids, &layer);
    }

    fn linear_forward(
        &self,
        y: &mut Vec<R>,
        pre_activation: Option<&mut Vec<R>>,
        x: &Vec<R>,
        layer: &Linear<&[R]>,
    ) {
        crate::linear_forward(y, pre_activation.map(Vec::as_mut_slice), x, layer);
    }

    fn linear_backward(
        &self,
        gradients: machine::LinearGradients<'_, Vec<R>, &mut [R]>,
        dy: &mut Vec<R>,
        saved: &Vec<R>,
        x: &Vec<R>,
        layer: &Linear<&[R]>,
    ) {
        let machine::LinearGradients { input, accumulate, weight, bias } = gradients;
        let gradients =
            LinearGradients { input: Some((input, accumulate)), weight: Some(weight), bias };
        crate::linear_backward(gradients, dy, saved, x, layer);
    }

    fn residual(
        &self,
        y: &mut Vec<R>,
        x: &Vec<R>,
        branch: &Vec<R>,
        width: usize,
        dropout: Dropout,
    ) {
        crate::residual(y, x, branch, width, dropout);
    }

    fn norm_forward(
        &self,
        y: &mut Vec<R>,
        x: &Vec<R>,
        norm: &LayerNorm<&[R]>,
    ) -> Statistics<Vec<R>> {
        let mut statistics = self.statistics(x.len() / norm.gain.len());
        crate::layer_norm_forward(y, Some(statistics.places()), x, norm);
        statistics
    }

    fn residual_norm_forward(
        &self,
        [y, sum]: [&mut Vec<R>; 2],
        x: &Vec<R>,
        branch: &Vec<R>,
        dropout: Dropout,
        norm: &LayerNorm<&[R]>,
    ) -> Statistics<Vec<R>> {
        let mut statistics = self.statistics(x.len() / norm.gain.len());
        let saved = ResidualNormSaved { sum, statistics: statistics.places() };
        crate::residual_norm_forward(y, Some(saved), x, branch, dropout, norm);
        statistics
    }

    fn norm_backward(
        &self,
        gradients: machine::NormGradients<'_, Vec<R>, &mut [R]>,
        dy: &Vec<R>,
        x: &Vec<R>,
        statistics: &Statistics<Vec<R>>,
        dropout: Dropout,
        norm: &LayerNorm<&[R]>,
    ) {
        let machine::NormGradients { input: dx, accumulate, branch, gain, bias } = gradients;
        let of_norm = NormGradients { gain, bias };
        let statistics = (&statistics.mean[..], &statistics.reciprocal_deviation[..]);
        match branch {
            Some(branch) => crate::residual_norm_backward(
                dx, accumulate, branch, of_norm, dy, x, statistics, dropout, norm,
            ),
            None => crate::layer_norm_backward(dx, accumulate, of_norm, dy, x, statistics, norm),
        }
    }

    fn attention_forward(
        &self,
        y: &mut Vec<R>,
        [queries, keys, values]: [&Vec<R>; 3],
        spans: &HostSpans,
        attention: &Attention,
    ) -> Vec<R> {
        let shape = spans.of_attention(attention);
        let mut probabilities = self.take(shape.probabilities());
        let inputs = AttentionInputs { queries, keys, values };
        crate::attention_forward(y, Some(&mut probabilities), &inputs, &shape);
        probabilities
    }

    fn attention_backward(
        &self,
        [dq, dk, dv]: [&mut Vec<R>; 3],
        dy: &Vec<R>,
        (_, probabilities): (&Vec<R>, &Vec<R>),
        [queries, keys, values]: [&Vec<R>; 3],
        spans: &HostSpans,
        attention: &Attention,
    ) {
        let gradients = AttentionGradients { queries: dq, keys: dk, values: dv };
        let inputs = AttentionInputs { queries, keys, values };
        let shape = spans.of_attention(attention);
        crate::attention_backward(gradients, dy, probabilities, &inputs, &shape);
    }

    fn recur_forward(
        &self,
        y: &mut Vec<R>,
        inputs: [&Vec<R>; 2],
        spans: &HostSpans,
        width: usize,
    ) -> Vec<R> {
        let mut cells = self.take(y.len());
        let mut state = vec![R::ZERO; (spans.queries.len() - 1) * width];
        let inputs = spans.of_recurrence(inputs, width);
        crate::recur_forward(y, &mut state, Some(&mut cells), &inputs);
        cells
    }

    fn recur_backward(
        &self,
        [candidates, forget]: [&mut Vec<R>; 2],
        dy: &Vec<R>,
        cells: &Vec<R>,
        inputs: [&Vec<R>; 2],
        spans: &HostSpans,
        width: usize,
    ) {
        let gradients = RecurrenceGradients { candidates, forget };
        crate::recur_backward(gradients, dy, cells, &spans.of_recurrence(inputs, width));
    }

    fn cross_entropy(
        &self,
        gradients: Option<machine::CrossEntropyGradients<'_, Vec<R>, &mut [R]>>,
        x: &Vec<R>,
        targets: &layers::LossTargets<'_, &Vec<R>, &[R]>,
        projection: &Projection<&[R]>,
    ) -> CrossEntropySums {
        let &layers::LossTargets { words, smoothing, teacher } = targets;
        let teacher = teacher.map(|layers::TeacherDistribution { states, projection, weight }| {
            TeacherDistribution { states: &states[..], projection, weight }
        });
        let targets = LossTargets { words, smoothing, teacher };
        let Some(gradients) = gradients else {
            return self.cross_entropy_of(x, &targets, projection);
        };
        let machine::CrossEntropyGradients { input, table, bias, factor } = gradients;
        let gradients = CrossEntropyGradients { input, table: Some(table), bias };
        let mut logits = self.logits.borrow_mut();
        crate::smoothed_cross_entropy_with_gradients(
            gradients,
            &mut logits,
            x,
            &targets,
            projection,
            factor,
        )
    }

    fn state_distance(
        &self,
        slopes: machine::Slopes<'_, Vec<R>>,
        student: machine::Rows<'_, Vec<R>>,
        teacher: machine::Rows<'_, Vec<R>>,
    ) -> f64 {
        crate::state_distance(student.of_slices(), teacher.of_slices(), slopes.of_slices())
    }

    fn relation_divergence(
        &self,
        slopes: machine::Slopes<'_, Vec<R>>,
        student: machine::Rows<'_, Vec<R>>,
        teacher: machine::Rows<'_, Vec<R>>,
        spans: &HostSpans,
        heads: usize,
    ) -> f64 {
        let shape = RelationShape { heads, offsets: &spans.queries };
        let (student, teacher) = (student.of_slices(), teacher.of_slices());
        crate::relation_divergence(student, teacher, shape, slopes.of_slices())
    }

    fn guidance_loss(
        &self,
        slopes: [machine::Slopes<'_, Vec<R>>; 2],
        [queries, keys]: [machine::Rows<'_, Vec<R>>; 2],
        alignments: &[f32],
        spans: &HostSpans,
        (head, heads): (usize, usize),
    ) -> f64 {
        let alignments: Vec<R> =
            alignments.iter().map(|share| R::from_f64(f64::from(*share))).collect();
        let (query_offsets, key_offsets) = (&spans.queries, &spans.keys);
        let shape = GuidedHead { head, heads, query_offsets, key_offsets };
        let slopes = slopes.map(machine::Slopes::of_slices);
        crate::guidance_loss(queries.of_slices(), keys.of_slices(), &alignments, shape, slopes)
    }

    fn inside(&self, inside: f64) -> Result<f64, Infallible> {
        Ok(inside)
    }

    fn losses(&self, losses: CrossEntropySums) -> Result<CrossEntropySums, Infallible> {
        Ok(losses)
    }
}

impl<R: Real> Host<R> {
    /// Room for the statistics of some rows.
    fn statistics(&self, rows: usize) -> Statistics<Vec<R>> {
        Statistics { mean: self.take(rows), reciprocal_deviation: self.take(rows) }
    }
}

impl<R> Statistics<Vec<R>> {
    fn places(&mut self) -> NormStatistics<'_, R> {
        let Statistics { mean, reciprocal_deviation } = self;
        NormStatistics { mean, reciprocal_deviation }
    }
}

impl<'a, R> machine::Rows<'a, Vec<R>> {
    fn of_slices(self) -> Rows<'a, R> {
        Rows { values: self.values, width: self.width }
    }
}

impl<'a, R> machine::Slopes<'a, Vec<R>> {
    fn of_slices(self) -> LikenessGradient<'a, R> {
        LikenessGradient { gradient: self.gradient, scale: self.scale }
    }
}
