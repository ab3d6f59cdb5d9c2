//! The recurrence of a simpler simple recurrent unit.

use crate::support::{AWKWARD, assert_close, assert_gradient, inner, random, to};
use wdistill_kernels::{
    Real, RecurrenceGradients, RecurrenceInputs, recur_backward, recur_forward,
};

/// Sentences of 3, 0, 1 and 5 tokens.
const OFFSETS: [usize; 5] = [0, 3, 3, 4, 9];
const TOKENS: usize = 9;

/// `y`, and the state after each sentence, by the definition.
fn expected(
    candidates: &[f64],
    forget: &[f64],
    state: &[f64],
    width: usize,
) -> (Vec<f64>, Vec<f64>) {
    let mut state = state.to_vec();
    let mut output = vec![0.0; candidates.len()];
    for (sentence, ends) in OFFSETS.windows(2).enumerate() {
        for row in ends[0]..ends[1] {
            for column in 0..width {
                let at = row * width + column;
                let keep = 1.0 / (1.0 + (-forget[at]).exp());
                let cell = &mut state[sentence * width + column];
                *cell = keep * *cell + (1.0 - keep) * candidates[at];
                output[at] = cell.max(0.0);
            }
        }
    }
    (output, state)
}

fn check_forward<R: Real>(width: usize, tolerance: f64) {
    let (candidates, forget) = (random(1, TOKENS * width), random(2, TOKENS * width));
    let start = random(3, 4 * width);
    let (output, end) = expected(&candidates, &forget, &start, width);
    let (candidates, forget) = (to::<R>(&candidates), to::<R>(&forget));
    let inputs =
        RecurrenceInputs { candidates: &candidates, forget: &forget, offsets: &OFFSETS, width };
    let mut state = to::<R>(&start);
    let mut actual = vec![R::ZERO; TOKENS * width];
    let mut cells = actual.clone();
    recur_forward(&mut actual, &mut state, Some(&mut cells), &inputs);
    assert_close(&actual, &output, tolerance, "output");
    assert_close(&state, &end, tolerance, "state");
    let rectified = cells.iter().map(|cell| cell.to_f64().max(0.0)).collect::<Vec<_>>();
    assert_close(&actual, &rectified, 0.0, "cells");
}

#[test]
fn cells_are_those_of_the_definition() {
    for width in AWKWARD.into_iter().skip(1) {
        check_forward::<f64>(width, 1e-14);
        check_forward::<f32>(width, 1e-6);
    }
}

#[test]
fn one_token_after_another_gives_the_same_bits_as_all_at_once() {
    let width = 33;
    let (candidates, forget) = (random(1, TOKENS * width), random(2, TOKENS * width));
    let (candidates, forget) = (to::<f32>(&candidates), to::<f32>(&forget));
    let offsets = [0, TOKENS];
    let whole =
        RecurrenceInputs { candidates: &candidates, forget: &forget, offsets: &offsets, width };
    let mut together = vec![0.0; TOKENS * width];
    recur_forward(&mut together, &mut vec![0.0; width], None, &whole);
    let mut state = vec![0.0; width];
    let mut alone = vec![0.0; TOKENS * width];
    for (token, output) in alone.chunks_exact_mut(width).enumerate() {
        let row = token * width..(token + 1) * width;
        let (candidates, forget) = (&candidates[row.clone()], &forget[row]);
        let step = RecurrenceInputs { candidates, forget, offsets: &[0, 1], width };
        recur_forward(output, &mut state, None, &step);
    }
    assert_eq!(together, alone);
}

#[test]
fn gradients_are_the_slopes() {
    let width = 5;
    let (candidates, forget) = (random(1, TOKENS * width), random(2, TOKENS * width));
    let dy = random(4, TOKENS * width);
    let loss = |candidates: &[f64], forget: &[f64]| {
        let inputs = RecurrenceInputs { candidates, forget, offsets: &OFFSETS, width };
        let mut output = vec![0.0; TOKENS * width];
        let mut cells = output.clone();
        recur_forward(&mut output, &mut vec![0.0; 4 * width], Some(&mut cells), &inputs);
        (inner(&output, &dy), cells)
    };
    let (_, cells) = loss(&candidates, &forget);
    // What was there is overwritten.
    let mut gradients = [vec![7.0; TOKENS * width], vec![7.0; TOKENS * width]];
    let [candidate_gradient, forget_gradient] = &mut gradients;
    let target = RecurrenceGradients { candidates: candidate_gradient, forget: forget_gradient };
    let inputs =
        RecurrenceInputs { candidates: &candidates, forget: &forget, offsets: &OFFSETS, width };
    recur_backward(target, &dy, &cells, &inputs);
    assert_gradient(&gradients[0], &candidates, "candidates", |moved| loss(moved, &forget).0);
    assert_gradient(&gradients[1], &forget, "forget", |moved| loss(&candidates, moved).0);
}
