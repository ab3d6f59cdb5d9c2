//! Writing a MarianMT folder.

use std::path::Path;

use serde_json::{Map, Value, json};
use wdistill_base::Problem;
use wdistill_model::{Languages, 
    Activation, Architecture, Config, DecoderStart, Dense, EmbeddingScale, Embeddings, FinalNorm,
    Model, NormPlacement, PositionTable, Slot,
};
use wdistill_text::{Sharing, VocabularyPair};

use super::{TOKENIZER_FILE, 
    CONFIG_FILE, GENERATION_FILE, OUTPUT_BIAS, POSITIONS, SAFETENSORS_FILE, TARGET_WORDS_FILE,
    WORDS_FILE, place,
};
use crate::error::FormatError;
use crate::files::publish;
use crate::model_folder::ModelFolder;
use crate::tensors::{self, Metadata, Named};
use crate::toolkits::obstacles::Obstacles;
use crate::toolkits::padding::insert_padding;
use crate::toolkits::place::{self as places, Written};

const PADDING: &str = "<pad>";

/// What stands in the way of writing a model, and what its user should know.
pub(crate) fn obstacles(given: &ModelFolder) -> Obstacles {
    let mut obstacles = Obstacles::default();
    obstacles.need_self_attention(&given.model.config);
    check(&given.model.config, &mut obstacles);
    check_words(given, &mut obstacles);
    for (name, vocabulary) in
        [("source.spm", &given.vocabularies.source), ("target.spm", &given.vocabularies.target)]
    {
        if let Err(error) = vocabulary.to_sentence_piece() {
            let what = format!("there can be no {name}");
            obstacles.problems.push(Problem::of(&error).at(what));
        }
    }
    obstacles
}

/// Writes a folder.
///
/// # Errors
/// As [`export`](crate::export).
pub(crate) fn write(given: &ModelFolder, folder: &Path) -> Result<(), FormatError> {
    let Padded { model, source, target } = padded(given);
    let sharing = if source == target { Sharing::Joint } else { Sharing::Separate };
    let mut files = vec![
        ("source.spm", given.vocabularies.source.to_sentence_piece()?.to_bytes()),
        ("target.spm", given.vocabularies.target.to_sentence_piece()?.to_bytes()),
        (WORDS_FILE, word_numbers(&source)),
        (CONFIG_FILE, text(&config(&model.config))),
        (GENERATION_FILE, text(&generation(&model.config))),
        (TOKENIZER_FILE, text(&tokenizer(sharing, model.config.languages.as_ref()))),
    ];
    if sharing == Sharing::Separate {
        files.push((TARGET_WORDS_FILE, word_numbers(&target)));
    }
    let weights = weights(&model, folder)?;
    publish(folder, files)?;
    Ok(weights.publish()?)
}

fn text(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn check(config: &Config, obstacles: &mut Obstacles) {
    let architecture = &config.architecture;
    obstacles.need_marian_like(config);
    obstacles.need(architecture.norm == NormPlacement::Post, || {
        Problem::with_hint(
            "its norms stand before the sub-layers, but MarianMT's after",
            "CTranslate2 takes both",
        )
    });
    obstacles.need(architecture.final_norm == FinalNorm::Absent, || {
        Problem::with_hint(
            "its stacks end in norms, which MarianMT does not have",
            "CTranslate2 does",
        )
    });
    if architecture.norm_epsilon != 1e-5 {
        obstacles.notes.push(
            format!(
                "its norms add {} to variances, MarianMT's 1e-5: scores differ a little",
                architecture.norm_epsilon
            )
            .into(),
        );
    }
}

/// A model whose vocabularies have a padding word, with the same number in both.
struct Padded {
    model: Model<Dense<f32>>,
    source: Vec<String>,
    target: Vec<String>,
}

/// Special words have to have their usual names, and padding one number on both sides, or none yet.
fn check_words(given: &ModelFolder, obstacles: &mut Obstacles) {
    let ModelFolder { model, vocabularies: VocabularyPair { source, target } } = given;
    let vocabularies = &model.config.vocabularies;
    for (side, vocabulary, end) in
        [("source", source, vocabularies.source_end), ("target", target, vocabularies.target_end)]
    {
        for (id, expected) in [(end, "</s>"), (vocabulary.unknown_id(), "<unk>")] {
            let found = vocabulary.piece(id).unwrap_or_default();
            obstacles.need(found == expected, || {
                format!("word {id} of the {side} is {found:?}, but MarianMT needs {expected}")
            });
        }
    }
    let padding = vocabularies.padding;
    let numbers = [source.id(PADDING), target.id(PADDING)];
    let number = |id: Option<u32>| id.map_or("none".to_string(), |id| id.to_string());
    obstacles.need(numbers == [padding, padding], || {
        format!(
            "MarianMT needs {PADDING} with one number on both sides, but it is {} in the source vocabulary, \
             {} in the target vocabulary, and the model's padding is {}",
            number(numbers[0]),
            number(numbers[1]),
            number(padding)
        )
    });
}

/// Adds a padding word if there is none.
fn padded(given: &ModelFolder) -> Padded {
    let ModelFolder { model, vocabularies: VocabularyPair { source, target } } = given;
    let (mut source, mut target) = (source.tokens().to_vec(), target.tokens().to_vec());
    if model.config.vocabularies.padding.is_some() {
        return Padded { model: (*model).clone(), source, target };
    }
    let at = source.len().min(target.len());
    source.insert(at, PADDING.to_string());
    target.insert(at, PADDING.to_string());
    Padded { model: insert_padding(model, at), source, target }
}

fn word_numbers(tokens: &[String]) -> Vec<u8> {
    let numbers: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    text(&Value::Object(numbers))
}

fn config(config: &Config) -> Value {
    let (architecture, vocabularies) = (&config.architecture, &config.vocabularies);
    let start = match vocabularies.decoder_start {
        DecoderStart::Word(word) => Some(word),
        // Padding, whose embedding is zero, stands for the vector of zeros.
        DecoderStart::ZeroVector => vocabularies.padding,
    };
    let activation = match architecture.activation {
        Activation::Relu => "relu",
        Activation::Swish => "swish",
        Activation::Gelu => "gelu",
    };
    let shared = architecture.embeddings == Embeddings::AllTied;
    json!({
        "activation_dropout": architecture.dropout.activation,
        "activation_function": activation,
        "architectures": ["MarianMTModel"],
        "attention_dropout": architecture.dropout.attention,
        "bad_words_ids": [[vocabularies.padding]],
        "bos_token_id": null,
        "d_model": architecture.decoder.width,
        "decoder_attention_heads": architecture.decoder.heads,
        "decoder_ffn_dim": architecture.decoder.feed_forward,
        "decoder_layers": architecture.decoder.layers,
        "decoder_start_token_id": start,
        "decoder_vocab_size": vocabularies.target,
        "dropout": architecture.dropout.residual,
        "encoder_attention_heads": architecture.encoder.heads,
        "encoder_ffn_dim": architecture.encoder.feed_forward,
        "encoder_layers": architecture.encoder.layers,
        "eos_token_id": vocabularies.target_end,
        "forced_eos_token_id": vocabularies.target_end,
        "is_encoder_decoder": true,
        "max_position_embeddings": LONGEST,
        "model_type": "marian",
        "pad_token_id": vocabularies.padding,
        "scale_embedding": architecture.embedding_scale == EmbeddingScale::SquareRootOfWidth,
        "share_encoder_decoder_embeddings": shared,
        "static_position_embeddings": true,
        "tie_word_embeddings": architecture.embeddings != Embeddings::Separate,
        "torch_dtype": "float32",
        "use_cache": true,
        "vocab_size": vocabularies.source,
    })
}

/// Positions for which `transformers` makes sinusoids.
const LONGEST: usize = 512;

fn generation(config: &Config) -> Value {
    let vocabularies = &config.vocabularies;
    json!({
        "bad_words_ids": [[vocabularies.padding]],
        "decoder_start_token_id": vocabularies.decoder_start,
        "eos_token_id": vocabularies.target_end,
        "forced_eos_token_id": vocabularies.target_end,
        "max_length": LONGEST,
        "num_beams": 4,
        "pad_token_id": vocabularies.padding,
    })
}

fn tokenizer(sharing: Sharing, languages: Option<&Languages>) -> Value {
    let mut settings = json!({
        "eos_token": "</s>",
        "model_max_length": LONGEST,
        "pad_token": PADDING,
        "separate_vocabs": sharing == Sharing::Separate,
        "tokenizer_class": "MarianTokenizer",
        "unk_token": "<unk>",
    });
    if let Some(Languages { source, target }) = languages {
        settings["source_lang"] = json!(source);
        settings["target_lang"] = json!(target);
    }
    settings
}

fn weights(
    model: &Model<Dense<f32>>,
    folder: &Path,
) -> Result<wdistill_base::Pending, FormatError> {
    let embeddings = model.config.architecture.embeddings;
    let table = |slot: Slot| place(slot, embeddings);
    let shapes = places::shapes(&model.config, &table);
    // `transformers` expects a bias, of zeros if there is none.
    let no_bias = vec![0.0; model.config.vocabularies.target];
    let mut named: Vec<Named> =
        shapes.into_iter().map(|(name, shape)| Named::float32(name, shape)).collect();
    let has_bias = named.iter().any(|tensor| tensor.name == OUTPUT_BIAS);
    if !has_bias {
        named.push(Named::float32(OUTPUT_BIAS.to_string(), vec![1, no_bias.len()]));
    }
    let positions = position_table(&model.config.architecture);
    if positions.is_some() {
        let shape = vec![LONGEST, model.config.architecture.encoder.width];
        named.extend(POSITIONS.map(|name| Named::float32(name.to_string(), shape.clone())));
    }
    let metadata = Metadata::from([("format".to_string(), "pt".to_string())]);
    tensors::prepare(&folder.join(SAFETENSORS_FILE), &named, &metadata, |file| {
        for Written { data, .. } in places::write(&model.config, &table, &model.weights) {
            tensors::write_numbers(file, &data)?;
        }
        if !has_bias {
            tensors::write_numbers(file, &no_bias)?;
        }
        let tables = positions.iter().flat_map(|table| [table; POSITIONS.len()]);
        tables.into_iter().try_for_each(|table| tensors::write_numbers(file, table))
    })
}

/// The sinusoids of both stacks, which `transformers` reads from a model's file; it computes those of its own that are
/// not there.
fn position_table(architecture: &Architecture) -> Option<Vec<f32>> {
    let row = |position| architecture.positions.row(position, architecture.encoder.width);
    let table = || (0..LONGEST).flat_map(row).map(|number| number as f32).collect();
    (architecture.positions != PositionTable::Marian).then(table)
}
