//! What can go wrong between a corpus and a student.

use std::path::PathBuf;

use wdistill_base::{ContentError, FileError, Hinted, Problem, listed};
use wdistill_corpus::CorpusError;
use wdistill_formats::FormatError;
use wdistill_generator::GrowError;
use wdistill_metrics::MetricsError;
use wdistill_model::ConfigError;
use wdistill_runtime::{TokenError, TranslateError, TranslatorError};
use wdistill_text::TextError;
use wdistill_train::TrainError;

/// Why a stage stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Texts to learn from.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A JSON file that does not hold what it should.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Another process works there.
    #[error("another wdistill is at work in {}", folder.display())]
    Busy {
        /// The folder of the run.
        folder: PathBuf,
    },
    /// A text or a model that is not any more what was read when the run began.
    #[error("{} was changed while the run was at work", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Settings that contradict themselves or each other.
    #[error("{place}:{}", listed(problems))]
    Settings {
        /// What they are the settings of.
        place: String,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
    /// A recipe that cannot be read.
    #[error("{}: {problem}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// Line, expected and found.
        problem: Problem,
    },
    /// A product of a finished stage is not what the stage wrote.
    #[error("{} was changed after it was made", path.display())]
    Product {
        /// The file.
        path: PathBuf,
    },
    /// Texts, or a teacher for them, that cannot be what was meant.
    #[error("{problem}")]
    Suspicious {
        /// What was found.
        problem: String,
        /// What may be wrong.
        hint: String,
    },
    /// Pseudo data that does not belong to the training source.
    #[error("pseudo data {}: {problem}", path.display())]
    PseudoData {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: Problem,
    },
    /// Teacher and student do not fit.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// A configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of weights.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A corpus or vocabulary.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A metric.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Options of a translator.
    #[error(transparent)]
    Translator(#[from] TranslatorError),
    /// A translation.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// A translation of token ids.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

impl Hinted for PipelineError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            PipelineError::Train(error) => return error.hint(),
            PipelineError::Corpus(error) => return error.hint(),
            PipelineError::Io(error) => return error.hint(),
            PipelineError::Content(error) => return error.hint(),
            PipelineError::Recipe { problem, .. } | PipelineError::PseudoData { problem, .. } => {
                return problem.hint();
            }
            PipelineError::Grow(error) => return error.hint(),
            PipelineError::Config(error) => return error.hint(),
            PipelineError::Format(error) => return error.hint(),
            PipelineError::Text(error) => return error.hint(),
            PipelineError::Metrics(error) => return error.hint(),
            PipelineError::Translator(error) => return error.hint(),
            PipelineError::Translate(error) => return error.hint(),
            PipelineError::Tokens(error) => return error.hint(),
            PipelineError::Suspicious { hint, .. } => {
                return Some(format!("{hint}; --force goes on all the same"));
            }
            PipelineError::Settings { .. } => return None,
            PipelineError::Busy { .. } => "wait for it, or choose another folder",
            PipelineError::Changed { .. } => {
                "give the same command again, and it starts from what is there now"
            }
            PipelineError::Product { .. } => {
                "put it back as it was, or remove it, and it will be made again"
            }
        };
        Some(hint.to_string())
    }
}
