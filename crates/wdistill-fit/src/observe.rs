//! What both models compute for the same sentences.

use std::collections::HashMap;

use nalgebra::DMatrix;
use wdistill_autograd::{DropoutSource, Tape, Tracked, Workspace};
use wdistill_model::tree::LeafRef;
use wdistill_model::{
    DecoderState, Dense, LinearPart, LinearPlace, Model, NormPart, NormPlace, Slot, Tokens,
};

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
    tape: &'t Tape<'m, f32>,
    slots: HashMap<Slot, LeafRef<'t, Tracked>>,
    /// The encoder's last states.
    pub encoded: DMatrix<f64>,
    /// The decoder's.
    pub decoded: DMatrix<f64>,
}

impl Seen<'_, '_> {
    /// What a linear layer reads.
    pub fn read_by(&self, place: LinearPlace) -> DMatrix<f64> {
        let LeafRef::Matrix(weight) = &self.slots[&Slot::Linear(place, LinearPart::Weight)] else {
            unreachable!("a weight is a matrix")
        };
        let input = self.tape.read_by(**weight).expect("every layer runs");
        rows(&input, weight.columns())
    }

    /// The stream that a sub-layer adds to, and what its norm gives.
    pub fn at_norm(&self, place: NormPlace) -> AtNorm {
        let LeafRef::Vector(gain) = &self.slots[&Slot::Norm(place, NormPart::Gain)] else {
            unreachable!("a gain is a vector")
        };
        let at = self.tape.at_norm(**gain).expect("every norm runs");
        let width = self.tape.length_of(**gain);
        AtNorm { stream: rows(&at.stream, width), normal: rows(&at.normal, width) }
    }
}

/// What stands at a norm.
pub(crate) struct AtNorm {
    /// The stream before its sub-layer.
    pub stream: DMatrix<f64>,
    /// What the norm gives.
    pub normal: DMatrix<f64>,
}

/// Runs a model over a batch, and shows what it computed.
pub(crate) fn see<T>(
    model: &Model<Dense<f32>>,
    workspace: &Workspace<f32>,
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
        slots: tracked.weights.leaves().into_iter().collect(),
        encoded: rows(&tape.value(encoded.states), architecture.encoder.width),
        decoded: rows(&tape.value(decoded), architecture.decoder.width),
    };
    look(&seen)
}
