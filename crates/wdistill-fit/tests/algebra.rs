//! Regressions and maps of low rank against NumPy (`fixtures/make.py`).

use std::collections::HashMap;

use nalgebra::{DMatrix, DVector};
use wdistill_fit::algebra::{Affine, Covariance, LowRank, Regression, best_rank};

fn fixture() -> HashMap<&'static str, Vec<Vec<f64>>> {
    let mut lines: HashMap<&str, Vec<Vec<f64>>> = HashMap::new();
    for line in include_str!("../fixtures/algebra.txt").lines() {
        let (name, numbers) = line.split_once(' ').unwrap();
        let numbers = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        lines.entry(name).or_default().push(numbers);
    }
    lines
}

fn matrix(numbers: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(numbers[0] as usize, numbers[1] as usize, &numbers[2..])
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error < 1e-10 * (1.0 + expected.abs()), "{found}, expected {expected}");
    }
}

/// The rows in two batches.
fn regression(inputs: &DMatrix<f64>, outputs: &DMatrix<f64>) -> Regression {
    let mut regression = Regression::new(inputs.ncols(), outputs.ncols());
    for (first, count) in [(0, 13), (13, inputs.nrows() - 13)] {
        let part = |rows: &DMatrix<f64>| rows.rows(first, count).into_owned();
        regression.add(&part(inputs), &part(outputs));
    }
    regression
}

#[test]
fn a_regression_is_that_of_numpy() {
    let fixture = fixture();
    let [inputs, outputs, weight] =
        ["inputs", "outputs", "weight"].map(|name| matrix(&fixture[name][0]));
    let solved = regression(&inputs, &outputs).solve();
    assert_close(solved.weight.as_slice(), weight.as_slice());
    assert_close(solved.bias.as_slice(), &fixture["bias"][0]);

    let lines = regression(&inputs.columns(0, outputs.ncols()).into_owned(), &outputs).lines();
    assert_close(lines.gain.as_slice(), &fixture["gain"][0]);
    assert_close(lines.shift.as_slice(), &fixture["shift"][0]);
}

#[test]
fn lines_explain_all_of_what_they_make_and_nothing_of_a_constant() {
    let inputs = matrix(&fixture()["inputs"][0]);
    let doubled = inputs.map(|x| 2.0 * x - 1.0);
    let lines = regression(&inputs, &doubled).lines();
    assert_close(&[lines.explained], &[1.0]);
    let constant = DMatrix::from_element(inputs.nrows(), inputs.ncols(), 3.0);
    let lines = regression(&constant, &inputs).lines();
    assert_close(&[lines.explained], &[0.0]);
}

#[test]
fn a_map_of_low_rank_reaches_the_least_error() {
    let fixture = fixture();
    let inputs = matrix(&fixture["inputs"][0]);
    let metric = DMatrix::from_row_slice(inputs.ncols(), inputs.ncols(), &fixture["metric"][0]);
    let mut covariance = Covariance::new(inputs.ncols());
    covariance.add(&inputs);
    let covariance = covariance.matrix();
    for tail in &fixture["tail"] {
        let LowRank { forth, back } = best_rank(&metric, &covariance, tail[0] as usize);
        let lost = DMatrix::identity(inputs.ncols(), inputs.ncols()) - &back * forth.transpose();
        let error = (lost.transpose() * &metric * &lost * &covariance).trace();
        assert!((error - tail[1]).abs() < 1e-9 * tail[1], "{error}, expected {}", tail[1]);
        // What the few numbers are: of variance one, and back and forth is where they were.
        let few = forth.tr_mul(&covariance) * &forth;
        let same = forth.tr_mul(&back);
        let identity = DMatrix::<f64>::identity(few.nrows(), few.ncols());
        assert!((few - &identity).norm() < 1e-9 && (same - identity).norm() < 1e-9);
    }
}

#[test]
fn maps_follow_each_other() {
    let first = Affine {
        weight: DMatrix::from_row_slice(1, 2, &[2.0, 3.0]),
        bias: DVector::from_vec(vec![1.0]),
    };
    let second = Affine {
        weight: DMatrix::from_row_slice(2, 1, &[4.0, 5.0]),
        bias: DVector::from_vec(vec![0.5, 0.0]),
    };
    let both = second.after(&first);
    assert_eq!(both.weight, DMatrix::from_row_slice(2, 2, &[8.0, 12.0, 10.0, 15.0]));
    assert_eq!(both.bias.as_slice(), [4.5, 5.0]);
}
