//! Bergamot, the engine of Firefox and translateLocally (`browsermt/marian-dev`, a fork of Marian).
//!
//! Names, settings and vocabularies are Marian's. The file of weights is of another dialect of int8 ([`items`]), with embeddings
//! in int8 too, and with a factor for the inputs of each product, which Marian computes anew each time. A folder is what
//! Firefox has, and holds the archive that translateLocally takes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wdistill_base::{Problem, folder_of};
use wdistill_model::{Architecture, Languages, Slot};
use wdistill_text::SentencePieceModel;

use super::findings::Foreign;
use super::marian;
use super::obstacles::Obstacles;
use super::options::{ExportOptions, Extra, ImportOptions, Numbers};
use super::place::ArrayPlace;
use super::toolkit::{Detection, Toolkit};
use crate::error::FormatError;
use crate::files::{items, read_optional};
use crate::model_folder::ModelFolder;

mod names;
mod package;
mod write;

const FORMAT: &str = "a Bergamot model";

/// What Firefox says about a model.
const METADATA_FILE: &str = "metadata.json";

/// What translateLocally says about a model.
const INFO_FILE: &str = "model_info.json";

/// Bergamot.
pub struct Bergamot;

/// Whether a file is called as Firefox and translateLocally call a model's.
fn has_name_of_model(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("model.") && name.contains(".intgemm") && name.ends_with(".bin")
}

/// The languages that the metadata beside a model names: Firefox's, or else translateLocally's.
///
/// # Errors
/// [`FormatError::Malformed`] with what is wrong in the file.
fn languages(path: &Path) -> Result<Option<Languages>, FormatError> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "sourceLanguage")]
        source: String,
        #[serde(rename = "targetLanguage")]
        target: String,
    }
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "srcTags")]
        sources: BTreeMap<String, String>,
        #[serde(rename = "trgTag")]
        target: String,
    }
    let folder = folder_of(path);
    if let Some(Metadata { source, target }) = read_json(&folder.join(METADATA_FILE))? {
        return named(&folder.join(METADATA_FILE), &source, &target).map(Some);
    }
    match read_json::<Info>(&folder.join(INFO_FILE))? {
        Some(Info { sources, target }) if sources.len() == 1 => {
            let source = sources.keys().next().expect("it has one");
            named(&folder.join(INFO_FILE), source, &target).map(Some)
        }
        _ => Ok(None),
    }
}

fn named(path: &Path, source: &str, target: &str) -> Result<Languages, FormatError> {
    Languages::new(source, target).map_err(|problem| malformed(path, problem))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FormatError> {
    let Some(bytes) = read_optional(path)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| malformed(path, error.to_string().into()))
}

fn malformed(path: &Path, reason: Problem) -> FormatError {
    FormatError::Malformed { path: path.to_path_buf(), format: "metadata of a model", reason }
}

impl Toolkit for Bergamot {
    fn name(&self) -> &'static str {
        "Bergamot"
    }

    fn key(&self) -> &'static str {
        "bergamot"
    }

    fn model_name(&self) -> &'static str {
        FORMAT
    }

    fn known_by(&self) -> &'static str {
        "model.*.intgemm*.bin"
    }

    fn detect(&self, path: &Path) -> Result<Detection, FormatError> {
        let is_model = |file: &Path| Ok(has_name_of_model(file) && items::is_one(file)?);
        Detection::of_files(path, is_model, Detection::ByName)
    }

    fn place(&self, slot: Slot, architecture: &Architecture) -> ArrayPlace {
        marian::place(slot, architecture)
    }

    fn read(&self, path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
        let mut foreign = marian::Marian.read(path, options)?;
        // Who names them need not read them.
        if options.languages.is_none() {
            foreign.model.config.languages = languages(path)?;
        }
        Ok(foreign)
    }

    fn own_subwords(
        &self,
        path: &Path,
        options: &ImportOptions,
    ) -> Result<[Option<SentencePieceModel>; 2], FormatError> {
        marian::Marian.own_subwords(path, options)
    }

    fn numbers(&self) -> &'static [Numbers] {
        &[Numbers::Int8]
    }

    fn extras(&self) -> &'static [Extra] {
        &[Extra::Shortlist, Extra::Activations, Extra::Languages]
    }

    fn takes(&self) -> &'static str {
        "models of one width that 64 divides, with norms after the sub-layers, in int8"
    }

    fn obstacles(&self, given: &ModelFolder, options: &ExportOptions) -> Obstacles {
        write::obstacles(given, options)
    }

    fn write(
        &self,
        given: &ModelFolder,
        options: &ExportOptions,
        folder: &Path,
    ) -> Result<(), FormatError> {
        write::write(given, options, folder)
    }
}
