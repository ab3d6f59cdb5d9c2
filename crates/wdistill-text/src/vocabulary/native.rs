//! Vocabularies that [`Vocabulary::train`] made.

use super::best_path::{BestPath, PathScratch};
use super::merges::{MergeScratch, Merges};
use super::words::{self, SPACE_MARKER, Segment, WordSplitter};
use super::{
    BASE_SIZE, END_ID, FIRST_BYTE_ID, Normalisation, Segmenter, SubwordModel, TokenRole,
    UNKNOWN_ID, Vocabulary, export, train,
};
use crate::cut::Cut;
use crate::sentence_piece::{SentencePieceAlgorithm, SentencePieceModel};
use std::collections::{HashMap, HashSet};

/// Cuts text into learnt pieces and bytes.
#[derive(Clone)]
pub(super) struct Native {
    alphabet: HashSet<char>,
    splitter: WordSplitter,
    pub(super) normalisation: Normalisation,
    pub(super) model: NativeModel,
}

/// The learnt model. It knows only the pieces, numbered from 0.
#[derive(Clone)]
pub(super) enum NativeModel {
    /// Byte pair encoding (Sennrich et al. 2016), with its merges by rank.
    Bpe { model: Merges, merges: Vec<(String, String)> },
    /// Unigram language model (Kudo 2018), with log probabilities in millionths of a nat: integers,
    /// so that files hold exactly what is used.
    Unigram { model: UnigramModel, scores: Vec<i64> },
}

/// What finds the best segmentation.
#[derive(Clone)]
pub(super) enum UnigramModel {
    /// Word by word with sums in float64, as vocabularies without a normalisation were always cut.
    Words(BestPath),
    /// The exported SentencePiece model itself. Its sums in float32 run over the whole line, and rounding decides
    /// between segmentations that are equally good, such as `00 000` and `000 00`: nothing else cuts every line as
    /// the engines do that load the export.
    Lines(Box<SentencePieceModel>),
}

impl Vocabulary {
    /// Builds a BPE vocabulary; `merges` are in order of rank.
    pub(super) fn from_merges(
        pieces: Vec<String>,
        merges: Vec<(String, String)>,
        normalisation: Normalisation,
    ) -> Result<Self, String> {
        let model = Merges::new(&pieces, &merges)?;
        let tokens = Tokens::of_pieces(pieces)?;
        Ok(tokens.into_vocabulary(NativeModel::Bpe { model, merges }, normalisation))
    }

    /// Builds a unigram vocabulary; `scores` are log probabilities in millionths.
    pub(super) fn from_scores(
        pieces: Vec<String>,
        scores: Vec<i64>,
        normalisation: Normalisation,
    ) -> Result<Self, String> {
        if pieces.len() != scores.len() {
            return Err(format!("{} pieces but {} scores", pieces.len(), scores.len()));
        }
        let tokens = Tokens::of_pieces(pieces)?;
        let model = match normalisation {
            Normalisation::None => {
                let scores = scores.iter().map(|&score| score as f64 / train::SCORE_UNITS);
                let pieces = &tokens.texts[BASE_SIZE..];
                UnigramModel::Words(BestPath::new(pieces, scores.collect()))
            }
            Normalisation::Nfkc | Normalisation::NmtNfkc => {
                let parts = export::sentence_piece_parts(
                    SentencePieceAlgorithm::Unigram,
                    (&tokens.texts, &tokens.roles),
                    export::unigram_scores(&scores),
                    normalisation,
                );
                SentencePieceModel::new(parts)
                    .map(|model| UnigramModel::Lines(Box::new(model)))
                    .map_err(|error| error.to_string())?
            }
        };
        Ok(tokens.into_vocabulary(NativeModel::Unigram { model, scores }, normalisation))
    }
}

/// The tokens of a learnt vocabulary.
struct Tokens {
    texts: Vec<String>,
    roles: Vec<TokenRole>,
    ids: HashMap<String, u32>,
    alphabet: HashSet<char>,
}

impl Tokens {
    /// Special tokens, bytes and the pieces, if these are such as can be learnt.
    fn of_pieces(pieces: Vec<String>) -> Result<Self, String> {
        let alphabet = words::alphabet_of(&pieces);
        if !alphabet.contains(&SPACE_MARKER) {
            return Err(format!("no piece is the space marker {SPACE_MARKER}"));
        }
        let spelled = |piece: &&String| piece.chars().all(|c| alphabet.contains(&c));
        if let Some(piece) = pieces.iter().find(|piece| piece.is_empty() || !spelled(piece)) {
            return Err(format!("piece {piece:?} has a character that is not a piece itself"));
        }
        let texts: Vec<String> = base_tokens().chain(pieces).collect();
        let ids: HashMap<String, u32> = texts.iter().cloned().zip(0..).collect();
        if ids.len() != texts.len() {
            return Err(format!("{} of its tokens occur twice", texts.len() - ids.len()));
        }
        let roles = (0..texts.len() as u32).map(role).collect();
        Ok(Self { texts, roles, ids, alphabet })
    }

    fn into_vocabulary(self, model: NativeModel, normalisation: Normalisation) -> Vocabulary {
        let Self { texts, roles, ids, alphabet } = self;
        let native = Native { alphabet, splitter: WordSplitter::new(), normalisation, model };
        let segmenter = Segmenter::Native(Box::new(native));
        Vocabulary { tokens: texts, ids, roles, end: END_ID, unknown: UNKNOWN_ID, segmenter }
    }
}

impl Native {
    pub(super) fn model(&self) -> SubwordModel {
        match self.model {
            NativeModel::Bpe { .. } => SubwordModel::Bpe,
            NativeModel::Unigram { .. } => SubwordModel::Unigram,
        }
    }

    pub(super) fn encode(&self, line: &str, cut: &mut Cut<'_>) -> Vec<u32> {
        let id = |piece| BASE_SIZE as u32 + piece;
        match &self.model {
            NativeModel::Bpe { model, .. } => {
                let mut scratch = MergeScratch::default();
                self.encode_words(line, |word, ids| {
                    model.segment(word, cut, &mut scratch, |piece| ids.push(id(piece)));
                })
            }
            NativeModel::Unigram { model: UnigramModel::Words(model), .. } => {
                let mut scratch = PathScratch::default();
                self.encode_words(line, |word, ids| match cut {
                    Cut::Best => model.segment(word, &mut scratch, |piece| ids.push(id(piece))),
                    Cut::Drawn(draw) => model.draw(word, draw, |piece| ids.push(id(piece))),
                })
            }
            NativeModel::Unigram { model: UnigramModel::Lines(model), .. } => {
                let mut ids = Vec::with_capacity(line.len() / 3 + 1);
                model.for_each_piece(line, cut, |id, _| ids.push(id));
                ids
            }
        }
    }

    /// Adds what `cut` makes of every word, which has characters that are pieces only, and the bytes between.
    fn encode_words(&self, line: &str, mut cut: impl FnMut(&str, &mut Vec<u32>)) -> Vec<u32> {
        let mut ids = Vec::with_capacity(line.len() / 3 + 1);
        let in_alphabet = |character| self.alphabet.contains(&character);
        let visit = |segment: Segment<'_>| match segment {
            Segment::Word(word) => cut(word, &mut ids),
            Segment::Bytes(text) => ids.extend(text.bytes().map(byte_id)),
        };
        self.normalisation.for_each_segment(&self.splitter, line, in_alphabet, visit);
        ids
    }

    /// The text of ids, which were checked.
    pub(super) fn decode(&self, ids: &[u32], vocabulary: &Vocabulary) -> String {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            match vocabulary.roles[id as usize] {
                TokenRole::Byte(byte) => bytes.push(byte),
                TokenRole::Text => {
                    let piece = &vocabulary.tokens[id as usize];
                    bytes.extend(piece.replace(SPACE_MARKER, " ").bytes());
                }
                _ => bytes.extend("\u{fffd}".bytes()),
            }
        }
        let leading = match self.normalisation {
            Normalisation::None => ids.len().min(1),
            // As SentencePiece does where it removes spaces from lines.
            _ => ids.len(),
        };
        let is_marked = |id: &&u32| {
            **id as usize >= BASE_SIZE && vocabulary.tokens[**id as usize].starts_with(SPACE_MARKER)
        };
        let is_blank =
            |id: &&u32| vocabulary.tokens[**id as usize].len() == SPACE_MARKER.len_utf8();
        // Pieces that are nothing but the marker, and the one after them.
        let blank = ids[..leading].iter().take_while(|id| is_marked(id) && is_blank(id)).count();
        let start = blank + usize::from(ids[..leading].get(blank).is_some_and(|id| is_marked(&id)));
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }
}

fn byte_id(byte: u8) -> u32 {
    FIRST_BYTE_ID + u32::from(byte)
}

fn role(id: u32) -> TokenRole {
    match id {
        END_ID => TokenRole::End,
        UNKNOWN_ID => TokenRole::Unknown,
        _ => u8::try_from(id - FIRST_BYTE_ID).map_or(TokenRole::Text, TokenRole::Byte),
    }
}

fn base_tokens() -> impl Iterator<Item = String> {
    let bytes = (0..=255u8).map(|byte| format!("<0x{byte:02X}>"));
    ["</s>".to_owned(), "<unk>".to_owned()].into_iter().chain(bytes)
}
