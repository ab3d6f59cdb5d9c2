//! Reading a MarianMT folder.

mod search;
mod word_lists;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::{Map, Value};
use wdistill_base::Problem;
use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, DropoutRates, EmbeddingScale, Embeddings,
    FinalNorm, Languages, NormPlacement, OutputBias, PositionTable, Shape, SourceEnding, Vocabularies,
};

use super::{
    CONFIG_FILE, FORMAT, OUTPUT, OUTPUT_BIAS, POSITIONS, SAFETENSORS_FILE, SAFETENSORS_INDEX,
    SHARED, SOURCE, TARGET, TOKENIZER_FILE, TORCH_INDEX, WEIGHTS_FILES, place,
};
use crate::error::FormatError;
use crate::files::arrays::{Array, Arrays, NumberType};
use crate::files::read_file;
use crate::files::torch::TorchFile;
use crate::toolkits::findings::{Findings, Foreign, unify};
use crate::toolkits::sinusoids::sinusoids;
use crate::toolkits::words::Words;

/// Reads a folder.
///
/// # Errors
/// [`FormatError::Malformed`], or [`FormatError::Import`] with everything that stands in the way.
pub(crate) fn read(folder: &Path) -> Result<Foreign, FormatError> {
    let config_path = folder.join(CONFIG_FILE);
    let settings: Map<String, Value> = serde_json::from_slice(&read_file(&config_path)?)
        .map_err(|error| malformed(&config_path, error.to_string()))?;
    let mut findings = Findings::default();
    search::check(folder, &settings, &mut findings)?;
    let mut settings = Settings { settings, findings: &mut findings };
    let architecture = settings.architecture();
    let words = word_lists::words(folder, &mut settings)?;
    let (path, files) = weights_files(folder)?;
    let mut arrays = Arrays::new();
    for (path, bytes) in &files {
        for (name, array) in arrays_of(path, bytes).map_err(|reason| malformed(path, reason))? {
            if arrays.insert(name.clone(), array).is_some() {
                return Err(malformed(path, format!("{name} is in another file of the index too")));
            }
        }
    }
    check_index(&path, &files, &arrays)?;
    let rows = settings.rows();
    if let Some((words, rows)) = words.as_ref().zip(rows) {
        cut_padding(&mut arrays, words, rows, &mut settings);
    }
    let mut embeddings = Embeddings::AllTied;
    let vocabularies = words.as_ref().and_then(|words| settings.vocabularies(words, rows));
    let config = architecture.zip(vocabularies).map(|(mut architecture, vocabularies)| {
        architecture.embeddings = tie(&mut arrays, &mut settings);
        embeddings = architecture.embeddings;
        architecture.positions = positions(&mut arrays, settings.findings);
        architecture.output_bias = output_bias(&mut arrays);
        Config::new(architecture, vocabularies)
    });
    let (mut model, notes) =
        findings.finish(&path, config, &|slot| place(slot, embeddings), arrays)?;
    model.config.languages = languages(folder);
    let words = words.expect("a configuration was made of them");
    Ok(Foreign { model, words, notes })
}

/// The languages that the tokeniser is for, if it says them: `und` is ISO 639 for one that nobody named, `mul` for several.
fn languages(folder: &Path) -> Option<Languages> {
    #[derive(Deserialize)]
    struct Tokeniser {
        source_lang: String,
        target_lang: String,
    }
    let bytes = read_file(&folder.join(TOKENIZER_FILE)).ok()?;
    let Tokeniser { source_lang, target_lang } = serde_json::from_slice(&bytes).ok()?;
    let languages = Languages::new(&source_lang, &target_lang).ok()?;
    let is_one = |code: &str| !["mul", "und"].contains(&code);
    (is_one(&source_lang) && is_one(&target_lang)).then_some(languages)
}

fn malformed(path: &Path, reason: impl Into<Problem>) -> FormatError {
    FormatError::Malformed { path: path.to_path_buf(), format: FORMAT, reason: reason.into() }
}

/// A file and its bytes.
type WeightsFile = (PathBuf, Vec<u8>);

/// The file of all weights or the index of several, and the files of weights.
fn weights_files(folder: &Path) -> Result<(PathBuf, Vec<WeightsFile>), FormatError> {
    let name = WEIGHTS_FILES.into_iter().find(|name| folder.join(name).exists());
    let path = folder.join(name.unwrap_or(SAFETENSORS_FILE));
    let names: BTreeSet<String> = match name {
        Some(SAFETENSORS_INDEX | TORCH_INDEX) => index(&path)?.into_values().collect(),
        _ => BTreeSet::from([name.unwrap_or(SAFETENSORS_FILE).to_string()]),
    };
    let mut files = Vec::new();
    for name in names {
        // A name is looked for beside the index and nowhere else.
        if Path::new(&name).file_name().is_none_or(|file| file != name.as_str()) {
            return Err(malformed(&path, format!("{name:.60?} is no name of a file beside it")));
        }
        let file = folder.join(&name);
        if !file.exists() {
            return Err(malformed(&path, format!("it names {name}, which is not there")));
        }
        let bytes = read_file(&file)?;
        files.push((file, bytes));
    }
    Ok((path, files))
}

/// The file of each weight.
fn index(path: &Path) -> Result<BTreeMap<String, String>, FormatError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Result<Index, _> = serde_json::from_slice(&read_file(path)?);
    index.map(|index| index.weight_map).map_err(|error| malformed(path, error.to_string()))
}

/// Every weight of an index has to be in one of its files.
fn check_index(path: &Path, files: &[WeightsFile], arrays: &Arrays<'_>) -> Result<(), FormatError> {
    if files.iter().any(|(file, _)| file == path) {
        return Ok(());
    }
    let missing: Vec<String> =
        index(path)?.into_keys().filter(|name| !arrays.contains_key(name)).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(malformed(
            path,
            format!(
                "{} weights are in none of its files, the first of them {first}",
                missing.len()
            ),
        )),
    }
}

fn arrays_of<'b>(path: &Path, bytes: &'b [u8]) -> Result<Arrays<'b>, String> {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        from_safetensors(bytes)
    } else {
        TorchFile::open(bytes).and_then(|mut file| file.arrays(file.pickle.root()))
    }
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

/// Settings that are looked at here.
const UNDERSTOOD: &[&str] = &[
    "activation_dropout",
    "activation_function",
    "add_final_layer_norm",
    "attention_dropout",
    "d_model",
    "decoder_attention_heads",
    "decoder_ffn_dim",
    "decoder_layers",
    "decoder_start_token_id",
    "decoder_vocab_size",
    "dropout",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "encoder_layers",
    "eos_token_id",
    "model_type",
    "normalize_before",
    "normalize_embedding",
    "pad_token_id",
    "scale_embedding",
    "share_encoder_decoder_embeddings",
    "static_position_embeddings",
    "tie_word_embeddings",
    "vocab_size",
];

/// Settings that say how a model was trained, saved or how texts are searched, and change nothing of what it
/// computes; those of the search that are not done here are looked at in `search.rs`.
const WITHOUT_EFFECT: &[&str] = &[
    "_name_or_path",
    "_num_labels",
    // Its bias of the output is read as it stands.
    "add_bias_logits",
    "architectures",
    "bad_words_ids",
    "bos_token_id",
    "classif_dropout",
    "classifier_dropout",
    "decoder_layerdrop",
    "decoder_start_token",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_layerdrop",
    "encoder_no_repeat_ngram_size",
    "extra_pos_embeddings",
    "finetuning_task",
    "force_bos_token_to_be_generated",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "init_std",
    "is_encoder_decoder",
    "label2id",
    "length_penalty",
    "max_length",
    "max_position_embeddings",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_hidden_layers",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "prefix",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "task_specific_params",
    "temperature",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "use_bfloat16",
    "use_cache",
    "use_return_dict",
    "xla_device",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_autoset",
];

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
    fn flag_or(&mut self, key: &str, default: bool) -> bool {
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

    /// A setting that is not known may change what the model computes, unless it switches nothing on.
    fn check_unknown(&mut self) {
        let is_known = |key: &str| UNDERSTOOD.contains(&key) || WITHOUT_EFFECT.contains(&key);
        let is_on = |value: &Value| match value {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
        };
        let unknown = self.settings.iter().filter(|(key, value)| !is_known(key) && is_on(value));
        for (key, value) in unknown {
            let value = value.to_string();
            let fact = format!(
                "{CONFIG_FILE}: {key:.60} is {value:.60}, but is not known here and may change what the model \
                 computes"
            );
            let hint = "take it out of the file if it does not";
            self.findings.problem(Problem::with_hint(fact, hint));
        }
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
        self.check_unknown();
        // Properties that old files name, and that MarianMT does not have.
        for (key, expected) in [
            ("normalize_before", false),
            ("normalize_embedding", false),
            ("add_final_layer_norm", false),
            ("static_position_embeddings", true),
        ] {
            if self.flag_or(key, expected) != expected {
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
        let embedding_scale = if self.flag_or("scale_embedding", false) {
            EmbeddingScale::SquareRootOfWidth
        } else {
            EmbeddingScale::One
        };
        let width = self.number("d_model");
        let (encoder, decoder) = (self.stack("encoder", width), self.stack("decoder", width));
        Some(Architecture {
            norm: NormPlacement::Post,
            final_norm: FinalNorm::Absent,
            norm_epsilon: 1e-5,
            autoregression: Autoregression::SelfAttention,
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
        self.flag_or("share_encoder_decoder_embeddings", true)
    }

    /// Words of the source and of the target, as the configuration has them.
    fn rows(&mut self) -> Option<[usize; 2]> {
        let source = self.number("vocab_size");
        let target = match self.settings.get("decoder_vocab_size") {
            None | Some(Value::Null) => source,
            Some(_) => self.number("decoder_vocab_size"),
        };
        Some([source?, target?])
    }

    fn vocabularies(&mut self, words: &Words, rows: Option<[usize; 2]>) -> Option<Vocabularies> {
        let (start, padding) = (self.token("decoder_start_token_id"), self.token("pad_token_id"));
        let end = self.token("eos_token_id");
        let rows = rows?;
        for (side, words, rows) in
            [("source", &words.source, rows[0]), ("target", &words.target, rows[1])]
        {
            let found = words.tokens.len();
            if found > rows {
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
            source: words.source.tokens.len(),
            source_end: words.source.end,
            source_ending: SourceEnding::EndToken,
            target: words.target.tokens.len(),
            target_end: end?,
            decoder_start: DecoderStart::Word(start?),
            padding: Some(padding?),
        })
    }
}

/// Leaves out rows behind the last word, with which some models are padded to a multiple.
fn cut_padding(
    arrays: &mut Arrays<'_>,
    words: &Words,
    rows: [usize; 2],
    settings: &mut Settings<'_>,
) {
    let found = [&words.source, &words.target].map(|side| side.tokens.len());
    for (side, rows, found) in [("source", rows[0], found[0]), ("target", rows[1], found[1])] {
        if rows > found {
            settings.findings.note(format!(
                "its matrices have {rows} rows for {found} words of the {side}; the last {} stand for no word and \
                 are left out",
                rows - found
            ));
        }
    }
    let places =
        [(SHARED, 0, 0), (SOURCE, 0, 0), (TARGET, 1, 0), (OUTPUT, 1, 0), (OUTPUT_BIAS, 1, 1)];
    for (name, side, axis) in places {
        let Some(array) = arrays.get_mut(name) else { continue };
        if array.shape.get(axis) == Some(&rows[side]) && found[side] < rows[side] {
            array.cut(axis, found[side]);
        }
    }
}

/// Leaves each matrix once, under the name that the table gives it.
fn tie(arrays: &mut Arrays<'_>, settings: &mut Settings<'_>) -> Embeddings {
    let (is_shared, is_tied) =
        (settings.shares_embeddings(), settings.flag_or("tie_word_embeddings", true));
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

/// Tables of sinusoids are not weights: one that is there, of either stack, follows a known formula; the one that
/// MarianMT computes stands for one that is not.
fn positions(arrays: &mut Arrays<'_>, findings: &mut Findings) -> PositionTable {
    let tables = POSITIONS.map(|name| match arrays.remove(name) {
        None => Some(PositionTable::Marian),
        Some(array) => {
            let table = sinusoids(&array, &PositionTable::ALL);
            if table.is_none() {
                findings.problem(format!("{name} is no table of sinusoids that is known"));
            }
            table
        }
    });
    if let [Some(encoder), Some(decoder)] = tables
        && encoder != decoder
    {
        findings.problem(format!("the encoder's sinusoids are {encoder}, the decoder's {decoder}"));
    }
    tables[0].unwrap_or_default()
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
