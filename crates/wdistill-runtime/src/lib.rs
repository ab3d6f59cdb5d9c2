//! Translation on the CPU, in float32 or int8: the door for text, and the decoder behind it.
//!
//! * [`Translator`] takes lines of text and returns a [`Translation`] for each, in their order. Long lines, lines of
//!   several sentences, and what has to be said of them are its business.
//! * [`TokenTranslator`] does the same for sentences of token ids: it sorts them into batches and spreads these over
//!   threads.
//! * [`Cpu`] is a [`wdistill_model::Engine`] over the kernels and weights [`Packed`] for them; it never
//!   drops. [`BatchDecoder`] joins a model and a [`DecodingEngine`] to the
//!   [`StepModel`](wdistill_search::StepModel) that a search asks for next words.
//! * [`Shortlist`] leaves the output layer the words that a source's words may be translated with.
//! * [`gather`] lets lines wait for each other, 20 ms at most, for whatever serves them.
//!
//! A sentence's translation and the bits of its score do not depend on its neighbours, the batch size or
//! the number of threads: batches are packed without padding, every operation works row by row or sentence
//! by sentence, and every sum runs in an order that the sentence alone decides.
//!
//! ```
//! # use wdistill_formats::ModelFolder;
//! # use wdistill_model::{Architecture, Config, DecoderStart, Model, Vocabularies};
//! # use wdistill_text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
//! # let settings = VocabularySettings::new(SubwordModel::Bpe, 280);
//! # let vocabulary = Vocabulary::train(["a dog runs", "two dogs run"], &settings)?.vocabulary;
//! # let config = Config::new(Architecture::preset("transformer-nano")?, Vocabularies::shared(vocabulary.size()))?;
//! # let vocabularies = VocabularyPair { source: vocabulary.clone(), target: vocabulary };
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! # ModelFolder { model: Model::initialise(config, 1), vocabularies }.save(folder)?;
//! use wdistill_runtime::{Translator, TranslatorOptions};
//!
//! let translator = Translator::open(folder, TranslatorOptions::default())?;
//! for translation in translator.translate(&["A dog runs.", "Two dogs run. Nobody sleeps."])? {
//!     println!("{} ({:.2})", translation.text, translation.score);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activations;
mod alignment;
#[cfg(feature = "toolkits")]
mod calibration;
mod cpu;
mod decoder;
mod error;
mod gather;
mod line;
mod long_text;
mod memory;
mod notice;
mod options;
mod packed;
mod shortlist;
mod token_error;
mod token_translator;
mod translator;

pub use activations::Activations;
pub use alignment::{Alignment, MOST_ALIGNED_TOKENS, Pair, best_alignment_head};
#[cfg(feature = "toolkits")]
pub use calibration::{CALIBRATION_SENTENCES, activation_factors, export_options};
pub use cpu::Cpu;
pub use decoder::{BatchDecoder, DecodingEngine, OutputPart};
pub use error::{TooLong, TranslateError, TranslatorError};
pub use gather::{PAUSE, gather};
pub use line::Line;
pub use memory::KeyValues;
pub use notice::{Notice, NoticeCounts, NoticeKind};
pub use options::{DecodingOptions, LineContent, LongText, Precision, TranslatorOptions};
pub use packed::{Packed, TooWide, pack_bfloat16, pack_float32, pack_int8, quantise};
pub use shortlist::Shortlist;
pub use token_error::{SourceProblem, TokenError};
pub use token_translator::{Report, TokenTranslator, Translations};
pub use translator::{AlignedSentence, Scored, Translation, Translator};
