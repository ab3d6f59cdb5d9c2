//! Everything that can be wrong with a file.

use std::fmt;
use std::path::{Path, PathBuf};

use wdistill_base::{FileError, Hinted, Problem, listed};
use wdistill_model::ConfigError;

/// Why a file could not be written or read; always names it.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A file that every model folder holds is not there.
    #[error("there is no {}", path.display())]
    NoSuchFile {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The file's first bytes are not a safetensors header.
    #[error("{} is not a safetensors file, or is cut short: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What its header lacks.
        reason: String,
    },
    /// The header is sound, but the file is longer or shorter than it says.
    #[error("{} has {found} bytes, but its header announces {expected}", path.display())]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Bytes announced.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The numbers are not those that were written.
    #[error(
        "{} is damaged: its numbers have the checksum {found}, but its header says {expected}",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// What the header says.
        expected: String,
        /// What the numbers have.
        found: String,
    },
    /// A safetensors file of some other program.
    #[error(
        "{} is not a wdistill model: its header's \"{key}\" is {}, expected {expected}",
        path.display(),
        found.as_ref().map_or("missing".to_string(), |found| format!("{found:?}"))
    )]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// Entry of the header's `__metadata__`.
        key: &'static str,
        /// Its value, if there is one.
        found: Option<String>,
        /// What a model has there.
        expected: &'static str,
    },
    /// Quantised, where a model is needed that can be trained on or quantised.
    #[error("{} holds int8 weights, which are only good for translating", path.display())]
    Quantised {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later wdistill.
    #[error(
        "{} has format version {found}, but this wdistill reads versions up to {supported}",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version known here.
        supported: u64,
    },
    /// `config.toml` is not the description of a model.
    #[error("{}: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// A model's folder with a vocabulary that is not the model's.
    #[error("{}: a vocabulary of {found} words, expected the model's {expected}", path.display())]
    ForeignVocabulary {
        /// The file.
        path: PathBuf,
        /// Words in it.
        found: usize,
        /// Words of the model.
        expected: usize,
    },
    /// A path that holds more than one model.
    #[error("{} holds several models", path.display())]
    SeveralModels {
        /// The folder.
        path: PathBuf,
    },
    /// Neither a model of wdistill nor of another toolkit.
    #[error("{} is no model: {reason}", path.display())]
    NoModel {
        /// What was given.
        path: PathBuf,
        /// What would be one.
        reason: Problem,
    },
    /// A model of wdistill was to be imported.
    #[error("{} is a model of wdistill; there is nothing to import", path.display())]
    NothingToImport {
        /// The model.
        path: PathBuf,
    },
    /// A model of another toolkit lacks its words.
    #[error("there is no {}", path.display())]
    NoVocabulary {
        /// The file that was looked for.
        path: PathBuf,
        /// What would do as well.
        other: String,
    },
    /// A file of another toolkit that is damaged, or not what it should be.
    #[error("{} is not {format}, or is damaged: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be, such as `a CTranslate2 model`.
        format: &'static str,
        /// What is wrong and where.
        reason: Problem,
    },
    /// A model of another toolkit that cannot be read, with everything that stands in the way.
    #[error("{} cannot be imported:{}", path.display(), lines(problems))]
    Import {
        /// The model.
        path: PathBuf,
        /// Every problem found.
        problems: Vec<ImportProblem>,
    },
    /// A model that another toolkit cannot express, with everything that stands in the way.
    #[error("this model cannot be written as {format}:{}", lines(problems))]
    Export {
        /// The other format.
        format: &'static str,
        /// Every problem found.
        problems: Vec<Problem>,
    },
    /// A vocabulary or tokeniser of another toolkit.
    #[error(transparent)]
    Text(#[from] wdistill_text::TextError),
    /// Tensors that do not fit, all of them.
    #[error("{}", describe(path, problems))]
    Tensors {
        /// The file.
        path: PathBuf,
        /// Every problem found.
        problems: Vec<TensorProblem>,
    },
}

impl Hinted for FormatError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            FormatError::Io(error) => return error.hint(),
            FormatError::Config { error, .. } => return error.hint(),
            FormatError::Text(error) => return error.hint(),
            FormatError::NoModel { reason, .. } | FormatError::Malformed { reason, .. } => {
                return reason.hint();
            }
            FormatError::NoVocabulary { other, .. } => {
                return Some(format!("the folder should hold it, or {other}"));
            }
            FormatError::SeveralModels { .. } => "give the path of one file",
            FormatError::NoSuchFile { .. } => {
                "a model folder holds config.toml and model.safetensors, and `wdistill import` makes one of another \
                 toolkit's model"
            }
            FormatError::WrongLength { found, expected, .. } if found < expected => {
                "it is cut short"
            }
            FormatError::WrongLength { .. } => "something was appended to it",
            FormatError::Checksum { .. } => {
                "copy it again from where it is whole, or make it again"
            }
            FormatError::NotAModel { .. } => {
                "a model of another toolkit has to be imported first (`wdistill import`)"
            }
            FormatError::Quantised { .. } => "give the model that it was made from",
            FormatError::NewerVersion { .. } => "use the wdistill that wrote it, or a later one",
            FormatError::ForeignVocabulary { .. } => {
                "it is another model's; take the file that was written with this one"
            }
            FormatError::NotSafetensors { .. }
            | FormatError::NothingToImport { .. }
            | FormatError::Import { .. }
            | FormatError::Export { .. }
            | FormatError::Tensors { .. } => return None,
        };
        Some(hint.to_string())
    }
}

fn describe(path: &Path, problems: &[TensorProblem]) -> String {
    let noun = if problems.len() == 1 { "problem" } else { "problems" };
    format!("{}: {} {noun} with its tensors:{}", path.display(), problems.len(), lines(problems))
}

/// Problems listed by an error message; the others are counted. A model of another shape has some hundreds.
const LISTED: usize = 500;

fn lines<P: fmt::Display + Hinted>(problems: &[P]) -> String {
    let first: Vec<Problem> = problems.iter().take(LISTED).map(Problem::of).collect();
    let mut text = listed(&first);
    if problems.len() > LISTED {
        text += &format!("\n  and {} more", problems.len() - LISTED);
    }
    text
}

/// What stands in the way of reading another toolkit's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportProblem {
    /// A property of the model that cannot be expressed, contradicts another or has to be asked for.
    Property(Problem),
    /// A weight.
    Tensor(TensorProblem),
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportProblem::Property(problem) => problem.fmt(f),
            ImportProblem::Tensor(problem) => problem.fmt(f),
        }
    }
}

impl Hinted for ImportProblem {
    fn hint(&self) -> Option<String> {
        match self {
            ImportProblem::Property(problem) => problem.hint(),
            ImportProblem::Tensor(problem) => problem.hint(),
        }
    }
}

/// What is wrong with one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorProblem {
    /// The model needs it, the file lacks it.
    Missing {
        /// Its name.
        name: String,
        /// The shape it should have.
        shape: Vec<usize>,
        /// The most similar name among the file's superfluous tensors, if one is similar.
        similar: Option<String>,
    },
    /// The file has it, the model has no place for it.
    Unexpected {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The most similar name among those the model lacks, if one is similar.
        similar: Option<String>,
    },
    /// The shape is not the one that the configuration asks for.
    Shape {
        /// Its name.
        name: String,
        /// What the configuration asks for.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// The numbers are of another type.
    DataType {
        /// Its name.
        name: String,
        /// The safetensors name of what they are, such as `F16`.
        found: String,
        /// The name of what they should be.
        expected: String,
    },
    /// Quantised numbers of -128, which stands for nothing.
    OutOfRange {
        /// Its name.
        name: String,
        /// How many of them.
        count: usize,
    },
    /// Numbers that are infinite or NaN.
    NotFinite {
        /// Its name.
        name: String,
        /// How many are infinite or NaN.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// To be written, but the shape does not hold as many numbers as were given.
    Count {
        /// Its name.
        name: String,
        /// The shape given.
        shape: Vec<usize>,
        /// How many numbers were given with it.
        given: usize,
    },
    /// To be written, but another tensor has the same name.
    Duplicate {
        /// The name.
        name: String,
    },
    /// To be written under the name in which a safetensors file keeps its metadata.
    Reserved {
        /// The name.
        name: String,
    },
}

impl fmt::Display for TensorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TensorProblem::Missing { name, shape, .. } => {
                write!(f, "{name} {shape:?} is missing")
            }
            TensorProblem::Unexpected { name, shape, .. } => {
                write!(f, "{name} {shape:?} is not part of the model")
            }
            TensorProblem::Shape { name, expected, found } => {
                write!(f, "{name} is {found:?}, expected {expected:?}")
            }
            TensorProblem::DataType { name, found, expected } => {
                write!(f, "{name} holds {found}, expected {expected}")
            }
            TensorProblem::OutOfRange { name, count } => {
                write!(f, "{name} holds -128 {count} times, expected -127 to 127")
            }
            TensorProblem::NotFinite { name, count, of } => {
                write!(f, "{name} holds {count} infinite or undefined numbers of {of}")
            }
            TensorProblem::Count { name, shape, given } => {
                let expected: usize = shape.iter().product();
                write!(f, "{name} is {shape:?}, {expected} numbers, but {given} were given")
            }
            TensorProblem::Duplicate { name } => write!(f, "{name} was given twice"),
            TensorProblem::Reserved { name } => {
                write!(f, "{name} is the name of the metadata, no tensor can have it")
            }
        }
    }
}

impl Hinted for TensorProblem {
    fn hint(&self) -> Option<String> {
        match self {
            TensorProblem::Missing { similar: Some(similar), .. } => {
                Some(format!("the file has {similar}"))
            }
            TensorProblem::Unexpected { similar: Some(similar), .. } => {
                Some(format!("the model needs {similar}"))
            }
            _ => None,
        }
    }
}
