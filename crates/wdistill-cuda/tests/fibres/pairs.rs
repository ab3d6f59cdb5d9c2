//! Losses inside a model.

use half::bf16;
use wdistill_cuda::{GuidedHead, LikenessGradient, Relations, Rows};
use wdistill_kernels as kernels;

use crate::support::*;

const QUERIES: [usize; 5] = [0, 3, 3, 40, 45];
const KEYS: [usize; 5] = [0, 2, 6, 43, 43];

/// Alignments of random words, of which some come from nothing.
fn alignments(length: usize) -> Vec<f32> {
    random(9, length).iter().map(|a| (a.max(0.0) / 4.0) as f32).collect()
}

#[test]
fn guidance_slopes_follow_alignments() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (heads, head, size) in [(1, 0, 5), (3, 1, 40)] {
            let width = heads * size;
            // The last query sees no keys.
            let (queries, keys) = (random_bf16(1, 45 * width), random_bf16(2, 43 * width));
            let spans = machine.pair_spans(&QUERIES, &KEYS).unwrap();
            let a = alignments(spans.pairs());
            let [q, k] = [&queries, &keys].map(|numbers| machine.upload(numbers).unwrap());
            let [dq, dk] = [&queries, &keys].map(|numbers| fresh::<bf16>(machine, numbers.len()));
            let device_a = machine.upload(&a).unwrap();
            let guided = GuidedHead {
                queries: Rows::of(q.part(), width),
                keys: Rows::of(k.part(), width),
                width,
                heads,
                head,
                alignments: device_a.part(),
            };
            let of = |gradient| LikenessGradient { gradient, scale: 0.7 };
            let loss = machine
                .guidance_loss(&guided, [of(dq.part()), of(dk.part())], &spans)
                .unwrap()
                .read()
                .unwrap();

            let host = [exact(&queries), exact(&keys)];
            let [hq, hk] = [&host[0], &host[1]].map(|values| kernels::Rows { values, width });
            let mut expected = [vec![0.0; queries.len()], vec![0.0; keys.len()]];
            let [eq, ek] = &mut expected;
            let shape =
                kernels::GuidedHead { head, heads, query_offsets: &QUERIES, key_offsets: &KEYS };
            let of = |gradient| kernels::LikenessGradient { gradient, scale: 0.7 };
            let expected_loss = kernels::guidance_loss(hq, hk, &exact(&a), shape, [of(eq), of(ek)]);
            assert!((loss - expected_loss).abs() < 2e-6 * expected_loss, "{loss}, {expected_loss}");
            for (found, expected) in [&dq, &dk].into_iter().zip(&expected) {
                let found = found.read().unwrap();
                assert_rounded(&found, expected, |_| 2e-6, "gradient");
                all.extend(bits(&found));
            }
        }
        all
    });
}

#[test]
fn relation_slopes_compare_tokens() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (heads, student_size, teacher_size) in [(1, 7, 9), (4, 12, 34)] {
            let (width, teacher_width) = (heads * student_size, heads * teacher_size);
            let (student, teacher) =
                (random_bf16(1, 45 * width), random_bf16(2, 45 * teacher_width));
            let spans = machine.pair_spans(&QUERIES, &QUERIES).unwrap();
            let [s, t] = [&student, &teacher].map(|numbers| machine.upload(numbers).unwrap());
            let relations = Relations { student: s.part(), teacher: t.part(), heads };
            let gradient = fresh::<bf16>(machine, student.len());
            let of = LikenessGradient { gradient: gradient.part(), scale: 1.3 };
            let loss = machine.relation_divergence(&relations, of, &spans).unwrap().read().unwrap();

            let host = [exact(&student), exact(&teacher)];
            let ours = kernels::Rows { values: &host[0], width };
            let theirs = kernels::Rows { values: &host[1], width: teacher_width };
            let mut expected = vec![0.0; student.len()];
            let of = kernels::LikenessGradient { gradient: &mut expected, scale: 1.3 };
            let shape = kernels::RelationShape { heads, offsets: &QUERIES };
            let expected_loss = kernels::relation_divergence(ours, theirs, shape, of);
            assert!((loss - expected_loss).abs() < 1e-5 * expected_loss, "{loss}, {expected_loss}");
            let found = gradient.read().unwrap();
            assert_rounded(&found, &expected, |_| 2e-6, "gradient");
            all.extend(bits(&found));
        }
        all
    });
}

#[test]
fn state_distance_is_the_part_that_is_missed() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (rows, width) in [(0, 3), (1, 1), (19, 70)] {
            let (student, mut teacher) =
                (random_bf16(1, rows * width), random_bf16(2, rows * width));
            // A row without a state.
            if rows > 5 {
                teacher[5 * width..6 * width].fill(bf16::ZERO);
            }
            let [s, t] = [&student, &teacher].map(|numbers| machine.upload(numbers).unwrap());
            let gradient = fresh::<bf16>(machine, student.len());
            let of = LikenessGradient { gradient: gradient.part(), scale: 0.9 };
            let loss =
                machine.state_distance(s.part(), t.part(), width, of).unwrap().read().unwrap();
            let host = [exact(&student), exact(&teacher)];
            let [ours, theirs] = [&host[0], &host[1]].map(|values| kernels::Rows { values, width });
            let mut expected = vec![0.0; student.len()];
            let of = kernels::LikenessGradient { gradient: &mut expected, scale: 0.9 };
            let expected_loss = kernels::state_distance(ours, theirs, of);
            assert!(
                (loss - expected_loss).abs() <= 1e-6 * expected_loss,
                "{loss}, {expected_loss}"
            );
            let found = gradient.read().unwrap();
            assert_rounded(&found, &expected, |index| 1e-6 * expected[index].abs(), "gradient");
            all.extend(bits(&found));
        }
        all
    });
}
