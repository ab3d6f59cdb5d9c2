//! Other toolkits, a room each: how a model is found, where each weight lies, how its settings read, what stands in the way
//! of writing it.

use std::path::{Path, PathBuf};

use wdistill_base::{Problem, folder_of};

use crate::error::FormatError;
use crate::native;

mod findings;
mod obstacles;
mod options;
mod padding;
mod place;
mod pytorch;
mod sinusoids;
pub(crate) mod subwords;
mod toolkit;
mod words;

pub use findings::Foreign;
pub use obstacles::Obstacles;
pub use options::{ActivationFactors, ExportOptions, Extra, ImportOptions, Numbers, Subwords};
pub use place::{ArrayPlace, Layout};
pub use toolkit::{Detection, Toolkit};
pub use words::{Side, Words};

/// Declares the rooms, a constant for each, and the list of all.
macro_rules! toolkits {
    ($($(#[$about:meta])* $name:ident = $room:ident::$toolkit:ident,)*) => {
        $(mod $room;)*
        $($(#[$about])* pub const $name: &dyn Toolkit = &$room::$toolkit;)*
        /// All toolkits. Where a folder is known by names of two, the first of them has it.
        pub const TOOLKITS: &[&dyn Toolkit] = &[$($name),*];
    };
}

toolkits! {
    /// CTranslate2.
    CTRANSLATE2 = ctranslate2::CTranslate2,
    /// MarianMT of Hugging Face's `transformers`, as OPUS-MT models are published.
    HUGGING_FACE = huggingface::HuggingFace,
    /// Bergamot, with the folders of Firefox and the archives of translateLocally.
    BERGAMOT = bergamot::Bergamot,
    /// Marian.
    MARIAN = marian::Marian,
    /// fairseq.
    FAIRSEQ = fairseq::Fairseq,
}

/// Whose model a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder of wdistill ([`native`]).
    Wdistill,
    /// A model of another toolkit.
    Other(&'static dyn Toolkit),
}

impl Format {
    /// The name as its users write it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Wdistill => "wdistill",
            Format::Other(toolkit) => toolkit.name(),
        }
    }

    /// Looks at a file or folder.
    ///
    /// # Errors
    /// [`FormatError::NoModel`] if it is none, [`FormatError::Io`].
    pub fn detect(path: &Path) -> Result<Format, FormatError> {
        Ok(Format::find(path)?.0)
    }

    /// Whose model it is, and its file, or its folder if that is the model.
    pub(crate) fn find(path: &Path) -> Result<(Format, PathBuf), FormatError> {
        let none = |reason: Problem| FormatError::NoModel { path: path.to_path_buf(), reason };
        if !path.exists() {
            return Err(none("it does not exist".into()));
        }
        let folder = if path.is_dir() { path } else { folder_of(path) };
        let is_of_native = path.is_dir()
            || [native::CONFIG_FILE, native::WEIGHTS_FILE].iter().any(|name| path.ends_with(name));
        if is_of_native && native::is_folder_of(folder) {
            return Ok((Format::Wdistill, folder.to_path_buf()));
        }
        let mut by_extension = Vec::new();
        let mut has_several = false;
        // All are asked before the first has it: one may know that a file of another's name is its own.
        let detections: Vec<Detection> =
            TOOLKITS.iter().map(|toolkit| toolkit.detect(path)).collect::<Result<_, _>>()?;
        for (toolkit, detection) in TOOLKITS.iter().copied().zip(detections) {
            match detection {
                Detection::ByName(found) => return Ok((Format::Other(toolkit), found)),
                Detection::ByExtension(found) => by_extension.push((Format::Other(toolkit), found)),
                Detection::Several => has_several = true,
                Detection::Nothing => {}
            }
        }
        match (by_extension.len(), has_several) {
            (1, false) => Ok(by_extension.remove(0)),
            (0, false) => {
                let known: Vec<String> = TOOLKITS
                    .iter()
                    .map(|toolkit| format!("{} ({})", toolkit.known_by(), toolkit.name()))
                    .collect();
                Err(none(format!("expected config.toml (wdistill), {}", known.join(", ")).into()))
            }
            _ => Err(none(Problem::with_hint(
                "it holds several models",
                "give the path of one file",
            ))),
        }
    }
}

/// The toolkit of this name on a command line.
pub fn toolkit(key: &str) -> Option<&'static dyn Toolkit> {
    TOOLKITS.iter().copied().find(|toolkit| toolkit.key() == key)
}
