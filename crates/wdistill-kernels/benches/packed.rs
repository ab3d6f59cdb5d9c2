//! Products of packed weights: `cargo bench -p wdistill-kernels --bench packed`.
//!
//! Items are multiplications and additions, so that `Gitem/s` are GFLOP/s, or GOP/s in int8. The first case
//! of each group stays in the caches of a core and is the peak that the others are measured by; the last
//! ones are a decoder's: weights of a base model, its output layer, a few hypotheses and a batch of them.

use divan::Bencher;
use divan::counter::ItemsCount;
use wdistill_kernels::{
    Bfloat16Matrix, Epilogue, Float32Matrix, Int8Matrix, PackedWeight, quantise_weights,
};

/// Rows, inputs, outputs.
const CASES: [[usize; 3]; 8] = [
    [48, 1024, 64],
    [1, 512, 512],
    [4, 512, 2048],
    [4, 2048, 512],
    [4, 512, 32_000],
    [128, 512, 512],
    [128, 512, 2048],
    [128, 512, 32_000],
];

fn main() {
    divan::main();
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * 0.37).sin()).collect()
}

fn time<W: PackedWeight>(bencher: Bencher<'_, '_>, matrix: W, rows: usize) {
    let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
    let x = numbers(rows * inputs);
    let mut y = vec![0.0; rows * outputs];
    let mut scratch = W::Scratch::default();
    bencher.counter(ItemsCount::new(2 * rows * inputs * outputs)).bench_local(|| {
        let input = W::input(&x, inputs, &mut scratch);
        matrix.product(&mut y, &input, 0..outputs, &Epilogue::NONE);
    });
}

#[divan::bench(args = CASES)]
fn float32(bencher: Bencher<'_, '_>, [rows, inputs, outputs]: [usize; 3]) {
    let weight = numbers(outputs * inputs);
    time(bencher, Float32Matrix::pack(&weight, outputs, inputs), rows);
}

#[divan::bench(args = CASES)]
fn bfloat16(bencher: Bencher<'_, '_>, [rows, inputs, outputs]: [usize; 3]) {
    let weight = numbers(outputs * inputs);
    time(bencher, Bfloat16Matrix::pack(&weight, outputs, inputs), rows);
}

#[divan::bench(args = CASES)]
fn int8(bencher: Bencher<'_, '_>, [rows, inputs, outputs]: [usize; 3]) {
    let (weight, scales) = quantise_weights(&numbers(outputs * inputs), inputs);
    time(bencher, Int8Matrix::pack(&weight, scales, inputs), rows);
}
