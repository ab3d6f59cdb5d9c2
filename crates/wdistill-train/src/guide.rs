//! Guided alignment: an attention head of the decoder learns which source word each target word comes from.

use wdistill_autograd::{Place, Tape, Tracked, Variable, Workspace};
use wdistill_kernels::{GuidedHead, LikenessGradient, Rows, guidance_loss};
use wdistill_model::{AttentionKind, AttentionRole, LayerPlace, LinearPlace, Model, Stack};
use wdistill_text::LexicalTable;

use crate::batch::Batch;

/// The head that learns: the first one of the last layer's, as in Marian.
const HEAD: usize = 0;

/// How likely target words come from source words, to be looked up for the words of a batch.
#[derive(Clone, Debug)]
pub struct Guide {
    /// Of each source word, by rising target word.
    of_source: Vec<Vec<(u32, f64)>>,
    of_null: Vec<(u32, f64)>,
}

impl Guide {
    /// From the probabilities of IBM model 1.
    pub fn new(table: &LexicalTable) -> Guide {
        let sorted = |row: &[(u32, f64)]| {
            let mut row = row.to_vec();
            row.sort_by_key(|(word, _)| *word);
            row
        };
        let of_source = table.of_source().iter().map(|row| sorted(row)).collect();
        Guide { of_source, of_null: sorted(table.of_null()) }
    }

    /// How much of each target word comes from each source word, sentence by sentence `[target words, source words]`:
    ///
    /// `a_ts = p(t | s) / (p(t | nothing) + sum over s' of p(t | s'))`
    ///
    /// A word that comes from nothing, as the end does, has zeros.
    fn alignments(&self, batch: &Batch) -> Vec<f32> {
        let (sources, targets) =
            (batch.source().spans().offsets(), batch.target().spans().offsets());
        let mut alignments = Vec::new();
        for (source, target) in sources.windows(2).zip(targets.windows(2)) {
            let sources = &batch.source().ids()[source[0]..source[1]];
            for word in &batch.words()[target[0]..target[1]] {
                let row = sources.iter().map(|source| {
                    self.of_source.get(*source as usize).map_or(0.0, |row| share(row, *word))
                });
                let row: Vec<f64> = row.collect();
                let all = share(&self.of_null, *word) + row.iter().sum::<f64>();
                let factor = if all > 0.0 { 1.0 / all } else { 0.0 };
                alignments.extend(row.into_iter().map(|share| (factor * share) as f32));
            }
        }
        alignments
    }

    /// What a model's head misses of the alignments, a sum over target words, and `scale` times its slopes.
    pub(crate) fn loss(
        &self,
        tape: &Tape<'_, f32>,
        model: &Model<Tracked>,
        batch: &Batch,
        (workspace, scale): (&Workspace<f32>, f64),
    ) -> (f64, Vec<(Variable, Vec<f32>)>) {
        let decoder = model.config.shape(Stack::Decoder);
        let place = LayerPlace { stack: Stack::Decoder, layer: decoder.layers - 1 };
        let written = |role| {
            let linear = LinearPlace::Attention(place, AttentionKind::CrossAttention, role);
            tape.at(model, Place::Written(linear))
        };
        let [queries, keys] = [AttentionRole::Query, AttentionRole::Key].map(written);
        let shape = GuidedHead {
            head: HEAD,
            heads: decoder.heads,
            query_offsets: batch.target().spans().offsets(),
            key_offsets: batch.source().spans().offsets(),
        };
        let (query_values, key_values) = (tape.value(queries), tape.value(keys));
        let mut slopes =
            [query_values.len(), key_values.len()].map(|length| workspace.take(length));
        let rows = |values, variable| Rows { values, width: tape.width(variable) };
        let gradients = slopes.each_mut().map(|gradient| LikenessGradient { gradient, scale });
        let loss = guidance_loss(
            rows(&query_values, queries),
            rows(&key_values, keys),
            &self.alignments(batch),
            shape,
            gradients,
        );
        let [of_queries, of_keys] = slopes;
        (loss, vec![(queries, of_queries), (keys, of_keys)])
    }
}

/// The probability of a word in a row; 0 if it is not there.
fn share(row: &[(u32, f64)], word: u32) -> f64 {
    row.binary_search_by_key(&word, |(word, _)| *word).map_or(0.0, |place| row[place].1)
}
