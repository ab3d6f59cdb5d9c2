//! One batch: encoded sources, and a decoder that reads one token of each hypothesis at a time.

use wdistill_model::tree::{Leaf, OutputLayer};
use wdistill_model::{DecoderState, Encoded, Engine, Model, Spans, Tokens};
use wdistill_search::{Scores, Step, StepModel, Vocabulary};

use crate::shortlist::Shortlist;

/// What a beam search needs from an engine besides the forward pass.
pub trait DecodingEngine: Engine {
    /// Hypothesis `i` goes on with what hypothesis `parents[i]` remembers.
    fn select(&self, memory: &mut Self::KeyValues, parents: &[usize]);

    /// The same for cells.
    fn select_cells(&self, cells: &mut Self::Cells, parents: &[usize]);

    /// Output product, log-softmax and top-k in one: the `candidates` best next words after each row of
    /// `states [rows, width]`, of equal ones the lower token first, and the end token's log-probability.
    /// An engine may fuse all of it.
    fn next_words(
        &self,
        states: &Self::Activations,
        layer: &OutputLayer<'_, Self::Leaf>,
        candidates: usize,
        end: u32,
    ) -> Scores;

    /// The output layer of some words, in rising order.
    fn output_part(
        &self,
        layer: &OutputLayer<'_, Self::Leaf>,
        words: Vec<u32>,
    ) -> OutputPart<Self::Leaf>;

    /// As [`Self::next_words`], the rows of each sentence among the words of its part only: `parts[i]` has the
    /// rows of span `i`, at least `candidates` words, and the end token.
    fn next_words_among(
        &self,
        states: &Self::Activations,
        spans: &Spans,
        parts: &[OutputPart<Self::Leaf>],
        candidates: usize,
        end: u32,
    ) -> Scores;
}

/// The output layer of some words.
pub struct OutputPart<L: Leaf> {
    /// The words, rising.
    pub words: Vec<u32>,
    /// `[words, width]`.
    pub table: L::Matrix,
    /// `[words]`, if the model has a bias.
    pub bias: Option<L::Vector>,
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
    /// Of each sentence, if a shortlist says so.
    parts: Option<Vec<OutputPart<E::Leaf>>>,
}

impl<'a, E: DecodingEngine> BatchDecoder<'a, E> {
    /// Encodes source sentences, each with its end token.
    pub fn new(model: &'a Model<E::Leaf>, engine: &'a E, sources: &Tokens) -> Self {
        BatchDecoder {
            model,
            engine,
            encoded: model.encode(engine, sources),
            state: DecoderState::new(&model.config),
            parts: None,
        }
    }

    /// Of each sentence's output layer only the words of a shortlist, and at least `least` words. Every
    /// sentence keeps a copy of these rows.
    pub fn restricted(mut self, sources: &Tokens, shortlist: &Shortlist, least: usize) -> Self {
        let layer = self.model.weights.embeddings.output_layer();
        let end = self.model.config.vocabularies.target_end;
        let part = |sentence| {
            let source = &sources.ids()[sources.spans().range(sentence)];
            self.engine.output_part(&layer, shortlist.words(source, end, least))
        };
        self.parts = Some((0..sources.spans().sentences()).map(part).collect());
        self
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
        for layer in &mut self.state.layers {
            if let Some(memory) = &mut layer.target {
                self.engine.select(memory, step.parents);
            }
            if let Some(cells) = &mut layer.cells {
                self.engine.select_cells(cells, step.parents);
            }
        }
        let tokens = Tokens::step(step.tokens.to_vec());
        let by_source = Spans::from_lengths(step.rows_of_sentence.iter().copied());
        let states =
            self.model.decode(self.engine, &tokens, &by_source, &self.encoded, &mut self.state);
        let (candidates, end) = (step.candidates, self.model.config.vocabularies.target_end);
        if let Some(parts) = &self.parts {
            return self.engine.next_words_among(&states, &by_source, parts, candidates, end);
        }
        let layer = self.model.weights.embeddings.output_layer();
        self.engine.next_words(&states, &layer, candidates, end)
    }
}
