//! What stands beside the weights: settings, metadata, vocabularies, and translateLocally's archive.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use wdistill_model::{Dense, Languages, Model, Stack};
use wdistill_text::{PieceKind, SentencePiece, SentencePieceModel, TextError, Vocabulary};

use super::FORMAT;
use super::names::{Activations, Names};
use crate::error::FormatError;
use crate::files::yaml::{self, Value};
use crate::language_names::language_name;
use crate::toolkits::marian;

/// The settings that translateLocally looks for, under the one name that it knows.
const SETTINGS_FILE: &str = "config.intgemm8bitalpha.yml";

/// What translateLocally says about a model.
const INFO_FILE: &str = "model_info.json";

/// A file's name and bytes.
pub(super) type File = (String, Vec<u8>);

/// A model that is to be written.
pub(super) struct Package<'a> {
    pub model: &'a Model<Dense<f32>>,
    pub languages: &'a Languages,
    pub names: &'a Names,
    pub activations: Activations,
}

impl Package<'_> {
    /// As Firefox calls its sizes, after the width.
    fn architecture(&self) -> &'static str {
        match self.model.config.architecture.decoder.width {
            0..=256 => "tiny",
            257..=384 => "base-memory",
            _ => "base",
        }
    }

    /// Numbers of a stack.
    fn parameters(&self, stack: Stack) -> usize {
        let slices = self.model.weights.slices().into_iter();
        let of_stack = slices.filter(|(slot, _)| slot.to_string().starts_with(&stack.to_string()));
        of_stack.map(|(_, numbers)| numbers.len()).sum()
    }

    /// What Firefox's list of models has of one.
    ///
    /// # Errors
    /// [`FormatError::Export`] if the settings cannot be read back.
    pub(super) fn metadata(&self, model: &[u8]) -> Result<Vec<u8>, FormatError> {
        let entries = yaml::parse(&marian::settings(&self.model.config)).map_err(failed)?;
        let settings: serde_json::Map<String, Json> =
            entries.into_iter().map(|(name, value)| (name, as_json(value))).collect();
        let statistics = json!({
            "parameters": self.model.weights.count(),
            "encoder_parameters": self.parameters(Stack::Encoder),
            "decoder_parameters": self.parameters(Stack::Decoder),
        });
        Ok(text(&json!({
            "architecture": self.architecture(),
            "byteSize": model.len(),
            "hash": hash(model),
            "modelConfig": settings,
            "modelStatistics": statistics,
            "sourceLanguage": self.languages.source,
            "targetLanguage": self.languages.target,
            "version": "1.0",
        })))
    }

    /// Bergamot's settings, and what translateLocally shows.
    pub(super) fn settings(&self, files: &[File]) -> [File; 2] {
        let Names { model, shortlist, vocabularies } = self.names;
        // Two, also of one file.
        let sides = [vocabularies.first(), vocabularies.last()].into_iter().flatten();
        let vocabs: String = sides.map(|name| format!("  - {name}\n")).collect();
        let shortlist = match files.iter().any(|(name, _)| name == shortlist) {
            true => format!("shortlist:\n  - {shortlist}\n  - false\n"),
            false => String::new(),
        };
        let precision = self.activations.precision();
        let settings = format!(
            "relative-paths: true\nmodels:\n  - {model}\nvocabs:\n{vocabs}{shortlist}beam-size: 1\nnormalize: 1.0\n\
             word-penalty: 0\nmini-batch: 64\nmaxi-batch: 1000\nmaxi-batch-sort: src\nworkspace: 2000\n\
             max-length-factor: 2.5\nskip-cost: true\ngemm-precision: {precision}\n"
        );
        let Languages { source, target } = self.languages;
        let [from, to] = [source, target].map(|code| language_name(code));
        let kind = self.architecture();
        let info = json!({
            "shortName": format!("{source}-{target}-{kind}"),
            "modelName": format!("{from}-{to} {kind}"),
            "src": from,
            "trg": to,
            "srcTags": { source.as_str(): from },
            "trgTag": target,
            "type": kind,
            "version": 1,
            "API": 1,
        });
        [(SETTINGS_FILE.to_string(), settings.into_bytes()), (INFO_FILE.to_string(), text(&info))]
    }

    /// All files in one folder of an archive, which is named after its own hash.
    ///
    /// # Errors
    /// [`FormatError::Export`] if a file is too long for it.
    pub(super) fn archive(&self, files: &[File]) -> Result<File, FormatError> {
        let Languages { source, target } = self.languages;
        let folder = format!("{source}{target}.{}.v1", self.architecture());
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            let path = format!("{folder}/{name}");
            archive.append_data(&mut header, path, bytes.as_slice()).map_err(failed)?;
        }
        let packed = archive.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
        Ok((format!("{folder}.{}.tar.gz", &hash(&packed)[..16]), packed))
    }
}

fn failed(error: impl ToString) -> FormatError {
    FormatError::Export { format: FORMAT, problems: vec![error.to_string().into()] }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(json: &Json) -> Vec<u8> {
    format!("{json:#}\n").into_bytes()
}

/// Numbers and switches as such, everything else as text.
fn as_json(value: Value) -> Json {
    let of_text = |text: String| match (text.as_str(), text.parse::<u64>()) {
        ("true", _) => Json::Bool(true),
        ("false", _) => Json::Bool(false),
        (_, Ok(number)) => number.into(),
        _ => text.into(),
    };
    match value {
        Value::Text(text) => of_text(text),
        Value::List(list) => list.into_iter().map(of_text).collect(),
        Value::Nested => Json::Null,
    }
}

/// A vocabulary's SentencePiece model with the numbers of the model's `words`: a word that is no piece of it stands for
/// itself and is never given.
///
/// # Errors
/// [`FormatError::Text`] if the vocabulary has none.
pub(super) fn numbered(
    vocabulary: &Vocabulary,
    words: usize,
) -> Result<SentencePieceModel, FormatError> {
    let own = vocabulary.to_sentence_piece()?;
    // A padding word that was last is gone.
    let tokens = &vocabulary.tokens()[..vocabulary.size().min(words)];
    let is_numbered = |(id, token): (u32, &String)| own.piece(id).is_some_and(|p| p.text == *token);
    if own.size() == tokens.len() && (0..).zip(tokens).all(is_numbered) {
        return Ok(own);
    }
    let piece = |token: &String| match own.id(token).and_then(|id| own.piece(id)) {
        Some(piece) => piece.clone(),
        None => SentencePiece { text: token.clone(), score: 0.0, kind: PieceKind::Unused },
    };
    let mut parts = own.parts().clone();
    parts.pieces = tokens.iter().map(piece).collect();
    SentencePieceModel::new(parts).map_err(|error: TextError| error.into())
}
