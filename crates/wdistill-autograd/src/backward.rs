//! The loss, and the way back.

use wdistill_base::Activation;
use wdistill_kernels as kernels;
use wdistill_kernels::{
    Accumulate, AttentionGradients, CrossEntropyGradients, EmbeddingGradients, LinearGradients,
    LossTargets, NormGradients, Projection, Real,
};
use wdistill_model::Model;

use crate::gradients::Gradients;
use crate::tape::{
    AttendOperation, KeyValues, LinearOperation, Node, Operation, RecurOperation,
    ResidualNormOperation, Tape, Tracked, Variable, attention_shape,
};
use crate::workspace::Workspace;

/// What the decoder should have said.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a, R> {
    /// What is right, and what a teacher says.
    pub loss: LossTargets<'a, R>,
    /// Factor on every gradient, such as one over the number of tokens.
    pub gradient_scale: f64,
}

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
struct Flow<'a, R: Real> {
    nodes: &'a [Node<R>],
    workspace: &'a Workspace<R>,
    gradients: Vec<Option<Vec<R>>>,
}

impl<R: Real> Flow<'_, R> {
    fn take(&mut self, variable: Variable) -> Option<Vec<R>> {
        self.gradients[variable.0].take()
    }

    /// Runs `add` on the gradient of a variable, saying whether to overwrite or to add.
    fn with(&mut self, variable: Variable, add: impl FnOnce(&mut [R], Accumulate)) {
        let length = self.nodes[variable.0].value.len();
        match &mut self.gradients[variable.0] {
            Some(gradient) => add(gradient, Accumulate::Add),
            empty => {
                add(empty.insert(self.workspace.take(length)), Accumulate::Overwrite);
            }
        }
    }

    /// Adds a whole gradient, keeping the buffer if it is the first.
    fn add(&mut self, variable: Variable, gradient: Vec<R>) {
        match &mut self.gradients[variable.0] {
            Some(sum) => {
                kernels::add_into(sum, &gradient);
                self.workspace.give(gradient);
            }
            empty => *empty = Some(gradient),
        }
    }
}

impl<R: Real> Tape<'_, R> {
    /// The output projection of a model on this tape.
    fn projection<'t>(&'t self, model: &Model<Tracked>) -> Projection<'t, R> {
        let layer = model.weights.embeddings.output_layer();
        Projection {
            table: self.weights[layer.table.index],
            bias: layer.bias.map(|bias| self.weights[bias.index]),
            width: layer.table.columns,
            precision: self.precision,
        }
    }

    /// The loss of a batch without gradients. `states` is the decoder's output.
    pub fn loss(
        &self,
        model: &Model<Tracked>,
        states: Variable,
        targets: &Targets<'_, R>,
    ) -> LossSums {
        let hidden = self.value(states);
        let projection = self.projection(model);
        let mut logits = self.workspace.logits();
        let sums =
            kernels::smoothed_cross_entropy(&mut logits, &hidden, &targets.loss, &projection);
        loss_sums(sums, targets)
    }

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
        let mut logits = self.workspace.logits();
        let loss = |rows: &[usize]| {
            let (first, end) = (rows[0], rows[1]);
            let words = &words[first..end];
            let targets = LossTargets { words, smoothing: 0.0, teacher: None };
            let hidden = &hidden[first * projection.width..end * projection.width];
            let sums = kernels::smoothed_cross_entropy(&mut logits, hidden, &targets, &projection);
            sums.negative_log_likelihood
        };
        offsets.windows(2).map(loss).collect()
    }

    /// The loss of a batch; its gradient with respect to every weight, times
    /// `targets.gradient_scale`, is added to `gradients`. What else is lost at activations inside the model comes as its
    /// slopes there, `inside`, which are carried back together with the others.
    pub fn backward(
        &self,
        model: &Model<Tracked>,
        states: Variable,
        targets: &Targets<'_, R>,
        mut inside: Vec<(Variable, Vec<R>)>,
        gradients: &mut Gradients<R>,
    ) -> LossSums {
        let hidden = self.value(states);
        let layer = model.weights.embeddings.output_layer();
        let mut seed = self.workspace.take(hidden.len());
        let bias = layer.bias.map(|bias| bias.index);
        let (table_gradient, bias_gradient) = with_bias(gradients, layer.table.index, bias);
        let sums = kernels::smoothed_cross_entropy_with_gradients(
            CrossEntropyGradients {
                input: &mut seed,
                table: Some(table_gradient),
                bias: bias_gradient,
            },
            &mut self.workspace.logits(),
            &hidden,
            &targets.loss,
            &self.projection(model),
            targets.gradient_scale,
        );
        inside.push((states, seed));
        self.backward_from(inside, gradients);
        loss_sums(sums, targets)
    }

    /// Carries slopes at activations back to every weight.
    fn backward_from(&self, slopes: Vec<(Variable, Vec<R>)>, gradients: &mut Gradients<R>) {
        let nodes = self.nodes.borrow();
        let mut flow = Flow {
            nodes: &nodes,
            workspace: self.workspace,
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
        node: &Node<R>,
        mut dy: Vec<R>,
        flow: &mut Flow<'_, R>,
        gradients: &mut Gradients<R>,
    ) {
        let nodes = flow.nodes;
        let value = |variable: Variable| nodes[variable.0].value.as_slice();
        match &node.operation {
            Operation::Embed { table, ids, position_ids, positions, scale, dropout } => {
                let layer = kernels::Embedding {
                    table: self.weights[table.index],
                    positions,
                    width: node.width,
                    scale: *scale,
                    dropout: *dropout,
                };
                let [table] = gradients.of([table.index]);
                let target = EmbeddingGradients { table: Some(table), positions: None };
                kernels::embed_backward(target, &dy, ids, position_ids, &layer);
            }
            Operation::Linear(linear) => self.linear_back(node, linear, &mut dy, flow, gradients),
            Operation::Residual { x, branch, dropout } => {
                let mut branch_gradient = self.workspace.take(dy.len());
                branch_gradient.copy_from_slice(&dy);
                kernels::apply_dropout(&mut branch_gradient, node.width, *dropout);
                flow.add(*branch, branch_gradient);
                flow.add(*x, dy);
                return;
            }
            Operation::Norm { x, norm, mean, reciprocal_deviation } => {
                let parameters = self.norm_parameters(norm);
                let [gain, bias] = gradients.of([norm.gain.index, norm.shift.index]);
                flow.with(*x, |dx, accumulate| {
                    kernels::layer_norm_backward(
                        dx,
                        accumulate,
                        NormGradients { gain, bias },
                        &dy,
                        value(*x),
                        (mean, reciprocal_deviation),
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
        node: &Node<R>,
        operation: &LinearOperation<R>,
        dy: &mut [R],
        flow: &mut Flow<'_, R>,
        gradients: &mut Gradients<R>,
    ) {
        let LinearOperation { x, weight, bias, activation, pre_activation, dropout } = operation;
        let nodes = flow.nodes;
        let layer = self.linear_parameters(*weight, *bias, *activation, *dropout);
        let saved = if activation.is_some_and(Activation::needs_pre_activation) {
            pre_activation.as_slice()
        } else {
            node.value.as_slice()
        };
        let bias = bias.map(|bias| bias.index);
        let (weight_gradient, bias_gradient) = with_bias(gradients, weight.index, bias);
        flow.with(*x, |dx, accumulate| {
            let target = LinearGradients {
                input: Some((dx, accumulate)),
                weight: Some(weight_gradient),
                bias: bias_gradient,
            };
            kernels::linear_backward(target, dy, saved, &nodes[x.0].value, &layer);
        });
    }

    fn residual_norm_back(
        &self,
        operation: &ResidualNormOperation<R>,
        dy: &[R],
        flow: &mut Flow<'_, R>,
        gradients: &mut Gradients<R>,
    ) {
        let norm = &operation.norm;
        let parameters = self.norm_parameters(norm);
        let [gain, bias] = gradients.of([norm.gain.index, norm.shift.index]);
        let mut branch_gradient = self.workspace.take(dy.len());
        flow.with(operation.x, |dx, accumulate| {
            kernels::residual_norm_backward(
                dx,
                accumulate,
                &mut branch_gradient,
                NormGradients { gain, bias },
                dy,
                &operation.sum,
                (&operation.mean, &operation.reciprocal_deviation),
                operation.dropout,
                &parameters,
            );
        });
        flow.add(operation.branch, branch_gradient);
    }

    fn attend_back(
        &self,
        node: &Node<R>,
        operation: &AttendOperation<R>,
        dy: &[R],
        flow: &mut Flow<'_, R>,
    ) {
        let AttendOperation { queries, memory, spans, heads, mask, probabilities, dropout } =
            operation;
        let KeyValues { keys, values, spans: key_spans } = memory;
        let nodes = flow.nodes;
        let value = |variable: &Variable| nodes[variable.0].value.as_slice();
        let shape = attention_shape(node.width, *heads, spans, key_spans, *mask, *dropout);
        let inputs = kernels::AttentionInputs {
            queries: value(queries),
            keys: value(keys),
            values: value(values),
        };
        let mut parts =
            [queries, keys, values].map(|variable| self.workspace.take(value(variable).len()));
        let [dq, dk, dv] = &mut parts;
        let target = AttentionGradients { queries: dq, keys: dk, values: dv };
        kernels::attention_backward(target, dy, probabilities, &inputs, &shape);
        let [dq, dk, dv] = parts;
        flow.add(*queries, dq);
        flow.add(*keys, dk);
        flow.add(*values, dv);
    }

    fn recur_back(
        &self,
        node: &Node<R>,
        operation: &RecurOperation<R>,
        dy: &[R],
        flow: &mut Flow<'_, R>,
    ) {
        let RecurOperation { candidates, forget, spans, cells } = operation;
        let inputs = kernels::RecurrenceInputs {
            candidates: &flow.nodes[candidates.0].value,
            forget: &flow.nodes[forget.0].value,
            offsets: spans.offsets(),
            width: node.width,
        };
        let mut parts = [dy.len(); 2].map(|length| self.workspace.take(length));
        let [candidate_gradient, forget_gradient] = &mut parts;
        let target = kernels::RecurrenceGradients {
            candidates: candidate_gradient,
            forget: forget_gradient,
        };
        kernels::recur_backward(target, dy, cells, &inputs);
        let [candidate_gradient, forget_gradient] = parts;
        flow.add(*candidates, candidate_gradient);
        flow.add(*forget, forget_gradient);
    }
}

/// Gradients of a matrix and of a bias that may be there, by their numbers.
fn with_bias<R: Real>(
    gradients: &mut Gradients<R>,
    matrix: usize,
    bias: Option<usize>,
) -> (&mut [R], Option<&mut [R]>) {
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

fn loss_sums<R>(sums: kernels::CrossEntropySums, targets: &Targets<'_, R>) -> LossSums {
    LossSums {
        smoothed: sums.loss,
        negative_log_likelihood: sums.negative_log_likelihood,
        correct: sums.correct as u64,
        tokens: targets.loss.words.len() as u64,
        inside: 0.0,
    }
}
