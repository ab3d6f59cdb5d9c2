//! SentencePiece models of vocabularies.

use super::native::{Native, NativeModel};
use super::train::SCORE_UNITS;
use super::{BASE_SIZE, Normalisation, Segmenter, TokenRole, Vocabulary, VocabularyKind};
use crate::error::TextError;
use crate::sentence_piece::{
    ByteFallback, PieceKind, SentencePiece, SentencePieceAlgorithm, SentencePieceModel,
    SentencePieceParts,
};
use std::collections::HashMap;

impl Vocabulary {
    /// A SentencePiece model with the same ids.
    ///
    /// For a learnt vocabulary: byte fallback, a space in front, the vocabulary's own normalisation. The score of a
    /// BPE piece is minus the rank of its first merge, that of a character less than all of these; a
    /// unigram piece has its log probability in single precision.
    ///
    /// The model cuts text almost as this vocabulary does. It differs where the text has a `▁`, which
    /// SentencePiece and [`Normalisation::NmtNfkc`] take for a space,
    /// [`Normalisation::None`] does not; and it merges any two neighbours that make a piece, this
    /// vocabulary only those of its merges. A unigram vocabulary with a normalisation cuts by this very model; one
    /// without may differ between segmentations whose scores agree up to rounding.
    ///
    /// An imported SentencePiece model is given as it is; if a list of tokens says the ids, then the
    /// model's own are not those of [`Self::encode`].
    ///
    /// # Errors
    /// [`TextError::NoSentencePiece`] for lists of words and merges of subword-nmt.
    pub fn to_sentence_piece(&self) -> Result<SentencePieceModel, TextError> {
        match &self.segmenter {
            Segmenter::Native(native) => SentencePieceModel::new(self.native_parts(native)),
            Segmenter::Imported(imported) => {
                let reason = match self.kind() {
                    VocabularyKind::SubwordNmt => {
                        "its subwords are marked where a word goes on (@@), those of SentencePiece \
                         where a word starts"
                    }
                    _ => "it has no pieces that spell other words",
                };
                let kind = self.kind().name();
                let missing = TextError::NoSentencePiece { kind, reason };
                imported.sentence_piece().cloned().ok_or(missing)
            }
        }
    }

    fn native_parts(&self, native: &Native) -> SentencePieceParts {
        let (algorithm, scores) = match &native.model {
            NativeModel::Bpe { merges, .. } => {
                (SentencePieceAlgorithm::Bpe, bpe_scores(&self.tokens[BASE_SIZE..], merges))
            }
            NativeModel::Unigram { scores, .. } => {
                (SentencePieceAlgorithm::Unigram, unigram_scores(scores))
            }
        };
        sentence_piece_parts(algorithm, (&self.tokens, &self.roles), scores, native.normalisation)
    }
}

/// The parts of a model with these tokens, of which all that were learnt have scores.
pub(super) fn sentence_piece_parts(
    algorithm: SentencePieceAlgorithm,
    (texts, roles): (&[String], &[TokenRole]),
    scores: Vec<f32>,
    normalisation: Normalisation,
) -> SentencePieceParts {
    let scores = std::iter::repeat_n(0.0, BASE_SIZE).chain(scores);
    let piece = |((text, role), score): ((&String, &TokenRole), f32)| {
        let kind = match role {
            TokenRole::End | TokenRole::Control => PieceKind::Control,
            TokenRole::Unknown => PieceKind::Unknown,
            TokenRole::Byte(_) => PieceKind::Byte,
            TokenRole::Text => PieceKind::Normal,
        };
        SentencePiece { text: text.clone(), score, kind }
    };
    SentencePieceParts {
        algorithm,
        pieces: texts.iter().zip(roles).zip(scores).map(piece).collect(),
        byte_fallback: ByteFallback::On,
        normalizer: normalisation.parts(),
        ..SentencePieceParts::default()
    }
}

/// Log probabilities in single precision, from millionths.
pub(super) fn unigram_scores(scores: &[i64]) -> Vec<f32> {
    scores.iter().map(|&score| (score as f64 / SCORE_UNITS) as f32).collect()
}

fn bpe_scores(pieces: &[String], merges: &[(String, String)]) -> Vec<f32> {
    let mut ranks: HashMap<String, usize> = HashMap::with_capacity(merges.len());
    for (rank, (left, right)) in merges.iter().enumerate() {
        ranks.entry(format!("{left}{right}")).or_insert(rank);
    }
    let score = |(index, piece): (usize, &String)| {
        let rank = ranks.get(piece).copied().unwrap_or(merges.len() + index);
        -(rank as f32)
    };
    pieces.iter().enumerate().map(score).collect()
}
