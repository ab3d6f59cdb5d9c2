//! Times the products of a training step; one side of `benches/training/products.py`.
//!
//! Arguments: threads, precision (`float32` or `bf16`), then any number of `rows,inputs,outputs`. For every shape it prints the GFLOP/s of
//! `x Wᵀ`, of `dy W` and of `dyᵀ x`, each the best of some repetitions: a peak is what is wanted here.

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example shows what it finds.

use std::time::Instant;

use wdistill_base::parallel::Pool;
use wdistill_kernels::{Accumulate, MatrixRef, Precision, product_in};

fn best_seconds(mut work: impl FnMut()) -> f64 {
    work();
    let mut best = f64::INFINITY;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().expect("threads").parse().expect("a number");
    let precision = match arguments.next().as_deref() {
        Some("float32") => Precision::Float32,
        Some("bf16") => Precision::Bfloat16,
        other => panic!("{other:?}: expected a precision"),
    };
    let shapes: Vec<String> = arguments.collect();
    Pool::start(threads).expect("threads").run(|| measure(precision, &shapes));
}

fn measure(precision: Precision, shapes: &[String]) {
    for shape in shapes {
        let sizes: Vec<usize> = shape.split(',').map(|n| n.parse().expect("a number")).collect();
        let [rows, inputs, outputs] = sizes[..] else { panic!("{shape}: expected three numbers") };
        let numbers = |length: usize| -> Vec<f32> {
            (0..length).map(|index| (index * 7919 % 1000) as f32 / 1000.0 - 0.5).collect()
        };
        let (x, weight, dy) =
            (numbers(rows * inputs), numbers(outputs * inputs), numbers(rows * outputs));
        let x = MatrixRef::new(&x, rows, inputs);
        let weight = MatrixRef::new(&weight, outputs, inputs);
        let dy = MatrixRef::new(&dy, rows, outputs);
        let mut y = vec![0.0; rows * outputs];
        let mut dx = vec![0.0; rows * inputs];
        let mut dweight = vec![0.0; outputs * inputs];
        let seconds = [
            best_seconds(|| {
                product_in(precision, &mut y, Accumulate::Overwrite, x, weight.transposed())
            }),
            best_seconds(|| product_in(precision, &mut dx, Accumulate::Overwrite, dy, weight)),
            best_seconds(|| {
                product_in(precision, &mut dweight, Accumulate::Add, dy.transposed(), x)
            }),
        ];
        let gflops = seconds.map(|s| 2.0 * (rows * inputs * outputs) as f64 / s / 1e9);
        println!("{shape} {:.1} {:.1} {:.1}", gflops[0], gflops[1], gflops[2]);
    }
}
