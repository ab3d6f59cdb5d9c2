//! Vocabularies of other tools.

use super::{Segmenter, TokenRole, Vocabulary, VocabularyKind};
use crate::cut::Cut;
use crate::error::{Problems, TextError, shown};
use crate::sentence_piece::{PieceKind, SentencePieceModel, Surface, byte_of};
use crate::subword_nmt::{SEPARATOR, SubwordNmtCodes, words_of};
use std::cmp::Reverse;
use std::collections::HashMap;
use wdistill_base::Problem;

/// Marks pieces without a token and tokens without a piece.
const NONE: u32 = u32::MAX;

/// The tokens of a vocabulary by id, and which of them are special.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenList {
    /// The tokens; a token's id is its place.
    pub tokens: Vec<String>,
    /// The id of the token that ends a sentence.
    pub end: u32,
    /// The id of the unknown token.
    pub unknown: u32,
    /// Ids of further tokens that stand for no text, such as padding.
    pub controls: Vec<u32>,
}

/// How an imported vocabulary cuts and joins text.
#[derive(Clone)]
pub(super) enum Imported {
    SentencePiece { model: SentencePieceModel },
    SentencePieceTokens { model: SentencePieceModel, numbers: Numbers, added: Added },
    SubwordNmt { codes: SubwordNmtCodes },
    Words,
}

/// Pieces of a model against tokens of a list, [`NONE`] where there is no counterpart.
#[derive(Clone)]
pub(super) struct Numbers {
    tokens_of_pieces: Vec<u32>,
    pieces_of_tokens: Vec<u32>,
}

/// Tokens that a text is divided at before the model sees it, by falling length, and their ids.
#[derive(Clone, Default)]
pub(super) struct Added {
    tokens: Vec<(String, u32)>,
}

impl Added {
    /// The leftmost of these tokens in a text, the longest of those that start there: its place and itself.
    fn find(&self, text: &str) -> Option<(usize, &(String, u32))> {
        let places = self.tokens.iter().filter_map(|token| Some((text.find(&token.0)?, token)));
        // Of equal ones the first is kept, which is the longest.
        places.reduce(|best, other| if other.0 < best.0 { other } else { best })
    }

    /// The ids, the lowest first.
    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.tokens.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

/// What [`TextError::Unusable`] expected.
const WHAT: &str = "a vocabulary";

const NOT_TO_BE_ADDED_TO: &str =
    "tokens can only be added to a SentencePiece model with a list of tokens";

impl Vocabulary {
    /// A SentencePiece model with its own ids. Text is cut and joined exactly as by the SentencePiece
    /// library, except that [`Vocabulary::decode`] refuses the end id.
    ///
    /// # Errors
    /// [`TextError::Unusable`] if the model has no piece that ends a sentence.
    pub fn from_sentence_piece(model: SentencePieceModel) -> Result<Self, TextError> {
        Self::with_own_ids(model).map_err(unusable)
    }

    /// A SentencePiece model whose pieces get their ids from a list of tokens, as Hugging Face's
    /// MarianTokenizer (`vocab.json`), Marian (`vocab.yml`) and CTranslate2 do it.
    ///
    /// A piece that the list lacks gives the unknown id; characters that the model does not know are
    /// looked up as they stand, since a joint list may hold them. If a line starts with a token such as
    /// `>>fra<<` (two `>`, no white space and no `<`, two `<`), then this is the first token and the rest
    /// of the line is cut by itself; one that the list lacks is the unknown token, if the list has others. Such a start that the list lacks is text
    /// like any other; MarianTokenizer makes one unknown token of it. It also takes `</s>` and other
    /// special tokens in a text for these, which are text here.
    ///
    /// # Errors
    /// [`TextError::Unusable`] with everything that is wrong: tokens that are empty or occur twice, ids
    /// outside the list, an end that is also the unknown token, or a list without any piece of the
    /// model that is part of texts.
    pub fn from_sentence_piece_tokens(
        model: SentencePieceModel,
        list: TokenList,
    ) -> Result<Self, TextError> {
        Self::with_listed_ids(model, list).map_err(unusable)
    }

    /// Adds tokens of the list that a text is divided at, wherever they stand in it, before the model cuts what
    /// is between them: the added tokens of Hugging Face's tokenizers. In a translation they stand as they are,
    /// with a space behind them where the next piece begins with one.
    ///
    /// # Errors
    /// [`TextError::Unusable`] for an id outside the list, or if this is no SentencePiece model with a list.
    pub fn with_added_tokens(self, ids: &[u32]) -> Result<Self, TextError> {
        self.adding(ids).map_err(unusable)
    }

    pub(super) fn adding(mut self, ids: &[u32]) -> Result<Self, Vec<Problem>> {
        if ids.is_empty() {
            return Ok(self);
        }
        let token = |id: &u32| {
            let token = self.tokens.get(*id as usize).filter(|token| !token.is_empty());
            token.cloned().map(|token| (token, *id)).ok_or(*id)
        };
        let tokens: Result<Vec<(String, u32)>, u32> = ids.iter().map(token).collect();
        let mut tokens = tokens.map_err(|id| {
            vec![format!("the added id is {id}, but there are {} tokens", self.tokens.len()).into()]
        })?;
        tokens.sort_by_key(|(token, _)| Reverse(token.len()));
        match &mut self.segmenter {
            Segmenter::Imported(imported) => match &mut **imported {
                Imported::SentencePieceTokens { added, .. } => *added = Added { tokens },
                _ => return Err(vec![NOT_TO_BE_ADDED_TO.into()]),
            },
            Segmenter::Native(_) => return Err(vec![NOT_TO_BE_ADDED_TO.into()]),
        }
        Ok(self)
    }

    /// Merges of subword-nmt with a list of tokens, such as fairseq's.
    ///
    /// Words are separated by spaces and cut as `subword-nmt apply-bpe` cuts them, without glossaries;
    /// a subword that the list lacks gives the unknown id and is not cut further. Tokens that end
    /// with `@@` are joined to what follows. A line's leading token such as `>>fra<<` is one if the list
    /// holds it.
    ///
    /// # Errors
    /// [`TextError::Unusable`] as for [`Self::from_words`].
    pub fn from_subword_nmt(codes: SubwordNmtCodes, list: TokenList) -> Result<Self, TextError> {
        Self::from_list(list, Imported::SubwordNmt { codes }).map_err(unusable)
    }

    /// A list of words: white space separates them, and a space joins them.
    ///
    /// # Errors
    /// [`TextError::Unusable`] with everything that is wrong: tokens that are empty or occur twice, ids
    /// outside the list, an end that is also the unknown token.
    pub fn from_words(list: TokenList) -> Result<Self, TextError> {
        Self::from_list(list, Imported::Words).map_err(unusable)
    }

    pub(super) fn with_own_ids(model: SentencePieceModel) -> Result<Self, Vec<Problem>> {
        let parts = model.parts();
        let Some(end) = model.end_id() else {
            let name = &parts.names.end;
            let fact = format!("the model has no control piece {name:?} to end sentences");
            return Err(vec![Problem::with_hint(fact, "give a list of tokens that has one")]);
        };
        let pieces = &parts.pieces;
        let tokens: Vec<String> = pieces.iter().map(|piece| piece.text.clone()).collect();
        let ids = tokens.iter().cloned().zip(0..).collect();
        let mut roles: Vec<TokenRole> =
            pieces.iter().map(|piece| role_of_piece(piece.kind, &piece.text)).collect();
        roles[end as usize] = TokenRole::End;
        let unknown = model.unknown_id();
        let segmenter = Segmenter::Imported(Box::new(Imported::SentencePiece { model }));
        Ok(Self { tokens, ids, roles, end, unknown, segmenter })
    }

    pub(super) fn with_listed_ids(
        model: SentencePieceModel,
        list: TokenList,
    ) -> Result<Self, Vec<Problem>> {
        let mut vocabulary = Self::from_list(list, Imported::Words)?;
        let pieces_of_tokens: Vec<u32> =
            vocabulary.tokens.iter().map(|token| model.id(token).unwrap_or(NONE)).collect();
        for (role, &piece) in vocabulary.roles.iter_mut().zip(&pieces_of_tokens) {
            if let (TokenRole::Text, Some(piece)) = (*role, model.piece(piece)) {
                *role = role_of_piece(piece.kind, &piece.text);
                // Only the list says which token is the unknown one.
                if *role == TokenRole::Unknown {
                    *role = TokenRole::Control;
                }
            }
        }
        let token = |text: &String| vocabulary.text_id(text).unwrap_or(NONE);
        let pieces = &model.parts().pieces;
        let tokens_of_pieces: Vec<u32> = pieces.iter().map(|piece| token(&piece.text)).collect();
        if tokens_of_pieces.iter().all(|&token| token == NONE) {
            let fact = format!(
                "none of the model's {} pieces is among the {} tokens",
                model.size(),
                vocabulary.size()
            );
            let hint = "are the two of the same model and the same side?";
            return Err(vec![Problem::with_hint(fact, hint)]);
        }
        let numbers = Numbers { tokens_of_pieces, pieces_of_tokens };
        let imported = Imported::SentencePieceTokens { model, numbers, added: Added::default() };
        vocabulary.segmenter = Segmenter::Imported(Box::new(imported));
        Ok(vocabulary)
    }

    pub(super) fn from_list(list: TokenList, imported: Imported) -> Result<Self, Vec<Problem>> {
        let TokenList { tokens, end, unknown, controls } = list;
        let mut problems = Problems::default();
        let ids = numbered(&tokens, &mut problems);
        let special = [("end", end), ("unknown", unknown)];
        let named = special.into_iter().chain(controls.iter().map(|&id| ("control", id)));
        for (name, id) in named.filter(|&(_, id)| id as usize >= tokens.len()) {
            problems
                .push(|| format!("the {name} id is {id}, but there are {} tokens", tokens.len()));
        }
        if end == unknown {
            problems.push(|| format!("id {end} is both the end and the unknown token"));
        }
        if let Some(id) = controls.iter().find(|&&id| id == end || id == unknown) {
            problems.push(|| {
                format!(
                    "id {id} is among the further special tokens, but it is the end or unknown \
                         token"
                )
            });
        }
        problems.into_result()?;
        let mut roles = vec![TokenRole::Text; tokens.len()];
        for id in controls {
            roles[id as usize] = TokenRole::Control;
        }
        roles[end as usize] = TokenRole::End;
        roles[unknown as usize] = TokenRole::Unknown;
        let segmenter = Segmenter::Imported(Box::new(imported));
        Ok(Self { tokens, ids, roles, end, unknown, segmenter })
    }

    /// The list that a vocabulary of these tokens was made from.
    pub(super) fn token_list(&self) -> TokenList {
        let is_control = |&(_, role): &(u32, &TokenRole)| *role == TokenRole::Control;
        TokenList {
            tokens: self.tokens.clone(),
            end: self.end,
            unknown: self.unknown,
            controls: (0..).zip(&self.roles).filter(is_control).map(|(id, _)| id).collect(),
        }
    }
}

fn unusable(problems: Vec<Problem>) -> TextError {
    TextError::Unusable { origin: "the given tokens".to_owned(), what: WHAT, problems }
}

fn numbered(tokens: &[String], problems: &mut Problems) -> HashMap<String, u32> {
    if u32::try_from(tokens.len()).is_err() {
        problems.push(|| format!("{} tokens, which 32 bits cannot number", tokens.len()));
    }
    let mut ids = HashMap::with_capacity(tokens.len());
    for (token, id) in tokens.iter().zip(0..) {
        if token.is_empty() {
            problems.push(|| format!("token {id} is empty"));
        }
        if let Some(earlier) = ids.insert(token.clone(), id) {
            problems.push(|| format!("tokens {earlier} and {id} are both {}", shown(token)));
        }
    }
    ids
}

fn role_of_piece(kind: PieceKind, text: &str) -> TokenRole {
    match kind {
        PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused => TokenRole::Text,
        PieceKind::Unknown => TokenRole::Unknown,
        PieceKind::Control => TokenRole::Control,
        PieceKind::Byte => byte_of(text).map_or(TokenRole::Control, TokenRole::Byte),
    }
}

/// A language token such as `>>fra<<` that a line starts with.
fn language_token(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(">>")?;
    let length = rest.find(|character: char| character == '<' || character.is_whitespace())?;
    (length > 0 && rest[length..].starts_with("<<")).then(|| &line[..length + 4])
}

impl Imported {
    pub(super) fn kind(&self) -> VocabularyKind {
        match self {
            Self::SentencePiece { model } => VocabularyKind::SentencePiece(model.parts().algorithm),
            Self::SentencePieceTokens { model, .. } => {
                VocabularyKind::SentencePieceTokens(model.parts().algorithm)
            }
            Self::SubwordNmt { .. } => VocabularyKind::SubwordNmt,
            Self::Words => VocabularyKind::Words,
        }
    }

    pub(super) fn sentence_piece(&self) -> Option<&SentencePieceModel> {
        match self {
            Self::SentencePiece { model } | Self::SentencePieceTokens { model, .. } => Some(model),
            Self::SubwordNmt { .. } | Self::Words => None,
        }
    }

    pub(super) fn encode(
        &self,
        line: &str,
        vocabulary: &Vocabulary,
        cut: &mut Cut<'_>,
    ) -> Vec<u32> {
        let mut ids = Vec::with_capacity(line.len() / 3 + 1);
        let listed = |text: &str| vocabulary.text_id(text).unwrap_or(vocabulary.unknown);
        match self {
            Self::SentencePiece { model } => model.for_each_piece(line, cut, |id, _| ids.push(id)),
            Self::SentencePieceTokens { model, numbers, added } => {
                let mut rest = line;
                while let Some((place, (token, id))) = added.find(rest) {
                    if place > 0 {
                        encode_listed(&rest[..place], vocabulary, (model, numbers), cut, &mut ids);
                    }
                    ids.push(*id);
                    rest = &rest[place + token.len()..];
                }
                if !rest.is_empty() {
                    encode_listed(rest, vocabulary, (model, numbers), cut, &mut ids);
                }
            }
            Self::SubwordNmt { codes } => {
                let rest = language_first(line, vocabulary, UnlistedLanguage::Text, &mut ids);
                for word in words_of(rest) {
                    let start = ids.len();
                    codes.cut_word(word, cut, |subword| ids.push(listed(subword)));
                    let is_drawn = matches!(cut, Cut::Drawn(_));
                    if is_drawn && ids[start..].contains(&vocabulary.unknown) {
                        ids.truncate(start);
                        codes.cut_word(word, &mut Cut::Best, |subword| ids.push(listed(subword)));
                    }
                }
            }
            Self::Words => ids.extend(line.split_whitespace().map(listed)),
        }
        ids
    }

    /// The text of ids, which were checked.
    pub(super) fn decode(&self, ids: &[u32], vocabulary: &Vocabulary) -> String {
        match self {
            Self::SentencePiece { model } => {
                let mut joiner = model.joiner();
                for &id in ids {
                    joiner.push(model.surface(id).unwrap_or(Surface::Nothing));
                }
                joiner.finish()
            }
            Self::SentencePieceTokens { model, numbers, .. } => {
                let mut joiner = model.joiner();
                for &id in ids {
                    joiner.push(listed_surface(id, vocabulary, model, numbers));
                }
                joiner.finish()
            }
            Self::SubwordNmt { .. } => joined(ids, vocabulary, SEPARATOR),
            Self::Words => joined(ids, vocabulary, ""),
        }
    }
}

/// Gives the tokens of a text without added ones.
fn encode_listed(
    text: &str,
    vocabulary: &Vocabulary,
    (model, numbers): (&SentencePieceModel, &Numbers),
    cut: &mut Cut<'_>,
    ids: &mut Vec<u32>,
) {
    let rest = language_first(text, vocabulary, UnlistedLanguage::Unknown, ids);
    let is_listed = |piece: u32| numbers.tokens_of_pieces[piece as usize] != NONE;
    model.for_each_piece(rest, &mut cut.of_pieces(&is_listed), |piece, text| {
        let token = numbers.tokens_of_pieces[piece as usize];
        let is_known = piece != model.unknown_id();
        ids.push(match token {
            NONE if is_known => vocabulary.unknown,
            _ if is_known => token,
            _ => vocabulary.text_id(text).unwrap_or(vocabulary.unknown),
        });
    });
}

/// What becomes of a language token that the list lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnlistedLanguage {
    /// It is the unknown token if the list has others, as for MarianTokenizer.
    Unknown,
    /// It is text like any other.
    Text,
}

/// Gives the language token of a line, if it has one, and what is left of the line.
fn language_first<'line>(
    line: &'line str,
    vocabulary: &Vocabulary,
    unlisted: UnlistedLanguage,
    ids: &mut Vec<u32>,
) -> &'line str {
    let Some(token) = language_token(line) else { return line };
    // Some models have it as a control piece, which text alone never becomes.
    let known =
        |id: &u32| matches!(vocabulary.roles[*id as usize], TokenRole::Text | TokenRole::Control);
    let speaks = || vocabulary.tokens.iter().any(|token| language_token(token) == Some(token));
    match vocabulary.id(token).filter(known) {
        Some(id) => ids.push(id),
        None if unlisted == UnlistedLanguage::Unknown && speaks() => ids.push(vocabulary.unknown),
        None => return line,
    }
    &line[token.len()..]
}

fn listed_surface<'text>(
    id: u32,
    vocabulary: &'text Vocabulary,
    model: &'text SentencePieceModel,
    numbers: &Numbers,
) -> Surface<'text> {
    match vocabulary.roles[id as usize] {
        TokenRole::Unknown => Surface::Literal(&model.parts().unknown_surface),
        TokenRole::End | TokenRole::Control => Surface::Nothing,
        TokenRole::Byte(byte) => Surface::Byte(byte),
        TokenRole::Text => match numbers.pieces_of_tokens[id as usize] {
            NONE => Surface::Piece(&vocabulary.tokens[id as usize]),
            piece => model.surface(piece).unwrap_or(Surface::Nothing),
        },
    }
}

/// Tokens with spaces between them, but none behind those that end with `separator` (if it is not
/// empty), which is taken away.
fn joined(ids: &[u32], vocabulary: &Vocabulary, separator: &str) -> String {
    let mut text = String::new();
    let mut needs_space = false;
    for &id in ids {
        if matches!(vocabulary.roles[id as usize], TokenRole::End | TokenRole::Control) {
            continue;
        }
        if needs_space {
            text.push(' ');
        }
        let token = vocabulary.tokens[id as usize].as_str();
        let continued = if separator.is_empty() { None } else { token.strip_suffix(separator) };
        text.push_str(continued.unwrap_or(token));
        needs_space = continued.is_none();
    }
    text
}
