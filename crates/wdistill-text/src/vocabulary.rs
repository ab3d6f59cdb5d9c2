//! Subword vocabularies: training, encoding, decoding and their file.

mod file;
mod train;
mod words;

pub use train::{SubwordModel, TrainedVocabulary, VocabularySettings};

use crate::error::TextError;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use tokenizers::Model;
use tokenizers::models::bpe::BPE;
use tokenizers::models::unigram::Unigram;
use words::{SPACE_MARKER, Segment, WordSplitter};

/// Id of the end-of-sentence token `</s>`. [`Vocabulary::encode`] never gives it: callers append it.
pub const END_ID: u32 = 0;

/// Id of the unknown token `<unk>`. [`Vocabulary::encode`] never gives it, since characters outside
/// the alphabet are spelled in bytes; a model may still produce it.
pub const UNKNOWN_ID: u32 = 1;

/// Id of the token for byte 0; byte `b` has id `FIRST_BYTE_ID + b`.
pub const FIRST_BYTE_ID: u32 = 2;

/// Tokens every vocabulary has: two special ones and 256 bytes. The learnt pieces start here.
pub const BASE_SIZE: usize = 258;

/// A subword vocabulary with its encoder and decoder.
///
/// # Ids
///
/// | ids | tokens |
/// |---|---|
/// | 0 | `</s>`, the end of a sentence ([`END_ID`]) |
/// | 1 | `<unk>` ([`UNKNOWN_ID`]) |
/// | 2 to 257 | bytes `<0x00>` to `<0xFF>` ([`FIRST_BYTE_ID`]) |
/// | from 258 | learnt pieces: first for BPE the alphabet, then merges in order; for unigram by falling probability |
///
/// # Text to ids and back
///
/// Nothing is normalised: any UTF-8 string comes back exactly. Every line but the empty one gets a
/// space in front, so that a word has the same pieces at the start of a line and inside it, and each
/// space becomes `▁` (U+2581), as in SentencePiece (Kudo and Richardson 2018). Words are then a
/// `▁` with a run of letters, a run of numbers, or a run of anything else; pieces never cross these
/// borders. A `▁` of the text itself and all characters outside the alphabet, such as control
/// characters, are spelled in byte tokens, so they cannot be mistaken for a space.
///
/// Special and byte tokens are no part of the text's pieces: a line that contains `</s>`, `<unk>` or
/// `<0x41>` is encoded like any other characters.
#[derive(Clone)]
pub struct Vocabulary {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    alphabet: HashSet<char>,
    segmenter: Segmenter,
    splitter: WordSplitter,
}

/// The learnt model. It knows only the pieces, numbered from 0.
#[derive(Clone)]
enum Segmenter {
    /// Byte pair encoding (Sennrich et al. 2016), with its merges by rank.
    Bpe { model: BPE, merges: Vec<(String, String)> },
    /// Unigram language model (Kudo 2018), with log probabilities in millionths of a nat: integers,
    /// so that files hold exactly what is used.
    Unigram { model: Unigram, scores: Vec<i64> },
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vocabulary")
            .field("model", &self.model())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Builds a BPE vocabulary; `merges` are in order of rank.
    fn from_merges(pieces: Vec<String>, merges: Vec<(String, String)>) -> Result<Self, String> {
        let numbered: ahash::AHashMap<String, u32> = pieces.iter().cloned().zip(0..).collect();
        for (left, right) in &merges {
            let parts = [left.clone(), right.clone(), format!("{left}{right}")];
            if let Some(part) = parts.iter().find(|part| !numbered.contains_key(*part)) {
                return Err(format!("merge {left:?} {right:?} needs the piece {part:?}"));
            }
        }
        let builder = BPE::builder().vocab_and_merges(numbered, merges.clone());
        let model = builder.build().map_err(|error| error.to_string())?;
        Self::from_parts(pieces, Segmenter::Bpe { model, merges })
    }

    /// Builds a unigram vocabulary; `scores` are log probabilities in millionths.
    fn from_scores(pieces: Vec<String>, scores: Vec<i64>) -> Result<Self, String> {
        if pieces.len() != scores.len() {
            return Err(format!("{} pieces but {} scores", pieces.len(), scores.len()));
        }
        let scored = scores.iter().map(|&score| score as f64 / train::SCORE_UNITS);
        let model = Unigram::from(pieces.iter().cloned().zip(scored).collect(), None, false)
            .map_err(|error| error.to_string())?;
        Self::from_parts(pieces, Segmenter::Unigram { model, scores })
    }

    fn from_parts(pieces: Vec<String>, segmenter: Segmenter) -> Result<Self, String> {
        let alphabet = words::alphabet_of(&pieces);
        if !alphabet.contains(&SPACE_MARKER) {
            return Err(format!("no piece is the space marker {SPACE_MARKER}"));
        }
        let spelled = |piece: &&String| piece.chars().all(|c| alphabet.contains(&c));
        if let Some(piece) = pieces.iter().find(|piece| piece.is_empty() || !spelled(piece)) {
            return Err(format!("piece {piece:?} has a character that is not a piece itself"));
        }
        let tokens: Vec<String> = base_tokens().chain(pieces).collect();
        let ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
        if ids.len() != tokens.len() {
            return Err(format!("{} of its tokens occur twice", tokens.len() - ids.len()));
        }
        Ok(Self { tokens, ids, alphabet, segmenter, splitter: WordSplitter::new() })
    }

    /// Number of tokens: special ones, bytes and pieces.
    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// Which kind of subwords these are.
    pub fn model(&self) -> SubwordModel {
        match self.segmenter {
            Segmenter::Bpe { .. } => SubwordModel::Bpe,
            Segmenter::Unigram { .. } => SubwordModel::Unigram,
        }
    }

    /// The token with this id as it is written in the file (spaces as `▁`, bytes as `<0x41>`), or
    /// `None` outside the vocabulary.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// The id of a token as [`Self::piece`] writes it.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// The id of `</s>`, [`END_ID`].
    pub fn end_id(&self) -> u32 {
        END_ID
    }

    /// The id of `<unk>`, [`UNKNOWN_ID`].
    pub fn unknown_id(&self) -> u32 {
        UNKNOWN_ID
    }

    /// The ids of a line, without an end-of-sentence id. The empty line has none.
    pub fn encode(&self, line: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(line.len() / 3 + 1);
        let in_alphabet = |character| self.alphabet.contains(&character);
        self.splitter.for_each_segment(line, in_alphabet, |segment| match segment {
            Segment::Word(word) => self.encode_word(word, &mut ids),
            Segment::Bytes(text) => ids.extend(text.bytes().map(byte_id)),
        });
        ids
    }

    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        let tokens = match &self.segmenter {
            Segmenter::Bpe { model, .. } => model.tokenize(word),
            Segmenter::Unigram { model, .. } => model.tokenize(word),
        };
        // A word is made of characters that are pieces, the one thing that a segmentation needs.
        let tokens = tokens.expect("a word of the alphabet has a segmentation");
        ids.extend(tokens.iter().map(|token| BASE_SIZE as u32 + token.id));
    }

    /// [`Self::encode`] for many lines, in parallel; the result does not depend on the threads.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, lines: &[S]) -> Vec<Vec<u32>> {
        lines.par_iter().with_min_len(16).map(|line| self.encode(line.as_ref())).collect()
    }

    /// The text of ids, without an end-of-sentence id among them.
    ///
    /// Gives back exactly what [`Self::encode`] was given. Ids from a model may spell bytes that
    /// are not UTF-8: these become U+FFFD, and so does `<unk>`. The space in front of the first
    /// word is taken away if the first id has one.
    ///
    /// # Errors
    /// [`TextError::InvalidId`] for an id outside the vocabulary, [`TextError::EndInText`] for
    /// [`END_ID`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for (position, &id) in ids.iter().enumerate() {
            self.decode_id(id, &mut bytes).map_err(|fault| match fault {
                IdFault::End => TextError::EndInText { position, length: ids.len() },
                IdFault::Outside => TextError::InvalidId { id, position, size: self.size() },
            })?;
        }
        let starts_with_piece = ids.first().is_some_and(|&id| id as usize >= BASE_SIZE);
        let start = usize::from(starts_with_piece && bytes.first() == Some(&b' '));
        Ok(String::from_utf8_lossy(&bytes[start..]).into_owned())
    }

    fn decode_id(&self, id: u32, bytes: &mut Vec<u8>) -> Result<(), IdFault> {
        match id {
            END_ID => return Err(IdFault::End),
            UNKNOWN_ID => bytes.extend("\u{fffd}".bytes()),
            _ => match byte_of(id) {
                Some(byte) => bytes.push(byte),
                None => {
                    let piece = self.piece(id).ok_or(IdFault::Outside)?;
                    bytes.extend(piece.replace(SPACE_MARKER, " ").bytes());
                }
            },
        }
        Ok(())
    }
}

enum IdFault {
    End,
    Outside,
}

fn byte_id(byte: u8) -> u32 {
    FIRST_BYTE_ID + u32::from(byte)
}

/// The byte that an id stands for, if it is a byte token's.
pub(crate) fn byte_of(id: u32) -> Option<u8> {
    id.checked_sub(FIRST_BYTE_ID).and_then(|byte| u8::try_from(byte).ok())
}

fn base_tokens() -> impl Iterator<Item = String> {
    let bytes = (0..=255u8).map(|byte| format!("<0x{byte:02X}>"));
    ["</s>".to_owned(), "<unk>".to_owned()].into_iter().chain(bytes)
}
