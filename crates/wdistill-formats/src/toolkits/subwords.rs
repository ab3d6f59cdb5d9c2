//! How a text becomes words of a model's vocabulary: what was given, what the folder holds, or what to ask for.

use std::path::{Path, PathBuf};

use wdistill_base::Problem;
use wdistill_model::Vocabularies;
use wdistill_text::{SentencePieceModel, SubwordNmtCodes, TextError, TokenList, Vocabulary};

use super::options::{ImportOptions, Subwords};
use super::toolkit::Toolkit;
use super::words::Side;
use crate::error::FormatError;
use crate::files::{files_in, read_file};

/// How one side divides a text.
#[derive(Clone)]
pub(crate) enum Divider {
    SentencePiece(Box<SentencePieceModel>),
    /// The same, where its own numbers are the vocabulary's.
    SentencePieceAsIs(Box<SentencePieceModel>),
    SubwordNmt(SubwordNmtCodes),
    Whitespace,
}

/// What each side's text is divided by: what was given, what the folder holds, or what to ask for.
pub(crate) fn subwords(
    toolkit: &dyn Toolkit,
    folder: &Path,
    options: &ImportOptions,
    own_models: [Option<SentencePieceModel>; 2],
) -> Result<Result<[Divider; 2], Problem>, FormatError> {
    let given =
        [options.subwords.as_ref(), options.target_subwords.as_ref().or(options.subwords.as_ref())];
    let divider = |side: &str, given: Option<&Subwords>, own: Option<SentencePieceModel>| {
        Ok::<_, FormatError>(match (given, own) {
            (Some(Subwords::Whitespace), _) => Ok(Divider::Whitespace),
            (Some(Subwords::File(path)), _) => Ok(load_divider(path)?),
            (None, Some(model)) => Ok(Divider::SentencePieceAsIs(Box::new(model))),
            (None, None) => match find_divider(folder, side)? {
                Some(path) => Ok(load_divider(&path)?),
                None => Err(no_divider(toolkit, side)),
            },
        })
    };
    let [own_source, own_target] = own_models;
    let source = divider("source", given[0], own_source)?;
    let target = divider("target", given[1], own_target)?;
    Ok(source.and_then(|source| Ok([source, target?])))
}

fn no_divider(toolkit: &dyn Toolkit, side: &str) -> Problem {
    let expected = toolkit.subwords_expected(side);
    Problem::with_hint(
        format!(
            "nothing in the folder says how a {side} text is divided into words of the vocabulary ({expected})"
        ),
        "--subwords FILE with a SentencePiece model or codes of subword-nmt or fastBPE, or --subwords whitespace",
    )
}

/// A SentencePiece model or codes in a model's folder: of this side, or the only one.
fn find_divider(folder: &Path, side: &str) -> Result<Option<PathBuf>, FormatError> {
    let own = [format!("{side}.spm"), format!("{side}.codes"), format!("{side}.bpe")];
    if let Some(path) = own.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(Some(path));
    }
    let is_divider = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        [".spm", ".model", ".codes"].iter().any(|end| name.ends_with(end))
            || ["codes", "bpecodes", "bpe.codes"].contains(&name)
    };
    let found: Vec<PathBuf> = files_in(folder)?.into_iter().filter(is_divider).collect();
    Ok(match found.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    })
}

/// Models of SentencePiece have names of their own; codes are told from one of another name by its first byte,
/// the field of the first piece.
fn load_divider(path: &Path) -> Result<Divider, FormatError> {
    let bytes = read_file(path)?;
    let is_named =
        path.extension().is_some_and(|extension| extension == "spm" || extension == "model");
    Ok(if is_named || bytes.first() == Some(&0x0a) {
        Divider::SentencePiece(Box::new(SentencePieceModel::load(path)?))
    } else {
        Divider::SubwordNmt(SubwordNmtCodes::load(path)?)
    })
}

pub(crate) fn vocabulary(
    side: Side,
    divider: Divider,
    model: Option<&Vocabularies>,
) -> Result<Vocabulary, TextError> {
    let Side { tokens, end, unknown, mut controls, added } = side;
    controls.extend(model.and_then(|model| model.padding));
    controls.sort_unstable();
    controls.dedup();
    let list = TokenList { tokens, end, unknown, controls };
    match divider {
        Divider::SentencePieceAsIs(model) => Vocabulary::from_sentence_piece(*model),
        Divider::SentencePiece(model) => Vocabulary::from_sentence_piece_tokens(*model, list)
            .and_then(|vocabulary| vocabulary.with_added_tokens(&added)),
        Divider::SubwordNmt(codes) => Vocabulary::from_subword_nmt(codes, list),
        Divider::Whitespace => Vocabulary::from_words(list),
    }
}
