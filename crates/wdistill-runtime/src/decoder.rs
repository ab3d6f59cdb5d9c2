//! One batch: encoded sources, and a decoder that reads one token of each hypothesis at a time.

use wdistill_model::tree::Leaf;
use wdistill_model::{DecoderState, Encoded, Engine, Model, Spans, Tokens};
use wdistill_search::{Scores, Step, StepModel, Vocabulary};

/// What a beam search needs from an engine besides the forward pass.
pub trait DecodingEngine: Engine {
    /// Hypothesis `i` goes on with what hypothesis `parents[i]` remembers.
    fn select(&self, memory: &mut Self::KeyValues, parents: &[usize]);

    /// Output product, log-softmax and top-k in one: the `candidates` best next words after each row of
    /// `states [rows, width]`, of equal ones the lower token first, and the end token's log-probability.
    /// An engine may fuse all of it.
    fn next_words(
        &self,
        states: &Self::Activations,
        table: &<Self::Leaf as Leaf>::Matrix,
        bias: Option<&<Self::Leaf as Leaf>::Vector>,
        candidates: usize,
        end: u32,
    ) -> Scores;
}

/// A model and an engine at work on one batch of source sentences.
///
/// Keys and values of the source are computed once for each sentence and shared by its hypotheses; a
/// sentence that is done has no rows and costs nothing.
pub struct BatchDecoder<'a, E: DecodingEngine> {
    model: &'a Model<E::Leaf>,
    engine: &'a E,
    encoded: Encoded<E>,
    state: DecoderState<E>,
}

impl<'a, E: DecodingEngine> BatchDecoder<'a, E> {
    /// Encodes source sentences, each with its end token.
    pub fn new(model: &'a Model<E::Leaf>, engine: &'a E, sources: &Tokens) -> Self {
        BatchDecoder {
            model,
            engine,
            encoded: model.encode(engine, sources),
            state: DecoderState::new(&model.config),
        }
    }
}

impl<E: DecodingEngine> StepModel for BatchDecoder<'_, E> {
    fn vocabulary(&self) -> Vocabulary {
        let vocabularies = &self.model.config.vocabularies;
        Vocabulary {
            size: vocabularies.target,
            start: vocabularies.decoder_start.token(),
            end: vocabularies.target_end,
        }
    }

    fn step(&mut self, step: &Step<'_>) -> Scores {
        for memory in self.state.layers.iter_mut().filter_map(|layer| layer.target.as_mut()) {
            self.engine.select(memory, step.parents);
        }
        let tokens = Tokens::step(step.tokens.to_vec());
        let by_source = Spans::from_lengths(step.rows_of_sentence.iter().copied());
        let states =
            self.model.decode(self.engine, &tokens, &by_source, &self.encoded, &mut self.state);
        let embeddings = &self.model.weights.embeddings;
        self.engine.next_words(
            &states,
            embeddings.output_table(),
            embeddings.output_bias.as_ref(),
            step.candidates,
            self.model.config.vocabularies.target_end,
        )
    }
}
