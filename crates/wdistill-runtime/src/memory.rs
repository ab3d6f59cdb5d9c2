//! Keys and values that are remembered, and attention over them.

use wdistill_kernels::{AttentionInputs, AttentionShape, Dropout, attention_forward, softmax};
use wdistill_model::{Mask, Matrix, Spans};

/// Keys and values of one attention for all sentences or hypotheses of a batch.
///
/// Rows are only ever appended. What a hypothesis remembers is a list of row numbers, so that
/// hypotheses with a common past share its rows, and reordering a beam copies row numbers instead of
/// keys and values. Rows of hypotheses that fell out of the beam stay until the batch is done: at most
/// `beam * sentences` for each step.
#[derive(Clone, Debug)]
pub struct KeyValues {
    /// `[rows, width]`.
    keys: Vec<f32>,
    /// `[rows, width]`.
    values: Vec<f32>,
    width: usize,
    owners: Owners,
}

/// Whose rows they are.
#[derive(Clone, Debug)]
enum Owners {
    /// Each sentence's rows lie side by side.
    Packed(Spans),
    /// Each hypothesis' rows, in the order of its tokens.
    Listed(Vec<Vec<u32>>),
}

impl KeyValues {
    /// What is remembered after the first tokens: `keys` and `values` are `[tokens, width]`.
    pub(crate) fn new(keys: Matrix<f32>, values: Matrix<f32>, spans: &Spans) -> KeyValues {
        assert_eq!(keys.rows(), spans.rows(), "rows of keys");
        assert_eq!(keys.data().len(), values.data().len(), "keys and values");
        KeyValues {
            width: keys.columns(),
            keys: keys.into_data(),
            values: values.into_data(),
            owners: Owners::Packed(spans.clone()),
        }
    }

    /// Appends what was computed for more tokens of each hypothesis.
    pub(crate) fn append(&mut self, keys: &Matrix<f32>, values: &Matrix<f32>, spans: &Spans) {
        let first = self.keys.len() / self.width;
        self.keys.extend_from_slice(keys.data());
        self.values.extend_from_slice(values.data());
        assert_eq!(self.keys.len(), self.values.len(), "keys and values");
        let lists = self.lists();
        assert_eq!(lists.len(), spans.sentences(), "one span of new rows for each hypothesis");
        for (hypothesis, rows) in lists.iter_mut().enumerate() {
            let new = spans.range(hypothesis);
            rows.extend(new.map(|row| (first + row) as u32));
        }
    }

    /// Hypothesis `i` becomes what hypothesis `parents[i]` was.
    pub(crate) fn select(&mut self, parents: &[usize]) {
        let lists = self.lists();
        let unchanged = parents.len() == lists.len();
        if unchanged && parents.iter().enumerate().all(|(index, parent)| index == *parent) {
            return;
        }
        // A list goes to its last child without a copy.
        let mut children = vec![0; lists.len()];
        parents.iter().for_each(|parent| children[*parent] += 1);
        let selected = parents.iter().map(|parent| {
            children[*parent] -= 1;
            match children[*parent] {
                0 => std::mem::take(&mut lists[*parent]),
                _ => lists[*parent].clone(),
            }
        });
        *lists = selected.collect();
    }

    fn lists(&mut self) -> &mut Vec<Vec<u32>> {
        if let Owners::Packed(spans) = &self.owners {
            let sentences = 0..spans.sentences();
            let list = |sentence| spans.range(sentence).map(|row| row as u32).collect();
            self.owners = Owners::Listed(sentences.map(list).collect());
        }
        match &mut self.owners {
            Owners::Listed(lists) => lists,
            Owners::Packed(_) => unreachable!("turned into lists above"),
        }
    }

    /// `softmax(q kᵀ / sqrt(width / heads)) v`, `[queries, width]`.
    pub(crate) fn attend(
        &self,
        queries: &Matrix<f32>,
        spans: &Spans,
        heads: usize,
        mask: Mask,
    ) -> Matrix<f32> {
        assert_eq!(queries.columns(), self.width, "width of queries and keys");
        assert_eq!(queries.rows(), spans.rows(), "queries of all sentences");
        let mut output = vec![0.0; queries.data().len()];
        match &self.owners {
            Owners::Packed(keys) => {
                let shape = AttentionShape {
                    width: self.width,
                    heads,
                    query_offsets: spans.offsets(),
                    key_offsets: keys.offsets(),
                    mask: match mask {
                        Mask::Full => wdistill_kernels::Mask::Full,
                        Mask::Causal => wdistill_kernels::Mask::Causal,
                    },
                    dropout: Dropout::NONE,
                };
                let inputs = AttentionInputs {
                    queries: queries.data(),
                    keys: &self.keys,
                    values: &self.values,
                };
                attention_forward(&mut output, None, &inputs, &shape);
            }
            Owners::Listed(lists) => {
                assert_eq!(lists.len(), spans.sentences(), "one span of queries for each list");
                let mut probabilities = Vec::new();
                for (sentence, rows) in lists.iter().enumerate() {
                    let queried = spans.range(sentence);
                    let past = rows.len().saturating_sub(queried.len());
                    for (index, query) in queried.enumerate() {
                        let visible = match mask {
                            Mask::Full => rows.len(),
                            Mask::Causal => past + index + 1,
                        };
                        let place = query * self.width..(query + 1) * self.width;
                        self.attend_rows(
                            &mut output[place],
                            queries.row(query),
                            &rows[..visible],
                            heads,
                            &mut probabilities,
                        );
                    }
                }
            }
        }
        Matrix::new(queries.rows(), self.width, output)
    }

    /// One query over listed rows; adds to `output [width]`. `probabilities` is scratch space.
    fn attend_rows(
        &self,
        output: &mut [f32],
        query: &[f32],
        rows: &[u32],
        heads: usize,
        probabilities: &mut Vec<f32>,
    ) {
        if rows.is_empty() {
            return;
        }
        let size = self.width / heads;
        let scale = 1.0 / (size as f32).sqrt();
        let row_of = |all, row: &u32| row_at(all, *row as usize, self.width);
        probabilities.resize(heads * rows.len(), 0.0);
        for (index, row) in rows.iter().enumerate() {
            let key = row_of(&self.keys, row).chunks_exact(size);
            for (head, (query, key)) in query.chunks_exact(size).zip(key).enumerate() {
                probabilities[head * rows.len() + index] = dot(query, key) * scale;
            }
        }
        softmax(probabilities, rows.len());
        for (index, row) in rows.iter().enumerate() {
            let value = row_of(&self.values, row).chunks_exact(size);
            for (head, (output, value)) in output.chunks_exact_mut(size).zip(value).enumerate() {
                let probability = probabilities[head * rows.len() + index];
                for (output, value) in output.iter_mut().zip(value) {
                    *output += probability * value;
                }
            }
        }
    }
}

fn row_at(all: &[f32], row: usize, width: usize) -> &[f32] {
    &all[row * width..(row + 1) * width]
}

/// Inner product over eight partial sums, which the compiler turns into vector registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}
