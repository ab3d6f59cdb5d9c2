//! Keys and values that are remembered, and attention over them.

use std::ops::Range;

use wdistill_kernels::{
    AttentionInputs, AttentionShape, Dropout, Recall, RecallScratch, attention_forward, recall,
};
use wdistill_model::{Mask, Spans};

use crate::activations::Activations;

/// Keys and values of one attention for all sentences or hypotheses of a batch.
///
/// Rows are only ever appended. What a hypothesis remembers is a list of row numbers, so that
/// hypotheses with a common past share its rows, and reordering a beam copies row numbers instead of
/// keys and values. Rows of hypotheses that fell out of the beam stay until the batch is done: at most
/// `beam * sentences` for each step.
#[derive(Clone, Debug)]
pub struct KeyValues {
    keys: Activations,
    values: Activations,
    owners: Owners,
}

/// Whose rows they are.
#[derive(Clone, Debug)]
enum Owners {
    /// Each sentence's rows lie side by side.
    Packed(Spans),
    /// Each hypothesis' rows, in the order of its tokens.
    Listed(Lists),
}

/// Lists of row numbers, and what a step needs to reorder them, so that it takes no memory of its own.
#[derive(Clone, Debug, Default)]
struct Lists {
    all: Vec<Vec<u32>>,
    /// Empty.
    next: Vec<Vec<u32>>,
    /// Lists of hypotheses that fell out of the beam.
    old: Vec<Vec<u32>>,
    /// How many hypotheses go on with each list.
    children: Vec<usize>,
}

impl Lists {
    /// List `i` becomes what list `parents[i]` was.
    fn select(&mut self, parents: &[usize]) {
        let Lists { all, next, old, children } = self;
        let unchanged = parents.len() == all.len();
        if unchanged && parents.iter().enumerate().all(|(index, parent)| index == *parent) {
            return;
        }
        children.clear();
        children.resize(all.len(), 0);
        parents.iter().for_each(|parent| children[*parent] += 1);
        let orphans = all.iter_mut().zip(&*children).filter(|(_, children)| **children == 0);
        old.extend(orphans.map(|(list, _)| std::mem::take(list)));
        for parent in parents {
            children[*parent] -= 1;
            // A list goes to its last child without a copy.
            next.push(match children[*parent] {
                0 => std::mem::take(&mut all[*parent]),
                _ => {
                    let mut copy = old.pop().unwrap_or_default();
                    copy.clear();
                    copy.extend_from_slice(&all[*parent]);
                    copy
                }
            });
        }
        all.clear();
        std::mem::swap(all, next);
    }
}

/// What calls of [`KeyValues::attend`] share.
#[derive(Debug, Default)]
pub(crate) struct AttendScratch {
    recall: RecallScratch<f32>,
    rows: Vec<u32>,
}

impl KeyValues {
    /// What is remembered after the first tokens: `keys` and `values` are `[tokens, width]`.
    pub(crate) fn new(keys: Activations, values: Activations, spans: &Spans) -> KeyValues {
        assert_eq!(keys.rows(), spans.rows(), "rows of keys");
        assert_eq!(keys.data().len(), values.data().len(), "keys and values");
        KeyValues { keys, values, owners: Owners::Packed(spans.clone()) }
    }

    /// Appends what was computed for more tokens of each hypothesis.
    pub(crate) fn append(&mut self, keys: &Activations, values: &Activations, spans: &Spans) {
        let first = self.keys.rows();
        assert_eq!(keys.rows(), values.rows(), "keys and values");
        self.keys.append(keys);
        self.values.append(values);
        let lists = &mut self.lists().all;
        assert_eq!(lists.len(), spans.sentences(), "one span of new rows for each hypothesis");
        for (hypothesis, rows) in lists.iter_mut().enumerate() {
            let new = spans.range(hypothesis);
            rows.extend(new.map(|row| (first + row) as u32));
        }
    }

    /// Hypothesis `i` becomes what hypothesis `parents[i]` was.
    pub(crate) fn select(&mut self, parents: &[usize]) {
        self.lists().select(parents);
    }

    fn lists(&mut self) -> &mut Lists {
        if let Owners::Packed(spans) = &self.owners {
            let sentences = 0..spans.sentences();
            let list = |sentence| spans.range(sentence).map(|row| row as u32).collect();
            let all = sentences.map(list).collect();
            self.owners = Owners::Listed(Lists { all, ..Lists::default() });
        }
        match &mut self.owners {
            Owners::Listed(lists) => lists,
            Owners::Packed(_) => unreachable!("turned into lists above"),
        }
    }

    /// `softmax(q kᵀ / sqrt(width / heads)) v`, into `output [queries, width]`. The probabilities, if somebody records
    /// them, are appended: of each query of each sentence, of each head, of each key.
    pub(crate) fn attend(
        &self,
        output: &mut Activations,
        queries: &Activations,
        (spans, heads, mask): (&Spans, usize, Mask),
        scratch: &mut AttendScratch,
        mut record: Option<&mut Vec<f32>>,
    ) {
        let width = self.keys.columns();
        assert_eq!(queries.columns(), width, "width of queries and keys");
        assert_eq!(queries.rows(), spans.rows(), "queries of all sentences");
        let AttendScratch { recall: scratch, rows: all_rows } = scratch;
        for sentence in 0..spans.sentences() {
            let queried = spans.range(sentence);
            let place = queried.start * width..queried.end * width;
            let (output, queries) = (&mut output.data_mut()[place.clone()], &queries.data()[place]);
            let rows = match &self.owners {
                Owners::Packed(keys) if queried.len() > FEW_QUERIES && record.is_none() => {
                    self.attend_whole(output, queries, keys.range(sentence), heads, mask);
                    continue;
                }
                Owners::Packed(keys) => {
                    all_rows.clear();
                    all_rows.extend(keys.range(sentence).map(|row| row as u32));
                    &*all_rows
                }
                Owners::Listed(lists) => &lists.all[sentence],
            };
            let past = rows.len().saturating_sub(queried.len());
            let each = output.chunks_exact_mut(width).zip(queries.chunks_exact(width));
            for (index, (output, query)) in each.enumerate() {
                let visible = match mask {
                    Mask::Full => rows.len(),
                    Mask::Causal => past + index + 1,
                };
                let (keys, values) = (self.keys.data(), self.values.data());
                let memory = Recall { keys, values, rows: &rows[..visible], heads };
                recall(output, query, &memory, scratch);
                if let Some(record) = &mut record {
                    scratch.probabilities(visible).for_each(|head| record.extend(head));
                }
            }
        }
    }

    /// Many queries of one sentence, whose keys and values lie side by side.
    fn attend_whole(
        &self,
        output: &mut [f32],
        queries: &[f32],
        rows: Range<usize>,
        heads: usize,
        mask: Mask,
    ) {
        let width = self.keys.columns();
        let place = rows.start * width..rows.end * width;
        let (keys, values) = (&self.keys.data()[place.clone()], &self.values.data()[place]);
        let shape = AttentionShape {
            width,
            heads,
            query_offsets: &[0, queries.len() / width],
            key_offsets: &[0, rows.len()],
            mask,
            dropout: Dropout::NONE,
        };
        let inputs = AttentionInputs { queries, keys, values };
        attention_forward(output, None, &inputs, &shape);
    }
}

/// Up to so many queries of a sentence are answered one by one: packing its keys and values, as attention
/// over whole sentences does, would cost more. The choice looks at the sentence alone, so that a sentence's
/// bits do not depend on its neighbours.
const FEW_QUERIES: usize = 8;
