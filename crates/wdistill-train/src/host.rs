//! The learner of this machine's processor: a batch is divided into shares, each runs forward and backward on threads of
//! its own, and their gradients are summed.

use std::borrow::Cow;
use std::sync::Arc;

use wdistill_autograd::{DropoutSource, Gradients, LossSums, Workspace};
use wdistill_kernels::{Workers, deal, in_order};
use wdistill_model::{Dense, Layout, Model};
use wdistill_text::{EncodedCorpus, sorted_batches};

use crate::batch::Batch;
use crate::error::TrainError;
use crate::learner::{Clipping, Learner, Parameters, StepReport, Weights};
use crate::optimiser::{self, Step};
use crate::pass::{Pass, run_batch};
use crate::settings::TrainingSettings;
use crate::teacher::Teacher;
use crate::trainable::{Trainable, Trainee};

/// Threads that each run a share of a batch from its start to its end, and the memory that they keep from
/// step to step.
pub struct Team {
    workers: Workers,
    /// One for each share.
    workspaces: Vec<Workspace<f32>>,
}

impl Team {
    /// Starts the threads, for batches of so many shares.
    ///
    /// # Errors
    /// [`TrainError::Threads`] if the system gives no more of them.
    pub fn start(shares: usize, threads: usize) -> Result<Team, TrainError> {
        let workers = Workers::start(shares, threads)
            .map_err(|error| TrainError::Threads { threads, reason: error.to_string() })?;
        Ok(Team { workers, workspaces: (0..shares).map(|_| Workspace::new()).collect() })
    }

    /// Shares that a batch is divided into.
    pub fn shares(&self) -> usize {
        self.workspaces.len()
    }

    /// Runs every job with a workspace, some of them at once; results in the order of the jobs.
    pub fn run<J: Send, T: Send>(
        &mut self,
        jobs: Vec<J>,
        work: impl Fn(&Workspace<f32>, J) -> T + Sync,
    ) -> Vec<T> {
        let shares = deal(jobs, self.shares());
        let shares = self.workspaces.iter_mut().zip(shares).collect();
        let done = self.workers.each(shares, |(workspace, jobs): (&mut Workspace<f32>, Vec<_>)| {
            let run = |(index, job)| (index, work(workspace, job));
            jobs.into_iter().map(run).collect::<Vec<_>>()
        });
        in_order(done)
    }
}

/// Divides a batch into `count` shares of nearly equal numbers of tokens, or as many as it has pairs.
pub fn shares(batch: &EncodedCorpus, count: usize) -> Vec<Vec<usize>> {
    let tokens = |pair: &usize| {
        let (source, target) = batch.pair(*pair);
        source.len() + target.len()
    };
    let mut pairs: Vec<usize> = (0..batch.len()).collect();
    // The longest first, each to the share that has least; equal ones as they come.
    pairs.sort_by_key(|pair| std::cmp::Reverse(tokens(pair)));
    let mut shares = vec![(0, Vec::new()); count];
    for pair in pairs {
        let (sum, share) = shares.iter_mut().min_by_key(|(sum, _)| *sum).expect("there are shares");
        *sum += tokens(&pair);
        share.push(pair);
    }
    shares.into_iter().map(|(_, share)| share).filter(|share| !share.is_empty()).collect()
}

/// Loss of a model in a text, of which nothing is learned.
pub fn loss_in_text(
    corpus: &EncodedCorpus,
    model: &Model<Dense<f32>>,
    team: &mut Team,
    settings: &TrainingSettings,
) -> LossSums {
    let batches = sorted_batches(&corpus.lengths(), settings.max_tokens);
    let losses = team.run(batches, |workspace, pairs| {
        let batch = Batch::new(corpus, &pairs, &model.config.vocabularies);
        run_batch(model, workspace, &batch, settings.label_smoothing, Pass::Validate)
    });
    let mut loss = LossSums::default();
    losses.into_iter().for_each(|sums| loss += sums);
    loss
}

/// What a learner learns from, and how.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    /// Of whom the student learns besides the right words, if the settings give anything of it a weight.
    pub teacher: Option<&'a Model<Dense<f32>>>,
    /// Settings.
    pub settings: &'a TrainingSettings,
    /// Decides the dropout, together with the number of the update.
    pub seed: u64,
}

/// Trains on this machine's processor, over a tape.
pub struct HostLearner<'a> {
    trainable: Box<dyn Trainable>,
    lesson: Lesson<'a>,
    teacher: Option<Teacher<'a>>,
    team: Team,
    parameters: Parameters,
    /// Of the model's weights, which are the parameters or are made of them.
    weights: Arc<Layout>,
}

impl<'a> HostLearner<'a> {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`TrainError::Settings`] if there is a teacher of whom nothing is learned, or none where something is, or one that
    /// the student cannot be compared with; [`TrainError::Threads`].
    pub fn start(
        trainee: Trainee,
        lesson: Lesson<'a>,
        threads: usize,
    ) -> Result<HostLearner<'a>, TrainError> {
        if lesson.settings.learns_of_teacher() != lesson.teacher.is_some() {
            let problem = "word_, state_ or relation_distillation needs a teacher, and a teacher needs one of them";
            return Err(TrainError::Settings {
                place: "training settings".to_string(),
                problems: vec![problem.to_string()],
            });
        }
        let team = Team::start(lesson.settings.shares, threads)?;
        let mut trainable = trainee.on_host();
        let student = &trainable.model().config;
        let teacher = lesson.teacher.map(|model| Teacher::new(model, student, lesson.settings));
        let teacher = teacher.transpose()?;
        let mut parameters = Parameters::zeros(Arc::new(trainable.layout()), lesson.settings);
        let places = parameters.layout.slices_mut(&mut parameters.values);
        for (place, values) in places.into_iter().zip(trainable.parameters_mut()) {
            place.copy_from_slice(values);
        }
        let Parameters { values, averages, .. } = &mut parameters;
        if let Some(averages) = averages {
            averages.copy_from_slice(values);
        }
        let weights = Arc::new(Layout::of(&trainable.model().weights));
        Ok(HostLearner { trainable, lesson, teacher, team, parameters, weights })
    }

    /// Gradients of the mean loss a token with respect to the model's weights, and the loss:
    ///
    /// `g = (1 / tokens) * sum over batches and shares of d loss / d weights`
    fn gradients(&mut self, batches: &[Vec<Batch>], number: u64) -> (Gradients<f32>, LossSums) {
        let Lesson { settings, seed, .. } = self.lesson;
        let teacher = self.teacher.as_ref();
        let model = self.trainable.model();
        let tokens: usize = batches.iter().flatten().map(Batch::tokens).sum();
        let gradient_scale = 1.0 / tokens as f64;
        let rates = model.config.architecture.dropout;
        let shares = self.team.shares();
        let layout = &self.weights;
        let done = self.team.run((0..shares).collect(), |workspace, share: usize| {
            let mut gradients = workspace.gradients(layout);
            let mut loss = LossSums::default();
            for (index, batch) in batches.iter().enumerate() {
                let Some(batch) = batch.get(share) else { continue };
                let place = (number * batches.len() as u64 + index as u64) * shares as u64;
                let dropout = DropoutSource { rates, seed, step: place + share as u64 };
                let gradients = &mut gradients;
                let pass = Pass::Train { teacher, dropout, gradient_scale, gradients };
                loss += run_batch(model, workspace, batch, settings.label_smoothing, pass);
            }
            (gradients, loss)
        });
        let mut free = self.team.workspaces[1..].iter();
        tree_sum(done, |(sum, loss), (gradients, sums)| {
            sum.add(&gradients);
            *loss += sums;
            free.next().expect("a workspace for each share but the first").give_back(gradients);
        })
    }

    /// Gives the trainable its parameters as they are now.
    fn refresh(&mut self) {
        give(&mut *self.trainable, &self.parameters.layout, &self.parameters.values);
    }

    /// The moving average after an update, with decay `d`: `a = a + (1 - d) (p - a)`.
    fn average(&mut self, number: u64) {
        let Parameters { values, averages, .. } = &mut self.parameters;
        let Some(averages) = averages else { return };
        let rate = (1.0 - self.lesson.settings.moving_average_decay_at(number)) as f32;
        let pairs = averages.iter_mut().zip(values);
        pairs.for_each(|(average, value)| *average += rate * (*value - *average));
    }
}

/// Gives a trainable these parameters.
fn give(trainable: &mut (impl Trainable + ?Sized), layout: &Layout, values: &[f32]) {
    let places = trainable.parameters_mut().into_iter();
    places.zip(layout.slices(values)).for_each(|(place, values)| place.copy_from_slice(values));
    trainable.refresh();
}

/// Sums shares as a balanced binary tree: neighbours first, then neighbours of the sums. Whoever holds a part of the shares
/// can sum that part, and the bits are the same.
fn tree_sum<T>(mut parts: Vec<T>, mut add: impl FnMut(&mut T, T)) -> T {
    while parts.len() > 1 {
        let mut sums = Vec::with_capacity(parts.len().div_ceil(2));
        let mut next = parts.into_iter();
        while let Some(mut sum) = next.next() {
            if let Some(other) = next.next() {
                add(&mut sum, other);
            }
            sums.push(sum);
        }
        parts = sums;
    }
    parts.pop().expect("a batch has a share")
}

impl Learner for HostLearner<'_> {
    /// The gradient of the mean loss a token, times `min(1, clip_norm / |g|)`, then the optimiser.
    fn update(&mut self, batches: &[EncodedCorpus], number: u64) -> Result<StepReport, TrainError> {
        let settings = self.lesson.settings;
        let vocabularies = self.trainable.model().config.vocabularies;
        let divide = |batch: &EncodedCorpus| {
            let shares = shares(batch, settings.shares).into_iter();
            shares.map(|pairs| Batch::new(batch, &pairs, &vocabularies)).collect()
        };
        let divided: Vec<Vec<Batch>> = batches.iter().map(divide).collect();
        let (sum, loss) = self.gradients(&divided, number);
        let workspace = &self.team.workspaces[0];
        let gradients = self.trainable.parameter_gradients(sum, &self.parameters.layout, workspace);
        let gradient_norm = gradients.norm();
        let (clipping, factor) = match settings.clip_norm {
            limit if limit > 0.0 && gradient_norm > limit => {
                (Clipping::Clipped, limit / gradient_norm)
            }
            _ => (Clipping::Unchanged, 1.0),
        };
        if gradient_norm.is_finite() {
            let step = Step { settings, number, gradient_factor: factor };
            let copies = self.trainable.parameters_mut();
            optimiser::step(&mut self.parameters, &gradients, copies, step);
            self.trainable.refresh();
            self.average(number);
        }
        self.team.workspaces[0].give_back(gradients);
        Ok(StepReport { loss, gradient_norm, clipping })
    }

    fn loss(&mut self, weights: Weights<'_>, text: &EncodedCorpus) -> Result<LossSums, TrainError> {
        let model = match weights {
            Weights::Current => self.trainable.model(),
            Weights::Of(model) => model,
        };
        Ok(loss_in_text(text, model, &mut self.team, self.lesson.settings))
    }

    fn model(&mut self) -> Result<&Model<Dense<f32>>, TrainError> {
        Ok(self.trainable.model())
    }

    fn averaged_model(&mut self) -> Result<Option<Model<Dense<f32>>>, TrainError> {
        let Parameters { layout, averages, .. } = &self.parameters;
        let Some(averages) = averages else { return Ok(None) };
        give(&mut *self.trainable, layout, averages);
        let model = self.trainable.model().clone();
        self.refresh();
        Ok(Some(model))
    }

    fn state(&mut self) -> Result<Cow<'_, Parameters>, TrainError> {
        Ok(Cow::Borrowed(&self.parameters))
    }

    fn restore(&mut self, state: Parameters) -> Result<(), TrainError> {
        self.parameters = state;
        self.refresh();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::tree_sum;

    #[test]
    fn sums_are_those_of_a_balanced_tree() {
        let sum = |parts: &[&str]| {
            let parts = parts.iter().map(|part| part.to_string()).collect();
            tree_sum(parts, |sum: &mut String, other| *sum = format!("({sum}{other})"))
        };
        assert_eq!(sum(&["a"]), "a");
        assert_eq!(sum(&["a", "b"]), "(ab)");
        assert_eq!(sum(&["a", "b", "c", "d"]), "((ab)(cd))");
        // A share without a pair is missing at the end.
        assert_eq!(sum(&["a", "b", "c"]), "((ab)c)");
    }
}
