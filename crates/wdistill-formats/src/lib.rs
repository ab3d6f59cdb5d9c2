//! Model files: what wdistill writes to disk and reads back.
//!
//! * [`native`]: wdistill's own model folder, `config.toml` and `model.safetensors`.
//! * [`import`] and [`export`]: models of Hugging Face MarianMT, CTranslate2, Marian, Bergamot and fairseq, with
//!   their vocabularies, behind the feature `toolkits`, which is on by default.
//! * [`write_tensors`] and [`read_tensors`]: named float32 tensors in one safetensors file, for whatever
//!   else has tensors to keep (checkpoints, optimiser state).
//! * [`write_model_folder`]: a folder that is never seen half written.
//!
//! Every file is written under a temporary name next to its place, flushed to the disk, and renamed: a
//! reader sees the old file or the new one. Every problem found in a file is reported, not only the
//! first.
//!
//! ```
//! use wdistill_formats::native;
//! use wdistill_model::{Architecture, Config, Model, Vocabularies};
//!
//! let folder = tempfile::tempdir()?;
//! let config = Config::new(Architecture::preset("transformer-nano")?, Vocabularies::shared(20))?;
//! let model = Model::initialise(config, 1);
//! native::save(&model, folder.path())?;
//! assert!(native::load(folder.path())?.weights == model.weights);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
#[cfg(feature = "toolkits")]
mod export;
#[cfg(feature = "toolkits")]
mod files;
#[cfg(feature = "toolkits")]
mod import;
mod language_names;
mod model_folder;
pub mod native;
mod tensors;
#[cfg(feature = "toolkits")]
pub mod toolkits;

pub use error::{FormatError, TensorProblem};
#[cfg(feature = "toolkits")]
pub use export::{check_export, export};
#[cfg(feature = "toolkits")]
pub use import::{Imported, import};
pub use language_names::{detectable_code, language_name, three_letters};
#[cfg(feature = "toolkits")]
pub use model_folder::carry_card;
pub use model_folder::{ModelFolder, load_vocabularies, save_model, write_model_folder};
pub use tensors::{Metadata, Tensor, read_tensors, write_tensors};
#[cfg(feature = "toolkits")]
pub use toolkits::{
    ActivationFactors, ExportOptions, Extra, Format, ImportOptions, Numbers, Subwords, TOOLKITS,
    Toolkit, toolkit,
};
