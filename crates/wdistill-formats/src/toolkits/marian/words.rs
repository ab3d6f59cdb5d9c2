//! The vocabularies of a model of Marian.

use std::path::{Path, PathBuf};

use wdistill_base::folder_of;
use wdistill_text::SentencePieceModel;

use crate::error::FormatError;
use crate::files::{files_in, read_file, read_optional, yaml};
use crate::toolkits::options::ImportOptions;
use crate::toolkits::words::{self as lists, Side, WordReader, Words, not_words};

/// The vocabularies that were given, that `decoder.yml` names, or that the folder holds.
pub(crate) fn read(
    file: &Path,
    options: &ImportOptions,
) -> Result<(Words, [Option<SentencePieceModel>; 2]), FormatError> {
    let [source, target] = match (&options.vocabulary, &options.target_vocabulary) {
        (Some(source), None) => [source.clone(), source.clone()],
        (Some(source), Some(target)) => [source.clone(), target.clone()],
        (None, _) => find(file)?,
    };
    let side = |path: &Path| {
        if path.extension().is_some_and(|extension| extension == "spm") {
            let model = SentencePieceModel::load(path)?;
            let tokens = model.parts().pieces.iter().map(|piece| piece.text.clone()).collect();
            let side = Side::new(tokens, "</s>", "<unk>");
            return Ok((side.map_err(|reason| not_words(path, reason))?, Some(model)));
        }
        let read: WordReader = match path.extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") => lists::yaml,
            Some("json") => lists::json,
            _ => lists::lines,
        };
        let side = Side::new(read_words(path, read)?, "</s>", "<unk>");
        Ok::<_, FormatError>((side.map_err(|reason| not_words(path, reason))?, None))
    };
    let (source, source_model) = side(&source)?;
    let (target, target_model) = side(&target)?;
    Ok((Words { source, target }, [source_model, target_model]))
}

fn find(file: &Path) -> Result<[PathBuf; 2], FormatError> {
    let folder = folder_of(file);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!("{name}.decoder.yml"));
    // translateLocally has another name for the same settings.
    let names = ["decoder.yml", "config.intgemm8bitalpha.yml"].map(|name| folder.join(name));
    for settings in names.into_iter().chain([beside]) {
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
    // As models of Firefox have them, where there are two.
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let side = |start: &str| lists.iter().find(|path| name(path).starts_with(start));
    let other = "--vocabulary and --target-vocabulary name the vocabularies".to_string();
    let missing = |path: PathBuf| FormatError::NoVocabulary { path, other: other.clone() };
    match (side("srcvocab"), side("trgvocab"), lists.as_slice()) {
        (Some(source), Some(target), [_, _]) => Ok([(*source).clone(), (*target).clone()]),
        (Some(source), None, _) => {
            Err(missing(folder.join(name(source).replacen("srcvocab", "trgvocab", 1))))
        }
        (None, Some(target), _) => {
            Err(missing(folder.join(name(target).replacen("trgvocab", "srcvocab", 1))))
        }
        (None, None, [only]) => Ok([(*only).clone(), (*only).clone()]),
        // A file that is packed is none yet.
        _ => {
            let other = format!("a vocab.*.spm that is unpacked, or {other}");
            Err(FormatError::NoVocabulary { path: folder.join("decoder.yml"), other })
        }
    }
}

fn read_words(path: &Path, read: WordReader) -> Result<Vec<String>, FormatError> {
    read(&read_file(path)?).map_err(|reason| not_words(path, reason))
}
