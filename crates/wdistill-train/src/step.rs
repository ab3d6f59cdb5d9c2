//! One optimiser step.

use wdistill_autograd::{
    DropoutSource, Gradients, LossSums, Tape, Targets, Tracked, Variable, Workspace,
};
use wdistill_kernels::{
    AdamSettings, LossTargets, Projection, TeacherDistribution, Workers, adam_step, deal, in_order,
};
use wdistill_model::{DecoderState, Dense, Model, Tokens, Vocabularies};
use wdistill_text::EncodedCorpus;

use crate::error::TrainError;
use crate::settings::TrainingSettings;
use crate::trainable::Trainable;

/// Shares that every batch is divided into, whatever the number of threads, so that this does not change
/// the bits of a result.
pub const SHARES: usize = 2;

/// Threads that each run a share of a batch from its start to its end, and the memory that they keep from
/// step to step.
pub struct Team {
    workers: Workers,
    workspaces: Vec<Workspace<f32>>,
}

impl Team {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`TrainError::Threads`] if the system gives no more of them.
    pub fn start(threads: usize) -> Result<Team, TrainError> {
        let workers = Workers::start(SHARES, threads)
            .map_err(|error| TrainError::Threads { threads, reason: error.to_string() })?;
        Ok(Team { workers, workspaces: (0..SHARES).map(|_| Workspace::new()).collect() })
    }

    /// Runs every job with a workspace, some of them at once; results in the order of the jobs.
    pub fn run<J: Send, T: Send>(
        &mut self,
        jobs: Vec<J>,
        work: impl Fn(&Workspace<f32>, J) -> T + Sync,
    ) -> Vec<T> {
        let shares = deal(jobs, SHARES);
        let shares = self.workspaces.iter_mut().zip(shares).collect();
        let done = self.workers.each(shares, |(workspace, jobs): (&mut Workspace<f32>, Vec<_>)| {
            let run = |(index, job)| (index, work(workspace, job));
            jobs.into_iter().map(run).collect::<Vec<_>>()
        });
        in_order(done)
    }
}

/// Divides a batch into [`SHARES`] of nearly equal numbers of tokens, or as many as it has pairs.
pub fn shares(corpus: &EncodedCorpus, pairs: &[usize]) -> Vec<Vec<usize>> {
    let tokens = |pair: &usize| {
        let (source, target) = corpus.pair(*pair);
        source.len() + target.len()
    };
    let mut pairs = pairs.to_vec();
    // The longest first, each to the share that has least; equal ones as they come.
    pairs.sort_by_key(|pair| std::cmp::Reverse(tokens(pair)));
    let mut shares = vec![(0, Vec::new()); SHARES];
    for pair in pairs {
        let (sum, share) = shares.iter_mut().min_by_key(|(sum, _)| *sum).expect("there are shares");
        *sum += tokens(&pair);
        share.push(pair);
    }
    shares.into_iter().map(|(_, share)| share).filter(|share| !share.is_empty()).collect()
}

/// Sentence pairs, packed; the decoder reads its start and the target without its end.
pub struct Batch {
    source: Tokens,
    target: Tokens,
    /// The right word after each target token.
    words: Vec<u32>,
}

impl Batch {
    /// Packs pairs of a corpus whose sentences all end in their end token.
    pub fn new(corpus: &EncodedCorpus, pairs: &[usize], vocabularies: &Vocabularies) -> Batch {
        let sources = pairs.iter().map(|pair| vocabularies.encoder_input(corpus.pair(*pair).0));
        let targets = pairs.iter().map(|pair| corpus.pair(*pair).1);
        let start = vocabularies.decoder_start.token();
        let inputs: Vec<Vec<u32>> = targets
            .clone()
            .map(|target| [&[start], &target[..target.len() - 1]].concat())
            .collect();
        Batch {
            source: Tokens::from_sentences(sources),
            target: Tokens::from_sentences(inputs.iter().map(Vec::as_slice)),
            words: targets.flatten().copied().collect(),
        }
    }

    /// Number of target tokens.
    pub fn tokens(&self) -> usize {
        self.words.len()
    }
}

/// A model whose distribution over words is learned (word-level knowledge distillation).
#[derive(Clone, Copy)]
pub struct WordTeacher<'a> {
    /// It reads the same vocabularies; it never drops and is not trained.
    pub model: &'a Model<Dense<f32>>,
    /// Weight of its cross-entropy, from 0 to 1; the right words have the rest.
    pub weight: f64,
}

impl WordTeacher<'_> {
    /// Its hidden states for a batch, `[target tokens, width]`, in a buffer of the workspace.
    fn states(&self, workspace: &Workspace<f32>, batch: &Batch) -> Vec<f32> {
        let (tape, tracked) = Tape::record(self.model, workspace, DropoutSource::NONE);
        let states = decode(&tape, &tracked, batch);
        workspace.copy_of(&tape.value(states))
    }

    /// Its output projection, and so its distribution.
    fn distribution<'s>(&'s self, states: &'s [f32]) -> TeacherDistribution<'s, f32> {
        let embeddings = &self.model.weights.embeddings;
        let table = embeddings.output_table();
        let bias = embeddings.output_bias.as_deref();
        let projection = Projection { table: table.data(), bias, width: table.columns() };
        TeacherDistribution { states, projection, weight: self.weight }
    }
}

/// What to do with the loss.
pub enum Pass<'a> {
    /// Training: dropout, and gradients times a factor added to a place.
    Train {
        /// Whose distribution is learned besides the right words.
        teacher: Option<WordTeacher<'a>>,
        /// Dropout of this batch.
        dropout: DropoutSource,
        /// Factor on the gradients.
        gradient_scale: f64,
        /// Where they are added.
        gradients: &'a mut Gradients<f32>,
    },
    /// Validation: neither.
    Validate,
}

/// Runs a model over a batch.
pub fn run_batch(
    model: &Model<Dense<f32>>,
    workspace: &Workspace<f32>,
    batch: &Batch,
    smoothing: f64,
    pass: Pass<'_>,
) -> LossSums {
    let dropout = match &pass {
        Pass::Train { dropout, .. } => *dropout,
        Pass::Validate => DropoutSource::NONE,
    };
    // Before the student's pass, so that its tape can use the same memory.
    let teacher = match &pass {
        Pass::Train { teacher: Some(teacher), .. } => {
            Some((*teacher, teacher.states(workspace, batch)))
        }
        _ => None,
    };
    let (tape, tracked) = Tape::record(model, workspace, dropout);
    let states = decode(&tape, &tracked, batch);
    let loss = LossTargets {
        words: &batch.words,
        smoothing,
        teacher: teacher.as_ref().map(|(teacher, states)| teacher.distribution(states)),
    };
    let sums = match pass {
        Pass::Train { gradient_scale, gradients, .. } => {
            tape.backward(&tracked, states, &Targets { loss, gradient_scale }, gradients)
        }
        Pass::Validate => tape.loss(&tracked, states, &Targets { loss, gradient_scale: 1.0 }),
    };
    if let Some((_, states)) = teacher {
        workspace.give(states);
    }
    sums
}

/// The decoder's output for a batch.
fn decode(tape: &Tape<'_, f32>, model: &Model<Tracked>, batch: &Batch) -> Variable {
    let encoded = model.encode(tape, &batch.source);
    let mut state = DecoderState::new(&model.config);
    model.decode(tape, &batch.target, batch.target.spans(), &encoded, &mut state)
}

/// Adam's moments, in the order of the parameters.
pub struct Moments {
    /// Means of gradients.
    pub first: Vec<Vec<f32>>,
    /// Means of squared gradients.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// All zero.
    pub fn zeros(trainable: &mut dyn Trainable) -> Moments {
        let zeros = |parameters: Vec<(String, &mut [f32])>| -> Vec<Vec<f32>> {
            parameters.iter().map(|(_, slice)| vec![0.0; slice.len()]).collect()
        };
        Moments {
            first: zeros(trainable.parameters_mut()),
            second: zeros(trainable.parameters_mut()),
        }
    }
}

/// What an update did besides changing the parameters.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Sums over the update's tokens.
    pub loss: LossSums,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Whether it was clipped.
    pub clipping: Clipping,
}

/// Whether a gradient was shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipping {
    /// It was short enough, or there is no limit.
    Unchanged,
    /// It was scaled to the limit.
    Clipped,
}

/// What one update learns from.
pub struct Update<'a> {
    /// Batches, each in shares.
    pub batches: &'a [Vec<Batch>],
    /// Whose distribution is learned besides the right words.
    pub teacher: Option<WordTeacher<'a>>,
    /// Decides the dropout, together with the number.
    pub seed: u64,
    /// Counted from 1.
    pub number: u64,
}

/// One update from some batches: gradients of the mean loss a token, clipped, then Adam.
///
/// `g = (1 / tokens) * sum over batches and shares of d loss / d weights`, times
/// `min(1, clip_norm / |g|)`. Each share runs forward and backward on its own; their gradients are added
/// in the order of the shares.
pub fn optimiser_step(
    trainable: &mut dyn Trainable,
    moments: &mut Moments,
    update: &Update<'_>,
    team: &mut Team,
    settings: &TrainingSettings,
) -> StepReport {
    let (sum, loss) = gradients(trainable.model(), update, team, settings.label_smoothing);
    let gradients = trainable.parameter_gradients(sum, &team.workspaces[0]);
    let gradient_norm = gradients.norm();
    let clipping = match settings.clip_norm > 0.0 && gradient_norm > settings.clip_norm {
        true => Clipping::Clipped,
        false => Clipping::Unchanged,
    };
    let factor = match clipping {
        Clipping::Clipped => settings.clip_norm / gradient_norm,
        Clipping::Unchanged => 1.0,
    };
    if gradient_norm.is_finite() {
        let [beta1, beta2] = settings.adam_betas;
        let adam = AdamSettings { beta1, beta2, epsilon: settings.adam_epsilon };
        let rate = settings.learning_rate_at(update.number);
        let moments = moments.first.iter_mut().zip(&mut moments.second).zip(&gradients.buffers);
        for ((_, slice), ((first, second), gradient)) in
            trainable.parameters_mut().into_iter().zip(moments)
        {
            adam_step(slice, first, second, gradient, &adam, rate, update.number, factor);
        }
        trainable.refresh();
    }
    team.workspaces[0].give_back(gradients);
    StepReport { loss, gradient_norm, clipping }
}

/// Gradients of the mean loss a token with respect to the weights, and the loss.
fn gradients(
    model: &Model<Dense<f32>>,
    update: &Update<'_>,
    team: &mut Team,
    smoothing: f64,
) -> (Gradients<f32>, LossSums) {
    let &Update { batches, teacher, seed, number } = update;
    let tokens: usize = batches.iter().flatten().map(Batch::tokens).sum();
    let gradient_scale = 1.0 / tokens as f64;
    let rates = model.config.architecture.dropout;
    let mut done = team.run((0..SHARES).collect(), |workspace, share: usize| {
        let mut gradients = workspace.gradients(&model.weights);
        let mut loss = LossSums::default();
        for (index, batch) in batches.iter().enumerate() {
            let Some(batch) = batch.get(share) else { continue };
            let place = (number * batches.len() as u64 + index as u64) * SHARES as u64;
            let dropout = DropoutSource { rates, seed, step: place + share as u64 };
            let gradients = &mut gradients;
            let pass = Pass::Train { teacher, dropout, gradient_scale, gradients };
            loss += run_batch(model, workspace, batch, smoothing, pass);
        }
        (gradients, loss)
    });
    let (mut sum, mut loss) = done.remove(0);
    for ((gradients, sums), workspace) in done.into_iter().zip(&team.workspaces[1..]) {
        sum.add(&gradients);
        loss += sums;
        workspace.give_back(gradients);
    }
    (sum, loss)
}
