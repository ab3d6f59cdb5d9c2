//! What can be wrong with the input of a metric.

use thiserror::Error;
use wdistill_base::Hinted;

/// Why a score could not be computed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricsError {
    /// There is no hypothesis.
    #[error("there are no hypotheses to score: 0 lines")]
    NoLines,
    /// There is no reference.
    #[error("there are no references to score against: 0 reference streams")]
    NoReferences,
    /// A reference stream is not as long as the hypotheses.
    #[error("reference {reference} has {lines} lines but there are {hypotheses} hypotheses")]
    LineCount {
        /// Which reference stream, counted from 1.
        reference: usize,
        /// Lines of that reference.
        lines: usize,
        /// Lines of the hypotheses.
        hypotheses: usize,
    },
    /// Two systems to compare differ in length.
    #[error("the baseline has {baseline} lines but the system has {system}")]
    SystemLines {
        /// Lines of the baseline.
        baseline: usize,
        /// Lines of the system.
        system: usize,
    },
    /// Statistics belong to another metric, or to other settings of it.
    #[error("statistics have {found} counts a sentence but the metric needs {expected}")]
    StatisticsWidth {
        /// Counts a sentence in the statistics given.
        found: usize,
        /// Counts a sentence the metric makes.
        expected: usize,
    },
    /// The value of a smoothing method is negative or not finite.
    #[error("smoothing {method} has value {value}: it must be finite and not negative")]
    SmoothingValue {
        /// sacreBLEU's name of the method.
        method: &'static str,
        /// The value found.
        value: f64,
    },
    /// chrF was asked to count nothing.
    #[error("chrF has character order 0 and word order 0")]
    NoOrders,
    /// A bootstrap without resamples has no distribution.
    #[error("bootstrap resampling was asked for 0 samples")]
    NoSamples,
    /// More sentences than the resampling generator can index.
    #[error("bootstrap resampling takes at most {limit} lines, found {lines}")]
    TooManyLines {
        /// Lines found.
        lines: usize,
        /// Most lines accepted.
        limit: u32,
    },
    /// A name is not one of those known.
    #[error("unknown {what} {found:?}, expected one of {expected}")]
    UnknownName {
        /// What was named, for example `tokenizer`.
        what: &'static str,
        /// The name found.
        found: String,
        /// The names known, comma-separated.
        expected: &'static str,
    },
}

impl Hinted for MetricsError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            MetricsError::LineCount { .. } => {
                "line i of every reference translates the same source sentence as line i of the hypotheses"
            }
            MetricsError::NoOrders => "the usual orders are 6 and 0, or 6 and 2 for chrF++",
            MetricsError::NoSamples => "1000 is usual",
            _ => return None,
        };
        Some(hint.to_string())
    }
}
