//! The encoder-decoder Transformer of wdistill, as data and as one forward pass.
//!
//! Three ideas live here:
//!
//! * [`tree`]: every weight is declared once, in a tree that is generic in what sits at its leaves.
//!   Names, shapes, initial values, conversion and counting are maps between such trees.
//! * [`Engine`]: the forward pass ([`Model::encode`], [`Model::decode`], [`Model::logits`]) is written
//!   once over a dozen coarse operations. Training, decoding and the float64 oracle are engines.
//! * [`Tokens`] are packed: a batch is its sentences one after the other, without padding, so that no
//!   result can depend on padding.
//!
//! ```
//! use wdistill_model::{Architecture, Config, DecoderState, Model, Tokens, Vocabularies, reference::Reference};
//!
//! let architecture = Architecture::preset("transformer-nano")?;
//! let config = Config::new(architecture, Vocabularies::shared(20))?;
//! let model = Model::initialise(config, 1).convert::<f64>();
//! let source = Tokens::from_sentences([[5, 7, 0].as_slice(), &[9, 0]]);
//! let target = Tokens::from_sentences([[0, 3].as_slice(), &[0, 4]]);
//! let encoded = model.encode(&Reference, &source);
//! let states = model.decode(&Reference, &target, target.spans(), &encoded, &mut DecoderState::new(&model.config));
//! let logits = model.logits(&Reference, &states);
//! assert_eq!((logits.rows(), logits.columns()), (4, 20));
//! # Ok::<(), wdistill_model::ConfigError>(())
//! ```

mod alignment;
mod axis;
mod block;
mod config;
mod dense;
mod engine;
mod forward;
mod initialise;
mod int8;
mod languages;
mod layout;
mod positions;
mod presets;
pub mod reference;
mod slot;
mod tokens;
pub mod tree;

pub use wdistill_base::{Activation, Mask};

pub use alignment::{AlignmentHead, AlignmentQuery};
pub use axis::Axis;
pub use block::Block;
pub use config::{
    Architecture, Autoregression, Config, ConfigError, Conventions, DecoderStart, DropoutRates,
    EmbeddingScale, Embeddings, FinalNorm, NormPlacement, OutputBias, Pieces, Shape, SourceEnding,
    Vocabularies,
};
pub use dense::{Dense, Matrix};
pub use engine::{EmbeddingRule, Engine};
pub use forward::{DecoderState, Encoded, LayerState, Model};
pub use int8::{Int8, Int8Rows};
pub use languages::Languages;
pub use layout::{Layout, NamedRange, Part};
pub use positions::PositionTable;
pub use presets::PRESETS;
pub use slot::{
    AttentionKind, AttentionRole, FeedForwardRole, LayerPlace, LinearPart, LinearPlace, NormPart,
    NormPlace, RecurrenceRole, Slot, Stack, SubLayer, Table,
};
pub use tokens::{NO_WORD, Spans, Tokens};
pub use tree::{Spec, Transformer};
