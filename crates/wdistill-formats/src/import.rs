//! Models of other toolkits, with their vocabularies.

use std::path::Path;

use wdistill_base::{Problem, folder_of};
use wdistill_text::{TextError, Vocabulary, VocabularyPair};

use crate::error::{FormatError, ImportProblem};
use crate::model_folder::ModelFolder;
use crate::toolkits::subwords::{Divider, subwords, vocabulary};
use crate::toolkits::{Foreign, Format, ImportOptions};

/// A model of another toolkit.
pub struct Imported {
    /// Whose it was.
    pub format: Format,
    /// The model and its vocabularies.
    pub folder: ModelFolder,
    /// What its user should know: conventions that were found, and what became different.
    pub notes: Vec<String>,
}

/// Reads the model of another toolkit, with its vocabularies.
///
/// # Errors
/// [`FormatError::NoModel`] if there is none; [`FormatError::Malformed`] if a file is damaged;
/// [`FormatError::Import`] with everything that stands in the way, what has to be asked for included;
/// [`FormatError::Text`] if a vocabulary cannot be read.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, FormatError> {
    let (format, file) = Format::find(path)?;
    let Format::Other(toolkit) = format else {
        return Err(FormatError::NothingToImport { path: path.to_path_buf() });
    };
    let folder = if file.is_dir() { file.as_path() } else { folder_of(&file) };
    let own_models = toolkit.own_subwords(&file, options)?;
    let subwords = subwords(toolkit, folder, options, own_models)?;
    let (foreign, [source, target]) = match (toolkit.read(&file, options), subwords) {
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
    let Foreign { mut model, words, mut notes } = foreign;
    let languages = &mut model.config.languages;
    *languages = options.languages.clone().or(languages.take());
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
            problems: vec![ImportProblem::Property(
                Problem::of(&error).at(format!("vocabulary of the {side}")),
            )],
        })
    };
    let source = named("source", vocabulary(words.source, source, None))?;
    let target = named("target", vocabulary(words.target, target, Some(&vocabularies)))?;
    let folder = ModelFolder { model, vocabularies: VocabularyPair { source, target } };
    Ok(Imported { format, folder, notes })
}
