//! Products in every layout and format. On the CPU this tests what a product is asked for; on a card it tests cuBLASLt.

use half::bf16;
use wdistill_cuda::{Factored, Matrix};
use wdistill_kernels as kernels;
use wdistill_kernels::{Accumulate, MatrixRef};

use crate::support::*;

const SIZES: [(usize, usize, usize); 5] =
    [(1, 1, 1), (3, 5, 2), (64, 32, 96), (8, 200, 16), (33, 17, 65)];

/// The four ways in which two matrices may lie, and two things to do with what is there.
fn ways() -> impl Iterator<Item = ([bool; 2], Accumulate)> {
    [Accumulate::Overwrite, Accumulate::Add].into_iter().flat_map(|accumulate| {
        [[false, false], [false, true], [true, false], [true, true]]
            .map(|transposed| (transposed, accumulate))
    })
}

/// What every product of factors of one format gives, with the host's result of each.
fn products<T: Factored + Into<f64>, C: Factored + Into<f64>>(
    machine: &Machine,
    of: impl Fn(u64, usize) -> Vec<T>,
    before: impl Fn(u64, usize) -> Vec<C>,
) -> Vec<(Vec<C>, Vec<f64>, f64)> {
    let mut results = Vec::new();
    for ((rows, inner, columns), (transposed, accumulate)) in
        SIZES.into_iter().flat_map(|size| ways().map(move |way| (size, way)))
    {
        let (a, b, c) = (of(1, rows * inner), of(2, inner * columns), before(3, rows * columns));
        let (device_a, device_b) = (machine.upload(&a).unwrap(), machine.upload(&b).unwrap());
        let device_c = machine.upload(&c).unwrap();
        let (host_a, host_b) = (exact(&a), exact(&b));
        let (left, host_left) = match transposed[0] {
            false => {
                (Matrix::new(device_a.part(), rows, inner), MatrixRef::new(&host_a, rows, inner))
            }
            true => (
                Matrix::new(device_a.part(), inner, rows).transposed(),
                MatrixRef::new(&host_a, inner, rows).transposed(),
            ),
        };
        let (right, host_right) = match transposed[1] {
            false => (
                Matrix::new(device_b.part(), inner, columns),
                MatrixRef::new(&host_b, inner, columns),
            ),
            true => (
                Matrix::new(device_b.part(), columns, inner).transposed(),
                MatrixRef::new(&host_b, columns, inner).transposed(),
            ),
        };
        machine.product(device_c.part(), accumulate, left, right).unwrap();
        let mut expected = exact(&c);
        kernels::product(&mut expected, accumulate, host_left, host_right);
        // A sum of products of numbers below 1, in float32.
        results.push((device_c.read().unwrap(), expected, 1e-6 * (1.0 + inner as f64).sqrt()));
    }
    results
}

#[test]
fn bf16_products_give_float32() {
    in_any_order(|machine| {
        let results = products::<bf16, f32>(machine, random_bf16, random_f32);
        for (found, expected, tolerance) in &results {
            assert_near(found, expected, *tolerance, "c");
        }
        results.into_iter().flat_map(|(found, ..)| bits32(&found)).collect::<Vec<_>>()
    });
}

#[test]
fn bf16_products_give_bf16() {
    in_any_order(|machine| {
        let results = products::<bf16, bf16>(machine, random_bf16, random_bf16);
        for (found, expected, tolerance) in &results {
            assert_rounded(found, expected, |_| *tolerance, "c");
        }
        results.into_iter().flat_map(|(found, ..)| bits(&found)).collect::<Vec<_>>()
    });
}

#[test]
fn float32_products_give_float32() {
    in_any_order(|machine| {
        let results = products::<f32, f32>(machine, random_f32, random_f32);
        for (found, expected, tolerance) in &results {
            assert_near(found, expected, *tolerance, "c");
        }
        results.into_iter().flat_map(|(found, ..)| bits32(&found)).collect::<Vec<_>>()
    });
}
