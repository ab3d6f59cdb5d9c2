//! The learner on the host: steps, clipping, accumulation, shares, threads, states, a teacher's words.

mod task;

use task::{THREADS, Task, settings, slices};
use wdistill_base::Precision;
use wdistill_model::{Config, Embeddings, Model, NamedRange, Part};
use wdistill_runtime::best_alignment_head;
use wdistill_text::{EncodedCorpus, LexicalTable, Link};
use wdistill_train::{
    Clipping, Event, Guide, HostLearner, Learner, Lesson, Optimiser, Parameters, Selection,
    StepReport, TrainError, Trainee, TrainingSettings, check_inside,
};

/// Some of the task's pairs as a batch.
fn batch(task: &Task, pairs: std::ops::Range<usize>) -> EncodedCorpus {
    task.corpus.select(&pairs.collect::<Vec<_>>())
}

/// One update from these batches, and what it left.
fn step(
    task: &Task,
    batches: &[(usize, usize)],
    settings: &TrainingSettings,
) -> (StepReport, Parameters) {
    let batches: Vec<_> = batches.iter().map(|(first, end)| batch(task, *first..*end)).collect();
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
    let limited = TrainingSettings { clip_norm: 1e-3, ..settings() };
    let outcome = task.train(folder.path(), &limited).unwrap();
    let clipped: Vec<u64> = outcome
        .events
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

/// Values after three updates with so many threads.
fn after(task: &Task, settings: &TrainingSettings, threads: usize) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let lesson = Lesson { teacher: None, guide: None, settings, seed: 1 };
        let mut learner = HostLearner::start(Trainee::weights(task.model()), lesson, threads)
            .unwrap_or_else(|e| panic!("{e}"));
        for number in 1..4 {
            learner.update(&[batch(task, 0..30)], number).unwrap();
        }
        learner.state().unwrap().values.clone()
    })
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let task = Task::new();
    for (shares, optimiser) in
        [(1, Optimiser::Adam), (2, Optimiser::Adam), (4, Optimiser::Adam), (2, Optimiser::Muon)]
    {
        let settings = TrainingSettings { shares, optimiser, ..settings() };
        let one = after(&task, &settings, 1);
        assert!(one == after(&task, &settings, 2), "{shares} shares, {optimiser:?}");
        assert!(one == after(&task, &settings, 5), "{shares} shares, {optimiser:?}");
    }
}

#[test]
fn bits_in_bfloat16_depend_neither_on_threads_nor_on_the_run() {
    let task = Task::new();
    let settings = TrainingSettings { precision: Precision::Bfloat16, ..settings() };
    let one = after(&task, &settings, 1);
    assert!(one == after(&task, &settings, 1) && one == after(&task, &settings, 5));
    let float32 = TrainingSettings { precision: Precision::Float32, ..settings.clone() };
    let is_float32 = one == after(&task, &float32, 1);
    assert_eq!(is_float32, settings.available_precision() == Precision::Float32);
}

/// The gradient's length and the loss in bfloat16 are those of float32 but for the roundings of operands, 2^-9 each; what is
/// learned is as good.
#[test]
fn a_training_in_bfloat16_comes_as_far() {
    let task = Task::new();
    let in_bfloat16 = TrainingSettings { precision: Precision::Bfloat16, ..settings() };
    let [(wide, _), (narrow, _)] =
        [settings(), in_bfloat16].map(|settings| step(&task, &[(0, 30)], &settings));
    let ratio = narrow.loss.smoothed / wide.loss.smoothed;
    assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
    let ratio = narrow.gradient_norm / wide.gradient_norm;
    assert!((ratio - 1.0).abs() < 1e-2, "{ratio}");
    let losses = [Precision::Float32, Precision::Bfloat16].map(|precision| {
        let rate = TrainingSettings { learning_rate: 1e-2, warm_up: 10, ..settings() };
        let settings = TrainingSettings { precision, ..rate };
        let mut learner = task.learner(task.model(), None, &settings);
        let batches = [batch(&task, 0..40)];
        (1..=60).map(|number| learner.update(&batches, number).unwrap().loss.mean()).last().unwrap()
    });
    let [wide, narrow] = losses;
    assert!(wide < 2.0, "{wide}: nothing was learned");
    assert!((wide - narrow).abs() < 0.02, "{losses:?}");
}

/// Muon has the matrices of linear layers, whose updates have nearly one size in all directions; Adam has the rest.
#[test]
fn muon_moves_matrices_and_adam_everything_else() {
    let task = Task::new();
    let settings = TrainingSettings { optimiser: Optimiser::Muon, ..settings() };
    let mut learner = task.learner(task.model(), None, &settings);
    let before = learner.state().unwrap().into_owned();
    learner.update(&[batch(&task, 0..30)], 1).unwrap();
    let after = learner.state().unwrap().into_owned();
    let rate = settings.learning_rate_at(1);
    let mut matrices = 0;
    for named in after.layout.ranges() {
        let NamedRange { name, part, range, .. } = named;
        let of = |buffer: &[f32]| -> Vec<f64> {
            buffer[range.clone()].iter().map(|number| f64::from(*number)).collect()
        };
        let squares = of(&after.second_moments).iter().any(|moment| *moment > 0.0);
        assert_eq!(squares, *part == Part::Numbers, "{name}: {part:?}");
        if *part == Part::LinearMap {
            let moved = of(&after.values).into_iter().zip(of(&before.values));
            let sum: f64 = moved.map(|(after, before)| (after - before).powi(2)).sum();
            let size = (sum / range.len() as f64).sqrt() / rate;
            assert!((0.05..0.25).contains(&size), "{name} moved by {size} of the rate");
            matrices += 1;
        }
    }
    let linear = |name: &str| {
        name.ends_with(".weight") && (name.contains("attention") || name.contains("feed_forward"))
    };
    let names = after.layout.ranges().iter().map(|named| &named.name[..]);
    assert_eq!(matrices, names.filter(|name| linear(name)).count());
}

/// What a decay takes besides the same step: `rate * decay` of each matrix of a linear layer, of nothing else.
#[test]
fn weight_decay_takes_its_part_of_matrices_and_of_nothing_else() {
    let task = Task::new();
    for optimiser in [Optimiser::Adam, Optimiser::Muon] {
        let plain = TrainingSettings { optimiser, ..settings() };
        let decayed = TrainingSettings { weight_decay: 0.5, ..plain.clone() };
        let before = task.learner(task.model(), None, &plain).state().unwrap().into_owned();
        let (_, without) = step(&task, &[(0, 30)], &plain);
        let (_, with) = step(&task, &[(0, 30)], &decayed);
        let taken = 0.5 * plain.learning_rate_at(1);
        for NamedRange { name, part, range, .. } in with.layout.ranges() {
            let share = if *part == Part::LinearMap { taken } else { 0.0 };
            for index in range.clone() {
                let expected =
                    f64::from(without.values[index]) - share * f64::from(before.values[index]);
                let found = f64::from(with.values[index]);
                assert!((found - expected).abs() < 1e-7, "{name}: {found}, expected {expected}");
            }
        }
    }
}

/// What is frozen keeps its bits, its moments stay zero, and it is no part of the gradient's norm, whatever decays; the
/// rest learns.
#[test]
fn what_is_frozen_keeps_its_bits() {
    let task = Task::new();
    for optimiser in [Optimiser::Adam, Optimiser::Muon] {
        let free = TrainingSettings { optimiser, weight_decay: 0.5, ..settings() };
        let freeze = ["encoder.*", "*norm*"].map(str::to_string).to_vec();
        let frozen =
            TrainingSettings { freeze, selection: Selection::MovingAverage, ..free.clone() };
        let (whole, _) = step(&task, &[(0, 30)], &free);
        let mut learner = task.learner(task.model(), None, &frozen);
        let before = learner.state().unwrap().into_owned();
        let report = learner.update(&[batch(&task, 0..30)], 1).unwrap();
        learner.update(&[batch(&task, 0..30)], 2).unwrap();
        let after = learner.state().unwrap().into_owned();
        let mut counts = [0, 0];
        for NamedRange { name, range, .. } in after.layout.ranges() {
            let stays = name.starts_with("encoder.") || name.contains("norm");
            let of = |buffer: &[f32]| buffer[range.clone()].to_vec();
            assert_eq!(of(&before.values) == of(&after.values), stays, "{name}");
            assert_eq!(
                of(&after.first_moments).iter().all(|moment| *moment == 0.0),
                stays,
                "{name}"
            );
            if stays {
                assert!(of(&after.second_moments).iter().all(|moment| *moment == 0.0), "{name}");
                assert!(of(after.averages.as_ref().unwrap()) == of(&before.values), "{name}");
            }
            counts[usize::from(stays)] += 1;
        }
        assert!(counts[0] > 5 && counts[1] > 5, "{counts:?}");
        assert!(report.gradient_norm < whole.gradient_norm);
        assert_eq!(slices(learner.model().unwrap()), {
            let mut model = task.model();
            let values = after.layout.slices(&after.values);
            model.weights.slices_mut().into_iter().zip(values).for_each(|((_, slice), values)| {
                slice.copy_from_slice(values);
            });
            slices(&model)
        });
    }
}

#[test]
fn what_names_no_parameter_cannot_be_frozen() {
    let task = Task::new();
    let settings = TrainingSettings { freeze: vec!["encoder.layer.*".to_string()], ..settings() };
    let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 1 };
    let Err(error) = HostLearner::start(Trainee::weights(task.model()), lesson, THREADS) else {
        panic!("accepted")
    };
    let text = error.to_string();
    assert!(text.contains("\"encoder.layer.*\"; near it are encoder.layers, "), "{text}");
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
    let batch = [batch(&task, 0..30)];
    one.update(&batch, 1).unwrap();
    let state = one.state().unwrap().into_owned();
    one.update(&batch, 2).unwrap();
    let mut other = task.learner(task.model(), None, &settings);
    other.restore(state).unwrap();
    other.update(&batch, 2).unwrap();
    assert!(one.state().unwrap() == other.state().unwrap());
    assert!(slices(one.model().unwrap()) == slices(other.model().unwrap()));
}

/// The moving average of the values that updates leave, from those they began with, kept less at first.
#[test]
fn a_moving_average_is_the_formulas() {
    let task = Task::new();
    let settings = TrainingSettings {
        selection: Selection::MovingAverage,
        moving_average_decay: 0.25,
        ..settings()
    };
    let mut learner = task.learner(task.model(), None, &settings);
    let widened = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
    let mut expected = widened(&learner.state().unwrap().values);
    for (number, decay) in [(1, 2.0 / 11.0), (2, 0.25), (3, 0.25)] {
        learner.update(&[batch(&task, 0..30)], number).unwrap();
        let values = widened(&learner.state().unwrap().values);
        let pairs = expected.iter_mut().zip(values);
        pairs.for_each(|(average, value)| *average = decay * *average + (1.0 - decay) * value);
    }
    let current = slices(learner.model().unwrap());
    let found = slices(&learner.averaged_model().unwrap().unwrap());
    assert!(found != current);
    for (found, expected) in found.iter().flatten().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{found}, expected {expected}");
    }
    // Training goes on from where it was.
    assert!(slices(learner.model().unwrap()) == current);

    let without = TrainingSettings { selection: Selection::Last, ..settings.clone() };
    let mut learner = task.learner(task.model(), None, &without);
    assert!(learner.averaged_model().unwrap().is_none());
}

/// A student that already is its teacher has nothing to learn from the teacher's distribution: with all the
/// weight on it, the gradient vanishes.
#[test]
fn a_student_that_is_its_teacher_learns_nothing_from_it() {
    let task = Task::new();
    let teacher = task.model();
    let norm = |word_distillation: f64| {
        let settings = TrainingSettings { word_distillation, ..settings() };
        let teacher = (word_distillation > 0.0).then_some(&teacher);
        let mut learner = task.learner(task.model(), teacher, &settings);
        learner.update(&[batch(&task, 0..30)], 1).unwrap().gradient_norm
    };
    let whole = norm(0.0);
    assert!(norm(1.0) < 1e-5 * whole, "{} of {whole}", norm(1.0));
    assert!((norm(0.5) - whole / 2.0).abs() < 1e-4 * whole, "{} of {whole}", norm(0.5));
}

/// What a student is told to learn inside its teacher, with weights that make it the most of the loss.
fn inside() -> [TrainingSettings; 2] {
    let settings = TrainingSettings { learning_rate: 1e-2, warm_up: 1, ..settings() };
    [
        TrainingSettings { state_distillation: 10.0, ..settings.clone() },
        TrainingSettings { relation_distillation: 10.0, ..settings },
    ]
}

#[test]
fn inside_a_student_that_is_its_teacher_nothing_is_missed() {
    let task = Task::new();
    let teacher = task.model();
    let update = |teacher, settings: &TrainingSettings| {
        let report =
            task.learner(task.model(), teacher, settings).update(&[batch(&task, 0..30)], 1);
        report.unwrap()
    };
    let without = update(None, &settings());
    for settings in inside() {
        let report = update(Some(&teacher), &settings);
        assert!(report.loss.inside < 1e-6, "{:?}", report.loss);
        assert!((report.gradient_norm - without.gradient_norm).abs() < 1e-5);
        // The words are learned as before.
        assert!((report.loss.smoothed - without.loss.smoothed).abs() < 1e-9);
    }
}

#[test]
fn a_student_comes_to_be_like_its_teacher_inside() {
    let task = Task::new();
    let teacher = Model::initialise(task.model().config, 77);
    for settings in inside() {
        let mut learner = task.learner(task.model(), Some(&teacher), &settings);
        let mut missed = |number| {
            let loss = learner.update(&[batch(&task, 0..30)], number).unwrap().loss;
            loss.inside / loss.tokens as f64
        };
        let first = missed(1);
        (2..40).for_each(|number| {
            missed(number);
        });
        let last = missed(40);
        assert!(first > 0.0 && last < first / 3.0, "{first}, then {last}");
    }
}

#[test]
fn states_of_another_width_are_not_compared() {
    let task = Task::new();
    let teacher = task.model();
    let mut architecture = teacher.config.architecture.clone();
    architecture.decoder.width /= 2;
    architecture.embeddings = Embeddings::Separate;
    let config = Config::new(architecture, teacher.config.vocabularies).unwrap();
    let [states, relations] = inside();
    let error = check_inside(&states, &teacher.config, &config).unwrap_err().to_string();
    assert!(error.contains("the student's decoder has a width of"), "{error}");
    check_inside(&relations, &teacher.config, &config).unwrap();
}

/// The head that is guided becomes the one that aligns words best, and does so better than any head does by itself.
#[test]
fn a_head_learns_the_alignments_that_it_is_given() {
    let task = Task::new();
    let words = |ids: &[u32]| ids[..ids.len() - 1].to_vec();
    let pairs = (0..task.corpus.len()).map(|index| task.corpus.pair(index));
    let pairs: Vec<_> = pairs.map(|(source, target)| (words(source), words(target))).collect();
    let table = LexicalTable::learn(&pairs, task.vocabulary.size(), 5, &mut |_| {});
    let guide = Guide::new(&table);
    let trained = |guided_alignment: f64| {
        let settings = TrainingSettings { guided_alignment, learning_rate: 0.02, ..settings() };
        let guide = Some(&guide).filter(|_| guided_alignment > 0.0);
        let lesson = Lesson { teacher: None, guide, settings: &settings, seed: 1 };
        let mut learner =
            HostLearner::start(Trainee::weights(task.model()), lesson, THREADS).unwrap();
        let mut missed = Vec::new();
        for number in 1..=60 {
            let loss = learner.update(&[batch(&task, 0..40)], number).unwrap().loss;
            missed.push(loss.inside / loss.tokens as f64);
        }
        let best = best_alignment_head(learner.model().unwrap(), &pairs).unwrap();
        (missed, best)
    };
    let (nothing, (_, without)) = trained(0.0);
    let (missed, (head, with)) = trained(1.0);
    assert!(nothing.iter().all(|missed| *missed == 0.0));
    assert!(missed[59] < 0.6 * missed[0], "{} after {}", missed[59], missed[0]);
    assert_eq!((head.layer, head.head), (1, 0));
    assert!(with > without, "{with}, {without} without");
}

/// Links that say that words stand in the same order are learned better from when they are given than they are missed by
/// what IBM model 1 says.
#[test]
fn a_head_learns_the_links_that_are_given() {
    let task = Task::new();
    let pairs = (0..task.corpus.len()).map(|index| task.corpus.pair(index));
    let diagonal: Vec<Vec<Link>> = pairs
        .map(|(source, target)| {
            let words = source.len().min(target.len()) - 1;
            (0..words as u16).map(|word| [word, word]).collect()
        })
        .collect();
    let guide = Guide::new(&LexicalTable::learn(&[], task.vocabulary.size(), 1, &mut |_| {}));
    let corpus = batch(&task, 0..40).with_links(diagonal.iter().map(|links| Some(&links[..])));
    let settings = TrainingSettings { guided_alignment: 1.0, learning_rate: 0.02, ..settings() };
    let missed = |corpus: &EncodedCorpus| -> Vec<f64> {
        let lesson = Lesson { teacher: None, guide: Some(&guide), settings: &settings, seed: 1 };
        let mut learner =
            HostLearner::start(Trainee::weights(task.model()), lesson, THREADS).unwrap();
        let mut update = |number| {
            let loss = learner.update(&[corpus.select(&(0..40).collect::<Vec<_>>())], number);
            let loss = loss.unwrap().loss;
            loss.inside / loss.tokens as f64
        };
        (1..=60).map(&mut update).collect()
    };
    // A table that knows no word says nothing.
    assert!(missed(&batch(&task, 0..40)).iter().all(|missed| *missed == 0.0));
    let missed = missed(&corpus);
    assert!(missed[59] < 0.3 * missed[0], "{} after {}", missed[59], missed[0]);
}

#[test]
fn a_teacher_and_its_weight_come_together() {
    let task = Task::new();
    let settings = TrainingSettings { word_distillation: 0.5, ..settings() };
    let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 1 };
    let learner = HostLearner::start(Trainee::weights(task.model()), lesson, THREADS);
    assert!(matches!(learner.err(), Some(TrainError::Settings { .. })));
    let settings = TrainingSettings { guided_alignment: 0.1, ..crate::settings() };
    let lesson = Lesson { settings: &settings, ..lesson };
    let learner = HostLearner::start(Trainee::weights(task.model()), lesson, THREADS);
    assert!(matches!(learner.err(), Some(TrainError::Settings { .. })));
}
