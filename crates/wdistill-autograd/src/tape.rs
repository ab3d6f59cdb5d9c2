//! Recording a forward pass.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use wdistill_kernels::layers::{self, Attention, Embedding};
use wdistill_kernels::machine::Statistics;
use wdistill_kernels::{Dropout, DropoutKey, Host, Machine, Precision, Real};
use wdistill_model::tree::{LayerNorm, Leaf, Linear, Map, MatrixSpec, OutputLayer, VectorSpec};
use wdistill_model::{
    Activation, Config, Dense, DropoutRates, EmbeddingRule, Engine, Mask, Model, Slot, Spans, Spec,
    Tokens, Transformer,
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
struct Track<'c> {
    config: &'c Config,
    next: usize,
}

impl Track<'_> {
    fn index(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }
}

impl Map<Spec, Tracked> for Track<'_> {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, spec: &MatrixSpec) -> Result<TrackedMatrix, Infallible> {
        let [rows, columns] = [spec.rows, spec.columns].map(|axis| self.config.length(axis));
        Ok(TrackedMatrix { index: self.index(), rows, columns })
    }
    fn vector(&mut self, _: Slot, _: &VectorSpec) -> Result<TrackedVector, Infallible> {
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
pub(crate) enum Operation<M: Machine> {
    Embed {
        table: TrackedMatrix,
        tokens: M::Tokens,
        positions: Arc<M::Sums>,
        scale: f64,
        dropout: Dropout,
    },
    Linear(LinearOperation<M>),
    Residual {
        x: Variable,
        branch: Variable,
        dropout: Dropout,
    },
    Norm {
        x: Variable,
        norm: NormWeights,
        statistics: Statistics<M::Sums>,
    },
    ResidualNorm(ResidualNormOperation<M>),
    Attend(AttendOperation<M>),
    Recur(RecurOperation<M>),
}

pub(crate) struct LinearOperation<M: Machine> {
    pub(crate) x: Variable,
    pub(crate) weight: TrackedMatrix,
    pub(crate) bias: Option<TrackedVector>,
    pub(crate) activation: Option<Activation>,
    pub(crate) pre_activation: Option<M::Numbers>,
    pub(crate) dropout: Dropout,
}

pub(crate) struct ResidualNormOperation<M: Machine> {
    pub(crate) x: Variable,
    pub(crate) branch: Variable,
    pub(crate) norm: NormWeights,
    pub(crate) dropout: Dropout,
    pub(crate) sum: M::Numbers,
    pub(crate) statistics: Statistics<M::Sums>,
}

pub(crate) struct AttendOperation<M: Machine> {
    /// Queries, keys and values.
    pub(crate) inputs: [Variable; 3],
    pub(crate) spans: Rc<M::Spans>,
    pub(crate) attention: Attention,
    pub(crate) saved: M::Sums,
}

pub(crate) struct RecurOperation<M: Machine> {
    /// Candidates and forget gates.
    pub(crate) inputs: [Variable; 2],
    pub(crate) spans: Rc<M::Spans>,
    pub(crate) cells: M::Sums,
}

/// The weights of a normalisation, and its epsilon.
#[derive(Clone, Copy)]
pub(crate) struct NormWeights {
    pub(crate) gain: TrackedVector,
    pub(crate) shift: TrackedVector,
    pub(crate) epsilon: f64,
}

pub(crate) struct Node<M: Machine> {
    pub(crate) value: Rc<M::Numbers>,
    pub(crate) width: usize,
    pub(crate) operation: Operation<M>,
}

/// Spans of queries and of keys, and the same on a machine.
type KnownSpans<S> = ([Spans; 2], Rc<S>);

/// One forward pass over borrowed weights, recorded.
pub struct Tape<'a, M: Machine + 'a> {
    pub(crate) weights: Vec<M::Parameter<'a>>,
    pub(crate) workspace: &'a Workspace<M>,
    pub(crate) nodes: RefCell<Vec<Node<M>>>,
    pub(crate) precision: Precision,
    /// A batch has few, and each layer asks for them.
    spans: RefCell<Vec<KnownSpans<M::Spans>>>,
    dropout: DropoutSource,
    masks: Cell<u64>,
}

impl<'a, R: Real> Tape<'a, Host<R>> {
    /// An empty tape over a model's weights, and the model whose leaves are places on it; products in float32.
    pub fn record(
        model: &'a Model<Dense<R>>,
        workspace: &'a Workspace<Host<R>>,
        dropout: DropoutSource,
    ) -> (Tape<'a, Host<R>>, Model<Tracked>) {
        Tape::record_in(Precision::Float32, model, workspace, dropout)
    }

    /// As [`Tape::record`], with the products of linear layers and of the output layer, there and back, in a precision.
    /// Everything else is float32: activations and gradients in memory, attention between queries, keys and values, norms,
    /// softmax and loss.
    pub fn record_in(
        precision: Precision,
        model: &'a Model<Dense<R>>,
        workspace: &'a Workspace<Host<R>>,
        dropout: DropoutSource,
    ) -> (Tape<'a, Host<R>>, Model<Tracked>) {
        let weights = model.weights.slices().into_iter().map(|(_, slice)| slice).collect();
        Tape::over(precision, (&model.config, weights), workspace, dropout)
    }
}

impl<'a, M: Machine> Tape<'a, M> {
    /// An empty tape over the weights of a model of this configuration, in declaration order, which are on the workspace's
    /// machine, and the model whose leaves are places on it. The precision is for a machine that has several.
    pub fn over(
        precision: Precision,
        (config, weights): (&Config, Vec<M::Parameter<'a>>),
        workspace: &'a Workspace<M>,
        dropout: DropoutSource,
    ) -> (Tape<'a, M>, Model<Tracked>) {
        let Ok(tracked) = Transformer::catalogue(config).map(&mut Track { config, next: 0 });
        let (nodes, spans, masks) = (RefCell::default(), RefCell::default(), Cell::new(0));
        let tape = Tape { weights, workspace, nodes, precision, spans, dropout, masks };
        (tape, Model { config: config.clone(), weights: tracked })
    }

    /// What computes.
    pub fn machine(&self) -> &'a M {
        self.workspace.machine()
    }

    /// The value of an activation, row-major.
    pub fn value(&self, variable: Variable) -> Rc<M::Numbers> {
        Rc::clone(&self.nodes.borrow()[variable.0].value)
    }

    /// Numbers of each row of an activation.
    pub fn width(&self, variable: Variable) -> usize {
        self.nodes.borrow()[variable.0].width
    }

    fn push(&self, value: M::Numbers, width: usize, operation: Operation<M>) -> Variable {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { value: Rc::new(value), width, operation });
        Variable(nodes.len() - 1)
    }

    /// A batch's spans on the machine, which come there once.
    pub fn spans(&self, queries: &Spans, keys: &Spans) -> Rc<M::Spans> {
        let mut known = self.spans.borrow_mut();
        let found = known.iter().find(|([q, k], _)| q == queries && k == keys);
        if let Some((_, spans)) = found {
            return Rc::clone(spans);
        }
        let spans = Rc::new(self.machine().spans(queries.offsets(), keys.offsets()));
        known.push(([queries.clone(), keys.clone()], Rc::clone(&spans)));
        spans
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

    pub(crate) fn norm_parameters(
        &self,
        norm: &NormWeights,
    ) -> layers::LayerNorm<M::Parameter<'a>> {
        let (gain, bias) = (self.weights[norm.gain.index], self.weights[norm.shift.index]);
        layers::LayerNorm { gain, bias, epsilon: norm.epsilon }
    }

    pub(crate) fn linear_parameters(
        &self,
        weight: TrackedMatrix,
        bias: Option<TrackedVector>,
        activation: Option<Activation>,
        dropout: Dropout,
    ) -> layers::Linear<M::Parameter<'a>> {
        layers::Linear {
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
        let rows = M::length(&input) / weight.columns;
        let length = rows * weight.rows;
        let mut y = self.workspace.take(length);
        let needs_pre_activation = activation.is_some_and(Activation::needs_pre_activation);
        let mut pre_activation = needs_pre_activation.then(|| self.workspace.take(length));
        self.machine().linear_forward(&mut y, pre_activation.as_mut(), &input, &layer);
        let operation = LinearOperation { x, weight, bias, activation, pre_activation, dropout };
        self.push(y, weight.rows, Operation::Linear(operation))
    }
}

fn norm_weights(norm: &LayerNorm<Tracked>, epsilon: f64) -> NormWeights {
    NormWeights { gain: norm.gain, shift: norm.shift, epsilon }
}

impl<M: Machine> Engine for Tape<'_, M> {
    type Leaf = Tracked;
    type Activations = Variable;
    type KeyValues = KeyValues;
    /// Nothing goes on after a whole sentence.
    type Cells = ();

    fn embed(&self, tokens: &Tokens, table: &TrackedMatrix, rule: &EmbeddingRule) -> Variable {
        let width = table.columns;
        let position_ids: Vec<u32> = tokens.positions(rule.first).map(|p| p as u32).collect();
        let count = position_ids.iter().max().map_or(0, |last| *last as usize + 1);
        let positions = self.workspace.positions(rule.positions, width, count);
        let dropout = self.mask(self.dropout.rates.residual);
        let (table, scale) = (*table, rule.scale);
        let table_values = self.weights[table.index];
        let layer =
            Embedding { table: table_values, positions: &*positions, width, scale, dropout };
        let mut y = self.workspace.take(tokens.ids().len() * width);
        let tokens = self.machine().tokens(tokens.ids(), &position_ids);
        self.machine().embed_forward(&mut y, &tokens, &layer);
        let operation = Operation::Embed { table, tokens, positions, scale, dropout };
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
        let mut y = self.workspace.take(M::length(&input));
        self.machine().residual(&mut y, &input, &branch_value, width, dropout);
        self.push(y, width, Operation::Residual { x: *x, branch: *branch, dropout })
    }

    fn norm(&self, x: &Variable, norm: &LayerNorm<Tracked>, epsilon: f64) -> Variable {
        let width = self.width(*x);
        let norm = norm_weights(norm, epsilon);
        let input = self.value(*x);
        let mut y = self.workspace.take(M::length(&input));
        let statistics = self.machine().norm_forward(&mut y, &input, &self.norm_parameters(&norm));
        self.push(y, width, Operation::Norm { x: *x, norm, statistics })
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
        let mut y = self.workspace.take(M::length(&input));
        let mut sum = self.workspace.take(M::length(&input));
        let parameters = self.norm_parameters(&norm);
        let statistics = self.machine().residual_norm_forward(
            [&mut y, &mut sum],
            &input,
            &branch_value,
            dropout,
            &parameters,
        );
        let (x, branch) = (*x, *branch);
        let operation = ResidualNormOperation { x, branch, norm, dropout, sum, statistics };
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
        let attention = Attention { width, heads, mask, dropout };
        let spans = self.spans(spans, &memory.spans);
        let inputs = [*queries, memory.keys, memory.values];
        let values = inputs.map(|variable| self.value(variable));
        let [queries, keys, values] = values.each_ref().map(|value| &**value);
        let mut y = self.workspace.take(M::length(queries));
        let saved =
            self.machine().attention_forward(&mut y, [queries, keys, values], &spans, &attention);
        let operation = AttendOperation { inputs, spans, attention, saved };
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
        let spans = self.spans(spans, spans);
        let inputs = [*candidates, *forget];
        let values = inputs.map(|variable| self.value(variable));
        let [candidates, forget] = values.each_ref().map(|value| &**value);
        let mut y = self.workspace.take(M::length(candidates));
        let cells = self.machine().recur_forward(&mut y, [candidates, forget], &spans, width);
        let operation = RecurOperation { inputs, spans, cells };
        (self.push(y, width, Operation::Recur(operation)), ())
    }

    fn logits(&self, x: &Variable, layer: &OutputLayer<'_, Tracked>) -> Variable {
        self.record_product(*x, *layer.table, layer.bias.copied(), None, Dropout::NONE)
    }
}

impl<M: Machine> Drop for Tape<'_, M> {
    /// Hands every buffer back to the machine.
    fn drop(&mut self) {
        let machine = self.machine();
        let give_statistics = |statistics: Statistics<M::Sums>| {
            machine.give_sums(statistics.mean);
            machine.give_sums(statistics.reciprocal_deviation);
        };
        for node in self.nodes.take() {
            match node.operation {
                Operation::Linear(linear) => {
                    linear.pre_activation.into_iter().for_each(|numbers| machine.give(numbers));
                }
                Operation::Norm { statistics, .. } => give_statistics(statistics),
                Operation::ResidualNorm(norm) => {
                    machine.give(norm.sum);
                    give_statistics(norm.statistics);
                }
                Operation::Attend(attend) => machine.give_sums(attend.saved),
                Operation::Recur(recur) => machine.give_sums(recur.cells),
                Operation::Embed { .. } | Operation::Residual { .. } => {}
            }
            if let Ok(buffer) = Rc::try_unwrap(node.value) {
                machine.give(buffer);
            }
        }
    }
}
