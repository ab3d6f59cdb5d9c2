//! The float32 engine.

use std::cell::{Ref, RefCell};

use wdistill_kernels as kernels;
use wdistill_kernels::{Dropout, embed_forward, layer_norm_forward, linear_forward};
use wdistill_model::tree::{LayerNorm, Linear};
use wdistill_model::{
    Activation, Dense, EmbeddingRule, Engine, Mask, Matrix, PositionTable, Spans, Tokens,
};
use wdistill_search::{Candidate, Scores};

use crate::decoder::DecodingEngine;
use crate::memory::KeyValues;

/// Decodes in float32 with the kernels of `wdistill-kernels`, on the current rayon pool. It never drops.
///
/// An engine keeps the rows of the position tables it has needed so far; make one for each thread.
#[derive(Debug, Default)]
pub struct Cpu {
    positions: RefCell<Vec<PositionRows>>,
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

impl Cpu {
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

/// `f(x Wᵀ + b)`, `[rows, columns of W] -> [rows, rows of W]`.
fn product(
    x: &Matrix<f32>,
    weight: &Matrix<f32>,
    bias: Option<&Vec<f32>>,
    activation: kernels::Activation,
) -> Matrix<f32> {
    let (inputs, outputs) = (weight.columns(), weight.rows());
    assert_eq!(x.columns(), inputs, "width of the activations and columns of the weight");
    let layer = kernels::Linear {
        weight: weight.data(),
        bias: bias.map(Vec::as_slice),
        inputs,
        outputs,
        activation,
        dropout: Dropout::NONE,
    };
    let mut y = vec![0.0; x.rows() * outputs];
    linear_forward(&mut y, None, x.data(), &layer);
    Matrix::new(x.rows(), outputs, y)
}

fn norm_of(norm: &LayerNorm<Dense<f32>>, epsilon: f64) -> kernels::LayerNorm<'_, f32> {
    kernels::LayerNorm { gain: &norm.gain, bias: &norm.shift, epsilon }
}

impl Engine for Cpu {
    type Leaf = Dense<f32>;
    type Activations = Matrix<f32>;
    type KeyValues = KeyValues;

    fn embed(&self, tokens: &Tokens, table: &Matrix<f32>, rule: &EmbeddingRule) -> Matrix<f32> {
        let width = table.columns();
        let position_ids: Vec<u32> =
            tokens.positions(rule.first).map(|position| position as u32).collect();
        let count = position_ids.iter().max().map_or(0, |last| *last as usize + 1);
        let positions = self.positions(rule.positions, width, count);
        let layer = kernels::Embedding {
            table: table.data(),
            positions: &positions,
            width,
            scale: rule.scale,
            dropout: Dropout::NONE,
        };
        let mut y = vec![0.0; position_ids.len() * width];
        embed_forward(&mut y, tokens.ids(), &position_ids, &layer);
        Matrix::new(position_ids.len(), width, y)
    }

    fn linear(&self, x: &Matrix<f32>, linear: &Linear<Dense<f32>>) -> Matrix<f32> {
        product(x, &linear.weight, Some(&linear.bias), kernels::Activation::Identity)
    }

    fn activated_linear(
        &self,
        x: &Matrix<f32>,
        linear: &Linear<Dense<f32>>,
        activation: Activation,
    ) -> Matrix<f32> {
        let activation = match activation {
            Activation::Relu => kernels::Activation::Relu,
            Activation::Swish => kernels::Activation::Swish,
            Activation::Gelu => kernels::Activation::Gelu,
        };
        product(x, &linear.weight, Some(&linear.bias), activation)
    }

    fn residual(&self, x: &Matrix<f32>, branch: &Matrix<f32>) -> Matrix<f32> {
        let mut y = vec![0.0; x.data().len()];
        kernels::residual(&mut y, x.data(), branch.data(), x.columns(), Dropout::NONE);
        Matrix::new(x.rows(), x.columns(), y)
    }

    fn norm(&self, x: &Matrix<f32>, norm: &LayerNorm<Dense<f32>>, epsilon: f64) -> Matrix<f32> {
        let mut y = vec![0.0; x.data().len()];
        layer_norm_forward(&mut y, None, x.data(), &norm_of(norm, epsilon));
        Matrix::new(x.rows(), x.columns(), y)
    }

    fn residual_norm(
        &self,
        x: &Matrix<f32>,
        branch: &Matrix<f32>,
        norm: &LayerNorm<Dense<f32>>,
        epsilon: f64,
    ) -> Matrix<f32> {
        let mut y = vec![0.0; x.data().len()];
        let norm = norm_of(norm, epsilon);
        kernels::residual_norm_forward(&mut y, None, x.data(), branch.data(), Dropout::NONE, &norm);
        Matrix::new(x.rows(), x.columns(), y)
    }

    fn remember(
        &self,
        past: Option<KeyValues>,
        keys: Matrix<f32>,
        values: Matrix<f32>,
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
        queries: &Matrix<f32>,
        spans: &Spans,
        memory: &KeyValues,
        heads: usize,
        mask: Mask,
    ) -> Matrix<f32> {
        memory.attend(queries, spans, heads, mask)
    }

    fn logits(&self, x: &Matrix<f32>, table: &Matrix<f32>, bias: Option<&Vec<f32>>) -> Matrix<f32> {
        product(x, table, bias, kernels::Activation::Identity)
    }
}

impl DecodingEngine for Cpu {
    fn select(&self, memory: &mut KeyValues, parents: &[usize]) {
        memory.select(parents);
    }

    fn next_words(
        &self,
        states: &Matrix<f32>,
        table: &Matrix<f32>,
        bias: Option<&Vec<f32>>,
        candidates: usize,
        end: u32,
    ) -> Scores {
        let logits = self.logits(states, table, bias);
        let (rows, words) = (logits.rows(), logits.columns());
        let mut scores = logits.into_data();
        kernels::log_softmax(&mut scores, words);
        let mut best = vec![0.0; rows * candidates];
        let mut tokens = vec![0; rows * candidates];
        kernels::top_k(&mut best, &mut tokens, &scores, words, candidates);
        let candidate = |(token, value): (&u32, &f32)| Candidate {
            token: *token,
            log_probability: f64::from(*value),
        };
        Scores {
            best: tokens.iter().zip(&best).map(candidate).collect(),
            end: scores.chunks_exact(words).map(|row| f64::from(row[end as usize])).collect(),
        }
    }
}
