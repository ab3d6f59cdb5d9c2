//! Products against three nested loops.

use crate::support::{AWKWARD, assert_close, random, to};
use wdistill_kernels::{Accumulate, MatrixRef, Real, product};

fn reference(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
    c
}

fn transpose<R: Copy>(a: &[R], rows: usize, columns: usize) -> Vec<R> {
    (0..rows * columns).map(|i| a[i % rows * columns + i / rows]).collect()
}

fn check<R: Real>(m: usize, k: usize, n: usize, tolerance: f64) {
    let (a, b, c) = (random(1, m * k), random(2, k * n), random(3, m * n));
    let overwritten = reference(&a, &b, m, k, n);
    let added: Vec<f64> = overwritten.iter().zip(&c).map(|(x, c)| x + c).collect();
    let (a, b) = (to::<R>(&a), to::<R>(&b));
    let (a_turned, b_turned) = (transpose(&a, m, k), transpose(&b, k, n));
    let a_views = [MatrixRef::new(&a, m, k), MatrixRef::new(&a_turned, k, m).transposed()];
    let b_views = [MatrixRef::new(&b, k, n), MatrixRef::new(&b_turned, n, k).transposed()];
    for a in a_views {
        for b in b_views {
            let what = format!("{m} x {k} x {n}, {:?}, {:?}", a.layout, b.layout);
            // What an overwritten buffer held, NaN included, must not matter.
            let mut result = vec![R::from_f64(f64::NAN); m * n];
            product(&mut result, Accumulate::Overwrite, a, b);
            assert_close(&result, &overwritten, tolerance, &what);
            let mut result = to::<R>(&c);
            product(&mut result, Accumulate::Add, a, b);
            assert_close(&result, &added, tolerance, &what);
        }
    }
}

#[test]
fn awkward_sizes() {
    for m in AWKWARD {
        for k in AWKWARD {
            for n in AWKWARD {
                check::<f64>(m, k, n, 1e-13);
                check::<f32>(m, k, n, 1e-5);
            }
        }
    }
}

#[test]
fn sizes_that_use_threads() {
    check::<f32>(300, 257, 511, 2e-5);
    check::<f64>(129, 1000, 65, 1e-12);
}

#[test]
#[should_panic(expected = "columns of the left operand")]
fn mismatched_inner_sizes() {
    let (a, b) = ([0.0f32; 6], [0.0f32; 8]);
    product(
        &mut [0.0; 4],
        Accumulate::Overwrite,
        MatrixRef::new(&a, 2, 3),
        MatrixRef::new(&b, 4, 2),
    );
}

#[test]
#[should_panic(expected = "length of the result")]
fn short_result() {
    let a = [0.0f32; 4];
    product(&mut [0.0; 3], Accumulate::Add, MatrixRef::new(&a, 2, 2), MatrixRef::new(&a, 2, 2));
}
