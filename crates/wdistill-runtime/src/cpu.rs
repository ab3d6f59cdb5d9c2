//! The engine that decodes.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use wdistill_kernels as kernels;
use wdistill_kernels::{
    Dropout, Epilogue, PackedWeight, RecurrenceInputs, TopWords, layer_norm_forward, recur_forward,
};
use wdistill_model::tree::{LayerNorm, Linear, OutputLayer};
use wdistill_model::{
    Activation, EmbeddingRule, Engine, Mask, NO_WORD, PositionTable, Spans, Tokens,
};
use wdistill_search::{Candidate, Scores};

use crate::activations::{Activations, Pool};
use crate::decoder::{DecodingEngine, OutputPart};
use crate::memory::{AttendScratch, KeyValues};
use crate::packed::Packed;

/// Decodes with weights packed as `W`, in one thread; activations are float32. It never drops.
///
/// An engine keeps the rows of the position tables it has needed so far; make one for each thread.
pub struct Cpu<W: PackedWeight> {
    positions: RefCell<Vec<PositionRows>>,
    inputs: RefCell<W::Scratch>,
    attended: RefCell<AttendScratch>,
    top: RefCell<TopWords>,
    pool: Rc<Pool>,
    /// Probabilities of each attention to the source, if somebody wants them.
    record: RefCell<Option<Vec<Vec<f32>>>>,
}

impl<W: PackedWeight> Default for Cpu<W> {
    fn default() -> Self {
        Cpu {
            positions: RefCell::default(),
            inputs: RefCell::default(),
            attended: RefCell::default(),
            top: RefCell::default(),
            pool: Rc::default(),
            record: RefCell::default(),
        }
    }
}

/// The first rows of a table of sinusoids.
#[derive(Debug)]
struct PositionRows {
    table: PositionTable,
    width: usize,
    /// `[rows, width]`.
    data: Vec<f32>,
}

impl PositionRows {
    /// Computes rows up to `count`, and then some, so that one more word does not cost a call.
    fn grow(&mut self, count: usize) {
        let present = self.data.len() / self.width;
        if present < count {
            for position in present..count.next_multiple_of(64) {
                let row = self.table.row(position, self.width);
                self.data.extend(row.into_iter().map(|value| value as f32));
            }
        }
    }
}

impl<W: PackedWeight> Cpu<W> {
    /// At least the first `count` rows of a table.
    fn positions(&self, table: PositionTable, width: usize, count: usize) -> Ref<'_, [f32]> {
        let mut all = self.positions.borrow_mut();
        let index = match all.iter().position(|rows| rows.table == table && rows.width == width) {
            Some(index) => index,
            None => {
                all.push(PositionRows { table, width, data: Vec::new() });
                all.len() - 1
            }
        };
        all[index].grow(count);
        drop(all);
        Ref::map(self.positions.borrow(), |all| all[index].data.as_slice())
    }
}

/// Logits that are computed at a time: they stay in the cache until they have been looked at.
const BLOCK: usize = 512;

fn norm_of<W>(norm: &LayerNorm<Packed<W>>, epsilon: f64) -> kernels::LayerNorm<'_, f32> {
    kernels::LayerNorm { gain: &norm.gain, bias: &norm.shift, epsilon }
}

impl<W: PackedWeight> Cpu<W> {
    /// Room for results.
    /// Does some work, and gives the probabilities of each full attention in it, in their order: of each query of each
    /// sentence, of each head, of each key. In a decoder these are the attentions to the source, one for each layer.
    pub(crate) fn recording(&self, work: impl FnOnce()) -> Vec<Vec<f32>> {
        *self.record.borrow_mut() = Some(Vec::new());
        work();
        self.record.borrow_mut().take().unwrap_or_default()
    }

    fn take(&self, rows: usize, columns: usize) -> Activations {
        Activations::take(&self.pool, rows, columns)
    }

    /// `f(x Wᵀ + b)`, `[rows, columns of W] -> [rows, rows of W]`, of activations made ready.
    fn packed_product(
        &self,
        (x, rows): (&W::Input<'_>, usize),
        weight: &W,
        bias: Option<&Vec<f32>>,
        activation: Option<Activation>,
    ) -> Activations {
        let mut y = self.take(rows, weight.outputs());
        let epilogue = Epilogue { bias: bias.map(Vec::as_slice), activation };
        weight.product(y.data_mut(), x, 0..weight.outputs(), &epilogue);
        y
    }
}

impl<W: PackedWeight> Engine for Cpu<W> {
    type Leaf = Packed<W>;
    type Activations = Activations;
    type KeyValues = KeyValues;
    /// `[sentences, width]`.
    type Cells = Activations;

    fn embed(&self, tokens: &Tokens, table: &W, rule: &EmbeddingRule) -> Activations {
        let width = table.inputs();
        let count = tokens.positions(rule.first).max().map_or(0, |last| last + 1);
        let positions = self.positions(rule.positions, width, count);
        let scale = rule.scale as f32;
        let mut y = self.take(tokens.ids().len(), width);
        let words = tokens.ids().iter().zip(tokens.positions(rule.first));
        for (y, (id, position)) in y.data_mut().chunks_exact_mut(width).zip(words) {
            match *id {
                NO_WORD => y.fill(0.0),
                id => table.row(y, id as usize),
            }
            let position = &positions[position * width..][..width];
            for (y, position) in y.iter_mut().zip(position) {
                *y = *y * scale + position;
            }
        }
        y
    }

    fn linear(&self, x: &Activations, linear: &Linear<Packed<W>>) -> Activations {
        let [y] = self.project(x, [linear]);
        y
    }

    fn product(&self, x: &Activations, weight: &W) -> Activations {
        let mut scratch = self.inputs.borrow_mut();
        let input = W::input(x.data(), x.columns(), &mut scratch);
        self.packed_product((&input, x.rows()), weight, None, None)
    }

    fn activated_linear(
        &self,
        x: &Activations,
        linear: &Linear<Packed<W>>,
        activation: Activation,
    ) -> Activations {
        let mut scratch = self.inputs.borrow_mut();
        let input = W::input(x.data(), x.columns(), &mut scratch);
        self.packed_product(
            (&input, x.rows()),
            &linear.weight,
            Some(&linear.bias),
            Some(activation),
        )
    }

    /// The activations are made ready once for all products.
    fn project<const N: usize>(
        &self,
        x: &Activations,
        linears: [&Linear<Packed<W>>; N],
    ) -> [Activations; N] {
        let mut scratch = self.inputs.borrow_mut();
        let input = W::input(x.data(), x.columns(), &mut scratch);
        linears.map(|linear| {
            self.packed_product((&input, x.rows()), &linear.weight, Some(&linear.bias), None)
        })
    }

    fn residual(&self, x: &Activations, branch: &Activations) -> Activations {
        let mut y = self.take(x.rows(), x.columns());
        kernels::residual(y.data_mut(), x.data(), branch.data(), x.columns(), Dropout::NONE);
        y
    }

    fn norm(&self, x: &Activations, norm: &LayerNorm<Packed<W>>, epsilon: f64) -> Activations {
        let mut y = self.take(x.rows(), x.columns());
        layer_norm_forward(y.data_mut(), None, x.data(), &norm_of(norm, epsilon));
        y
    }

    fn residual_norm(
        &self,
        x: &Activations,
        branch: &Activations,
        norm: &LayerNorm<Packed<W>>,
        epsilon: f64,
    ) -> Activations {
        let mut y = self.take(x.rows(), x.columns());
        let norm = norm_of(norm, epsilon);
        kernels::residual_norm_forward(
            y.data_mut(),
            None,
            x.data(),
            branch.data(),
            Dropout::NONE,
            &norm,
        );
        y
    }

    fn remember(
        &self,
        past: Option<KeyValues>,
        keys: Activations,
        values: Activations,
        spans: &Spans,
    ) -> KeyValues {
        match past {
            None => KeyValues::new(keys, values, spans),
            Some(mut memory) => {
                memory.append(&keys, &values, spans);
                memory
            }
        }
    }

    fn attend(
        &self,
        queries: &Activations,
        spans: &Spans,
        memory: &KeyValues,
        heads: usize,
        mask: Mask,
    ) -> Activations {
        let mut y = self.take(queries.rows(), queries.columns());
        let mut all = self.record.borrow_mut();
        let record = match (&mut *all, mask) {
            (Some(all), Mask::Full) => {
                all.push(Vec::new());
                all.last_mut()
            }
            _ => None,
        };
        let scratch = &mut self.attended.borrow_mut();
        memory.attend(&mut y, queries, (spans, heads, mask), scratch, record);
        y
    }

    fn recur(
        &self,
        candidates: &Activations,
        forget: &Activations,
        spans: &Spans,
        past: Option<Activations>,
    ) -> (Activations, Activations) {
        let width = candidates.columns();
        let mut cells = past.unwrap_or_else(|| {
            let mut zeros = self.take(spans.sentences(), width);
            zeros.data_mut().fill(0.0);
            zeros
        });
        let mut y = self.take(candidates.rows(), width);
        let inputs = RecurrenceInputs {
            candidates: candidates.data(),
            forget: forget.data(),
            offsets: spans.offsets(),
            width,
        };
        recur_forward(y.data_mut(), cells.data_mut(), None, &inputs);
        (y, cells)
    }

    fn logits(&self, x: &Activations, layer: &OutputLayer<'_, Packed<W>>) -> Activations {
        let mut scratch = self.inputs.borrow_mut();
        let input = W::input(x.data(), x.columns(), &mut scratch);
        self.packed_product((&input, x.rows()), layer.table, layer.bias, None)
    }
}

impl<W: PackedWeight> DecodingEngine for Cpu<W> {
    fn select(&self, memory: &mut KeyValues, parents: &[usize]) {
        memory.select(parents);
    }

    fn select_cells(&self, cells: &mut Activations, parents: &[usize]) {
        let mut chosen = self.take(parents.len(), cells.columns());
        let rows = chosen.data_mut().chunks_exact_mut(cells.columns());
        rows.zip(parents).for_each(|(row, parent)| row.copy_from_slice(cells.row(*parent)));
        *cells = chosen;
    }

    fn next_words(
        &self,
        states: &Activations,
        layer: &OutputLayer<'_, Packed<W>>,
        candidates: usize,
        end: u32,
    ) -> Scores {
        let mut scores = Scores::default();
        let bias = layer.bias.map(Vec::as_slice);
        let output = Output { table: layer.table, bias, end: end as usize };
        self.add_best(&mut scores, (states.data(), states.rows()), &output, candidates, |word| {
            word
        });
        scores
    }

    fn output_part(
        &self,
        layer: &OutputLayer<'_, Packed<W>>,
        words: Vec<u32>,
    ) -> OutputPart<Packed<W>> {
        let bias = layer.bias.map(|bias| words.iter().map(|word| bias[*word as usize]).collect());
        OutputPart { table: layer.table.select(&words), bias, words }
    }

    fn next_words_among(
        &self,
        states: &Activations,
        spans: &Spans,
        parts: &[OutputPart<Packed<W>>],
        candidates: usize,
        end: u32,
    ) -> Scores {
        let mut scores = Scores::default();
        for (sentence, OutputPart { words, table, bias }) in parts.iter().enumerate() {
            let range = spans.range(sentence);
            if range.is_empty() {
                continue;
            }
            let width = states.columns();
            let rows = (&states.data()[range.start * width..range.end * width], range.len());
            let end = words.binary_search(&end).expect("the end token is among a sentence's words");
            let output = Output { table, bias: bias.as_deref(), end };
            self.add_best(&mut scores, rows, &output, candidates, |place| words[place as usize]);
        }
        scores
    }
}

/// An output layer, of all words or of some.
struct Output<'a, W> {
    table: &'a W,
    bias: Option<&'a [f32]>,
    /// Row of the end token.
    end: usize,
}

impl<W: PackedWeight> Cpu<W> {
    /// Adds the best words after each of some rows of states, `[rows, width]`; `word` gives the word of a row
    /// of the table.
    fn add_best(
        &self,
        scores: &mut Scores,
        (states, rows): (&[f32], usize),
        output: &Output<'_, W>,
        candidates: usize,
        word: impl Fn(u32) -> u32,
    ) {
        let &Output { table, bias, end } = output;
        let words = table.outputs();
        let mut scratch = self.inputs.borrow_mut();
        let input = W::input(states, table.inputs(), &mut scratch);
        let epilogue = Epilogue { bias, activation: None };
        let mut top = self.top.borrow_mut();
        top.start(rows, candidates);
        let mut ends = self.take(rows, 1);
        let ends = ends.data_mut();
        let mut logits = self.take(rows, BLOCK.min(words));
        let logits = logits.data_mut();
        for first in (0..words).step_by(BLOCK) {
            let block = first..(first + BLOCK).min(words);
            let logits = &mut logits[..rows * block.len()];
            table.product(logits, &input, block.clone(), &epilogue);
            top.absorb(logits, block.len());
            if block.contains(&end) {
                for (own, logits) in ends.iter_mut().zip(logits.chunks_exact(block.len())) {
                    *own = logits[end - first];
                }
            }
        }
        scores.best.reserve(rows * candidates);
        let best = (0..rows).flat_map(|row| top.row(row));
        scores.best.extend(
            best.map(|(row, log_probability)| Candidate { token: word(row), log_probability }),
        );
        let ends = ends.iter().enumerate();
        scores.end.extend(ends.map(|(row, end)| top.log_probability(row, *end)));
    }
}
