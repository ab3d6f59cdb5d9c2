//! Names that fairseq's modules have and Hugging Face's took over.

use wdistill_model::{
    AttentionKind, AttentionRole, FeedForwardRole, LinearPlace, NormPart, SubLayer,
};

/// PyTorch's names in a norm.
pub(crate) fn norm_part(part: NormPart) -> &'static str {
    match part {
        NormPart::Gain => "weight",
        NormPart::Shift => "bias",
    }
}

/// The norm of a sub-layer.
pub(crate) fn norm(sub_layer: SubLayer) -> &'static str {
    match sub_layer {
        SubLayer::Attention(AttentionKind::SelfAttention) => "self_attn_layer_norm",
        SubLayer::Attention(AttentionKind::CrossAttention) => "encoder_attn_layer_norm",
        // What these toolkits do not have: an obstacle before anything is written.
        SubLayer::Recurrence => "recurrence_layer_norm",
        SubLayer::FeedForward => "final_layer_norm",
    }
}

/// An attention.
pub(crate) fn attention(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::SelfAttention => "self_attn",
        AttentionKind::CrossAttention => "encoder_attn",
    }
}

/// A linear layer, such as `encoder.layers.0.self_attn.q_proj`.
pub(crate) fn linear(place: LinearPlace) -> String {
    match place {
        LinearPlace::Attention(layer, kind, role) => {
            let projection = match role {
                AttentionRole::Query => "q",
                AttentionRole::Key => "k",
                AttentionRole::Value => "v",
                AttentionRole::Output => "out",
            };
            format!("{layer}.{}.{projection}_proj", attention(kind))
        }
        LinearPlace::Recurrence(..) => place.to_string(),
        LinearPlace::FeedForward(layer, role) => {
            let linear = match role {
                FeedForwardRole::Up => "fc1",
                FeedForwardRole::Down => "fc2",
            };
            format!("{layer}.{linear}")
        }
    }
}
