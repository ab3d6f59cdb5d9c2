//! Embeddings.

use crate::support::{
    AWKWARD, assert_close, assert_gradient, dropout, dropped, inner, random, random_ids, to,
};
use wdistill_kernels::{
    Embedding, EmbeddingGradients, NO_TOKEN, Real, embed_backward, embed_forward,
};

const WORDS: usize = 130;
const PLACES: usize = 20;

fn check<R: Real>(tokens: usize, width: usize, rate: f64, tolerance: f64) {
    let (table, positions) = (random(1, WORDS * width), random(2, PLACES * width));
    let (ids, places) = (random_ids(3, tokens, WORDS), random_ids(4, tokens, PLACES));
    let (scale, dropout) = (1.5, dropout(rate));
    let sum = |row: usize, column: usize| {
        scale * table[ids[row] as usize * width + column]
            + positions[places[row] as usize * width + column]
    };
    let sums: Vec<f64> = (0..tokens * width).map(|i| sum(i / width, i % width)).collect();
    let expected = dropped(&sums, width, dropout);
    let (cast_table, cast_positions) = (to::<R>(&table), to::<R>(&positions));
    let layer = Embedding { table: &cast_table, positions: &cast_positions, width, scale, dropout };
    let mut y = vec![R::ONE; expected.len()];
    if width > 0 {
        embed_forward(&mut y, &ids, &places, &layer);
        assert_close(&y, &expected, tolerance, "y");
    }

    let dy = random(5, tokens * width);
    let masked = dropped(&dy, width, dropout);
    let (mut dtable, mut dpositions) = (vec![0.5; table.len()], vec![0.25; positions.len()]);
    let (mut fast_table, mut fast_positions) = (to::<R>(&dtable), to::<R>(&dpositions));
    for row in 0..tokens {
        for column in 0..width {
            let value = masked[row * width + column];
            dtable[ids[row] as usize * width + column] += scale * value;
            dpositions[places[row] as usize * width + column] += value;
        }
    }
    let gradients =
        EmbeddingGradients { table: Some(&mut fast_table), positions: Some(&mut fast_positions) };
    if width > 0 {
        embed_backward(gradients, &to::<R>(&dy), &ids, &places, &layer);
        assert_close(&fast_table, &dtable, tolerance, "dtable");
        assert_close(&fast_positions, &dpositions, tolerance, "dpositions");
    }
}

#[test]
fn no_token_is_a_row_of_zeros_without_a_gradient() {
    let width = 17;
    let table = [random(1, 5 * width), vec![0.0; width]].concat();
    let (positions, places) = (random(2, 3 * width), [0, 1, 2, 0]);
    let run = |table: &[f64], ids: &[u32; 4]| {
        let layer =
            Embedding { table, positions: &positions, width, scale: 1.5, dropout: dropout(0.2) };
        let mut y = vec![1.0; 4 * width];
        embed_forward(&mut y, ids, &places, &layer);
        let mut gradient = vec![0.5; table.len()];
        let gradients = EmbeddingGradients { table: Some(&mut gradient), positions: None };
        embed_backward(gradients, &random(5, 4 * width), ids, &places, &layer);
        gradient.truncate(5 * width);
        (y, gradient)
    };
    let zero_row = run(&table, &[5, 2, 4, 5]);
    assert_eq!(run(&table[..5 * width], &[NO_TOKEN, 2, 4, NO_TOKEN]), zero_row);
}

#[test]
fn forward_and_backward() {
    for tokens in [0, 1, 17, 900] {
        for width in AWKWARD {
            for rate in [0.0, 0.2] {
                check::<f64>(tokens, width, rate, 1e-13);
                check::<f32>(tokens, width, rate, 1e-5);
            }
        }
    }
}

#[test]
fn gradients() {
    let (width, ids, places) = (5, [2, 0, 2, 3], [0, 1, 2, 0]);
    let (table, positions, dy) = (random(1, 4 * width), random(2, 3 * width), random(3, 4 * width));
    let layer = Embedding {
        table: &table,
        positions: &positions,
        width,
        scale: 3.0,
        dropout: dropout(0.3),
    };
    let loss = |layer: &Embedding<'_, f64>| {
        let mut y = vec![0.0; dy.len()];
        embed_forward(&mut y, &ids, &places, layer);
        inner(&y, &dy)
    };
    let (mut dtable, mut dpositions) = (vec![0.0; table.len()], vec![0.0; positions.len()]);
    let gradients =
        EmbeddingGradients { table: Some(&mut dtable), positions: Some(&mut dpositions) };
    embed_backward(gradients, &dy, &ids, &places, &layer);
    assert_gradient(&dtable, &table, "dtable", |table| loss(&Embedding { table, ..layer }));
    assert_gradient(&dpositions, &positions, "dpositions", |positions| {
        loss(&Embedding { positions, ..layer })
    });
}

#[test]
#[should_panic(expected = "token 4 in a table of 4 rows")]
fn unknown_token() {
    let layer = Embedding {
        table: &[0.0f32; 8],
        positions: &[0.0; 2],
        width: 2,
        scale: 1.0,
        dropout: dropout(0.0),
    };
    embed_forward(&mut [0.0; 2], &[4], &[0], &layer);
}
