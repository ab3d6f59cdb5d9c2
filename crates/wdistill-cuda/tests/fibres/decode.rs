//! A decoder's operations.

use half::bf16;
use wdistill_cuda::{BestWords, Projection, Recall};
use wdistill_kernels as kernels;
use wdistill_kernels::RecallScratch;

use crate::support::*;

#[test]
fn recall_attends_over_remembered_rows() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        let counts = [0, 1, 31, 32, 33, 100, 0];
        for (heads, head_width) in [(1, 5), (3, 40)] {
            let (width, remembered) = (heads * head_width, 120);
            let q: Vec<bf16> = random(1, counts.len() * width)
                .iter()
                .map(|q| bf16::from_f32(6.0 * *q as f32))
                .collect();
            let [k, v] = [2, 3].map(|seed| random_bf16(seed, remembered * width));
            let rows = random_ids(4, counts.iter().sum(), remembered);
            let mut starts = vec![0];
            counts.iter().for_each(|count| starts.push(starts[starts.len() - 1] + count));
            let [device_q, device_k, device_v] = [&q, &k, &v].map(|n| machine.upload(n).unwrap());
            let device_rows = machine.indices(&rows).unwrap();
            let device_starts = machine.offsets(&starts).unwrap();
            let memory = Recall {
                keys: device_k.part(),
                values: device_v.part(),
                starts: &device_starts,
                rows: &device_rows,
                width,
                heads,
            };
            let y = fresh(machine, q.len());
            machine.recall(y.part(), device_q.part(), &memory).unwrap();
            let [hq, hk, hv] = [&q, &k, &v].map(|numbers| exact(numbers));
            let mut expected = vec![0.0; q.len()];
            for (query, y) in expected.chunks_exact_mut(width).enumerate() {
                let rows = &rows[starts[query]..starts[query + 1]];
                let memory = kernels::Recall { keys: &hk, values: &hv, rows, heads };
                kernels::recall(
                    y,
                    &hq[query * width..][..width],
                    &memory,
                    &mut RecallScratch::default(),
                );
            }
            let found = y.read().unwrap();
            assert_rounded(&found, &expected, |_| 5e-6, "y");
            all.extend(bits(&found));
        }
        all
    });
}

#[test]
fn select_rows_gathers() {
    in_any_order(|machine| {
        let (width, rows) = (37, [4u32, 0, 4, 9, 2]);
        let x = random_bf16(1, 10 * width);
        let y = fresh(machine, rows.len() * width);
        let (device_x, device_rows) =
            (machine.upload(&x).unwrap(), machine.indices(&rows).unwrap());
        machine.select_rows(y.part(), device_x.part(), &device_rows, width).unwrap();
        let expected: Vec<bf16> =
            rows.iter().flat_map(|row| &x[*row as usize * width..][..width]).copied().collect();
        assert_eq!(y.read().unwrap(), expected);
        bits(&expected)
    });
}

/// The best words by sorting: logits, of which those that are no numbers come last, then by number.
fn sorted(logits: &[f64]) -> Vec<u32> {
    let key = |word: &u32| {
        let logit = logits[*word as usize];
        if logit.is_nan() { f64::NEG_INFINITY } else { logit }
    };
    let mut words: Vec<u32> = (0..logits.len() as u32).collect();
    words.sort_by(|a, b| key(b).total_cmp(&key(a)));
    words
}

#[test]
fn best_words_are_in_order() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        // Many ties, few, and no number in one row; a table that is the identity makes logits of x.
        for (width, k, steps) in [(2, 2, 3.0), (300, 12, 4.0), (300, 5, 64.0)] {
            let rows = 5;
            let values = |seed, length| -> Vec<bf16> {
                let step = |v: &f64| bf16::from_f32((v * steps).round() as f32 / 4.0);
                random(seed, length).iter().map(step).collect()
            };
            let (mut x, bias) = (values(1, rows * width), values(2, width));
            x[3 * width] = bf16::NEG_INFINITY;
            let is_one = |index: usize| index / width == index % width;
            let of = |index| if is_one(index) { bf16::ONE } else { bf16::ZERO };
            let table: Vec<bf16> = (0..width * width).map(of).collect();
            // Minus infinity times zero is no number: this row is none but for its first word.
            let [device_x, device_table, device_bias] =
                [&x, &table, &bias].map(|numbers| machine.upload(numbers).unwrap());
            let projection =
                Projection { table: device_table.part(), bias: Some(device_bias.part()), width };
            let words = fresh::<u32>(machine, rows * k);
            let log_probabilities = fresh::<f32>(machine, rows * k);
            let best =
                BestWords { words: words.part(), log_probabilities: log_probabilities.part() };
            machine.best_words(best, device_x.part(), &projection, k).unwrap();
            let (words, found) = (words.read().unwrap(), log_probabilities.read().unwrap());
            for row in 0..rows {
                let logit = |word: usize| match row == 3 && word > 0 {
                    true => f64::NAN,
                    false => x[row * width + word].to_f64() + bias[word].to_f64(),
                };
                let logits: Vec<f64> = (0..width).map(logit).collect();
                let ranks = row * k..(row + 1) * k;
                assert_eq!(words[ranks.clone()], sorted(&logits)[..k], "row {row} of {width}");
                let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
                for (word, found) in words[ranks.clone()].iter().zip(&found[ranks]) {
                    let expected = logits[*word as usize] - log_sum;
                    let is_near = (f64::from(*found) - expected).abs() < 1e-5;
                    assert!(is_near || row == 3 && found.is_nan(), "{found}, expected {expected}");
                }
            }
            all.extend(words);
            all.extend(bits32(&found));
        }
        all
    });
}
