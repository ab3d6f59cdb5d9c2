//! Where a weight lives: one arm for each kind of place, so that whoever has to know all of them does not compile when
//! there is a new one.

use std::fmt;

/// One of the two stacks of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stack {
    /// Reads the source.
    Encoder,
    /// Writes the target.
    Decoder,
}

/// A matrix whose rows are words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What the encoder reads.
    Source,
    /// What the decoder reads.
    Target,
    /// What the decoder writes.
    Output,
}

/// A layer of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerPlace {
    /// The stack.
    pub stack: Stack,
    /// Its number, from 0.
    pub layer: usize,
}

/// What an attention looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttentionKind {
    /// The stack's own stream.
    SelfAttention,
    /// The encoder's output.
    CrossAttention,
}

/// A linear layer of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttentionRole {
    /// Makes queries.
    Query,
    /// Makes keys.
    Key,
    /// Makes values.
    Value,
    /// Joins the heads.
    Output,
}

/// A linear layer of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedForwardRole {
    /// Into the hidden layer.
    Up,
    /// Out of it.
    Down,
}

/// A linear layer of a recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecurrenceRole {
    /// Makes what a cell would be without a past; has no bias.
    Candidate,
    /// Makes what a cell keeps of its past.
    Forget,
}

/// A sub-layer, by which its norm is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubLayer {
    /// Attention.
    Attention(AttentionKind),
    /// Recurrence over the target so far.
    Recurrence,
    /// Feed-forward block.
    FeedForward,
}

/// A linear layer, by block and role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinearPlace {
    /// In an attention.
    Attention(LayerPlace, AttentionKind, AttentionRole),
    /// In a recurrence.
    Recurrence(LayerPlace, RecurrenceRole),
    /// In a feed-forward block.
    FeedForward(LayerPlace, FeedForwardRole),
}

/// A layer normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NormPlace {
    /// Of a sub-layer.
    SubLayer(LayerPlace, SubLayer),
    /// At the end of a stack.
    Final(Stack),
}

/// Part of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinearPart {
    /// `[output, input]`.
    Weight,
    /// `[output]`.
    Bias,
}

/// Part of a layer normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NormPart {
    /// Multiplies.
    Gain,
    /// Is added.
    Shift,
}

/// Where a weight lives. Its canonical name, such as `decoder.layers.0.cross_attention.key.weight`, is its `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// A matrix whose rows are words.
    Table(Table),
    /// What is added to the logits.
    OutputBias,
    /// Part of a linear layer.
    Linear(LinearPlace, LinearPart),
    /// Part of a layer normalisation.
    Norm(NormPlace, NormPart),
}

impl Slot {
    /// The layer that it lies in; none outside the stacks, and at their ends.
    pub fn layer(self) -> Option<LayerPlace> {
        match self {
            Slot::Linear(
                LinearPlace::Attention(layer, ..)
                | LinearPlace::Recurrence(layer, _)
                | LinearPlace::FeedForward(layer, _),
                _,
            )
            | Slot::Norm(NormPlace::SubLayer(layer, _), _) => Some(layer),
            Slot::Table(_) | Slot::OutputBias | Slot::Norm(NormPlace::Final(_), _) => None,
        }
    }

    /// The same weight in another layer of the same stack; itself outside the stacks.
    pub fn at_layer(self, layer: usize) -> Slot {
        let at = |place: LayerPlace| LayerPlace { layer, ..place };
        match self {
            Slot::Linear(LinearPlace::Attention(place, kind, role), part) => {
                Slot::Linear(LinearPlace::Attention(at(place), kind, role), part)
            }
            Slot::Linear(LinearPlace::Recurrence(place, role), part) => {
                Slot::Linear(LinearPlace::Recurrence(at(place), role), part)
            }
            Slot::Linear(LinearPlace::FeedForward(place, role), part) => {
                Slot::Linear(LinearPlace::FeedForward(at(place), role), part)
            }
            Slot::Norm(NormPlace::SubLayer(place, sub_layer), part) => {
                Slot::Norm(NormPlace::SubLayer(at(place), sub_layer), part)
            }
            Slot::Table(_) | Slot::OutputBias | Slot::Norm(NormPlace::Final(_), _) => self,
        }
    }
}

/// Names of the variants, as they stand in paths.
macro_rules! named {
    ($($kind:ident { $($variant:ident: $name:literal),* $(,)? })*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($kind::$variant => $name),* })
            }
        }
    )*};
}

named! {
    Stack { Encoder: "encoder", Decoder: "decoder" }
    Table { Source: "source", Target: "target", Output: "output" }
    AttentionKind { SelfAttention: "self_attention", CrossAttention: "cross_attention" }
    AttentionRole { Query: "query", Key: "key", Value: "value", Output: "output" }
    RecurrenceRole { Candidate: "candidate", Forget: "forget" }
    FeedForwardRole { Up: "up", Down: "down" }
    LinearPart { Weight: "weight", Bias: "bias" }
    NormPart { Gain: "gain", Shift: "shift" }
}

impl fmt::Display for LayerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.layers.{}", self.stack, self.layer)
    }
}

impl fmt::Display for SubLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubLayer::Attention(kind) => kind.fmt(f),
            SubLayer::Recurrence => f.write_str("recurrence"),
            SubLayer::FeedForward => f.write_str("feed_forward"),
        }
    }
}

impl fmt::Display for LinearPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinearPlace::Attention(layer, kind, role) => write!(f, "{layer}.{kind}.{role}"),
            LinearPlace::Recurrence(layer, role) => write!(f, "{layer}.recurrence.{role}"),
            LinearPlace::FeedForward(layer, role) => write!(f, "{layer}.feed_forward.{role}"),
        }
    }
}

impl fmt::Display for NormPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NormPlace::SubLayer(layer, sub_layer) => write!(f, "{layer}.{sub_layer}_norm"),
            NormPlace::Final(stack) => write!(f, "{stack}.final_norm"),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Table(table) => write!(f, "embeddings.{table}"),
            Slot::OutputBias => f.write_str("embeddings.output_bias"),
            Slot::Linear(place, part) => write!(f, "{place}.{part}"),
            Slot::Norm(place, part) => write!(f, "{place}.{part}"),
        }
    }
}
