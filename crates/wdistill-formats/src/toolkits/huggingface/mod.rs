//! Folders of Hugging Face's MarianMT (`transformers/models/marian/modeling_marian.py`), as OPUS-MT models are
//! published.
//!
//! Such a model has one width for both stacks, norms after each sub-layer and none at the end, embeddings times the
//! square root of the width, and sinusoids with sines before cosines. Its vocabulary has a padding word, from
//! whose embedding the decoder starts.

use std::path::Path;

use wdistill_model::{Architecture, Embeddings, NormPlace, Slot, Table};

use super::findings::Foreign;
use super::obstacles::Obstacles;
use super::options::{ExportOptions, ImportOptions, Numbers};
use super::place::{ArrayPlace, Layout};
use super::pytorch;
use super::toolkit::{Detection, Toolkit};
use crate::error::FormatError;
use crate::model_folder::ModelFolder;

mod read;
mod write;

const FORMAT: &str = "a MarianMT folder of Hugging Face";

const CONFIG_FILE: &str = "config.json";
/// How translations are searched.
const GENERATION_FILE: &str = "generation_config.json";
const SAFETENSORS_FILE: &str = "model.safetensors";
const TORCH_FILE: &str = "pytorch_model.bin";
const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
const TORCH_INDEX: &str = "pytorch_model.bin.index.json";

/// Files of all weights, or of where each of several files is, in the order in which transformers looks for them.
const WEIGHTS_FILES: [&str; 4] = [SAFETENSORS_FILE, SAFETENSORS_INDEX, TORCH_FILE, TORCH_INDEX];

/// Whether a file of this name holds weights of a folder, or part of them.
fn is_weights_file(name: &str) -> bool {
    let is_part = |start: &str, end: &str| name.starts_with(start) && name.ends_with(end);
    WEIGHTS_FILES.contains(&name)
        || is_part("model-", ".safetensors")
        || is_part("pytorch_model-", ".bin")
}

const WORDS_FILE: &str = "vocab.json";
const TARGET_WORDS_FILE: &str = "target_vocab.json";
const ADDED_TOKENS_FILE: &str = "added_tokens.json";
const TOKENIZER_FILE: &str = "tokenizer_config.json";

const SHARED: &str = "model.shared.weight";
const SOURCE: &str = "model.encoder.embed_tokens.weight";
const TARGET: &str = "model.decoder.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";
const OUTPUT_BIAS: &str = "final_logits_bias";

/// Tables of sinusoids, which a file may hold.
const POSITIONS: [&str; 2] =
    ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"];

/// The table between slots and tensors of a model with these embeddings.
fn place(slot: Slot, embeddings: Embeddings) -> ArrayPlace {
    let same = |name: &str| ArrayPlace::new(name, Layout::Same);
    match slot {
        Slot::Table(Table::Source) => same(match embeddings {
            Embeddings::AllTied => SHARED,
            Embeddings::DecoderTied | Embeddings::Separate => SOURCE,
        }),
        Slot::Table(Table::Target) => same(TARGET),
        Slot::Table(Table::Output) => same(OUTPUT),
        Slot::OutputBias => ArrayPlace::new(OUTPUT_BIAS, Layout::RowVector),
        Slot::Norm(NormPlace::SubLayer(layer, sub_layer), part) => {
            let (norm, part) = (pytorch::norm(sub_layer), pytorch::norm_part(part));
            same(&format!("model.{layer}.{norm}.{part}"))
        }
        // Where others have it; MarianMT has none.
        Slot::Norm(NormPlace::Final(stack), part) => {
            same(&format!("model.{stack}.layer_norm.{}", pytorch::norm_part(part)))
        }
        Slot::Linear(linear, part) => same(&format!("model.{}.{part}", pytorch::linear(linear))),
    }
}

/// MarianMT of Hugging Face.
pub struct HuggingFace;

impl Toolkit for HuggingFace {
    fn name(&self) -> &'static str {
        "Hugging Face MarianMT"
    }

    fn key(&self) -> &'static str {
        "huggingface"
    }

    fn model_name(&self) -> &'static str {
        FORMAT
    }

    fn known_by(&self) -> &'static str {
        "config.json with model.safetensors or pytorch_model.bin, or an index of several such files"
    }

    fn detect(&self, path: &Path) -> Result<Detection, FormatError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = if path.is_dir() {
            path
        } else if is_weights_file(name) {
            wdistill_base::folder_of(path)
        } else {
            return Ok(Detection::Nothing);
        };
        let has = |name: &str| folder.join(name).is_file();
        Ok(if has(CONFIG_FILE) && WEIGHTS_FILES.iter().any(|name| has(name)) {
            Detection::ByName(folder.to_path_buf())
        } else {
            Detection::Nothing
        })
    }

    fn place(&self, slot: Slot, architecture: &Architecture) -> ArrayPlace {
        place(slot, architecture.embeddings)
    }

    fn read(&self, path: &Path, _: &ImportOptions) -> Result<Foreign, FormatError> {
        read::read(path)
    }

    fn subwords_expected(&self, side: &str) -> String {
        format!("{side}.spm")
    }

    fn library_name(&self) -> &'static str {
        "transformers"
    }

    fn numbers(&self) -> &'static [Numbers] {
        &[Numbers::Float32]
    }

    fn takes(&self) -> &'static str {
        "models of one width, with norms after the sub-layers"
    }

    fn obstacles(&self, given: &ModelFolder, _: &ExportOptions) -> Obstacles {
        write::obstacles(given)
    }

    fn write(&self, given: &ModelFolder, _: &ExportOptions, folder: &Path) -> Result<(), FormatError> {
        write::write(given, folder)
    }
}
