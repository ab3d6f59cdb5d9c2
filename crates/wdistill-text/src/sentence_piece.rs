//! SentencePiece models (Kudo and Richardson 2018): their files, cutting text into pieces, and
//! joining pieces to text, with the same results as the SentencePiece library.
//!
//! These are those of its version 0.2.3. Versions up to 0.2.1 differ in three places: a user-defined
//! piece of a unigram model has a score that depends on the best piece's, sums of unigram scores
//! are compared in double precision and never counted anew, and an unused piece of a BPE model that
//! has no parts keeps its id, while it is unknown here.

mod bpe;
mod charsmap;
mod decode;
mod normalize;
mod proto;
mod unigram;
mod wire;

pub(crate) use decode::{Joiner, LeadingMarker, Surface};
pub(crate) use normalize::Normalizer;

use wdistill_base::{FileError, Problem, parallel};

use crate::cut::Cut;
use crate::error::{Problems, TextError, shown};
use crate::trie::Trie;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// What a piece is for. The files' names are in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceKind {
    /// Part of texts (`NORMAL`).
    Normal,
    /// Stands for what no piece covers (`UNKNOWN`); each model has one.
    Unknown,
    /// Never part of a text, such as `</s>` (`CONTROL`).
    Control,
    /// Part of texts, never normalised, cut or merged (`USER_DEFINED`).
    UserDefined,
    /// Known but never given (`UNUSED`): BPE cuts it into the parts that it was merged from.
    Unused,
    /// A byte, `<0x00>` to `<0xFF>`, for characters that no piece covers (`BYTE`).
    Byte,
}

/// How text is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentencePieceAlgorithm {
    /// The segmentation of the best total score (Kudo 2018).
    Unigram,
    /// Merging the best pair of neighbours again and again (Sennrich et al. 2016).
    Bpe,
}

/// What becomes of characters that no piece covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByteFallback {
    /// They are unknown.
    Off,
    /// They are spelled in byte pieces.
    On,
}

/// Whether a space is added to each line that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DummySpace {
    /// None.
    None,
    /// In front (`add_dummy_prefix`).
    Front,
    /// Behind (`add_dummy_prefix` with `treat_whitespace_as_suffix`).
    Back,
}

/// What becomes of spaces at either end of a line and of all but the first in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtraSpaces {
    /// They stay.
    Keep,
    /// They go (`remove_extra_whitespaces`).
    Remove,
}

/// How spaces are written in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpaceEscape {
    /// As spaces.
    None,
    /// As `▁`, U+2581 (`escape_whitespaces`).
    Marker,
}

/// One piece; its id is its place among the pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct SentencePiece {
    /// The piece, not empty.
    pub text: String,
    /// Unigram: its log probability. BPE: pairs with larger scores are merged first.
    pub score: f32,
    /// What it is for.
    pub kind: PieceKind,
}

/// What the special pieces are called; a model need not have them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialNames {
    /// The unknown piece, usually `<unk>`.
    pub unknown: String,
    /// The piece in front of a sentence, usually `<s>`.
    pub begin: String,
    /// The piece that ends a sentence, usually `</s>`.
    pub end: String,
    /// The piece that fills up batches, usually `<pad>`.
    pub padding: String,
}

impl Default for SpecialNames {
    fn default() -> Self {
        let [unknown, begin, end, padding] = ["<unk>", "<s>", "</s>", "<pad>"].map(str::to_owned);
        Self { unknown, begin, end, padding }
    }
}

/// How lines are changed before they are cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalizerParts {
    /// The rule's name, such as `nmt_nfkc`; it changes nothing.
    pub name: String,
    /// The table of replacements as SentencePiece compiles it (`precompiled_charsmap`); empty if no
    /// character is replaced.
    pub charsmap: Vec<u8>,
    /// Whether a space is added.
    pub dummy_space: DummySpace,
    /// Whether spaces are removed.
    pub extra_spaces: ExtraSpaces,
    /// How spaces are written.
    pub space_escape: SpaceEscape,
}

impl Default for NormalizerParts {
    /// What SentencePiece takes where a file says nothing.
    fn default() -> Self {
        Self {
            name: String::new(),
            charsmap: Vec::new(),
            dummy_space: DummySpace::Front,
            extra_spaces: ExtraSpaces::Remove,
            space_escape: SpaceEscape::Marker,
        }
    }
}

/// Everything that a model consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct SentencePieceParts {
    /// How text is cut.
    pub algorithm: SentencePieceAlgorithm,
    /// The pieces by id.
    pub pieces: Vec<SentencePiece>,
    /// What becomes of characters that no piece covers.
    pub byte_fallback: ByteFallback,
    /// The text that the unknown piece becomes.
    pub unknown_surface: String,
    /// What the special pieces are called.
    pub names: SpecialNames,
    /// How lines are changed first.
    pub normalizer: NormalizerParts,
}

impl Default for SentencePieceParts {
    /// What SentencePiece takes where a file says nothing, without pieces.
    fn default() -> Self {
        Self {
            algorithm: SentencePieceAlgorithm::Unigram,
            pieces: Vec::new(),
            byte_fallback: ByteFallback::Off,
            unknown_surface: " \u{2047} ".to_owned(),
            names: SpecialNames::default(),
            normalizer: NormalizerParts::default(),
        }
    }
}

/// A piece of a text that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPiece {
    /// The piece's id.
    pub id: u32,
    /// Its text; for the unknown piece the characters that it covers.
    pub text: String,
}

/// A SentencePiece model that is ready to use. Equal models have equal parts.
#[derive(Clone)]
pub struct SentencePieceModel {
    parts: SentencePieceParts,
    ids: HashMap<String, u32>,
    unknown_id: u32,
    /// The ids of bytes 0 to 255; empty without byte fallback.
    byte_ids: Vec<u32>,
    normalizer: Normalizer,
    segmenter: Segmenter,
}

#[derive(Clone)]
enum Segmenter {
    Unigram(unigram::Unigram),
    Bpe(bpe::Bpe),
}

impl PartialEq for SentencePieceModel {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl std::fmt::Debug for SentencePieceModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SentencePieceModel")
            .field("algorithm", &self.parts.algorithm)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

/// What [`TextError::Unusable`] expected.
const WHAT: &str = "a SentencePiece model";

impl SentencePieceModel {
    /// Checks the parts of a model and prepares them for use.
    ///
    /// # Errors
    /// [`TextError::Unusable`] with everything that is wrong: a piece that is empty, occurs twice,
    /// holds a zero byte or has a score that is no finite number; not exactly one unknown piece; no
    /// piece for texts; byte pieces that do not fit the byte fallback; a broken table of replacements.
    pub fn new(parts: SentencePieceParts) -> Result<Self, TextError> {
        Self::from_parts(parts, "the given parts")
    }

    /// Reads a model from the content of a `.spm` or `.model` file.
    ///
    /// Fields that do not change how text is cut, such as the trainer's settings and self-test
    /// samples, are passed over and not kept.
    ///
    /// # Errors
    /// [`TextError::Unusable`]: as for [`Self::new`], and for broken messages, models of words
    /// (`WORD`) or characters (`CHAR`), and a table of replacements after decoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TextError> {
        Self::from_bytes_of(bytes, "the given bytes")
    }

    /// Reads a `.spm` or `.model` file.
    ///
    /// # Errors
    /// [`TextError::File`] when it cannot be read; what [`Self::from_bytes`] brings, with the path.
    pub fn load(path: &Path) -> Result<Self, TextError> {
        let bytes = std::fs::read(path).map_err(FileError::when("read", path))?;
        Self::from_bytes_of(&bytes, &path.display().to_string())
    }

    fn from_bytes_of(bytes: &[u8], origin: &str) -> Result<Self, TextError> {
        let parts = proto::read(bytes).map_err(|problem| unusable(origin, vec![problem.into()]))?;
        Self::from_parts(parts, origin)
    }

    fn from_parts(parts: SentencePieceParts, origin: &str) -> Result<Self, TextError> {
        let ids: HashMap<String, u32> =
            parts.pieces.iter().map(|piece| piece.text.clone()).zip(0..).collect();
        let mut problems = Problems::default();
        check_pieces(&parts, &mut problems);
        let byte_ids = check_bytes(&parts, &ids, &mut problems);
        // Pieces that occur twice are a problem already, and would be one for the trie.
        let is_last_or_only = |piece: &SentencePiece, id: u32| ids.get(&piece.text) == Some(&id);
        let user_defined = parts.pieces.iter().zip(0..).filter(|(piece, id)| {
            piece.kind == PieceKind::UserDefined
                && !piece.text.is_empty()
                && is_last_or_only(piece, *id)
        });
        let user_defined = Trie::new(user_defined.map(|(piece, id)| (piece.text.as_str(), id)));
        let normalizer = Normalizer::new(&parts.normalizer, user_defined);
        if let Err(problem) = &normalizer {
            problems.push(|| format!("precompiled_charsmap: {problem}"));
        }
        let unknown = parts.pieces.iter().position(|piece| piece.kind == PieceKind::Unknown);
        problems.into_result().map_err(|problems| unusable(origin, problems))?;
        let (Ok(normalizer), Some(unknown_id)) = (normalizer, unknown) else {
            unreachable!("either is a problem that was reported")
        };
        let unknown_id = unknown_id as u32;
        let segmenter = match parts.algorithm {
            SentencePieceAlgorithm::Unigram => {
                Segmenter::Unigram(unigram::Unigram::new(&parts.pieces, unknown_id))
            }
            SentencePieceAlgorithm::Bpe => Segmenter::Bpe(bpe::Bpe::new(&parts.pieces, unknown_id)),
        };
        Ok(Self { parts, ids, unknown_id, byte_ids, normalizer, segmenter })
    }

    /// The content of a `.spm` file that the SentencePiece library and [`Self::from_bytes`] read.
    pub fn to_bytes(&self) -> Vec<u8> {
        proto::write(self)
    }

    /// What the model consists of.
    pub fn parts(&self) -> &SentencePieceParts {
        &self.parts
    }

    /// Number of pieces.
    pub fn size(&self) -> usize {
        self.parts.pieces.len()
    }

    /// The piece with this id, or `None` outside the model.
    pub fn piece(&self, id: u32) -> Option<&SentencePiece> {
        self.parts.pieces.get(id as usize)
    }

    /// The id of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// The id of the unknown piece.
    pub fn unknown_id(&self) -> u32 {
        self.unknown_id
    }

    /// The id of the piece in front of a sentence, if there is one.
    pub fn begin_id(&self) -> Option<u32> {
        self.control_id(&self.parts.names.begin)
    }

    /// The id of the piece that ends a sentence, if there is one.
    pub fn end_id(&self) -> Option<u32> {
        self.control_id(&self.parts.names.end)
    }

    /// The id of the piece that fills up batches, if there is one.
    pub fn padding_id(&self) -> Option<u32> {
        self.control_id(&self.parts.names.padding)
    }

    fn control_id(&self, name: &str) -> Option<u32> {
        let is_control = |&id: &u32| self.parts.pieces[id as usize].kind == PieceKind::Control;
        self.id(name).filter(is_control)
    }

    /// The string that is cut into pieces: the line with its characters replaced and its spaces
    /// added, removed and marked.
    pub fn normalize(&self, line: &str) -> String {
        self.normalizer.normalize(line)
    }

    /// The ids of a line's pieces, without special pieces; several unknown characters in a row give
    /// one unknown id.
    pub fn encode(&self, line: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(line.len() / 3 + 1);
        self.for_each_piece(line, &mut Cut::Best, |id, _| ids.push(id));
        ids
    }

    /// [`Self::encode`] for many lines, in parallel.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, lines: &[S]) -> Vec<Vec<u32>> {
        parallel::map_at_least(16, lines, |line| self.encode(line.as_ref()))
    }

    /// A line's pieces with their ids, as [`Self::encode`] gives them.
    pub fn encode_pieces(&self, line: &str) -> Vec<EncodedPiece> {
        let mut pieces = Vec::new();
        self.for_each_piece(line, &mut Cut::Best, |id, text| {
            pieces.push(EncodedPiece { id, text: text.to_owned() });
        });
        pieces
    }

    /// Visits a line's pieces in order. Drawn ones keep user-defined pieces whole.
    pub(crate) fn for_each_piece(
        &self,
        line: &str,
        cut: &mut Cut<'_>,
        mut visit: impl FnMut(u32, &str),
    ) {
        let normalized = self.normalizer.normalize(line);
        // Where unknown characters start that no known piece has ended yet, and how long they are.
        let (mut start, mut unknown) = (0, 0);
        self.segment(&normalized, cut, |id, text| {
            if id != self.unknown_id {
                if unknown > 0 {
                    visit(self.unknown_id, &normalized[start..start + unknown]);
                }
                visit(id, text);
                start += unknown + text.len();
                unknown = 0;
            } else if self.byte_ids.is_empty() {
                unknown += text.len();
            } else {
                for byte in text.bytes() {
                    let id = self.byte_ids[usize::from(byte)];
                    visit(id, &self.parts.pieces[id as usize].text);
                }
                start += text.len();
            }
        });
        if unknown > 0 {
            visit(self.unknown_id, &normalized[start..start + unknown]);
        }
    }

    fn segment<'text>(
        &self,
        normalized: &'text str,
        cut: &mut Cut<'_>,
        visit: impl FnMut(u32, &'text str),
    ) {
        let user_defined = self.normalizer.user_defined();
        match (&self.segmenter, cut) {
            (Segmenter::Unigram(model), Cut::Best) => model.segment(normalized, visit),
            (Segmenter::Unigram(model), Cut::Drawn(draw)) => {
                model.draw(normalized, user_defined, draw, visit)
            }
            (Segmenter::Bpe(model), cut) => model.segment(normalized, user_defined, cut, visit),
        }
    }

    /// The text of ids.
    ///
    /// Control pieces give nothing, the unknown piece its surface, bytes that are no UTF-8 U+FFFD
    /// each. The space in front of the first piece goes if the normaliser adds or removes spaces.
    ///
    /// # Errors
    /// [`TextError::InvalidId`] for an id outside the model.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        let mut joiner = self.joiner();
        for (position, &id) in ids.iter().enumerate() {
            let size = self.size();
            let invalid = || TextError::InvalidId { id, position, size };
            joiner.push(self.surface(id).ok_or_else(invalid)?);
        }
        Ok(joiner.finish())
    }

    pub(crate) fn joiner(&self) -> Joiner {
        let NormalizerParts { dummy_space, extra_spaces, .. } = self.parts.normalizer;
        Joiner::new(match (extra_spaces, dummy_space) {
            (ExtraSpaces::Remove, _) => LeadingMarker::RemoveUntilText,
            (ExtraSpaces::Keep, DummySpace::None) => LeadingMarker::Keep,
            (ExtraSpaces::Keep, _) => LeadingMarker::RemoveOne,
        })
    }

    pub(crate) fn surface(&self, id: u32) -> Option<Surface<'_>> {
        let piece = self.piece(id)?;
        Some(match piece.kind {
            PieceKind::Control => Surface::Nothing,
            PieceKind::Unknown => Surface::Literal(&self.parts.unknown_surface),
            PieceKind::Byte => Surface::Byte(byte_of(&piece.text)?),
            _ => Surface::Piece(&piece.text),
        })
    }
}

fn unusable(origin: &str, problems: Vec<Problem>) -> TextError {
    TextError::Unusable { origin: origin.to_owned(), what: WHAT, problems }
}

/// The byte that `<0x41>` stands for.
pub(crate) fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let upper = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    u8::from_str_radix(digits, 16).ok().filter(|_| upper && digits.len() == 2)
}

/// The pieces that text can be cut into, with their ids.
fn text_pieces(pieces: &[SentencePiece]) -> impl Iterator<Item = (&str, u32)> {
    let of_text =
        |kind| matches!(kind, PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused);
    let numbered = pieces.iter().zip(0..);
    numbered.filter(move |(piece, _)| of_text(piece.kind)).map(|(piece, id)| (&*piece.text, id))
}

fn check_pieces(parts: &SentencePieceParts, problems: &mut Problems) {
    let mut first = HashMap::with_capacity(parts.pieces.len());
    for (id, SentencePiece { text, score, kind }) in parts.pieces.iter().enumerate() {
        if text.is_empty() {
            problems.push(|| format!("piece {id} is empty"));
        }
        if text.contains('\0') {
            problems.push(|| format!("piece {id} ({}) holds a zero byte", shown(text)));
        }
        if let Some(earlier) = first.insert(text.as_str(), id) {
            problems.push(|| format!("pieces {earlier} and {id} are both {}", shown(text)));
        }
        if !score.is_finite() {
            problems.push(|| format!("piece {id} ({}) has the score {score}", shown(text)));
        }
        let is_character = text.chars().nth(1).is_none();
        let bpe = parts.algorithm == SentencePieceAlgorithm::Bpe;
        if bpe && *kind == PieceKind::Control && is_character {
            problems.push(|| {
                format!(
                    "piece {id} ({text:?}) is a control piece and a single character, for which \
                         BPE is not defined"
                )
            });
        }
    }
    let unknown = parts.pieces.iter().filter(|piece| piece.kind == PieceKind::Unknown).count();
    if unknown != 1 {
        problems.push(|| format!("{unknown} unknown pieces (UNKNOWN), expected one"));
    }
    if text_pieces(&parts.pieces).next().is_none() {
        problems.push(|| "no piece for texts (NORMAL or USER_DEFINED)".to_owned());
    }
    let SpecialNames { unknown, begin, end, padding } = &parts.names;
    if [unknown, begin, end, padding].iter().any(|name| name.is_empty()) {
        problems.push(|| "a special piece's name is empty".to_owned());
    }
    if parts.unknown_surface.contains('\0') {
        problems.push(|| "unk_surface holds a zero byte".to_owned());
    }
}

/// The ids of the bytes by value.
fn check_bytes(
    parts: &SentencePieceParts,
    ids: &HashMap<String, u32>,
    problems: &mut Problems,
) -> Vec<u32> {
    let bytes = parts.pieces.iter().filter(|piece| piece.kind == PieceKind::Byte);
    if parts.byte_fallback == ByteFallback::Off {
        let count = bytes.count();
        if count > 0 {
            problems.push(|| format!("{count} byte pieces, but byte_fallback is off"));
        }
        return Vec::new();
    }
    for piece in bytes.filter(|piece| byte_of(&piece.text).is_none()) {
        let text = &piece.text;
        problems.push(|| format!("byte piece {}, expected <0x00> to <0xFF>", shown(text)));
    }
    let is_byte = |&id: &u32| parts.pieces[id as usize].kind == PieceKind::Byte;
    let id_of = |byte: u8| ids.get(&format!("<0x{byte:02X}>")).copied().filter(is_byte);
    let found: Vec<u32> = (0..=255).filter_map(id_of).collect();
    if found.len() < 256 {
        let count = found.len();
        problems.push(|| format!("{count} bytes have a piece, byte_fallback needs all 256"));
    }
    found
}
