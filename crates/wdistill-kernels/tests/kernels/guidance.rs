//! Guided alignment against central differences, and by hand.

use wdistill_kernels::{GuidedHead, LikenessGradient, Rows, guidance_loss};

use crate::support::{assert_gradient, random};

const SCALE: f64 = 0.25;

/// Sentences of 2 x 3, 0 x 2 and 3 x 1 words; the second of two heads of 4 numbers.
const SHAPE: GuidedHead<'_> =
    GuidedHead { head: 1, heads: 2, query_offsets: &[0, 2, 2, 5], key_offsets: &[0, 3, 5, 6] };

/// The loss, and the gradients of queries and keys.
fn of(queries: &[f64], keys: &[f64], alignments: &[f64]) -> (f64, [Vec<f64>; 2]) {
    let rows = |values| Rows { values, width: 8 };
    // What was there is overwritten.
    let mut gradients = [vec![1.0; queries.len()], vec![1.0; keys.len()]];
    let places = gradients.each_mut();
    let places = places.map(|gradient| LikenessGradient { gradient, scale: SCALE });
    let loss = guidance_loss(rows(queries), rows(keys), alignments, SHAPE, places);
    (loss, gradients)
}

#[test]
fn gradients_are_slopes() {
    let (queries, keys) = (random(1, 5 * 8), random(2, 6 * 8));
    // The second word comes from nothing, the fourth in part.
    let alignments = [0.2, 0.5, 0.3, 0.0, 0.0, 0.0, 1.0, 0.4, 1.0];
    let (_, [of_queries, of_keys]) = of(&queries, &keys, &alignments);
    assert_gradient(&of_queries, &queries, "queries", |x| SCALE * of(x, &keys, &alignments).0);
    assert_gradient(&of_keys, &keys, "keys", |x| SCALE * of(&queries, x, &alignments).0);
    let first_head = |gradient: &[f64]| gradient.chunks(8).all(|row| row[..4] == [0.0; 4]);
    assert!(first_head(&of_queries) && first_head(&of_keys));
}

#[test]
fn even_attention_to_three_words_misses_the_logarithm_of_three() {
    let alignments = [1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0];
    let (loss, _) = of(&[0.0; 40], &random(2, 48), &alignments);
    assert!((loss - 1.5 * 3.0f64.ln()).abs() < 1e-12, "{loss}");
}
