//! Output projection and label-smoothed cross-entropy.

use crate::support::{assert_close, assert_gradient, inner, random, random_ids, to};
use wdistill_kernels::{
    CrossEntropyGradients, CrossEntropySums, LossTargets, Precision, Projection, Real,
    TeacherDistribution, smoothed_cross_entropy, smoothed_cross_entropy_with_gradients,
};

struct Case {
    x: Vec<f64>,
    table: Vec<f64>,
    bias: Option<Vec<f64>>,
    targets: Vec<u32>,
    width: usize,
    vocabulary: usize,
    smoothing: f64,
    /// Hidden states `[rows, 2]` and output table `[vocabulary, 2]` of a teacher, and its weight.
    teacher: Option<(Vec<f64>, Vec<f64>, f64)>,
}

/// Right words alone.
fn words<R>(words: &[u32], smoothing: f64) -> LossTargets<'_, R> {
    LossTargets { words, smoothing, teacher: None }
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
            teacher: None,
        }
    }

    fn with_teacher(self, weight: f64) -> Self {
        let (rows, vocabulary) = (self.targets.len(), self.vocabulary);
        let scaled = |values: Vec<f64>| values.into_iter().map(|value| 2.0 * value).collect();
        let (states, table) = (scaled(random(5, rows * 2)), scaled(random(6, vocabulary * 2)));
        Self { teacher: Some((states, table, weight)), ..self }
    }

    /// Runs `work` on the targets in another precision.
    fn with_targets<R: Real, T>(&self, work: impl FnOnce(&LossTargets<'_, R>) -> T) -> T {
        let parts = self
            .teacher
            .as_ref()
            .map(|(states, table, weight)| (to::<R>(states), to::<R>(table), *weight));
        let teacher = parts.as_ref().map(|(states, table, weight)| TeacherDistribution {
            states,
            projection: Projection { table, bias: None, width: 2, precision: Precision::Float32 },
            weight: *weight,
        });
        work(&LossTargets { words: &self.targets, smoothing: self.smoothing, teacher })
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
            let mut loss = (1.0 - self.smoothing - share) * nll + share * smooth;
            if let Some((states, table, weight)) = &self.teacher {
                let scores: Vec<f64> = table
                    .chunks(2)
                    .map(|word| inner(&states[row * 2..row * 2 + 2], word).exp())
                    .collect();
                let all: f64 = scores.iter().sum();
                let terms =
                    scores.iter().zip(&logits).map(|(q, logit)| q / all * (log_sum - logit));
                loss = (1.0 - weight) * loss + weight * terms.sum::<f64>();
            }
            sums.loss += loss;
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
        let projection = Projection {
            table: &table,
            bias: bias.as_deref(),
            width: self.width,
            precision: Precision::Float32,
        };
        let mut scratch = Vec::new();
        let sums = self
            .with_targets(|targets| smoothed_cross_entropy(&mut scratch, &x, targets, &projection));
        let pair = |sums: &CrossEntropySums| [sums.loss, sums.negative_log_likelihood];
        assert_close(&pair(&sums), &pair(&expected), tolerance, "sums");
        assert_eq!(sums.correct, expected.correct);

        let (mut dx, mut dtable) = (vec![R::ONE; x.len()], vec![R::ZERO; table.len()]);
        let gradients =
            CrossEntropyGradients { input: &mut dx, table: Some(&mut dtable), bias: None };
        let again = self.with_targets(|targets| {
            let scratch = &mut scratch;
            smoothed_cross_entropy_with_gradients(gradients, scratch, &x, targets, &projection, 0.5)
        });
        assert_eq!(again, sums);
    }

    fn loss(&self, x: &[f64], table: &[f64], bias: Option<&[f64]>) -> f64 {
        let projection =
            Projection { table, bias, width: self.width, precision: Precision::Float32 };
        self.with_targets(|targets| {
            smoothed_cross_entropy(&mut Vec::new(), x, targets, &projection).loss
        })
    }

    fn check_backward(&self, factor: f64) {
        let bias = self.bias.as_deref();
        let projection = Projection {
            table: &self.table,
            bias,
            width: self.width,
            precision: Precision::Float32,
        };
        let (mut dx, mut dtable) = (vec![9.0; self.x.len()], vec![0.5; self.table.len()]);
        let mut dbias = vec![0.25; self.vocabulary];
        let gradients = CrossEntropyGradients {
            input: &mut dx,
            table: Some(&mut dtable),
            bias: Some(&mut dbias),
        };
        self.with_targets(|targets| {
            let (scratch, x) = (&mut Vec::new(), &self.x);
            smoothed_cross_entropy_with_gradients(
                gradients,
                scratch,
                x,
                targets,
                &projection,
                factor,
            )
        });
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
                let case = case.with_teacher(0.7);
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
            let case = Case::new(rows, 3, vocabulary, smoothing);
            case.check_backward(0.25);
            case.with_teacher(0.3).check_backward(0.25);
            Case::new(rows, 3, vocabulary, smoothing).with_teacher(1.0).check_backward(2.0);
        }
    }
}

/// More rows than a block: the gradients are those of the rows taken apart.
#[test]
fn several_blocks() {
    let case = Case::new(1100, 3, 37, 0.1);
    case.check_forward::<f64>(1e-12);
    let projection = Projection {
        table: &case.table,
        bias: case.bias.as_deref(),
        width: 3,
        precision: Precision::Float32,
    };
    let run = |rows: std::ops::Range<usize>, dtable: &mut [f64], dbias: &mut [f64]| {
        let mut dx = vec![0.0; rows.len() * 3];
        let gradients =
            CrossEntropyGradients { input: &mut dx, table: Some(dtable), bias: Some(dbias) };
        let x = &case.x[rows.start * 3..rows.end * 3];
        let scratch = &mut Vec::new();
        let targets = words(&case.targets[rows], 0.1);
        smoothed_cross_entropy_with_gradients(gradients, scratch, x, &targets, &projection, 2.0);
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
    let projection =
        Projection { table: &table, bias: None, width: 1, precision: Precision::Float32 };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &words(&[1], 0.1), &projection);
    // e = e_i = 0.1: 0.8 * -ln(3/4) + 0.1 * (-ln(1/4) - ln(3/4)).
    let expected = -0.8 * 0.75f64.ln() - 0.1 * (0.25f64.ln() + 0.75f64.ln());
    assert!((sums.loss - expected).abs() < 1e-15);
    assert!((sums.negative_log_likelihood + 0.75f64.ln()).abs() < 1e-15);
    assert_eq!(sums.correct, 1);
}

#[test]
fn large_logits_stay_finite() {
    let projection = Projection {
        table: &[1e4f32, -1e4, 0.0],
        bias: None,
        width: 1,
        precision: Precision::Float32,
    };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &words(&[1], 0.0), &projection);
    assert_eq!(sums.negative_log_likelihood, 2e4);
    assert_eq!(sums.correct, 0);
}

#[test]
fn of_equal_logits_the_first_counts() {
    let projection = Projection {
        table: &[1.0f32, 1.0, 0.0],
        bias: None,
        width: 1,
        precision: Precision::Float32,
    };
    let sums =
        smoothed_cross_entropy(&mut Vec::new(), &[1.0, 1.0], &words(&[0, 1], 0.0), &projection);
    assert_eq!(sums.correct, 1);
}

#[test]
fn nan_shows_in_the_loss() {
    let projection = Projection {
        table: &[1.0f32, f32::NAN],
        bias: None,
        width: 1,
        precision: Precision::Float32,
    };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &words(&[0], 0.0), &projection);
    assert!(sums.loss.is_nan());
}

/// Worked by hand: the student says 1/4 and 3/4, the teacher 1/2 and 1/2.
#[test]
fn a_teacher_worked_by_hand() {
    let table = [0.0, 3f64.ln()];
    let projection =
        Projection { table: &table, bias: None, width: 1, precision: Precision::Float32 };
    let teacher =
        Projection { table: &[0.0, 0.0], bias: None, width: 1, precision: Precision::Float32 };
    let teacher = TeacherDistribution { states: &[1.0], projection: teacher, weight: 0.25 };
    let targets = LossTargets { words: &[1], smoothing: 0.0, teacher: Some(teacher) };
    let sums = smoothed_cross_entropy(&mut Vec::new(), &[1.0], &targets, &projection);
    let expected = -0.75 * 0.75f64.ln() - 0.25 * (0.5 * 0.25f64.ln() + 0.5 * 0.75f64.ln());
    assert!((sums.loss - expected).abs() < 1e-15);
    assert!((sums.negative_log_likelihood + 0.75f64.ln()).abs() < 1e-15);
}
