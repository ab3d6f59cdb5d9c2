//! Bergamot, the engine of Firefox and translateLocally (`browsermt/marian-dev`, a fork of Marian).
//!
//! Names, settings and vocabularies are Marian's. The file of weights is of another dialect of int8 ([`items`]), with embeddings
//! in int8 too, and with a factor for the inputs of each product, which Marian computes anew each time. A folder is what
//! Firefox has, and holds the archive that translateLocally takes.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wdistill_base::folder_of;
use wdistill_model::{Architecture, Languages, Slot};
use wdistill_text::SentencePieceModel;

use super::findings::Foreign;
use super::marian;
use super::obstacles::Obstacles;
use super::options::{ExportOptions, Extra, ImportOptions, Numbers};
use super::place::ArrayPlace;
use super::toolkit::{Detection, Toolkit};
use crate::error::FormatError;
use crate::files::{files_in, items, read_optional};
use crate::model_folder::ModelFolder;

mod names;
mod package;
mod write;

const FORMAT: &str = "a Bergamot model";

/// What Firefox says about a model.
const METADATA_FILE: &str = "metadata.json";

/// Bergamot.
pub struct Bergamot;

/// Whether a file is called as Firefox and translateLocally call a model's.
fn has_name_of_model(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("model.") && name.contains(".intgemm") && name.ends_with(".bin")
}

/// The languages that the metadata beside a model name, if there is such a file.
fn languages(path: &Path) -> Option<Languages> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        source_language: String,
        target_language: String,
    }
    let bytes = read_optional(&folder_of(path).join(METADATA_FILE)).ok()??;
    let Metadata { source_language, target_language } = serde_json::from_slice(&bytes).ok()?;
    Languages::new(&source_language, &target_language).ok()
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
        let files = if path.is_dir() { files_in(path)? } else { vec![path.to_path_buf()] };
        let mut models: Vec<PathBuf> = Vec::new();
        for file in files.into_iter().filter(|file| has_name_of_model(file)) {
            if file.is_file() && items::is_one(&file)? {
                models.push(file);
            }
        }
        Ok(match models.as_slice() {
            [] => Detection::Nothing,
            [model] => Detection::ByName(model.clone()),
            _ => Detection::Several,
        })
    }

    fn place(&self, slot: Slot, architecture: &Architecture) -> ArrayPlace {
        marian::place(slot, architecture)
    }

    fn read(&self, path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
        let mut foreign = marian::Marian.read(path, options)?;
        foreign.model.config.languages = languages(path);
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
        &[Extra::Shortlist, Extra::Activations]
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
