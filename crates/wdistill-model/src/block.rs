//! A layer's sub-layers, and what each is made of.

use crate::slot::{
    AttentionKind, AttentionRole, FeedForwardRole, LayerPlace, LinearPlace, NormPlace, Stack,
    SubLayer,
};

impl Stack {
    /// The sub-layers of each of its layers, in order.
    pub fn sub_layers(self) -> &'static [SubLayer] {
        const ALL: [SubLayer; 3] = [
            SubLayer::Attention(AttentionKind::SelfAttention),
            SubLayer::Attention(AttentionKind::CrossAttention),
            SubLayer::FeedForward,
        ];
        match self {
            Stack::Encoder => &[ALL[0], ALL[2]],
            Stack::Decoder => &ALL,
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
    /// What makes its heads or units: queries, keys and values, or hidden units.
    pub fn makers(self) -> Vec<LinearPlace> {
        match self.sub_layer {
            SubLayer::Attention(kind) => {
                [AttentionRole::Query, AttentionRole::Key, AttentionRole::Value]
                    .map(|role| LinearPlace::Attention(self.place, kind, role))
                    .to_vec()
            }
            SubLayer::FeedForward => {
                vec![LinearPlace::FeedForward(self.place, FeedForwardRole::Up)]
            }
        }
    }

    /// What brings them back to the stream.
    pub fn back(self) -> LinearPlace {
        match self.sub_layer {
            SubLayer::Attention(kind) => {
                LinearPlace::Attention(self.place, kind, AttentionRole::Output)
            }
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
