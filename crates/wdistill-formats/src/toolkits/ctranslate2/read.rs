//! Reading a folder of CTranslate2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;
use wdistill_base::Problem;
use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, DropoutRates, EmbeddingScale, Embeddings,
    FinalNorm, NormPlacement, OutputBias, PositionTable, Shape, SourceEnding, Vocabularies,
};

use super::binary::{self, Binary};
use super::{CONFIG_FILE, FORMAT, MODEL_FILE, OUTPUT, OUTPUT_BIAS, SOURCE, TARGET, place};
use crate::error::FormatError;
use crate::files::arrays::{Array, Arrays, NumberType};
use crate::files::{read_file, read_optional};
use crate::toolkits::findings::{Findings, Foreign};
use crate::toolkits::options::ImportOptions;
use crate::toolkits::sinusoids::sinusoids;
use crate::toolkits::words::{self, Side, WordReader, Words};

/// Heads that the specifications without a variable of their own have.
const HEADS_BY_SPECIFICATION: [(&str, usize); 2] = [("TransformerBase", 8), ("TransformerBig", 16)];

/// Specifications of Transformers with an encoder and a decoder, and the newest revision.
const SPECIFICATIONS: [&str; 3] = ["TransformerSpec", "TransformerBase", "TransformerBig"];
const NEWEST_REVISION: u32 = 7;

/// What `config.json` says, or older models in variables of their own.
#[derive(Debug, Deserialize)]
struct Conventions {
    #[serde(default)]
    add_source_bos: Option<bool>,
    /// Whether the program adds the end token; if not, its caller may do so.
    #[serde(default)]
    add_source_eos: Option<bool>,
    #[serde(default)]
    decoder_start_token: Option<String>,
    #[serde(default = "end")]
    eos_token: String,
    #[serde(default = "unknown")]
    unk_token: String,
    #[serde(default)]
    layer_norm_epsilon: Option<f64>,
    /// What is not known here.
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

/// Entries of `config.json` that do not change what a model computes.
const ENTRIES_WITHOUT_EFFECT: &[&str] =
    &["bos_token", "quantization_bits", "quantization_group_size", "quantization_type"];

impl Conventions {
    /// An entry that is not known may change what a model computes, unless it switches nothing on.
    fn check_unknown(&self, findings: &mut Findings) {
        let is_off = |value: &Json| {
            [Json::Null, Json::Bool(false), 0.into(), "".into()].contains(value)
                || value.as_array().is_some_and(|items| items.is_empty())
        };
        for (name, value) in &self.others {
            if !is_off(value) && !ENTRIES_WITHOUT_EFFECT.contains(&name.as_str()) {
                let value = value.to_string();
                findings.problem(format!(
                    "{CONFIG_FILE}: {name:.60} is {value:.60}, but is not known here and may change what the model \
                     computes"
                ));
            }
        }
    }
}

fn end() -> String {
    "</s>".to_string()
}

fn unknown() -> String {
    "<unk>".to_string()
}

/// What models before version 6 say (`src/models/sequence_to_sequence.cc`).
fn older_conventions(variables: &mut Variables<'_>) -> Conventions {
    let start = variables.text("bos_token").unwrap_or("<s>".to_string());
    let eos_token = variables.text("eos_token").unwrap_or_else(end);
    let start = if variables.flag_or("with_target_bos", true) { start } else { eos_token.clone() };
    Conventions {
        add_source_bos: Some(variables.flag_or("with_source_bos", false)),
        add_source_eos: Some(variables.flag_or("with_source_eos", false)),
        decoder_start_token: Some(start),
        eos_token,
        unk_token: variables.text("unk_token").unwrap_or_else(unknown),
        layer_norm_epsilon: None,
        others: BTreeMap::new(),
    }
}

/// The variables of a model. Scalars that were understood are taken away: what is left was not.
struct Variables<'f> {
    arrays: Arrays<'f>,
}

impl<'f> Variables<'f> {
    /// Gives each array its own name, and each quantised one its factors.
    fn new(binary: Binary<'f>, findings: &mut Findings) -> Variables<'f> {
        let Binary { variables: mut arrays, aliases, .. } = binary;
        let factors: Vec<String> =
            arrays.keys().filter(|name| name.ends_with("/weight_scale")).cloned().collect();
        for name in factors {
            let divisors = arrays.remove(&name).expect("a name that was listed").numbers();
            let weight = name.trim_end_matches("_scale");
            match arrays.get_mut(weight) {
                Some(array) if fits(array, &divisors) => array.divisors = divisors.into(),
                Some(array) => findings.problem(format!(
                    "{name} has {} factors, some of which may be 0 or undefined, but {weight} is {:?}",
                    divisors.len(),
                    array.shape
                )),
                None => findings.problem(format!("{name} is there, but not {weight}")),
            }
        }
        // An alias stands for a matrix and its factors.
        for (alias, variable) in aliases {
            if let Some(array) = arrays.get(&variable).cloned() {
                arrays.insert(alias, array);
            }
        }
        // Before a model could have several kinds of source words, they had no number.
        if let Some(array) = arrays.remove("encoder/embeddings/weight") {
            arrays.insert(SOURCE.to_string(), array);
        }
        Variables { arrays }
    }

    fn take(&mut self, name: &str) -> Option<f64> {
        let value = self.arrays.get(name)?.scalar()?;
        self.arrays.remove(name);
        Some(value)
    }

    fn flag_or(&mut self, name: &str, default: bool) -> bool {
        self.take(name).map_or(default, |value| value != 0.0)
    }

    /// A text, which is a vector of its bytes.
    fn text(&mut self, name: &str) -> Option<String> {
        let is_text = |array: &Array<'_>| array.shape.len() == 1 && array.kind == NumberType::Int8;
        let text = String::from_utf8(self.arrays.get(name).filter(|a| is_text(a))?.bytes.to_vec());
        self.arrays.remove(name);
        text.ok()
    }

    /// A property of a stack, or, before revision 5, of both.
    fn of_stack(&mut self, stack: &str, property: &str) -> Option<f64> {
        let own = self.take(&format!("{stack}/{property}"));
        own.or_else(|| self.arrays.get(property)?.scalar())
    }

    /// Length of an axis of an array.
    fn axis(&self, name: &str, axis: usize) -> Result<usize, String> {
        let array = self.arrays.get(name).ok_or(format!("{name} is missing"))?;
        let length = array.shape.get(axis).copied();
        length.ok_or(format!("{name} is {:?}, expected more axes", array.shape))
    }

    /// Layers with any array.
    fn layers(&self, stack: &str) -> usize {
        let prefix = format!("{stack}/layer_");
        let number = |name: &String| name.strip_prefix(&prefix)?.split('/').next()?.parse().ok();
        let layers: BTreeSet<usize> = self.arrays.keys().filter_map(number).collect();
        layers.len()
    }

    fn are_equal(&self, first: &str, second: &str) -> bool {
        match (self.arrays.get(first), self.arrays.get(second)) {
            (Some(first), Some(second)) => {
                first.shape == second.shape
                    && first.kind == second.kind
                    && first.bytes == second.bytes
                    && first.divisors == second.divisors
            }
            _ => false,
        }
    }
}

fn fits(array: &Array<'_>, divisors: &[f32]) -> bool {
    let rows = array.shape.first().copied();
    let all_good = divisors.iter().all(|divisor| divisor.is_normal());
    all_good && (divisors.len() == 1 || Some(divisors.len()) == rows)
}

/// Scalars and lists that do not change what a model computes.
const WITHOUT_EFFECT: &[&str] = &[
    "alignment_layer",
    "alignment_heads",
    "embeddings_merge",
    "alibi_use_positive_positions",
    "scale_alibi",
];

/// Reads a folder.
///
/// # Errors
/// [`FormatError::Malformed`], or [`FormatError::Import`] with everything that stands in the way.
pub(crate) fn read(folder: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
    let path = folder.join(MODEL_FILE);
    let bytes = read_file(&path)?;
    let binary = binary::parse(&bytes).map_err(|reason| malformed(&path, reason))?;
    let mut findings = Findings::default();
    let specification = binary.specification.clone();
    if !SPECIFICATIONS.contains(&specification.as_str()) || binary.revision > NEWEST_REVISION {
        findings.problem(format!(
            "its specification is {:?} revision {}, expected {} up to revision {NEWEST_REVISION}",
            specification,
            binary.revision,
            SPECIFICATIONS.join(" or ")
        ));
    }
    findings.note(format!(
        "{specification} revision {}, binary version {}",
        binary.revision, binary.version
    ));
    let mut variables = Variables::new(binary, &mut findings);
    let older = older_conventions(&mut variables);
    let config_path = folder.join(CONFIG_FILE);
    let conventions: Conventions = match read_optional(&config_path)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| malformed(&config_path, error.to_string()))?,
        None => {
            findings.note(format!("there is no {CONFIG_FILE}: conventions are those without it"));
            older
        }
    };
    conventions.check_unknown(&mut findings);
    let words = words(folder, &variables, &conventions).map_err(|error| Problem::of(&error));
    let words = findings.some(words);
    let architecture = architecture(&mut variables, &specification, &conventions, &mut findings);
    let words_found = words.as_ref();
    let vocabularies = words_found.and_then(|words| {
        vocabularies(&mut variables, &conventions, words, options, &mut findings)
    });
    findings.note_default_dropout();
    let config = architecture
        .zip(vocabularies)
        .map(|(architecture, vocabularies)| Config::new(architecture, vocabularies));
    set_aside(&mut variables.arrays, &mut findings);
    let (model, notes) = findings.finish(&path, config, &place, variables.arrays)?;
    Ok(Foreign { model, words: words.expect("a configuration was made of them"), notes })
}

fn malformed(path: &Path, reason: impl Into<Problem>) -> FormatError {
    FormatError::Malformed { path: path.to_path_buf(), format: FORMAT, reason: reason.into() }
}

/// Takes away what has no effect, and reports properties that were not understood.
fn set_aside(arrays: &mut Arrays<'_>, findings: &mut Findings) {
    arrays.retain(|name, array| {
        let property = name.rsplit('/').next().unwrap_or(name);
        if WITHOUT_EFFECT.contains(&property) {
            return false;
        }
        match array.scalar().filter(|_| array.shape.is_empty()) {
            // A factor of 0 is a factor, and so many dimensions are turned by their position as there are.
            Some(value)
                if value != 0.0
                    || array.kind == NumberType::Float32
                    || property == "rotary_dim" =>
            {
                findings.problem(format!("{name} is {value}, which cannot be expressed"));
                false
            }
            Some(_) => false,
            None => true,
        }
    });
}

/// The words of both sides; a word for all others follows after the last if the lists have none.
fn words(
    folder: &Path,
    variables: &Variables<'_>,
    conventions: &Conventions,
) -> Result<Words, FormatError> {
    let side = |side: &str, rows: Option<usize>| {
        let (path, mut tokens) = word_list(folder, side)?;
        if !tokens.contains(&conventions.unk_token) && rows != Some(tokens.len()) {
            tokens.push(conventions.unk_token.clone());
        }
        Side::new(tokens, &conventions.eos_token, &conventions.unk_token)
            .map_err(|reason| malformed(&path, reason))
    };
    Ok(Words {
        source: side("source", variables.axis(SOURCE, 0).ok())?,
        target: side("target", variables.axis(TARGET, 0).ok())?,
    })
}

fn word_list(folder: &Path, side: &str) -> Result<(PathBuf, Vec<String>), FormatError> {
    for name in ["shared", side] {
        for (extension, read) in [("json", words::json as WordReader), ("txt", words::lines)] {
            let path = folder.join(format!("{name}_vocabulary.{extension}"));
            if let Some(bytes) = read_optional(&path)? {
                let tokens = read(&bytes).map_err(|reason| malformed(&path, reason))?;
                return Ok((path, tokens));
            }
        }
    }
    let path = folder.join(format!("{side}_vocabulary.json"));
    Err(FormatError::NoVocabulary {
        path,
        other: "shared_vocabulary.json, or either as .txt".into(),
    })
}

fn architecture(
    variables: &mut Variables<'_>,
    specification: &str,
    conventions: &Conventions,
    findings: &mut Findings,
) -> Option<Architecture> {
    let encoder = stack(variables, "encoder", SOURCE, specification, findings);
    let decoder = stack(variables, "decoder", TARGET, specification, findings);
    // Both stacks have read what stands for both.
    for property in ["num_heads", "pre_norm", "activation"] {
        variables.take(property);
    }
    let tying = tying(variables);
    let output_bias = if variables.arrays.contains_key(OUTPUT_BIAS) {
        OutputBias::Present
    } else {
        OutputBias::Absent
    };
    let (encoder, decoder) = encoder.zip(decoder)?;
    if encoder.style != decoder.style {
        findings.problem(format!(
            "encoder and decoder differ: {:?} and {:?}",
            encoder.style, decoder.style
        ));
    }
    let Style { norm, final_norm, activation, embedding_scale, positions } = encoder.style;
    Some(Architecture {
        norm,
        final_norm,
        norm_epsilon: conventions.layer_norm_epsilon.unwrap_or(1e-5),
        autoregression: Autoregression::SelfAttention,
        activation,
        embeddings: tying,
        embedding_scale,
        positions,
        output_bias,
        encoder: encoder.shape,
        decoder: decoder.shape,
        dropout: DropoutRates::default(),
    })
}

/// Which embeddings are one matrix; those that are stay under their first name only.
fn tying(variables: &mut Variables<'_>) -> Embeddings {
    let output = variables.are_equal(TARGET, OUTPUT);
    let source = variables.are_equal(SOURCE, TARGET);
    let (tying, gone): (_, &[&str]) = match (source, output) {
        (true, true) => (Embeddings::AllTied, &[TARGET, OUTPUT]),
        (false, true) => (Embeddings::DecoderTied, &[OUTPUT]),
        (_, false) => (Embeddings::Separate, &[]),
    };
    for name in gone {
        variables.arrays.remove(*name);
    }
    tying
}

/// What both stacks of a model have in common here, and may differ in there.
#[derive(Debug, PartialEq)]
struct Style {
    norm: NormPlacement,
    final_norm: FinalNorm,
    activation: Activation,
    embedding_scale: EmbeddingScale,
    positions: PositionTable,
}

struct StackFound {
    shape: Shape,
    style: Style,
}

fn stack(
    variables: &mut Variables<'_>,
    stack: &str,
    embeddings: &str,
    specification: &str,
    findings: &mut Findings,
) -> Option<StackFound> {
    let name = |property: &str| format!("{stack}/{property}");
    let width = findings.some(variables.axis(embeddings, 1));
    let feed_forward = findings.some(variables.axis(&name("layer_0/ffn/linear_0/weight"), 0));
    let heads = variables.of_stack(stack, "num_heads");
    let heads = heads.map(|heads| heads as usize).or_else(|| {
        HEADS_BY_SPECIFICATION
            .iter()
            .find(|(name, _)| *name == specification)
            .map(|(_, heads)| *heads)
    });
    if heads.is_none() {
        findings.problem(format!("{} is missing: how many heads there are", name("num_heads")));
    }
    let norm = match variables.of_stack(stack, "pre_norm") {
        Some(0.0) => NormPlacement::Post,
        _ => NormPlacement::Pre,
    };
    let final_norm = if variables.arrays.contains_key(&name("layer_norm/gamma")) {
        FinalNorm::Present
    } else {
        FinalNorm::Absent
    };
    let activation = activation(variables.of_stack(stack, "activation").unwrap_or(0.0));
    let activation = findings.some(activation.map_err(|problem| format!("{stack}: {problem}")));
    let scale = embedding_scale(variables, &name("scale_embeddings"), width?);
    let scale = findings.some(scale);
    let positions = findings.some(position_table(variables, &name("position_encodings/encodings")));
    let shape = Shape {
        layers: variables.layers(stack),
        width: width?,
        feed_forward: feed_forward?,
        heads: heads?,
    };
    let style = Style {
        norm,
        final_norm,
        activation: activation?,
        embedding_scale: scale?,
        positions: positions?,
    };
    Some(StackFound { shape, style })
}

/// `include/ctranslate2/ops/activation.h`.
fn activation(number: f64) -> Result<Activation, String> {
    match number as i64 {
        0 => Ok(Activation::Relu),
        2 => Ok(Activation::Swish),
        3 => Ok(Activation::Gelu),
        1 => Err("its activation is GELU by tanh, which cannot be expressed".to_string()),
        4 => Err("its activation is GELU by sigmoid, which cannot be expressed".to_string()),
        other => Err(format!("its activation is number {other}, which is not known")),
    }
}

/// A flag in an integer, or the factor itself in a float; the square root of the width without either.
fn embedding_scale(
    variables: &mut Variables<'_>,
    name: &str,
    width: usize,
) -> Result<EmbeddingScale, String> {
    let is_factor =
        variables.arrays.get(name).is_some_and(|array| array.kind == NumberType::Float32);
    let root = (width as f64).sqrt();
    match variables.take(name) {
        None => Ok(EmbeddingScale::SquareRootOfWidth),
        Some(1.0) if !is_factor => Ok(EmbeddingScale::SquareRootOfWidth),
        Some(0.0) if !is_factor => Ok(EmbeddingScale::One),
        Some(1.0) => Ok(EmbeddingScale::One),
        Some(factor) if (factor - root).abs() < 1e-4 * root => {
            Ok(EmbeddingScale::SquareRootOfWidth)
        }
        Some(factor) => Err(format!("{name} is {factor}, expected 1 or the width's root, {root}")),
    }
}

/// The formula of a stored table; without one, CTranslate2 computes its own.
fn position_table(variables: &mut Variables<'_>, name: &str) -> Result<PositionTable, String> {
    let Some(array) = variables.arrays.remove(name) else { return Ok(PositionTable::OpennmtTf) };
    sinusoids(&array, &PositionTable::ALL)
        .ok_or(format!("{name} is a table that follows no known formula (was it trained?)"))
}

fn vocabularies(
    variables: &mut Variables<'_>,
    conventions: &Conventions,
    words: &Words,
    options: &ImportOptions,
    findings: &mut Findings,
) -> Option<Vocabularies> {
    if conventions.add_source_bos == Some(true) {
        findings.problem("it puts a start token before the source, which cannot be expressed");
    }
    let source_ending = match (conventions.add_source_eos, options.source_ending) {
        (Some(true), _) => Some(SourceEnding::EndToken),
        (_, given) => given,
    };
    if source_ending.is_none() {
        findings.problem(Problem::with_hint(
            "nothing says whether the encoder reads an end token, since the program does not add it",
            "--source-ending end-token (models of Marian, Hugging Face and fairseq), or nothing (OpenNMT)",
        ));
    }
    let start = if variables.flag_or("decoder/start_from_zero_embedding", false) {
        Some(DecoderStart::ZeroVector)
    } else {
        let token = conventions.decoder_start_token.as_ref();
        let token = token.ok_or("each translation brings its own start token".to_string());
        let number = token.and_then(|token| {
            let number = words.target.tokens.iter().position(|word| word == token);
            number.ok_or(format!("the vocabulary has no {token}, which starts the decoder"))
        });
        findings.some(number).map(|number| DecoderStart::Word(number as u32))
    };
    for (side, name) in [(&words.source, SOURCE), (&words.target, TARGET)] {
        let rows = variables.axis(name, 0).ok();
        let found = side.tokens.len();
        if let Some(rows) = rows.filter(|rows| *rows != found) {
            findings.problem(format!("{name} has {rows} rows, but the vocabulary {found} words"));
        }
    }
    Some(Vocabularies {
        source: words.source.tokens.len(),
        source_end: words.source.end,
        source_ending: source_ending?,
        target: words.target.tokens.len(),
        target_end: words.target.end,
        decoder_start: start?,
        padding: None,
    })
}
