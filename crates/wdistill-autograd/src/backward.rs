//! The loss, and the way back.

use wdistill_kernels::layers::{Embedding, LossTargets, Projection};
use wdistill_kernels::machine::{CrossEntropyGradients, LinearGradients, NormGradients};
use wdistill_kernels::{Accumulate, CrossEntropySums, Dropout, Host, Machine, Real};
use wdistill_model::Model;

use crate::gradients::Gradients;
use crate::tape::{
    AttendOperation, LinearOperation, Node, Operation, RecurOperation, ResidualNormOperation, Tape,
    Tracked, Variable,
};

/// What the decoder should have said, with a teacher's states `S` and parameters `P`.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a, S, P> {
    /// What is right, and what a teacher says.
    pub loss: LossTargets<'a, S, P>,
    /// Factor on every gradient, such as one over the number of tokens.
    pub gradient_scale: f64,
}

/// What is lost at activations inside a model, and a factor times its slopes there.
pub type Inside<M> = (f64, Vec<(Variable, <M as Machine>::Numbers)>);

/// Sums over the target tokens of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossSums {
    /// The loss, in nats: label-smoothed cross-entropy (fairseq's `label_smoothed_cross_entropy`), mixed
    /// with a teacher's where there is one.
    pub smoothed: f64,
    /// `-log p` of the right word, in nats.
    pub negative_log_likelihood: f64,
    /// Tokens whose right word had the highest probability.
    pub correct: u64,
    /// Number of tokens.
    pub tokens: u64,
    /// What a student misses of its teacher's states and relations, times their weights; not part of `smoothed`.
    pub inside: f64,
}

impl LossSums {
    /// `e` to the mean negative log-likelihood.
    pub fn perplexity(&self) -> f64 {
        (self.negative_log_likelihood / self.tokens as f64).exp()
    }

    /// Label-smoothed cross-entropy a token.
    pub fn mean(&self) -> f64 {
        self.smoothed / self.tokens as f64
    }
}

impl std::ops::AddAssign for LossSums {
    fn add_assign(&mut self, other: LossSums) {
        self.smoothed += other.smoothed;
        self.negative_log_likelihood += other.negative_log_likelihood;
        self.correct += other.correct;
        self.tokens += other.tokens;
        self.inside += other.inside;
    }
}

/// Gradients of the activations, made when first needed.
struct Flow<'a, M: Machine> {
    nodes: &'a [Node<M>],
    machine: &'a M,
    gradients: Vec<Option<M::Numbers>>,
}

impl<M: Machine> Flow<'_, M> {
    fn take(&mut self, variable: Variable) -> Option<M::Numbers> {
        self.gradients[variable.0].take()
    }

    /// Runs `add` on the gradient of a variable, saying whether to overwrite or to add.
    fn with(&mut self, variable: Variable, add: impl FnOnce(&mut M::Numbers, Accumulate)) {
        let length = M::length(&self.nodes[variable.0].value);
        match &mut self.gradients[variable.0] {
            Some(gradient) => add(gradient, Accumulate::Add),
            empty => {
                add(empty.insert(self.machine.take(length)), Accumulate::Overwrite);
            }
        }
    }

    /// Adds a whole gradient, keeping the buffer if it is the first.
    fn add(&mut self, variable: Variable, gradient: M::Numbers) {
        match &mut self.gradients[variable.0] {
            Some(sum) => {
                self.machine.add(sum, &gradient);
                self.machine.give(gradient);
            }
            empty => *empty = Some(gradient),
        }
    }
}

impl<R: Real> Tape<'_, Host<R>> {
    /// `-ln p(words)` of each sentence of a batch, without gradients: `offsets` are the rows at which the sentences begin, and
    /// how many rows there are, and `words [rows]` the right word of each row.
    pub fn sentence_losses(
        &self,
        model: &Model<Tracked>,
        states: Variable,
        words: &[u32],
        offsets: &[usize],
    ) -> Vec<f64> {
        let hidden = self.value(states);
        let projection = self.projection(model);
        let loss = |rows: &[usize]| {
            let (first, end) = (rows[0], rows[1]);
            let words = &words[first..end];
            let targets = LossTargets { words, smoothing: 0.0, teacher: None };
            let hidden = &hidden[first * projection.width..end * projection.width];
            let sums = self.machine().cross_entropy_of(hidden, &targets, &projection);
            sums.negative_log_likelihood
        };
        offsets.windows(2).map(loss).collect()
    }
}

impl<'a, M: Machine> Tape<'a, M> {
    /// The output projection of a model on this tape, such as a teacher's for [`Targets`] of a student's.
    pub fn projection(&self, model: &Model<Tracked>) -> Projection<M::Parameter<'a>> {
        let layer = model.weights.embeddings.output_layer();
        Projection {
            table: self.weights[layer.table.index],
            bias: layer.bias.map(|bias| self.weights[bias.index]),
            width: layer.table.columns,
            precision: self.precision,
        }
    }

    /// The loss of a batch without gradients. `states` is the decoder's output.
    ///
    /// # Errors
    /// If the machine fails, or failed before.
    pub fn loss(
        &self,
        model: &Model<Tracked>,
        states: Variable,
        targets: &Targets<'_, &M::Numbers, M::Parameter<'_>>,
    ) -> Result<LossSums, M::Error> {
        let (machine, projection) = (self.machine(), self.projection(model));
        let losses = machine.cross_entropy(None, &self.value(states), &targets.loss, &projection);
        Ok(loss_sums(machine.losses(losses)?, targets))
    }

    /// The loss of a batch; its gradient with respect to every weight, times
    /// `targets.gradient_scale`, is added to `gradients`. What else is lost at activations inside the model comes as its
    /// slopes there, `inside`, which are carried back together with the others.
    ///
    /// # Errors
    /// If the machine fails, or failed before.
    pub fn backward(
        &self,
        model: &Model<Tracked>,
        states: Variable,
        targets: &Targets<'_, &M::Numbers, M::Parameter<'_>>,
        mut inside: Vec<(Variable, M::Numbers)>,
        gradients: &mut Gradients<M>,
    ) -> Result<LossSums, M::Error> {
        let hidden = self.value(states);
        let layer = model.weights.embeddings.output_layer();
        let mut seed = self.workspace.take(M::length(&hidden));
        let bias = layer.bias.map(|bias| bias.index);
        let (table, bias) = with_bias(gradients, layer.table.index, bias);
        let factor = targets.gradient_scale;
        let losses = self.machine().cross_entropy(
            Some(CrossEntropyGradients { input: &mut seed, table, bias, factor }),
            &hidden,
            &targets.loss,
            &self.projection(model),
        );
        inside.push((states, seed));
        self.backward_from(inside, gradients);
        Ok(loss_sums(self.machine().losses(losses)?, targets))
    }

    /// Carries slopes at activations back to every weight.
    fn backward_from(&self, slopes: Vec<(Variable, M::Numbers)>, gradients: &mut Gradients<M>) {
        let nodes = self.nodes.borrow();
        let mut flow = Flow {
            nodes: &nodes,
            machine: self.machine(),
            gradients: nodes.iter().map(|_| None).collect(),
        };
        slopes.into_iter().for_each(|(variable, slope)| flow.add(variable, slope));
        for index in (0..nodes.len()).rev() {
            if let Some(gradient) = flow.take(Variable(index)) {
                self.step_back(&nodes[index], gradient, &mut flow, gradients);
            }
        }
    }

    fn step_back(
        &self,
        node: &Node<M>,
        mut dy: M::Numbers,
        flow: &mut Flow<'_, M>,
        gradients: &mut Gradients<M>,
    ) {
        let nodes = flow.nodes;
        match &node.operation {
            Operation::Embed { table, tokens, positions, scale, dropout } => {
                let layer = Embedding {
                    table: self.weights[table.index],
                    positions: &**positions,
                    width: node.width,
                    scale: *scale,
                    dropout: *dropout,
                };
                let [table] = gradients.of([table.index]);
                self.machine().embed_backward(table, &dy, tokens, &layer);
            }
            Operation::Linear(linear) => self.linear_back(node, linear, &mut dy, flow, gradients),
            Operation::Residual { x, branch, dropout } => {
                let mut branch_gradient = self.workspace.copy_of(&dy);
                self.machine().apply_dropout(&mut branch_gradient, node.width, *dropout);
                flow.add(*branch, branch_gradient);
                flow.add(*x, dy);
                return;
            }
            Operation::Norm { x, norm, statistics } => {
                let parameters = self.norm_parameters(norm);
                let [gain, bias] = gradients.of([norm.gain.index, norm.shift.index]);
                let value = &nodes[x.0].value;
                flow.with(*x, |input, accumulate| {
                    let target = NormGradients { input, accumulate, branch: None, gain, bias };
                    let machine = self.machine();
                    machine.norm_backward(
                        target,
                        &dy,
                        value,
                        statistics,
                        Dropout::NONE,
                        &parameters,
                    );
                });
            }
            Operation::ResidualNorm(norm) => self.residual_norm_back(norm, &dy, flow, gradients),
            Operation::Attend(attend) => self.attend_back(node, attend, &dy, flow),
            Operation::Recur(recur) => self.recur_back(node, recur, &dy, flow),
        }
        self.workspace.give(dy);
    }

    fn linear_back(
        &self,
        node: &Node<M>,
        operation: &LinearOperation<M>,
        dy: &mut M::Numbers,
        flow: &mut Flow<'_, M>,
        gradients: &mut Gradients<M>,
    ) {
        let LinearOperation { x, weight, bias, activation, pre_activation, dropout } = operation;
        let nodes = flow.nodes;
        let layer = self.linear_parameters(*weight, *bias, *activation, *dropout);
        let saved = pre_activation.as_ref().unwrap_or(&node.value);
        let bias = bias.map(|bias| bias.index);
        let (weight, bias) = with_bias(gradients, weight.index, bias);
        flow.with(*x, |input, accumulate| {
            let target = LinearGradients { input, accumulate, weight, bias };
            self.machine().linear_backward(target, dy, saved, &nodes[x.0].value, &layer);
        });
    }

    fn residual_norm_back(
        &self,
        operation: &ResidualNormOperation<M>,
        dy: &M::Numbers,
        flow: &mut Flow<'_, M>,
        gradients: &mut Gradients<M>,
    ) {
        let norm = &operation.norm;
        let parameters = self.norm_parameters(norm);
        let [gain, bias] = gradients.of([norm.gain.index, norm.shift.index]);
        let mut branch_gradient = self.workspace.take(M::length(dy));
        flow.with(operation.x, |input, accumulate| {
            let branch = Some(&mut branch_gradient);
            let target = NormGradients { input, accumulate, branch, gain, bias };
            let ResidualNormOperation { sum, statistics, dropout, .. } = operation;
            self.machine().norm_backward(target, dy, sum, statistics, *dropout, &parameters);
        });
        flow.add(operation.branch, branch_gradient);
    }

    fn attend_back(
        &self,
        node: &Node<M>,
        operation: &AttendOperation<M>,
        dy: &M::Numbers,
        flow: &mut Flow<'_, M>,
    ) {
        let AttendOperation { inputs, spans, attention, saved } = operation;
        let values = inputs.map(|variable| &*flow.nodes[variable.0].value);
        let mut parts = values.map(|value| self.workspace.take(M::length(value)));
        let output = (&*node.value, saved);
        let machine = self.machine();
        machine.attention_backward(parts.each_mut(), dy, output, values, spans, attention);
        inputs.iter().zip(parts).for_each(|(input, part)| flow.add(*input, part));
    }

    fn recur_back(
        &self,
        node: &Node<M>,
        operation: &RecurOperation<M>,
        dy: &M::Numbers,
        flow: &mut Flow<'_, M>,
    ) {
        let RecurOperation { inputs, spans, cells } = operation;
        let values = inputs.map(|variable| &*flow.nodes[variable.0].value);
        let mut parts = values.map(|value| self.workspace.take(M::length(value)));
        self.machine().recur_backward(parts.each_mut(), dy, cells, values, spans, node.width);
        inputs.iter().zip(parts).for_each(|(input, part)| flow.add(*input, part));
    }
}

/// Gradients of a matrix and of a bias that may be there, by their numbers.
fn with_bias<M: Machine>(
    gradients: &mut Gradients<M>,
    matrix: usize,
    bias: Option<usize>,
) -> (M::Gradient<'_>, Option<M::Gradient<'_>>) {
    match bias {
        Some(bias) => {
            let [matrix, bias] = gradients.of([matrix, bias]);
            (matrix, Some(bias))
        }
        None => {
            let [matrix] = gradients.of([matrix]);
            (matrix, None)
        }
    }
}

fn loss_sums<S, P>(sums: CrossEntropySums, targets: &Targets<'_, S, P>) -> LossSums {
    LossSums {
        smoothed: sums.loss,
        negative_log_likelihood: sums.negative_log_likelihood,
        correct: sums.correct as u64,
        tokens: targets.loss.words.len() as u64,
        inside: 0.0,
    }
}
