//! The training loop on a toy corpus: clipping, accumulation, early stopping, selection, checkpoints.

use std::path::Path;

use wdistill_autograd::Gradients;
use wdistill_formats::native;
use wdistill_model::{
    Architecture, Config, DecoderStart, Dense, DropoutRates, Model, Vocabularies,
};
use wdistill_runtime::TranslatorOptions;
use wdistill_text::{EncodedCorpus, SubwordModel, Vocabulary, VocabularySettings};
use wdistill_train::{
    Batch, Clipping, Criterion, DenseModel, Display, Ended, Event, Moments, Outcome, Run,
    Selection, StepReport, Team, TrainError, Trainable, TrainingSettings, Update, Validator,
    WordTeacher, optimiser_step, read_events, shares,
};

/// Sentences that are translated by themselves, and what is learned from them.
struct Task {
    vocabulary: Vocabulary,
    corpus: EncodedCorpus,
    lines: Vec<String>,
}

impl Task {
    fn new() -> Task {
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
        Task { vocabulary, corpus, lines }
    }

    fn model(&self) -> DenseModel {
        let mut architecture = Architecture::preset("transformer-nano").unwrap();
        architecture.dropout = DropoutRates::NONE;
        let (size, end) = (self.vocabulary.size(), self.vocabulary.end_id());
        let vocabularies = Vocabularies {
            source_end: end,
            target_end: end,
            decoder_start: DecoderStart::Word(end),
            ..Vocabularies::shared(size)
        };
        DenseModel(Model::initialise(Config::new(architecture, vocabularies).unwrap(), 1))
    }

    fn train_from(
        &self,
        folder: &Path,
        settings: &TrainingSettings,
        mut start: DenseModel,
    ) -> Result<Outcome, TrainError> {
        let translator = TranslatorOptions::default();
        let validator = Validator {
            corpus: &self.corpus,
            references: &self.lines,
            target_vocabulary: &self.vocabulary,
            translator: &translator,
        };
        let run = Run {
            name: "test",
            corpus: &self.corpus,
            pairs: self.corpus.len(),
            teacher: None,
            validator: &validator,
            settings,
            seed: 5,
            inputs: "toy",
            folder,
            display: Display::Silent,
            save_model: &|model, folder| Ok(native::save(model, folder)?),
        };
        run.train(&mut start)
    }

    fn train(&self, folder: &Path, settings: &TrainingSettings) -> Result<Outcome, TrainError> {
        self.train_from(folder, settings, self.model())
    }

    fn batch(&self, model: &DenseModel, pairs: std::ops::Range<usize>) -> Vec<Batch> {
        let pairs: Vec<usize> = pairs.collect();
        let vocabularies = &model.model().config.vocabularies;
        let batch = |share: Vec<usize>| Batch::new(&self.corpus, &share, vocabularies);
        shares(&self.corpus, &pairs).into_iter().map(batch).collect()
    }
}

fn settings() -> TrainingSettings {
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

fn slices(model: &Model<Dense<f32>>) -> Vec<Vec<f32>> {
    model.weights.slices().into_iter().map(|(_, slice)| slice.to_vec()).collect()
}

fn update(batches: &[Vec<Batch>], number: u64) -> Update<'_> {
    Update { batches, teacher: None, seed: 1, number }
}

fn step(
    model: &mut DenseModel,
    batches: &[Vec<Batch>],
    settings: &TrainingSettings,
) -> (StepReport, Moments) {
    let mut moments = Moments::zeros(model);
    let mut team = Team::start(2).unwrap();
    let report = optimiser_step(model, &mut moments, &update(batches, 1), &mut team, settings);
    (report, moments)
}

/// After one step Adam's first moment is `(1 - beta1)` times the gradient that it was given.
fn gradient_norm(moments: &Moments) -> f64 {
    let gradients = Gradients { buffers: moments.first.clone() };
    gradients.norm() / (1.0 - settings().adam_betas[0])
}

#[test]
fn a_long_gradient_is_clipped_to_the_limit_and_counted() {
    let task = Task::new();
    let mut model = task.model();
    let batch = vec![task.batch(&model, 0..20)];
    let (free, moments) = step(&mut model, &batch, &settings());
    assert_eq!(free.clipping, Clipping::Unchanged);
    assert!((gradient_norm(&moments) - free.gradient_norm).abs() < 1e-4 * free.gradient_norm);

    let limit = free.gradient_norm / 2.0;
    let limited = TrainingSettings { clip_norm: limit, ..settings() };
    let (clipped, moments) = step(&mut task.model(), &batch, &limited);
    assert_eq!(clipped.clipping, Clipping::Clipped);
    assert_eq!(clipped.gradient_norm, free.gradient_norm);
    assert!((gradient_norm(&moments) - limit).abs() < 1e-4 * limit);

    let generous = TrainingSettings { clip_norm: 2.0 * free.gradient_norm, ..settings() };
    assert_eq!(step(&mut task.model(), &batch, &generous).0.clipping, Clipping::Unchanged);

    let folder = tempfile::tempdir().unwrap();
    task.train(folder.path(), &TrainingSettings { clip_norm: 1e-3, ..settings() }).unwrap();
    let clipped: Vec<u64> = read_events(&folder.path().join("metrics.jsonl"))
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            Event::Training(event) => Some(event.clipped_updates),
            Event::Validation(_) => None,
        })
        .collect();
    assert_eq!(clipped, [3, 3, 3, 3]);
}

#[test]
fn two_small_batches_make_the_step_of_one_large_batch() {
    let task = Task::new();
    let (mut one, mut two) = (task.model(), task.model());
    let whole = vec![task.batch(&one, 0..30)];
    let parts = vec![task.batch(&one, 0..11), task.batch(&one, 11..30)];
    let (expected, large) = step(&mut one, &whole, &settings());
    let accumulated = TrainingSettings { accumulation: 2, ..settings() };
    let (found, small) = step(&mut two, &parts, &accumulated);
    assert_eq!(found.loss.tokens, expected.loss.tokens);
    assert!((found.loss.smoothed - expected.loss.smoothed).abs() < 1e-3);
    let pairs = || large.first.iter().flatten().zip(small.first.iter().flatten());
    let largest = pairs().fold(0.0f32, |most, (a, _)| most.max(a.abs()));
    assert!(pairs().all(|(a, b)| (a - b).abs() < 1e-4 * largest));
}

#[test]
fn weights_are_selected_as_asked() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, selection: Selection, updates: u64| {
        let settings = TrainingSettings { selection, updates, ..settings() };
        let outcome = task.train(&folder.path().join(name), &settings).unwrap();
        assert_eq!((outcome.ended, outcome.updates), (Ended::Finished, updates));
        slices(&outcome.model)
    };
    let (eight, twelve) = (run("8", Selection::Last, 8), run("12", Selection::Last, 12));
    // The loss still falls with every validation, so the last is the best.
    assert_eq!(run("best", Selection::Best, 12), twelve);
    // Snapshots are taken after 4, 8 and 12 updates; the last two are averaged.
    let average = run("average", Selection::Average, 12);
    let both = eight.iter().flatten().zip(twelve.iter().flatten());
    for (mean, (a, b)) in average.iter().flatten().zip(both) {
        assert!((f64::from(*mean) - (f64::from(*a) + f64::from(*b)) / 2.0).abs() < 1e-7);
    }
}

/// A rate this high makes the loss rise after a while.
#[test]
fn a_run_without_improvement_stops_early_with_weights_and_does_so_again() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainingSettings {
        updates: 400,
        learning_rate: 0.5,
        warm_up: 400,
        validate_every: 10,
        patience: 2,
        // No snapshot is due before the end.
        snapshot_every: 1000,
        ..settings()
    };
    let outcome = task.train(folder.path(), &settings).unwrap();
    assert_eq!(outcome.ended, Ended::OutOfPatience);
    assert!(outcome.updates < 400, "{} updates", outcome.updates);
    let weights = slices(&outcome.model);
    assert!(weights.iter().flatten().any(|weight| *weight != 0.0));
    let again = task.train(folder.path(), &settings).unwrap();
    assert_eq!((again.ended, again.updates), (Ended::OutOfPatience, outcome.updates));
    assert!(slices(&again.model) == weights);
}

#[test]
fn a_checkpoint_is_resumed_only_by_the_run_that_wrote_it() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    task.train(folder.path(), &settings()).unwrap();
    let other = TrainingSettings { learning_rate: 2e-3, ..settings() };
    let Err(error) = task.train(folder.path(), &other) else { panic!("accepted") };
    assert!(error.to_string().contains("other settings or data"), "{error}");
    // What is only told may change.
    let told = TrainingSettings { log_every: 1, checkpoint_every: 2, ..settings() };
    assert_eq!(task.train(folder.path(), &told).unwrap().updates, 12);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let mut model = task.model();
    model.0.weights.encoder.layers[0].feed_forward.up.bias[0] = f32::NAN;
    let Err(error) = task.train_from(folder.path(), &settings(), model) else { panic!("accepted") };
    assert!(matches!(error, TrainError::Diverged { update: 1, .. }), "{error}");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let task = Task::new();
    let after = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut model = task.model();
            let batches = vec![task.batch(&model, 0..30)];
            let mut moments = Moments::zeros(&mut model);
            let mut team = Team::start(threads).unwrap();
            for number in 1..4 {
                let settings = settings();
                let update = self::update(&batches, number);
                optimiser_step(&mut model, &mut moments, &update, &mut team, &settings);
            }
            slices(model.model())
        })
    };
    let one = after(1);
    assert!(one == after(2));
    assert!(one == after(5));
}

/// A student that already is its teacher has nothing to learn from the teacher's distribution: with all the
/// weight on it, the gradient vanishes.
#[test]
fn a_student_that_is_its_teacher_learns_nothing_from_it() {
    let task = Task::new();
    let teacher = task.model();
    let batches = vec![task.batch(&teacher, 0..30)];
    let norm = |weight: f64| {
        let mut student = task.model();
        let teacher = Some(WordTeacher { model: teacher.model(), weight });
        let update = Update { teacher, ..update(&batches, 1) };
        let mut moments = Moments::zeros(&mut student);
        let mut team = Team::start(2).unwrap();
        optimiser_step(&mut student, &mut moments, &update, &mut team, &settings()).gradient_norm
    };
    let whole = norm(0.0);
    assert!(norm(1.0) < 1e-5 * whole, "{} of {whole}", norm(1.0));
    assert!((norm(0.5) - whole / 2.0).abs() < 1e-4 * whole, "{} of {whole}", norm(0.5));
}
