//! Training by several ranks, here threads of one program: the same bits for every number of them.

mod task;

use std::sync::atomic::{AtomicUsize, Ordering};

use task::{Task, settings, slices};
use wdistill_base::Problem;
use wdistill_generator::{ParameterGenerator, Start};
use wdistill_model::{Config, Dense, DropoutRates, Model};
use wdistill_text::{EncodedCorpus, LexicalTable, Link};
use wdistill_train::{
    Clipping, Criterion, Event, Guide, Happening, HostLearner, Interrupt, Learner, Lesson,
    Observer, Optimiser, Outcome, Parameters, Ranks, Selection, TrainError, Trainee,
    TrainingSettings, Weights, answer, ask, dismiss, follow, threads,
};

/// What rank 0 of several makes, and how the others end.
fn led<T>(
    ranks: Vec<Box<dyn Ranks>>,
    lead: impl FnOnce(&dyn Ranks) -> T,
) -> (T, Vec<Result<(), String>>) {
    let mut ranks = ranks.into_iter();
    let first = ranks.next().unwrap();
    std::thread::scope(|scope| {
        let run = |ranks: Box<dyn Ranks>| {
            scope.spawn(move || {
                let mut echo = |question: &[u8]| match question {
                    [b'?', ..] => Err(Problem::from("no such question")),
                    other => Ok(other.to_vec()),
                };
                follow(&*ranks, 1, &mut echo).map_err(|error| error.to_string())
            })
        };
        let running: Vec<_> = ranks.map(run).collect();
        let made = lead(&*first);
        dismiss(&*first);
        drop(first);
        (made, running.into_iter().map(|thread| thread.join().unwrap()).collect())
    })
}

fn boxed(count: usize) -> Vec<Box<dyn Ranks>> {
    threads(count).into_iter().map(|ranks| Box::new(ranks) as Box<dyn Ranks>).collect()
}

/// What rank 0 of so many makes; nobody has an error.
fn among<T>(count: usize, lead: impl FnOnce(&dyn Ranks) -> T) -> T {
    let (made, ends) = led(boxed(count), lead);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    made
}

fn with_dropout(model: Model<Dense<f32>>) -> Model<Dense<f32>> {
    let mut config = model.config.clone();
    config.architecture.dropout = DropoutRates { residual: 0.2, ..DropoutRates::NONE };
    Model { config, ..model }
}

/// Batches of an update; the second has fewer pairs than there are shares.
fn batches(task: &Task, number: u64) -> Vec<EncodedCorpus> {
    let first = number as usize;
    let part = |pairs: std::ops::Range<usize>| task.corpus.select(&pairs.collect::<Vec<_>>());
    vec![part(first..first + 20), part(30..33)]
}

fn four_shares() -> TrainingSettings {
    TrainingSettings {
        shares: 4,
        accumulation: 2,
        clip_norm: 0.5,
        selection: Selection::MovingAverage,
        moving_average_decay: 0.5,
        ..settings()
    }
}

/// Everything that three updates leave, to the bit.
#[derive(Debug, PartialEq)]
struct Left {
    state: Parameters,
    reports: Vec<(u64, u64, u64, Clipping)>,
    losses: [u64; 2],
    averaged: Vec<Vec<f32>>,
}

fn left(
    task: &Task,
    ranks: &dyn Ranks,
    trainee: Trainee,
    teacher: Option<&Model<Dense<f32>>>,
    settings: &TrainingSettings,
) -> Left {
    left_of(task, ranks, trainee, Lesson { teacher, guide: None, settings, seed: 3 })
}

fn left_of(task: &Task, ranks: &dyn Ranks, trainee: Trainee, lesson: Lesson<'_>) -> Left {
    let mut learner =
        HostLearner::over(ranks, trainee, lesson, 2).unwrap_or_else(|e| panic!("{e}"));
    let update = |learner: &mut HostLearner<'_>, number| {
        let report = learner.update(&batches(task, number), number).unwrap();
        let [loss, inside] = [report.loss.smoothed, report.loss.inside].map(f64::to_bits);
        (loss, inside, report.gradient_norm.to_bits(), report.clipping)
    };
    let mut reports: Vec<_> = (1..3).map(|number| update(&mut learner, number)).collect();
    // As a schedule that waits for validations does.
    learner.scale_rate(0.3).unwrap();
    // What one gives another goes on from.
    let state = learner.state().unwrap().into_owned();
    let zeros = |buffer: &[f32]| vec![0.0; buffer.len()];
    learner.restore(Parameters { values: zeros(&state.values), ..state.clone() }).unwrap();
    learner.restore(state).unwrap();
    reports.push(update(&mut learner, 3));
    let averaged = learner.averaged_model().unwrap().unwrap();
    let losses = [Weights::Of(&averaged), Weights::Current]
        .map(|weights| learner.loss(weights, &task.corpus).unwrap().smoothed.to_bits());
    let state = learner.state().unwrap().into_owned();
    Left { state, reports, losses, averaged: slices(&averaged) }
}

#[test]
fn any_number_of_ranks_has_the_same_bits() {
    let task = Task::new();
    let decayed = TrainingSettings { weight_decay: 0.3, ..four_shares() };
    let muon = TrainingSettings { optimiser: Optimiser::Muon, ..decayed.clone() };
    let frozen = TrainingSettings { freeze: vec!["encoder.*".to_string()], ..muon.clone() };
    for settings in [four_shares(), decayed, muon, frozen] {
        let run = |count: usize| {
            let trainee = Trainee::weights(with_dropout(task.model()));
            among(count, |ranks| left(&task, ranks, trainee, None, &settings))
        };
        let alone = run(1);
        assert!(alone.reports.iter().any(|report| report.3 == Clipping::Clipped));
        for count in [2, 4] {
            assert!(run(count) == alone, "{count} ranks, {:?}", settings.optimiser);
        }
    }
}

/// Links of every other pair, its first tokens one by one; the alignments of the others are IBM model 1's.
#[test]
fn word_alignments_give_the_same_bits_too() {
    let mut task = Task::new();
    let settings = TrainingSettings { guided_alignment: 0.3, ..four_shares() };
    let pairs = (0..task.corpus.len()).map(|pair| task.corpus.pair(pair));
    let pairs: Vec<_> = pairs.map(|(source, target)| (source.to_vec(), target.to_vec())).collect();
    let size = task.vocabulary.size();
    let guide = Guide::new(&LexicalTable::learn(&pairs, size, 3, &mut |_| {}));
    let links: Vec<Option<[Link; 2]>> =
        (0..pairs.len()).map(|pair| (pair % 2 == 1).then_some([[0, 0], [1, 1]])).collect();
    let run = |task: &Task, count: usize| {
        let trainee = Trainee::weights(with_dropout(task.model()));
        among(count, |ranks| {
            let lesson =
                Lesson { teacher: None, guide: Some(&guide), settings: &settings, seed: 3 };
            left_of(task, ranks, trainee, lesson)
        })
    };
    let estimated = run(&task, 1);
    task.corpus = task.corpus.with_links(links.iter().map(|links| links.as_ref().map(|l| &l[..])));
    let alone = run(&task, 1);
    assert!(alone.reports.iter().all(|report| f64::from_bits(report.1) > 0.0));
    assert!(alone.state != estimated.state, "what is given counts");
    for count in [2, 4] {
        assert!(run(&task, count) == alone, "{count} ranks");
    }
}

/// The first phase: a generator, whose student also learns of its teacher's words and states.
#[test]
fn a_generator_has_the_same_bits_too() {
    let task = Task::new();
    let teacher = task.model();
    let config = Config {
        architecture: teacher.config.architecture.with_one_decoder_layer(),
        ..with_dropout(task.model()).config
    };
    let settings = TrainingSettings { word_distillation: 0.5, ..four_shares() };
    for optimiser in [Optimiser::Adam, Optimiser::Muon] {
        let settings = TrainingSettings { optimiser, ..settings.clone() };
        let run = |count: usize| {
            let generator = ParameterGenerator::grow(&teacher, &config, Start::Xavier, 7).unwrap();
            let trainee = Trainee::generator(generator);
            among(count, |ranks| left(&task, ranks, trainee, Some(&teacher), &settings))
        };
        let alone = run(1);
        for count in [2, 4] {
            assert!(run(count) == alone, "{count} ranks, {optimiser:?}");
        }
    }
}

/// Asks for the end after some updates.
struct EndsAfter<'i>(u64, &'i Interrupt);

impl Observer for EndsAfter<'_> {
    fn observe(&self, happening: Happening<'_>) {
        if let Happening::Updated { event, .. } = happening
            && event.updates == self.0
        {
            self.1.ask(15);
        }
    }
}

/// BLEU, chrF and loss of every validation.
fn scores(outcome: &Outcome) -> Vec<(f64, f64, f64)> {
    let validations = outcome.events.iter().filter_map(|event| match event {
        Event::Validation(event) => Some((event.bleu?, event.chrf?, event.loss)),
        Event::Training(_) => None,
    });
    validations.collect()
}

#[test]
fn what_four_began_one_or_two_go_on_with() {
    let task = Task::new();
    // What is handed on depends on decoded text too.
    let settings = TrainingSettings { criterion: Criterion::Chrf, ..four_shares() };
    let start = || Trainee::weights(with_dropout(task.model()));
    let train = |count: usize, folder: &std::path::Path, end: u64| {
        let interrupt = Interrupt::default();
        let observer = EndsAfter(end, &interrupt);
        among(count, |ranks| {
            let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 5 };
            let mut learner = HostLearner::over(ranks, start(), lesson, 1)?;
            task.train_with(folder, &settings, &observer, &interrupt, &mut learner)
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let whole = train(1, &folder.path().join("alone"), 100).unwrap();
    for (first, second) in [(4, 1), (4, 2), (1, 4)] {
        let folder = folder.path().join(format!("{first}-{second}"));
        let cut = train(first, &folder, 7);
        assert!(matches!(cut, Err(TrainError::Interrupted { .. })));
        let resumed = train(second, &folder, 100).unwrap();
        assert!(scores(&resumed) == scores(&whole) && !scores(&whole).is_empty());
        assert!(slices(&resumed.model) == slices(&whole.model), "{first}, then {second}");
    }
}

/// A rank whose line is cut after so many exchanges of numbers.
#[derive(Debug)]
struct Failing {
    inner: Box<dyn Ranks>,
    left: AtomicUsize,
}

impl Ranks for Failing {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn count(&self) -> usize {
        self.inner.count()
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), TrainError> {
        self.inner.send(to, message)
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, TrainError> {
        self.inner.receive(from)
    }

    fn swap(&self, with: usize, outgoing: &[f32], incoming: &mut [f32]) -> Result<(), TrainError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            let problem = "its line was cut".into();
            return Err(TrainError::Rank { name: "rank 3".to_string(), problem });
        }
        self.inner.swap(with, outgoing, incoming)
    }
}

/// Whoever waits for one that has gone ends too, and the first rank has one error.
#[test]
fn one_that_is_lost_ends_all() {
    let task = Task::new();
    let settings = four_shares();
    let tensors = task.model().weights.slices().len();
    for exchange in [0, 5, 11] {
        let mut ranks = boxed(4);
        let inner = ranks.pop().unwrap();
        // Those of the shipment come first.
        ranks.push(Box::new(Failing { inner, left: AtomicUsize::new(tensors + exchange) }));
        let (result, ends) = led(ranks, |ranks| {
            let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 5 };
            let trainee = Trainee::weights(task.model());
            let mut learner = HostLearner::over(ranks, trainee, lesson, 1)?;
            (1..50)
                .try_for_each(|number| learner.update(&batches(&task, number), number).map(|_| ()))
        });
        let error = result.unwrap_err();
        assert!(matches!(error, TrainError::Rank { .. }), "{error}");
        assert!(ends.iter().any(Result::is_err), "{ends:?}");
    }
}

#[test]
fn ranks_that_cannot_have_the_shares_evenly_are_refused() {
    let task = Task::new();
    let settings = four_shares();
    for count in [3, 8] {
        among(count, |ranks| {
            let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 5 };
            let learner = HostLearner::over(ranks, Trainee::weights(task.model()), lesson, 1);
            let error = learner.err().unwrap().to_string();
            let expected = format!("{count} ranks cannot have shares = 4 evenly; 1, 2, 4 can");
            assert!(error.contains(&expected), "{error}");
        });
    }
}

#[test]
fn questions_are_answered_and_errors_come_back_with_their_rank() {
    among(3, |ranks| {
        ask(ranks, 1, b"one").unwrap();
        ask(ranks, 2, b"?").unwrap();
        assert_eq!(answer(ranks, 1).unwrap(), b"one");
        assert_eq!(answer(ranks, 2).unwrap_err().to_string(), "rank 2: no such question");
    });
}
