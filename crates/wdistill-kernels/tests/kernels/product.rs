//! Products against three nested loops.

use crate::support::{AWKWARD, assert_close, random, to};
use wdistill_kernels::{
    Accumulate, MatrixRef, Precision, Real, product, product_in, round_to_bfloat16,
};

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

/// The sum of the products of rounded operands in float64. A float32 sum of `k` terms, in any order, misses it by at most
/// about `k` roundings of the sum of magnitudes.
fn check_bfloat16<R: Real>(m: usize, k: usize, n: usize, rounding: f64) {
    let rounded = |numbers: Vec<f64>| -> Vec<f64> {
        numbers.into_iter().map(|number| round_to_bfloat16(number as f32).into()).collect()
    };
    let (a, b, c) = (random(1, m * k), random(2, k * n), random(3, m * n));
    let (near_a, near_b) = (rounded(a.clone()), rounded(b.clone()));
    let sums = reference(&near_a, &near_b, m, k, n);
    let magnitude = |numbers: &[f64]| numbers.iter().map(|n| n.abs()).collect::<Vec<f64>>();
    let magnitudes = reference(&magnitude(&near_a), &magnitude(&near_b), m, k, n);
    let (a, b) = (to::<R>(&a), to::<R>(&b));
    let (a_turned, b_turned) = (transpose(&a, m, k), transpose(&b, k, n));
    for a in [MatrixRef::new(&a, m, k), MatrixRef::new(&a_turned, k, m).transposed()] {
        for b in [MatrixRef::new(&b, k, n), MatrixRef::new(&b_turned, n, k).transposed()] {
            for accumulate in [Accumulate::Overwrite, Accumulate::Add] {
                let mut result = match accumulate {
                    Accumulate::Overwrite => vec![R::from_f64(f64::NAN); m * n],
                    Accumulate::Add => to::<R>(&c),
                };
                product_in(Precision::Bfloat16, &mut result, accumulate, a, b);
                for (index, result) in result.iter().enumerate() {
                    let before = if accumulate == Accumulate::Add { c[index] } else { 0.0 };
                    let error = (result.to_f64() - before - sums[index]).abs();
                    let bound = rounding * (k as f64 + 1.0) * (magnitudes[index] + before.abs());
                    let layouts = (a.layout, b.layout, accumulate);
                    assert!(error <= bound, "{m} x {k} x {n}, {layouts:?}: {index}, {error}");
                }
            }
        }
    }
}

const FLOAT32: f64 = f32::EPSILON as f64 / 2.0;

#[test]
fn awkward_sizes_in_bfloat16() {
    for m in AWKWARD {
        for k in AWKWARD {
            for n in AWKWARD {
                check_bfloat16::<f32>(m, k, n, FLOAT32);
            }
        }
    }
    check_bfloat16::<f64>(17, 33, 15, f64::EPSILON);
}

#[test]
fn sizes_in_bfloat16_that_are_divided() {
    // Several stretches of the sum, several blocks of rows, and jobs of rows and of columns.
    check_bfloat16::<f32>(7, 1100, 300, FLOAT32);
    check_bfloat16::<f32>(1300, 515, 70, FLOAT32);
    check_bfloat16::<f32>(129, 33, 700, FLOAT32);
}

/// Rounding to 8 bits of precision must be seen: a product that did not round its operands would be exact here.
#[test]
fn operands_are_rounded() {
    let number = 1.0 + 1.0 / 512.0;
    let one = [1.0];
    let mut result = [0.0f32];
    let a = [number];
    product_in(
        Precision::Bfloat16,
        &mut result,
        Accumulate::Overwrite,
        MatrixRef::new(&a, 1, 1),
        MatrixRef::new(&one, 1, 1),
    );
    assert_eq!(result, [1.0]);
}

#[test]
fn infinities_and_nan_are_seen() {
    let (a, b) = ([f32::INFINITY, 1.0, f32::NAN, 1.0, f32::MAX, 1.0], [1.0f32, 1.0]);
    let mut result = [0.0; 3];
    let (a, b) = (MatrixRef::new(&a, 3, 2), MatrixRef::new(&b, 2, 1));
    product_in(Precision::Bfloat16, &mut result, Accumulate::Overwrite, a, b);
    assert_eq!(result[0], f32::INFINITY);
    assert!(result[1].is_nan());
    assert_eq!(result[2], f32::INFINITY, "the largest float32 rounds to infinity");
}

/// How many rows and columns a product has, and how many threads, changes no bit of an element.
#[test]
fn bits_in_bfloat16_depend_on_the_sum_alone() {
    let (m, k, n) = (300, 700, 130);
    let (a, b) = (to::<f32>(&random(1, m * k)), to::<f32>(&random(2, k * n)));
    let whole = |threads| {
        let mut result = vec![0.0; m * n];
        let (a, b) = (MatrixRef::new(&a, m, k), MatrixRef::new(&b, k, n));
        let pool = wdistill_base::parallel::Pool::start(threads).unwrap();
        pool.run(|| product_in(Precision::Bfloat16, &mut result, Accumulate::Overwrite, a, b));
        result
    };
    let one = whole(1);
    assert_eq!(one, whole(3));
    if wdistill_kernels::supported(Precision::Bfloat16) == Precision::Float32 {
        // The library's products divide a sum by the sizes.
        return;
    }
    for row in [0, 5, 6, 299] {
        let mut result = vec![0.0; n];
        let (a, b) = (MatrixRef::new(&a[row * k..][..k], 1, k), MatrixRef::new(&b, k, n));
        product_in(Precision::Bfloat16, &mut result, Accumulate::Overwrite, a, b);
        assert_eq!(result, one[row * n..][..n], "row {row}");
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
