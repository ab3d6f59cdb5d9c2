//! Models for other toolkits' engines.

use std::path::Path;

use wdistill_base::Problem;

use crate::error::FormatError;
use crate::model_folder::{ModelFolder, write_model_folder};
use crate::toolkits::{ExportOptions, Extra, Obstacles, Toolkit};

/// Writes a model into a folder, with its tokenisers, so that the other toolkit can load it as it is. The folder appears
/// when it is whole ([`write_model_folder`]).
///
/// Returns what its user should know: where results may differ, and what has to be done by hand.
///
/// # Errors
/// [`FormatError::Export`] with every property that the format cannot express, before anything is written;
/// [`FormatError::Io`].
pub fn export(
    given: &ModelFolder,
    toolkit: &dyn Toolkit,
    options: &ExportOptions,
    folder: &Path,
) -> Result<Vec<Problem>, FormatError> {
    // Before the folder is touched.
    let notes = check_export(given, toolkit, options)?;
    write_model_folder(folder, |folder| toolkit.write(given, options, folder))?;
    Ok(notes)
}

/// Whether a model can be written: as [`export`], without writing.
///
/// # Errors
/// [`FormatError::Export`] with every property that the format cannot express.
pub fn check_export(
    given: &ModelFolder,
    toolkit: &dyn Toolkit,
    options: &ExportOptions,
) -> Result<Vec<Problem>, FormatError> {
    let Obstacles { mut problems, notes } = toolkit.obstacles(given, options);
    if !toolkit.numbers().contains(&options.numbers) {
        problems.insert(0, format!("it is not written with {}", options.numbers.name()).into());
    }
    for extra in options.extras() {
        if !toolkit.extras().contains(&extra) {
            let what = match extra {
                Extra::Shortlist => "a shortlist",
                Extra::Activations => "factors of activations",
            };
            problems.push(format!("it is not written with {what}").into());
        }
    }
    if problems.is_empty() {
        Ok(notes)
    } else {
        Err(FormatError::Export { format: toolkit.model_name(), problems })
    }
}
