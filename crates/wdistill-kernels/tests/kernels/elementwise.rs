//! Passes, reductions and the optimiser.

use crate::support::{AWKWARD, assert_close, inner, random, to};
use wdistill_kernels::{
    AdamBuffers, AdamSettings, AdamStep, Real, adam_step, add_column_sums, add_into, add_row, axpy,
    dot, scale, sum_of_squares,
};

fn lengths() -> impl Iterator<Item = usize> {
    AWKWARD.into_iter().chain([16384, 16385, 100_003])
}

fn check_passes<R: Real>(length: usize, tolerance: f64) {
    let (x, y) = (random(1, length), random(2, length));
    let mut actual = to::<R>(&y);
    axpy(&mut actual, R::from_f64(0.75), &to::<R>(&x));
    let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 0.75 * x + y).collect();
    assert_close(&actual, &expected, tolerance, "axpy");
    add_into(&mut actual, &to::<R>(&x));
    let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 1.75 * x + y).collect();
    assert_close(&actual, &expected, tolerance, "add_into");
    scale(&mut actual, R::from_f64(-2.0));
    let expected: Vec<f64> = expected.iter().map(|value| -2.0 * value).collect();
    assert_close(&actual, &expected, tolerance, "scale");
    let (cast_x, cast_y) = (to::<R>(&x), to::<R>(&y));
    assert_close(&[sum_of_squares(&cast_x)], &[inner(&x, &x)], 1e-12, "sum of squares");
    assert_close(&[dot(&cast_x, &cast_y)], &[inner(&x, &y)], 1e-12, "dot");
}

#[test]
fn passes() {
    for length in lengths() {
        check_passes::<f64>(length, 1e-14);
        check_passes::<f32>(length, 1e-6);
    }
}

#[test]
fn rows_and_columns() {
    for rows in [0, 1, 17, 900] {
        for width in AWKWARD {
            let (values, row) = (random(1, rows * width), random(2, width));
            let mut actual = values.clone();
            add_row(&mut actual, &row);
            let expected: Vec<f64> =
                (0..values.len()).map(|i| values[i] + row[i % width]).collect();
            assert_close(&actual, &expected, 1e-15, "add_row");
            let mut sums = to::<f32>(&row);
            add_column_sums(&mut sums, &to::<f32>(&values));
            let column = |c| values.iter().skip(c).step_by(width).sum::<f64>();
            let expected: Vec<f64> =
                (0..width).map(|c| row[c] + if rows == 0 { 0.0 } else { column(c) }).collect();
            assert_close(&sums, &expected, 1e-5, "column sums");
        }
    }
}

fn check_adam<R: Real>(length: usize, tolerance: f64) {
    let settings = AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    let start = random(1, length);
    let (mut p, mut m, mut v) = (start.clone(), vec![0.0; length], vec![0.0; length]);
    let (mut fast_p, mut fast_m, mut fast_v) = (to::<R>(&start), to::<R>(&m), to::<R>(&v));
    for step in 1..=5 {
        let rate = 1e-2 / step as f64;
        let gradient = random(10 + step, length);
        let mut copy = vec![R::ZERO; length];
        let buffers = AdamBuffers {
            parameters: &mut fast_p,
            first_moment: &mut fast_m,
            second_moment: &mut fast_v,
            gradient: &to::<R>(&gradient),
            copy: Some(&mut copy),
        };
        let number = step;
        let step = AdamStep {
            settings,
            learning_rate: rate,
            number,
            gradient_factor: 0.5,
            weight_decay: 0.0,
        };
        adam_step(buffers, &step);
        assert!(copy == fast_p);
        for i in 0..length {
            let g = 0.5 * gradient[i];
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.98 * v[i] + 0.02 * g * g;
            let m_hat = m[i] / (1.0 - 0.9f64.powi(number as i32));
            let v_hat = v[i] / (1.0 - 0.98f64.powi(number as i32));
            p[i] -= rate * m_hat / (v_hat.sqrt() + 1e-9);
        }
    }
    assert_close(&fast_p, &p, tolerance, "parameters");
    assert_close(&fast_m, &m, tolerance, "first moment");
    assert_close(&fast_v, &v, tolerance, "second moment");
}

/// Against PyTorch (`fixtures/adamw/make.py`).
fn check_adamw<R: Real>(tolerance: f64) {
    let settings = AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    let (mut parameters, mut first, mut second): (Vec<R>, Vec<R>, Vec<R>) = Default::default();
    let mut number = 0;
    for line in include_str!("../../fixtures/adamw/steps.txt").lines() {
        let (name, numbers) = line.split_once(' ').unwrap();
        let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        match name {
            "start" => {
                parameters = to(&numbers);
                (first, second) = (vec![R::ZERO; numbers.len()], vec![R::ZERO; numbers.len()]);
            }
            "gradient" => {
                number += 1;
                let buffers = AdamBuffers {
                    parameters: &mut parameters,
                    first_moment: &mut first,
                    second_moment: &mut second,
                    gradient: &to::<R>(&numbers),
                    copy: None,
                };
                let step = AdamStep {
                    settings,
                    learning_rate: 1e-2,
                    number,
                    gradient_factor: 1.0,
                    weight_decay: 0.1,
                };
                adam_step(buffers, &step);
            }
            "after" => assert_close(&parameters, &numbers, tolerance, "parameters"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(number, 6);
}

#[test]
fn adamw_is_that_of_pytorch() {
    check_adamw::<f64>(1e-13);
    check_adamw::<f32>(1e-6);
}

#[test]
fn adam() {
    for length in lengths() {
        check_adam::<f64>(length, 1e-13);
        check_adam::<f32>(length, 1e-6);
    }
}
