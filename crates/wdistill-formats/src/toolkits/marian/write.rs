//! Writing a model of Marian.

use std::borrow::Cow;
use std::path::Path;

use wdistill_base::Problem;
use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, Dense, EmbeddingScale, Embeddings, FinalNorm,
    Model, NormPlacement, PositionTable, Slot,
};
use wdistill_text::{Vocabulary, VocabularyKind};

use super::{FORMAT, OLD_OUTPUT, OUTPUT, OUTPUT_BIAS, SETTINGS, place};
use crate::error::FormatError;
use crate::files::arrays::NumberType;
use crate::files::items::{self, Content, Dialect, Item};
use crate::files::{float32_bytes, npz, publish};
use crate::model_folder::ModelFolder;
use crate::toolkits::obstacles::Obstacles;
use crate::toolkits::padding::without_zero_start;
use crate::toolkits::place::{self as places, Written};
use crate::toolkits::options::Numbers;

/// Divides the number of inputs of every product that Marian's int8 library does.
pub(crate) const INTGEMM_WIDTH: usize = 64;

/// Divides the number of outputs.
pub(crate) const INTGEMM_OUTPUTS: usize = 8;

/// The model's file: an archive, or what Marian's own converter makes of one.
fn model_file(numbers: Numbers) -> &'static str {
    match numbers {
        Numbers::Float32 => "model.npz",
        Numbers::Int8 => "model.bin",
    }
}

/// What stands in the way of writing a model, and what its user should know.
pub(crate) fn obstacles(given: &ModelFolder, numbers: Numbers) -> Obstacles {
    let shortened = without_zero_start(&given.model);
    let mut obstacles = Obstacles::default();
    let config = &shortened.as_ref().unwrap_or(&given.model).config;
    check(config, &mut obstacles);
    check_sizes(config, numbers, &mut obstacles);
    for (side, vocabulary) in
        [("source", &given.vocabularies.source), ("target", &given.vocabularies.target)]
    {
        if let Err(error) = vocabulary.to_sentence_piece() {
            let what = format!("there can be no .spm of the {side}");
            obstacles.problems.push(Problem::of(&error).at(what));
        }
    }
    if !have_own_numbers(given) {
        obstacles.notes.push(
            "words have numbers of their own (vocab.*.yml): divide a text with source.spm before it is \
             translated, and join it with target.spm"
                .into(),);
    }
    obstacles
}

/// Writes `model.npz`, or `model.bin` in int8, `decoder.yml` and the vocabularies.
///
/// # Errors
/// As [`export`](crate::export).
pub(crate) fn write(
    given: &ModelFolder,
    numbers: Numbers,
    folder: &Path,
) -> Result<(), FormatError> {
    let shortened = without_zero_start(&given.model);
    let model = shortened.as_ref().unwrap_or(&given.model);
    let mut files = Vec::new();
    let names = vocabularies(given, model.config.vocabularies.target, &mut files)?;
    let file = match numbers {
        Numbers::Float32 => archive(model),
        Numbers::Int8 => Ok(binary(model)),
    };
    let file = file
        .map_err(|reason| FormatError::Export { format: FORMAT, problems: vec![reason.into()] })?;
    files.push((model_file(numbers), file));
    files.push(("decoder.yml", decoder(model_file(numbers), names).into_bytes()));
    publish(folder, files)
}

/// Whether the numbers of both SentencePiece models are the vocabularies'.
fn have_own_numbers(given: &ModelFolder) -> bool {
    [&given.vocabularies.source, &given.vocabularies.target].iter().all(|vocabulary| {
        matches!(vocabulary.kind(), VocabularyKind::Native(_) | VocabularyKind::SentencePiece(_))
    })
}

/// What the settings of any program of Marian's kind cannot say.
pub(crate) fn check(config: &Config, obstacles: &mut Obstacles) {
    let architecture = &config.architecture;
    obstacles.need_marian_like(config);
    let heads = [architecture.encoder.heads, architecture.decoder.heads];
    obstacles.need(heads[0] == heads[1], || {
        format!(
            "the encoder has {} heads and the decoder {}, Marian one number",
            heads[0], heads[1]
        )
    });
    obstacles.need(config.vocabularies.decoder_start == DecoderStart::ZeroVector, || {
        Problem::with_hint(
            "its decoder starts from the embedding of a word, Marian's from a vector of zeros",
            "CTranslate2 and Hugging Face take both",
        )
    });
    obstacles.need(config.vocabularies.padding.is_none(), || {
        Problem::with_hint(
            "it has a padding word, which Marian would write",
            "CTranslate2 and Hugging Face take it",
        )
    });
    if let Err(reason) = activation(architecture.activation) {
        obstacles.problems.push(reason.into());
    }
    obstacles.need(architecture.embedding_scale == EmbeddingScale::SquareRootOfWidth, || {
        "its embeddings are not scaled by the root of the width, Marian's always are".to_string()
    });
    check_positions(architecture, obstacles);
    if architecture.norm == NormPlacement::Pre {
        obstacles.notes.push(Problem::with_hint(
            "its norms stand before the sub-layers, and what Marian's decoder does with such models is not what \
             they were trained for: 4 of 1,000 greedy translations of a small model were the same in Marian 1.12",
            "CTranslate2 takes it",
        ));
    }
    if architecture.norm_epsilon != super::EPSILON {
        obstacles.notes.push(
            format!(
                "its norms add {} to variances, Marian's {}: scores differ a little",
                architecture.norm_epsilon,
                super::EPSILON
            )
            .into(),
        );
    }
}

fn check_positions(architecture: &Architecture, obstacles: &mut Obstacles) {
    match architecture.positions {
        PositionTable::Tensor2tensor => {}
        PositionTable::Marian => obstacles.notes.push(Problem::with_hint(
            "Marian computes other sinusoids of positions than this model was trained with: one translation in five \
             differs (99 of 500 greedy ones of a small model)",
            "models trained with positions = \"tensor2tensor\", which new ones have, agree, and CTranslate2 takes \
             this one as it is",
        )),
        other => obstacles.problems.push(Problem::with_hint(
            format!(
                "its table of positions is {other}, Marian's {}",
                PositionTable::Tensor2tensor
            ),
            "CTranslate2 takes any",
        )),
    }
}

/// Marian's int8 products take only matrices of certain sizes; with others it reads and writes outside of them.
fn check_sizes(config: &Config, numbers: Numbers, obstacles: &mut Obstacles) {
    let Architecture { encoder, decoder, embeddings, .. } = &config.architecture;
    let words = match embeddings {
        // A matrix of a product of its own.
        Embeddings::Separate => config.vocabularies.target,
        Embeddings::AllTied | Embeddings::DecoderTied => INTGEMM_OUTPUTS,
    };
    let sizes = [
        ("its width", encoder.width, INTGEMM_WIDTH),
        ("encoder.feed_forward", encoder.feed_forward, INTGEMM_WIDTH),
        ("decoder.feed_forward", decoder.feed_forward, INTGEMM_WIDTH),
        ("its number of target words", words, INTGEMM_OUTPUTS),
    ];
    for (name, size, divisor) in sizes.into_iter().filter(|(_, size, by)| !size.is_multiple_of(*by)) {
        let fact = format!("{name} is {size}, which {divisor} does not divide");
        match numbers {
            Numbers::Float32 => obstacles.notes.push(
                format!("{fact}: Marian decodes it in float32, but not in int8 (intgemm)").into(),
            ),
            Numbers::Int8 => obstacles.problems.push(Problem::with_hint(
                format!("{fact}, as Marian's int8 products need it"),
                "without --quantize it is written in float32",
            )),
        }
    }
}

/// Files of the vocabularies; gives the names for `decoder.yml`.
fn vocabularies(
    given: &ModelFolder,
    words: usize,
    files: &mut Vec<(&'static str, Vec<u8>)>,
) -> Result<[&'static str; 2], FormatError> {
    let source = given.vocabularies.source.to_sentence_piece()?.to_bytes();
    let target = given.vocabularies.target.to_sentence_piece()?.to_bytes();
    if have_own_numbers(given) {
        files.push(("vocab.source.spm", source));
        files.push(("vocab.target.spm", target));
        return Ok(["vocab.source.spm", "vocab.target.spm"]);
    }
    files.push(("source.spm", source));
    files.push(("target.spm", target));
    // A padding word that was last is gone.
    let list = |vocabulary: &Vocabulary| {
        let tokens = vocabulary.tokens();
        word_list(&tokens[..tokens.len().min(words)])
    };
    files.push(("vocab.source.yml", list(&given.vocabularies.source)));
    files.push(("vocab.target.yml", list(&given.vocabularies.target)));
    Ok(["vocab.source.yml", "vocab.target.yml"])
}

/// Each word in double quotes, as JSON writes it, which YAML reads alike.
fn word_list(tokens: &[String]) -> Vec<u8> {
    let line = |(id, token): (usize, &String)| {
        format!("{}: {id}\n", serde_json::to_string(token).expect("a text is JSON"))
    };
    tokens.iter().enumerate().map(line).collect::<String>().into_bytes()
}

fn decoder(model: &str, vocabularies: [&str; 2]) -> String {
    format!(
        "relative-paths: true\nmodels:\n  - {model}\nvocabs:\n  - {}\n  - {}\nbeam-size: 4\nnormalize: 1\n",
        vocabularies[0], vocabularies[1]
    )
}

/// All arrays of a model: those of its slots, and a bias of the output that Marian always has.
pub(crate) fn arrays(model: &Model<Dense<f32>>) -> impl Iterator<Item = Written> {
    let architecture = &model.config.architecture;
    let table = |slot: Slot| place(slot, architecture);
    let words = model.config.vocabularies.target;
    let no_bias = model.weights.embeddings.output_bias.is_none().then(|| Written {
        name: OUTPUT_BIAS.to_string(),
        shape: vec![1, words],
        data: vec![0.0; words],
    });
    places::write(&model.config, &table, &model.weights).chain(no_bias)
}

fn archive(model: &Model<Dense<f32>>) -> Result<Vec<u8>, String> {
    let weights = arrays(model).map(|Written { name, shape, data }| {
        (name, shape, NumberType::Float32, Cow::Owned(float32_bytes(&data)))
    });
    let mut text = settings(&model.config).into_bytes();
    text.push(0);
    let settings = (SETTINGS.to_string(), vec![text.len()], NumberType::Int8, Cow::Owned(text));
    npz::write(weights.chain([settings]))
}

/// By the name of an array, as Marian's converter has it: `..._W`, `..._Wq`, `..._W1`. A gain of a norm, whose name has `_Wo`
/// in it, is none.
fn is_product(name: &str) -> bool {
    name.ends_with("_W") || name[..name.len() - 1].ends_with("_W")
}

/// An array as `marian-conv --gemm-type intgemm8` writes it: in int8 if it is a matrix of a product, and otherwise as it is.
pub(crate) fn item(Written { name, shape, data }: Written) -> Item {
    match &shape[..] {
        // Under its newer name Marian would take it for one that lies the other way.
        [words, width] if name == OUTPUT => Item {
            name: OLD_OUTPUT.to_string(),
            shape: vec![*width, *words],
            content: Content::Quantised(data),
        },
        [inputs, outputs] if is_product(&name) => {
            let data = places::transposed(&data, *inputs, *outputs);
            Item { name, shape, content: Content::Quantised(data) }
        }
        _ => Item { name, shape, content: Content::Float32(data) },
    }
}

/// As `marian-conv --gemm-type intgemm8` writes it.
fn binary(model: &Model<Dense<f32>>) -> Vec<u8> {
    let text = Content::Text(settings(&model.config));
    let settings = Item { name: SETTINGS.to_string(), shape: Vec::new(), content: text };
    items::write(arrays(model).map(item).chain([settings]).collect(), Dialect::Marian)
}

/// As Marian spells it, or why it cannot be written.
fn activation(activation: Activation) -> Result<&'static str, &'static str> {
    match activation {
        Activation::Relu => Ok("relu"),
        Activation::Swish => Ok("swish"),
        Activation::Gelu => Err("its activation is GELU, which differs between versions of Marian"),
    }
}

/// As Marian spells it, and the kind of cell, which has no effect where there are none.
fn autoregression(architecture: &Architecture) -> (&'static str, &'static str) {
    match architecture.autoregression {
        Autoregression::SelfAttention => ("self-attention", "gru"),
        Autoregression::Ssru => ("rnn", "ssru"),
    }
}

/// What Marian reads about the model.
pub(crate) fn settings(config: &Config) -> String {
    let (architecture, vocabularies) = (&config.architecture, &config.vocabularies);
    let is_pre = architecture.norm == NormPlacement::Pre;
    let activation = activation(architecture.activation).expect("any other is an obstacle");
    let (autoregression, cell) = autoregression(architecture);
    let lines = [
        ("type", "transformer".to_string()),
        ("dim-vocabs", format!("\n  - {}\n  - {}", vocabularies.source, vocabularies.target)),
        ("dim-emb", architecture.encoder.width.to_string()),
        ("enc-depth", architecture.encoder.layers.to_string()),
        ("dec-depth", architecture.decoder.layers.to_string()),
        ("transformer-heads", architecture.encoder.heads.to_string()),
        ("transformer-dim-ffn", architecture.encoder.feed_forward.to_string()),
        ("transformer-decoder-dim-ffn", architecture.decoder.feed_forward.to_string()),
        ("transformer-ffn-depth", "2".to_string()),
        ("transformer-decoder-ffn-depth", "0".to_string()),
        ("transformer-ffn-activation", activation.to_string()),
        ("transformer-preprocess", if is_pre { "n" } else { "\"\"" }.to_string()),
        ("transformer-postprocess", if is_pre { "da" } else { "dan" }.to_string()),
        ("transformer-postprocess-emb", "d".to_string()),
        (
            "transformer-postprocess-top",
            if architecture.final_norm == FinalNorm::Present { "n" } else { "\"\"" }.to_string(),
        ),
        ("transformer-decoder-autoreg", autoregression.to_string()),
        ("dec-cell", cell.to_string()),
        ("transformer-no-projection", "false".to_string()),
        ("transformer-tied-layers", "\n  []".to_string()),
        ("transformer-train-position-embeddings", "false".to_string()),
        ("transformer-guided-alignment-layer", "last".to_string()),
        ("tied-embeddings", (architecture.embeddings == Embeddings::DecoderTied).to_string()),
        ("tied-embeddings-all", (architecture.embeddings == Embeddings::AllTied).to_string()),
        ("tied-embeddings-src", "false".to_string()),
        ("output-omit-bias", "false".to_string()),
        ("lemma-dim-emb", "0".to_string()),
        ("input-types", "\n  []".to_string()),
        ("skip", "false".to_string()),
        ("layer-normalization", "false".to_string()),
        ("right-left", "false".to_string()),
        ("version", "v1.12.0".to_string()),
    ];
    lines.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}
