//! What the readers and writers of other toolkits' models share.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use wdistill_model::{Config, ConfigError, Dense, Model, PositionTable, SourceEnding};

use crate::error::{FormatError, ImportProblem, TensorProblem};
use wdistill_base::FileError;

pub(crate) mod archive;
pub(crate) mod arrays;
pub(crate) mod bytes;
pub(crate) mod npz;
pub(crate) mod pickle;
pub(crate) mod slots;
pub(crate) mod torch;
pub(crate) mod words;
pub(crate) mod yaml;

use arrays::{Array, Arrays, NumberType};
use slots::Table;
use words::Words;

/// How a text becomes words of a vocabulary, where a model does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subwords {
    /// A SentencePiece model, or codes of subword-nmt or fastBPE.
    File(PathBuf),
    /// None: words stand between spaces.
    Whitespace,
}

/// Answers to what a model of another toolkit may leave open. What is not asked for is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Subwords of the source, and of the target unless that has its own.
    pub subwords: Option<Subwords>,
    /// Subwords of the target.
    pub target_subwords: Option<Subwords>,
    /// File with the words of the source, and of the target unless that has its own.
    pub vocabulary: Option<PathBuf>,
    /// File with the words of the target.
    pub target_vocabulary: Option<PathBuf>,
    /// Whether the encoder reads the end token.
    pub source_ending: Option<SourceEnding>,
}

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
    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(ImportProblem::Property(problem.into()));
    }

    pub(crate) fn tensors(&mut self, problems: impl IntoIterator<Item = TensorProblem>) {
        self.problems.extend(problems.into_iter().map(ImportProblem::Tensor));
    }

    /// The value, or what is wrong as a problem.
    pub(crate) fn some<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.problem(problem.to_string())).ok()
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
        let config = config.and_then(|config| self.some(config));
        // Where a setting is refused, the arrays that it would need say nothing new.
        if let (Some(config), true) = (&config, self.problems.is_empty()) {
            self.tensors(slots::problems(config, table, &arrays));
        }
        let config = config.filter(|_| self.problems.is_empty());
        let Some(config) = config else { return Err(self.refusal(path)) };
        match slots::read(&config, table, arrays) {
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
pub(crate) struct Foreign {
    pub(crate) model: Model<Dense<f32>>,
    pub(crate) words: Words,
    pub(crate) notes: Vec<String>,
}

/// What stands in place of a large file where only git has been, without its extension for these.
const LARGE_FILE_POINTER: &[u8] = b"version https://git-lfs";

/// A file's bytes.
///
/// # Errors
/// [`FormatError::Io`]; [`FormatError::Malformed`] if the file was never fetched.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    let bytes = std::fs::read(path).map_err(FileError::when("read", path))?;
    match bytes.starts_with(LARGE_FILE_POINTER) {
        false => Ok(bytes),
        true => Err(FormatError::Malformed {
            path: path.to_path_buf(),
            format: "the file itself",
            reason: "a pointer of Git LFS stands in its place; hint: git lfs pull".to_string(),
        }),
    }
}

/// A file's bytes, if it is there.
///
/// # Errors
/// [`FormatError::Io`].
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FormatError> {
    match path.exists() {
        true => read_file(path).map(Some),
        false => Ok(None),
    }
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

/// Largest difference between a stored table of sinusoids and the formula's: tables are computed in float32 in
/// more than one way, and may be rounded to 16 bits.
fn sinusoid_tolerance(kind: NumberType) -> f32 {
    match kind {
        NumberType::BFloat16 => 4e-3,
        _ => 1e-3,
    }
}

/// Which formula a stored table of positions `[positions, width]` follows; none may do.
pub(crate) fn sinusoids(array: &Array<'_>, candidates: &[PositionTable]) -> Option<PositionTable> {
    let [rows, width] = array.shape[..] else { return None };
    if rows < 2 || width < 4 {
        return None;
    }
    let numbers = array.numbers();
    let follows = |table: &&PositionTable| {
        numbers.chunks_exact(width).enumerate().all(|(position, row)| {
            let expected = table.row(position, width);
            let pairs = row.iter().zip(&expected);
            pairs.into_iter().all(|(x, y)| (x - *y as f32).abs() <= sinusoid_tolerance(array.kind))
        })
    };
    candidates.iter().find(follows).copied()
}
