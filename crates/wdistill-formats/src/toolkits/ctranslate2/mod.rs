//! Model folders of CTranslate2.
//!
//! There is no document of the format: CTranslate2's `python/ctranslate2/specs/transformer_spec.py` names the
//! variables, and `src/layers/transformer.cc` says what one that is absent means.
//!
//! What is read: Transformers with an encoder and a decoder, in any of the number types, of
//! `model.bin` versions 2 to 6. What is written: version 6, float32 or int8.

use std::path::Path;

use wdistill_model::{
    Architecture, AttentionKind, AttentionRole, FeedForwardRole, LayerPlace, LinearPlace, NormPart,
    NormPlace, RecurrenceRole, Slot, SubLayer, Table,
};

use super::findings::Foreign;
use super::obstacles::Obstacles;
use super::options::{ExportOptions, ImportOptions, Numbers};
use super::place::{ArrayPlace, Layout};
use super::toolkit::{Detection, Toolkit};
use crate::error::FormatError;
use crate::files::items;
use crate::model_folder::ModelFolder;

mod binary;
mod read;
mod write;

const FORMAT: &str = "a CTranslate2 model";

/// File of weights.
const MODEL_FILE: &str = "model.bin";
/// File of special tokens and conventions; models before version 6 have none.
const CONFIG_FILE: &str = "config.json";

const SOURCE: &str = "encoder/embeddings_0/weight";
const TARGET: &str = "decoder/embeddings/weight";
const OUTPUT: &str = "decoder/projection/weight";
const OUTPUT_BIAS: &str = "decoder/projection/bias";

/// The table between slots and variables.
///
/// Query, key and value of a self-attention are one variable, `linear_0`; key and value of the attention to
/// the source are one, `linear_1`.
fn place(slot: Slot) -> ArrayPlace {
    let same = |name: &str| ArrayPlace::new(name, Layout::Same);
    match slot {
        Slot::Table(Table::Source) => same(SOURCE),
        Slot::Table(Table::Target) => same(TARGET),
        Slot::Table(Table::Output) => same(OUTPUT),
        Slot::OutputBias => same(OUTPUT_BIAS),
        Slot::Norm(norm, part) => {
            let norm = match norm {
                NormPlace::SubLayer(layer, SubLayer::Attention(kind)) => {
                    format!("{}/{}", layer_name(layer), attention(kind))
                }
                // An obstacle before anything is written.
                NormPlace::SubLayer(layer, SubLayer::Recurrence) => {
                    format!("{}/recurrence", layer_name(layer))
                }
                NormPlace::SubLayer(layer, SubLayer::FeedForward) => {
                    format!("{}/ffn", layer_name(layer))
                }
                NormPlace::Final(stack) => stack.to_string(),
            };
            let part = match part {
                NormPart::Gain => "gamma",
                NormPart::Shift => "beta",
            };
            same(&format!("{norm}/layer_norm/{part}"))
        }
        Slot::Linear(linear, part) => {
            use AttentionKind::{CrossAttention, SelfAttention};
            use AttentionRole::{Key, Output, Query, Value};
            let (layer, block, linear, index, of) = match linear {
                LinearPlace::Attention(layer, kind, role) => {
                    let (linear, index, of) = match (kind, role) {
                        (SelfAttention, Query) => (0, 0, 3),
                        (SelfAttention, Key) => (0, 1, 3),
                        (SelfAttention, Value) => (0, 2, 3),
                        (SelfAttention, Output) => (1, 0, 1),
                        (CrossAttention, Query) => (0, 0, 1),
                        (CrossAttention, Key) => (1, 0, 2),
                        (CrossAttention, Value) => (1, 1, 2),
                        (CrossAttention, Output) => (2, 0, 1),
                    };
                    (layer, attention(kind), linear, index, of)
                }
                LinearPlace::Recurrence(layer, RecurrenceRole::Candidate) => {
                    (layer, "recurrence", 0, 0, 1)
                }
                LinearPlace::Recurrence(layer, RecurrenceRole::Forget) => {
                    (layer, "recurrence", 1, 0, 1)
                }
                LinearPlace::FeedForward(layer, FeedForwardRole::Up) => (layer, "ffn", 0, 0, 1),
                LinearPlace::FeedForward(layer, FeedForwardRole::Down) => (layer, "ffn", 1, 0, 1),
            };
            same(&format!("{}/{block}/linear_{linear}/{part}", layer_name(layer))).part(index, of)
        }
    }
}

fn layer_name(LayerPlace { stack, layer }: LayerPlace) -> String {
    format!("{stack}/layer_{layer}")
}

fn attention(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::SelfAttention => "self_attention",
        AttentionKind::CrossAttention => "attention",
    }
}

/// CTranslate2.
pub struct CTranslate2;

impl Toolkit for CTranslate2 {
    fn name(&self) -> &'static str {
        "CTranslate2"
    }

    fn key(&self) -> &'static str {
        "ctranslate2"
    }

    fn model_name(&self) -> &'static str {
        FORMAT
    }

    fn known_by(&self) -> &'static str {
        MODEL_FILE
    }

    fn detect(&self, path: &Path) -> Result<Detection, FormatError> {
        let file = if path.is_dir() { path.join(MODEL_FILE) } else { path.to_path_buf() };
        Ok(if file.ends_with(MODEL_FILE) && file.is_file() && !items::is_one(&file)? {
            Detection::ByName(wdistill_base::folder_of(&file).to_path_buf())
        } else {
            Detection::Nothing
        })
    }

    fn place(&self, slot: Slot, _: &Architecture) -> ArrayPlace {
        place(slot)
    }

    fn read(&self, path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
        read::read(path, options)
    }

    fn numbers(&self) -> &'static [Numbers] {
        &[Numbers::Float32, Numbers::Int8]
    }

    fn takes(&self) -> &'static str {
        "any model"
    }

    fn obstacles(&self, given: &ModelFolder, _: &ExportOptions) -> Obstacles {
        write::obstacles(given)
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
