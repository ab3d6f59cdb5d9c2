//! The vocabulary's file: one JSON object, written in one step. Learnt vocabularies that normalise
//! nothing have version 1, others version 3, so that no program that does not normalise reads them;
//! imported ones have version 2.

use super::imported::Imported;
use super::native::{Native, NativeModel};
use super::{BASE_SIZE, Normalisation, Segmenter, SubwordModel, TokenList, Vocabulary};
use wdistill_base::{FileError, Problem, atomic_write};

use crate::error::TextError;
use crate::sentence_piece::{
    ByteFallback, DummySpace, ExtraSpaces, NormalizerParts, PieceKind, SentencePiece,
    SentencePieceAlgorithm, SentencePieceModel, SentencePieceParts, SpaceEscape, SpecialNames,
};
use crate::subword_nmt::{CodesVersion, SubwordNmtCodes};
use serde::{Deserialize, Serialize};
use std::path::Path;
use wdistill_base::hash_bytes;

const FORMAT: &str = "wdistill-vocabulary";
const NATIVE_VERSION: u32 = 1;
const IMPORTED_VERSION: u32 = 2;
const NORMALISED_VERSION: u32 = 3;

/// What every version starts with; the rest is not looked at.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NativeFile {
    format: String,
    version: u32,
    model: SubwordModel,
    /// In version 3: never `none`, which is version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalisation: Option<Normalisation>,
    /// Learnt pieces in the order of their ids, from id 258.
    pieces: Vec<String>,
    /// BPE: `left right`, by rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merges: Option<Vec<String>>,
    /// Unigram: log probabilities in millionths of a nat, one for each piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scores_in_millionths: Option<Vec<i64>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportedFile {
    format: String,
    version: u32,
    kind: ImportedKind,
    /// For all kinds but a SentencePiece model with its own ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<TokensFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sentence_piece: Option<SentencePieceFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codes: Option<CodesFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ImportedKind {
    SentencePiece,
    SentencePieceTokens,
    SubwordNmt,
    Words,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    end: u32,
    unknown: u32,
    controls: Vec<u32>,
    /// Ids of tokens that a text is divided at before a SentencePiece model sees it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    added: Vec<u32>,
    /// By id.
    list: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodesFile {
    /// `0.1` or `0.2`.
    version: String,
    /// `left right`, by rank.
    merges: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentencePieceFile {
    algorithm: SentencePieceAlgorithm,
    byte_fallback: ByteFallback,
    unknown_surface: String,
    names: SpecialNames,
    normalizer: NormalizerFile,
    pieces: Vec<(String, f32, PieceKind)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NormalizerFile {
    name: String,
    dummy_space: DummySpace,
    extra_spaces: ExtraSpaces,
    space_escape: SpaceEscape,
    /// In base 64.
    charsmap: String,
}

impl Vocabulary {
    /// The file's content.
    pub fn to_json(&self) -> String {
        let json = match &self.segmenter {
            Segmenter::Native(native) => {
                serde_json::to_string_pretty(&native_file(native, &self.tokens[BASE_SIZE..]))
            }
            // On one line: indenting would make the lists of pieces several times as long.
            Segmenter::Imported(imported) => serde_json::to_string(&imported_file(self, imported)),
        };
        let mut json = json.expect("strings and finite numbers serialise");
        json.push('\n');
        json
    }

    /// A hash of the file's content, the same as [`wdistill_base::hash_file`] of the saved file.
    pub fn content_hash(&self) -> String {
        hash_bytes(self.to_json().as_bytes())
    }

    /// Writes the vocabulary to a file, usually named `tokenizer.json`: to a file beside it first,
    /// which then takes its name, so that no half-written file is ever seen. The file holds all that
    /// the vocabulary needs, a SentencePiece model or merges included.
    ///
    /// # Errors
    /// [`TextError::File`] with the path; what was there before stays.
    pub fn save(&self, path: &Path) -> Result<(), TextError> {
        Ok(atomic_write(path, self.to_json().as_bytes())?)
    }

    /// Reads a vocabulary that [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`TextError::File`] when it cannot be read, [`TextError::VocabularyFile`] when it is not
    /// such a file or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, TextError> {
        Self::parse(&std::fs::read(path).map_err(FileError::when("read", path))?, path)
    }

    /// Reads a vocabulary that [`Self::save`] wrote, or a SentencePiece model (`.spm`, `.model`): the
    /// content decides, not the name.
    ///
    /// # Errors
    /// Those of [`Self::load`] for what starts as JSON does; otherwise what
    /// [`SentencePieceModel::load`] and [`Self::from_sentence_piece`] bring.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let bytes = std::fs::read(path).map_err(FileError::when("read", path))?;
        let start = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        // A model's file starts with the tag of its first piece, which is a line feed.
        match start == Some(&b'{') && bytes.first() != Some(&b'\n') {
            true => Self::load(path),
            false => Self::from_sentence_piece(SentencePieceModel::load(path)?),
        }
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`TextError::VocabularyFile`] as for [`Self::load`], without a real path.
    pub fn from_json(json: &[u8]) -> Result<Self, TextError> {
        Self::parse(json, Path::new("the given JSON"))
    }

    /// Reads what [`Self::to_json`] wrote; errors say that it is of `path`.
    pub(crate) fn parse(json: &[u8], path: &Path) -> Result<Self, TextError> {
        let path = path.to_path_buf();
        read(json).map_err(|problem| TextError::VocabularyFile { path, problem })
    }
}

fn native_file(native: &Native, pieces: &[String]) -> NativeFile {
    let (merges, scores) = match &native.model {
        // Pieces have markers for spaces, so one space separates them.
        NativeModel::Bpe { merges, .. } => (Some(joined_merges(merges)), None),
        NativeModel::Unigram { scores, .. } => (None, Some(scores.clone())),
    };
    let (version, normalisation) = match native.normalisation {
        Normalisation::None => (NATIVE_VERSION, None),
        rule => (NORMALISED_VERSION, Some(rule)),
    };
    NativeFile {
        format: FORMAT.to_owned(),
        version,
        model: native.model(),
        normalisation,
        pieces: pieces.to_vec(),
        merges,
        scores_in_millionths: scores,
    }
}

fn joined_merges(merges: &[(String, String)]) -> Vec<String> {
    merges.iter().map(|(left, right)| format!("{left} {right}")).collect()
}

fn imported_file(vocabulary: &Vocabulary, imported: &Imported) -> ImportedFile {
    let (kind, model, codes) = match imported {
        Imported::SentencePiece { model } => (ImportedKind::SentencePiece, Some(model), None),
        Imported::SentencePieceTokens { model, .. } => {
            (ImportedKind::SentencePieceTokens, Some(model), None)
        }
        Imported::SubwordNmt { codes } => (ImportedKind::SubwordNmt, None, Some(codes)),
        Imported::Words => (ImportedKind::Words, None, None),
    };
    let tokens = match imported {
        Imported::SentencePiece { .. } => None,
        _ => {
            let TokenList { tokens: list, end, unknown, controls } = vocabulary.token_list();
            let added = match imported {
                Imported::SentencePieceTokens { added, .. } => added.ids(),
                _ => Vec::new(),
            };
            Some(TokensFile { end, unknown, controls, added, list })
        }
    };
    ImportedFile {
        format: FORMAT.to_owned(),
        version: IMPORTED_VERSION,
        kind,
        tokens,
        sentence_piece: model.map(|model| sentence_piece_file(model.parts())),
        codes: codes.map(codes_file),
    }
}

fn codes_file(codes: &SubwordNmtCodes) -> CodesFile {
    let version = match codes.version() {
        CodesVersion::EndMarkerApart => "0.1",
        CodesVersion::EndMarkerJoined => "0.2",
    };
    CodesFile { version: version.to_owned(), merges: joined_merges(codes.merges()) }
}

fn sentence_piece_file(parts: &SentencePieceParts) -> SentencePieceFile {
    let NormalizerParts { name, charsmap, dummy_space, extra_spaces, space_escape } =
        &parts.normalizer;
    let piece = |piece: &SentencePiece| (piece.text.clone(), piece.score, piece.kind);
    SentencePieceFile {
        algorithm: parts.algorithm,
        byte_fallback: parts.byte_fallback,
        unknown_surface: parts.unknown_surface.clone(),
        names: parts.names.clone(),
        normalizer: NormalizerFile {
            name: name.clone(),
            dummy_space: *dummy_space,
            extra_spaces: *extra_spaces,
            space_escape: *space_escape,
            charsmap: base64::encode(charsmap),
        },
        pieces: parts.pieces.iter().map(piece).collect(),
    }
}

fn read(json: &[u8]) -> Result<Vocabulary, Problem> {
    let parsed = |error: serde_json::Error| Problem::from(error.to_string());
    let header: Header = serde_json::from_slice(json).map_err(parsed)?;
    match (header.format.as_str(), header.version) {
        (FORMAT, NATIVE_VERSION | NORMALISED_VERSION) => {
            Ok(from_native(serde_json::from_slice(json).map_err(parsed)?)?)
        }
        (FORMAT, IMPORTED_VERSION) => from_imported(serde_json::from_slice(json).map_err(parsed)?),
        (format, version) => Err(format!(
            "format {format:?} version {version}, expected {FORMAT:?} version {NATIVE_VERSION} to \
             {NORMALISED_VERSION}"
        )
        .into()),
    }
}

fn from_native(file: NativeFile) -> Result<Vocabulary, String> {
    let normalisation = normalisation(&file)?;
    match (file.model, file.merges, file.scores_in_millionths) {
        (SubwordModel::Bpe, Some(merges), None) => {
            Vocabulary::from_merges(file.pieces, split_merges(&merges)?, normalisation)
        }
        (SubwordModel::Unigram, None, Some(scores)) => {
            Vocabulary::from_scores(file.pieces, scores, normalisation)
        }
        _ => Err("expected merges for bpe, or scores_in_millionths for unigram".to_owned()),
    }
}

fn normalisation(file: &NativeFile) -> Result<Normalisation, String> {
    match (file.version, file.normalisation) {
        (NATIVE_VERSION, None) => Ok(Normalisation::None),
        (NORMALISED_VERSION, Some(rule @ (Normalisation::NmtNfkc | Normalisation::Nfkc))) => {
            Ok(rule)
        }
        (NATIVE_VERSION, _) => {
            Err(format!("version {NATIVE_VERSION} with a normalisation, expected none"))
        }
        (version, _) => {
            Err(format!("version {version}, expected the normalisation \"nmt-nfkc\" or \"nfkc\""))
        }
    }
}

fn split_merges(merges: &[String]) -> Result<Vec<(String, String)>, String> {
    merges.iter().map(|merge| split_merge(merge)).collect()
}

fn split_merge(merge: &str) -> Result<(String, String), String> {
    match merge.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(format!("merge {merge:?}, expected two pieces with a space between")),
    }
}

fn from_imported(file: ImportedFile) -> Result<Vocabulary, Problem> {
    let ImportedFile { kind, tokens, sentence_piece, codes, .. } = file;
    let vocabulary = match (kind, tokens, sentence_piece, codes) {
        (ImportedKind::SentencePiece, None, Some(model), None) => {
            Vocabulary::with_own_ids(to_model(model)?)
        }
        (ImportedKind::SentencePieceTokens, Some(tokens), Some(model), None) => {
            let added = tokens.added.clone();
            Vocabulary::with_listed_ids(to_model(model)?, to_list(tokens))
                .and_then(|vocabulary| vocabulary.adding(&added))
        }
        (ImportedKind::SubwordNmt, Some(tokens), None, Some(codes)) => {
            Vocabulary::from_list(to_list(tokens), Imported::SubwordNmt { codes: to_codes(codes)? })
        }
        (ImportedKind::Words, Some(tokens), None, None) => {
            Vocabulary::from_list(to_list(tokens), Imported::Words)
        }
        _ => Err(vec![
            "expected sentence_piece for sentence-piece, that and tokens for \
             sentence-piece-tokens, tokens and codes for subword-nmt, tokens for words, and no \
             other of these"
                .into(),
        ]),
    };
    vocabulary.map_err(Problem::together)
}

fn to_list(tokens: TokensFile) -> TokenList {
    let TokensFile { end, unknown, controls, list, .. } = tokens;
    TokenList { tokens: list, end, unknown, controls }
}

fn to_codes(file: CodesFile) -> Result<SubwordNmtCodes, Problem> {
    let version = match file.version.as_str() {
        "0.1" => CodesVersion::EndMarkerApart,
        "0.2" => CodesVersion::EndMarkerJoined,
        other => return Err(format!("codes of version {other:?}, expected 0.1 or 0.2").into()),
    };
    SubwordNmtCodes::new(version, split_merges(&file.merges)?).map_err(|error| Problem::of(&error))
}

fn to_model(file: SentencePieceFile) -> Result<SentencePieceModel, Problem> {
    let NormalizerFile { name, dummy_space, extra_spaces, space_escape, charsmap } =
        file.normalizer;
    let charsmap = base64::decode(&charsmap).map_err(|error| format!("charsmap: {error}"))?;
    let piece = |(text, score, kind)| SentencePiece { text, score, kind };
    let parts = SentencePieceParts {
        algorithm: file.algorithm,
        pieces: file.pieces.into_iter().map(piece).collect(),
        byte_fallback: file.byte_fallback,
        unknown_surface: file.unknown_surface,
        names: file.names,
        normalizer: NormalizerParts { name, charsmap, dummy_space, extra_spaces, space_escape },
    };
    SentencePieceModel::new(parts).map_err(|error| Problem::of(&error))
}
