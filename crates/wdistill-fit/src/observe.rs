//! What both models compute for the same sentences.

use nalgebra::DMatrix;
use wdistill_autograd::{DropoutSource, Place, Tape, Tracked, Workspace};
use wdistill_kernels::Host;
use wdistill_model::{DecoderState, Dense, Model, Tokens};

use crate::algebra::rows;

/// A batch of sentence pairs.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// What the encoder reads.
    pub source: &'a Tokens,
    /// What the decoder reads.
    pub target: &'a Tokens,
    /// The right word after each of its tokens.
    pub words: &'a [u32],
}

/// A model's activations for a batch, each `[tokens, width]`.
pub(crate) struct Seen<'t, 'm> {
    tape: &'t Tape<'m, Host<f32>>,
    model: &'t Model<Tracked>,
    /// The encoder's last states.
    pub encoded: DMatrix<f64>,
    /// The decoder's.
    pub decoded: DMatrix<f64>,
}

impl Seen<'_, '_> {
    /// What is at a place.
    pub fn at(&self, place: Place) -> DMatrix<f64> {
        let variable = self.tape.at(self.model, place);
        rows(&self.tape.value(variable), self.tape.width(variable))
    }
}

/// Runs a model over a batch, and shows what it computed.
pub(crate) fn see<T>(
    model: &Model<Dense<f32>>,
    workspace: &Workspace<Host<f32>>,
    examples: &Examples<'_>,
    look: impl FnOnce(&Seen<'_, '_>) -> T,
) -> T {
    let (tape, tracked) = Tape::record(model, workspace, DropoutSource::NONE);
    let encoded = tracked.encode(&tape, examples.source);
    let mut state = DecoderState::new(&model.config);
    let spans = examples.target.spans();
    let decoded = tracked.decode(&tape, examples.target, spans, &encoded, &mut state);
    let architecture = &model.config.architecture;
    let seen = Seen {
        tape: &tape,
        model: &tracked,
        encoded: rows(&tape.value(encoded.states), architecture.encoder.width),
        decoded: rows(&tape.value(decoded), architecture.decoder.width),
    };
    look(&seen)
}
