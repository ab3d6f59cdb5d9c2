//! Models of other toolkits, with their vocabularies.

use std::io::Read;
use std::path::{Path, PathBuf};

use wdistill_model::Vocabularies;
use wdistill_text::{
    SentencePieceModel, SubwordNmtCodes, TextError, TokenList, Vocabulary, VocabularyPair,
};

use crate::error::{FormatError, ImportProblem};
use crate::fairseq::Languages;
use crate::foreign::words::{self, Side, WordReader, Words};
use crate::foreign::{Foreign, ImportOptions, Subwords, read_file, read_optional, yaml};
use crate::model_folder::ModelFolder;
use crate::{ctranslate2, fairseq, huggingface, marian, native};
use wdistill_base::{FileError, folder_of};

/// Whose model a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder of wdistill ([`native`]).
    Wdistill,
    /// A MarianMT folder of Hugging Face, as OPUS-MT models are published.
    HuggingFace,
    /// A checkpoint of fairseq.
    Fairseq,
    /// A `.npz` model of Marian.
    Marian,
    /// A folder of CTranslate2.
    CTranslate2,
}

impl Format {
    /// The name as its users write it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Wdistill => "wdistill",
            Format::HuggingFace => "Hugging Face MarianMT",
            Format::Fairseq => "fairseq",
            Format::Marian => "Marian",
            Format::CTranslate2 => "CTranslate2",
        }
    }

    /// Looks at a file or folder.
    ///
    /// # Errors
    /// [`FormatError::NoModel`] if it is none of these, [`FormatError::Io`].
    pub fn detect(path: &Path) -> Result<Format, FormatError> {
        Ok(find(path)?.0)
    }
}

/// A model of another toolkit.
pub struct Imported {
    /// Whose it was.
    pub format: Format,
    /// The model and its vocabularies.
    pub folder: ModelFolder,
    /// What its user should know: conventions that were found, and what became different.
    pub notes: Vec<String>,
}

/// Reads the model of another toolkit, or one of wdistill without its vocabularies' files.
///
/// # Errors
/// [`FormatError::NoModel`] if there is none; [`FormatError::Malformed`] if a file is damaged;
/// [`FormatError::Import`] with everything that stands in the way, what has to be asked for included;
/// [`FormatError::Text`] if a vocabulary cannot be read.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, FormatError> {
    let (format, file) = find(path)?;
    let folder = match file.is_dir() {
        true => file.as_path(),
        false => folder_of(&file),
    };
    // Vocabularies of Marian may be SentencePiece models, which then divide the text too.
    let (marian_words, own_models) = match format {
        Format::Wdistill => return Err(FormatError::NothingToImport { path: path.to_path_buf() }),
        Format::Marian => {
            let (words, models) = marian_words(&file, folder, options)?;
            (Some(words), models)
        }
        Format::HuggingFace | Format::CTranslate2 | Format::Fairseq => (None, [None, None]),
    };
    let lengths = own_models.each_ref().map(|model| match model {
        Some(_) => marian::Length::OfTheVocabulary,
        None => marian::Length::OfTheModel,
    });
    let subwords = subwords(format, folder, options, own_models)?;
    let foreign = match (format, marian_words) {
        (_, Some(words)) => marian::read(&file, words, lengths),
        (Format::Fairseq, _) => {
            fairseq::read(&file, |languages| fairseq_words(languages, folder, options))
        }
        (Format::HuggingFace, _) => huggingface::read(folder),
        _ => ctranslate2::read(folder, options),
    };
    let (foreign, [source, target]) = match (foreign, subwords) {
        (Ok(foreign), Ok(subwords)) => (foreign, subwords),
        (Err(FormatError::Import { path, mut problems }), Err(more)) => {
            problems.push(ImportProblem::Property(more));
            return Err(FormatError::Import { path, problems });
        }
        (Err(error), _) => return Err(error),
        (Ok(_), Err(problem)) => {
            let problems = vec![ImportProblem::Property(problem)];
            return Err(FormatError::Import { path: path.to_path_buf(), problems });
        }
    };
    let Foreign { model, words, mut notes } = foreign;
    if matches!(source, Divider::SubwordNmt(_)) {
        notes.push(
            "its subwords are those of subword-nmt or fastBPE: a text has to be tokenised before, as it was for the training"
                .to_string(),
        );
    }
    let vocabularies = model.config.vocabularies;
    let named = |side: &str, result: Result<Vocabulary, TextError>| {
        result.map_err(|error| FormatError::Import {
            path: path.to_path_buf(),
            problems: vec![ImportProblem::Property(format!("vocabulary of the {side}: {error}"))],
        })
    };
    let source = named("source", vocabulary(words.source, source, None))?;
    let target = named("target", vocabulary(words.target, target, Some(&vocabularies)))?;
    let folder = ModelFolder { model, vocabularies: VocabularyPair { source, target } };
    Ok(Imported { format, folder, notes })
}

/// Whose model it is, and its file, or its folder if that is the model.
fn find(path: &Path) -> Result<(Format, PathBuf), FormatError> {
    let none = |reason: String| FormatError::NoModel { path: path.to_path_buf(), reason };
    let extension = |path: &Path| path.extension().and_then(|e| e.to_str()).map(str::to_string);
    refuse_marian_binary(path)?;
    if path.is_file() {
        let folder = folder_of(path);
        return match (extension(path).as_deref(), path.file_name().and_then(|name| name.to_str())) {
            (Some("npz"), _) => Ok((Format::Marian, path.to_path_buf())),
            (Some("pt"), _) => Ok((Format::Fairseq, path.to_path_buf())),
            (_, Some(ctranslate2::MODEL_FILE)) => Ok((Format::CTranslate2, folder.to_path_buf())),
            (_, Some(name)) if huggingface::is_weights_file(name) => find(folder),
            _ => Err(none("a file should be Marian's .npz or a checkpoint .pt of fairseq".into())),
        };
    }
    if !path.exists() {
        return Err(none("it does not exist".to_string()));
    }
    let has = |name: &str| path.join(name).is_file();
    if native::is_folder_of(path) {
        return Ok((Format::Wdistill, path.to_path_buf()));
    }
    if has(ctranslate2::MODEL_FILE) {
        return Ok((Format::CTranslate2, path.to_path_buf()));
    }
    if has(huggingface::CONFIG_FILE) && huggingface::WEIGHTS_FILES.iter().any(|name| has(name)) {
        return Ok((Format::HuggingFace, path.to_path_buf()));
    }
    let files = files_in(path)?;
    let of_kind = |kind: &str| -> Vec<&PathBuf> {
        files.iter().filter(|file| extension(file).as_deref() == Some(kind)).collect()
    };
    let marian: Vec<&PathBuf> = of_kind("npz")
        .into_iter()
        .filter(|file| !file.to_string_lossy().ends_with(".optimizer.npz"))
        .collect();
    let checkpoints = of_kind("pt");
    let best = checkpoints.iter().find(|file| file.ends_with("checkpoint_best.pt"));
    match (marian.as_slice(), checkpoints.as_slice(), best) {
        ([model], [], _) => Ok((Format::Marian, (*model).clone())),
        ([], [model], _) | ([], _, Some(model)) => Ok((Format::Fairseq, (*model).clone())),
        ([], [], _) => Err(none(
            "a folder should hold config.toml (wdistill), config.json with model.safetensors or \
             pytorch_model.bin, or an index of several such files (Hugging Face), model.bin (CTranslate2), a .npz (Marian) or a .pt (fairseq)"
                .to_string(),
        )),
        _ => Err(none("it holds several models; hint: give the path of one file".to_string())),
    }
}

/// What Marian's own binary models start with: a version of 8 bytes.
const MARIAN_BINARY: [u8; 8] = 1u64.to_le_bytes();

/// A `.bin` file, or a folder's model.bin, may be Marian's, which no other name of a file tells.
fn refuse_marian_binary(path: &Path) -> Result<(), FormatError> {
    let file = match path.is_dir() {
        true => path.join(ctranslate2::MODEL_FILE),
        false => path.to_path_buf(),
    };
    let is_binary = file.extension().is_some_and(|extension| extension == "bin") && file.is_file();
    if !is_binary || start_of(&file)? != Some(MARIAN_BINARY) {
        return Ok(());
    }
    Err(FormatError::NoModel {
        path: file,
        reason: "it is a binary model of Marian, whose .npz is read; hint: `marian-conv -f FILE.bin -t FILE.npz` \
                 makes one, unless its numbers are packed or int8"
            .to_string(),
    })
}

/// The first bytes of a file that has as many.
fn start_of(file: &Path) -> Result<Option<[u8; 8]>, FormatError> {
    let failed = |error| FileError::when("read", file)(error);
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(failed)?.take(8).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes.try_into().ok())
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let failed = |error| FileError::when("read", folder)(error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

/// How one side divides a text.
#[derive(Clone)]
enum Divider {
    SentencePiece(Box<SentencePieceModel>),
    /// The same, where its own numbers are the vocabulary's.
    SentencePieceAsIs(Box<SentencePieceModel>),
    SubwordNmt(SubwordNmtCodes),
    Whitespace,
}

/// What each side's text is divided by: what was given, what the folder holds, or what to ask for.
fn subwords(
    format: Format,
    folder: &Path,
    options: &ImportOptions,
    own_models: [Option<SentencePieceModel>; 2],
) -> Result<Result<[Divider; 2], String>, FormatError> {
    let given =
        [options.subwords.as_ref(), options.target_subwords.as_ref().or(options.subwords.as_ref())];
    let mut dividers = Vec::new();
    for ((side, given), own) in ["source", "target"].into_iter().zip(given).zip(own_models) {
        let divider = match (given, own) {
            (Some(Subwords::Whitespace), _) => Divider::Whitespace,
            (Some(Subwords::File(path)), _) => load_divider(path)?,
            (None, Some(model)) => Divider::SentencePieceAsIs(Box::new(model)),
            (None, None) => match find_divider(folder, side)? {
                Some(path) => load_divider(&path)?,
                None => return Ok(Err(no_divider(format, side))),
            },
        };
        dividers.push(divider);
    }
    let dividers: [Divider; 2] = dividers.try_into().unwrap_or_else(|_| unreachable!("two sides"));
    Ok(Ok(dividers))
}

fn no_divider(format: Format, side: &str) -> String {
    let expected = match format {
        Format::HuggingFace => format!("{side}.spm"),
        _ => format!("{side}.spm, or one .spm, .model or codes"),
    };
    format!(
        "nothing in the folder says how a {side} text is divided into words of the vocabulary ({expected}); \
         hint: --subwords FILE with a SentencePiece model or codes of subword-nmt or fastBPE, or --subwords whitespace"
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
    Ok(match is_named || bytes.first() == Some(&0x0a) {
        true => Divider::SentencePiece(Box::new(SentencePieceModel::load(path)?)),
        false => Divider::SubwordNmt(SubwordNmtCodes::load(path)?),
    })
}

fn vocabulary(
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

/// A dictionary for each language of a checkpoint.
fn fairseq_words(
    languages: Languages,
    folder: &Path,
    options: &ImportOptions,
) -> Result<Words, FormatError> {
    let path =
        |given: Option<&PathBuf>, language: Option<String>, side: &str| match (given, language) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(language)) => Ok(folder.join(format!("dict.{language}.txt"))),
            (None, None) => Err(FormatError::NoVocabulary {
                path: folder.join("dict.LANGUAGE.txt"),
                other: format!("--vocabulary and --target-vocabulary name the {side}'s dictionary"),
            }),
        };
    let source = path(options.vocabulary.as_ref(), languages.source, "source")?;
    let target = options.target_vocabulary.as_ref().or(options.vocabulary.as_ref());
    let target = path(target, languages.target, "target")?;
    let side = |path: PathBuf| {
        words::fairseq(&read_file(&path)?).map_err(|reason| not_words(&path, reason))
    };
    Ok(Words { source: side(source)?, target: side(target)? })
}

/// The vocabularies that were given, that `decoder.yml` names, or that the folder holds.
fn marian_words(
    file: &Path,
    folder: &Path,
    options: &ImportOptions,
) -> Result<(Words, [Option<SentencePieceModel>; 2]), FormatError> {
    let [source, target] = match (&options.vocabulary, &options.target_vocabulary) {
        (Some(source), None) => [source.clone(), source.clone()],
        (Some(source), Some(target)) => [source.clone(), target.clone()],
        (None, _) => find_marian_vocabularies(file, folder)?,
    };
    let side = |path: &Path| {
        if path.extension().is_some_and(|extension| extension == "spm") {
            let model = SentencePieceModel::load(path)?;
            let tokens = model.parts().pieces.iter().map(|piece| piece.text.clone()).collect();
            let side = Side::new(tokens, "</s>", "<unk>");
            return Ok((side.map_err(|reason| not_words(path, reason))?, Some(model)));
        }
        let read: WordReader = match path.extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") => words::yaml,
            Some("json") => words::json,
            _ => words::lines,
        };
        let side = Side::new(read_words(path, read)?, "</s>", "<unk>");
        Ok::<_, FormatError>((side.map_err(|reason| not_words(path, reason))?, None))
    };
    let (source, source_model) = side(&source)?;
    let (target, target_model) = side(&target)?;
    Ok((Words { source, target }, [source_model, target_model]))
}

fn find_marian_vocabularies(file: &Path, folder: &Path) -> Result<[PathBuf; 2], FormatError> {
    for settings in [folder.join("decoder.yml"), file.with_extension("npz.decoder.yml")] {
        let Some(bytes) = read_optional(&settings)? else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let entries = yaml::parse(&text).map_err(|reason| not_words(&settings, reason))?;
        let vocabs = entries.into_iter().find(|(name, _)| name == "vocabs");
        if let Some((_, yaml::Value::List(paths))) = vocabs
            && let [source, target] = paths.as_slice()
        {
            // Absolute paths of another machine are of no use; their names may be.
            let here = |path: &String| {
                let name = Path::new(path).file_name().unwrap_or_default();
                folder.join(name)
            };
            return Ok([here(source), here(target)]);
        }
    }
    let ends = |ends: &'static [&'static str]| {
        move |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.contains("vocab") && ends.iter().any(|end| name.ends_with(end))
        }
    };
    let files = files_in(folder)?;
    let lists: Vec<&PathBuf> =
        files.iter().filter(|path| ends(&[".yml", ".yaml", ".spm"])(path)).collect();
    match lists.as_slice() {
        [only] => Ok([(*only).clone(), (*only).clone()]),
        _ => Err(FormatError::NoVocabulary {
            path: folder.join("decoder.yml"),
            other: "--vocabulary and --target-vocabulary name the vocabularies".to_string(),
        }),
    }
}

fn read_words(path: &Path, read: WordReader) -> Result<Vec<String>, FormatError> {
    read(&read_file(path)?).map_err(|reason| not_words(path, reason))
}

fn not_words(path: &Path, reason: String) -> FormatError {
    FormatError::Malformed { path: path.to_path_buf(), format: "a vocabulary", reason }
}
