//! Greedy and beam search, and sampling, over anything that can predict the next word.
//!
//! A [`StepModel`] is given the live hypotheses of a batch of sentences and names the best next words
//! of each; [`search`] keeps, extends, finishes and ranks. The search holds no floating-point arrays of
//! the vocabulary's size, so that a model is free to fuse output product, log-softmax and top-k.
//!
//! ```
//! use wdistill_search::{
//!     Candidate, Scores, SearchOptions, SearchSettings, Step, StepModel, Vocabulary, search,
//! };
//!
//! /// After the start: word 1 (0.6) or the end (0.4). After word 1: the end (0.9) or word 1 (0.1).
//! struct Toy;
//!
//! impl StepModel for Toy {
//!     fn vocabulary(&self) -> Vocabulary {
//!         Vocabulary { size: 2, start: 0, end: 0 }
//!     }
//!     fn step(&mut self, step: &Step<'_>) -> Scores {
//!         let mut scores = Scores::default();
//!         for token in step.tokens {
//!             let end: f64 = if *token == 0 { 0.4 } else { 0.9 };
//!             let mut row = [(0, end), (1, 1.0 - end)];
//!             row.sort_by(|a, b| b.1.total_cmp(&a.1));
//!             scores.end.push(end.ln());
//!             scores.best.extend(
//!                 row[..step.candidates]
//!                     .iter()
//!                     .map(|(token, p)| Candidate { token: *token, log_probability: p.ln() }),
//!             );
//!         }
//!         scores
//!     }
//! }
//!
//! let settings = SearchSettings::new(SearchOptions { beam_size: 2, ..SearchOptions::default() })?;
//! let best = &search(&mut Toy, &[1.into()], &settings)?[0][0];
//! assert_eq!(best.tokens, [1]);
//! assert!((best.score - (0.6f64.ln() + 0.9f64.ln()) / 2.0).abs() < 1e-12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beam;
mod sample;
mod settings;
mod step;

pub use beam::{Ending, Hypothesis, SearchError, SourceSentence, search};
pub use settings::{Sampling, SearchOptions, SearchSettings, SettingsError, Stopping};
pub use step::{Candidate, Scores, Step, StepModel, Vocabulary};
