//! The forward pass: written once, for every engine, for training and for decoding.

use wdistill_base::Mask;

use crate::config::{Architecture, Config, NormPlacement};
use crate::engine::{EmbeddingRule, Engine};
use crate::tokens::{Spans, Tokens};
use crate::tree::{
    Attention, DecoderLayer, EncoderLayer, FeedForward, History, LayerNorm, Leaf, Recurrence,
    SelfAttention, Transformer,
};

/// A configuration and weights that fit it.
pub struct Model<L: Leaf> {
    /// What the model is.
    pub config: Config,
    /// Its weights.
    pub weights: Transformer<L>,
}

impl<L: Leaf> Clone for Model<L>
where
    Transformer<L>: Clone,
{
    fn clone(&self) -> Self {
        Model { config: self.config.clone(), weights: self.weights.clone() }
    }
}

/// The encoder's output for a batch of source sentences.
pub struct Encoded<E: Engine> {
    /// `[source tokens, encoder width]`.
    pub states: E::Activations,
    /// Which rows belong to which sentence.
    pub spans: Spans,
}

/// What a decoder layer remembers between steps.
pub struct LayerState<E: Engine> {
    /// Keys and values of the target so far, one entry for each target sentence or hypothesis, if it attends to it.
    pub target: Option<E::KeyValues>,
    /// The cells after the target so far, for each of them, if it keeps cells.
    pub cells: Option<E::Cells>,
    /// Keys and values of the source, computed at the first step.
    pub source: Option<E::KeyValues>,
}

/// What the decoder remembers between steps; empty before the first.
pub struct DecoderState<E: Engine> {
    /// One for each decoder layer.
    pub layers: Vec<LayerState<E>>,
    /// Position of the next target token.
    pub position: usize,
}

impl<E: Engine> DecoderState<E> {
    /// The state before any token.
    pub fn new(config: &Config) -> DecoderState<E> {
        let layers = 0..config.architecture.decoder.layers;
        DecoderState {
            layers: layers
                .map(|_| LayerState { target: None, cells: None, source: None })
                .collect(),
            position: 0,
        }
    }
}

/// One sub-layer with its residual connection and norm, wherever the norm stands.
fn sub_layer<E: Engine>(
    engine: &E,
    architecture: &Architecture,
    norm: &LayerNorm<E::Leaf>,
    x: &E::Activations,
    branch: impl FnOnce(&E::Activations) -> E::Activations,
) -> E::Activations {
    let epsilon = architecture.norm_epsilon;
    match architecture.norm {
        NormPlacement::Post => engine.residual_norm(x, &branch(x), norm, epsilon),
        NormPlacement::Pre => engine.residual(x, &branch(&engine.norm(x, norm, epsilon))),
    }
}

fn finish<E: Engine>(
    engine: &E,
    architecture: &Architecture,
    norm: Option<&LayerNorm<E::Leaf>>,
    x: E::Activations,
) -> E::Activations {
    match norm {
        Some(norm) => engine.norm(&x, norm, architecture.norm_epsilon),
        None => x,
    }
}

impl<L: Leaf> FeedForward<L> {
    fn forward<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        architecture: &Architecture,
        x: &E::Activations,
    ) -> E::Activations {
        engine.linear(&engine.activated_linear(x, &self.up, architecture.activation), &self.down)
    }
}

impl<L: Leaf> Attention<L> {
    /// Attention of a stack to itself; `past` grows by the keys and values of `x`.
    fn to_self<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        x: &E::Activations,
        spans: &Spans,
        heads: usize,
        mask: Mask,
        past: Option<E::KeyValues>,
    ) -> (E::Activations, E::KeyValues) {
        let [query, key, value] = engine.project(x, [&self.query, &self.key, &self.value]);
        let memory = engine.remember(past, key, value, spans);
        let heads_joined = engine.attend(&query, spans, &memory, heads, mask);
        (engine.linear(&heads_joined, &self.output), memory)
    }

    /// Keys and values of the source.
    fn source_memory<E: Engine<Leaf = L>>(&self, engine: &E, encoded: &Encoded<E>) -> E::KeyValues {
        let [key, value] = engine.project(&encoded.states, [&self.key, &self.value]);
        engine.remember(None, key, value, &encoded.spans)
    }

    /// Attention to the source.
    fn to_source<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        x: &E::Activations,
        spans: &Spans,
        heads: usize,
        memory: &E::KeyValues,
    ) -> E::Activations {
        let query = engine.linear(x, &self.query);
        engine.linear(&engine.attend(&query, spans, memory, heads, Mask::Full), &self.output)
    }
}

impl<L: Leaf> Recurrence<L> {
    /// What is added to the stream; `past` becomes the cells after `x`.
    fn forward<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        x: &E::Activations,
        spans: &Spans,
        past: Option<E::Cells>,
    ) -> (E::Activations, E::Cells) {
        let candidates = engine.product(x, &self.candidate);
        let forget = engine.linear(x, &self.forget);
        engine.recur(&candidates, &forget, spans, past)
    }
}

impl<L: Leaf> EncoderLayer<L> {
    fn forward<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        architecture: &Architecture,
        x: &E::Activations,
        spans: &Spans,
    ) -> E::Activations {
        let heads = architecture.encoder.heads;
        let x = sub_layer(engine, architecture, &self.self_attention_norm, x, |x| {
            self.self_attention.to_self(engine, x, spans, heads, Mask::Full, None).0
        });
        sub_layer(engine, architecture, &self.feed_forward_norm, &x, |x| {
            self.feed_forward.forward(engine, architecture, x)
        })
    }
}

/// Who sees whom in the decoder.
struct TargetSpans<'a> {
    /// Rows of each target sentence, or of each hypothesis.
    own: &'a Spans,
    /// Rows of all targets of each source sentence.
    by_source: &'a Spans,
}

impl<L: Leaf> DecoderLayer<L> {
    fn forward<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        architecture: &Architecture,
        x: &E::Activations,
        spans: &TargetSpans<'_>,
        encoded: &Encoded<E>,
        state: &mut LayerState<E>,
    ) -> E::Activations {
        let heads = architecture.decoder.heads;
        let x = match &self.history {
            History::SelfAttention(SelfAttention { attention, norm }) => {
                sub_layer(engine, architecture, norm, x, |x| {
                    let past = state.target.take();
                    let (y, memory) =
                        attention.to_self(engine, x, spans.own, heads, Mask::Causal, past);
                    state.target = Some(memory);
                    y
                })
            }
            History::Recurrence(recurrence) => {
                sub_layer(engine, architecture, &recurrence.norm, x, |x| {
                    let past = state.cells.take();
                    let (y, cells) = recurrence.forward(engine, x, spans.own, past);
                    state.cells = Some(cells);
                    y
                })
            }
        };
        let x = sub_layer(engine, architecture, &self.cross_attention_norm, &x, |x| {
            let attention = &self.cross_attention;
            let memory =
                state.source.get_or_insert_with(|| attention.source_memory(engine, encoded));
            attention.to_source(engine, x, spans.by_source, heads, memory)
        });
        sub_layer(engine, architecture, &self.feed_forward_norm, &x, |x| {
            self.feed_forward.forward(engine, architecture, x)
        })
    }
}

impl<L: Leaf> Model<L> {
    /// Reads source sentences, each ended by its end token.
    pub fn encode<E: Engine<Leaf = L>>(&self, engine: &E, source: &Tokens) -> Encoded<E> {
        let architecture = &self.config.architecture;
        let rule = self.embedding_rule(architecture.encoder.width, 0);
        let words = engine.embed(source, &self.weights.embeddings.source, &rule);
        let encoder = &self.weights.encoder;
        let states = encoder
            .layers
            .iter()
            .fold(words, |x, layer| layer.forward(engine, architecture, &x, source.spans()));
        Encoded {
            states: finish(engine, architecture, encoder.final_norm.as_ref(), states),
            spans: source.spans().clone(),
        }
    }

    /// Reads target tokens (the first of a sentence is the decoder's start token) and returns the
    /// decoder's output, `[target tokens, decoder width]`.
    ///
    /// With an empty state and whole sentences this is training; with the state of the step before and
    /// one token for each hypothesis it is decoding. `by_source` divides the rows of `target` among the
    /// source sentences: its own spans in training, the hypotheses of each sentence in a beam search.
    pub fn decode<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        target: &Tokens,
        by_source: &Spans,
        encoded: &Encoded<E>,
        state: &mut DecoderState<E>,
    ) -> E::Activations {
        let architecture = &self.config.architecture;
        let rule = self.embedding_rule(architecture.decoder.width, state.position);
        let words = engine.embed(target, self.weights.embeddings.target_table(), &rule);
        let spans = TargetSpans { own: target.spans(), by_source };
        let decoder = &self.weights.decoder;
        let layers = decoder.layers.iter().zip(&mut state.layers);
        let states = layers.fold(words, |x, (layer, state)| {
            layer.forward(engine, architecture, &x, &spans, encoded, state)
        });
        state.position +=
            (0..spans.own.sentences()).map(|s| spans.own.length(s)).max().unwrap_or(0);
        finish(engine, architecture, decoder.final_norm.as_ref(), states)
    }

    /// Scores of every word after each target token, `[target tokens, target vocabulary]`.
    pub fn logits<E: Engine<Leaf = L>>(
        &self,
        engine: &E,
        states: &E::Activations,
    ) -> E::Activations {
        engine.logits(states, &self.weights.embeddings.output_layer())
    }

    fn embedding_rule(&self, width: usize, first: usize) -> EmbeddingRule {
        let architecture = &self.config.architecture;
        EmbeddingRule {
            scale: architecture.embedding_scale.factor(width),
            positions: architecture.positions,
            first,
        }
    }
}
