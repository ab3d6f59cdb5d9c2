//! The training loop on a toy corpus: clipping, accumulation, early stopping, selection, checkpoints.

use std::path::Path;
use std::sync::Arc;

use wdistill_autograd::Gradients;
use wdistill_formats::native;
use wdistill_model::{
    Architecture, Config, DecoderStart, Dense, DropoutRates, Model, Vocabularies,
};
use wdistill_runtime::TranslatorOptions;
use wdistill_text::{EncodedCorpus, SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
use wdistill_train::{
    Batch, Candidate, Clipping, Criterion, DenseModel, Display, Divergence, Ended, Event,
    Interrupt, Moments, Off, Outcome, Reaction, Run, Selection, StepReport, Team, TrainError,
    Trainable, TrainingSettings, Update, Validator, WordTeacher, optimiser_step, read_events,
    shares,
};

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
        mut start: DenseModel,
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
            teacher: None,
            validator: &validator,
            settings,
            seed: 5,
            inputs: "toy",
            folder,
            display: Display::Silent,
            interrupt: &self.interrupt,
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
