//! Making the folder of a run smaller.

use std::fs;
use std::path::{Path, PathBuf};

use wdistill_base::{FileError, Problem, remove};
use wdistill_train::KEPT_WHILE_TRAINING;

use crate::error::PipelineError;
use crate::run_folder::RunFolder;
use crate::stage::{is_finished, is_stage};

/// What stays in the folder of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Everything that the run needs to go on, or to be told that nothing changed.
    Run,
    /// Models, vocabularies, the recipe and the report; the same run again would begin anew.
    Models,
}

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is.
    CarriedOut,
    /// It is only told.
    Told,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Files and folders, below the folder of the run.
    pub paths: Vec<PathBuf>,
    /// How large they are together.
    pub bytes: u64,
}

/// What a stage of training leaves that is of use without the run.
const MODEL: &str = "model";

/// What a run leaves besides its stages' models that is of use without it.
const KEPT_WITH_MODELS: &[&str] =
    &["lock", "recipe.toml", "report.html", "report.json", "vocabulary"];

/// Removes from the folder of a run what it does not need any more.
///
/// With [`Stay::Run`] these are checkpoints, snapshots and best models of finished trainings; one that is not finished
/// keeps them, since it goes on from there.
///
/// # Errors
/// [`PipelineError::Settings`] if only models are to stay and a stage is not finished, before anything is removed;
/// [`PipelineError::Io`].
pub fn clean(folder: &RunFolder, keep: Stay, removal: Removal) -> Result<Cleaned, PipelineError> {
    let root = folder.path();
    let mut removed = Vec::new();
    match keep {
        Stay::Run => leftovers(root, &mut removed)?,
        Stay::Models => {
            let mut unfinished = Vec::new();
            besides_models(root, &mut removed, &mut unfinished)?;
            if !unfinished.is_empty() {
                let problem = |path: PathBuf| {
                    let fact = format!("{} is not finished", path.display());
                    Problem::with_hint(fact, "run it to its end, or remove its folder")
                };
                return Err(PipelineError::Settings {
                    place: root.display().to_string(),
                    problems: unfinished.into_iter().map(problem).collect(),
                });
            }
        }
    }
    let mut cleaned = Cleaned::default();
    for path in removed {
        cleaned.bytes += size(&path)?;
        if removal == Removal::CarriedOut {
            remove(&path).map_err(FileError::when("remove", &path))?;
        }
        cleaned.paths.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
    }
    Ok(cleaned)
}

/// What is in a folder, in the order of names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = list().map_err(FileError::when("read", folder))?;
    paths.sort();
    Ok(paths)
}

/// What finished trainings kept for going on.
fn leftovers(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), FileError> {
    if is_finished(folder) {
        let kept = KEPT_WHILE_TRAINING.iter().map(|name| folder.join(name));
        found.extend(kept.filter(|path| path.exists()));
    }
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        if !found.contains(&path) {
            leftovers(&path, found)?;
        }
    }
    Ok(())
}

/// Everything but models and what tells of them.
fn besides_models(
    root: &Path,
    found: &mut Vec<PathBuf>,
    unfinished: &mut Vec<PathBuf>,
) -> Result<(), FileError> {
    for path in entries(root)? {
        let is_kept = KEPT_WITH_MODELS.iter().any(|name| path.ends_with(name));
        if !is_kept {
            without_models(&path, found, unfinished)?;
        }
    }
    Ok(())
}

/// The same below a folder of stages; a folder without a model goes whole.
fn without_models(
    path: &Path,
    found: &mut Vec<PathBuf>,
    unfinished: &mut Vec<PathBuf>,
) -> Result<(), FileError> {
    if is_stage(path) && !is_finished(path) {
        unfinished.push(path.to_path_buf());
    }
    if !holds_model(path)? {
        found.push(path.to_path_buf());
        return Ok(());
    }
    for below in entries(path)?.into_iter().filter(|below| !below.ends_with(MODEL)) {
        without_models(&below, found, unfinished)?;
    }
    Ok(())
}

/// Whether a stage's model is somewhere below.
fn holds_model(path: &Path) -> Result<bool, FileError> {
    if !path.is_dir() || path.is_symlink() {
        return Ok(false);
    }
    for below in entries(path)? {
        if (is_stage(path) && below.ends_with(MODEL)) || holds_model(&below)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn size(path: &Path) -> Result<u64, FileError> {
    let metadata = path.symlink_metadata().map_err(FileError::when("read", path))?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    entries(path)?.iter().map(|below| size(below)).sum()
}
