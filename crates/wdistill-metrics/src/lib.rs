//! Translation quality: BLEU, chrF, chrF++ and TER, their signatures and paired bootstrap resampling.
//!
//! Every number equals sacreBLEU's to the last printed digit, and so does the text around it: score lines, JSON and
//! signatures. The version compared with is [`SACREBLEU_VERSION`]; a published score can name the signature written here.
//!
//! ```
//! use wdistill_metrics::{Bleu, CorpusMetric, Score};
//!
//! let hypotheses = ["The cat sat on the mat.", "It rains."];
//! let references = [["The cat sat on a mat.", "It is raining."]];
//! let bleu = Bleu::default();
//! let score = bleu.corpus_score(&hypotheses, &references)?;
//! assert_eq!(
//!     score.format(2),
//!     "BLEU = 38.66 80.0/50.0/33.3/25.0 (BP = 0.905 ratio = 0.909 hyp_len = 10 ref_len = 11)"
//! );
//! assert_eq!(
//!     bleu.signature(references.len()).to_string(),
//!     "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
//! );
//! # Ok::<(), wdistill_metrics::MetricsError>(())
//! ```
//!
//! Every metric reduces a sentence to a row of counts ([`Statistics`]); a score depends on the sum of rows alone. The
//! [`CorpusMetric`] trait says so once, which is what makes [`paired_bootstrap`] cheap: a resample is a sum, not a rescore.

mod bleu;
mod bootstrap;
mod chrf;
pub mod cli_text;
mod error;
mod metric;
mod ngrams;
mod random;
mod signature;
mod spacing;
mod ter;
mod text;
mod tokenizer;

pub use bleu::{Bleu, BleuScore, MAX_ORDER, Orders, Smoothing};
pub use bootstrap::{
    Bootstrap, Confidence, MeanComparison, PairedBootstrap, confidence, confidence_of_mean,
    paired_bootstrap, paired_bootstrap_of_means,
};
pub use chrf::{Chrf, ChrfScore, ChrfSmoothing, Whitespace};
pub use error::MetricsError;
pub use metric::{CorpusMetric, Score, Statistics};
pub use signature::{Form, SACREBLEU_VERSION, Signature};
pub use ter::{AsianText, Normalization, Punctuation, Ter, TerScore};
pub use text::{Case, TOKENIZED_LINES, looks_tokenized};
pub use tokenizer::Tokenizer;
