//! Batches, and what a decoder makes of them.

use wdistill_autograd::{Tape, Tracked, Variable};
use wdistill_kernels::Machine;
use wdistill_model::{DecoderState, Model, Tokens, Vocabularies};
use wdistill_text::{EncodedCorpus, Link};

/// Sentence pairs, packed; the decoder reads its start and the target without its end.
pub struct Batch {
    source: Tokens,
    target: Tokens,
    /// The right word after each target token.
    words: Vec<u32>,
    /// Of each pair which tokens belong together, where that is given; nothing at all if it is for none.
    links: Vec<Option<Vec<Link>>>,
}

impl Batch {
    /// Packs pairs of a corpus whose sentences all end in their end token.
    pub fn new(corpus: &EncodedCorpus, pairs: &[usize], vocabularies: &Vocabularies) -> Batch {
        let links = pairs.iter().map(|pair| corpus.links(*pair).map(<[Link]>::to_vec));
        Batch::of(pairs.iter().map(|pair| corpus.pair(*pair)), vocabularies)
            .with_links(links.collect())
    }

    /// Packs pairs of sentences that all end in their end token.
    pub(crate) fn of<'p>(
        pairs: impl Iterator<Item = (&'p [u32], &'p [u32])> + Clone,
        vocabularies: &Vocabularies,
    ) -> Batch {
        let sources = pairs.clone().map(|(source, _)| vocabularies.encoder_input(source));
        let targets = pairs.map(|(_, target)| target);
        let start = vocabularies.decoder_start.token();
        let inputs: Vec<Vec<u32>> = targets
            .clone()
            .map(|target| [&[start], &target[..target.len() - 1]].concat())
            .collect();
        Batch {
            source: Tokens::from_sentences(sources),
            target: Tokens::from_sentences(inputs.iter().map(Vec::as_slice)),
            words: targets.flatten().copied().collect(),
            links: Vec::new(),
        }
    }

    /// The same, with what is given of which tokens of each pair belong together.
    pub(crate) fn with_links(self, links: Vec<Option<Vec<Link>>>) -> Batch {
        let links = if links.iter().any(Option::is_some) { links } else { Vec::new() };
        Batch { links, ..self }
    }

    /// Which tokens of a pair belong together, if that is given.
    pub(crate) fn links(&self, pair: usize) -> Option<&[Link]> {
        self.links.get(pair)?.as_deref()
    }

    /// What the encoder reads.
    pub fn source(&self) -> &Tokens {
        &self.source
    }

    /// What the decoder reads.
    pub fn target(&self) -> &Tokens {
        &self.target
    }

    /// The right word after each target token.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Number of target tokens.
    pub fn tokens(&self) -> usize {
        self.words.len()
    }
}

/// The decoder's output for a batch.
pub(crate) fn decode<M: Machine>(
    tape: &Tape<'_, M>,
    model: &Model<Tracked>,
    batch: &Batch,
) -> Variable {
    let encoded = model.encode(tape, &batch.source);
    let mut state = DecoderState::new(&model.config);
    model.decode(tape, &batch.target, batch.target.spans(), &encoded, &mut state)
}
