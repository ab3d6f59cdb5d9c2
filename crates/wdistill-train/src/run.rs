//! The training loop: one for teachers, generators and students.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wdistill_base::{FileError, Problem};
use wdistill_corpus::{Batches, Mixture, Modifications};
use wdistill_formats::{native, read_tensors, write_tensors};
use wdistill_model::{Dense, Model};
use wdistill_text::{BatchSettings, EncodedCorpus};

use crate::checkpoint::{self, State, Validated, Window};
use crate::divergence::{Watch, above_uniform, diverged};
use crate::error::TrainError;
use crate::interrupt::Interrupt;
use crate::learner::{Clipping, Learner, StepReport, Weights};
use crate::log::{Event, LINES_FILE, MetricsLog, OtherScores, TrainingEvent, ValidationEvent, now};
use crate::observer::{Happening, Observer};
use crate::schedule::{Plateau, Progress, Schedule};
use crate::selection::{Candidate, Selected};
use crate::settings::{Criterion, Selection, TrainingSettings};
use crate::validation::{Scores, Validator};

/// The best model so far, below the folder of a training.
pub const BEST_FOLDER: &str = "best";

const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

/// Whether a training in this folder would go on from a checkpoint.
pub fn has_checkpoint(folder: &Path) -> bool {
    folder.join(CHECKPOINT_FILE).exists()
}

/// The weights that are averaged in the end, below the folder of a training.
const SNAPSHOTS_FOLDER: &str = "snapshots";

/// What a training keeps for going on, and nobody needs when it is finished: below its folder.
pub const KEPT_WHILE_TRAINING: [&str; 3] = [BEST_FOLDER, CHECKPOINT_FILE, SNAPSHOTS_FOLDER];

/// Writes a model that can be used as it is, with its vocabularies, into a folder.
pub type SaveModel<'a> = dyn Fn(&Model<Dense<f32>>, &Path) -> Result<(), TrainError> + 'a;

/// A training run: what to learn from, how, and where to keep it.
pub struct Run<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// What to learn from.
    pub mixture: &'a Mixture,
    /// What judges it.
    pub validator: &'a Validator<'a>,
    /// What is told of it besides, at every validation.
    pub other_validators: &'a [Validator<'a>],
    /// Settings.
    pub settings: &'a TrainingSettings,
    /// Decides the order of batches and the dropout.
    pub seed: u64,
    /// A name for everything else that decides the result, such as hashes of data and of a start;
    /// a checkpoint with another name is refused.
    pub inputs: &'a str,
    /// Checkpoint, `metrics.jsonl`, snapshots and best model.
    pub folder: &'a Path,
    /// Is told how it goes.
    pub observer: &'a dyn Observer,
    /// May ask for the end.
    pub interrupt: &'a Interrupt,
    /// Writes models.
    pub save_model: &'a SaveModel<'a>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All updates are done.
    Finished,
    /// No validation was better for as long as the settings allow.
    OutOfPatience,
}

/// What a run leaves.
pub struct Outcome {
    /// The selected weights.
    pub model: Model<Dense<f32>>,
    /// Updates done.
    pub updates: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Why it ended.
    pub ended: Ended,
    /// Which weights these are, and how the others did.
    pub selected: Selected,
    /// Every line of the log.
    pub events: Vec<Event>,
    /// How many of the pairs had been changed, in each way.
    pub modified: Modifications,
}

/// A run under way.
struct Loop<'a> {
    run: &'a Run<'a>,
    state: State,
    order: Batches<'a>,
    log: MetricsLog,
    /// When the clock was last added to the state.
    since: Instant,
    /// When this process last wrote a checkpoint, or began.
    checkpointed: Instant,
}

impl Run<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn snapshot_path(&self, updates: u64) -> PathBuf {
        self.folder.join(format!("snapshots/{updates}.safetensors"))
    }

    /// Everything that decides the result, as one text.
    fn fingerprint(&self) -> String {
        let settings = self.settings.decisive();
        let settings = serde_json::to_string(&settings).expect("settings are plain data");
        format!("{} seed {} {settings}", self.inputs, self.seed)
    }

    /// Trains to the end, or goes on from the folder's checkpoint. The result is the same to the bit
    /// whether or not the run was interrupted.
    ///
    /// # Errors
    /// [`TrainError::Settings`], [`TrainError::Checkpoint`] if the folder holds another run,
    /// [`TrainError::Diverged`], [`TrainError::Interrupted`], or what reading and writing can bring.
    pub fn train(&self, learner: &mut dyn Learner) -> Result<Outcome, TrainError> {
        let problems = self.settings.problems();
        if !problems.is_empty() {
            let place = format!("training settings of {}", self.name);
            return Err(TrainError::Settings { place, problems });
        }
        let _willing = self.interrupt.willing();
        let mut under_way = Loop::start(self, learner)?;
        let ended = under_way.go(learner)?;
        self.observer.observe(Happening::Trained);
        let (model, selected) = under_way.select(learner)?;
        self.interrupt.check()?;
        self.observer.observe(Happening::Selected(&selected));
        let State { updates, seconds, events, modified, .. } = under_way.state;
        Ok(Outcome { model, updates, seconds, ended, selected, events, modified })
    }
}

impl<'a> Loop<'a> {
    fn start(run: &'a Run<'a>, learner: &mut dyn Learner) -> Result<Loop<'a>, TrainError> {
        let folder = run.path(SNAPSHOTS_FOLDER);
        std::fs::create_dir_all(&folder).map_err(FileError::when("create", &folder))?;
        let batches = BatchSettings { max_tokens: run.settings.max_tokens };
        let mut order = Batches::new(run.mixture, batches, run.seed)?;
        let checkpoint = run.path(CHECKPOINT_FILE);
        let state = if checkpoint.exists() {
            let fingerprint = run.fingerprint();
            let mut parameters = learner.state()?.into_owned();
            let state = checkpoint::load(&checkpoint, &fingerprint, &mut parameters)?;
            learner.restore(parameters)?;
            learner.scale_rate(state.plateau.factor())?;
            order.resume(state.position)?;
            order.resume_counts(state.modified.clone());
            state
        } else {
            State {
                fingerprint: run.fingerprint(),
                updates: 0,
                position: order.position(),
                modified: Modifications::new(),
                window: Window::default(),
                best: None,
                last: None,
                stale_validations: 0,
                plateau: Plateau::default(),
                snapshots: Vec::new(),
                watch: Watch::default(),
                seconds: 0.0,
                events: Vec::new(),
            }
        };
        let log = run.path(LINES_FILE);
        if state.updates > 0 {
            run.observer.observe(Happening::Resumed { updates: state.updates });
        } else if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            run.observer.observe(Happening::StartsAgain { checkpoint: &checkpoint });
        }
        let log = MetricsLog::open(run.folder, &state.events)?;
        let since = Instant::now();
        let checkpointed = since;
        Ok(Loop { run, state, order, log, since, checkpointed })
    }

    fn settings(&self) -> &'a TrainingSettings {
        self.run.settings
    }

    fn due(&self, every: u64) -> bool {
        self.state.updates.is_multiple_of(every) || self.state.updates == self.settings().updates
    }

    fn out_of_patience(&self) -> bool {
        let patience = self.settings().patience;
        patience > 0 && self.state.stale_validations >= patience
    }

    fn observe(&self, happening: Happening<'_>) {
        self.run.observer.observe(happening);
    }

    fn go(&mut self, learner: &mut dyn Learner) -> Result<Ended, TrainError> {
        while self.state.updates < self.settings().updates {
            if self.out_of_patience() {
                let (updates, settings) = (self.state.updates, self.settings());
                self.observe(Happening::OutOfPatience { updates, settings });
                return Ok(Ended::OutOfPatience);
            }
            self.update(learner)?;
            if self.due(self.settings().log_every) {
                self.log_window()?;
            }
            if self.due(self.settings().validate_every) {
                self.validate(learner)?;
            }
            if self.due(self.settings().snapshot_every) || self.out_of_patience() {
                self.snapshot(learner.model()?)?;
            }
            // Asked for once, so that what is said to be saved is what was saved.
            let signal = self.run.interrupt.signal();
            if self.is_checkpoint_due(signal) {
                self.save_checkpoint(learner)?;
            }
            if let Some(signal) = signal {
                self.observe(Happening::Saved { updates: self.state.updates });
                return Err(TrainError::Interrupted { signal });
            }
        }
        Ok(Ended::Finished)
    }

    fn is_checkpoint_due(&self, signal: Option<i32>) -> bool {
        self.due(self.settings().checkpoint_every)
            || self.out_of_patience()
            || is_time(self.settings().checkpoint_minutes, self.checkpointed.elapsed())
            || signal.is_some()
    }

    /// Adds the time since the last call to the run's, and returns it.
    fn tick(&mut self) -> f64 {
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.state.seconds += seconds;
        seconds
    }

    fn update(&mut self, learner: &mut dyn Learner) -> Result<(), TrainError> {
        let settings = self.settings();
        let update = self.state.updates + 1;
        let batches: Vec<EncodedCorpus> = (0..settings.accumulation)
            .map(|_| self.order.next_batch(update))
            .collect::<Result<_, _>>()?;
        let report = learner.update(&batches, update)?;
        let StepReport { loss, gradient_norm, clipping } = report;
        if !(loss.mean().is_finite() && gradient_norm.is_finite()) {
            let loss = loss.mean();
            let problem =
                format!("the loss is {loss} and the norm of its gradient {gradient_norm}");
            return Err(self.diverged(update, problem));
        }
        if let Some(problem) = self.state.watch.update(loss.mean(), settings.divergence) {
            return Err(self.diverged(update, problem));
        }
        self.state.window.seconds += self.tick();
        self.state.updates = update;
        self.state.position = self.order.position();
        self.state.modified.clone_from(self.order.modified());
        let window = &mut self.state.window;
        window.smoothed += loss.smoothed;
        window.inside += loss.inside;
        window.negative_log_likelihood += loss.negative_log_likelihood;
        window.tokens += loss.tokens;
        window.gradient_norms += gradient_norm;
        window.updates += 1;
        window.clipped += u64::from(clipping == Clipping::Clipped);
        let window = self.state.window.updates;
        self.observe(Happening::Updated { event: &self.training_event(), window });
        Ok(())
    }

    fn training_event(&self) -> TrainingEvent {
        let window = &self.state.window;
        let tokens = window.tokens as f64;
        TrainingEvent {
            updates: self.state.updates,
            loss: window.smoothed / tokens,
            inside: window.inside / tokens,
            perplexity: (window.negative_log_likelihood / tokens).exp(),
            learning_rate: self.state.plateau.factor()
                * self.settings().learning_rate_at(self.state.updates),
            gradient_norm: window.gradient_norms / window.updates as f64,
            clipped_updates: window.clipped,
            tokens: window.tokens,
            tokens_per_second: tokens / window.seconds,
            seconds: self.state.seconds,
            time: String::new(),
        }
    }

    fn log_window(&mut self) -> Result<(), TrainError> {
        let (event, window) = (self.training_event(), self.state.window.updates);
        let event = TrainingEvent { time: now(), ..event };
        self.observe(Happening::Logged { event: &event, window });
        self.state.window = Window::default();
        self.note(Event::Training(event))
    }

    /// Writes a line of the log, and remembers it.
    fn note(&mut self, event: Event) -> Result<(), TrainError> {
        self.log.write(&event)?;
        self.state.events.push(event);
        Ok(())
    }

    fn validate(&mut self, learner: &mut dyn Learner) -> Result<(), TrainError> {
        let scores = self.scores(learner, Weights::Current)?;
        let others = self.other_scores(learner)?;
        let model = learner.model()?;
        let judgement = scores.judgement(self.settings().criterion);
        let updates = self.state.updates;
        let words = model.config.vocabularies.target;
        let problem =
            diverged(judgement.loss, self.lowest_loss(), words, self.settings().divergence)
                .filter(|_| updates > self.settings().warm_up);
        let validated = Some(Validated { updates, judgement });
        // What has come apart is never the best, even if it is the first.
        let best = problem.is_none()
            && self.state.best.is_none_or(|best| judgement.is_better_than(&best.judgement));
        self.state.last = validated;
        if best {
            self.state.best = validated;
            self.state.stale_validations = 0;
            (self.run.save_model)(model, &self.run.path(BEST_FOLDER))?;
        } else {
            self.state.stale_validations += 1;
        }
        let event = ValidationEvent {
            updates: self.state.updates,
            loss: scores.loss.mean(),
            perplexity: scores.loss.perplexity(),
            bleu: scores.bleu,
            chrf: scores.chrf,
            best,
            cut_translations: scores.cut_translations,
            others,
            seconds: self.state.seconds,
            time: now(),
        };
        self.observe(Happening::Validated(&event));
        self.note(Event::Validation(event))?;
        self.wait_for_better(learner, if best { Progress::Better } else { Progress::NoBetter })?;
        problem.map_or(Ok(()), |problem| Err(self.diverged(updates, problem)))
    }

    /// After a validation, for a schedule that falls where none is better.
    fn wait_for_better(
        &mut self,
        learner: &mut dyn Learner,
        progress: Progress,
    ) -> Result<(), TrainError> {
        let TrainingSettings { schedule, plateau_factor, plateau_validations, .. } =
            self.settings();
        let plateau = &mut self.state.plateau;
        if *schedule == Schedule::Plateau
            && plateau.validated(progress, *plateau_factor, *plateau_validations)
        {
            let factor = plateau.factor();
            self.observe(Happening::Slower { factor });
            learner.scale_rate(factor)?;
        }
        Ok(())
    }

    /// The lowest loss of all validations so far, which is not always that of the best by the criterion.
    fn lowest_loss(&self) -> f64 {
        let losses = self.state.events.iter().filter_map(|event| match event {
            Event::Validation(event) => Some(event.loss),
            Event::Training(_) => None,
        });
        losses.fold(f64::INFINITY, f64::min)
    }

    fn diverged(&self, update: u64, problem: String) -> TrainError {
        TrainError::Diverged { training: self.run.name.to_string(), update, problem }
    }

    fn scores(
        &mut self,
        learner: &mut dyn Learner,
        weights: Weights<'_>,
    ) -> Result<Scores, TrainError> {
        self.observe(Happening::Validating { updates: self.state.updates });
        self.scores_of(self.run.validator, learner, weights)
    }

    /// What is told besides.
    fn other_scores(
        &mut self,
        learner: &mut dyn Learner,
    ) -> Result<BTreeMap<String, OtherScores>, TrainError> {
        let mut others = BTreeMap::new();
        for validator in self.run.other_validators {
            let scores = self.scores_of(validator, learner, Weights::Current)?;
            others.insert(validator.name.to_string(), scores.as_other());
        }
        Ok(others)
    }

    fn scores_of(
        &mut self,
        validator: &Validator<'_>,
        learner: &mut dyn Learner,
        weights: Weights<'_>,
    ) -> Result<Scores, TrainError> {
        let loss = learner.loss(weights, validator.corpus)?;
        let scores = match self.settings().criterion {
            Criterion::Loss => Scores::of_loss(loss),
            Criterion::Bleu | Criterion::Chrf => {
                validator.scores(loss, &learner.decode(weights, validator)?)?
            }
        };
        self.tick();
        Ok(scores)
    }

    /// Keeps the weights of this update and forgets those that are too old to be averaged.
    fn snapshot(&mut self, model: &Model<Dense<f32>>) -> Result<(), TrainError> {
        let slices = model.weights.slices();
        let tensors =
            slices.iter().map(|(slot, slice)| (slot.to_string(), vec![slice.len()], *slice));
        write_tensors(&self.run.snapshot_path(self.state.updates), tensors, &Default::default())?;
        self.state.snapshots.push(self.state.updates);
        Ok(())
    }

    /// Saves the state, then removes the snapshots that it does not need any more.
    fn save_checkpoint(&mut self, learner: &mut dyn Learner) -> Result<(), TrainError> {
        let keep = self.state.snapshots.len().saturating_sub(self.settings().average_last);
        let old: Vec<u64> = self.state.snapshots.drain(..keep).collect();
        self.tick();
        let path = self.run.path(CHECKPOINT_FILE);
        checkpoint::save(&path, &self.state, &*learner.state()?)?;
        self.checkpointed = Instant::now();
        for updates in old {
            let path = self.run.snapshot_path(updates);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FileError::when("remove", &path)(error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The weights to hand on: those that the settings ask for; in place of an average, which nothing has
    /// judged so far, the best of what there is.
    fn select(
        &mut self,
        learner: &mut dyn Learner,
    ) -> Result<(Model<Dense<f32>>, Selected), TrainError> {
        let selection = self.settings().selection;
        let criterion = self.settings().criterion;
        let (best, last) = (self.state.best, self.state.last);
        let last = last.expect("the last update of a run is validated");
        let mut candidates = Vec::new();
        // An average of nothing but the last update is the last update.
        if selection == Selection::Average
            && self.state.snapshots != [last.updates]
            && let Some((model, snapshots)) = self.average(learner.model()?)
        {
            let judgement = self.scores(learner, Weights::Of(&model))?.judgement(criterion);
            candidates.push((Candidate::Average(snapshots), judgement, Some(model)));
        }
        if selection == Selection::MovingAverage
            && let Some(model) = learner.averaged_model()?
        {
            let judgement = self.scores(learner, Weights::Of(&model))?.judgement(criterion);
            candidates.push((Candidate::MovingAverage, judgement, Some(model)));
        }
        if selection != Selection::Last
            && let Some(Validated { updates, judgement }) = best
            && updates != last.updates
        {
            match native::load(&self.run.path(BEST_FOLDER)) {
                Ok(model) => candidates.push((Candidate::Best(updates), judgement, Some(model))),
                Err(error) => self.observe(Happening::LeftOut {
                    candidate: Some(Candidate::Best(updates)),
                    problem: Problem::of(&error),
                }),
            }
        }
        candidates.push((Candidate::Last(last.updates), last.judgement, None));
        // Of equals the first: what was asked for.
        let chosen = (1..candidates.len()).fold(0, |chosen, other| {
            match candidates[other].1.is_better_than(&candidates[chosen].1) {
                true => other,
                false => chosen,
            }
        });
        let (candidate, judgement, model) = candidates.remove(chosen);
        let words = learner.model()?.config.vocabularies.target;
        // Whatever the warm-up: what has come apart is handed on in no way.
        if let Some(problem) =
            diverged(judgement.loss, judgement.loss, words, self.settings().divergence)
        {
            return Err(self.diverged(last.updates, problem));
        }
        if let Some(problem) = above_uniform(judgement.loss, words) {
            self.observe(Happening::KnowsNothing { problem });
        }
        let model = match model {
            Some(model) => model,
            None => learner.model()?.clone(),
        };
        let others = candidates.into_iter().map(|(one, how, _)| (one, how)).collect();
        Ok((model, Selected { criterion, candidate, judgement, others }))
    }

    /// The mean of the last snapshots, summed in float64, and how many they are. What cannot be read is
    /// left out, and that is said.
    fn average(&self, like: &Model<Dense<f32>>) -> Option<(Model<Dense<f32>>, usize)> {
        let wanted = self.settings().average_last;
        let mut sum: Model<Dense<f64>> = like.convert();
        sum.weights.slices_mut().into_iter().for_each(|(_, slice)| slice.fill(0.0));
        let mut count = 0;
        for updates in &self.state.snapshots {
            match add_snapshot(&self.run.snapshot_path(*updates), &mut sum) {
                Ok(()) => count += 1,
                Err(error) => {
                    self.observe(Happening::LeftOut {
                        candidate: None,
                        problem: Problem::of(&error),
                    });
                }
            }
        }
        if count < wanted {
            self.observe(Happening::FewSnapshots { found: count, wanted });
        }
        let slices = sum.weights.slices_mut().into_iter();
        slices.for_each(|(_, slice)| slice.iter_mut().for_each(|sum| *sum /= count as f64));
        (count > 0).then(|| (sum.convert(), count))
    }
}

/// Adds a snapshot's weights to a sum, all of them or none.
fn add_snapshot(path: &Path, sum: &mut Model<Dense<f64>>) -> Result<(), TrainError> {
    let (tensors, _) = read_tensors(path)?;
    let mut slices = sum.weights.slices_mut();
    for (slot, slice) in &slices {
        let found = tensors.get(&slot.to_string()).map(|tensor| tensor.data.len());
        if found != Some(slice.len()) {
            let expected = slice.len();
            let problem = match found {
                None => format!("it lacks {}", slot),
                Some(found) => {
                    format!("{} has {found} numbers, expected {expected}", slot)
                }
            };
            return Err(TrainError::Checkpoint {
                path: path.to_path_buf(),
                problem: problem.into(),
            });
        }
    }
    for (slot, slice) in &mut slices {
        let values = &tensors[&slot.to_string()].data;
        slice.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    Ok(())
}

/// Whether the clock asks for a checkpoint, so long after the last one.
fn is_time(minutes: u64, since: Duration) -> bool {
    minutes > 0 && since.as_secs() >= minutes.saturating_mul(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_asks_for_a_checkpoint_after_so_many_minutes_or_never() {
        assert!(!is_time(10, Duration::from_secs(599)) && is_time(10, Duration::from_secs(600)));
        assert!(!is_time(0, Duration::from_secs(1_000_000)));
    }
}
