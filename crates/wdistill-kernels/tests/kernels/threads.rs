//! Results do not depend on the number of threads, to the last bit.

use crate::support::{dropout, random, random_ids, to};
use wdistill_base::parallel::Pool;
use wdistill_kernels::*;

fn vector(seed: u64, length: usize) -> Vec<f32> {
    to(&random(seed, length))
}

/// Every operation that runs in parallel, at sizes at which it does.
fn run_all() -> Vec<Vec<f32>> {
    let (rows, inputs, outputs) = (1000, 96, 200);
    let dropout = dropout(0.1);
    let mut results = Vec::new();
    let (x, weight, bias) =
        (vector(1, rows * inputs), vector(2, outputs * inputs), vector(3, outputs));
    let activation = Some(Activation::Swish);
    let layer = Linear {
        weight: &weight,
        bias: Some(&bias),
        inputs,
        outputs,
        activation,
        dropout,
        precision: Precision::Float32,
    };
    let (mut y, mut saved) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
    linear_forward(&mut y, Some(&mut saved), &x, &layer);
    let (mut dx, mut dweight, mut dbias) = (x.clone(), weight.clone(), bias.clone());
    let gradients = LinearGradients {
        input: Some((&mut dx, Accumulate::Add)),
        weight: Some(&mut dweight),
        bias: Some(&mut dbias),
    };
    linear_backward(gradients, &mut y.clone(), &saved, &x, &layer);
    results.extend([y, dx, dweight, dbias]);

    let (gain, bias, branch) = (vector(4, inputs), vector(5, inputs), vector(6, rows * inputs));
    let norm = LayerNorm { gain: &gain, bias: &bias, epsilon: 1e-5 };
    let (mut y, mut sum) = (x.clone(), x.clone());
    let (mut mean, mut deviation) = (vec![0.0; rows], vec![0.0; rows]);
    let statistics = NormStatistics { mean: &mut mean, reciprocal_deviation: &mut deviation };
    let saved = ResidualNormSaved { sum: &mut sum, statistics };
    residual_norm_forward(&mut y, Some(saved), &x, &branch, dropout, &norm);
    let (mut dx, mut dbranch, mut dgain, mut dbias) =
        (x.clone(), x.clone(), gain.clone(), bias.clone());
    let gradients = NormGradients { gain: &mut dgain, bias: &mut dbias };
    let accumulate = Accumulate::Overwrite;
    let statistics = (&mean[..], &deviation[..]);
    residual_norm_backward(
        &mut dx,
        accumulate,
        &mut dbranch,
        gradients,
        &y,
        &sum,
        statistics,
        dropout,
        &norm,
    );
    results.extend([y, dx, dbranch, dgain, dbias]);

    let offsets: Vec<usize> = (0..=40).map(|i| i * 25).collect();
    let (offsets, heads, mask) = (&offsets[..], 4, Mask::Causal);
    let shape = AttentionShape {
        width: inputs,
        heads,
        query_offsets: offsets,
        key_offsets: offsets,
        mask,
        dropout,
    };
    let attended = AttentionInputs { queries: &x, keys: &branch, values: &results[5] };
    let (mut y, mut saved) = (x.clone(), vec![0.0; shape.probabilities()]);
    attention_forward(&mut y, Some(&mut saved), &attended, &shape);
    let [mut dq, mut dk, mut dv] = [x.clone(), x.clone(), x.clone()];
    let gradients = AttentionGradients { queries: &mut dq, keys: &mut dk, values: &mut dv };
    attention_backward(gradients, &y, &saved, &attended, &shape);
    results.extend([y, saved, dq, dk, dv]);

    let (table, words) = (vector(7, 3000 * inputs), random_ids(8, rows, 3000));
    let projection =
        Projection { table: &table, bias: None, width: inputs, precision: Precision::Float32 };
    let (mut dx, mut dtable) = (x.clone(), table.clone());
    let gradients = CrossEntropyGradients { input: &mut dx, table: Some(&mut dtable), bias: None };
    let scratch = &mut Vec::new();
    let (states, teacher_table) = (vector(9, rows * 8), vector(10, 3000 * 8));
    let teacher = TeacherDistribution {
        states: &states,
        projection: Projection {
            table: &teacher_table,
            bias: None,
            width: 8,
            precision: Precision::Float32,
        },
        weight: 0.5,
    };
    let targets = LossTargets { words: &words, smoothing: 0.1, teacher: Some(teacher) };
    let sums =
        smoothed_cross_entropy_with_gradients(gradients, scratch, &x, &targets, &projection, 1.0);
    let places = vec![0; rows];
    let embedding =
        Embedding { table: &table, positions: &gain, width: inputs, scale: 2.0, dropout };
    let gradients = EmbeddingGradients { table: Some(&mut dtable), positions: None };
    embed_backward(gradients, &x, &words, &places, &embedding);
    // Cast to f32 would hide differences: keep both halves of the bits.
    let bits = [sums.loss, sum_of_squares(&x), dot(&x, &branch)].map(f64::to_bits);
    let halves = bits.iter().flat_map(|bits| [*bits as u32, (bits >> 32) as u32]);
    results.extend([dx, dtable, halves.map(f32::from_bits).collect()]);
    results
}

#[test]
fn bits_do_not_depend_on_threads() {
    let run = |threads| Pool::start(threads).unwrap().run(run_all);
    let alone = run(1);
    for threads in [2, 3, 7] {
        for (index, (alone, together)) in alone.iter().zip(run(threads)).enumerate() {
            let equal = alone.iter().zip(&together).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(equal, "result {index} differs with {threads} threads");
        }
    }
}
