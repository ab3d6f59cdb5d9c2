//! Translation models: translating text, reading and writing other toolkits' models, scores, and, with the feature
//! `train`, training and weight distillation.
//!
//! # Translate
//!
//! [`Translator::open`] reads a model folder; [`Translator::translate`] takes lines and returns a [`Translation`] for
//! each. Lines may hold any number of sentences. [`TranslatorOptions`] says what becomes of long lines, and
//! [`TranslatorOptions::decoding`] how to search.
//!
//! ```
//! # use wdistill::model::{Architecture, Config, DecoderStart, Model, Vocabularies};
//! # use wdistill::text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
//! # let settings = VocabularySettings::new(SubwordModel::Bpe, 280);
//! # let vocabulary = Vocabulary::train(["where is my car", "it is here"], &settings)?.vocabulary;
//! # let (decoder_start, size) = (DecoderStart::ZeroVector, vocabulary.size());
//! # let sizes = Vocabularies { decoder_start, ..Vocabularies::shared(size) };
//! # let config = Config::new(Architecture::preset("transformer-nano")?, sizes)?;
//! # let vocabularies = VocabularyPair { source: vocabulary.clone(), target: vocabulary };
//! # let place = tempfile::tempdir()?;
//! # std::env::set_current_dir(place.path())?;
//! # let model = Model::initialise(config, 1);
//! # wdistill::ModelFolder { model, vocabularies }.save("model".as_ref())?;
//! use wdistill::{Translator, TranslatorOptions};
//! let translator = Translator::open("model", TranslatorOptions::default())?;
//! for translation in translator.translate(&["Where is my car?", "Here. It is blue."])? {
//!     println!("{}", translation.text);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other toolkits' models
//!
//! [`import`] reads models of Hugging Face MarianMT (OPUS-MT), CTranslate2, Marian and fairseq with their vocabularies,
//! [`export`] writes the first three.
//!
//! ```
//! # use wdistill::model::{Architecture, Config, DecoderStart, Model, Vocabularies};
//! # use wdistill::text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
//! # let settings = VocabularySettings::new(SubwordModel::Bpe, 280);
//! # let vocabulary = Vocabulary::train(["where is my car", "it is here"], &settings)?.vocabulary;
//! # let (decoder_start, size) = (DecoderStart::ZeroVector, vocabulary.size());
//! # let sizes = Vocabularies { decoder_start, ..Vocabularies::shared(size) };
//! # let config = Config::new(Architecture::preset("transformer-nano")?, sizes)?;
//! # let vocabularies = VocabularyPair { source: vocabulary.clone(), target: vocabulary };
//! # let place = tempfile::tempdir()?;
//! # let folder = place.path().join("model");
//! # let exported = place.path().join("exported");
//! # wdistill::ModelFolder { model: Model::initialise(config, 1), vocabularies }.save(&folder)?;
//! use wdistill::{ImportOptions, ModelFolder, Numbers, export, import, toolkits};
//!
//! let model = ModelFolder::load(&folder)?;
//! export(&model, toolkits::MARIAN, &Numbers::Float32.into(), &exported)?;
//! let imported = import(&exported, &ImportOptions::default())?;
//! assert_eq!(imported.format.name(), "Marian");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Scores
//!
//! [`metrics`] has BLEU, chrF, TER and the paired bootstrap, equal to sacreBLEU's to the last printed digit.
//!
//! ```
//! use wdistill::metrics::{Bleu, CorpusMetric, Score};
//!
//! let (hypotheses, references) = (["The cat sat on the mat."], [["The cat sat on a mat."]]);
//! let score = Bleu::default().corpus_score(&hypotheses, &references)?;
//! assert_eq!(format!("{:.2}", score.score), "48.89");
//! # Ok::<(), wdistill::metrics::MetricsError>(())
//! ```
//!
//! # Errors
//!
//! The text of an error says what is wrong: file, line, what was expected and what was found. What helps, where that is
//! known, is not in the text: it is the error's [`hint`](Hinted::hint), which the program prints on a line of its own.
//!
//! ```
//! use wdistill::{Hinted, ModelFolder};
//!
//! let error = ModelFolder::load("nowhere".as_ref()).err().expect("there is no such folder");
//! assert_eq!(error.to_string(), "there is no nowhere/config.toml");
//! assert!(error.hint().is_some_and(|hint| hint.starts_with("a model folder holds config.toml")));
//! ```

pub use wdistill_base::{Folder, Hinted, MemoryFiles, Problem};
pub use wdistill_formats::{
    ExportOptions, Format, FormatError, ImportOptions, Imported, ModelFolder, Numbers, Subwords,
    Toolkit, carry_card, check_export, export, import, toolkit, toolkits,
};
pub use wdistill_runtime::{
    AlignedSentence, Alignment, CALIBRATION_SENTENCES, DecodingOptions, LineContent, LongText,
    Notice, NoticeCounts, NoticeKind, Precision, Scored, TooLong, TranslateError, Translation,
    Translator, TranslatorError, TranslatorOptions, export_options, gather, quantise,
};
pub use wdistill_search::SearchOptions;

/// Scores, equal to sacreBLEU's.
pub use wdistill_metrics as metrics;
/// What a model is: configuration, weights, the forward pass.
pub use wdistill_model as model;
/// Subwords, corpora, sentences.
pub use wdistill_text as text;

/// Recipes, methods, stages, reports.
#[cfg(feature = "train")]
pub use wdistill_pipeline as pipeline;
/// The training loop and its learner.
#[cfg(feature = "train")]
pub use wdistill_train as train;
