//! Decoding on the CPU, in float32 or int8: an engine for the forward pass, a decoder for one batch, and a
//! translator that spreads sentences over batches and batches over threads.
//!
//! * [`Cpu`] is a [`wdistill_model::Engine`] over the kernels and weights [`Packed`] for them; it never
//!   drops.
//! * [`BatchDecoder`] joins a model and a [`DecodingEngine`] to the
//!   [`StepModel`](wdistill_search::StepModel) that a search asks for next words.
//! * [`Translator`] takes sentences of token ids and returns one result for each, in their order.
//! * [`Shortlist`] leaves the output layer the words that a source's words may be translated with.
//!
//! A sentence's translation and the bits of its score do not depend on its neighbours, the batch size or
//! the number of threads: batches are packed without padding, every operation works row by row or sentence
//! by sentence, and every sum runs in an order that the sentence alone decides.
//!
//! ```
//! use wdistill_model::{Architecture, Config, Model, Vocabularies};
//! use wdistill_runtime::{Translator, TranslatorOptions};
//!
//! let architecture = Architecture::preset("transformer-nano")?;
//! let config = Config::new(architecture, Vocabularies::shared(20))?;
//! let model = Model::initialise(config, 1);
//! let translator = Translator::new(&model, TranslatorOptions::default())?;
//! let translations = translator.translate_ids(&[vec![5, 7, 0], vec![0]])?;
//! assert_eq!(translations.hypotheses.len(), 2);
//! assert!(translations.hypotheses[1][0].tokens.is_empty());
//! assert_eq!(translations.report.empty_sources, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activations;
mod cpu;
mod decoder;
mod memory;
mod packed;
mod shortlist;
mod translator;

pub use activations::Activations;
pub use cpu::Cpu;
pub use decoder::{BatchDecoder, DecodingEngine, OutputPart};
pub use memory::KeyValues;
pub use packed::{Packed, TooWide, pack_float32, pack_int8, quantise};
pub use shortlist::Shortlist;
pub use translator::{
    LongSource, Precision, Report, SourceProblem, TranslateError, Translations, Translator,
    TranslatorError, TranslatorOptions,
};
