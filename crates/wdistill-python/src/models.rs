//! Models of other toolkits.

use std::path::PathBuf;

use pyo3::prelude::*;
use wdistill::model::Languages;
use wdistill::{
    ImportOptions, Imported, ModelFolder, Numbers, Problem, Subwords, carry_card, export_options,
    toolkit,
};

use crate::errors::{raise, unknown};
use crate::waiting::without_lock;

/// Lines of a source text that are translated to learn how large activations become.
const SENTENCES: usize = 500;

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
    let languages = of_codes(languages)?;
    let options = ImportOptions {
        subwords: subwords_of(subwords),
        target_subwords: subwords_of(target_subwords),
        vocabulary,
        target_vocabulary,
        languages,
        ..ImportOptions::default()
    };
    let work = move || -> Result<Vec<Problem>, Problem> {
        let imported = wdistill::import(&path, &options).map_err(|error| Problem::of(&error))?;
        let Imported { folder: model, notes, .. } = imported;
        model.save(&out).map_err(|error| Problem::of(&error))?;
        Ok(notes.into_iter().map(Problem::from).collect())
    };
    said(without_lock(py, work, || {})?)
}

/// Writes a model folder for another toolkit, and returns what its user should know.
#[pyfunction]
#[pyo3(signature = (path, out, *, format, quantize=None, shortlist=None, source=None, languages=None))]
// Python's keyword arguments are the options.
#[allow(clippy::too_many_arguments)]
pub fn export_model(
    py: Python<'_>,
    path: PathBuf,
    out: PathBuf,
    format: &str,
    quantize: Option<&str>,
    shortlist: Option<PathBuf>,
    source: Option<PathBuf>,
    languages: Option<(String, String)>,
) -> PyResult<Vec<String>> {
    let expected = "\"bergamot\", \"ctranslate2\", \"huggingface\" or \"marian\"";
    let toolkit = toolkit(format).ok_or_else(|| unknown("format", format, expected))?;
    let numbers = match quantize {
        None => toolkit.numbers().first().copied().unwrap_or(Numbers::Float32),
        Some("int8") => Numbers::Int8,
        Some(other) => return Err(unknown("quantize", other, "\"int8\" or None")),
    };
    let languages = of_codes(languages)?;
    let work = move || -> Result<Vec<Problem>, Problem> {
        let mut folder = ModelFolder::load(&path).map_err(|error| Problem::of(&error))?;
        let config = &mut folder.model.config;
        config.languages = languages.or(config.languages.take());
        let source = source.as_deref().map(|path| (path, SENTENCES));
        let options = export_options(&folder, numbers, shortlist.as_deref(), source)?;
        let notes = wdistill::export(&folder, toolkit, &options, &out);
        let notes = notes.map_err(|error| Problem::of(&error))?;
        carry_card(&path, &out, toolkit.library_name()).map_err(|error| Problem::of(&error))?;
        Ok(notes)
    };
    said(without_lock(py, work, || {})?)
}

fn of_codes(codes: Option<(String, String)>) -> PyResult<Option<Languages>> {
    let languages = codes.map(|(source, target)| Languages::new(&source, &target));
    languages.transpose().map_err(|problem| raise(&problem))
}

fn said(notes: Result<Vec<Problem>, Problem>) -> PyResult<Vec<String>> {
    let notes = notes.map_err(|problem| raise(&problem))?;
    Ok(notes.iter().map(Problem::in_lines).collect())
}
