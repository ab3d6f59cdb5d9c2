//! What is found while a model of another toolkit is read.

use std::collections::BTreeSet;
use std::path::Path;

use wdistill_base::Problem;
use wdistill_model::{Config, ConfigError, Dense, Model};

use super::place::{self, Table};
use super::words::Words;
use crate::error::{FormatError, ImportProblem, TensorProblem};
use crate::files::arrays::{Array, Arrays, NumberType};

/// Notes and problems found while a model is read; all problems are reported together.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    notes: Vec<String>,
    problems: Vec<ImportProblem>,
}

impl Findings {
    /// Something that the user should know.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Says that [`DropoutRates::default`](wdistill_model::DropoutRates) was taken, for want of others.
    pub(crate) fn note_default_dropout(&mut self) {
        self.note(
            "it does not say what was dropped in training; 0.1 after each sub-layer is taken",
        );
    }

    /// A property that stands in the way.
    pub(crate) fn problem(&mut self, problem: impl Into<Problem>) {
        self.problems.push(ImportProblem::Property(problem.into()));
    }

    pub(crate) fn tensors(&mut self, problems: impl IntoIterator<Item = TensorProblem>) {
        self.problems.extend(problems.into_iter().map(ImportProblem::Tensor));
    }

    /// The value, or what is wrong as a problem.
    pub(crate) fn some<T, E: Into<Problem>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.problem(problem)).ok()
    }

    /// The model, if nothing stands in the way.
    ///
    /// # Errors
    /// [`FormatError::Import`] with every problem found.
    pub(crate) fn finish(
        mut self,
        path: &Path,
        config: Option<Result<Config, ConfigError>>,
        table: &Table<'_>,
        arrays: Arrays<'_>,
    ) -> Result<(Model<Dense<f32>>, Vec<String>), FormatError> {
        let kinds: BTreeSet<NumberType> = arrays.values().map(|array| array.kind).collect();
        let kinds: Vec<&str> = kinds.into_iter().map(NumberType::name).collect();
        self.note(format!("weights are stored in {}", kinds.join(", ")));
        let config =
            config.and_then(|config| self.some(config.map_err(|error| Problem::of(&error))));
        // Where a setting is refused, the arrays that it would need say nothing new.
        if let (Some(config), true) = (&config, self.problems.is_empty()) {
            self.tensors(place::problems(config, table, &arrays));
        }
        let config = config.filter(|_| self.problems.is_empty());
        let Some(config) = config else { return Err(self.refusal(path)) };
        match place::read(&config, table, arrays) {
            Ok(weights) => Ok((Model { config, weights }, self.notes)),
            Err(problems) => {
                self.tensors(problems);
                Err(self.refusal(path))
            }
        }
    }

    /// An error of all problems.
    pub(crate) fn refusal(self, path: &Path) -> FormatError {
        FormatError::Import { path: path.to_path_buf(), problems: self.problems }
    }
}

/// A model of another toolkit, without its way of dividing a text.
pub struct Foreign {
    /// What it computes.
    pub model: Model<Dense<f32>>,
    /// The words of both sides, by their numbers.
    pub words: Words,
    /// What its user should know.
    pub notes: Vec<String>,
}

/// Takes an array of several names: all that are there have to be equal, and one stays, under the first.
pub(crate) fn unify(arrays: &mut Arrays<'_>, names: &[&str], findings: &mut Findings) {
    let mut kept: Option<(&str, Array<'_>)> = None;
    for name in names {
        let Some(array) = arrays.remove(*name) else { continue };
        match &kept {
            None => kept = Some((name, array)),
            Some((first, other))
                if other.shape != array.shape || other.numbers() != array.numbers() =>
            {
                findings.problem(format!(
                    "{name} differs from {first}, but the configuration says that they are one matrix"
                ));
            }
            Some(_) => {}
        }
    }
    if let Some((_, array)) = kept {
        arrays.insert(names[0].to_string(), array);
    }
}
