//! What a toolkit is, so that its models can be read and written.

use std::fmt;
use std::path::{Path, PathBuf};

use wdistill_model::{Architecture, Slot};
use wdistill_text::SentencePieceModel;

use super::findings::Foreign;
use super::obstacles::Obstacles;
use super::options::{ExportOptions, Extra, ImportOptions, Numbers};
use super::place::ArrayPlace;
use crate::error::FormatError;
use crate::files::files_in;
use crate::model_folder::ModelFolder;

/// What a path holds of a toolkit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    /// Nothing.
    Nothing,
    /// A model, its file or its folder, told by a name that only this toolkit gives.
    ByName(PathBuf),
    /// A model's file, told by its extension.
    ByExtension(PathBuf),
    /// Several models' files.
    Several,
}

impl Detection {
    /// Of a path that is a model's file, or a folder with such files; `found` says by what one is known.
    ///
    /// # Errors
    /// Those of `is_model`, or [`FormatError::Io`].
    pub(crate) fn of_files(
        path: &Path,
        is_model: impl Fn(&Path) -> Result<bool, FormatError>,
        found: fn(PathBuf) -> Detection,
    ) -> Result<Detection, FormatError> {
        let files = if path.is_dir() { files_in(path)? } else { vec![path.to_path_buf()] };
        let mut models = Vec::new();
        for file in files {
            if file.is_file() && is_model(&file)? {
                models.push(file);
            }
        }
        Ok(match models.len() {
            0 => Detection::Nothing,
            1 => found(models.remove(0)),
            _ => Detection::Several,
        })
    }
}

/// Another toolkit: how its models are found and read, where each weight lies in them, and how they are written.
///
/// A toolkit is a folder below `toolkits/` and a line in the list there.
pub trait Toolkit: Sync {
    /// The name as its users write it.
    fn name(&self) -> &'static str;

    /// The name on a command line.
    fn key(&self) -> &'static str;

    /// A model of it in words, such as `a Marian model`.
    fn model_name(&self) -> &'static str;

    /// By what a model of it is known.
    fn known_by(&self) -> &'static str;

    /// Looks at a file or folder that is there.
    ///
    /// # Errors
    /// [`FormatError::Io`], or [`FormatError::NoModel`] for a model that is known not to be readable.
    fn detect(&self, path: &Path) -> Result<Detection, FormatError>;

    /// Where a slot lies in a model of this architecture, as the newest version has it. The match over slots has no
    /// arm for the rest, so that a new slot has to be given its place.
    fn place(&self, slot: Slot, architecture: &Architecture) -> ArrayPlace;

    /// Reads what [`detect`](Toolkit::detect) found.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], or [`FormatError::Import`] with everything that stands in the way.
    fn read(&self, path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError>;

    /// SentencePiece models of source and target that are the vocabularies themselves; most toolkits have lists.
    ///
    /// # Errors
    /// Those of the files.
    fn own_subwords(
        &self,
        _path: &Path,
        _options: &ImportOptions,
    ) -> Result<[Option<SentencePieceModel>; 2], FormatError> {
        Ok([None, None])
    }

    /// Files that say how a text of a side is divided into words of the vocabulary.
    fn subwords_expected(&self, side: &str) -> String {
        format!("{side}.spm, or one .spm, .model or codes")
    }

    /// What a model can be written with; nothing if it is only read.
    fn numbers(&self) -> &'static [Numbers] {
        &[]
    }

    /// How Hugging Face's hub calls the program that a folder is for.
    fn library_name(&self) -> &'static str {
        self.key()
    }

    /// What can be written beside the weights.
    fn extras(&self) -> &'static [Extra] {
        &[]
    }

    /// Which models can be written, in a few words.
    fn takes(&self) -> &'static str {
        ""
    }

    /// What stands in the way of writing a model like this, and what its user should know.
    fn obstacles(&self, _given: &ModelFolder, _options: &ExportOptions) -> Obstacles {
        let problems = vec![format!("models of {} are read, and not written", self.name()).into()];
        Obstacles { problems, notes: Vec::new() }
    }

    /// Writes a model without [`obstacles`](Toolkit::obstacles) into a folder that is there.
    ///
    /// # Errors
    /// [`FormatError::Io`], [`FormatError::Text`], or [`FormatError::Export`] for what cannot be written after all.
    fn write(
        &self,
        given: &ModelFolder,
        options: &ExportOptions,
        _folder: &Path,
    ) -> Result<(), FormatError> {
        let Obstacles { problems, .. } = self.obstacles(given, options);
        Err(FormatError::Export { format: self.model_name(), problems })
    }
}

impl fmt::Debug for dyn Toolkit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn Toolkit {
    fn eq(&self, other: &dyn Toolkit) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Toolkit {}
