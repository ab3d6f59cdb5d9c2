//! What can go wrong in training.

use std::path::PathBuf;

use wdistill_base::{ContentError, FileError, Hinted, Problem};
use wdistill_corpus::CorpusError;
use wdistill_formats::FormatError;
use wdistill_metrics::MetricsError;
use wdistill_runtime::{TranslateError, TranslatorError};
use wdistill_text::TextError;

/// Why a training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] FileError),
    /// The system gave no thread.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// Settings that contradict themselves or each other.
    #[error("{place}:\n  {}", problems.join("\n  "))]
    Settings {
        /// What they are the settings of.
        place: String,
        /// Each problem in a line.
        problems: Vec<String>,
    },
    /// A line of a log that does not hold what it should.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A checkpoint that does not fit the run.
    #[error("the checkpoint {} does not fit: {problem}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: Problem,
    },
    /// Training has come apart.
    #[error(
        "{training}: update {update}: training has diverged: {problem}; checkpoints are kept as they were"
    )]
    Diverged {
        /// Which training, by its name.
        training: String,
        /// The update.
        update: u64,
        /// What was found.
        problem: String,
    },
    /// A signal asked for the end; everything done is saved.
    #[error("interrupted; what was done is saved, and the same command goes on from there")]
    Interrupted {
        /// Number of the signal.
        signal: i32,
    },
    /// Something that another of the programs that work on the run says, or that one of them has gone.
    #[error("{name}: {problem}")]
    Rank {
        /// Which one.
        name: String,
        /// What it says.
        problem: Problem,
    },
    /// A file of weights.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The pairs to learn from.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A vocabulary.
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
}

impl TrainError {
    /// Of a rank that does not answer any more.
    pub(crate) fn gone(rank: usize) -> TrainError {
        TrainError::Rank { name: format!("rank {rank}"), problem: "it has gone".into() }
    }
}

impl TrainError {
    /// One problem of the settings of a training.
    pub(crate) fn settings(problem: impl Into<String>) -> TrainError {
        TrainError::Settings {
            place: "training settings".to_string(),
            problems: vec![problem.into()],
        }
    }
}

impl Hinted for TrainError {
    fn hint(&self) -> Option<String> {
        match self {
            TrainError::Io(error) => error.hint(),
            TrainError::Content(error) => error.hint(),
            TrainError::Checkpoint { problem, .. } | TrainError::Rank { problem, .. } => problem.hint(),
            TrainError::Diverged { .. } => Some(
                "a lower learning_rate, a longer warm_up, or clip_norm = 1; divergence = \"off\" goes on as long as \
                 the loss is a number"
                    .to_string(),
            ),
            TrainError::Format(error) => error.hint(),
            TrainError::Corpus(error) => error.hint(),
            TrainError::Text(error) => error.hint(),
            TrainError::Metrics(error) => error.hint(),
            TrainError::Translator(error) => error.hint(),
            TrainError::Translate(error) => error.hint(),
            TrainError::Threads { .. }
            | TrainError::Settings { .. }
            | TrainError::Interrupted { .. } => None,
        }
    }
}
