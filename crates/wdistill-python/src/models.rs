//! Models of other toolkits.

use std::path::PathBuf;

use pyo3::prelude::*;
use wdistill::model::Languages;
use wdistill::{ImportOptions, Imported, ModelFolder, Numbers, Problem, Subwords, toolkit};

use crate::errors::{raise, unknown};
use crate::waiting::without_lock;

/// Reads a model of another toolkit, writes it as a model folder, and returns what its user should know.
#[pyfunction]
#[pyo3(signature = (path, out, *, subwords=None, target_subwords=None, vocabulary=None, target_vocabulary=None,
    languages=None))]
// Python's keyword arguments are the options.
#[allow(clippy::too_many_arguments)]
pub fn import_model(
    py: Python<'_>,
    path: PathBuf,
    out: PathBuf,
    subwords: Option<PathBuf>,
    target_subwords: Option<PathBuf>,
    vocabulary: Option<PathBuf>,
    target_vocabulary: Option<PathBuf>,
    languages: Option<(String, String)>,
) -> PyResult<Vec<String>> {
    let subwords_of = |given: Option<PathBuf>| {
        given.map(|given| match given.to_str() {
            Some("whitespace") => Subwords::Whitespace,
            _ => Subwords::File(given),
        })
    };
    let options = ImportOptions {
        subwords: subwords_of(subwords),
        target_subwords: subwords_of(target_subwords),
        vocabulary,
        target_vocabulary,
        ..ImportOptions::default()
    };
    let languages = languages.map(|(source, target)| Languages::new(&source, &target)).transpose();
    let languages = languages.map_err(|problem| raise(&problem))?;
    let work = move || -> Result<Vec<Problem>, Problem> {
        let imported = wdistill::import(&path, &options).map_err(|error| Problem::of(&error))?;
        let Imported { folder: mut model, notes, .. } = imported;
        let config = &mut model.model.config;
        config.languages = languages.or(config.languages.take());
        model.save(&out).map_err(|error| Problem::of(&error))?;
        Ok(notes.into_iter().map(Problem::from).collect())
    };
    said(without_lock(py, work, || {})?)
}

/// Writes a model folder for another toolkit, and returns what its user should know.
#[pyfunction]
#[pyo3(signature = (path, out, *, format, quantize=None))]
pub fn export_model(
    py: Python<'_>,
    path: PathBuf,
    out: PathBuf,
    format: &str,
    quantize: Option<&str>,
) -> PyResult<Vec<String>> {
    let expected = "\"ctranslate2\", \"huggingface\" or \"marian\"";
    let toolkit = toolkit(format).ok_or_else(|| unknown("format", format, expected))?;
    let numbers = match quantize {
        None => Numbers::Float32,
        Some("int8") => Numbers::Int8,
        Some(other) => return Err(unknown("quantize", other, "\"int8\" or None")),
    };
    let work = move || -> Result<Vec<Problem>, Problem> {
        let model = ModelFolder::load(&path).map_err(|error| Problem::of(&error))?;
        wdistill::export(&model, toolkit, numbers, &out).map_err(|error| Problem::of(&error))
    };
    said(without_lock(py, work, || {})?)
}

fn said(notes: Result<Vec<Problem>, Problem>) -> PyResult<Vec<String>> {
    let notes = notes.map_err(|problem| raise(&problem))?;
    Ok(notes.iter().map(Problem::in_lines).collect())
}
