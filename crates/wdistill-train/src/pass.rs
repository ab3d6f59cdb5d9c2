//! A model's way through a batch, there and back.

use wdistill_autograd::{DropoutSource, Gradients, LossSums, Tape, Targets, Workspace};
use wdistill_kernels::layers::LossTargets;
use wdistill_kernels::{Host, Precision};
use wdistill_model::{Dense, Model};

use crate::batch::{Batch, decode};
use crate::guide::Guide;
use crate::teacher::Teacher;

/// What to do with the loss.
pub(crate) enum Pass<'a> {
    /// Training: dropout, and gradients times a factor added to a place.
    Train {
        /// In which products are computed.
        precision: Precision,
        /// What is learned besides the right words.
        teacher: Option<&'a Teacher<'a>>,
        /// Word alignments that a head learns, and their weight.
        guide: Option<(&'a Guide, f64)>,
        /// Dropout of this batch.
        dropout: DropoutSource,
        /// Factor on the gradients.
        gradient_scale: f64,
        /// Where they are added.
        gradients: &'a mut Gradients<Host<f32>>,
    },
    /// Validation: neither, and products in float32, as the weights are.
    Validate,
}

/// Runs a model over a batch.
pub(crate) fn run_batch(
    model: &Model<Dense<f32>>,
    workspace: &Workspace<Host<f32>>,
    batch: &Batch,
    smoothing: f64,
    pass: Pass<'_>,
) -> LossSums {
    let (precision, dropout) = match &pass {
        Pass::Train { precision, dropout, .. } => (*precision, *dropout),
        Pass::Validate => (Precision::Float32, DropoutSource::NONE),
    };
    // Before the student's pass, so that its tape can use the same memory.
    let teacher = match &pass {
        Pass::Train { teacher: Some(teacher), .. } => {
            Some((*teacher, teacher.see(workspace, batch)))
        }
        _ => None,
    };
    let (tape, tracked) = Tape::record_in(precision, model, workspace, dropout);
    let states = decode(&tape, &tracked, batch);
    let loss = LossTargets {
        words: batch.words(),
        smoothing,
        teacher: teacher.as_ref().and_then(|(teacher, seen)| teacher.distribution(seen)),
    };
    let sums = match pass {
        Pass::Train { gradient_scale, gradients, guide, .. } => {
            let missed = teacher.as_ref().map(|(teacher, seen)| {
                teacher.inside(&tape, &tracked, (batch, seen), gradient_scale)
            });
            let Ok(missed) = missed.transpose();
            let (mut inside, mut slopes) = missed.unwrap_or_default();
            if let Some((guide, weight)) = guide {
                let Ok((missed, of_guide)) =
                    guide.loss(&tape, &tracked, batch, weight * gradient_scale);
                inside += weight * missed;
                slopes.extend(of_guide);
            }
            let targets = Targets { loss, gradient_scale };
            let Ok(sums) = tape.backward(&tracked, states, &targets, slopes, gradients);
            LossSums { inside, ..sums }
        }
        Pass::Validate => {
            let targets = Targets { loss, gradient_scale: 1.0 };
            let Ok(sums) = tape.loss(&tracked, states, &targets);
            sums
        }
    };
    if let Some((_, seen)) = teacher {
        seen.give_back(workspace);
    }
    sums
}
