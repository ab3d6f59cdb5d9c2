//! One parameter tree, generic in what sits at each weight.
//!
//! A tree's leaf family says what it holds: [`Spec`] (axes and role: the catalogue),
//! [`Dense`](crate::Dense) (numbers), a parameter generator, variables of a gradient tape, int8 rows.
//! Initialising, importing, growing a generator, materialising, counting and writing are [`Map`]s from
//! one family to another; nothing lists weights by hand.

use std::convert::Infallible;
use std::fmt;

use crate::axis::Axis;
use crate::config::{Autoregression, Config, Embeddings as Tying, FinalNorm, OutputBias};
use crate::slot::{
    AttentionKind, AttentionRole, FeedForwardRole, LayerPlace, LinearPart, LinearPlace, NormPart,
    NormPlace, RecurrenceRole, Slot, Stack, SubLayer, Table,
};

/// What sits at the weights of a tree.
pub trait Leaf {
    /// At a matrix, `[output, input]` or `[words, width]`.
    type Matrix;
    /// At a bias or a normalisation's gain or shift.
    type Vector;
}

/// Turns a tree of one family into one of another, weight by weight, in declaration order.
pub trait Map<A: Leaf, B: Leaf> {
    /// What can go wrong at a weight; [`Infallible`] if nothing can.
    type Error;
    /// Maps one matrix.
    fn matrix(&mut self, slot: Slot, from: &A::Matrix) -> Result<B::Matrix, Self::Error>;
    /// Maps one vector.
    fn vector(&mut self, slot: Slot, from: &A::Vector) -> Result<B::Vector, Self::Error>;
}

/// A weight of a tree, borrowed.
pub enum LeafRef<'a, L: Leaf> {
    /// A matrix.
    Matrix(&'a L::Matrix),
    /// A vector.
    Vector(&'a L::Vector),
}

/// A weight of a tree, borrowed to be changed.
pub enum LeafMut<'a, L: Leaf> {
    /// A matrix.
    Matrix(&'a mut L::Matrix),
    /// A vector.
    Vector(&'a mut L::Vector),
}

/// Declares nodes of the tree; field types, names, traversal and mapping follow.
/// A field is a `matrix`, a `vector`, another node, `maybe` one of these, or `many` nodes; after `=` stands its slot, or
/// the place of the node, of which the node's own place is given.
macro_rules! tree {
    ($($(#[$about:meta])* $node:ident($at:ident: $place:ty) {
        $($(#[$field_about:meta])* $field:ident: $($kind:ident)+ = $below:expr),* $(,)?
    })*) => {$(
        $(#[$about])*
        pub struct $node<L: Leaf> { $($(#[$field_about])* pub $field: tree!(@type L $($kind)+)),* }

        impl<L: Leaf> $node<L> {
            fn map_below<B: Leaf, M: Map<L, B>>(
                &self, $at: $place, map: &mut M,
            ) -> Result<$node<B>, M::Error> {
                Ok($node { $($field: {
                    let below = $below;
                    tree!(@map below map (&self.$field) $($kind)+)
                }),* })
            }

            fn leaves_below<'a>(&'a self, $at: $place, leaves: &mut Vec<(Slot, LeafRef<'a, L>)>) {
                $(
                    let below = $below;
                    tree!(@leaves LeafRef below leaves (&self.$field) $($kind)+);
                )*
            }

            fn leaves_mut_below<'a>(
                &'a mut self, $at: $place, leaves: &mut Vec<(Slot, LeafMut<'a, L>)>,
            ) {
                $(
                    let below = $below;
                    tree!(@leaves LeafMut below leaves (&mut self.$field) $($kind)+);
                )*
            }
        }

        impl<L: Leaf> Clone for $node<L> where L::Matrix: Clone, L::Vector: Clone {
            fn clone(&self) -> Self { $node { $($field: self.$field.clone()),* } }
        }

        impl<L: Leaf> fmt::Debug for $node<L> where L::Matrix: fmt::Debug, L::Vector: fmt::Debug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($node))$(.field(stringify!($field), &self.$field))*.finish()
            }
        }

        impl<L: Leaf> PartialEq for $node<L> where L::Matrix: PartialEq, L::Vector: PartialEq {
            fn eq(&self, other: &Self) -> bool { true $(&& self.$field == other.$field)* }
        }
    )*};
    (@type $L:ident matrix) => { $L::Matrix };
    (@type $L:ident vector) => { $L::Vector };
    (@type $L:ident maybe $kind:ident) => { Option<tree!(@type $L $kind)> };
    (@type $L:ident many $kind:ident) => { Vec<tree!(@type $L $kind)> };
    (@type $L:ident $node:ident) => { $node<$L> };
    (@map $below:ident $map:ident $from:tt matrix) => { $map.matrix($below, $from)? };
    (@map $below:ident $map:ident $from:tt vector) => { $map.vector($below, $from)? };
    (@map $below:ident $map:ident $from:tt maybe $kind:ident) => {
        match $from {
            Some(from) => Some(tree!(@map $below $map from $kind)),
            None => None,
        }
    };
    (@map $below:ident $map:ident $from:tt many $kind:ident) => {{
        let mut layers = Vec::with_capacity($from.len());
        for (index, from) in $from.iter().enumerate() {
            let below = $below(index);
            layers.push(tree!(@map below $map from $kind));
        }
        layers
    }};
    (@map $below:ident $map:ident $from:tt $node:ident) => { $from.map_below($below, $map)? };
    (@leaves $leaf:ident $below:ident $leaves:ident $from:tt matrix) => {
        $leaves.push(($below, $leaf::Matrix($from)))
    };
    (@leaves $leaf:ident $below:ident $leaves:ident $from:tt vector) => {
        $leaves.push(($below, $leaf::Vector($from)))
    };
    (@leaves $leaf:ident $below:ident $leaves:ident $from:tt maybe $kind:ident) => {
        if let Some(from) = $from {
            tree!(@leaves $leaf $below $leaves from $kind);
        }
    };
    (@leaves $leaf:ident $below:ident $leaves:ident $from:tt many $kind:ident) => {
        for (index, from) in $from.into_iter().enumerate() {
            let below = $below(index);
            tree!(@leaves $leaf below $leaves from $kind);
        }
    };
    (@leaves LeafRef $below:ident $leaves:ident $from:tt $node:ident) => {
        $from.leaves_below($below, $leaves)
    };
    (@leaves LeafMut $below:ident $leaves:ident $from:tt $node:ident) => {
        $from.leaves_mut_below($below, $leaves)
    };
}

/// Declares a place of the tree at which stands one of several nodes.
macro_rules! either {
    ($(#[$about:meta])* $choice:ident($at:ident: $place:ty) {
        $($(#[$node_about:meta])* $node:ident = $below:expr),* $(,)?
    }) => {
        $(#[$about])*
        pub enum $choice<L: Leaf> { $($(#[$node_about])* $node($node<L>)),* }

        impl<L: Leaf> $choice<L> {
            fn map_below<B: Leaf, M: Map<L, B>>(
                &self, $at: $place, map: &mut M,
            ) -> Result<$choice<B>, M::Error> {
                match self { $($choice::$node(node) => node.map_below($below, map).map($choice::$node)),* }
            }

            fn leaves_below<'a>(&'a self, $at: $place, leaves: &mut Vec<(Slot, LeafRef<'a, L>)>) {
                match self { $($choice::$node(node) => node.leaves_below($below, leaves)),* }
            }

            fn leaves_mut_below<'a>(
                &'a mut self, $at: $place, leaves: &mut Vec<(Slot, LeafMut<'a, L>)>,
            ) {
                match self { $($choice::$node(node) => node.leaves_mut_below($below, leaves)),* }
            }
        }

        impl<L: Leaf> Clone for $choice<L> where L::Matrix: Clone, L::Vector: Clone {
            fn clone(&self) -> Self {
                match self { $($choice::$node(node) => $choice::$node(node.clone())),* }
            }
        }

        impl<L: Leaf> fmt::Debug for $choice<L> where L::Matrix: fmt::Debug, L::Vector: fmt::Debug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $($choice::$node(node) => node.fmt(f)),* }
            }
        }

        impl<L: Leaf> PartialEq for $choice<L> where L::Matrix: PartialEq, L::Vector: PartialEq {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $(($choice::$node(one), $choice::$node(other)) => one == other,)*
                    _ => false,
                }
            }
        }
    };
}

either! {
    /// How a decoder layer sees the target so far, see [`Autoregression`].
    History(at: LayerPlace) {
        /// By attention to all of it.
        SelfAttention = at,
        /// By cells that a recurrence keeps.
        Recurrence = at,
    }
}

tree! {
    /// `y = x Wᵀ + b`.
    Linear(at: LinearPlace) {
        /// `[output, input]`.
        weight: matrix = Slot::Linear(at, LinearPart::Weight),
        /// `[output]`.
        bias: vector = Slot::Linear(at, LinearPart::Bias),
    }
    /// `y = gain (x - mean) / sqrt(variance + epsilon) + shift`.
    LayerNorm(at: NormPlace) {
        /// `[width]`.
        gain: vector = Slot::Norm(at, NormPart::Gain),
        /// `[width]`.
        shift: vector = Slot::Norm(at, NormPart::Shift),
    }
    /// Multi-head attention.
    Attention(at: (LayerPlace, AttentionKind)) {
        /// Queries, from the stack's own stream.
        query: Linear = LinearPlace::Attention(at.0, at.1, AttentionRole::Query),
        /// Keys, from the stream attended to.
        key: Linear = LinearPlace::Attention(at.0, at.1, AttentionRole::Key),
        /// Values, from the stream attended to.
        value: Linear = LinearPlace::Attention(at.0, at.1, AttentionRole::Value),
        /// Joins the heads.
        output: Linear = LinearPlace::Attention(at.0, at.1, AttentionRole::Output),
    }
    /// Attention of the decoder to the target so far.
    SelfAttention(at: LayerPlace) {
        /// The attention.
        attention: Attention = (at, AttentionKind::SelfAttention),
        /// Norm of its sub-layer.
        norm: LayerNorm = NormPlace::SubLayer(at, SELF_ATTENTION),
    }
    /// Simpler simple recurrent unit: `c(t) = f(t) c(t-1) + (1 - f(t)) a(t)` with `a = x Wᵀ`, `f = sigmoid(x Fᵀ + b)` and
    /// `c(0) = 0`, element by element; what it adds to the stream is `relu(c)`.
    Recurrence(at: LayerPlace) {
        /// `W [width, width]`.
        candidate: matrix =
            Slot::Linear(LinearPlace::Recurrence(at, RecurrenceRole::Candidate), LinearPart::Weight),
        /// `F [width, width]` and `b [width]`.
        forget: Linear = LinearPlace::Recurrence(at, RecurrenceRole::Forget),
        /// Norm of its sub-layer.
        norm: LayerNorm = NormPlace::SubLayer(at, SubLayer::Recurrence),
    }
    /// Two matrices with a non-linearity between them.
    FeedForward(at: LayerPlace) {
        /// `[feed_forward, width]`.
        up: Linear = LinearPlace::FeedForward(at, FeedForwardRole::Up),
        /// `[width, feed_forward]`.
        down: Linear = LinearPlace::FeedForward(at, FeedForwardRole::Down),
    }
    /// Self-attention and feed-forward block.
    EncoderLayer(at: LayerPlace) {
        /// Attention over the source.
        self_attention: Attention = (at, AttentionKind::SelfAttention),
        /// Norm of the self-attention's sub-layer.
        self_attention_norm: LayerNorm = NormPlace::SubLayer(at, SELF_ATTENTION),
        /// Feed-forward block.
        feed_forward: FeedForward = at,
        /// Norm of the feed-forward sub-layer.
        feed_forward_norm: LayerNorm = NormPlace::SubLayer(at, SubLayer::FeedForward),
    }
    /// What sees the target so far, attention to the source, feed-forward block.
    DecoderLayer(at: LayerPlace) {
        /// Self-attention or recurrence, with its norm.
        history: History = at,
        /// Attention to the encoder's output.
        cross_attention: Attention = (at, AttentionKind::CrossAttention),
        /// Norm of the cross-attention's sub-layer.
        cross_attention_norm: LayerNorm = NormPlace::SubLayer(at, CROSS_ATTENTION),
        /// Feed-forward block.
        feed_forward: FeedForward = at,
        /// Norm of the feed-forward sub-layer.
        feed_forward_norm: LayerNorm = NormPlace::SubLayer(at, SubLayer::FeedForward),
    }
    /// All encoder layers.
    Encoder(_at: ()) {
        /// In order of application.
        layers: many EncoderLayer = |layer| LayerPlace { stack: Stack::Encoder, layer },
        /// See [`FinalNorm`].
        final_norm: maybe LayerNorm = NormPlace::Final(Stack::Encoder),
    }
    /// All decoder layers.
    Decoder(_at: ()) {
        /// In order of application.
        layers: many DecoderLayer = |layer| LayerPlace { stack: Stack::Decoder, layer },
        /// See [`FinalNorm`].
        final_norm: maybe LayerNorm = NormPlace::Final(Stack::Decoder),
    }
    /// Word matrices. One that is tied is absent: it exists once, under its first name.
    EmbeddingTables(_at: ()) {
        /// `[source vocabulary, encoder width]`.
        source: matrix = Slot::Table(Table::Source),
        /// `[target vocabulary, decoder width]`; absent when it is `source`.
        target: maybe matrix = Slot::Table(Table::Target),
        /// `[target vocabulary, decoder width]`; absent when it is the target embedding.
        output: maybe matrix = Slot::Table(Table::Output),
        /// `[target vocabulary]`.
        output_bias: maybe vector = Slot::OutputBias,
    }
    /// Every weight of a translation model.
    Transformer(_at: ()) {
        /// Word matrices.
        embeddings: EmbeddingTables = (),
        /// Reads the source.
        encoder: Encoder = (),
        /// Writes the target.
        decoder: Decoder = (),
    }
}

const SELF_ATTENTION: SubLayer = SubLayer::Attention(AttentionKind::SelfAttention);
const CROSS_ATTENTION: SubLayer = SubLayer::Attention(AttentionKind::CrossAttention);

impl<L: Leaf> EmbeddingTables<L> {
    /// The matrix that the decoder reads words from, wherever it is tied.
    pub fn target_table(&self) -> &L::Matrix {
        self.target.as_ref().unwrap_or(&self.source)
    }

    /// What turns the decoder's output into logits: its matrix, wherever that is tied, and its bias.
    pub fn output_layer(&self) -> OutputLayer<'_, L> {
        OutputLayer {
            table: self.output.as_ref().unwrap_or_else(|| self.target_table()),
            bias: self.output_bias.as_ref(),
        }
    }
}

/// The output layer, logits = `x Eᵀ + b` with `x [tokens, width]`.
pub struct OutputLayer<'a, L: Leaf> {
    /// `E [words, width]`.
    pub table: &'a L::Matrix,
    /// `b [words]`, if the model has one.
    pub bias: Option<&'a L::Vector>,
}

impl<L: Leaf> Transformer<L> {
    /// Maps the whole tree.
    ///
    /// # Errors
    /// The first one that `map` returns; a map that wants to report all problems collects them itself.
    pub fn map<B: Leaf, M: Map<L, B>>(&self, map: &mut M) -> Result<Transformer<B>, M::Error> {
        self.map_below((), map)
    }

    /// Every weight with its slot, in the order in which [`Transformer::map`] meets them.
    pub fn leaves(&self) -> Vec<(Slot, LeafRef<'_, L>)> {
        let mut leaves = Vec::new();
        self.leaves_below((), &mut leaves);
        leaves
    }

    /// The weight of a slot, if there is one.
    pub fn leaf(&self, slot: Slot) -> Option<LeafRef<'_, L>> {
        self.leaves().into_iter().find(|(place, _)| *place == slot).map(|(_, leaf)| leaf)
    }

    /// The weight of a linear layer.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn weight(&self, place: LinearPlace) -> &L::Matrix {
        match self.leaf(Slot::Linear(place, LinearPart::Weight)) {
            Some(LeafRef::Matrix(weight)) => weight,
            Some(LeafRef::Vector(_)) => unreachable!("a weight is a matrix"),
            None => panic!("there is no {}", Slot::Linear(place, LinearPart::Weight)),
        }
    }

    /// The bias of a linear layer.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn bias(&self, place: LinearPlace) -> &L::Vector {
        self.vector(Slot::Linear(place, LinearPart::Bias))
    }

    /// The gain of a norm.
    ///
    /// # Panics
    /// If there is no such norm.
    pub fn gain(&self, place: NormPlace) -> &L::Vector {
        self.vector(Slot::Norm(place, NormPart::Gain))
    }

    fn vector(&self, slot: Slot) -> &L::Vector {
        match self.leaf(slot) {
            Some(LeafRef::Vector(vector)) => vector,
            Some(LeafRef::Matrix(_)) => unreachable!("{slot} is a vector"),
            None => panic!("there is no {slot}"),
        }
    }

    /// Every weight with its slot, as [`Transformer::leaves`], to be changed in place.
    pub fn leaves_mut(&mut self) -> Vec<(Slot, LeafMut<'_, L>)> {
        let mut leaves = Vec::new();
        self.leaves_mut_below((), &mut leaves);
        leaves
    }
}

/// What a matrix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixRole {
    /// Rows are words that a stack reads (and, where tied, writes).
    Embedding,
    /// Rows are words that the decoder writes, and nothing else.
    Output,
    /// Query, key or value of an attention.
    AttentionInput,
    /// Output of an attention.
    AttentionOutput,
    /// Either matrix of a recurrence.
    Recurrence,
    /// Either matrix of a feed-forward block.
    FeedForward,
}

/// What a vector is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VectorRole {
    /// Added to a product.
    Bias,
    /// Multiplies in a normalisation.
    NormGain,
    /// Added in a normalisation.
    NormShift,
}

/// A matrix in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixSpec {
    /// What it is for.
    pub role: MatrixRole,
    /// Row axis.
    pub rows: Axis,
    /// Column axis.
    pub columns: Axis,
}

/// A vector in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorSpec {
    /// What it is for.
    pub role: VectorRole,
    /// Its axis.
    pub axis: Axis,
}

/// Leaf family of the catalogue: what each weight is for and along which axes it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec;

impl Leaf for Spec {
    type Matrix = MatrixSpec;
    type Vector = VectorSpec;
}

fn linear(role: MatrixRole, output: Axis, input: Axis) -> Linear<Spec> {
    Linear {
        weight: MatrixSpec { role, rows: output, columns: input },
        bias: VectorSpec { role: VectorRole::Bias, axis: output },
    }
}

fn layer_norm(axis: Axis) -> LayerNorm<Spec> {
    LayerNorm {
        gain: VectorSpec { role: VectorRole::NormGain, axis },
        shift: VectorSpec { role: VectorRole::NormShift, axis },
    }
}

fn attention(own: Axis, attended: Axis) -> Attention<Spec> {
    Attention {
        query: linear(MatrixRole::AttentionInput, own, own),
        key: linear(MatrixRole::AttentionInput, own, attended),
        value: linear(MatrixRole::AttentionInput, own, attended),
        output: linear(MatrixRole::AttentionOutput, own, own),
    }
}

fn feed_forward(width: Axis, hidden: Axis) -> FeedForward<Spec> {
    FeedForward {
        up: linear(MatrixRole::FeedForward, hidden, width),
        down: linear(MatrixRole::FeedForward, width, hidden),
    }
}

fn encoder_layer() -> EncoderLayer<Spec> {
    let width = Axis::EncoderWidth;
    EncoderLayer {
        self_attention: attention(width, width),
        self_attention_norm: layer_norm(width),
        feed_forward: feed_forward(width, Axis::EncoderFeedForward),
        feed_forward_norm: layer_norm(width),
    }
}

fn recurrence(width: Axis) -> Recurrence<Spec> {
    Recurrence {
        candidate: MatrixSpec { role: MatrixRole::Recurrence, rows: width, columns: width },
        forget: linear(MatrixRole::Recurrence, width, width),
        norm: layer_norm(width),
    }
}

fn decoder_layer(autoregression: Autoregression) -> DecoderLayer<Spec> {
    let width = Axis::DecoderWidth;
    let self_attention =
        || SelfAttention { attention: attention(width, width), norm: layer_norm(width) };
    DecoderLayer {
        history: match autoregression {
            Autoregression::SelfAttention => History::SelfAttention(self_attention()),
            Autoregression::Ssru => History::Recurrence(recurrence(width)),
        },
        cross_attention: attention(width, Axis::EncoderWidth),
        cross_attention_norm: layer_norm(width),
        feed_forward: feed_forward(width, Axis::DecoderFeedForward),
        feed_forward_norm: layer_norm(width),
    }
}

fn embedding_tables(config: &Config) -> EmbeddingTables<Spec> {
    let matrix = |role, rows, columns| MatrixSpec { role, rows, columns };
    let target = matrix(MatrixRole::Embedding, Axis::TargetVocabulary, Axis::DecoderWidth);
    let output = matrix(MatrixRole::Output, Axis::TargetVocabulary, Axis::DecoderWidth);
    let tying = config.architecture.embeddings;
    EmbeddingTables {
        source: matrix(MatrixRole::Embedding, Axis::SourceVocabulary, Axis::EncoderWidth),
        target: (tying != Tying::AllTied).then_some(target),
        output: (tying == Tying::Separate).then_some(output),
        output_bias: match config.architecture.output_bias {
            OutputBias::Present => {
                Some(VectorSpec { role: VectorRole::Bias, axis: Axis::TargetVocabulary })
            }
            OutputBias::Absent => None,
        },
    }
}

impl Transformer<Spec> {
    /// The catalogue of every weight that a model of this configuration has.
    pub fn catalogue(config: &Config) -> Transformer<Spec> {
        let architecture = &config.architecture;
        let final_norm = |axis| match architecture.final_norm {
            FinalNorm::Present => Some(layer_norm(axis)),
            FinalNorm::Absent => None,
        };
        Transformer {
            embeddings: embedding_tables(config),
            encoder: Encoder {
                layers: (0..architecture.encoder.layers).map(|_| encoder_layer()).collect(),
                final_norm: final_norm(Axis::EncoderWidth),
            },
            decoder: Decoder {
                layers: (0..architecture.decoder.layers)
                    .map(|_| decoder_layer(architecture.autoregression))
                    .collect(),
                final_norm: final_norm(Axis::DecoderWidth),
            },
        }
    }

    /// Numbers of a model of this configuration; a matrix that is tied counts once.
    pub fn parameters(config: &Config) -> usize {
        Transformer::list(config).iter().map(SlotInfo::count).sum()
    }

    /// Name, axes and shape of every weight, in declaration order.
    pub fn list(config: &Config) -> Vec<SlotInfo> {
        let mut list = List { config, slots: Vec::new() };
        let Ok(_) = Transformer::catalogue(config).map::<Spec, _>(&mut list);
        list.slots
    }
}

/// One line of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// Where the weight lives.
    pub slot: Slot,
    /// `[rows, columns]` of a matrix, one axis of a vector.
    pub axes: Vec<Axis>,
    /// Their lengths.
    pub shape: Vec<usize>,
}

impl SlotInfo {
    /// Number of weights.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

struct List<'a> {
    config: &'a Config,
    slots: Vec<SlotInfo>,
}

impl List<'_> {
    fn push(&mut self, slot: Slot, axes: &[Axis]) {
        let shape = axes.iter().map(|axis| self.config.length(*axis)).collect();
        self.slots.push(SlotInfo { slot, axes: axes.to_vec(), shape });
    }
}

impl Map<Spec, Spec> for List<'_> {
    type Error = Infallible;
    fn matrix(&mut self, slot: Slot, from: &MatrixSpec) -> Result<MatrixSpec, Infallible> {
        self.push(slot, &[from.rows, from.columns]);
        Ok(*from)
    }
    fn vector(&mut self, slot: Slot, from: &VectorSpec) -> Result<VectorSpec, Infallible> {
        self.push(slot, &[from.axis]);
        Ok(*from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::{Architecture, Vocabularies};

    fn config(preset: &str, vocabulary: usize) -> Config {
        let architecture = Architecture::preset(preset).unwrap();
        Config::new(architecture, Vocabularies::shared(vocabulary)).unwrap()
    }

    #[test]
    fn names_are_unique_and_shapes_follow_the_axes() {
        let slots = Transformer::list(&config("tiny", 70));
        let names: HashSet<_> = slots.iter().map(|info| info.slot.to_string()).collect();
        assert_eq!(names.len(), slots.len());
        let key = "decoder.layers.0.cross_attention.key.weight";
        let key = slots.iter().find(|info| info.slot.to_string() == key).unwrap();
        assert_eq!(key.shape, [256, 512]);
        assert_eq!(key.axes, [Axis::DecoderWidth, Axis::EncoderWidth]);
    }

    #[test]
    fn weights_of_the_base_model_add_up() {
        // PyTorch: sum(p.numel()) of nn.Transformer(512, 8, 6, 6, 2048) is 44,140,544, of which
        // 4 x 512 belong to the two final norms that a post-norm model does not have.
        let mut config = config("transformer-base", 1000);
        let layers = |config: &Config| -> usize {
            let slots = Transformer::list(config);
            slots
                .iter()
                .filter(|info| info.slot.layer().is_some() || matches!(info.slot, Slot::Norm(..)))
                .map(SlotInfo::count)
                .sum()
        };
        assert_eq!(layers(&config), 44_138_496);
        config.architecture.final_norm = FinalNorm::Present;
        assert_eq!(layers(&config), 44_140_544);
    }

    #[test]
    fn leaves_come_in_the_order_of_maps_and_can_be_changed() {
        let config = config("transformer-nano", 30);
        let mut model = crate::Model::initialise(config.clone(), 1);
        let listed: Vec<_> = Transformer::list(&config);
        for (info, (slot, slice)) in listed.iter().zip(model.weights.slices()) {
            assert_eq!((info.slot, info.count()), (slot, slice.len()));
        }
        assert_eq!(listed.len(), model.weights.slices().len());
        model.weights.slices_mut().iter_mut().for_each(|(_, slice)| slice.fill(2.0));
        assert_eq!(model.weights.decoder.layers[1].feed_forward.down.bias, vec![2.0; 16]);
        assert_eq!(model.weights.count(), Transformer::parameters(&config));
    }

    #[test]
    fn a_tied_matrix_exists_once() {
        let mut config = config("transformer-nano", 30);
        let embeddings = |config: &Config| -> Vec<String> {
            let slots = Transformer::list(config);
            slots
                .into_iter()
                .map(|info| info.slot.to_string())
                .filter(|p| p.starts_with("embeddings"))
                .collect()
        };
        assert_eq!(embeddings(&config), ["embeddings.source", "embeddings.target"]);
        config.architecture.embeddings = Tying::AllTied;
        assert_eq!(embeddings(&config), ["embeddings.source"]);
        config.architecture.embeddings = Tying::Separate;
        config.architecture.output_bias = OutputBias::Present;
        let names = ["source", "target", "output", "output_bias"];
        assert_eq!(embeddings(&config), names.map(|name| format!("embeddings.{name}")));
    }
}
