//! A task that a tiny model learns in a few updates: sentences are translated by themselves.

#![allow(dead_code)] // A file of tests uses a part of it.

use std::path::Path;
use std::sync::Arc;

use wdistill_corpus::{InMemory, Mixture, Part};
use wdistill_formats::native;
use wdistill_model::{
    Architecture, Config, DecoderStart, Dense, DropoutRates, Model, Vocabularies,
};
use wdistill_runtime::TranslatorOptions;
use wdistill_text::{EncodedCorpus, SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
use wdistill_train::{
    Criterion, HostLearner, Interrupt, Learner, Lesson, Observer, Outcome, Run, TrainError,
    Trainee, TrainingSettings, Unobserved, Validator,
};

/// Threads of a learner, where a test does not say.
pub const THREADS: usize = 2;

/// Sentences that are translated by themselves, and what is learned from them.
pub struct Task {
    pub vocabulary: Vocabulary,
    pub corpus: EncodedCorpus,
    pub lines: Vec<String>,
    pub interrupt: Interrupt,
}

impl Task {
    pub fn new() -> Task {
        let words = ["red", "green", "blue", "one", "two", "three"];
        let lines: Vec<String> = (0..40)
            .map(|n| format!("{} {} {}", words[n % 6], words[(n / 3) % 6], words[(n * 5 + 1) % 6]))
            .collect();
        let settings = VocabularySettings::new(SubwordModel::Bpe, 290);
        let vocabulary = Vocabulary::train(&lines, &settings).unwrap().vocabulary;
        let ids = vocabulary.encode_batch(&lines);
        let rows = ids.iter().map(|ids| (&ids[..], &ids[..]));
        let special = vocabulary.special_tokens();
        let corpus = EncodedCorpus::from_pairs(special.clone(), special, rows);
        Task { vocabulary, corpus, lines, interrupt: Interrupt::default() }
    }

    pub fn model(&self) -> Model<Dense<f32>> {
        let mut architecture = Architecture::preset("transformer-nano").unwrap();
        architecture.dropout = DropoutRates::NONE;
        let (size, end) = (self.vocabulary.size(), self.vocabulary.end_id());
        let vocabularies = Vocabularies {
            source_end: end,
            target_end: end,
            decoder_start: DecoderStart::Word(end),
            ..Vocabularies::shared(size)
        };
        Model::initialise(Config::new(architecture, vocabularies).unwrap(), 1)
    }

    pub fn train_from(
        &self,
        folder: &Path,
        settings: &TrainingSettings,
        start: Model<Dense<f32>>,
    ) -> Result<Outcome, TrainError> {
        self.train_observed(folder, settings, start, &Unobserved)
    }

    pub fn train_observed(
        &self,
        folder: &Path,
        settings: &TrainingSettings,
        start: Model<Dense<f32>>,
        observer: &dyn Observer,
    ) -> Result<Outcome, TrainError> {
        let mut learner = self.learner(start, None, settings);
        self.train_with(folder, settings, observer, &self.interrupt, &mut learner)
    }

    pub fn train_with(
        &self,
        folder: &Path,
        settings: &TrainingSettings,
        observer: &dyn Observer,
        interrupt: &Interrupt,
        learner: &mut dyn Learner,
    ) -> Result<Outcome, TrainError> {
        let translator = TranslatorOptions::default();
        let pair =
            VocabularyPair { source: self.vocabulary.clone(), target: self.vocabulary.clone() };
        let vocabularies = Arc::new(pair);
        let validator = Validator {
            name: "validation",
            corpus: &self.corpus,
            references: std::slice::from_ref(&self.lines),
            vocabularies: &vocabularies,
            translator: &translator,
        };
        let pairs = Arc::new(InMemory::new(self.corpus.clone()));
        let mixture = Mixture::of(vec![Part::whole("toy", pairs)]);
        let run = Run {
            name: "test",
            mixture: &mixture,
            validator: &validator,
            other_validators: &[],
            settings,
            seed: 5,
            inputs: "toy",
            folder,
            observer,
            interrupt,
            save_model: &|model, folder| Ok(native::save(model, folder)?),
        };
        run.train(learner)
    }

    pub fn train(&self, folder: &Path, settings: &TrainingSettings) -> Result<Outcome, TrainError> {
        self.train_from(folder, settings, self.model())
    }

    pub fn learner<'a>(
        &'a self,
        start: Model<Dense<f32>>,
        teacher: Option<&'a Model<Dense<f32>>>,
        settings: &'a TrainingSettings,
    ) -> HostLearner<'a> {
        let lesson = Lesson { teacher, guide: None, settings, seed: 5 };
        HostLearner::start(Trainee::weights(start), lesson, THREADS)
            .unwrap_or_else(|e| panic!("{e}"))
    }
}

pub fn settings() -> TrainingSettings {
    TrainingSettings {
        updates: 12,
        max_tokens: 100,
        learning_rate: 1e-3,
        warm_up: 4,
        log_every: 3,
        validate_every: 4,
        checkpoint_every: 5,
        snapshot_every: 4,
        average_last: 2,
        criterion: Criterion::Loss,
        ..TrainingSettings::default()
    }
}

pub fn slices(model: &Model<Dense<f32>>) -> Vec<Vec<f32>> {
    model.weights.slices().into_iter().map(|(_, slice)| slice.to_vec()).collect()
}
