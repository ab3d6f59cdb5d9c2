//! Attention.

use crate::support::{assert_close, assert_gradient, dropout, inner, random, to};
use wdistill_kernels::{
    AttentionGradients, AttentionInputs, AttentionShape, Dropout, Mask, Real, attention_backward,
    attention_forward,
};

/// Output and probabilities by the definition.
fn reference(
    inputs: &AttentionInputs<'_, f64>,
    shape: &AttentionShape<'_>,
) -> (Vec<f64>, Vec<f64>) {
    let (width, heads) = (shape.width, shape.heads);
    let head_width = width / heads;
    let mut y = vec![0.0; inputs.queries.len()];
    let mut saved = Vec::new();
    for (q, k) in shape.query_offsets.windows(2).zip(shape.key_offsets.windows(2)) {
        for head in 0..heads {
            let slice = |data: &[f64], row: usize| {
                data[row * width + head * head_width..][..head_width].to_vec()
            };
            for i in q[0]..q[1] {
                let visible = |j: usize| match shape.mask {
                    Mask::Full => true,
                    Mask::Causal => j - k[0] <= (k[1] - k[0]) - (q[1] - q[0]) + (i - q[0]),
                };
                let score = |j| {
                    inner(&slice(inputs.queries, i), &slice(inputs.keys, j))
                        / (head_width as f64).sqrt()
                };
                let weights: Vec<f64> =
                    (k[0]..k[1]).map(|j| if visible(j) { score(j).exp() } else { 0.0 }).collect();
                let total: f64 = weights.iter().sum();
                for (column, weight) in weights.iter().enumerate() {
                    let probability = weight / total;
                    saved.push(probability);
                    if shape.dropout.keeps(i * heads + head, column) {
                        let kept = probability / (1.0 - shape.dropout.rate());
                        for (d, value) in slice(inputs.values, k[0] + column).iter().enumerate() {
                            y[i * width + head * head_width + d] += kept * value;
                        }
                    }
                }
            }
        }
    }
    (y, saved)
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    std::iter::once(0)
        .chain(lengths.iter().scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        }))
        .collect()
}

struct Case {
    queries: Vec<usize>,
    keys: Vec<usize>,
    heads: usize,
    head_width: usize,
    mask: Mask,
    dropout: Dropout,
}

impl Case {
    fn inputs(&self) -> [Vec<f64>; 3] {
        let width = self.heads * self.head_width;
        let rows = |lengths: &[usize]| lengths.iter().sum::<usize>() * width;
        let [q, k, v] =
            [(1, &self.queries), (2, &self.keys), (3, &self.keys)].map(|(s, l)| random(s, rows(l)));
        [q.iter().map(|value| 2.0 * value).collect(), k, v]
    }

    fn with_shape<T>(&self, work: impl Fn(&AttentionShape<'_>) -> T) -> T {
        work(&AttentionShape {
            width: self.heads * self.head_width,
            heads: self.heads,
            query_offsets: &offsets(&self.queries),
            key_offsets: &offsets(&self.keys),
            mask: self.mask,
            dropout: self.dropout,
        })
    }

    fn check_forward<R: Real>(&self, tolerance: f64) {
        let [queries, keys, values] = self.inputs();
        let exact = AttentionInputs { queries: &queries, keys: &keys, values: &values };
        let cast = [&queries, &keys, &values].map(|values| to::<R>(values));
        let inputs = AttentionInputs { queries: &cast[0], keys: &cast[1], values: &cast[2] };
        self.with_shape(|shape| {
            let (expected, expected_saved) = reference(&exact, shape);
            let (mut y, mut saved) =
                (vec![R::ONE; expected.len()], vec![R::ONE; shape.probabilities()]);
            attention_forward(&mut y, Some(&mut saved), &inputs, shape);
            assert_close(&y, &expected, tolerance, "y");
            assert_close(&saved, &expected_saved, tolerance, "probabilities");
            y.fill(R::ONE);
            attention_forward(&mut y, None, &inputs, shape);
            assert_close(&y, &expected, tolerance, "y");
        });
    }

    fn check_backward(&self) {
        let [queries, keys, values] = self.inputs();
        let inputs = AttentionInputs { queries: &queries, keys: &keys, values: &values };
        let dy = random(4, queries.len());
        self.with_shape(|shape| {
            let (mut y, mut saved) = (vec![0.0; dy.len()], vec![0.0; shape.probabilities()]);
            attention_forward(&mut y, Some(&mut saved), &inputs, shape);
            let [mut dq, mut dk, mut dv] =
                [vec![9.0; dy.len()], vec![9.0; keys.len()], vec![9.0; keys.len()]];
            let gradients = AttentionGradients { queries: &mut dq, keys: &mut dk, values: &mut dv };
            attention_backward(gradients, &dy, &saved, &inputs, shape);
            let loss = |inputs: &AttentionInputs<'_, f64>| {
                let mut y = vec![0.0; dy.len()];
                attention_forward(&mut y, None, inputs, shape);
                inner(&y, &dy)
            };
            assert_gradient(&dq, &queries, "dq", |queries| {
                loss(&AttentionInputs { queries, ..inputs })
            });
            assert_gradient(&dk, &keys, "dk", |keys| loss(&AttentionInputs { keys, ..inputs }));
            assert_gradient(&dv, &values, "dv", |values| {
                loss(&AttentionInputs { values, ..inputs })
            });
        });
    }
}

#[test]
fn forward() {
    let lengths = vec![1, 0, 7, 8, 9, 15, 16, 17, 33, 65];
    let longer: Vec<usize> = lengths.iter().map(|length| length + 3).collect();
    for (heads, head_width) in [(1, 1), (2, 8), (3, 12), (2, 24), (4, 16), (1, 65), (8, 32)] {
        for rate in [0.0, 0.3] {
            for (keys, mask) in [
                (&lengths, Mask::Full),
                (&lengths, Mask::Causal),
                (&longer, Mask::Full),
                (&longer, Mask::Causal),
            ] {
                let dropout = dropout(rate);
                let case = Case {
                    queries: lengths.clone(),
                    keys: keys.clone(),
                    heads,
                    head_width,
                    mask,
                    dropout,
                };
                case.check_forward::<f64>(1e-12);
                case.check_forward::<f32>(1e-5);
            }
        }
    }
}

#[test]
fn one_query_at_a_time() {
    for mask in [Mask::Full, Mask::Causal] {
        let (queries, keys) = (vec![1; 5], vec![1, 2, 9, 16, 40]);
        let case = Case { queries, keys, heads: 2, head_width: 16, mask, dropout: Dropout::NONE };
        case.check_forward::<f32>(1e-5);
    }
}

#[test]
fn backward() {
    for (keys, mask) in
        [(vec![4, 2, 9], Mask::Full), (vec![3, 1, 9], Mask::Causal), (vec![5, 2, 11], Mask::Causal)]
    {
        for dropout in [Dropout::NONE, dropout(0.3)] {
            let case = Case {
                queries: vec![3, 1, 9],
                keys: keys.clone(),
                heads: 2,
                head_width: 5,
                mask,
                dropout,
            };
            case.check_backward();
        }
    }
}

#[test]
fn a_sentence_without_keys_gives_zeros() {
    let shape = AttentionShape {
        width: 2,
        heads: 1,
        query_offsets: &[0, 2],
        key_offsets: &[0, 0],
        mask: Mask::Full,
        dropout: Dropout::NONE,
    };
    let inputs = AttentionInputs { queries: &[1.0f32; 4], keys: &[], values: &[] };
    let mut y = [5.0; 4];
    attention_forward(&mut y, None, &inputs, &shape);
    assert_eq!(y, [0.0; 4]);
}

#[test]
fn large_scores_saturate() {
    let shape = AttentionShape {
        width: 1,
        heads: 1,
        query_offsets: &[0, 1],
        key_offsets: &[0, 2],
        mask: Mask::Full,
        dropout: Dropout::NONE,
    };
    let inputs = AttentionInputs { queries: &[1e4f32], keys: &[1e4, -1e4], values: &[3.0, 5.0] };
    let mut y = [0.0];
    attention_forward(&mut y, None, &inputs, &shape);
    assert_eq!(y, [3.0]);
}

#[test]
#[should_panic(expected = "sentence 1 has 3 queries, 2 keys")]
fn causal_with_too_few_keys() {
    let shape = AttentionShape {
        width: 1,
        heads: 1,
        query_offsets: &[0, 1, 4],
        key_offsets: &[0, 1, 3],
        mask: Mask::Causal,
        dropout: Dropout::NONE,
    };
    let inputs = AttentionInputs { queries: &[0.0f32; 4], keys: &[0.0; 3], values: &[0.0; 3] };
    attention_forward(&mut [0.0; 4], None, &inputs, &shape);
}
