//! Writing a folder of CTranslate2.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use wdistill_base::Problem;
use wdistill_model::{
    Activation, Config, DecoderStart, EmbeddingScale, Embeddings, NormPlacement, PositionTable,
    Shape, SourceEnding,
};
use wdistill_text::VocabularyPair;
use wdistill_text::{Vocabulary, VocabularyKind};

use super::{CONFIG_FILE, FORMAT, MODEL_FILE, OUTPUT, OUTPUT_BIAS, SOURCE, TARGET, binary, place};
use crate::error::FormatError;
use crate::files::arrays::{Array, Arrays, NumberType};
use crate::files::{float32_bytes, publish, quantised};
use crate::model_folder::ModelFolder;
use crate::toolkits::obstacles::Obstacles;
use crate::toolkits::padding::NEVER;
use crate::toolkits::place::{self as places, Written};
use crate::toolkits::options::Numbers;

/// What the newest version of the library reads.
const SPECIFICATION: (&str, u32) = ("TransformerSpec", 7);

/// Rows of the tables of positions: the library's limit of a source, by default.
const POSITIONS: usize = 1024;

/// What stands in the way of writing a model, and what its user should know.
pub(crate) fn obstacles(given: &ModelFolder) -> Obstacles {
    let ModelFolder { model, vocabularies: VocabularyPair { source, target } } = given;
    let vocabularies = &model.config.vocabularies;
    let mut obstacles = Obstacles::default();
    obstacles.need_self_attention(&given.model.config);
    let end = [token(source, vocabularies.source_end), token(target, vocabularies.target_end)];
    obstacles.need(end[0] == end[1], || {
        format!(
            "a source ends in {:?} and a target in {:?}, the format has one end",
            end[0], end[1]
        )
    });
    for (name, vocabulary) in [("source.spm", source), ("target.spm", target)] {
        // Whole words need no tokeniser.
        if vocabulary.kind() == VocabularyKind::Words {
            continue;
        }
        if let Err(error) = vocabulary.to_sentence_piece() {
            obstacles.notes.push(Problem::of(&error).at(format!("there is no {name}")));
        }
    }
    for (stack, shape) in [
        ("encoder", &model.config.architecture.encoder),
        ("decoder", &model.config.architecture.decoder),
    ] {
        obstacles.need(i16::try_from(shape.heads).is_ok(), || {
            format!("the {stack} has {} heads, the format holds {}", shape.heads, i16::MAX)
        });
    }
    obstacles
}

/// Writes a folder.
///
/// # Errors
/// As [`export`](crate::export).
pub(crate) fn write(
    given: &ModelFolder,
    numbers: Numbers,
    folder: &Path,
) -> Result<(), FormatError> {
    let VocabularyPair { source, target } = &given.vocabularies;
    let mut files = Vec::new();
    for (name, vocabulary) in [("source.spm", source), ("target.spm", target)] {
        if let Ok(model) = vocabulary.to_sentence_piece() {
            files.push((name, model.to_bytes()));
        }
    }
    if source.tokens() == target.tokens() {
        files.push(("shared_vocabulary.json", word_list(source)));
    } else {
        files.push(("source_vocabulary.json", word_list(source)));
        files.push(("target_vocabulary.json", word_list(target)));
    }
    files.push((CONFIG_FILE, conventions(given).into_bytes()));
    let (variables, aliases) = variables(given, numbers);
    let (name, revision) = SPECIFICATION;
    let model = binary::write(name, revision, &variables, &aliases)
        .map_err(|reason| FormatError::Export { format: FORMAT, problems: vec![reason.into()] })?;
    files.push((MODEL_FILE, model));
    publish(folder, files)
}

fn token(vocabulary: &Vocabulary, id: u32) -> &str {
    vocabulary.piece(id).unwrap_or_default()
}

fn word_list(vocabulary: &Vocabulary) -> Vec<u8> {
    let mut list = serde_json::to_vec_pretty(vocabulary.tokens()).expect("texts are JSON");
    list.push(b'\n');
    list
}

fn conventions(given: &ModelFolder) -> String {
    let vocabularies = &given.model.config.vocabularies;
    let end = token(&given.vocabularies.target, vocabularies.target_end);
    let start = match vocabularies.decoder_start {
        DecoderStart::Word(word) => token(&given.vocabularies.target, word),
        // Something has to stand there; the vector of zeros takes its place.
        DecoderStart::ZeroVector => end,
    };
    let config = json!({
        "add_source_bos": false,
        "add_source_eos": vocabularies.source_ending == SourceEnding::EndToken,
        "bos_token": start,
        "decoder_start_token": start,
        "eos_token": end,
        "layer_norm_epsilon": given.model.config.architecture.norm_epsilon,
        "multi_query_attention": false,
        "unk_token": token(&given.vocabularies.target, given.vocabularies.target.unknown_id()),
    });
    format!("{config:#}\n")
}

fn variables(given: &ModelFolder, numbers: Numbers) -> (Arrays<'static>, BTreeMap<String, String>) {
    let config = &given.model.config;
    let mut variables = Variables { arrays: Arrays::new(), numbers };
    for Written { name, shape, data } in places::write(config, &place, &given.model.weights) {
        variables.weight(name, shape, &data);
    }
    if let Some(padding) = config.vocabularies.padding {
        variables.forbid(padding as usize, config.vocabularies.target);
    }
    let architecture = &config.architecture;
    for (stack, shape) in [("encoder", &architecture.encoder), ("decoder", &architecture.decoder)] {
        variables.stack(stack, shape, config);
    }
    let is_zero = config.vocabularies.decoder_start == DecoderStart::ZeroVector;
    variables.flag("decoder/start_from_zero_embedding", is_zero);
    variables.flag("encoder/embeddings_merge", false);
    variables.flag("encoder/multi_query_attention", false);
    for property in ["alibi", "scale_alibi"] {
        variables.flag(&format!("decoder/{property}"), false);
    }
    variables.flag("decoder/alibi_use_positive_positions", true);
    variables.scalar("decoder/alignment_layer", NumberType::Int16, &(-1i16).to_le_bytes());
    variables.scalar("decoder/alignment_heads", NumberType::Int16, &1i16.to_le_bytes());
    let tied: &[(&str, &str)] = match architecture.embeddings {
        Embeddings::AllTied => &[(TARGET, SOURCE), (OUTPUT, SOURCE)],
        Embeddings::DecoderTied => &[(OUTPUT, TARGET)],
        Embeddings::Separate => &[],
    };
    // An alias stands for the factors of its matrix as well.
    let alias = |(alias, variable): &(&str, &str)| (alias.to_string(), variable.to_string());
    (variables.arrays, tied.iter().map(alias).collect())
}

struct Variables {
    arrays: Arrays<'static>,
    numbers: Numbers,
}

impl Variables {
    fn put(&mut self, name: &str, shape: Vec<usize>, kind: NumberType, bytes: Vec<u8>) {
        let array = Array::new(shape, kind, Cow::Owned(bytes));
        self.arrays.insert(name.to_string(), array.expect("bytes are those of the shape"));
    }

    fn scalar(&mut self, name: &str, kind: NumberType, bytes: &[u8]) {
        self.put(name, Vec::new(), kind, bytes.to_vec());
    }

    fn flag(&mut self, name: &str, flag: bool) {
        self.scalar(name, NumberType::Int8, &[u8::from(flag)]);
    }

    fn floats(&mut self, name: &str, shape: Vec<usize>, data: &[f32]) {
        self.put(name, shape, NumberType::Float32, float32_bytes(data));
    }

    fn weight(&mut self, name: String, shape: Vec<usize>, data: &[f32]) {
        match (self.numbers, &shape[..]) {
            (Numbers::Int8, [rows, columns]) => {
                let (bytes, factors) = quantised(data, *columns);
                let rows = vec![*rows];
                self.put(&name, shape, NumberType::Int8, bytes);
                self.floats(&format!("{name}_scale"), rows, &factors);
            }
            _ => self.floats(&name, shape, data),
        }
    }

    /// Gives a word no probability.
    fn forbid(&mut self, word: usize, words: usize) {
        let bias = self.arrays.get(OUTPUT_BIAS).map(Array::numbers);
        let mut bias = bias.unwrap_or_else(|| vec![0.0; words]);
        bias[word] = NEVER;
        self.floats(OUTPUT_BIAS, vec![words], &bias);
    }

    fn stack(&mut self, stack: &str, shape: &Shape, config: &Config) {
        let architecture = &config.architecture;
        let name = |property: &str| format!("{stack}/{property}");
        let heads = i16::try_from(shape.heads).expect("more heads are an obstacle");
        self.scalar(&name("num_heads"), NumberType::Int16, &heads.to_le_bytes());
        self.flag(&name("pre_norm"), architecture.norm == NormPlacement::Pre);
        let activation = match architecture.activation {
            Activation::Relu => 0,
            Activation::Swish => 2,
            Activation::Gelu => 3,
        };
        self.scalar(&name("activation"), NumberType::Int8, &[activation]);
        let is_scaled = architecture.embedding_scale == EmbeddingScale::SquareRootOfWidth;
        self.flag(&name("scale_embeddings"), is_scaled);
        if architecture.positions != PositionTable::OpennmtTf {
            let row = |position| architecture.positions.row(position, shape.width);
            let table: Vec<f32> =
                (0..POSITIONS).flat_map(row).map(|number| number as f32).collect();
            self.floats(
                &name("position_encodings/encodings"),
                vec![POSITIONS, shape.width],
                &table,
            );
        }
    }
}
