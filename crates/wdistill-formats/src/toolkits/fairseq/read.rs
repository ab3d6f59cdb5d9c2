//! Reading a checkpoint of fairseq.

use std::path::{Path, PathBuf};

use wdistill_base::{Problem, folder_of};

use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, DropoutRates, EmbeddingScale, Embeddings,
    FinalNorm, NormPlacement, OutputBias, PositionTable, Shape, SourceEnding, Vocabularies,
};

use super::{
    AttentionInputs, FORMAT, Names, Norms, OLD_OUTPUT, OUTPUT, PADDING, SOURCE, TARGET, place,
};
use crate::error::FormatError;
use crate::files::arrays::Arrays;
use crate::files::pickle::{Id, Pickle, Value};
use crate::files::read_file;
use crate::files::torch::TorchFile;
use crate::toolkits::findings::{Findings, Foreign, unify};
use crate::toolkits::options::ImportOptions;
use crate::toolkits::words::{self, OVERWRITE, Words, not_words};

/// Reads a checkpoint.
///
/// # Errors
/// [`FormatError::Malformed`], or [`FormatError::Import`] with everything that stands in the way.
pub(crate) fn read(path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
    let malformed = |reason: Problem| FormatError::Malformed {
        path: path.to_path_buf(),
        format: FORMAT,
        reason,
    };
    let bytes = read_file(path)?;
    let mut file = TorchFile::open(&bytes).map_err(|reason| malformed(reason.into()))?;
    let (weights, settings) = parts(&file.pickle).map_err(malformed)?;
    let languages = languages(&file.pickle);
    let known = languages.source.as_deref().zip(languages.target.as_deref());
    let known = known.and_then(|(source, target)| wdistill_model::Languages::new(source, target).ok());
    let words = find_words(languages, folder_of(path), options)?;
    let mut arrays = file.arrays(weights).map_err(|reason| malformed(reason.into()))?;
    let mut findings = Findings::default();
    let names = names(&arrays);
    let mut settings = Settings { pickle: &file.pickle, id: settings, findings: &mut findings };
    let architecture = settings.architecture(&mut arrays);
    let vocabularies = vocabularies(&words, &mut arrays, &mut findings);
    let config = architecture.map(|architecture| Config::new(architecture, vocabularies));
    let (mut model, notes) = findings.finish(path, config, &|slot| place(slot, names), arrays)?;
    model.config.languages = known;
    Ok(Foreign { model, words, notes })
}

/// Weights and settings of a checkpoint.
///
/// # Errors
/// What it is instead, where that can be told.
fn parts(pickle: &Pickle) -> Result<(Id, Id), Problem> {
    let root = pickle.root();
    let has = |name: &str| pickle.get(root, name).is_some();
    if has("opt") && (has("vocab") || has("generator")) {
        return Err(Problem::with_hint(
            "it is a checkpoint of OpenNMT-py",
            "ct2-opennmt-py-converter makes a folder of CTranslate2 of it, which is read",
        ));
    }
    let weights = pickle.get(root, "model");
    if is_parallel(pickle, weights.unwrap_or(root)) {
        return Err(Problem::with_hint(
            format!(
                "the names of its weights begin with {PARALLEL:?}, as those of a model inside PyTorch's DataParallel do"
            ),
            "save the state of model.module instead",
        ));
    }
    let weights = weights.ok_or_else(|| {
        let entries = pickle.entries(root).unwrap_or_default();
        let names: Vec<&str> =
            entries.iter().filter_map(|(name, _)| pickle.text(*name)).take(5).collect();
        if names.is_empty() {
            "it has no entry \"model\"".to_string()
        } else {
            format!("it has no entry \"model\", but begins with {:.200}", names.join(", "))
        }
    })?;
    let settings = settings_of(pickle).ok_or_else(|| {
        Problem::with_hint(
            "it has neither \"args\" nor \"cfg\" with the model's settings",
            "weights alone do not say what they belong to",
        )
    })?;
    Ok((weights, settings))
}

/// What PyTorch puts before the names of a model that runs on several devices.
const PARALLEL: &str = "module.";

fn is_parallel(pickle: &Pickle, weights: Id) -> bool {
    let entries = pickle.items(weights).unwrap_or_default();
    let is_inside = |name: Id| pickle.text(name).is_some_and(|name| name.starts_with(PARALLEL));
    !entries.is_empty() && entries.iter().all(|(name, _)| is_inside(*name))
}

/// What a checkpoint says of its languages, where it says it.
pub(crate) struct Languages {
    pub(crate) source: Option<String>,
    pub(crate) target: Option<String>,
}

fn languages(pickle: &Pickle) -> Languages {
    let find = |name: &str| {
        let places = ["args", "cfg"].iter().filter_map(|entry| field(pickle, pickle.root(), entry));
        let tasks =
            places.flat_map(|id| [Some(id), field(pickle, id, "task"), field(pickle, id, "model")]);
        let mut texts = tasks.flatten().filter_map(|id| field(pickle, id, name));
        texts.find_map(|id| pickle.text(plain(pickle, id)).map(str::to_string))
    };
    Languages { source: find("source_lang"), target: find("target_lang") }
}

fn names(arrays: &Arrays<'_>) -> Names {
    let any = |part: &str| arrays.keys().any(|name| name.contains(part));
    Names {
        norms: if any(".layer_norms.") { Norms::Numbered } else { Norms::Named },
        attention: if any(".in_proj_") { AttentionInputs::Joint } else { AttentionInputs::Apart },
    }
}

/// The model's settings: `args`, or `cfg.model`, each of which may be an object, a dictionary or omegaconf's.
fn settings_of(pickle: &Pickle) -> Option<Id> {
    let filled = |id: &Id| pickle.entries(*id).is_some_and(|entries| !entries.is_empty());
    let args = field(pickle, pickle.root(), "args").filter(filled);
    args.or_else(|| {
        let config = field(pickle, pickle.root(), "cfg")?;
        field(pickle, config, "model").filter(filled)
    })
}

/// A field, through the wrappers that omegaconf puts around containers and values.
fn field(pickle: &Pickle, id: Id, name: &str) -> Option<Id> {
    let direct = pickle.get(id, name);
    direct.or_else(|| pickle.get(pickle.get(id, "_content")?, name)).map(|id| plain(pickle, id))
}

/// A value without omegaconf's wrapper.
fn plain(pickle: &Pickle, id: Id) -> Id {
    pickle.get(id, "_val").unwrap_or(id)
}

struct Settings<'a> {
    pickle: &'a Pickle,
    id: Id,
    findings: &'a mut Findings,
}

/// Settings under which a model is none that can be expressed, unless they are false, 0 or absent.
const UNKNOWN_FLAGS: &[&str] = &[
    "encoder_learned_pos",
    "decoder_learned_pos",
    "no_token_positional_embeddings",
    "layernorm_embedding",
    "merge_src_tgt_embed",
    "adaptive_softmax_cutoff",
    "adaptive_input",
    "no_cross_attention",
    "cross_self_attention",
    "max_relative_length",
    "use_rel_pos",
    "encoder_history_type",
    "decoder_history_type",
    "tie_adaptive_weights",
    "quant_noise_pq",
    "base_layers",
    "scale_attn",
    "scale_fc",
    "scale_heads",
    "scale_resids",
    "no_decoder_final_norm",
    "encoder_layers_to_keep",
    "decoder_layers_to_keep",
    "char_inputs",
    "character_embeddings",
    "prepend_bos",
    "append_source_id",
];

/// Settings of a task, apart from the model's in `cfg`, that change what the network is given.
const TASK_FLAGS: &[&str] =
    &["encoder_langtok", "decoder_langtok", "prepend_bos", "append_source_id"];

/// How the names of settings begin that describe the network or what it is given.
const OF_THE_NETWORK: &[&str] =
    &["encoder_", "decoder_", "share_", "adaptive_", "cross_", "scale_"];

/// Such settings that are read elsewhere, or that do not change what the network computes.
const UNDERSTOOD: &[&str] = &[
    "adaptive_softmax_dropout",
    "adaptive_softmax_factor",
    "attention_heads",
    "embed_dim",
    "embed_path",
    "ffn_embed_dim",
    "input_dim",
    "layerdrop",
    "layers",
    "normalize_before",
    "output_dim",
    "share_all_embeddings",
    "share_decoder_input_output_embed",
];

/// Architectures that fairseq registers for `TransformerModel` (`fairseq/models/transformer/transformer_legacy.py`).
const ARCHITECTURES: &[&str] = &[
    "transformer",
    "transformer_tiny",
    "transformer_iwslt_de_en",
    "transformer_wmt_en_de",
    "transformer_vaswani_wmt_en_de_big",
    "transformer_vaswani_wmt_en_fr_big",
    "transformer_wmt_en_de_big",
    "transformer_wmt_en_de_big_t2t",
];

impl Settings<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        field(self.pickle, self.id, name).map(|id| self.pickle.value(id))
    }

    fn number(&mut self, name: &str) -> Option<usize> {
        match self.value(name) {
            Some(Value::Int(number)) if *number >= 0 => usize::try_from(*number).ok(),
            other => {
                let found = if other.is_some() { "no number" } else { "missing" };
                let problem =
                    format!("setting {name} is {found}, expected a whole number from 0 on");
                self.findings.problem(problem);
                None
            }
        }
    }

    /// A flag that is false where it is absent: later versions of fairseq add flags.
    fn flag(&self, name: &str) -> bool {
        match self.value(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Int(number)) => *number != 0,
            Some(Value::Text(text)) => text == "True",
            _ => false,
        }
    }

    fn rate(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Float(rate)) => *rate,
            _ => 0.0,
        }
    }

    /// Whether a setting is there and switches anything on.
    fn is_set(&self, name: &str) -> bool {
        is_on(self.value(name))
    }

    /// The name of the architecture, whose classes differ in more than their settings.
    fn check_architecture(&mut self) {
        let name = ["arch", "_name"].into_iter().find_map(|key| match self.value(key) {
            Some(Value::Text(name)) => Some(name.clone()),
            _ => None,
        });
        // Without a name, the settings have to do.
        let Some(name) = name else { return };
        if !ARCHITECTURES.iter().any(|known| name == *known) {
            self.findings.problem(format!(
                "its architecture is {name:.60?}, which is not known to be an encoder and decoder of the usual kind"
            ));
        }
    }

    fn check_unknown(&mut self) {
        for name in UNKNOWN_FLAGS {
            if self.is_set(name) {
                self.findings
                    .problem(format!("setting {name} is in use, which cannot be expressed"));
            }
        }
        let config = field(self.pickle, self.pickle.root(), "cfg");
        let task = config.and_then(|config| field(self.pickle, config, "task"));
        for name in TASK_FLAGS {
            let value = task.and_then(|task| field(self.pickle, task, name));
            if is_on(value.map(|id| self.pickle.value(id))) {
                self.findings.problem(format!(
                    "the task's setting {name} is in use, which cannot be expressed"
                ));
            }
        }
        for name in self.names() {
            let part = ["encoder_", "decoder_"].iter().find_map(|stack| name.strip_prefix(stack));
            let is_known = UNDERSTOOD.contains(&part.unwrap_or(&name))
                || UNKNOWN_FLAGS.contains(&name.as_str());
            let of_the_network = OF_THE_NETWORK.iter().any(|start| name.starts_with(start));
            if of_the_network && !is_known && self.is_set(&name) {
                self.findings.problem(format!(
                    "setting {name:.60?} is in use, but is not known here and may change what the model computes"
                ));
            }
        }
        for name in ["decoder_input_dim", "decoder_output_dim"] {
            let same = self.value("decoder_embed_dim");
            if self.is_set(name) && same.is_some() && self.value(name) != same {
                self.findings.problem(format!(
                    "settings {name} and decoder_embed_dim differ, which cannot be expressed"
                ));
            }
        }
    }

    /// Names of all settings.
    fn names(&self) -> Vec<String> {
        let inside = self.pickle.get(self.id, "_content").unwrap_or(self.id);
        let entries = self.pickle.entries(inside).unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|(name, _)| self.pickle.text(name))
            .map(str::to_string)
            .collect()
    }

    fn stack(&mut self, stack: &str) -> Option<Shape> {
        let mut number = |key: &str| self.number(&format!("{stack}_{key}"));
        let (layers, width) = (number("layers"), number("embed_dim"));
        let (feed_forward, heads) = (number("ffn_embed_dim"), number("attention_heads"));
        Some(Shape { layers: layers?, width: width?, feed_forward: feed_forward?, heads: heads? })
    }

    fn architecture(&mut self, arrays: &mut Arrays<'_>) -> Option<Architecture> {
        self.check_architecture();
        self.check_unknown();
        let (encoder, decoder) = (self.stack("encoder"), self.stack("decoder"));
        let norms =
            ["encoder", "decoder"].map(|stack| self.flag(&format!("{stack}_normalize_before")));
        if norms[0] != norms[1] {
            self.findings
                .problem("settings encoder_normalize_before and decoder_normalize_before differ");
        }
        let activation = match self.value("activation_fn") {
            None => Some(Activation::Relu),
            Some(Value::Text(text)) if text == "relu" => Some(Activation::Relu),
            Some(Value::Text(text)) if text == "gelu" => Some(Activation::Gelu),
            Some(Value::Text(text)) if text == "swish" => Some(Activation::Swish),
            Some(other) => {
                let found = match other {
                    Value::Text(text) => format!("{text:.60?}"),
                    _ => "no text".to_string(),
                };
                let problem =
                    format!("setting activation_fn is {found}, expected relu, gelu or swish");
                self.findings.problem(problem);
                None
            }
        };
        let final_norm = self.final_norm(arrays);
        for stack in ["encoder", "decoder"] {
            // A marker of the table's device, and no weight.
            arrays.remove(&format!("{stack}.embed_positions._float_tensor"));
        }
        Some(Architecture {
            norm: if norms[0] { NormPlacement::Pre } else { NormPlacement::Post },
            final_norm,
            norm_epsilon: 1e-5,
            autoregression: Autoregression::SelfAttention,
            activation: activation?,
            embeddings: self.tie(arrays),
            embedding_scale: if self.flag("no_scale_embedding") {
                EmbeddingScale::One
            } else {
                EmbeddingScale::SquareRootOfWidth
            },
            positions: PositionTable::Fairseq,
            output_bias: OutputBias::Absent,
            encoder: encoder?,
            decoder: decoder?,
            dropout: DropoutRates {
                residual: self.rate("dropout"),
                attention: self.rate("attention_dropout"),
                activation: self.rate("activation_dropout").max(self.rate("relu_dropout")),
            },
        })
    }

    /// Norms at the ends, which checkpoints before version 2 hold without using them.
    fn final_norm(&mut self, arrays: &mut Arrays<'_>) -> FinalNorm {
        let found = ["encoder", "decoder"].map(|stack| {
            let version = arrays.remove(&format!("{stack}.version"));
            let version = version.and_then(|version| version.scalar()).unwrap_or(1.0);
            let leaves = ["weight", "bias"].map(|leaf| format!("{stack}.layer_norm.{leaf}"));
            let is_there = arrays.contains_key(&leaves[0]);
            if is_there && version < 2.0 {
                leaves.iter().for_each(|leaf| drop(arrays.remove(leaf)));
                let note =
                    format!("{stack}.layer_norm is not used in checkpoints of version {version}");
                self.findings.note(note);
            }
            is_there && version >= 2.0
        });
        match found {
            [false, false] => FinalNorm::Absent,
            [true, true] => FinalNorm::Present,
            _ => {
                self.findings
                    .problem("only one of encoder.layer_norm and decoder.layer_norm is in use");
                FinalNorm::Present
            }
        }
    }

    /// Which embeddings are one matrix; each stays under the name that the table gives it.
    fn tie(&mut self, arrays: &mut Arrays<'_>) -> Embeddings {
        if let Some(output) = arrays.remove(OLD_OUTPUT) {
            arrays.insert(OUTPUT.to_string(), output);
        }
        let all = self.flag("share_all_embeddings");
        let output = self.flag("share_decoder_input_output_embed");
        match (all, output) {
            (true, _) => {
                unify(arrays, &[SOURCE, TARGET, OUTPUT], self.findings);
                Embeddings::AllTied
            }
            (false, true) => {
                unify(arrays, &[TARGET, OUTPUT], self.findings);
                Embeddings::DecoderTied
            }
            (false, false) => Embeddings::Separate,
        }
    }
}

/// Whether the value of a setting switches anything on.
fn is_on(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::None | Value::Bool(false) | Value::Int(0)) => false,
        Some(Value::Float(number)) => *number != 0.0,
        // Lengths of -1 and empty texts stand for nothing.
        Some(Value::Int(number)) => *number > 0,
        Some(Value::Text(text)) => !matches!(text.as_str(), "" | "None" | "False"),
        Some(Value::List(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

fn vocabularies(words: &Words, arrays: &mut Arrays<'_>, findings: &mut Findings) -> Vocabularies {
    for (side, name) in [(&words.source, SOURCE), (&words.target, TARGET)] {
        let overwritten = side.overwritten();
        if overwritten > 0 {
            let side = name.split('.').next().expect("a name of several parts");
            findings.note(format!(
                "{overwritten} words of the {side}'s dictionary come again with {OVERWRITE}, and have the later number"
            ));
        }
        let rows = arrays.get(name).and_then(|array| array.shape.first().copied());
        let found = side.tokens.len();
        if let Some(rows) = rows.filter(|rows| *rows != found) {
            findings.problem(format!(
                "{name} has {rows} rows, but the dictionary {found} words with the four that each has"
            ));
        }
    }
    Vocabularies {
        source: words.source.tokens.len(),
        source_end: words.source.end,
        source_ending: SourceEnding::EndToken,
        target: words.target.tokens.len(),
        target_end: words.target.end,
        decoder_start: DecoderStart::Word(words.target.end),
        padding: Some(PADDING),
    }
}

/// A dictionary for each language of a checkpoint.
fn find_words(
    languages: Languages,
    folder: &Path,
    options: &ImportOptions,
) -> Result<Words, FormatError> {
    let path =
        |given: Option<&PathBuf>, language: Option<String>, side: &str| match (given, language) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(language)) => Ok(folder.join(format!("dict.{language}.txt"))),
            (None, None) => Err(FormatError::NoVocabulary {
                path: folder.join("dict.LANGUAGE.txt"),
                other: format!("--vocabulary and --target-vocabulary name the {side}'s dictionary"),
            }),
        };
    let source = path(options.vocabulary.as_ref(), languages.source, "source")?;
    let target = options.target_vocabulary.as_ref().or(options.vocabulary.as_ref());
    let target = path(target, languages.target, "target")?;
    let side = |path: PathBuf| {
        words::fairseq(&read_file(&path)?).map_err(|reason| not_words(&path, reason))
    };
    Ok(Words { source: side(source)?, target: side(target)? })
}
