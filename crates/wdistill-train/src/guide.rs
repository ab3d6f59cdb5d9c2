//! Guided alignment: an attention head of the decoder learns which source word each target word comes from: as a pair's links
//! say, where these are given, and by IBM model 1 elsewhere.

use wdistill_autograd::{Inside, Place, Tape, Tracked};
use wdistill_kernels::Machine;
use wdistill_kernels::machine::{Rows, Slopes};
use wdistill_model::{AttentionKind, AttentionRole, LayerPlace, LinearPlace, Model, Stack};
use wdistill_text::{LexicalTable, Link};

use crate::batch::Batch;
use crate::ranks::{Packet, Unpack};

/// The head that learns: the first one of the last layer's, as in Marian.
const HEAD: usize = 0;

/// How likely target words come from source words, to be looked up for the words of a batch whose links are not given.
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

    /// Adds everything to a message, from which [`Self::read`] reads it.
    pub(crate) fn write(&self, packet: &mut Packet) {
        packet.number(self.of_source.len() as u64);
        for row in self.of_source.iter().chain([&self.of_null]) {
            let (words, shares): (Vec<u32>, Vec<f64>) = row.iter().copied().unzip();
            packet.ids(&words);
            packet.reals(&shares);
        }
    }

    pub(crate) fn read(message: &mut Unpack<'_>) -> Guide {
        let count = message.count();
        let mut row = || message.ids().into_iter().zip(message.reals()).collect();
        Guide { of_source: (0..count).map(|_| row()).collect(), of_null: row() }
    }

    /// How much of each target word comes from each source word, sentence by sentence `[target words, source words]`. Where
    /// links are given, a word's shares are those of its `n` source words,
    ///
    /// `a_ts = 1 / n`,
    ///
    /// and elsewhere
    ///
    /// `a_ts = p(t | s) / (p(t | nothing) + sum over s' of p(t | s'))`
    ///
    /// A word that comes from nothing, as the end does, has zeros.
    fn alignments(&self, batch: &Batch) -> Vec<f32> {
        let (sources, targets) =
            (batch.source().spans().offsets(), batch.target().spans().offsets());
        let mut alignments = Vec::new();
        for (pair, (source, target)) in sources.windows(2).zip(targets.windows(2)).enumerate() {
            if let Some(links) = batch.links(pair) {
                alignments.extend(shares(links, [source[1] - source[0], target[1] - target[0]]));
                continue;
            }
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
    ///
    /// # Errors
    /// If the machine fails.
    pub(crate) fn loss<M: Machine>(
        &self,
        tape: &Tape<'_, M>,
        model: &Model<Tracked>,
        batch: &Batch,
        scale: f64,
    ) -> Result<Inside<M>, M::Error> {
        let decoder = model.config.shape(Stack::Decoder);
        let place = LayerPlace { stack: Stack::Decoder, layer: decoder.layers - 1 };
        let written = |role| {
            let linear = LinearPlace::Attention(place, AttentionKind::CrossAttention, role);
            tape.at(model, Place::Written(linear))
        };
        let inputs = [AttentionRole::Query, AttentionRole::Key].map(written);
        let spans = tape.spans(batch.target().spans(), batch.source().spans());
        let values = inputs.map(|variable| tape.value(variable));
        let machine = tape.machine();
        let mut gradients = values.each_ref().map(|value| machine.take(M::length(value)));
        let slopes = gradients.each_mut().map(|gradient| Slopes { gradient, scale });
        let rows = |values, variable| Rows { values, width: tape.width(variable) };
        let [queries, keys] = [0, 1].map(|n| rows(&*values[n], inputs[n]));
        let alignments = self.alignments(batch);
        let head_of = (HEAD, decoder.heads);
        let loss = machine.guidance_loss(slopes, [queries, keys], &alignments, &spans, head_of);
        Ok((machine.inside(loss)?, inputs.into_iter().zip(gradients).collect()))
    }
}

/// The shares `[target tokens, source tokens]` of a pair's links.
fn shares(links: &[Link], [sources, targets]: [usize; 2]) -> Vec<f32> {
    let mut counts = vec![0u32; targets];
    links.iter().for_each(|[_, target]| counts[usize::from(*target)] += 1);
    let mut shares = vec![0.0; targets * sources];
    for [source, target] in links.iter().map(|link| link.map(usize::from)) {
        shares[target * sources + source] = 1.0 / counts[target] as f32;
    }
    shares
}

/// The probability of a word in a row; 0 if it is not there.
fn share(row: &[(u32, f64)], word: u32) -> f64 {
    row.binary_search_by_key(&word, |(word, _)| *word).map_or(0.0, |place| row[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_token_has_equal_shares_of_its_source_tokens() {
        // Source tokens 0 and 1 are one word; target token 1 comes from nothing.
        let links = [[0, 0], [1, 0], [2, 0], [2, 2]];
        let third = 1.0f32 / 3.0;
        let found = shares(&links, [4, 3]);
        let rows: Vec<&[f32]> = found.chunks(4).collect();
        assert_eq!(rows[0], [third, third, third, 0.0]);
        assert_eq!(rows[1], [0.0; 4]);
        assert_eq!(rows[2], [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(found.len(), 12);
    }

    #[test]
    fn what_is_written_is_read() {
        let pairs = [(vec![1, 2], vec![3]), (vec![2], vec![3, 4])];
        let guide = Guide::new(&LexicalTable::learn(&pairs, 3, 3, &mut |_| {}));
        let mut packet = Packet::default();
        guide.write(&mut packet);
        let bytes = packet.into_bytes();
        let mut message = Unpack(&bytes);
        let read = Guide::read(&mut message);
        assert_eq!((read.of_source, read.of_null), (guide.of_source, guide.of_null));
        assert!(message.0.is_empty());
    }
}
