//! Output projection and label-smoothed cross-entropy.

use crate::support::{assert_close, assert_gradient, inner, random, random_ids, to};
use wdistill_kernels::{
    CrossEntropyGradients, CrossEntropySums, Projection, Real, smoothed_cross_entropy,
    smoothed_cross_entropy_with_gradients,
};

struct Case {
    x: Vec<f64>,
    table: Vec<f64>,
    bias: Option<Vec<f64>>,
    targets: Vec<u32>,
    width: usize,
    vocabulary: usize,
    smoothing: f64,
}

impl Case {
    fn new(rows: usize, width: usize, vocabulary: usize, smoothing: f64) -> Self {
        Self {
            x: random(1, rows * width),
            table: random(2, vocabulary * width),
            bias: rows.is_multiple_of(2).then(|| random(3, vocabulary)),
            targets: random_ids(4, rows, vocabulary),
            width,
            vocabulary,
            smoothing,
        }
    }

    fn logits(&self, row: usize) -> Vec<f64> {
        let x = &self.x[row * self.width..][..self.width];
        let bias = |word| self.bias.as_ref().map_or(0.0, |bias| bias[word]);
        (0..self.vocabulary)
            .map(|word| inner(x, &self.table[word * self.width..][..self.width]) + bias(word))
            .collect()
    }

    fn reference(&self) -> CrossEntropySums {
        let mut sums = CrossEntropySums::default();
        let share = self.smoothing / (self.vocabulary - 1) as f64;
        for (row, target) in self.targets.iter().enumerate() {
            let logits = self.logits(row);
            let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            let nll = log_sum - logits[*target as usize];
            let smooth: f64 = logits.iter().map(|logit| log_sum - logit).sum();
            sums.loss += (1.0 - self.smoothing - share) * nll + share * smooth;
            sums.negative_log_likelihood += nll;
            let best = (0..self.vocabulary).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
            sums.correct += usize::from(best == Some(*target as usize));
        }
        sums
    }

    fn check_forward<R: Real>(&self, tolerance: f64) {
        let expected = self.reference();
        let (x, table) = (to::<R>(&self.x), to::<R>(&self.table));
        let bias = self.bias.as_ref().map(|bias| to::<R>(bias));
        let projection = Projection { table: &table, bias: bias.as_deref(), width: self.width };
        let mut scratch = Vec::new();
        let sums =
            smoothed_cross_entropy(&mut scratch, &x, &self.targets, &projection, self.smoothing);
        let pair = |sums: &CrossEntropySums| [sums.loss, sums.negative_log_likelihood];
        assert_close(&pair(&sums), &pair(&expected), tolerance, "sums");
        assert_eq!(sums.correct, expected.correct);

        let (mut dx, mut dtable) = (vec![R::ONE; x.len()], vec![R::ZERO; table.len()]);
        let gradients =
            CrossEntropyGradients { input: &mut dx, table: Some(&mut dtable), bias: None };
        let targets = &self.targets;
        let again = smoothed_cross_entropy_with_gradients(
            gradients,
            &mut scratch,
            &x,
            targets,
            &projection,
            self.smoothing,
            0.5,
        );
        assert_eq!(again, sums);
    }

    fn loss(&self, x: &[f64], table: &[f64], bias: Option<&[f64]>) -> f64 {
        let projection = Projection { table, bias, width: self.width };
        smoothed_cross_entropy(&mut Vec::new(), x, &self.targets, &projection, self.smoothing).loss
    }

    fn check_backward(&self, factor: f64) {
        let bias = self.bias.as_deref();
        let projection = Projection { table: &self.table, bias, width: self.width };
        let (mut dx, mut dtable) = (vec![9.0; self.x.len()], vec![0.5; self.table.len()]);
        let mut dbias = vec![0.25; self.vocabulary];
        let gradients = CrossEntropyGradients {
            input: &mut dx,
            table: Some(&mut dtable),
            bias: Some(&mut dbias),
        };
        let targets = &self.targets;
        let scratch = &mut Vec::new();
        smoothed_cross_entropy_with_gradients(
            gradients,
            scratch,
            &self.x,
            targets,
            &projection,
            self.smoothing,
            factor,
        );
        assert_gradient(&dx, &self.x, "dx", |x| factor * self.loss(x, &self.table, bias));
        let dtable: Vec<f64> = dtable.iter().map(|value| value - 0.5).collect();
        assert_gradient(&dtable, &self.table, "dtable", |table| {
            factor * self.loss(&self.x, table, bias)
        });
        if let Some(bias) = bias {
            let dbias: Vec<f64> = dbias.iter().map(|value| value - 0.25).collect();
            assert_gradient(&dbias, bias, "dbias", |bias| {
                factor * self.loss(&self.x, &self.table, Some(bias))
            });
        }
    }
}

#[test]
fn forward() {
    for rows in [0, 1, 2, 33, 64] {
        for vocabulary in [2, 15, 16, 17, 65, 1000] {
            for smoothing in [0.0, 0.1] {
                let case = Case::new(rows, 17, vocabulary, smoothing);
                case.check_forward::<f64>(1e-12);
                case.check_forward::<f32>(1e-5);
            }
        }
    }
}

#[test]
fn backward() {
    for rows in [4, 5] {
        for (vocabulary, smoothing) in [(2, 0.1), (19, 0.0), (19, 0.1)] {
            Case::new(rows, 3, vocabulary, smoothing).check_backward(0.25);
        }
    }
}

/// More rows than a block: the gradients are those of the rows taken apart.
#[test]
fn several_blocks() {
    let case = Case::new(1100, 3, 37, 0.1);
    case.check_forward::<f64>(1e-12);
    let projection = Projection { table: &case.table, bias: case.bias.as_deref(), width: 3 };
    let run = |rows: std::ops::Range<usize>, dtable: &mut [f64], dbias: &mut [f64]| {
        let mut dx = vec![0.0; rows.len() * 3];
        let gradients =
            CrossEntropyGradients { input: &mut dx, table: Some(dtable), bias: Some(dbias) };
        let x = &case.x[rows.start * 3..rows.end * 3];
        let scratch = &mut Vec::new();
        smoothed_cross_entropy_with_gradients(
            gradients,
            scratch,
            x,
            &case.targets[rows],
            &projection,
            0.1,
            2.0,
        );
        dx
    };
    let (mut dtable, mut dbias) = (vec![0.0; case.table.len()], vec![0.0; 37]);
    let dx = run(0..1100, &mut dtable, &mut dbias);
    let (mut apart_table, mut apart_bias, mut apart) =
        (vec![0.0; case.table.len()], vec![0.0; 37], Vec::new());
    for start in (0..1100).step_by(100) {
        apart.extend(run(start..start + 100, &mut apart_table, &mut apart_bias));
    }
    assert_close(&dx, &apart, 1e-12, "dx");
    assert_close(&dtable, &apart_table, 1e-12, "dtable");
    assert_close(&dbias, &apart_bias, 1e-12, "dbias");
}

/// Worked by hand: two words with logits 0 and ln 3, so probabilities 1/4 and 3/4.
#[test]
fn worked_by_hand() {
    let table = [0.0, 3f64.ln()];
    let projection = Projection { table: &table, bias: None, width: 1 };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &[1], &projection, 0.1);
    // e = e_i = 0.1: 0.8 * -ln(3/4) + 0.1 * (-ln(1/4) - ln(3/4)).
    let expected = -0.8 * 0.75f64.ln() - 0.1 * (0.25f64.ln() + 0.75f64.ln());
    assert!((sums.loss - expected).abs() < 1e-15);
    assert!((sums.negative_log_likelihood + 0.75f64.ln()).abs() < 1e-15);
    assert_eq!(sums.correct, 1);
}

#[test]
fn large_logits_stay_finite() {
    let projection = Projection { table: &[1e4f32, -1e4, 0.0], bias: None, width: 1 };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &[1], &projection, 0.0);
    assert_eq!(sums.negative_log_likelihood, 2e4);
    assert_eq!(sums.correct, 0);
}

#[test]
fn of_equal_logits_the_first_counts() {
    let projection = Projection { table: &[1.0f32, 1.0, 0.0], bias: None, width: 1 };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0, 1.0], &[0, 1], &projection, 0.0);
    assert_eq!(sums.correct, 1);
}

#[test]
fn nan_shows_in_the_loss() {
    let projection = Projection { table: &[1.0f32, f32::NAN], bias: None, width: 1 };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &[0], &projection, 0.0);
    assert!(sums.loss.is_nan());
}
