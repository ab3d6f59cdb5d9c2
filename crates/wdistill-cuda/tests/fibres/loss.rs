//! Cross-entropy. Numbers on a grid of eighths and a table that is the identity make logits that bfloat16 has, so that every
//! difference is the kernel's.

use half::bf16;
use wdistill_cuda::{CrossEntropyGradients, LossTargets, Projection, TeacherDistribution};
use wdistill_kernels as kernels;
use wdistill_kernels::CrossEntropySums;

use crate::support::*;
use crate::tested::{Order, Tested};

fn eighths(seed: u64, length: usize) -> Vec<bf16> {
    random(seed, length).iter().map(|v| bf16::from_f32((v * 32.0).round() as f32 / 8.0)).collect()
}

fn identity(width: usize) -> Vec<bf16> {
    let is_one = |index: usize| index / width == index % width;
    (0..width * width).map(|index| if is_one(index) { bf16::ONE } else { bf16::ZERO }).collect()
}

#[derive(Clone, Copy, Debug)]
struct Case {
    rows: usize,
    words: usize,
    smoothing: f64,
    teacher: Option<f64>,
    has_gradients: bool,
}

const CASES: [Case; 6] = [
    Case { rows: 0, words: 5, smoothing: 0.1, teacher: None, has_gradients: true },
    Case { rows: 1, words: 2, smoothing: 0.0, teacher: None, has_gradients: true },
    Case { rows: 530, words: 37, smoothing: 0.1, teacher: Some(0.5), has_gradients: true },
    Case { rows: 9, words: 300, smoothing: 0.1, teacher: None, has_gradients: true },
    Case { rows: 9, words: 300, smoothing: 0.0, teacher: Some(1.0), has_gradients: true },
    Case { rows: 40, words: 70, smoothing: 0.2, teacher: Some(0.3), has_gradients: false },
];

const FACTOR: f64 = 0.37;

/// What the host says: sums, and the gradients of x, of the table and of the bias.
fn expected(
    case: Case,
    x: &[bf16],
    words: &[u32],
    bias: &[bf16],
    states: &[bf16],
) -> (CrossEntropySums, Vec<f64>) {
    let width = case.words;
    let (table, bias) = (exact(&identity(width)), exact(bias));
    let projection = kernels::Projection {
        table: &table,
        bias: Some(&bias),
        width,
        precision: kernels::Precision::Float32,
    };
    let states = exact(states);
    let teacher = case.teacher.map(|weight| kernels::TeacherDistribution {
        states: &states,
        projection: kernels::Projection {
            table: &table,
            bias: None,
            width,
            precision: kernels::Precision::Float32,
        },
        weight,
    });
    let targets = kernels::LossTargets { words, smoothing: case.smoothing, teacher };
    let mut dx = vec![0.0; x.len()];
    let gradients = kernels::CrossEntropyGradients { input: &mut dx, table: None, bias: None };
    let scratch = &mut Vec::new();
    let x = exact(x);
    let sums = kernels::smoothed_cross_entropy_with_gradients(
        gradients,
        scratch,
        &x,
        &targets,
        &projection,
        FACTOR,
    );
    (sums, dx)
}

fn check(machine: &Machine, case: Case) -> (u64, Vec<u16>) {
    let width = case.words;
    let (x, states) = (eighths(1, case.rows * width), eighths(2, case.rows * width));
    let bias = eighths(3, width);
    // Every other row's target is one of the most probable words, so that some are right.
    let mut words = random_ids(4, case.rows, width);
    for (row, word) in words.iter_mut().enumerate().step_by(2) {
        let logit = |word: &usize| x[row * width + word].to_f64() + bias[*word].to_f64();
        *word = (0..width).max_by(|a, b| logit(a).total_cmp(&logit(b))).unwrap() as u32;
    }
    let [device_x, table, device_bias, device_states] =
        [&x, &identity(width), &bias, &states].map(|numbers| machine.upload(numbers).unwrap());
    let device_words = machine.indices(&words).unwrap();
    let projection = Projection { table: table.part(), bias: Some(device_bias.part()), width };
    let teacher = case.teacher.map(|weight| TeacherDistribution {
        states: device_states.part(),
        projection: Projection { bias: None, ..projection },
        weight,
    });
    let targets = LossTargets { words: &device_words, smoothing: case.smoothing, teacher };
    let dx = fresh::<bf16>(machine, x.len());
    let [dtable, dbias] =
        [width * width, width].map(|length| machine.upload(&vec![0f32; length]).unwrap());
    let gradients = CrossEntropyGradients {
        input: dx.part(),
        table: Some(dtable.part()),
        bias: Some(dbias.part()),
        factor: FACTOR,
    };
    let wanted = case.has_gradients.then_some(&gradients);
    let found = machine
        .cross_entropy(wanted, device_x.part(), &targets, &projection)
        .unwrap()
        .read()
        .unwrap();
    // Sums of exponentials are float32.
    let tolerance = |expected: f64| 1e-6 * expected.abs() + 1e-7 * case.rows as f64;
    let (sums, expected_dx) = expected(case, &x, &words, &bias, &states);
    assert_eq!(found.correct, sums.correct, "{case:?}: correct");
    for (found, expected) in
        [(found.loss, sums.loss), (found.negative_log_likelihood, sums.negative_log_likelihood)]
    {
        assert!(
            (found - expected).abs() <= tolerance(expected),
            "{case:?}: {found}, expected {expected}"
        );
    }
    if !case.has_gradients {
        return (found.loss.to_bits(), Vec::new());
    }
    let found_dx = dx.read().unwrap();
    assert_rounded(&found_dx, &expected_dx, |_| 3e-7, &format!("{case:?}: dx"));
    // The table is the identity: dx are the gradients of the logits as they are stored.
    let slopes = exact(&found_dx);
    let mut expected_table = vec![0.0; width * width];
    let (slopes_of, x_of) = (kernels::MatrixRef::new(&slopes, case.rows, width), exact(&x));
    let x_of = kernels::MatrixRef::new(&x_of, case.rows, width);
    kernels::product(&mut expected_table, kernels::Accumulate::Add, slopes_of.transposed(), x_of);
    assert_near(&dtable.read().unwrap(), &expected_table, 1e-4, &format!("{case:?}: dtable"));
    let mut expected_bias = vec![0.0; width];
    kernels::add_column_sums(&mut expected_bias, &slopes);
    assert_near(&dbias.read().unwrap(), &expected_bias, 1e-5, &format!("{case:?}: dbias"));
    (found.loss.to_bits(), bits(&found_dx))
}

#[test]
fn cross_entropy_has_losses_and_gradients() {
    in_any_order(|machine| CASES.map(|case| check(machine, case)));
}

#[test]
fn the_first_of_equals_is_the_most_probable_word() {
    in_any_order(|machine| {
        let width = 100;
        let mut x = vec![bf16::ZERO; 2 * width];
        [40, 70, width + 40, width + 70].into_iter().for_each(|index| x[index] = bf16::ONE);
        let (device_x, table) =
            (machine.upload(&x).unwrap(), machine.upload(&identity(width)).unwrap());
        let words = machine.indices(&[40, 70]).unwrap();
        let targets = LossTargets { words: &words, smoothing: 0.0, teacher: None };
        let projection = Projection { table: table.part(), bias: None, width };
        let sums = machine
            .cross_entropy(None, device_x.part(), &targets, &projection)
            .unwrap()
            .read()
            .unwrap();
        assert_eq!(sums.correct, 1);
        sums
    });
}

#[test]
fn a_logit_that_is_no_number_is_seen_in_the_loss() {
    in_any_order(|machine| {
        let x = machine.upload(&[bf16::ONE, bf16::NAN, bf16::ONE]).unwrap();
        let table = machine.upload(&identity(3)).unwrap();
        let words = machine.indices(&[0]).unwrap();
        let targets = LossTargets { words: &words, smoothing: 0.1, teacher: None };
        let projection = Projection { table: table.part(), bias: None, width: 3 };
        let sums =
            machine.cross_entropy(None, x.part(), &targets, &projection).unwrap().read().unwrap();
        assert!(sums.loss.is_nan() && sums.negative_log_likelihood.is_nan());
        sums.correct
    });
}

#[test]
#[should_panic(expected = "cross-entropy's words: number 3 of 3")]
fn a_word_that_the_vocabulary_lacks_is_refused() {
    let machine = Machine::new(Tested::new(Order::Natural));
    let (x, table) = (fresh(&machine, 3), machine.upload(&identity(3)).unwrap());
    let words = machine.indices(&[3]).unwrap();
    let targets = LossTargets { words: &words, smoothing: 0.1, teacher: None };
    let projection = Projection { table: table.part(), bias: None, width: 3 };
    let _ = machine.cross_entropy(None, x.part(), &targets, &projection);
}
