//! A layer's sub-layers, and what each is made of.

use crate::config::{Architecture, Autoregression};
use crate::slot::{
    AttentionKind, AttentionRole, FeedForwardRole, LayerPlace, LinearPlace, NormPlace,
    RecurrenceRole, Stack, SubLayer,
};

impl Architecture {
    /// The sub-layers of each layer of a stack, in order.
    pub fn sub_layers(&self, stack: Stack) -> &'static [SubLayer] {
        use AttentionKind::{CrossAttention, SelfAttention};
        use SubLayer::{Attention, FeedForward, Recurrence};
        match (stack, self.autoregression) {
            (Stack::Encoder, _) => &[Attention(SelfAttention), FeedForward],
            (Stack::Decoder, Autoregression::SelfAttention) => {
                &[Attention(SelfAttention), Attention(CrossAttention), FeedForward]
            }
            (Stack::Decoder, Autoregression::Ssru) => {
                &[Recurrence, Attention(CrossAttention), FeedForward]
            }
        }
    }
}

/// A sub-layer of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    /// The layer.
    pub place: LayerPlace,
    /// Its sub-layer.
    pub sub_layer: SubLayer,
}

impl Block {
    /// What makes its heads or units: queries, keys and values, cells, or hidden units.
    pub fn makers(self) -> Vec<LinearPlace> {
        match self.sub_layer {
            SubLayer::Attention(kind) => {
                [AttentionRole::Query, AttentionRole::Key, AttentionRole::Value]
                    .map(|role| LinearPlace::Attention(self.place, kind, role))
                    .to_vec()
            }
            SubLayer::Recurrence => [RecurrenceRole::Candidate, RecurrenceRole::Forget]
                .map(|role| LinearPlace::Recurrence(self.place, role))
                .to_vec(),
            SubLayer::FeedForward => {
                vec![LinearPlace::FeedForward(self.place, FeedForwardRole::Up)]
            }
        }
    }

    /// What brings them back to the stream.
    ///
    /// # Panics
    /// For a recurrence, whose cells are added to the stream as they are.
    pub fn back(self) -> LinearPlace {
        match self.sub_layer {
            SubLayer::Attention(kind) => {
                LinearPlace::Attention(self.place, kind, AttentionRole::Output)
            }
            SubLayer::Recurrence => panic!("{} has no way back but itself", self.norm()),
            SubLayer::FeedForward => LinearPlace::FeedForward(self.place, FeedForwardRole::Down),
        }
    }

    /// Its norm.
    pub fn norm(self) -> NormPlace {
        NormPlace::SubLayer(self.place, self.sub_layer)
    }

    /// The same in another layer.
    pub fn at(self, layer: usize) -> Block {
        Block { place: LayerPlace { layer, ..self.place }, ..self }
    }
}
