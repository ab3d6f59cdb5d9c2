//! Marian's models, `.npz` and `.bin` (`src/models/transformer.h`; the names are those of its parameters).
//!
//! A file holds its own settings as YAML in an array of bytes. Matrices lie `[input, output]`, vectors are
//! `[1, n]`, layers count from 1. The decoder starts from a vector of zeros, and the encoder reads the end token.

use std::path::Path;

use wdistill_model::{
    Architecture, AttentionKind, AttentionRole, Embeddings, FeedForwardRole, LayerPlace,
    LinearPart, LinearPlace, NormPart, NormPlace, NormPlacement, RecurrenceRole, Slot, SubLayer,
    Table,
};
use wdistill_text::SentencePieceModel;

use super::findings::Foreign;
use super::obstacles::Obstacles;
use super::options::{ExportOptions, ImportOptions, Numbers};
use super::place::{ArrayPlace, Layout};
use super::toolkit::{Detection, Toolkit};
use crate::error::FormatError;
use crate::files::items;
use crate::model_folder::ModelFolder;

mod read;
mod words;
mod write;

pub(super) use write::{INTGEMM_OUTPUTS, INTGEMM_WIDTH, arrays, check, item, settings};

const FORMAT: &str = "a Marian model";

/// The settings inside the file.
pub(super) const SETTINGS: &str = "special:model.yml";

/// What Marian adds to a variance (`layerNorm` in `transformer.h`).
const EPSILON: f64 = 1e-6;

const SHARED: &str = "Wemb";
const SOURCE: &str = "encoder_Wemb";
const TARGET: &str = "decoder_Wemb";
pub(super) const OUTPUT: &str = "decoder_ff_logit_out_Wt";
pub(super) const OLD_OUTPUT: &str = "decoder_ff_logit_out_W";
const OUTPUT_BIAS: &str = "decoder_ff_logit_out_b";
/// What a factor for an activation's numbers ends in, which int8 products of browsermt's Marian take.
pub(super) const ACTIVATION_FACTOR: &str = "_QuantMultA";
/// Trained positions.
const POSITIONS: &str = "Wpos";

/// The table between slots and arrays of a model with these embeddings and norms.
pub(super) fn place(slot: Slot, architecture: &Architecture) -> ArrayPlace {
    let table = |name: &str| ArrayPlace::new(name, Layout::Same);
    match slot {
        Slot::Table(Table::Source) => table(match architecture.embeddings {
            Embeddings::AllTied => SHARED,
            Embeddings::DecoderTied | Embeddings::Separate => SOURCE,
        }),
        Slot::Table(Table::Target) => table(TARGET),
        Slot::Table(Table::Output) => table(OUTPUT),
        Slot::OutputBias => ArrayPlace::new(OUTPUT_BIAS, Layout::RowVector),
        Slot::Norm(norm, part) => {
            let part = match part {
                NormPart::Gain => "scale",
                NormPart::Shift => "bias",
            };
            ArrayPlace::new(norm_name(norm, part, architecture.norm), Layout::RowVector)
        }
        Slot::Linear(linear, part) => {
            let (layer, block, index) = match linear {
                LinearPlace::Recurrence(layer, RecurrenceRole::Candidate) => (layer, "rnn", ""),
                LinearPlace::Recurrence(layer, RecurrenceRole::Forget) => (layer, "rnn", "f"),
                LinearPlace::Attention(layer, kind, role) => {
                    let block = match kind {
                        AttentionKind::SelfAttention => "self",
                        AttentionKind::CrossAttention => "context",
                    };
                    let index = match role {
                        AttentionRole::Query => "q",
                        AttentionRole::Key => "k",
                        AttentionRole::Value => "v",
                        AttentionRole::Output => "o",
                    };
                    (layer, block, index)
                }
                LinearPlace::FeedForward(layer, FeedForwardRole::Up) => (layer, "ffn", "1"),
                LinearPlace::FeedForward(layer, FeedForwardRole::Down) => (layer, "ffn", "2"),
            };
            let layer = layer_name(layer);
            match part {
                LinearPart::Weight => {
                    ArrayPlace::new(format!("{layer}_{block}_W{index}"), Layout::Transposed)
                }
                LinearPart::Bias => {
                    ArrayPlace::new(format!("{layer}_{block}_b{index}"), Layout::RowVector)
                }
            }
        }
    }
}

fn norm_name(norm: NormPlace, part: &str, placement: NormPlacement) -> String {
    match norm {
        NormPlace::Final(stack) => format!("{stack}_top_ln_{part}"),
        NormPlace::SubLayer(layer, sub_layer) => {
            let block = match sub_layer {
                SubLayer::Attention(AttentionKind::SelfAttention) => "self_Wo",
                SubLayer::Attention(AttentionKind::CrossAttention) => "context_Wo",
                SubLayer::Recurrence => "rnn_ffn",
                SubLayer::FeedForward => "ffn_ffn",
            };
            let suffix = match placement {
                NormPlacement::Pre => "_pre",
                NormPlacement::Post => "",
            };
            format!("{}_{block}_ln_{part}{suffix}", layer_name(layer))
        }
    }
}

fn layer_name(LayerPlace { stack, layer }: LayerPlace) -> String {
    format!("{stack}_l{}", layer + 1)
}

/// Whether a file is a model: an archive of arrays, which is no state of an optimiser, or a binary one, which its name does
/// not tell.
fn is_model(path: &Path) -> Result<bool, FormatError> {
    let name = path.to_string_lossy();
    if name.ends_with(".bin") {
        return items::is_one(path);
    }
    Ok(name.ends_with(".npz") && !name.ends_with(".optimizer.npz"))
}

/// Marian.
pub struct Marian;

impl Toolkit for Marian {
    fn name(&self) -> &'static str {
        "Marian"
    }

    fn key(&self) -> &'static str {
        "marian"
    }

    fn model_name(&self) -> &'static str {
        FORMAT
    }

    fn known_by(&self) -> &'static str {
        "a .npz or .bin"
    }

    fn detect(&self, path: &Path) -> Result<Detection, FormatError> {
        Detection::of_files(path, is_model, Detection::ByExtension)
    }

    fn place(&self, slot: Slot, architecture: &Architecture) -> ArrayPlace {
        place(slot, architecture)
    }

    fn read(&self, path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
        read::read(path, options)
    }

    fn own_subwords(
        &self,
        path: &Path,
        options: &ImportOptions,
    ) -> Result<[Option<SentencePieceModel>; 2], FormatError> {
        Ok(words::read(path, options)?.1)
    }

    fn numbers(&self) -> &'static [Numbers] {
        &[Numbers::Float32, Numbers::Int8]
    }

    fn takes(&self) -> &'static str {
        "models of one width, whose decoder starts from zeros"
    }

    fn obstacles(&self, given: &ModelFolder, options: &ExportOptions) -> Obstacles {
        write::obstacles(given, options.numbers)
    }

    fn write(
        &self,
        given: &ModelFolder,
        options: &ExportOptions,
        folder: &Path,
    ) -> Result<(), FormatError> {
        write::write(given, options.numbers, folder)
    }
}
