//! Folders that hold a model, whole.

use std::path::Path;

#[cfg(feature = "toolkits")]
use wdistill_base::atomic_write;
use wdistill_base::{FileError, Folder, write_folder};
use wdistill_model::{Config, Dense, Int8, Model};
#[cfg(feature = "toolkits")]
use wdistill_report::{CARD_FILE, card_for, is_unchanged_card};
use wdistill_text::{SOURCE_FILE, TARGET_FILE, VocabularyPair};

use crate::error::FormatError;
#[cfg(feature = "toolkits")]
use crate::files::read_optional;
use crate::native::{self, Stored};

/// What a model folder holds: a model, and the vocabularies of both sides.
///
/// `M` is a [`Model`] with float32 weights, one with int8 weights, or [`Stored`], which is either.
pub struct ModelFolder<M = Model<Dense<f32>>> {
    /// What it computes.
    pub model: M,
    /// How it reads source text and writes target text.
    pub vocabularies: VocabularyPair,
}

impl ModelFolder {
    /// Reads a folder with float32 weights.
    ///
    /// # Errors
    /// As [`native::load`]; [`FormatError::Text`] and [`FormatError::ForeignVocabulary`] for the vocabularies.
    pub fn load(folder: &Path) -> Result<ModelFolder, FormatError> {
        let model = native::load(folder)?;
        let vocabularies = load_vocabularies(folder, &model.config)?;
        Ok(ModelFolder { model, vocabularies })
    }

    /// Writes the folder, new or in place of a model that is there.
    ///
    /// # Errors
    /// As [`native::save`], [`FormatError::Text`].
    pub fn save(&self, folder: &Path) -> Result<(), FormatError> {
        save_model(&self.model, &self.vocabularies, folder)
    }
}

impl ModelFolder<Model<Int8>> {
    /// Writes the folder, new or in place of a model that is there.
    ///
    /// # Errors
    /// As [`native::save_int8`], [`FormatError::Text`].
    pub fn save(&self, folder: &Path) -> Result<(), FormatError> {
        write_model_folder(folder, |folder| {
            native::save_int8(&self.model, folder)?;
            Ok(self.vocabularies.save(folder)?)
        })
    }
}

impl ModelFolder<Stored> {
    /// Reads a folder, whatever its weights are.
    ///
    /// # Errors
    /// As [`native::load_any`]; [`FormatError::Text`] and [`FormatError::ForeignVocabulary`] for the vocabularies.
    pub fn load_any<'a>(folder: impl Into<Folder<'a>>) -> Result<ModelFolder<Stored>, FormatError> {
        let folder = folder.into();
        let model = native::load_any(folder)?;
        let vocabularies = load_vocabularies(folder, model.config())?;
        Ok(ModelFolder { model, vocabularies })
    }
}

/// Takes a model's card along into another folder of the same model, which is for the program of this name. A model without a
/// card has none there either, and a file of that name that somebody else wrote stays.
///
/// # Errors
/// [`FormatError::Io`].
#[cfg(feature = "toolkits")]
pub fn carry_card(from: &Path, to: &Path, library: &str) -> Result<(), FormatError> {
    let Some(bytes) = read_optional(&from.join(CARD_FILE))? else { return Ok(()) };
    let there = read_optional(&to.join(CARD_FILE))?;
    let is_others = |there: Vec<u8>| !is_unchanged_card(&String::from_utf8_lossy(&there));
    if there.is_some_and(is_others) {
        return Ok(());
    }
    let card = card_for(&String::from_utf8_lossy(&bytes), library);
    Ok(atomic_write(&to.join(CARD_FILE), card.as_bytes())?)
}

/// Writes a model and the vocabularies that it belongs to, as [`ModelFolder::save`] does.
///
/// # Errors
/// As [`native::save`], [`FormatError::Text`].
pub fn save_model(
    model: &Model<Dense<f32>>,
    vocabularies: &VocabularyPair,
    folder: &Path,
) -> Result<(), FormatError> {
    write_model_folder(folder, |folder| {
        native::save(model, folder)?;
        Ok(vocabularies.save(folder)?)
    })
}

/// Reads the vocabularies of a model's folder, and checks that they are the model's.
///
/// # Errors
/// [`FormatError::Text`], and [`FormatError::ForeignVocabulary`] for one of another size.
pub fn load_vocabularies<'a>(
    folder: impl Into<Folder<'a>>,
    config: &Config,
) -> Result<VocabularyPair, FormatError> {
    let folder = folder.into();
    let vocabularies = VocabularyPair::load(folder)?;
    let sides = [
        (SOURCE_FILE, vocabularies.source.size(), config.vocabularies.source),
        (TARGET_FILE, vocabularies.target.size(), config.vocabularies.target),
    ];
    match sides.into_iter().find(|(_, found, expected)| found != expected) {
        None => Ok(vocabularies),
        Some((file, found, expected)) => {
            Err(FormatError::ForeignVocabulary { path: folder.path(file), found, expected })
        }
    }
}

/// Writes the folder of a model, of whatever toolkit: a reader sees the old model or the new one.
///
/// # Errors
/// Those of `write`, and a [`FileError`]; nothing is then left of a new folder, or the old one is as it was.
pub fn write_model_folder<T, E: From<FileError>>(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    write_folder(folder, turn, write)
}

/// What a folder is taken for a model by comes last. A folder of Hugging Face is one with `config.json` and its weights.
fn turn(name: &str) -> u32 {
    match name {
        "model.safetensors" => 1,
        "config.toml" | "model.bin" => 2,
        name if name.ends_with(".npz") => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_model_comes_last() {
        let mut names =
            ["config.toml", "source.vocabulary.json", "model.safetensors", "source.spm"];
        names.sort_by_key(|name| (turn(name), *name));
        assert_eq!(
            names,
            ["source.spm", "source.vocabulary.json", "model.safetensors", "config.toml"]
        );
    }
}
