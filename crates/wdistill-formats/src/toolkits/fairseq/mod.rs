//! Checkpoints of fairseq's Transformers (`fairseq/models/transformer.py`), of the old layout of parameters
//! (before 0.9: `in_proj_weight`, settings in `args`) and the new one (`q_proj`, settings in `cfg`).
//!
//! The decoder starts from the end token; `<pad>` has a row of its own and is never written.

use std::path::{Path, PathBuf};

use wdistill_model::{
    Architecture, AttentionKind, AttentionRole, LayerPlace, LinearPlace, NormPlace, Slot, Stack,
    SubLayer, Table,
};

use super::findings::Foreign;
use super::options::ImportOptions;
use super::place::{ArrayPlace, Layout};
use super::pytorch;
use super::toolkit::{Detection, Toolkit};
use crate::error::FormatError;
use crate::files::files_in;

mod read;

const FORMAT: &str = "a fairseq checkpoint";

const SOURCE: &str = "encoder.embed_tokens.weight";
const TARGET: &str = "decoder.embed_tokens.weight";
const OUTPUT: &str = "decoder.output_projection.weight";
const OLD_OUTPUT: &str = "decoder.embed_out";

/// Number of `<pad>` in every dictionary.
const PADDING: u32 = 1;

/// How parameters are named: fairseq changed the norms' names first, then the attentions' (0.7 and 0.9).
#[derive(Clone, Copy)]
struct Names {
    norms: Norms,
    attention: AttentionInputs,
}

/// Norms of the encoder.
#[derive(Clone, Copy)]
enum Norms {
    /// `layer_norms.0` and `layer_norms.1`.
    Numbered,
    /// By what they follow, as in the decoder.
    Named,
}

/// Query, key and value of an attention.
#[derive(Clone, Copy)]
enum AttentionInputs {
    /// One below the other, `in_proj_weight`.
    Joint,
    /// `q_proj`, `k_proj`, `v_proj`.
    Apart,
}

/// The names of the newest version.
const NEWEST: Names = Names { norms: Norms::Named, attention: AttentionInputs::Apart };

/// The table between slots and tensors.
fn place(slot: Slot, names: Names) -> ArrayPlace {
    let same = |name: &str| ArrayPlace::new(name, Layout::Same);
    match slot {
        Slot::Table(Table::Source) => same(SOURCE),
        Slot::Table(Table::Target) => same(TARGET),
        Slot::Table(Table::Output) => same(OUTPUT),
        // Where PyTorch would have it; fairseq's output has none.
        Slot::OutputBias => same("decoder.output_projection.bias"),
        Slot::Norm(norm, part) => {
            let norm = match norm {
                NormPlace::Final(stack) => format!("{stack}.layer_norm"),
                NormPlace::SubLayer(layer, sub_layer) => {
                    let norm = match (layer.stack, names.norms, sub_layer) {
                        (Stack::Encoder, Norms::Numbered, SubLayer::Attention(_)) => {
                            "layer_norms.0"
                        }
                        (Stack::Encoder, Norms::Numbered, SubLayer::FeedForward) => "layer_norms.1",
                        (Stack::Encoder | Stack::Decoder, ..) => pytorch::norm(sub_layer),
                    };
                    format!("{layer}.{norm}")
                }
            };
            same(&format!("{norm}.{}", pytorch::norm_part(part)))
        }
        Slot::Linear(linear, part) => match (joint_input(linear), names.attention) {
            (Some((layer, kind, index)), AttentionInputs::Joint) => {
                same(&format!("{layer}.{}.in_proj_{part}", pytorch::attention(kind))).part(index, 3)
            }
            _ => same(&format!("{}.{part}", pytorch::linear(linear))),
        },
    }
}

/// Which part of the joint matrix of an attention a linear layer was.
fn joint_input(linear: LinearPlace) -> Option<(LayerPlace, AttentionKind, usize)> {
    let LinearPlace::Attention(layer, kind, role) = linear else { return None };
    let index = match role {
        AttentionRole::Query => 0,
        AttentionRole::Key => 1,
        AttentionRole::Value => 2,
        AttentionRole::Output => return None,
    };
    Some((layer, kind, index))
}

/// fairseq.
pub struct Fairseq;

impl Toolkit for Fairseq {
    fn name(&self) -> &'static str {
        "fairseq"
    }

    fn key(&self) -> &'static str {
        "fairseq"
    }

    fn model_name(&self) -> &'static str {
        FORMAT
    }

    fn known_by(&self) -> &'static str {
        "a .pt"
    }

    fn detect(&self, path: &Path) -> Result<Detection, FormatError> {
        let is_checkpoint = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "pt");
        let files = if path.is_dir() { files_in(path)? } else { vec![path.to_path_buf()] };
        let checkpoints: Vec<PathBuf> = files.into_iter().filter(is_checkpoint).collect();
        let best = checkpoints.iter().find(|file| file.ends_with("checkpoint_best.pt"));
        Ok(match (checkpoints.as_slice(), best) {
            ([], _) => Detection::Nothing,
            ([checkpoint], _) | (_, Some(checkpoint)) => Detection::ByExtension(checkpoint.clone()),
            _ => Detection::Several,
        })
    }

    fn place(&self, slot: Slot, _: &Architecture) -> ArrayPlace {
        place(slot, NEWEST)
    }

    fn read(&self, path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
        read::read(path, options)
    }
}

#[cfg(test)]
mod tests {
    use wdistill_model::{LinearPart, NormPart};

    use super::*;

    /// Versions 0.7 and 0.8 had the old attentions with the new norms.
    #[test]
    fn norms_and_attentions_were_renamed_apart() {
        let named = |norms, attention| {
            let names = Names { norms, attention };
            let layer = LayerPlace { stack: Stack::Encoder, layer: 0 };
            let attention = AttentionKind::SelfAttention;
            let norm = NormPlace::SubLayer(layer, SubLayer::Attention(attention));
            let key = LinearPlace::Attention(layer, attention, AttentionRole::Key);
            [Slot::Norm(norm, NormPart::Gain), Slot::Linear(key, LinearPart::Bias)]
                .map(|slot| place(slot, names))
        };
        let [norm, key] = named(Norms::Named, AttentionInputs::Joint);
        assert_eq!(norm.name, "encoder.layers.0.self_attn_layer_norm.weight");
        assert_eq!(
            (key.name.as_str(), key.part),
            ("encoder.layers.0.self_attn.in_proj_bias", (1, 3))
        );
        let [norm, key] = named(Norms::Numbered, AttentionInputs::Apart);
        assert_eq!(norm.name, "encoder.layers.0.layer_norms.0.weight");
        assert_eq!(
            (key.name.as_str(), key.part),
            ("encoder.layers.0.self_attn.k_proj.bias", (0, 1))
        );
    }
}
