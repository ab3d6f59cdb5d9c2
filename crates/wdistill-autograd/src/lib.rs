//! The training engine: a tape over the coarse operations of the forward pass.
//!
//! [`Tape`] implements [`Engine`](wdistill_model::Engine): running the one forward pass over it records
//! a dozen operations a layer, each with what its gradient needs. [`Tape::backward`] then walks the tape
//! backwards with the machine's hand-derived gradients. The tape keeps records and nothing else: what computes is a
//! [`Machine`](wdistill_kernels::Machine), here [`Host`](wdistill_kernels::Host) of float32 or, for gradient checks, of
//! float64, which run this very code.
//!
//! ```
//! use wdistill_autograd::{DropoutSource, Gradients, Targets, Tape, Workspace};
//! use wdistill_kernels::layers::LossTargets;
//! use wdistill_model::{Architecture, Config, DecoderState, Model, Tokens, Vocabularies};
//!
//! let architecture = Architecture::preset("transformer-nano")?;
//! let model = Model::initialise(Config::new(architecture, Vocabularies::shared(20))?, 1);
//! let workspace = Workspace::new();
//! let (tape, tracked) = Tape::record(&model, &workspace, DropoutSource::NONE);
//! let source = Tokens::from_sentences([[5, 7, 0].as_slice()]);
//! let target = Tokens::from_sentences([[0, 3, 4].as_slice()]);
//! let encoded = tracked.encode(&tape, &source);
//! let mut state = DecoderState::new(&model.config);
//! let states = tracked.decode(&tape, &target, target.spans(), &encoded, &mut state);
//! let mut gradients = Gradients::zeros(&model.weights);
//! let loss = LossTargets { words: &[3, 4, 0], smoothing: 0.1, teacher: None };
//! let targets = Targets { loss, gradient_scale: 1.0 / 3.0 };
//! let Ok(loss) = tape.backward(&tracked, states, &targets, Vec::new(), &mut gradients);
//! assert_eq!(loss.tokens, 3);
//! assert!(gradients.norm() > 0.0);
//! # Ok::<(), wdistill_model::ConfigError>(())
//! ```

mod backward;
mod gradients;
mod places;
mod tape;
mod workspace;

pub use backward::{Inside, LossSums, Targets};
pub use gradients::Gradients;
pub use places::Place;
pub use tape::{DropoutSource, KeyValues, Tape, Tracked, TrackedMatrix, TrackedVector, Variable};
pub use workspace::Workspace;
