//! Subword vocabularies: training, importing, encoding, decoding and their file.

mod best_path;
mod bpe;
mod export;
mod file;
mod imported;
mod merges;
mod native;
mod normalisation;
mod train;
mod unigram;
mod word_ends;
mod words;

pub use imported::TokenList;
pub use normalisation::Normalisation;
pub use train::{SubwordModel, TrainedVocabulary, VocabularySettings};

use crate::cut::{Cut, SubwordSampling};
use crate::error::TextError;
use crate::sentence_piece::{SentencePieceAlgorithm, SentencePieceModel};
use imported::Imported;
use native::Native;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use wdistill_base::{Random, parallel};

/// Id of the end-of-sentence token `</s>` of vocabularies that [`Vocabulary::train`] made; others
/// have their own, see [`Vocabulary::end_id`].
pub const END_ID: u32 = 0;

/// Id of the unknown token `<unk>` of vocabularies that [`Vocabulary::train`] made. Their
/// [`Vocabulary::encode`] never gives it, since characters outside the alphabet are spelled in bytes;
/// a model may still produce it.
pub const UNKNOWN_ID: u32 = 1;

/// Id of the token for byte 0 in vocabularies that [`Vocabulary::train`] made; byte `b` has id
/// `FIRST_BYTE_ID + b`.
pub const FIRST_BYTE_ID: u32 = 2;

/// Tokens that every vocabulary of [`Vocabulary::train`] has: two special ones and 256 bytes. The
/// learnt pieces start here.
pub const BASE_SIZE: usize = 258;

/// Where a vocabulary comes from and how it cuts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabularyKind {
    /// Made by [`Vocabulary::train`].
    Native(SubwordModel),
    /// A SentencePiece model with its own ids.
    SentencePiece(SentencePieceAlgorithm),
    /// A SentencePiece model whose pieces get their ids from a list of tokens.
    SentencePieceTokens(SentencePieceAlgorithm),
    /// Merges of subword-nmt with a list of tokens.
    SubwordNmt,
    /// A list of words.
    Words,
}

impl VocabularyKind {
    /// The kind in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native(SubwordModel::Bpe) => "native BPE",
            Self::Native(SubwordModel::Unigram) => "native unigram",
            Self::SentencePiece(_) => "a SentencePiece model",
            Self::SentencePieceTokens(_) => "a SentencePiece model with a token list",
            Self::SubwordNmt => "subword-nmt codes with a token list",
            Self::Words => "whole words",
        }
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// Part of texts.
    Text,
    /// This byte, part of a character that no other token covers.
    Byte(u8),
    /// Stands for what no token covers.
    Unknown,
    /// Ends a sentence.
    End,
    /// Stands for no text, such as padding.
    Control,
}

/// The tokens of a vocabulary that an [`crate::EncodedCorpus`] must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialTokens {
    /// The token that ends every sentence.
    pub end: u32,
    /// The unknown token.
    pub unknown: u32,
    /// The tokens that stand for single bytes, in rising order.
    pub bytes: Vec<u32>,
}

impl SpecialTokens {
    /// Those of every vocabulary that [`Vocabulary::train`] made.
    pub fn native() -> Self {
        let bytes = (FIRST_BYTE_ID..BASE_SIZE as u32).collect();
        Self { end: END_ID, unknown: UNKNOWN_ID, bytes }
    }
}

/// A vocabulary with its encoder and decoder: learnt by [`Vocabulary::train`], or imported.
///
/// # Ids of learnt vocabularies
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
/// Learnt vocabularies first change a line as their [`Normalisation`] says; with
/// [`Normalisation::None`] any UTF-8 string comes back exactly. Every line but the empty one then
/// gets a space in front, so that a word has the same pieces at the start of a line and
/// inside it, and each space becomes `▁` (U+2581), as in SentencePiece (Kudo and Richardson 2018).
/// Words are then a `▁` with a run of letters, a run of numbers, or a run of anything else; pieces
/// never cross these borders. Characters outside the alphabet are spelled in byte tokens. So is a `▁`
/// of the text itself with [`Normalisation::None`], so that it cannot be mistaken for a space; with
/// the others it is one, as in SentencePiece.
///
/// Imported vocabularies cut and join text as the tool they come from: [`Self::from_sentence_piece`],
/// [`Self::from_sentence_piece_tokens`], [`Self::from_subword_nmt`], [`Self::from_words`].
///
/// Special and byte tokens are no part of any text: a line that contains `</s>`, `<unk>` or `<0x41>`
/// is encoded like any other characters.
#[derive(Clone)]
pub struct Vocabulary {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    roles: Vec<TokenRole>,
    end: u32,
    unknown: u32,
    segmenter: Segmenter,
}

#[derive(Clone)]
enum Segmenter {
    Native(Box<Native>),
    Imported(Box<Imported>),
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vocabulary")
            .field("kind", &self.kind())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Number of tokens, special ones included.
    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// Where the vocabulary comes from and how it cuts text.
    pub fn kind(&self) -> VocabularyKind {
        match &self.segmenter {
            Segmenter::Native(native) => VocabularyKind::Native(native.model()),
            Segmenter::Imported(imported) => imported.kind(),
        }
    }

    /// Which kind of subwords a learnt vocabulary has; `None` for imported ones.
    pub fn model(&self) -> Option<SubwordModel> {
        match self.kind() {
            VocabularyKind::Native(model) => Some(model),
            _ => None,
        }
    }

    /// How a learnt vocabulary changes lines first; `None` for imported ones.
    pub fn normalisation(&self) -> Option<Normalisation> {
        match &self.segmenter {
            Segmenter::Native(native) => Some(native.normalisation),
            Segmenter::Imported(_) => None,
        }
    }

    /// All tokens by id, as [`Self::piece`] writes them.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
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

    /// The id of a token that is part of texts.
    pub(crate) fn text_id(&self, text: &str) -> Option<u32> {
        let is_text =
            |&id: &u32| matches!(self.roles[id as usize], TokenRole::Text | TokenRole::Byte(_));
        self.id(text).filter(is_text)
    }

    /// What the token with this id is for, or `None` outside the vocabulary.
    pub fn role(&self, id: u32) -> Option<TokenRole> {
        self.roles.get(id as usize).copied()
    }

    /// The id of the token that ends a sentence. [`Self::encode`] never gives it: callers append it.
    pub fn end_id(&self) -> u32 {
        self.end
    }

    /// The id of the unknown token.
    pub fn unknown_id(&self) -> u32 {
        self.unknown
    }

    /// The tokens that an [`crate::EncodedCorpus`] must know.
    pub fn special_tokens(&self) -> SpecialTokens {
        let is_byte = |&(_, role): &(u32, &TokenRole)| matches!(role, TokenRole::Byte(_));
        let bytes = (0..).zip(&self.roles).filter(is_byte).map(|(id, _)| id).collect();
        SpecialTokens { end: self.end, unknown: self.unknown, bytes }
    }

    /// The SentencePiece model that cuts and joins text, if one does.
    pub fn sentence_piece(&self) -> Option<&SentencePieceModel> {
        match &self.segmenter {
            Segmenter::Native(_) => None,
            Segmenter::Imported(imported) => imported.sentence_piece(),
        }
    }

    /// The ids of a line, without an end-of-sentence id. The empty line has none.
    ///
    /// Imported vocabularies give the unknown id where they have no token.
    pub fn encode(&self, line: &str) -> Vec<u32> {
        self.cut(line, &mut Cut::Best)
    }

    /// As [`Self::encode`], but cut in other ways each time; `None` for a list of words, which has no parts.
    ///
    /// User-defined pieces of a SentencePiece model stay whole, and characters that are spelled in bytes have all of them.
    /// No piece is drawn that a list of tokens lacks, as long as there are smaller ones in its place: unigrams then have
    /// the segmentations without it, SentencePiece's BPE cuts it into the parts that it was merged from, and codes of
    /// subword-nmt cut its word in the usual way.
    pub fn sample(
        &self,
        line: &str,
        sampling: SubwordSampling,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        self.can_sample().then(|| self.cut(line, &mut Cut::drawn(sampling, random)))
    }

    /// Whether there is more than one way to cut a line: for all but lists of words.
    pub fn can_sample(&self) -> bool {
        self.kind() != VocabularyKind::Words
    }

    fn cut(&self, line: &str, cut: &mut Cut<'_>) -> Vec<u32> {
        match &self.segmenter {
            Segmenter::Native(native) => native.encode(line, cut),
            Segmenter::Imported(imported) => imported.encode(line, self, cut),
        }
    }

    /// [`Self::encode`] for many lines, in parallel; the result does not depend on the threads.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, lines: &[S]) -> Vec<Vec<u32>> {
        parallel::map_at_least(16, lines, |line| self.encode(line.as_ref()))
    }

    /// The text of ids, without an end-of-sentence id among them.
    ///
    /// A learnt vocabulary gives back what [`Self::encode`] was given, after its normalisation. Ids from a model may
    /// spell bytes that are not UTF-8: these become U+FFFD, and so does `<unk>`. The space in front
    /// of the first word is taken away if the first id has one, all those in front with a
    /// normalisation.
    ///
    /// A character whose last bytes are missing at the end, as in a translation that was cut at its limit, is
    /// left out.
    ///
    /// Imported vocabularies join tokens as their tools do. Control tokens stand for nothing; the
    /// unknown token becomes the model's surface for it, without a model its own text.
    ///
    /// # Errors
    /// [`TextError::InvalidId`] for an id outside the vocabulary, [`TextError::EndInText`] for
    /// [`Self::end_id`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        for (position, &id) in ids.iter().enumerate() {
            if id == self.end {
                return Err(TextError::EndInText { position, length: ids.len() });
            }
            if id as usize >= self.size() {
                return Err(TextError::InvalidId { id, position, size: self.size() });
            }
        }
        let ids = self.without_cut_character(ids);
        Ok(match &self.segmenter {
            Segmenter::Native(native) => native.decode(ids, self),
            Segmenter::Imported(imported) => imported.decode(ids, self),
        })
    }

    /// Ids without the bytes of a character at their end that is not whole.
    fn without_cut_character<'ids>(&self, ids: &'ids [u32]) -> &'ids [u32] {
        let byte = |id: &u32| match self.roles[*id as usize] {
            TokenRole::Byte(byte) => Some(byte),
            _ => None,
        };
        let mut bytes: Vec<u8> = ids.iter().rev().map_while(byte).collect();
        bytes.reverse();
        let cut = bytes.utf8_chunks().last().map_or(0, |chunk| {
            let is_begun = |error: std::str::Utf8Error| error.error_len().is_none();
            match std::str::from_utf8(chunk.invalid()).is_err_and(is_begun) {
                true => chunk.invalid().len(),
                false => 0,
            }
        });
        &ids[..ids.len() - cut]
    }
}
