//! Folders of Hugging Face's MarianMT (`transformers/models/marian/modeling_marian.py`), as OPUS-MT models are
//! published.
//!
//! Such a model has one width for both stacks, norms after each sub-layer and none at the end, embeddings times the
//! square root of the width, and sinusoids with sines before cosines. Its vocabulary has a padding word, from
//! whose embedding the decoder starts.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use wdistill_model::{
    Activation, Architecture, Config, DecoderStart, DropoutRates, EmbeddingScale, Embeddings,
    FinalNorm, NormPlacement, OutputBias, PositionTable, Shape, SourceEnding, Vocabularies,
};

use crate::error::FormatError;
use crate::foreign::arrays::{Array, Arrays, NumberType};
use crate::foreign::slots::{Layout, Place};
use crate::foreign::torch::TorchFile;
use crate::foreign::words::{self, Side, Words};
use crate::foreign::{Findings, Foreign, read_file, read_optional, sinusoids, unify};

mod write;

pub(crate) use write::{obstacles, write};

const FORMAT: &str = "a MarianMT folder of Hugging Face";

pub(crate) const CONFIG_FILE: &str = "config.json";
pub(crate) const SAFETENSORS_FILE: &str = "model.safetensors";
pub(crate) const TORCH_FILE: &str = "pytorch_model.bin";
pub(crate) const WORDS_FILE: &str = "vocab.json";
pub(crate) const TARGET_WORDS_FILE: &str = "target_vocab.json";

const SHARED: &str = "model.shared.weight";
const SOURCE: &str = "model.encoder.embed_tokens.weight";
const TARGET: &str = "model.decoder.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";
const OUTPUT_BIAS: &str = "final_logits_bias";

/// The table between slots and tensors of a model with these embeddings.
fn place(path: &[&str], embeddings: Embeddings) -> Place {
    let same = |name: String| Place::new(name, Layout::Same);
    match path {
        ["embeddings", "source"] if embeddings == Embeddings::AllTied => same(SHARED.to_string()),
        ["embeddings", "source"] => same(SOURCE.to_string()),
        ["embeddings", "target"] => same(TARGET.to_string()),
        ["embeddings", "output"] => same(OUTPUT.to_string()),
        ["embeddings", "output_bias"] => Place::new(OUTPUT_BIAS, Layout::RowVector),
        [stack, "layers", layer, norm, leaf] => {
            let norm = match *norm {
                "self_attention_norm" => "self_attn_layer_norm",
                "cross_attention_norm" => "encoder_attn_layer_norm",
                "feed_forward_norm" => "final_layer_norm",
                _ => unreachable!("no slot lies at {path:?}"),
            };
            same(format!("model.{stack}.layers.{layer}.{norm}.{}", norm_leaf(leaf)))
        }
        [stack, "layers", layer, block, role, leaf] => {
            let linear = match (*block, *role) {
                ("feed_forward", "up") => "fc1".to_string(),
                ("feed_forward", "down") => "fc2".to_string(),
                (attention, role) => {
                    let attention = match attention {
                        "self_attention" => "self_attn",
                        _ => "encoder_attn",
                    };
                    format!("{attention}.{}_proj", projection(role))
                }
            };
            same(format!("model.{stack}.layers.{layer}.{linear}.{leaf}"))
        }
        _ => unreachable!("no slot lies at {path:?}"),
    }
}

/// PyTorch's names in a norm.
pub(crate) fn norm_leaf(leaf: &str) -> &'static str {
    match leaf {
        "gain" => "weight",
        "shift" => "bias",
        _ => unreachable!("a norm has no {leaf}"),
    }
}

/// fairseq's and Hugging Face's names in an attention.
pub(crate) fn projection(role: &str) -> &'static str {
    match role {
        "query" => "q",
        "key" => "k",
        "value" => "v",
        "output" => "out",
        _ => unreachable!("an attention has no {role}"),
    }
}

/// Reads a folder.
///
/// # Errors
/// [`FormatError::Malformed`], or [`FormatError::Import`] with everything that stands in the way.
pub(crate) fn read(folder: &Path) -> Result<Foreign, FormatError> {
    let config_path = folder.join(CONFIG_FILE);
    let settings: Map<String, Value> = serde_json::from_slice(&read_file(&config_path)?)
        .map_err(|error| malformed(&config_path, error.to_string()))?;
    let mut findings = Findings::default();
    let mut settings = Settings { settings, findings: &mut findings };
    let architecture = settings.architecture();
    let words = words(folder, &mut settings)?;
    let safetensors = folder.join(SAFETENSORS_FILE);
    let path = match safetensors.exists() {
        true => safetensors,
        false => folder.join(TORCH_FILE),
    };
    let bytes = read_file(&path)?;
    let arrays = match path.ends_with(SAFETENSORS_FILE) {
        true => from_safetensors(&bytes),
        false => TorchFile::open(&bytes).and_then(|mut file| file.arrays(file.pickle.root())),
    };
    let mut arrays = arrays.map_err(|reason| malformed(&path, reason))?;
    let mut embeddings = Embeddings::AllTied;
    let vocabularies = words.as_ref().and_then(|words| settings.vocabularies(words));
    let config = architecture.zip(vocabularies).map(|(mut architecture, vocabularies)| {
        architecture.embeddings = tie(&mut arrays, &mut settings);
        embeddings = architecture.embeddings;
        check_positions(&mut arrays, settings.findings);
        architecture.output_bias = output_bias(&mut arrays);
        Config::new(architecture, vocabularies)
    });
    let (model, notes) = findings.finish(&path, config, &|path| place(path, embeddings), arrays)?;
    let words = words.expect("a configuration was made of them");
    Ok(Foreign { model, words, notes })
}

fn malformed(path: &Path, reason: String) -> FormatError {
    FormatError::Malformed { path: path.to_path_buf(), format: FORMAT, reason }
}

fn from_safetensors<'b>(bytes: &'b [u8]) -> Result<Arrays<'b>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let array = |(name, tensor): (&str, TensorView<'b>)| {
        let kind = match tensor.dtype() {
            Dtype::F64 => NumberType::Float64,
            Dtype::F32 => NumberType::Float32,
            Dtype::F16 => NumberType::Float16,
            Dtype::BF16 => NumberType::BFloat16,
            other => {
                return Err(format!("{name} holds {other:?}, expected floating-point numbers"));
            }
        };
        let array = Array::new(tensor.shape().to_vec(), kind, tensor.data().into());
        Ok((name.to_string(), array.map_err(|problem| format!("{name} {problem}"))?))
    };
    file.iter().map(array).collect()
}

/// What `config.json` says; everything that is not understood becomes a problem.
struct Settings<'a> {
    settings: Map<String, Value>,
    findings: &'a mut Findings,
}

impl Settings<'_> {
    fn number(&mut self, key: &str) -> Option<usize> {
        let number = self.settings.get(key).and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok());
        if number.is_none() {
            let found = self.shown(key);
            let problem =
                format!("{CONFIG_FILE}: {key} is {found}, expected a whole number from 0 on");
            self.findings.problem(problem);
        }
        number
    }

    fn token(&mut self, key: &str) -> Option<u32> {
        let number = self.number(key)?;
        self.findings
            .some(u32::try_from(number).map_err(|error| format!("{CONFIG_FILE}: {key}: {error}")))
    }

    /// A flag that has a default in `MarianConfig`.
    fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.settings.get(key) {
            Some(Value::Bool(flag)) => *flag,
            None => default,
            Some(other) => {
                let problem = format!("{CONFIG_FILE}: {key} is {other}, expected true or false");
                self.findings.problem(problem);
                default
            }
        }
    }

    /// A probability of dropout, with the default of `MarianConfig`.
    fn rate(&mut self, key: &str, default: f64) -> f64 {
        match self.settings.get(key) {
            None => default,
            Some(value) => value.as_f64().unwrap_or_else(|| {
                self.findings
                    .problem(format!("{CONFIG_FILE}: {key} is {value}, expected a number"));
                default
            }),
        }
    }

    /// A setting as it stands in the file.
    fn shown(&self, key: &str) -> String {
        self.settings.get(key).map_or("missing".to_string(), Value::to_string)
    }

    fn stack(&mut self, stack: &str, width: Option<usize>) -> Option<Shape> {
        let mut number = |key: &str| self.number(&format!("{stack}_{key}"));
        let (layers, heads) = (number("layers"), number("attention_heads"));
        let feed_forward = number("ffn_dim");
        Some(Shape { layers: layers?, width: width?, feed_forward: feed_forward?, heads: heads? })
    }

    /// The architecture, with embeddings still to be looked at.
    fn architecture(&mut self) -> Option<Architecture> {
        match self.settings.get("model_type").and_then(Value::as_str) {
            Some("marian") => {}
            _ => {
                let found = self.shown("model_type");
                self.findings
                    .problem(format!("{CONFIG_FILE}: model_type is {found}, expected \"marian\""));
            }
        }
        // Properties that old files name, and that MarianMT does not have.
        for (key, expected) in [
            ("normalize_before", false),
            ("normalize_embedding", false),
            ("add_final_layer_norm", false),
            ("static_position_embeddings", true),
        ] {
            if self.flag(key, expected) != expected {
                let problem =
                    format!("{CONFIG_FILE}: {key} is {}, which MarianMT cannot have", !expected);
                self.findings.problem(problem);
            }
        }
        let activation = match self.settings.get("activation_function").and_then(Value::as_str) {
            Some("relu") => Some(Activation::Relu),
            Some("swish" | "silu") => Some(Activation::Swish),
            Some("gelu") => Some(Activation::Gelu),
            _ => {
                let found = self.shown("activation_function");
                self.findings.problem(format!(
                    "{CONFIG_FILE}: activation_function is {found}, expected \"relu\", \"swish\" or \"gelu\""
                ));
                None
            }
        };
        let embedding_scale = match self.flag("scale_embedding", false) {
            true => EmbeddingScale::SquareRootOfWidth,
            false => EmbeddingScale::One,
        };
        let width = self.number("d_model");
        let (encoder, decoder) = (self.stack("encoder", width), self.stack("decoder", width));
        Some(Architecture {
            norm: NormPlacement::Post,
            final_norm: FinalNorm::Absent,
            norm_epsilon: 1e-5,
            activation: activation?,
            embeddings: Embeddings::AllTied,
            embedding_scale,
            positions: PositionTable::Marian,
            output_bias: OutputBias::Absent,
            encoder: encoder?,
            decoder: decoder?,
            dropout: DropoutRates {
                residual: self.rate("dropout", 0.1),
                attention: self.rate("attention_dropout", 0.0),
                activation: self.rate("activation_dropout", 0.0),
            },
        })
    }

    fn shares_embeddings(&mut self) -> bool {
        self.flag("share_encoder_decoder_embeddings", true)
    }

    fn vocabularies(&mut self, words: &Words) -> Option<Vocabularies> {
        let source = self.number("vocab_size");
        let target = match self.settings.get("decoder_vocab_size") {
            None | Some(Value::Null) => source,
            Some(_) => self.number("decoder_vocab_size"),
        };
        let (start, padding) = (self.token("decoder_start_token_id"), self.token("pad_token_id"));
        let end = self.token("eos_token_id");
        let (source, target) = source.zip(target)?;
        for (side, words, rows) in
            [("source", &words.source, source), ("target", &words.target, target)]
        {
            let found = words.tokens.len();
            if found != rows {
                self.findings.problem(format!(
                    "{CONFIG_FILE} has {rows} words of the {side}, but its vocabulary {found}"
                ));
            }
        }
        let is_padding =
            |id: u32| words.target.tokens.get(id as usize).is_some_and(|t| t == "<pad>");
        if let Some(id) = padding.filter(|id| !is_padding(*id)) {
            self.findings
                .problem(format!("{CONFIG_FILE}: pad_token_id is {id}, which is not <pad>"));
        }
        if let Some(id) = end.filter(|id| *id != words.target.end) {
            let expected = words.target.end;
            let problem =
                format!("{CONFIG_FILE}: eos_token_id is {id}, but </s> has number {expected}");
            self.findings.problem(problem);
        }
        Some(Vocabularies {
            source,
            source_end: words.source.end,
            source_ending: SourceEnding::EndToken,
            target,
            target_end: end?,
            decoder_start: DecoderStart::Word(start?),
            padding: Some(padding?),
        })
    }
}

/// The words of both sides; a folder of a model with one matrix for both has one list.
fn words(folder: &Path, settings: &mut Settings<'_>) -> Result<Option<Words>, FormatError> {
    let is_shared = settings.shares_embeddings();
    let side = |file: &str| {
        let side = read_optional(&folder.join(file))?
            .map(|bytes| words::json(&bytes).and_then(|tokens| Side::new(tokens, "</s>", "<unk>")));
        Ok::<_, FormatError>(side.map(|side| side.map_err(|problem| format!("{file}: {problem}"))))
    };
    let source = side(WORDS_FILE)?.unwrap_or_else(|| Err(format!("there is no {WORDS_FILE}")));
    let target = if is_shared { None } else { side(TARGET_WORDS_FILE)? };
    let source = settings.findings.some(source);
    let target = match target {
        None => source.clone(),
        Some(target) => settings.findings.some(target),
    };
    Ok(source.zip(target).map(|(source, target)| Words { source, target }))
}

/// Leaves each matrix once, under the name that the table gives it.
fn tie(arrays: &mut Arrays<'_>, settings: &mut Settings<'_>) -> Embeddings {
    let (is_shared, is_tied) =
        (settings.shares_embeddings(), settings.flag("tie_word_embeddings", true));
    let findings = &mut *settings.findings;
    match (is_shared, is_tied) {
        (true, true) => {
            unify(arrays, &[SHARED, SOURCE, TARGET, OUTPUT], findings);
            Embeddings::AllTied
        }
        (false, true) => {
            unify(arrays, &[SOURCE, SHARED], findings);
            unify(arrays, &[TARGET, OUTPUT], findings);
            Embeddings::DecoderTied
        }
        (true, false) => {
            unify(arrays, &[SOURCE, SHARED, TARGET], findings);
            if let Some(shared) = arrays.get(SOURCE).cloned() {
                arrays.insert(TARGET.to_string(), shared);
                findings.note("the matrix that encoder and decoder share becomes two equal ones");
            }
            Embeddings::Separate
        }
        (false, false) => {
            unify(arrays, &[SOURCE, SHARED], findings);
            Embeddings::Separate
        }
    }
}

/// Tables of sinusoids are not weights; they have to be the ones that MarianMT computes.
fn check_positions(arrays: &mut Arrays<'_>, findings: &mut Findings) {
    for stack in ["encoder", "decoder"] {
        let name = format!("model.{stack}.embed_positions.weight");
        let Some(array) = arrays.remove(&name) else { continue };
        if sinusoids(&array, &[PositionTable::Marian]).is_none() {
            findings.problem(format!("{name} is not the table of sinusoids that MarianMT has"));
        }
    }
}

/// A bias that is all zero is none.
fn output_bias(arrays: &mut Arrays<'_>) -> OutputBias {
    match arrays.get(OUTPUT_BIAS) {
        Some(bias) if bias.numbers().iter().any(|number| *number != 0.0) => OutputBias::Present,
        _ => {
            arrays.remove(OUTPUT_BIAS);
            OutputBias::Absent
        }
    }
}
