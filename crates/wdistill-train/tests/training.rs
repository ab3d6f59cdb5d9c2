//! The training loop on a toy corpus: early stopping, selection, checkpoints, what it says.

mod task;

use std::cell::RefCell;

use task::{Task, settings, slices};
use wdistill_base::Precision;
use wdistill_train::{
    Candidate, Criterion, Divergence, Ended, Event, Happening, Interrupt, Observer, Off, Optimiser,
    Outcome, Reaction, Schedule, Selection, TrainError, TrainingSettings,
};

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
    let is_zero = |event: &Event| match event {
        Event::Validation(event) => event.bleu == Some(0.0) && event.chrf.is_some(),
        Event::Training(_) => true,
    };
    assert!(outcome.events.iter().all(is_zero));
    assert_eq!((outcome.ended, outcome.updates), (Ended::Finished, 12));
    assert_eq!(outcome.selected.candidate, Candidate::Last(12));
}

/// Sentences are copied after some hundred updates; chrF and BLEU rise on the way, and not always together.
#[test]
fn the_criterion_says_what_is_compared() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let run = |criterion: Criterion| {
        let settings = TrainingSettings {
            updates: 100,
            learning_rate: 1e-2,
            validate_every: 10,
            criterion,
            selection: Selection::Best,
            ..settings()
        };
        task.train(&folder.path().join(criterion.name()), &settings).unwrap()
    };
    let (by_bleu, by_chrf) = (run(Criterion::Bleu), run(Criterion::Chrf));
    // Training does not depend on the criterion, and each validation knows both scores.
    let scores = |outcome: &Outcome| -> Vec<(u64, f64, f64)> {
        let validations = outcome.events.iter().filter_map(|event| match event {
            Event::Validation(event) => Some((event.updates, event.bleu?, event.chrf?)),
            Event::Training(_) => None,
        });
        validations.collect()
    };
    let all = scores(&by_chrf);
    assert_eq!((all.len(), scores(&by_bleu)), (10, all.clone()));
    let best = all.iter().map(|(.., chrf)| *chrf).fold(0.0, f64::max);
    let first = |score: f64| all.iter().find(|(.., chrf)| *chrf == score).unwrap();
    let selected = by_chrf.selected;
    assert!(best > 0.0 && first(best).1 != best, "{all:?}");
    assert_eq!((selected.criterion, selected.judgement.score), (Criterion::Chrf, Some(best)));
    assert!(selected.in_words().contains(&format!("chrF {best:.2}")), "{}", selected.in_words());
}

#[test]
fn weights_that_know_less_than_a_guess_are_handed_on_with_a_word() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str, settings: &TrainingSettings| {
        let told = Told::default();
        let path = folder.path().join(name);
        task.train_observed(&path, settings, task.model(), &told).unwrap();
        told.0.into_inner()
    };
    // One update from random numbers: the loss is near that of a uniform guess, ln(290) = 5.670, and above it.
    let short = TrainingSettings { updates: 1, learning_rate: 1e-9, ..settings() };
    let said = told("short", &short);
    assert!(said.len() == 1 && said[0].contains("has 5.670"), "{said:?}");
    let long = TrainingSettings { updates: 60, learning_rate: 1e-2, ..settings() };
    assert!(told("long", &long).is_empty());
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

/// Keeps what it is told of starts, and of weights that know nothing.
#[derive(Default)]
struct Told(RefCell<Vec<String>>);

impl Observer for Told {
    fn observe(&self, happening: Happening<'_>) {
        match happening {
            Happening::Resumed { updates } => self.0.borrow_mut().push(format!("after {updates}")),
            Happening::StartsAgain { .. } => self.0.borrow_mut().push("again".to_string()),
            Happening::KnowsNothing { problem } => self.0.borrow_mut().push(problem),
            _ => {}
        }
    }
}

#[test]
fn a_run_whose_checkpoint_is_gone_says_that_it_starts_again() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let train = |updates: u64| {
        let told = Told::default();
        let settings = TrainingSettings { updates, ..settings() };
        let outcome = task.train_observed(folder.path(), &settings, task.model(), &told);
        (slices(&outcome.unwrap().model), told.0.into_inner())
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

/// Near the end of training, where the loss jumps up and down, a moving average is better; and it is part of what a run
/// that was cut off goes on from.
#[test]
fn a_moving_average_is_handed_on_and_survives_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainingSettings {
        updates: 300,
        max_tokens: 24,
        learning_rate: 0.1,
        warm_up: 300,
        validate_every: 300,
        checkpoint_every: 1000,
        selection: Selection::MovingAverage,
        moving_average_decay: 0.9,
        ..settings()
    };
    let whole = Task::new().train(&folder.path().join("whole"), &settings).unwrap();
    let selected = &whole.selected;
    assert_eq!(selected.candidate, Candidate::MovingAverage, "{selected:?}");
    let [(Candidate::Last(300), last)] = selected.others[..] else { panic!("{selected:?}") };
    assert!(selected.judgement.loss < last.loss, "{selected:?}");

    let mut task = Task::new();
    let cut = folder.path().join("cut");
    let _ = task.interrupt.ask(15);
    assert!(task.train(&cut, &settings).is_err());
    task.interrupt = Interrupt::default();
    let again = task.train(&cut, &settings).unwrap();
    assert!(slices(&again.model) == slices(&whole.model));
}

/// Asks for the end when a validation after so many updates is done.
struct EndsAfter(u64, Interrupt);

impl Observer for EndsAfter {
    fn observe(&self, happening: Happening<'_>) {
        if let Happening::Validated(event) = happening
            && event.updates == self.0
        {
            let _ = self.1.ask(15);
        }
    }
}

/// Everything that an update depends on is in a checkpoint: moments, a moving average, what a plateau has made of the rate.
#[test]
fn every_optimiser_and_schedule_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let plain = TrainingSettings {
        updates: 80,
        max_tokens: 24,
        learning_rate: 0.05,
        validate_every: 10,
        log_every: 10,
        checkpoint_every: 1000,
        selection: Selection::Last,
        ..settings()
    };
    let decay = |optimiser| TrainingSettings { optimiser, weight_decay: 0.1, ..plain.clone() };
    let scheduled =
        |schedule| TrainingSettings { schedule, plateau_validations: 1, ..plain.clone() };
    let average = Selection::MovingAverage;
    let all = [
        ("adamw", decay(Optimiser::Adam)),
        ("muon", decay(Optimiser::Muon)),
        ("average", TrainingSettings { selection: average, ..decay(Optimiser::Adam) }),
        ("linear", scheduled(Schedule::Linear)),
        ("cosine", scheduled(Schedule::Cosine)),
        ("constant", scheduled(Schedule::Constant)),
        ("plateau", TrainingSettings { learning_rate: 0.3, ..scheduled(Schedule::Plateau) }),
        ("bf16", TrainingSettings { precision: Precision::Bfloat16, ..plain.clone() }),
        ("frozen", TrainingSettings { freeze: vec!["*.bias".to_string()], ..plain.clone() }),
    ];
    for (name, settings) in all {
        let rates = |outcome: &Outcome| -> Vec<f64> {
            let trainings = outcome.events.iter().filter_map(|event| match event {
                Event::Training(event) => Some(event.learning_rate),
                Event::Validation(_) => None,
            });
            trainings.collect()
        };
        let whole = Task::new().train(&folder.path().join(name), &settings).unwrap();
        let mut task = Task::new();
        let cut = folder.path().join(format!("{name}-cut"));
        let observer = EndsAfter(50, task.interrupt.clone());
        assert!(task.train_observed(&cut, &settings, task.model(), &observer).is_err());
        task.interrupt = Interrupt::default();
        let again = task.train(&cut, &settings).unwrap();
        assert!(slices(&again.model) == slices(&whole.model), "{name}");
        assert_eq!(rates(&again), rates(&whole), "{name}");
        if settings.schedule == Schedule::Plateau {
            // It fell before the end that was asked for, and after it.
            let rates = rates(&whole);
            assert!(rates[4] < 0.3 && rates[7] < rates[4], "{rates:?}");
        }
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

/// The checksum of a file of tensors is one of its numbers; a state is text.
#[test]
fn a_state_that_was_changed_is_refused() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    task.train(folder.path(), &settings()).unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = b"stale_validations";
    let at = bytes.windows(place.len()).position(|bytes| bytes == place).unwrap();
    let digit = bytes[at..].iter_mut().find(|byte| byte.is_ascii_digit()).unwrap();
    *digit ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Err(error) = task.train(folder.path(), &settings()) else { panic!("accepted") };
    assert!(error.to_string().contains("its state is not what was written"), "{error}");
}

/// A run remembers the lines of its log: a lost or changed file costs nothing.
#[test]
fn the_log_of_a_resumed_run_is_whole_again() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let events = task.train(folder.path(), &settings()).unwrap().events;
    let path = folder.path().join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    // Training at 3, 6, 9, 12; validations at 4, 8, 12.
    assert_eq!((events.len(), text.lines().count()), (7, 7));
    for damage in ["", "nonsense"] {
        std::fs::write(&path, damage).unwrap();
        assert!(task.train(folder.path(), &settings()).unwrap().events == events);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let mut model = task.model();
    model.weights.encoder.layers[0].feed_forward.up.bias[0] = f32::NAN;
    let Err(error) = task.train_from(folder.path(), &settings(), model) else { panic!("accepted") };
    assert!(matches!(error, TrainError::Diverged { update: 1, .. }), "{error}");
}
