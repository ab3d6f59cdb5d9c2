//! The training loop on a toy corpus: clipping, accumulation, early stopping, selection, checkpoints.

use std::path::Path;
use std::sync::Arc;

use wdistill_formats::native;
use wdistill_model::{
    Architecture, Config, DecoderStart, Dense, DropoutRates, Model, Vocabularies,
};
use wdistill_runtime::TranslatorOptions;
use wdistill_text::{EncodedCorpus, SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
use wdistill_train::{
    Candidate, Clipping, Criterion, DenseModel, Divergence, Ended, Event, Happening, HostLearner,
    Interrupt, Learner, Lesson, Observer, Off, Outcome, Parameters, Reaction, Run, Selection,
    StepReport, TrainError, Trainable, TrainingSettings, Unobserved, Validator, read_events,
};

/// Threads of a learner, where a test does not say.
const THREADS: usize = 2;

/// Sentences that are translated by themselves, and what is learned from them.
struct Task {
    vocabulary: Vocabulary,
    corpus: EncodedCorpus,
    lines: Vec<String>,
    interrupt: Interrupt,
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
        Task { vocabulary, corpus, lines, interrupt: Interrupt::default() }
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
        start: DenseModel,
    ) -> Result<Outcome, TrainError> {
        self.train_observed(folder, settings, start, &Unobserved)
    }

    fn train_observed(
        &self,
        folder: &Path,
        settings: &TrainingSettings,
        start: DenseModel,
        observer: &dyn Observer,
    ) -> Result<Outcome, TrainError> {
        let translator = TranslatorOptions::default();
        let pair =
            VocabularyPair { source: self.vocabulary.clone(), target: self.vocabulary.clone() };
        let vocabularies = Arc::new(pair);
        let validator = Validator {
            corpus: &self.corpus,
            references: &self.lines,
            vocabularies: &vocabularies,
            translator: &translator,
        };
        let run = Run {
            name: "test",
            corpus: &self.corpus,
            pairs: self.corpus.len(),
            validator: &validator,
            settings,
            seed: 5,
            inputs: "toy",
            folder,
            observer,
            interrupt: &self.interrupt,
            save_model: &|model, folder| Ok(native::save(model, folder)?),
        };
        run.train(&mut self.learner(start, None, settings))
    }

    fn train(&self, folder: &Path, settings: &TrainingSettings) -> Result<Outcome, TrainError> {
        self.train_from(folder, settings, self.model())
    }

    fn learner<'a>(
        &'a self,
        start: DenseModel,
        teacher: Option<&'a Model<Dense<f32>>>,
        settings: &'a TrainingSettings,
    ) -> HostLearner<'a> {
        let lesson = Lesson { corpus: &self.corpus, teacher, settings, seed: 5 };
        HostLearner::start(Box::new(start), lesson, THREADS).unwrap_or_else(|e| panic!("{e}"))
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

/// One update from these batches, and what it left.
fn step(
    task: &Task,
    batches: &[(usize, usize)],
    settings: &TrainingSettings,
) -> (StepReport, Parameters) {
    let batches: Vec<Vec<usize>> =
        batches.iter().map(|(first, end)| (*first..*end).collect()).collect();
    let mut learner = task.learner(task.model(), None, settings);
    let report = learner.update(&batches, 1).unwrap();
    (report, learner.state().unwrap().into_owned())
}

/// After one step Adam's first moment is `(1 - beta1)` times the gradient that it was given.
fn gradient_norm(parameters: &Parameters) -> f64 {
    let squares = parameters.first_moments.iter().map(|moment| f64::from(*moment).powi(2));
    squares.sum::<f64>().sqrt() / (1.0 - settings().adam_betas[0])
}

#[test]
fn a_long_gradient_is_clipped_to_the_limit_and_counted() {
    let task = Task::new();
    let batch = [(0, 20)];
    let (free, moments) = step(&task, &batch, &settings());
    assert_eq!(free.clipping, Clipping::Unchanged);
    assert!((gradient_norm(&moments) - free.gradient_norm).abs() < 1e-4 * free.gradient_norm);

    let limit = free.gradient_norm / 2.0;
    let limited = TrainingSettings { clip_norm: limit, ..settings() };
    let (clipped, moments) = step(&task, &batch, &limited);
    assert_eq!(clipped.clipping, Clipping::Clipped);
    assert_eq!(clipped.gradient_norm, free.gradient_norm);
    assert!((gradient_norm(&moments) - limit).abs() < 1e-4 * limit);

    let generous = TrainingSettings { clip_norm: 2.0 * free.gradient_norm, ..settings() };
    assert_eq!(step(&task, &batch, &generous).0.clipping, Clipping::Unchanged);

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
    let (expected, large) = step(&task, &[(0, 30)], &settings());
    let accumulated = TrainingSettings { accumulation: 2, ..settings() };
    let (found, small) = step(&task, &[(0, 11), (11, 30)], &accumulated);
    assert_eq!(found.loss.tokens, expected.loss.tokens);
    assert!((found.loss.smoothed - expected.loss.smoothed).abs() < 1e-3);
    let pairs = || large.first_moments.iter().zip(&small.first_moments);
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
    // Snapshots are taken after 4, 8 and 12 updates; the last two are averaged. While the loss falls steadily
    // the average is behind the last update, and is not handed on.
    assert_eq!(run("average", Selection::Average, 12), twelve);
    assert_ne!(eight, twelve);
}

/// Near the end of training, where the rate is high and the loss jumps up and down, an average is better.
#[test]
fn an_average_is_handed_on_if_it_is_the_best() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainingSettings {
        updates: 300,
        // Few sentences a batch, and a rate that is highest at the end.
        max_tokens: 24,
        learning_rate: 0.1,
        warm_up: 300,
        snapshot_every: 2,
        average_last: 10,
        validate_every: 300,
        checkpoint_every: 300,
        ..settings()
    };
    let outcome = task.train(folder.path(), &settings).unwrap();
    let selected = &outcome.selected;
    assert_eq!(selected.candidate, Candidate::Average(10), "{selected:?}");
    let [(Candidate::Last(300), last)] = selected.others[..] else { panic!("{selected:?}") };
    assert!(selected.judgement.loss < last.loss, "{selected:?}");
    // It is the mean of the snapshots that were kept.
    let mut mean = vec![0.0; slices(&outcome.model).iter().flatten().count()];
    for updates in (282..=300).step_by(2) {
        let path = folder.path().join(format!("snapshots/{updates}.safetensors"));
        let (tensors, _) = wdistill_formats::read_tensors(&path).unwrap();
        let slots = outcome.model.weights.slices();
        let values = slots.iter().flat_map(|(slot, _)| tensors[&slot.to_string()].data.clone());
        mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += f64::from(value) / 10.0);
    }
    let found = slices(&outcome.model);
    for (found, mean) in found.iter().flatten().zip(mean) {
        assert!((f64::from(*found) - mean).abs() < 1e-6);
    }

    // A snapshot that is gone or damaged is left out of the average, and the run still ends.
    std::fs::remove_file(folder.path().join("snapshots/300.safetensors")).unwrap();
    std::fs::write(folder.path().join("snapshots/298.safetensors"), "damaged").unwrap();
    let fewer = task.train(folder.path(), &settings).unwrap().selected;
    assert_eq!(fewer.candidate, Candidate::Average(8));
}

/// BLEU stays 0.00 while the loss falls: no reason to stop, and the last model is the best.
#[test]
fn on_equal_bleu_the_lower_loss_is_progress() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainingSettings {
        criterion: Criterion::Bleu,
        selection: Selection::Best,
        patience: 2,
        validate_every: 1,
        ..settings()
    };
    let outcome = task.train(folder.path(), &settings).unwrap();
    let events = read_events(&folder.path().join("metrics.jsonl")).unwrap();
    let is_zero = |event: &Event| match event {
        Event::Validation(event) => event.bleu == Some(0.0) && event.chrf.is_some(),
        Event::Training(_) => true,
    };
    assert!(events.iter().all(is_zero));
    assert_eq!((outcome.ended, outcome.updates), (Ended::Finished, 12));
    assert_eq!(outcome.selected.candidate, Candidate::Last(12));
}

#[test]
fn a_diverged_run_ends_with_an_error() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, divergence: Divergence| {
        let settings = TrainingSettings {
            updates: 60,
            learning_rate: 300.0,
            validate_every: 10,
            divergence,
            ..settings()
        };
        task.train(&folder.path().join(name), &settings)
    };
    let Err(error) = run("validated", Divergence::After(1000)) else { panic!("accepted") };
    assert!(matches!(error, TrainError::Diverged { update: 10, .. }), "{error}");
    assert!(error.to_string().contains("a guess that knows nothing of the 290 words"), "{error}");
    // What came apart is handed on in no way, and the error names the training.
    assert!(!folder.path().join("validated/best").exists());
    assert!(error.to_string().starts_with("test: update 10: "), "{error}");
    let Err(error) = run("watched", Divergence::After(3)) else { panic!("accepted") };
    assert!(error.to_string().contains("for 3 updates the training loss"), "{error}");
    assert_eq!(run("off", Divergence::Off(Off::Off)).unwrap().updates, 60);
}

/// No validation after the warm-up sees it, and no thousand updates.
#[test]
fn a_short_run_that_came_apart_hands_nothing_on() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let settings =
        TrainingSettings { updates: 30, warm_up: 100, learning_rate: 300.0, ..settings() };
    let Err(error) = task.train(folder.path(), &settings) else { panic!("handed on") };
    assert!(matches!(error, TrainError::Diverged { update: 30, .. }), "{error}");
}

/// Keeps what it is told of starts.
#[derive(Default)]
struct Starts(std::cell::RefCell<Vec<String>>);

impl Observer for Starts {
    fn observe(&self, happening: Happening<'_>) {
        match happening {
            Happening::Resumed { updates } => self.0.borrow_mut().push(format!("after {updates}")),
            Happening::StartsAgain { .. } => self.0.borrow_mut().push("again".to_string()),
            _ => {}
        }
    }
}

#[test]
fn a_run_whose_checkpoint_is_gone_says_that_it_starts_again() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let train = |updates: u64| {
        let starts = Starts::default();
        let settings = TrainingSettings { updates, ..settings() };
        let outcome = task.train_observed(folder.path(), &settings, task.model(), &starts);
        (slices(&outcome.unwrap().model), starts.0.into_inner())
    };
    let (whole, said) = train(12);
    assert!(said.is_empty());
    assert_eq!(train(12).1, ["after 12"]);
    std::fs::remove_file(folder.path().join("checkpoint.safetensors")).unwrap();
    let (again, said) = train(12);
    assert_eq!(said, ["again"]);
    assert!(again == whole);
}

#[test]
fn an_interrupted_run_saves_its_last_update_and_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainingSettings { checkpoint_every: 1000, ..settings() };
    let whole = Task::new().train(&folder.path().join("whole"), &settings).unwrap();
    let cut = folder.path().join("cut");
    let mut task = Task::new();
    // The wish is there before the run: it ends after its first update.
    let _ = task.interrupt.ask(15);
    let Err(error) = task.train(&cut, &settings) else { panic!("not interrupted") };
    assert!(matches!(error, TrainError::Interrupted { signal: 15 }), "{error}");
    assert!(cut.join("checkpoint.safetensors").exists());
    assert_eq!(task.interrupt.ask(15), Reaction::EndNow);
    task.interrupt = Interrupt::default();
    let again = task.train(&cut, &settings).unwrap();
    assert!(slices(&again.model) == slices(&whole.model));
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

/// Values after three updates with so many shares and threads.
fn after(task: &Task, shares: usize, threads: usize) -> Vec<f32> {
    let settings = TrainingSettings { shares, ..settings() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let lesson = Lesson { corpus: &task.corpus, teacher: None, settings: &settings, seed: 1 };
        let mut learner = HostLearner::start(Box::new(task.model()), lesson, threads)
            .unwrap_or_else(|e| panic!("{e}"));
        for number in 1..4 {
            learner.update(&[(0..30).collect()], number).unwrap();
        }
        learner.state().unwrap().values.clone()
    })
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let task = Task::new();
    for shares in [1, 2, 4] {
        let one = after(&task, shares, 1);
        assert!(one == after(&task, shares, 2), "{shares} shares");
        assert!(one == after(&task, shares, 5), "{shares} shares");
    }
}

#[test]
fn other_shares_give_the_same_gradient_up_to_rounding() {
    let task = Task::new();
    let moments = |shares: usize| {
        let settings = TrainingSettings { shares, ..settings() };
        step(&task, &[(0, 30)], &settings).1.first_moments
    };
    let two = moments(2);
    let largest = two.iter().fold(0.0f32, |most, moment| most.max(moment.abs()));
    for shares in [1, 4, 8] {
        let others = moments(shares);
        assert!(others != two, "{shares} shares");
        let mut pairs = two.iter().zip(&others);
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-4 * largest), "{shares} shares");
    }
    let three = TrainingSettings { shares: 3, ..settings() };
    assert_eq!(three.problems(), ["shares is 3, expected a power of two up to 1024"]);
}

/// What a learner gives is what another of its kind goes on from.
#[test]
fn a_learner_goes_on_from_anothers_state() {
    let task = Task::new();
    let settings = settings();
    let mut one = task.learner(task.model(), None, &settings);
    let batch = [(0..30).collect::<Vec<usize>>()];
    one.update(&batch, 1).unwrap();
    let state = one.state().unwrap().into_owned();
    one.update(&batch, 2).unwrap();
    let mut other = task.learner(task.model(), None, &settings);
    other.restore(state).unwrap();
    other.update(&batch, 2).unwrap();
    assert!(one.state().unwrap() == other.state().unwrap());
    assert!(slices(one.model().unwrap()) == slices(other.model().unwrap()));
}

/// A student that already is its teacher has nothing to learn from the teacher's distribution: with all the
/// weight on it, the gradient vanishes.
#[test]
fn a_student_that_is_its_teacher_learns_nothing_from_it() {
    let task = Task::new();
    let teacher = task.model();
    let norm = |word_distillation: f64| {
        let settings = TrainingSettings { word_distillation, ..settings() };
        let teacher = (word_distillation > 0.0).then_some(teacher.model());
        let mut learner = task.learner(task.model(), teacher, &settings);
        learner.update(&[(0..30).collect()], 1).unwrap().gradient_norm
    };
    let whole = norm(0.0);
    assert!(norm(1.0) < 1e-5 * whole, "{} of {whole}", norm(1.0));
    assert!((norm(0.5) - whole / 2.0).abs() < 1e-4 * whole, "{} of {whole}", norm(0.5));
}

#[test]
fn a_teacher_and_its_weight_come_together() {
    let task = Task::new();
    let settings = TrainingSettings { word_distillation: 0.5, ..settings() };
    let lesson = Lesson { corpus: &task.corpus, teacher: None, settings: &settings, seed: 1 };
    let learner = HostLearner::start(Box::new(task.model()), lesson, THREADS);
    assert!(matches!(learner.err(), Some(TrainError::Settings { .. })));
}
