//! Untrained models of a plan's shapes, timed: a few updates, a few translations.

use std::time::Instant;

use wdistill_generator::Start;
use wdistill_model::{Architecture, Config, Dense, Model};
use wdistill_runtime::DecodingOptions;
use wdistill_train::{
    Alone, Batch, Criterion, Device, Learner, Lesson, Selection, Trainee, TrainingSettings, Weights,
};

use super::texts::Texts;
use crate::error::PipelineError;
use crate::machine::{peak_memory, reset_peak_memory};
use crate::methods::{Beginning, Method, Sources};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::shapes::of_fixed_length;
use crate::stages::benchmark;

/// Updates that are timed: so many at least, and more for so many seconds.
const UPDATES: u64 = 4;
const SECONDS: f64 = 2.0;

/// Sentences that are translated at least and at most; between them two batches for each thread.
const SENTENCES: [usize; 2] = [16, 256];

/// Pairs that a start may look at.
const PAIRS: usize = 16;

/// A training, as far as it decides what an update costs.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingCase {
    /// The model's configuration.
    pub config: Config,
    /// Settings.
    pub settings: TrainingSettings,
    /// A teacher that runs beside it.
    pub teacher: Option<Config>,
    /// What it begins with, if that may be a generator: a method, its start, and whose weights it is made of.
    pub begin: Option<(Method, Option<Start>, Config)>,
}

/// What a training costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingCost {
    /// Numbers that are trained.
    pub trained: u64,
    /// Numbers of the model.
    pub parameters: u64,
    /// Seconds of an update.
    pub update: f64,
    /// Seconds of a validation.
    pub validation: f64,
    /// Most memory in bytes.
    pub memory: Option<u64>,
}

/// Measures, each case once.
pub struct Measure<'a> {
    plan: &'a Plan,
    texts: &'a Texts,
    threads: usize,
    progress: &'a Progress,
    trainings: Vec<(TrainingCase, TrainingCost)>,
    decodings: Vec<((Architecture, DecodingOptions), f64)>,
}

impl TrainingCase {
    /// The settings that decide what an update costs, and no others.
    fn decisive(&self) -> TrainingCase {
        let TrainingSettings { max_tokens, accumulation, shares, precision, optimiser, .. } =
            self.settings;
        let TrainingSettings { criterion, selection, .. } = self.settings;
        let [word_distillation, state_distillation, relation_distillation] = [
            self.settings.word_distillation,
            self.settings.state_distillation,
            self.settings.relation_distillation,
        ]
        .map(|weight| if weight > 0.0 { 0.5 } else { 0.0 });
        let settings = TrainingSettings {
            max_tokens,
            accumulation,
            shares,
            precision,
            optimiser,
            criterion,
            selection,
            word_distillation,
            state_distillation,
            relation_distillation,
            ..TrainingSettings::default()
        };
        TrainingCase { settings, ..self.clone() }
    }

    /// What is trained, with random numbers; a fitted start has as many as any other, and is not solved.
    fn trainee(
        &self,
        batches: &dyn Fn() -> Result<Vec<Batch>, PipelineError>,
    ) -> Result<Trainee, PipelineError> {
        let config = self.config.clone();
        let Some((method, start, source)) = &self.begin else {
            return Ok(Trainee::weights(Model::initialise(config, 1)));
        };
        let sources = Sources {
            config,
            seed: 1,
            start: *start,
            beginning: Beginning::Again,
            teacher: &|| Ok(Model::initialise(source.clone(), 2)),
            batches,
            say: &|_| {},
        };
        (method.begin)(method, sources)
    }
}

impl<'a> Measure<'a> {
    /// Nothing measured yet.
    pub fn new(
        plan: &'a Plan,
        texts: &'a Texts,
        threads: usize,
        progress: &'a Progress,
    ) -> Measure<'a> {
        let (trainings, decodings) = (Vec::new(), Vec::new());
        Measure { plan, texts, threads, progress, trainings, decodings }
    }

    /// What a training costs.
    ///
    /// # Errors
    /// What a shape that cannot be trained brings.
    pub fn training(&mut self, case: &TrainingCase) -> Result<TrainingCost, PipelineError> {
        let case = case.decisive();
        if let Some((_, cost)) = self.trainings.iter().find(|(known, _)| *known == case) {
            return Ok(*cost);
        }
        let summary = case.config.architecture.summary();
        self.progress.update(0, || format!("training {summary}"));
        let cost = self.train(&case)?;
        self.trainings.push((case, cost));
        Ok(cost)
    }

    fn train(&mut self, case: &TrainingCase) -> Result<TrainingCost, PipelineError> {
        let TrainingCase { config, settings, .. } = case;
        let is_reset = reset_peak_memory();
        let (corpus, batches) =
            self.texts.training.made_up(&config.vocabularies, settings.max_tokens);
        let examples = || {
            let pairs: Vec<usize> = (0..corpus.len().min(PAIRS)).collect();
            Ok(vec![Batch::new(&corpus, &pairs, &config.vocabularies)])
        };
        let teacher = case.teacher.clone().map(|config| Model::initialise(config, 2));
        let lesson = Lesson { teacher: teacher.as_ref(), guide: None, settings, seed: 1 };
        let device = Device::Host { threads: self.threads };
        let mut learner = device.learner(case.trainee(&examples)?, lesson, &Alone)?;
        // The largest batch first: all buffers are there after it.
        let size = |batch: &&Vec<usize>| -> usize {
            batch.iter().map(|pair| corpus.pair(*pair).1.len()).sum()
        };
        let largest = batches.iter().max_by_key(size).expect("there are batches");
        learner.update(&[corpus.select(largest)], 1)?;
        let mut next = batches.iter().cycle();
        let (mut updates, start) = (0, Instant::now());
        while updates < UPDATES || start.elapsed().as_secs_f64() < SECONDS {
            let few = next.by_ref().take(settings.accumulation);
            let few: Vec<_> = few.map(|batch| corpus.select(batch)).collect();
            updates += 1;
            learner.update(&few, 1 + updates)?;
        }
        let update = start.elapsed().as_secs_f64() / updates as f64;
        let validation =
            self.validation(&mut *learner, settings.criterion, &corpus.select(largest))?;
        let ranges = learner.state()?.layout.clone();
        let trained = ranges.ranges().iter().map(|named| named.range.len() as u64).sum();
        let parameters = learner.model()?.weights.count() as u64;
        let averaging = match settings.selection {
            Selection::Average => BYTES_OF_AN_AVERAGED_WEIGHT * parameters,
            Selection::Last | Selection::Best | Selection::MovingAverage => 0,
        };
        let memory = peak_memory().filter(|_| is_reset).map(|peak| peak + averaging);
        Ok(TrainingCost { trained, parameters, update, validation, memory })
    }

    /// Seconds of a validation: the loss in its texts, and a translation unless the loss is the criterion.
    fn validation(
        &mut self,
        learner: &mut dyn Learner,
        criterion: Criterion,
        batch: &wdistill_text::EncodedCorpus,
    ) -> Result<f64, PipelineError> {
        let texts = [&self.texts.validation].into_iter().chain(&self.texts.other_validations);
        let tokens: f64 = texts.map(|text| text.pairs * text.target_tokens()).sum();
        let start = Instant::now();
        let found = learner.loss(Weights::Current, batch)?.tokens;
        let loss = start.elapsed().as_secs_f64() * tokens / found as f64;
        Ok(match criterion {
            Criterion::Loss => loss,
            Criterion::Bleu | Criterion::Chrf => {
                loss + tokens * self.decode(learner.model()?, &self.plan.decoding)?
            }
        })
    }

    /// Seconds for each token that a model of a shape writes.
    ///
    /// # Errors
    /// What a shape that cannot decode brings.
    pub fn decoding(
        &mut self,
        config: &Config,
        options: &DecodingOptions,
    ) -> Result<f64, PipelineError> {
        match self.known(&config.architecture, options) {
            Some(seconds) => Ok(seconds),
            None => self.decode(&Model::initialise(config.clone(), 1), options),
        }
    }

    fn known(&self, architecture: &Architecture, options: &DecodingOptions) -> Option<f64> {
        let is_it = |(shape, known): &(Architecture, DecodingOptions)| {
            shape == architecture && known == options
        };
        self.decodings.iter().find(|(case, _)| is_it(case)).map(|(_, seconds)| *seconds)
    }

    fn decode(
        &mut self,
        model: &Model<Dense<f32>>,
        options: &DecodingOptions,
    ) -> Result<f64, PipelineError> {
        let architecture = &model.config.architecture;
        if let Some(seconds) = self.known(architecture, options) {
            return Ok(seconds);
        }
        self.progress.update(0, || format!("translating with {}", architecture.summary()));
        let (corpus, _) = self.texts.training.made_up(&model.config.vocabularies, 1);
        let mut sources = corpus.sources();
        let tokens: usize = sources.iter().map(Vec::len).sum();
        let of_a_batch = options.batch_tokens * sources.len() / (tokens * options.search.beam_size);
        let [least, most] = SENTENCES;
        sources.truncate((2 * self.threads * of_a_batch).clamp(least, most));
        let words = self.texts.training.target_tokens().ceil() as usize;
        let translator = of_fixed_length(model, self.threads, options, words, None)?;
        let speed = &benchmark(&[(String::new(), &translator)], &[&sources], 1, &mut |_| {})?[0];
        let seconds = speed.seconds / speed.target_tokens as f64;
        self.decodings.push(((architecture.clone(), options.clone()), seconds));
        Ok(seconds)
    }
}

/// When an average is validated, there are the sum of the snapshots in float64, the average, and what decodes it.
const BYTES_OF_AN_AVERAGED_WEIGHT: u64 = 16;
