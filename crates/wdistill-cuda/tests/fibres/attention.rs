//! Attention over packed sentences.

use half::bf16;
use wdistill_cuda::{AttentionInputs, AttentionOutput, AttentionShape, Rows};
use wdistill_kernels as kernels;
use wdistill_kernels::Mask;

use crate::support::*;
use crate::tested::{Order, Tested};

/// Sentences by their queries and keys: none, one tile, several, and ends inside of tiles.
const SENTENCES: [(usize, usize); 8] =
    [(1, 1), (0, 3), (5, 7), (32, 32), (33, 65), (0, 0), (70, 71), (2, 40)];

#[derive(Clone, Copy, Debug)]
struct Case {
    heads: usize,
    head_width: usize,
    mask: Mask,
    rate: f64,
    /// How queries, keys and values lie.
    lies: Lies,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lies {
    Alone,
    /// With gaps between rows, others for each.
    Apart,
    /// In one matrix, where there are equally many rows.
    SideBySide,
}

const CASES: [Case; 5] = [
    Case { heads: 2, head_width: 16, mask: Mask::Full, rate: 0.0, lies: Lies::Alone },
    Case { heads: 1, head_width: 7, mask: Mask::Causal, rate: 0.0, lies: Lies::Apart },
    Case { heads: 2, head_width: 24, mask: Mask::Causal, rate: 0.2, lies: Lies::SideBySide },
    Case { heads: 3, head_width: 33, mask: Mask::Full, rate: 0.3, lies: Lies::SideBySide },
    Case { heads: 1, head_width: 128, mask: Mask::Causal, rate: 0.1, lies: Lies::Alone },
];

/// A batch: numbers for the machine and exact copies for the host.
struct Batch {
    case: Case,
    query_offsets: Vec<usize>,
    key_offsets: Vec<usize>,
    /// Queries, keys, values, dy.
    numbers: [Vec<bf16>; 4],
}

impl Batch {
    fn new(case: Case) -> Batch {
        let sum = |lengths: Vec<usize>| {
            let mut offsets = vec![0];
            offsets.extend(lengths.into_iter().scan(0, |sum, length| {
                *sum += length;
                Some(*sum)
            }));
            offsets
        };
        // Side by side as in self-attention: as many keys as queries.
        let keys = |(queries, keys): (usize, usize)| match case.lies {
            Lies::Alone | Lies::Apart => keys,
            Lies::SideBySide => queries,
        };
        let query_offsets = sum(SENTENCES.iter().map(|sentence| sentence.0).collect());
        let key_offsets = sum(SENTENCES.iter().map(|sentence| keys(*sentence)).collect());
        let width = case.heads * case.head_width;
        let lengths = [&query_offsets, &key_offsets, &key_offsets, &query_offsets]
            .map(|o| o[SENTENCES.len()] * width);
        // Queries so large that the softmax is neither flat nor sharp.
        let of = |number: usize| match number {
            0 => random(1, lengths[0]).iter().map(|q| bf16::from_f32(6.0 * *q as f32)).collect(),
            number => random_bf16(number as u64 + 1, lengths[number]),
        };
        Batch { case, query_offsets, key_offsets, numbers: [of(0), of(1), of(2), of(3)] }
    }

    fn width(&self) -> usize {
        self.case.heads * self.case.head_width
    }

    fn host_shape(&self) -> kernels::AttentionShape<'_> {
        kernels::AttentionShape {
            width: self.width(),
            heads: self.case.heads,
            query_offsets: &self.query_offsets,
            key_offsets: &self.key_offsets,
            mask: self.case.mask,
            dropout: dropout(self.case.rate).1,
        }
    }

    /// Numbers from one row of a matrix to the next, where it does not lie beside others.
    fn distance(&self, place: usize) -> usize {
        self.width() + if self.case.lies == Lies::Apart { place + 1 } else { 0 }
    }

    /// Numbers for three matrices.
    fn laid(&self, matrices: [&[bf16]; 3]) -> [Vec<bf16>; 3] {
        match self.case.lies {
            Lies::Alone | Lies::Apart => [0, 1, 2].map(|place| {
                let gap = vec![bf16::NAN; self.distance(place) - self.width()];
                matrices[place].chunks(self.width()).flat_map(|row| [row, &gap].concat()).collect()
            }),
            Lies::SideBySide => {
                let rows = matrices.map(|matrix| matrix.chunks(self.width()));
                let [q, k, v] = rows;
                let joint = q.zip(k).zip(v).flat_map(|((q, k), v)| [q, k, v].concat()).collect();
                [joint, Vec::new(), Vec::new()]
            }
        }
    }

    /// Where three matrices lie.
    fn rows<'a>(&self, buffers: &'a [Numbers<bf16>; 3]) -> AttentionInputs<'a> {
        let width = self.width();
        let [queries, keys, values] = match self.case.lies {
            Lies::Alone | Lies::Apart => [0, 1, 2].map(|place| Rows {
                numbers: buffers[place].part(),
                distance: self.distance(place),
            }),
            Lies::SideBySide => [0, 1, 2].map(|place| {
                let all = buffers[0].part();
                Rows { numbers: all.range(place * width..all.length()), distance: 3 * width }
            }),
        };
        AttentionInputs { queries, keys, values }
    }

    /// What lies in one of three places.
    fn read(&self, buffers: &[Numbers<bf16>; 3], place: usize) -> Vec<bf16> {
        match self.case.lies {
            Lies::Alone | Lies::Apart => {
                let numbers = buffers[place].read().unwrap();
                let rows = numbers.chunks(self.distance(place));
                rows.flat_map(|row| &row[..self.width()]).copied().collect()
            }
            Lies::SideBySide => {
                let all = buffers[0].read().unwrap();
                let width = self.width();
                all.chunks(3 * width)
                    .flat_map(|row| &row[place * width..][..width])
                    .copied()
                    .collect()
            }
        }
    }
}

/// The host's output and probabilities.
fn expected_forward(
    batch: &Batch,
    inputs: &kernels::AttentionInputs<'_, f64>,
) -> (Vec<f64>, Vec<f64>) {
    let shape = batch.host_shape();
    let mut y = vec![0.0; inputs.queries.len()];
    let mut probabilities = vec![0.0; shape.probabilities()];
    kernels::attention_forward(&mut y, Some(&mut probabilities), inputs, &shape);
    (y, probabilities)
}

/// How far rounding `y` before the deltas may move the gradients of queries and keys: a delta moves by the sum of
/// `|dy| * half a step of y` over a head, a slope of a score by its probability times that.
fn moves(batch: &Batch, y: &[f64], probabilities: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (case, width) = (batch.case, batch.width());
    let [q, k, _, dy] = [0, 1, 2, 3].map(|number| exact(&batch.numbers[number]));
    let scale = 1.0 / (case.head_width as f64).sqrt();
    let (mut of_q, mut of_k) = (vec![0.0; q.len()], vec![0.0; k.len()]);
    let mut rest = probabilities.iter();
    for (queries, keys) in batch.query_offsets.windows(2).zip(batch.key_offsets.windows(2)) {
        for head in 0..case.heads {
            for query in queries[0]..queries[1] {
                let columns = query * width + head * case.head_width..;
                let columns = columns.start..columns.start + case.head_width;
                let delta: f64 = columns.clone().map(|i| dy[i].abs() * half_step(y[i])).sum();
                for key in keys[0]..keys[1] {
                    let move_of_score = rest.next().unwrap() * delta * scale;
                    let first = key * width + head * case.head_width;
                    for (i, j) in columns.clone().zip(first..) {
                        of_q[i] += move_of_score * k[j].abs();
                        of_k[j] += move_of_score * q[i].abs();
                    }
                }
            }
        }
    }
    (of_q, of_k)
}

fn check(machine: &Machine, case: Case) -> Vec<u16> {
    let batch = Batch::new(case);
    let width = batch.width();
    let shape =
        AttentionShape { width, heads: case.heads, mask: case.mask, dropout: dropout(case.rate).0 };
    let spans = machine.attention_spans(&batch.query_offsets, &batch.key_offsets).unwrap();
    let [q, k, v, dy] = &batch.numbers;
    let buffers = batch.laid([q, k, v]).map(|numbers| machine.upload(&numbers).unwrap());
    let inputs = batch.rows(&buffers);
    let y = fresh::<bf16>(machine, q.len());
    let log_sums = fresh::<f32>(machine, q.len() / width * case.heads);
    let output = AttentionOutput { y: y.part(), log_sums: log_sums.part() };
    machine.attention_forward(output, &inputs, &spans, &shape).unwrap();

    let host = [q, k, v].map(|numbers| exact(numbers));
    let host = kernels::AttentionInputs { queries: &host[0], keys: &host[1], values: &host[2] };
    let (expected_y, probabilities) = expected_forward(&batch, &host);
    let found = y.read().unwrap();
    assert_rounded(&found, &expected_y, |_| 5e-6, &format!("{case:?}: y"));

    let slopes = machine.upload(dy).unwrap();
    let sizes = [&buffers[0], &buffers[1], &buffers[2]].map(|buffer| buffer.length());
    let gradients = sizes.map(|length| fresh::<bf16>(machine, length));
    machine
        .attention_backward(&batch.rows(&gradients), slopes.part(), output, &inputs, &spans, &shape)
        .unwrap();
    let mut expected = [q, k, v].map(|numbers| vec![0.0; numbers.len()]);
    let [dq, dk, dv] = &mut expected;
    let targets = kernels::AttentionGradients { queries: dq, keys: dk, values: dv };
    kernels::attention_backward(targets, &exact(dy), &probabilities, &host, &batch.host_shape());
    let (of_q, of_k) = moves(&batch, &expected_y, &probabilities);
    let moved = [of_q, of_k, vec![0.0; v.len()]];
    let mut all = bits(&found);
    for (place, name) in ["dq", "dk", "dv"].into_iter().enumerate() {
        let found = batch.read(&gradients, place);
        let slack = |index: usize| moved[place][index] + 2e-5;
        assert_rounded(&found, &expected[place], slack, &format!("{case:?}: {name}"));
        all.extend(bits(&found));
    }
    all
}

#[test]
fn attention_goes_forward_and_back() {
    in_any_order(|machine| {
        CASES.into_iter().flat_map(|case| check(machine, case)).collect::<Vec<_>>()
    });
}

#[test]
fn attention_without_keys_gives_zeros() {
    in_any_order(|machine| {
        let spans = machine.attention_spans(&[0, 3], &[0, 0]).unwrap();
        let (q, none) =
            (machine.upload(&random_bf16(1, 24)).unwrap(), machine.upload(&[]).unwrap());
        let rows = |part| Rows::of(part, 8);
        let inputs = AttentionInputs {
            queries: rows(q.part()),
            keys: rows(none.part()),
            values: rows(none.part()),
        };
        let shape =
            AttentionShape { width: 8, heads: 2, mask: Mask::Full, dropout: dropout(0.1).0 };
        let (y, log_sums) = (fresh(machine, 24), fresh(machine, 6));
        let output = AttentionOutput { y: y.part(), log_sums: log_sums.part() };
        machine.attention_forward(output, &inputs, &spans, &shape).unwrap();
        assert_eq!(y.read().unwrap(), vec![bf16::ZERO; 24]);
        let dq = fresh(machine, 24);
        let gradients = AttentionInputs { queries: rows(dq.part()), ..inputs };
        machine.attention_backward(&gradients, q.part(), output, &inputs, &spans, &shape).unwrap();
        assert_eq!(dq.read().unwrap(), vec![bf16::ZERO; 24]);
        bits(&y.read().unwrap())
    });
}

#[test]
#[should_panic(expected = "this sentence has fewer keys than queries")]
fn a_causal_query_sees_a_key() {
    let machine = Machine::new(Tested::new(Order::Natural));
    let spans = machine.attention_spans(&[0, 1, 3], &[0, 1, 2]).unwrap();
    let [q, k] = [3, 2].map(|rows| fresh::<bf16>(&machine, rows));
    let inputs = AttentionInputs {
        queries: Rows::of(q.part(), 1),
        keys: Rows::of(k.part(), 1),
        values: Rows::of(k.part(), 1),
    };
    let log_sums = fresh(&machine, 3);
    let output = AttentionOutput { y: q.part(), log_sums: log_sums.part() };
    let shape = AttentionShape { width: 1, heads: 1, mask: Mask::Causal, dropout: dropout(0.0).0 };
    machine.attention_forward(output, &inputs, &spans, &shape).unwrap();
}
