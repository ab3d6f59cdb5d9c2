//! The oracle: every operation in float64, slow and obvious.

use wdistill_base::{Activation, Mask};

use crate::dense::{Dense, Matrix};
use crate::engine::{EmbeddingRule, Engine};
use crate::tokens::{NO_WORD, Spans, Tokens};
use crate::tree::{LayerNorm, Linear, OutputLayer};

/// The engine other engines are checked against. It never drops.
#[derive(Clone, Copy, Debug)]
pub struct Reference;

/// Keys and values of each sentence.
pub struct KeyValues {
    sentences: Vec<(Matrix<f64>, Matrix<f64>)>,
}

fn rows_of(x: &Matrix<f64>, spans: &Spans, sentence: usize) -> Matrix<f64> {
    let rows = spans.range(sentence);
    Matrix::from_fn(rows.len(), x.columns(), |row, column| x.at(rows.start + row, column))
}

fn stack(above: &Matrix<f64>, below: &Matrix<f64>) -> Matrix<f64> {
    let data = [above.data(), below.data()].concat();
    Matrix::new(above.rows() + below.rows(), below.columns(), data)
}

/// `a bᵀ`.
fn product(a: &Matrix<f64>, b: &Matrix<f64>) -> Matrix<f64> {
    Matrix::from_fn(a.rows(), b.rows(), |i, j| {
        a.row(i).iter().zip(b.row(j)).map(|(x, y)| x * y).sum()
    })
}

/// The error function, from its Taylor series near 0 and its continued fraction elsewhere.
fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 3.0 {
        let mut term = z;
        let mut sum = z;
        for n in 1..100 {
            term *= -z * z / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        2.0 / std::f64::consts::PI.sqrt() * sum
    } else {
        let fraction = (1..60).rev().fold(z, |tail, k| z + k as f64 / 2.0 / tail);
        1.0 - (-z * z).exp() / std::f64::consts::PI.sqrt() / fraction
    };
    value.copysign(x)
}

/// The non-linearity itself.
pub fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Swish => x / (1.0 + (-x).exp()),
        Activation::Gelu => x * 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
    }
}

/// `log(softmax(row))`.
pub fn log_softmax(row: &[f64]) -> Vec<f64> {
    let maximum = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - maximum).exp()).sum();
    row.iter().map(|x| x - maximum - sum.ln()).collect()
}

/// Label-smoothed cross-entropy summed over rows, with `e = smoothing / (words - 1)`:
///
/// `(1 - smoothing - e) * -log p[target] + e * sum over words of -log p`
///
/// (fairseq, label_smoothed_cross_entropy.py).
pub fn smoothed_cross_entropy(logits: &Matrix<f64>, targets: &[u32], smoothing: f64) -> f64 {
    let each = smoothing / (logits.columns() as f64 - 1.0);
    (0..logits.rows())
        .map(|row| {
            let log_probabilities = log_softmax(logits.row(row));
            let target = -log_probabilities[targets[row] as usize];
            let all = -log_probabilities.iter().sum::<f64>();
            (1.0 - smoothing - each) * target + each * all
        })
        .sum()
}

/// `x Wᵀ + b`.
fn affine(x: &Matrix<f64>, weight: &Matrix<f64>, bias: Option<&Vec<f64>>) -> Matrix<f64> {
    let mut y = product(x, weight);
    if let Some(bias) = bias {
        let columns = bias.len();
        let data = y.data_mut().iter_mut().enumerate();
        data.for_each(|(index, y)| *y += bias[index % columns]);
    }
    y
}

impl Engine for Reference {
    type Leaf = Dense<f64>;
    type Activations = Matrix<f64>;
    type KeyValues = KeyValues;
    /// `[sentences, width]`.
    type Cells = Matrix<f64>;

    fn embed(&self, tokens: &Tokens, table: &Matrix<f64>, rule: &EmbeddingRule) -> Matrix<f64> {
        let width = table.columns();
        let rows =
            tokens.ids().iter().zip(tokens.positions(rule.first)).flat_map(|(id, position)| {
                let positions = rule.positions.row(position, width);
                match *id {
                    NO_WORD => positions,
                    id => {
                        let word = table.row(id as usize).iter();
                        word.zip(positions).map(|(x, p)| rule.scale * x + p).collect()
                    }
                }
            });
        Matrix::new(tokens.ids().len(), width, rows.collect())
    }

    fn linear(&self, x: &Matrix<f64>, linear: &Linear<Dense<f64>>) -> Matrix<f64> {
        affine(x, &linear.weight, Some(&linear.bias))
    }

    fn product(&self, x: &Matrix<f64>, weight: &Matrix<f64>) -> Matrix<f64> {
        product(x, weight)
    }

    fn activated_linear(
        &self,
        x: &Matrix<f64>,
        linear: &Linear<Dense<f64>>,
        activation: Activation,
    ) -> Matrix<f64> {
        let y = self.linear(x, linear);
        Matrix::from_fn(y.rows(), y.columns(), |i, j| activate(activation, y.at(i, j)))
    }

    fn residual(&self, x: &Matrix<f64>, branch: &Matrix<f64>) -> Matrix<f64> {
        Matrix::from_fn(x.rows(), x.columns(), |i, j| x.at(i, j) + branch.at(i, j))
    }

    fn norm(&self, x: &Matrix<f64>, norm: &LayerNorm<Dense<f64>>, epsilon: f64) -> Matrix<f64> {
        let width = x.columns() as f64;
        let rows = (0..x.rows()).flat_map(|row| {
            let row = x.row(row);
            let mean = row.iter().sum::<f64>() / width;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
            let normal = row.iter().map(move |x| (x - mean) / (variance + epsilon).sqrt());
            normal.zip(norm.gain.iter().zip(&norm.shift)).map(|(x, (gain, shift))| x * gain + shift)
        });
        Matrix::new(x.rows(), x.columns(), rows.collect())
    }

    fn remember(
        &self,
        past: Option<KeyValues>,
        keys: Matrix<f64>,
        values: Matrix<f64>,
        spans: &Spans,
    ) -> KeyValues {
        let new = (0..spans.sentences())
            .map(|sentence| (rows_of(&keys, spans, sentence), rows_of(&values, spans, sentence)));
        let sentences = match past {
            None => new.collect(),
            Some(past) => past
                .sentences
                .iter()
                .zip(new)
                .map(|(old, new)| (stack(&old.0, &new.0), stack(&old.1, &new.1)))
                .collect(),
        };
        KeyValues { sentences }
    }

    fn attend(
        &self,
        queries: &Matrix<f64>,
        spans: &Spans,
        memory: &KeyValues,
        heads: usize,
        mask: Mask,
    ) -> Matrix<f64> {
        let width = queries.columns();
        let size = width / heads;
        let mut output = Matrix::from_fn(queries.rows(), width, |_, _| 0.0);
        for (sentence, (keys, values)) in memory.sentences.iter().enumerate() {
            let rows = spans.range(sentence);
            let past = keys.rows().saturating_sub(rows.len());
            for (i, row) in rows.enumerate() {
                let visible = match mask {
                    Mask::Full => keys.rows(),
                    Mask::Causal => past + i + 1,
                };
                for head in 0..heads {
                    let columns = head * size..(head + 1) * size;
                    let query = &queries.row(row)[columns.clone()];
                    let scores: Vec<f64> = (0..visible)
                        .map(|key| {
                            let key = &keys.row(key)[columns.clone()];
                            let dot: f64 = query.iter().zip(key).map(|(q, k)| q * k).sum();
                            dot / (size as f64).sqrt()
                        })
                        .collect();
                    for (key, score) in log_softmax(&scores).into_iter().enumerate() {
                        for column in columns.clone() {
                            output.data_mut()[row * width + column] +=
                                score.exp() * values.at(key, column);
                        }
                    }
                }
            }
        }
        output
    }

    fn recur(
        &self,
        candidates: &Matrix<f64>,
        forget: &Matrix<f64>,
        spans: &Spans,
        past: Option<Matrix<f64>>,
    ) -> (Matrix<f64>, Matrix<f64>) {
        let width = candidates.columns();
        let mut cells =
            past.unwrap_or_else(|| Matrix::from_fn(spans.sentences(), width, |_, _| 0.0));
        let mut output = Matrix::from_fn(candidates.rows(), width, |_, _| 0.0);
        for sentence in 0..spans.sentences() {
            for row in spans.range(sentence) {
                for column in 0..width {
                    let keep = 1.0 / (1.0 + (-forget.at(row, column)).exp());
                    let cell = &mut cells.data_mut()[sentence * width + column];
                    *cell = keep * *cell + (1.0 - keep) * candidates.at(row, column);
                    output.data_mut()[row * width + column] = cell.max(0.0);
                }
            }
        }
        (output, cells)
    }

    fn logits(&self, x: &Matrix<f64>, layer: &OutputLayer<'_, Dense<f64>>) -> Matrix<f64> {
        affine(x, layer.table, layer.bias)
    }
}
