//! A card as a tape wants it: a [`Machine`].

use std::cell::{OnceCell, RefCell};
use std::ops::Range;

use half::bf16;
use wdistill_kernels::layers::{Attention, Embedding, LayerNorm, Linear, LossTargets, Projection};
use wdistill_kernels::machine::{self, Machine, Statistics};
use wdistill_kernels::{CrossEntropySums, Dropout};

use crate::device::{
    self, AttentionInputs, AttentionOutput, AttentionShape, AttentionSpans, CrossEntropyLosses,
    EmbeddingTokens, GuidedHead, LikenessGradient, LossSum, NormStatistics, PairSpans,
    RecurrenceGradients, RecurrenceInputs, Relations, Rows,
};
use crate::launcher::Launcher;
use crate::{Buffer, CudaError, Device, Number, Part};

/// A [`Device`] that remembers its first failure, and does nothing from then on: what its operations give then has a length but
/// lies nowhere.
///
/// Activations are bfloat16, whatever precision a layer names.
#[derive(Debug)]
pub struct TapeMachine<L: Launcher> {
    device: Device<L>,
    failure: RefCell<Option<CudaError>>,
}

/// A parameter: linear layers and tables are read as products want them, norms exactly.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    /// Rounded.
    pub rounded: Part<'a, bf16>,
    /// As the optimiser has it.
    pub exact: Part<'a, f32>,
}

/// Which rows of a packed batch belong to which sentence, as attentions want it and, once they want it, losses between
/// queries and keys.
#[derive(Debug)]
pub struct TapeSpans<L: Launcher> {
    attention: AttentionSpans<L>,
    offsets: [Vec<usize>; 2],
    pairs: OnceCell<PairSpans<L>>,
}

impl<L: Launcher> TapeSpans<L> {
    fn pairs(&self, device: &Device<L>) -> Result<&PairSpans<L>, CudaError> {
        if let Some(pairs) = self.pairs.get() {
            return Ok(pairs);
        }
        let [queries, keys] = &self.offsets;
        let pairs = device.pair_spans(queries, keys)?;
        Ok(self.pairs.get_or_init(|| pairs))
    }
}

/// Where slopes go.
fn places<'a, L: Launcher>(
    slopes: &'a machine::Slopes<'_, Buffer<L, bf16>>,
) -> LikenessGradient<'a> {
    LikenessGradient { gradient: slopes.gradient.part(), scale: slopes.scale }
}

impl<L: Launcher> TapeMachine<L> {
    /// The operations of a device.
    pub fn new(device: Device<L>) -> TapeMachine<L> {
        TapeMachine { device, failure: RefCell::default() }
    }

    /// The device, whose own operations say what fails.
    pub fn device(&self) -> &Device<L> {
        &self.device
    }

    /// Runs an operation, unless one has failed.
    fn run<T>(&self, operation: impl FnOnce(&Device<L>) -> Result<T, CudaError>) -> Option<T> {
        if self.failure.borrow().is_some() {
            return None;
        }
        let result = operation(&self.device);
        result.map_err(|error| *self.failure.borrow_mut() = Some(error)).ok()
    }

    /// Reads a result, or says what failed first.
    fn read<T>(&self, read: impl FnOnce() -> Result<T, CudaError>) -> Result<T, CudaError> {
        let result = self.run(|_| read());
        let failure = self.failure.borrow();
        result.ok_or_else(|| failure.clone().expect("a machine does nothing where it has failed"))
    }

    fn buffer<T: Number>(&self, length: usize) -> Buffer<L, T> {
        let taken = self.run(|device| device.take(length));
        taken.unwrap_or_else(|| Buffer::absent(self.device.pool(), length))
    }

    fn statistics(&self, rows: usize) -> Statistics<Buffer<L, f32>> {
        Statistics { mean: self.buffer(rows), reciprocal_deviation: self.buffer(rows) }
    }
}

fn parts<L: Launcher>(statistics: &Statistics<Buffer<L, f32>>) -> NormStatistics<'_> {
    let Statistics { mean, reciprocal_deviation } = statistics;
    NormStatistics { mean: mean.part(), reciprocal_deviation: reciprocal_deviation.part() }
}

fn exact<'a>(norm: &LayerNorm<Parameter<'a>>) -> device::LayerNorm<'a> {
    let &LayerNorm { gain, bias, epsilon } = norm;
    device::LayerNorm { gain: gain.exact, bias: bias.exact, epsilon }
}

fn rounded<'a>(layer: &Linear<Parameter<'a>>) -> device::Linear<'a> {
    let &Linear { weight, bias, inputs, outputs, activation, dropout, .. } = layer;
    let (weight, bias) = (weight.rounded, bias.map(|bias| bias.rounded));
    device::Linear { weight, bias, inputs, outputs, activation, dropout: dropout.into() }
}

fn embedding<'a, L: Launcher>(
    layer: &Embedding<Parameter<'a>, &'a Buffer<L, f32>>,
) -> device::Embedding<'a> {
    let &Embedding { table, positions, width, scale, dropout } = layer;
    let (table, positions) = (table.rounded, positions.part());
    device::Embedding { table, positions, width, scale, dropout: dropout.into() }
}

fn projected<'a>(projection: &Projection<Parameter<'a>>) -> device::Projection<'a> {
    let &Projection { table, bias, width, .. } = projection;
    device::Projection { table: table.rounded, bias: bias.map(|bias| bias.rounded), width }
}

/// Queries, keys and values that each have a matrix of their own.
fn inputs<'a, L: Launcher>(of: [&'a Buffer<L, bf16>; 3], width: usize) -> AttentionInputs<'a> {
    let [queries, keys, values] = of.map(|numbers| Rows::of(numbers.part(), width));
    AttentionInputs { queries, keys, values }
}

fn shape(attention: &Attention) -> AttentionShape {
    let &Attention { width, heads, mask, dropout } = attention;
    AttentionShape { width, heads, mask, dropout: dropout.into() }
}

/// What a batch has on a machine that has not failed.
fn there<T>(of_batch: &Option<T>) -> &T {
    of_batch.as_ref().expect("a machine that has failed does nothing")
}

impl<L: Launcher> Machine for TapeMachine<L> {
    type Numbers = Buffer<L, bf16>;
    type Sums = Buffer<L, f32>;
    type Parameter<'a>
        = Parameter<'a>
    where
        Self: 'a;
    type Gradient<'a>
        = Part<'a, f32>
    where
        Self: 'a;
    type Tokens = Option<EmbeddingTokens<L>>;
    type Spans = Option<TapeSpans<L>>;
    type Losses = Option<CrossEntropyLosses<L>>;
    type Inside = Option<LossSum<L>>;
    type Error = CudaError;

    fn take(&self, length: usize) -> Self::Numbers {
        self.buffer(length)
    }

    fn give(&self, _: Self::Numbers) {}

    fn length(numbers: &Self::Numbers) -> usize {
        numbers.length()
    }

    fn zeros(&self, length: usize) -> Self::Sums {
        let sums = self.buffer(length);
        self.run(|_| sums.clear());
        sums
    }

    fn sums_of(&self, numbers: &[f64]) -> Self::Sums {
        let numbers: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
        let sums = self.buffer(numbers.len());
        self.run(|_| sums.write(&numbers));
        sums
    }

    fn give_sums(&self, _: Self::Sums) {}

    fn parts<const N: usize>(
        sums: &mut Self::Sums,
        ranges: [Range<usize>; N],
    ) -> [Part<'_, f32>; N] {
        ranges.map(|range| sums.part().range(range))
    }

    fn tokens(&self, ids: &[u32], position_ids: &[u32]) -> Self::Tokens {
        self.run(|device| device.embedding_tokens(ids, position_ids))
    }

    fn spans(&self, query_offsets: &[usize], key_offsets: &[usize]) -> Self::Spans {
        self.run(|device| {
            Ok(TapeSpans {
                attention: device.attention_spans(query_offsets, key_offsets)?,
                offsets: [query_offsets.to_vec(), key_offsets.to_vec()],
                pairs: OnceCell::new(),
            })
        })
    }

    fn copy(&self, to: &mut Self::Numbers, from: &Self::Numbers) {
        self.run(|device| device.copy(to.part(), from.part()));
    }

    fn add(&self, sum: &mut Self::Numbers, x: &Self::Numbers) {
        self.run(|device| device.add(sum.part(), x.part()));
    }

    fn apply_dropout(&self, x: &mut Self::Numbers, width: usize, dropout: Dropout) {
        self.run(|device| device.dropout(x.part(), x.part(), width, dropout.into()));
    }

    fn embed_forward(
        &self,
        y: &mut Self::Numbers,
        tokens: &Self::Tokens,
        layer: &Embedding<Parameter<'_>, &Self::Sums>,
    ) {
        self.run(|device| device.embed_forward(y.part(), there(tokens), &embedding(layer)));
    }

    fn embed_backward(
        &self,
        dtable: Part<'_, f32>,
        dy: &Self::Numbers,
        tokens: &Self::Tokens,
        layer: &Embedding<Parameter<'_>, &Self::Sums>,
    ) {
        let layer = embedding(layer);
        self.run(|device| device.embed_backward(dtable, dy.part(), there(tokens), &layer));
    }

    fn linear_forward(
        &self,
        y: &mut Self::Numbers,
        pre_activation: Option<&mut Self::Numbers>,
        x: &Self::Numbers,
        layer: &Linear<Parameter<'_>>,
    ) {
        let pre_activation = pre_activation.map(|numbers| numbers.part());
        self.run(|device| {
            device.linear_forward(y.part(), pre_activation, x.part(), &rounded(layer))
        });
    }

    fn linear_backward(
        &self,
        gradients: machine::LinearGradients<'_, Self::Numbers, Part<'_, f32>>,
        dy: &mut Self::Numbers,
        saved: &Self::Numbers,
        x: &Self::Numbers,
        layer: &Linear<Parameter<'_>>,
    ) {
        let machine::LinearGradients { input, accumulate, weight, bias } = gradients;
        let input = Some((input.part(), accumulate));
        let gradients = device::LinearGradients { input, weight: Some(weight), bias };
        let layer = rounded(layer);
        self.run(|device| {
            device.linear_backward(gradients, dy.part(), saved.part(), x.part(), &layer)
        });
    }

    fn residual(
        &self,
        y: &mut Self::Numbers,
        x: &Self::Numbers,
        branch: &Self::Numbers,
        width: usize,
        dropout: Dropout,
    ) {
        self.run(|device| {
            device.residual(y.part(), x.part(), branch.part(), width, dropout.into())
        });
    }

    fn norm_forward(
        &self,
        y: &mut Self::Numbers,
        x: &Self::Numbers,
        norm: &LayerNorm<Parameter<'_>>,
    ) -> Statistics<Self::Sums> {
        let norm = exact(norm);
        let statistics = self.statistics(x.length() / norm.gain.length());
        let kept = parts(&statistics);
        self.run(|device| device.layer_norm_forward(y.part(), kept, x.part(), &norm));
        statistics
    }

    fn residual_norm_forward(
        &self,
        [y, sum]: [&mut Self::Numbers; 2],
        x: &Self::Numbers,
        branch: &Self::Numbers,
        dropout: Dropout,
        norm: &LayerNorm<Parameter<'_>>,
    ) -> Statistics<Self::Sums> {
        let norm = exact(norm);
        let statistics = self.statistics(x.length() / norm.gain.length());
        let ([y, sum], [x, branch]) = ([y.part(), sum.part()], [x.part(), branch.part()]);
        let (kept, dropout) = (parts(&statistics), dropout.into());
        self.run(|device| device.residual_norm_forward(y, sum, kept, x, branch, dropout, &norm));
        statistics
    }

    fn norm_backward(
        &self,
        gradients: machine::NormGradients<'_, Self::Numbers, Part<'_, f32>>,
        dy: &Self::Numbers,
        x: &Self::Numbers,
        statistics: &Statistics<Self::Sums>,
        dropout: Dropout,
        norm: &LayerNorm<Parameter<'_>>,
    ) {
        let machine::NormGradients { input, accumulate, branch, gain, bias } = gradients;
        let (input, branch) = (input.part(), branch.map(|branch| branch.part()));
        let gradients = device::NormGradients { input, accumulate, branch, gain, bias };
        let (kept, norm, dropout) = (parts(statistics), exact(norm), dropout.into());
        self.run(|device| {
            device.norm_backward(gradients, dy.part(), x.part(), kept, dropout, &norm)
        });
    }

    fn attention_forward(
        &self,
        y: &mut Self::Numbers,
        of: [&Self::Numbers; 3],
        spans: &Self::Spans,
        attention: &Attention,
    ) -> Self::Sums {
        let rows = y.length() / attention.width;
        let log_sums = self.buffer(rows * attention.heads);
        let output = AttentionOutput { y: y.part(), log_sums: log_sums.part() };
        let (inputs, shape) = (inputs(of, attention.width), shape(attention));
        self.run(|device| {
            device.attention_forward(output, &inputs, &there(spans).attention, &shape)
        });
        log_sums
    }

    fn attention_backward(
        &self,
        gradients: [&mut Self::Numbers; 3],
        dy: &Self::Numbers,
        (y, log_sums): (&Self::Numbers, &Self::Sums),
        of: [&Self::Numbers; 3],
        spans: &Self::Spans,
        attention: &Attention,
    ) {
        let gradients = inputs(gradients.map(|gradient| &*gradient), attention.width);
        let output = AttentionOutput { y: y.part(), log_sums: log_sums.part() };
        let (inputs, shape) = (inputs(of, attention.width), shape(attention));
        self.run(|device| {
            let (dy, spans) = (dy.part(), &there(spans).attention);
            device.attention_backward(&gradients, dy, output, &inputs, spans, &shape)
        });
    }

    fn recur_forward(
        &self,
        y: &mut Self::Numbers,
        [candidates, forget]: [&Self::Numbers; 2],
        spans: &Self::Spans,
        width: usize,
    ) -> Self::Sums {
        let cells = self.buffer(y.length());
        self.run(|device| {
            let offsets = there(spans).attention.queries();
            let (candidates, forget) = (candidates.part(), forget.part());
            let inputs = RecurrenceInputs { candidates, forget, offsets, width };
            device.recur_forward(y.part(), cells.part(), &inputs)
        });
        cells
    }

    fn recur_backward(
        &self,
        [of_candidates, of_forget]: [&mut Self::Numbers; 2],
        dy: &Self::Numbers,
        cells: &Self::Sums,
        [candidates, forget]: [&Self::Numbers; 2],
        spans: &Self::Spans,
        width: usize,
    ) {
        self.run(|device| {
            let offsets = there(spans).attention.queries();
            let (candidates, forget) = (candidates.part(), forget.part());
            let inputs = RecurrenceInputs { candidates, forget, offsets, width };
            let (candidates, forget) = (of_candidates.part(), of_forget.part());
            let gradients = RecurrenceGradients { candidates, forget };
            device.recur_backward(gradients, dy.part(), cells.part(), &inputs)
        });
    }

    fn cross_entropy(
        &self,
        gradients: Option<machine::CrossEntropyGradients<'_, Self::Numbers, Part<'_, f32>>>,
        x: &Self::Numbers,
        targets: &LossTargets<'_, &Self::Numbers, Parameter<'_>>,
        projection: &Projection<Parameter<'_>>,
    ) -> Self::Losses {
        let gradients = gradients.map(|gradients| {
            let machine::CrossEntropyGradients { input, table, bias, factor } = gradients;
            let (input, table) = (input.part(), Some(table));
            device::CrossEntropyGradients { input, table, bias, factor }
        });
        let teacher = targets.teacher.map(|teacher| device::TeacherDistribution {
            states: teacher.states.part(),
            projection: projected(&teacher.projection),
            weight: teacher.weight,
        });
        self.run(|device| {
            let words = &device.indices(targets.words)?;
            let targets = device::LossTargets { words, smoothing: targets.smoothing, teacher };
            device.cross_entropy(gradients.as_ref(), x.part(), &targets, &projected(projection))
        })
    }

    fn state_distance(
        &self,
        slopes: machine::Slopes<'_, Self::Numbers>,
        student: machine::Rows<'_, Self::Numbers>,
        teacher: machine::Rows<'_, Self::Numbers>,
    ) -> Self::Inside {
        let (width, gradient) = (student.width, places(&slopes));
        let (student, teacher) = (student.values.part(), teacher.values.part());
        self.run(|device| device.state_distance(student, teacher, width, gradient))
    }

    fn relation_divergence(
        &self,
        slopes: machine::Slopes<'_, Self::Numbers>,
        student: machine::Rows<'_, Self::Numbers>,
        teacher: machine::Rows<'_, Self::Numbers>,
        spans: &Self::Spans,
        heads: usize,
    ) -> Self::Inside {
        let (student, teacher) = (student.values.part(), teacher.values.part());
        let relations = Relations { student, teacher, heads };
        self.run(|device| {
            let pairs = there(spans).pairs(device)?;
            device.relation_divergence(&relations, places(&slopes), pairs)
        })
    }

    fn guidance_loss(
        &self,
        slopes: [machine::Slopes<'_, Self::Numbers>; 2],
        inputs: [machine::Rows<'_, Self::Numbers>; 2],
        alignments: &[f32],
        spans: &Self::Spans,
        (head, heads): (usize, usize),
    ) -> Self::Inside {
        let width = inputs[0].width;
        let [queries, keys] = inputs.map(|rows| Rows::of(rows.values.part(), rows.width));
        self.run(|device| {
            let alignments = device.upload(alignments)?;
            let alignments = alignments.part();
            let head = GuidedHead { queries, keys, width, heads, head, alignments };
            let pairs = there(spans).pairs(device)?;
            device.guidance_loss(&head, slopes.each_ref().map(places), pairs)
        })
    }

    fn inside(&self, inside: Self::Inside) -> Result<f64, CudaError> {
        self.read(|| there(&inside).read())
    }

    fn losses(&self, losses: Self::Losses) -> Result<CrossEntropySums, CudaError> {
        self.read(|| there(&losses).read())
    }
}
