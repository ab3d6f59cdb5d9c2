//! The training loop: one for teachers, generators and students.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wdistill_formats::{native, read_tensors, write_tensors};
use wdistill_model::{Dense, Model};
use wdistill_text::{BatchOrder, BatchSettings, EncodedCorpus};

use crate::checkpoint::{self, Best, State, Window};
use crate::error::TrainError;
use crate::log::{Display, Event, MetricsLog, Progress, TrainingEvent, ValidationEvent, in_words};
use crate::settings::{Criterion, Selection, TrainingSettings};
use crate::step::{
    Batch, Clipping, Moments, StepReport, Team, Update, WordTeacher, optimiser_step, shares,
};
use crate::trainable::Trainable;
use crate::validation::Validator;

/// Writes a model that can be used as it is, with its vocabularies, into a folder.
pub type SaveModel<'a> = dyn Fn(&Model<Dense<f32>>, &Path) -> Result<(), TrainError> + 'a;

/// A training run: what to learn from, how, and where to keep it.
pub struct Run<'a> {
    /// Name shown with its progress.
    pub name: &'a str,
    /// Holds the pairs to learn from.
    pub corpus: &'a EncodedCorpus,
    /// How many of its pairs, from the first, to learn from.
    pub pairs: usize,
    /// Whose distribution over words is learned besides the right words, if the settings give that a
    /// weight.
    pub teacher: Option<&'a Model<Dense<f32>>>,
    /// What judges it.
    pub validator: &'a Validator<'a>,
    /// Settings.
    pub settings: &'a TrainingSettings,
    /// Decides the order of batches and the dropout.
    pub seed: u64,
    /// A name for everything else that decides the result, such as hashes of data and of a start;
    /// a checkpoint with another name is refused.
    pub inputs: &'a str,
    /// Checkpoint, `metrics.jsonl`, snapshots and best model.
    pub folder: &'a Path,
    /// Where progress is shown.
    pub display: Display,
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
}

/// A run under way.
struct Loop<'a> {
    run: &'a Run<'a>,
    state: State,
    order: BatchOrder,
    moments: Moments,
    log: MetricsLog,
    progress: Progress,
    team: Team,
    /// When the clock was last added to the state.
    since: Instant,
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
    /// [`TrainError::Diverged`], or what reading and writing can bring.
    pub fn train(&self, trainable: &mut dyn Trainable) -> Result<Outcome, TrainError> {
        let mut problems = self.settings.problems();
        if (self.settings.word_distillation > 0.0) != self.teacher.is_some() {
            problems.push("word_distillation needs a teacher, and a teacher needs it".to_string());
        }
        if !problems.is_empty() {
            let place = format!("training settings of {}", self.name);
            return Err(TrainError::Settings { place, problems });
        }
        let mut under_way = Loop::start(self, trainable)?;
        let ended = under_way.go(trainable)?;
        under_way.progress.finish();
        let model = under_way.select(trainable)?;
        let State { updates, seconds, .. } = under_way.state;
        Ok(Outcome { model, updates, seconds, ended })
    }
}

impl<'a> Loop<'a> {
    fn start(run: &'a Run<'a>, trainable: &mut dyn Trainable) -> Result<Loop<'a>, TrainError> {
        let folder = run.path("snapshots");
        std::fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        let batches = BatchSettings { max_tokens: run.settings.max_tokens };
        let mut lengths = run.corpus.lengths();
        lengths.truncate(run.pairs);
        let mut order = BatchOrder::new(lengths, batches, run.seed)?;
        let mut moments = Moments::zeros(trainable);
        let checkpoint = run.path("checkpoint.safetensors");
        let state = if checkpoint.exists() {
            let fingerprint = run.fingerprint();
            let state = checkpoint::load(&checkpoint, &fingerprint, trainable, &mut moments)?;
            order.resume(state.position)?;
            state
        } else {
            State {
                fingerprint: run.fingerprint(),
                updates: 0,
                position: order.position(),
                window: Window::default(),
                best: None,
                stale_validations: 0,
                snapshots: Vec::new(),
                seconds: 0.0,
            }
        };
        let progress = Progress::new(run.display, run.name, run.settings.updates);
        if state.updates > 0 {
            progress.say(&format!("goes on after update {}", state.updates));
            progress.resume_at(state.updates);
        }
        let log = MetricsLog::open(&run.path("metrics.jsonl"), state.updates)?;
        let team = Team::start(rayon::current_num_threads())?;
        let since = Instant::now();
        Ok(Loop { run, state, order, moments, log, progress, team, since })
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

    fn go(&mut self, trainable: &mut dyn Trainable) -> Result<Ended, TrainError> {
        while self.state.updates < self.settings().updates {
            if self.out_of_patience() {
                return Ok(Ended::OutOfPatience);
            }
            self.update(trainable)?;
            if self.due(self.settings().log_every) {
                self.log_window()?;
            }
            if self.due(self.settings().validate_every) {
                self.validate(trainable.model())?;
            }
            if self.due(self.settings().snapshot_every) || self.out_of_patience() {
                self.snapshot(trainable.model())?;
            }
            if self.due(self.settings().checkpoint_every) || self.out_of_patience() {
                self.save_checkpoint(trainable)?;
            }
        }
        Ok(Ended::Finished)
    }

    /// Adds the time since the last call to the run's, and returns it.
    fn tick(&mut self) -> f64 {
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.state.seconds += seconds;
        seconds
    }

    fn update(&mut self, trainable: &mut dyn Trainable) -> Result<(), TrainError> {
        let vocabularies = trainable.model().config.vocabularies;
        let corpus = self.run.corpus;
        let batch = |pairs: Vec<usize>| Batch::new(corpus, &pairs, &vocabularies);
        let batches: Vec<Vec<Batch>> = (0..self.settings().accumulation)
            .map(|_| shares(corpus, &self.order.next_batch()).into_iter().map(batch).collect())
            .collect();
        let update = self.state.updates + 1;
        let teacher = self
            .run
            .teacher
            .map(|model| WordTeacher { model, weight: self.settings().word_distillation });
        let described = Update { batches: &batches, teacher, seed: self.run.seed, number: update };
        let settings = self.settings();
        let report =
            optimiser_step(trainable, &mut self.moments, &described, &mut self.team, settings);
        let StepReport { loss, gradient_norm, clipping } = report;
        if !(loss.mean().is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::Diverged { update, loss: loss.mean(), gradient_norm });
        }
        self.state.window.seconds += self.tick();
        self.state.updates = update;
        self.state.position = self.order.position();
        let window = &mut self.state.window;
        window.smoothed += loss.smoothed;
        window.negative_log_likelihood += loss.negative_log_likelihood;
        window.tokens += loss.tokens;
        window.gradient_norms += gradient_norm;
        window.updates += 1;
        window.clipped += u64::from(clipping == Clipping::Clipped);
        self.progress.update(update, || self.summary(&self.training_event()));
        Ok(())
    }

    fn training_event(&self) -> TrainingEvent {
        let window = &self.state.window;
        let tokens = window.tokens as f64;
        TrainingEvent {
            updates: self.state.updates,
            loss: window.smoothed / tokens,
            perplexity: (window.negative_log_likelihood / tokens).exp(),
            learning_rate: self.settings().learning_rate_at(self.state.updates),
            gradient_norm: window.gradient_norms / window.updates as f64,
            clipped_updates: window.clipped,
            tokens: window.tokens,
            tokens_per_second: tokens / window.seconds,
            seconds: self.state.seconds,
        }
    }

    fn summary(&self, event: &TrainingEvent) -> String {
        let TrainingEvent { loss, perplexity, learning_rate, tokens_per_second, .. } = event;
        let clipped = match event.clipped_updates {
            0 => String::new(),
            clipped => format!("  clipped {clipped} of {}", self.state.window.updates),
        };
        format!(
            "{tokens_per_second:.0} tokens/s  loss {loss:.3}  perplexity {perplexity:.2}  \
             rate {learning_rate:.2e}{clipped}"
        )
    }

    fn log_window(&mut self) -> Result<(), TrainError> {
        let event = self.training_event();
        let (done, all) = (self.state.updates, self.settings().updates);
        let left = self.state.seconds / done as f64 * (all - done) as f64;
        let left = in_words(Duration::from_secs_f64(left));
        let summary = self.summary(&event);
        self.progress.log(&format!("{done}/{all}  {summary}  {left} left"));
        self.state.window = Window::default();
        self.log.write(&Event::Training(event))
    }

    fn validate(&mut self, model: &Model<Dense<f32>>) -> Result<(), TrainError> {
        self.progress.update(self.state.updates, || "validating".to_string());
        let scores = self.run.validator.validate(model, &mut self.team, self.run.settings)?;
        self.tick();
        let score = match (self.settings().criterion, scores.bleu) {
            (Criterion::Bleu, Some(bleu)) => bleu,
            _ => -scores.loss.mean(),
        };
        let best = self.state.best.is_none_or(|best| score > best.score);
        if best {
            self.state.best = Some(Best { updates: self.state.updates, score });
            self.state.stale_validations = 0;
            (self.run.save_model)(model, &self.run.path("best"))?;
        } else {
            self.state.stale_validations += 1;
        }
        let event = ValidationEvent {
            updates: self.state.updates,
            loss: scores.loss.mean(),
            perplexity: scores.loss.perplexity(),
            bleu: scores.bleu,
            best,
            cut_translations: scores.cut_translations,
            seconds: self.state.seconds,
        };
        let bleu = event.bleu.map_or(String::new(), |bleu| format!("  BLEU {bleu:.2}"));
        let cut = match event.cut_translations {
            0 => String::new(),
            cut => format!("  {cut} cut at the maximum length"),
        };
        self.progress.say(&format!(
            "update {}: validation loss {:.3}  perplexity {:.2}{bleu}{cut}{}",
            event.updates,
            event.loss,
            event.perplexity,
            if best { "  best" } else { "" }
        ));
        self.log.write(&Event::Validation(event))
    }

    /// Keeps the weights of this update and forgets those that are too old to be averaged.
    fn snapshot(&mut self, model: &Model<Dense<f32>>) -> Result<(), TrainError> {
        let slices = model.weights.slices();
        let tensors = slices.iter().map(|(slot, slice)| (slot.path(), vec![slice.len()], *slice));
        write_tensors(&self.run.snapshot_path(self.state.updates), tensors, &Default::default())?;
        self.state.snapshots.push(self.state.updates);
        Ok(())
    }

    /// Saves the state, then removes the snapshots that it does not need any more.
    fn save_checkpoint(&mut self, trainable: &mut dyn Trainable) -> Result<(), TrainError> {
        let keep = self.state.snapshots.len().saturating_sub(self.settings().average_last);
        let old: Vec<u64> = self.state.snapshots.drain(..keep).collect();
        self.tick();
        let path = self.run.path("checkpoint.safetensors");
        checkpoint::save(&path, &self.state, trainable, &self.moments)?;
        for updates in old {
            let path = self.run.snapshot_path(updates);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(TrainError::io(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn select(&self, trainable: &dyn Trainable) -> Result<Model<Dense<f32>>, TrainError> {
        match self.settings().selection {
            Selection::Last => Ok(trainable.model().clone()),
            Selection::Best => Ok(native::load(&self.run.path("best"))?),
            Selection::Average => {
                let (found, wanted) = (self.state.snapshots.len(), self.settings().average_last);
                if found < wanted {
                    self.progress.say(&format!("averages {found} snapshots of {wanted} wanted"));
                }
                self.average(trainable.model())
            }
        }
    }

    /// The mean of the last snapshots, summed in float64.
    fn average(&self, like: &Model<Dense<f32>>) -> Result<Model<Dense<f32>>, TrainError> {
        let paths: Vec<PathBuf> =
            self.state.snapshots.iter().map(|updates| self.run.snapshot_path(*updates)).collect();
        let mut sum: Model<Dense<f64>> = like.convert();
        sum.weights.slices_mut().into_iter().for_each(|(_, slice)| slice.fill(0.0));
        for path in &paths {
            let (tensors, _) = read_tensors(path)?;
            for (slot, slice) in sum.weights.slices_mut() {
                let tensor = tensors.get(&slot.path()).ok_or_else(|| TrainError::Checkpoint {
                    path: path.clone(),
                    problem: format!("it lacks {}", slot.path()),
                })?;
                let pairs = slice.iter_mut().zip(&tensor.data);
                pairs.for_each(|(sum, value)| *sum += f64::from(*value) / paths.len() as f64);
            }
        }
        Ok(sum.convert())
    }
}
