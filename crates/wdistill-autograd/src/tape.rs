//! Recording a forward pass.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use wdistill_kernels as kernels;
use wdistill_kernels::{Dropout, DropoutKey, NormStatistics, Precision, Real, ResidualNormSaved};
use wdistill_model::tree::{LayerNorm, Leaf, Linear, Map, OutputLayer};
use wdistill_model::{
    Activation, Dense, DropoutRates, EmbeddingRule, Engine, Mask, Matrix, Model, Slot, Spans,
    Tokens,
};

use crate::workspace::Workspace;

/// Leaf family of weights on a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked;

/// A matrix on a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackedMatrix {
    /// Place in declaration order.
    pub(crate) index: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// A vector on a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackedVector {
    /// Place in declaration order.
    pub(crate) index: usize,
}

impl Leaf for Tracked {
    type Matrix = TrackedMatrix;
    type Vector = TrackedVector;
}

/// Numbers the weights in declaration order.
struct Track {
    next: usize,
}

impl Track {
    fn index(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }
}

impl<R> Map<Dense<R>, Tracked> for Track {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, from: &Matrix<R>) -> Result<TrackedMatrix, Infallible> {
        let (rows, columns) = (from.rows(), from.columns());
        Ok(TrackedMatrix { index: self.index(), rows, columns })
    }
    fn vector(&mut self, _: Slot, _: &Vec<R>) -> Result<TrackedVector, Infallible> {
        Ok(TrackedVector { index: self.index() })
    }
}

/// Where a step's dropout masks come from: rates, and a seed that is another for every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutSource {
    /// Probabilities by place.
    pub rates: DropoutRates,
    /// The run's seed.
    pub seed: u64,
    /// Number of the step; every place of every step has a mask of its own.
    pub step: u64,
}

impl DropoutSource {
    /// No dropout: validation and gradient checks.
    pub const NONE: DropoutSource = DropoutSource { rates: DropoutRates::NONE, seed: 0, step: 0 };
}

/// An activation on a tape, `[rows, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable(pub(crate) usize);

/// Keys and values on a tape.
#[derive(Clone, Debug)]
pub struct KeyValues {
    pub(crate) keys: Variable,
    pub(crate) values: Variable,
    pub(crate) spans: Spans,
}

/// What was done, with what its gradient needs besides the operands' values.
pub(crate) enum Operation<R> {
    Embed {
        table: TrackedMatrix,
        ids: Vec<u32>,
        position_ids: Vec<u32>,
        positions: Arc<Vec<R>>,
        scale: f64,
        dropout: Dropout,
    },
    Linear(LinearOperation<R>),
    Residual {
        x: Variable,
        branch: Variable,
        dropout: Dropout,
    },
    Norm {
        x: Variable,
        norm: NormWeights,
        mean: Vec<R>,
        reciprocal_deviation: Vec<R>,
    },
    ResidualNorm(ResidualNormOperation<R>),
    Attend(AttendOperation<R>),
    Recur(RecurOperation<R>),
}

pub(crate) struct LinearOperation<R> {
    pub(crate) x: Variable,
    pub(crate) weight: TrackedMatrix,
    pub(crate) bias: Option<TrackedVector>,
    pub(crate) activation: Option<Activation>,
    pub(crate) pre_activation: Vec<R>,
    pub(crate) dropout: Dropout,
}

pub(crate) struct ResidualNormOperation<R> {
    pub(crate) x: Variable,
    pub(crate) branch: Variable,
    pub(crate) norm: NormWeights,
    pub(crate) dropout: Dropout,
    pub(crate) sum: Vec<R>,
    pub(crate) mean: Vec<R>,
    pub(crate) reciprocal_deviation: Vec<R>,
}

pub(crate) struct AttendOperation<R> {
    pub(crate) queries: Variable,
    pub(crate) memory: KeyValues,
    pub(crate) spans: Spans,
    pub(crate) heads: usize,
    pub(crate) mask: Mask,
    pub(crate) probabilities: Vec<R>,
    pub(crate) dropout: Dropout,
}

pub(crate) struct RecurOperation<R> {
    pub(crate) candidates: Variable,
    pub(crate) forget: Variable,
    pub(crate) spans: Spans,
    pub(crate) cells: Vec<R>,
}

/// The weights of a normalisation, and its epsilon.
#[derive(Clone, Copy)]
pub(crate) struct NormWeights {
    pub(crate) gain: TrackedVector,
    pub(crate) shift: TrackedVector,
    pub(crate) epsilon: f64,
}

pub(crate) struct Node<R> {
    pub(crate) value: Rc<Vec<R>>,
    pub(crate) width: usize,
    pub(crate) operation: Operation<R>,
}

/// One forward pass over borrowed weights, recorded.
pub struct Tape<'a, R: Real> {
    pub(crate) weights: Vec<&'a [R]>,
    pub(crate) workspace: &'a Workspace<R>,
    pub(crate) nodes: RefCell<Vec<Node<R>>>,
    pub(crate) precision: Precision,
    dropout: DropoutSource,
    masks: Cell<u64>,
}

impl<'a, R: Real> Tape<'a, R> {
    /// An empty tape over a model's weights, and the model whose leaves are places on it; products in float32.
    pub fn record(
        model: &'a Model<Dense<R>>,
        workspace: &'a Workspace<R>,
        dropout: DropoutSource,
    ) -> (Tape<'a, R>, Model<Tracked>) {
        Tape::record_in(Precision::Float32, model, workspace, dropout)
    }

    /// As [`Tape::record`], with the products of linear layers and of the output layer, there and back, in a precision.
    /// Everything else is float32: activations and gradients in memory, attention between queries, keys and values, norms,
    /// softmax and loss.
    pub fn record_in(
        precision: Precision,
        model: &'a Model<Dense<R>>,
        workspace: &'a Workspace<R>,
        dropout: DropoutSource,
    ) -> (Tape<'a, R>, Model<Tracked>) {
        let weights = model.weights.slices().into_iter().map(|(_, slice)| slice).collect();
        let Ok(tracked) = model.weights.map(&mut Track { next: 0 });
        let nodes = RefCell::default();
        let tape = Tape { weights, workspace, nodes, precision, dropout, masks: Cell::new(0) };
        (tape, Model { config: model.config.clone(), weights: tracked })
    }

    /// The value of an activation, row-major.
    pub fn value(&self, variable: Variable) -> Rc<Vec<R>> {
        Rc::clone(&self.nodes.borrow()[variable.0].value)
    }

    /// Numbers of each row of an activation.
    pub fn width(&self, variable: Variable) -> usize {
        self.nodes.borrow()[variable.0].width
    }

    fn push(&self, value: Vec<R>, width: usize, operation: Operation<R>) -> Variable {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { value: Rc::new(value), width, operation });
        Variable(nodes.len() - 1)
    }

    /// A mask of its own for each place of each step.
    fn mask(&self, rate: f64) -> Dropout {
        if rate == 0.0 {
            return Dropout::NONE;
        }
        let place = self.masks.get();
        self.masks.set(place + 1);
        let stream = (self.dropout.step << 16) | place;
        Dropout::new(rate, DropoutKey { seed: self.dropout.seed, stream })
    }

    pub(crate) fn norm_parameters(&self, norm: &NormWeights) -> kernels::LayerNorm<'a, R> {
        let (gain, bias) = (self.weights[norm.gain.index], self.weights[norm.shift.index]);
        kernels::LayerNorm { gain, bias, epsilon: norm.epsilon }
    }

    pub(crate) fn linear_parameters(
        &self,
        weight: TrackedMatrix,
        bias: Option<TrackedVector>,
        activation: Option<Activation>,
        dropout: Dropout,
    ) -> kernels::Linear<'a, R> {
        kernels::Linear {
            weight: self.weights[weight.index],
            bias: bias.map(|bias| self.weights[bias.index]),
            inputs: weight.columns,
            outputs: weight.rows,
            activation,
            dropout,
            precision: self.precision,
        }
    }

    fn record_product(
        &self,
        x: Variable,
        weight: TrackedMatrix,
        bias: Option<TrackedVector>,
        activation: Option<Activation>,
        dropout: Dropout,
    ) -> Variable {
        let layer = self.linear_parameters(weight, bias, activation, dropout);
        let input = self.value(x);
        let rows = input.len() / weight.columns;
        let mut y = self.workspace.take(rows * weight.rows);
        let needs_pre_activation = activation.is_some_and(Activation::needs_pre_activation);
        let mut pre_activation =
            if needs_pre_activation { self.workspace.take(y.len()) } else { Vec::new() };
        let saved = needs_pre_activation.then_some(pre_activation.as_mut_slice());
        kernels::linear_forward(&mut y, saved, &input, &layer);
        let operation = LinearOperation { x, weight, bias, activation, pre_activation, dropout };
        self.push(y, weight.rows, Operation::Linear(operation))
    }
}

/// The attention of a packed batch, as the kernels want it.
pub(crate) fn attention_shape<'s>(
    width: usize,
    heads: usize,
    queries: &'s Spans,
    keys: &'s Spans,
    mask: Mask,
    dropout: kernels::Dropout,
) -> kernels::AttentionShape<'s> {
    kernels::AttentionShape {
        width,
        heads,
        query_offsets: queries.offsets(),
        key_offsets: keys.offsets(),
        mask,
        dropout,
    }
}

fn norm_weights(norm: &LayerNorm<Tracked>, epsilon: f64) -> NormWeights {
    NormWeights { gain: norm.gain, shift: norm.shift, epsilon }
}

impl<R: Real> Engine for Tape<'_, R> {
    type Leaf = Tracked;
    type Activations = Variable;
    type KeyValues = KeyValues;
    /// Nothing goes on after a whole sentence.
    type Cells = ();

    fn embed(&self, tokens: &Tokens, table: &TrackedMatrix, rule: &EmbeddingRule) -> Variable {
        let width = table.columns;
        let ids = tokens.ids().to_vec();
        let position_ids: Vec<u32> = tokens.positions(rule.first).map(|p| p as u32).collect();
        let count = position_ids.iter().max().map_or(0, |last| *last as usize + 1);
        let positions = self.workspace.positions(rule.positions, width, count);
        let dropout = self.mask(self.dropout.rates.residual);
        let table_values = self.weights[table.index];
        let layer = kernels::Embedding {
            table: table_values,
            positions: &positions,
            width,
            scale: rule.scale,
            dropout,
        };
        let mut y = self.workspace.take(ids.len() * width);
        kernels::embed_forward(&mut y, &ids, &position_ids, &layer);
        let (table, scale) = (*table, rule.scale);
        let operation = Operation::Embed { table, ids, position_ids, positions, scale, dropout };
        self.push(y, width, operation)
    }

    fn linear(&self, x: &Variable, linear: &Linear<Tracked>) -> Variable {
        self.record_product(*x, linear.weight, Some(linear.bias), None, Dropout::NONE)
    }

    fn product(&self, x: &Variable, weight: &TrackedMatrix) -> Variable {
        self.record_product(*x, *weight, None, None, Dropout::NONE)
    }

    fn activated_linear(
        &self,
        x: &Variable,
        linear: &Linear<Tracked>,
        activation: Activation,
    ) -> Variable {
        let dropout = self.mask(self.dropout.rates.activation);
        self.record_product(*x, linear.weight, Some(linear.bias), Some(activation), dropout)
    }

    fn residual(&self, x: &Variable, branch: &Variable) -> Variable {
        let width = self.width(*x);
        let dropout = self.mask(self.dropout.rates.residual);
        let (input, branch_value) = (self.value(*x), self.value(*branch));
        let mut y = self.workspace.take(input.len());
        kernels::residual(&mut y, &input, &branch_value, width, dropout);
        self.push(y, width, Operation::Residual { x: *x, branch: *branch, dropout })
    }

    fn norm(&self, x: &Variable, norm: &LayerNorm<Tracked>, epsilon: f64) -> Variable {
        let width = self.width(*x);
        let norm = norm_weights(norm, epsilon);
        let input = self.value(*x);
        let rows = input.len() / width;
        let mut y = self.workspace.take(input.len());
        let mut mean = self.workspace.take(rows);
        let mut reciprocal_deviation = self.workspace.take(rows);
        let statistics =
            NormStatistics { mean: &mut mean, reciprocal_deviation: &mut reciprocal_deviation };
        kernels::layer_norm_forward(&mut y, Some(statistics), &input, &self.norm_parameters(&norm));
        self.push(y, width, Operation::Norm { x: *x, norm, mean, reciprocal_deviation })
    }

    fn residual_norm(
        &self,
        x: &Variable,
        branch: &Variable,
        norm: &LayerNorm<Tracked>,
        epsilon: f64,
    ) -> Variable {
        let width = self.width(*x);
        let norm = norm_weights(norm, epsilon);
        let dropout = self.mask(self.dropout.rates.residual);
        let (input, branch_value) = (self.value(*x), self.value(*branch));
        let rows = input.len() / width;
        let mut y = self.workspace.take(input.len());
        let mut sum = self.workspace.take(input.len());
        let mut mean = self.workspace.take(rows);
        let mut reciprocal_deviation = self.workspace.take(rows);
        let saved = ResidualNormSaved {
            sum: &mut sum,
            statistics: NormStatistics {
                mean: &mut mean,
                reciprocal_deviation: &mut reciprocal_deviation,
            },
        };
        let parameters = self.norm_parameters(&norm);
        kernels::residual_norm_forward(
            &mut y,
            Some(saved),
            &input,
            &branch_value,
            dropout,
            &parameters,
        );
        let (x, branch) = (*x, *branch);
        let operation =
            ResidualNormOperation { x, branch, norm, dropout, sum, mean, reciprocal_deviation };
        self.push(y, width, Operation::ResidualNorm(operation))
    }

    /// # Panics
    /// If there is a past: training reads whole sentences.
    fn remember(
        &self,
        past: Option<KeyValues>,
        keys: Variable,
        values: Variable,
        spans: &Spans,
    ) -> KeyValues {
        assert!(past.is_none(), "a tape reads whole sentences, not one token after another");
        KeyValues { keys, values, spans: spans.clone() }
    }

    fn attend(
        &self,
        queries: &Variable,
        spans: &Spans,
        memory: &KeyValues,
        heads: usize,
        mask: Mask,
    ) -> Variable {
        let width = self.width(*queries);
        let dropout = self.mask(self.dropout.rates.attention);
        let shape = attention_shape(width, heads, spans, &memory.spans, mask, dropout);
        let values = [*queries, memory.keys, memory.values].map(|variable| self.value(variable));
        let inputs =
            kernels::AttentionInputs { queries: &values[0], keys: &values[1], values: &values[2] };
        let mut y = self.workspace.take(values[0].len());
        let mut probabilities = self.workspace.take(shape.probabilities());
        kernels::attention_forward(&mut y, Some(&mut probabilities), &inputs, &shape);
        let operation = AttendOperation {
            queries: *queries,
            memory: memory.clone(),
            spans: spans.clone(),
            heads,
            mask,
            probabilities,
            dropout,
        };
        self.push(y, width, Operation::Attend(operation))
    }

    /// # Panics
    /// If there is a past: training reads whole sentences.
    fn recur(
        &self,
        candidates: &Variable,
        forget: &Variable,
        spans: &Spans,
        past: Option<()>,
    ) -> (Variable, ()) {
        assert!(past.is_none(), "a tape reads whole sentences, not one token after another");
        let width = self.width(*candidates);
        let values = [*candidates, *forget].map(|variable| self.value(variable));
        let mut y = self.workspace.take(values[0].len());
        let mut cells = self.workspace.take(y.len());
        let mut state = vec![R::ZERO; spans.sentences() * width];
        let inputs = kernels::RecurrenceInputs {
            candidates: &values[0],
            forget: &values[1],
            offsets: spans.offsets(),
            width,
        };
        kernels::recur_forward(&mut y, &mut state, Some(&mut cells), &inputs);
        let (candidates, forget, spans) = (*candidates, *forget, spans.clone());
        let operation = RecurOperation { candidates, forget, spans, cells };
        (self.push(y, width, Operation::Recur(operation)), ())
    }

    fn logits(&self, x: &Variable, layer: &OutputLayer<'_, Tracked>) -> Variable {
        self.record_product(*x, *layer.table, layer.bias.copied(), None, Dropout::NONE)
    }
}

impl<R: Real> Drop for Tape<'_, R> {
    /// Hands every buffer back to the workspace.
    fn drop(&mut self) {
        for node in self.nodes.take() {
            let saved = match node.operation {
                Operation::Linear(linear) => vec![linear.pre_activation],
                Operation::Norm { mean, reciprocal_deviation, .. } => {
                    vec![mean, reciprocal_deviation]
                }
                Operation::ResidualNorm(norm) => {
                    vec![norm.sum, norm.mean, norm.reciprocal_deviation]
                }
                Operation::Attend(attend) => vec![attend.probabilities],
                Operation::Recur(recur) => vec![recur.cells],
                Operation::Embed { .. } | Operation::Residual { .. } => Vec::new(),
            };
            saved.into_iter().for_each(|buffer| self.workspace.give(buffer));
            if let Ok(buffer) = Rc::try_unwrap(node.value) {
                self.workspace.give(buffer);
            }
        }
    }
}
