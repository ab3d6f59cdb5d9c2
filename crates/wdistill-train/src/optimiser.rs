//! One step of the optimiser over a piece of all parameters.

use std::ops::Range;

use wdistill_base::parallel;
use wdistill_kernels::{
    AdamBuffers, AdamSettings, AdamStep, MuonBuffers, MuonSettings, MuonStep, adam_step, muon_step,
};
use wdistill_model::{Layout, Part};

use crate::freezing::Frozen;
use crate::settings::{Optimiser, TrainingSettings};

/// What a step is told besides the gradient.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    /// Of the run.
    pub settings: &'a TrainingSettings,
    /// The update, counted from 1.
    pub number: u64,
    /// Its rate.
    pub learning_rate: f64,
    /// Factor on the gradient.
    pub gradient_factor: f64,
    /// What stays as it is.
    pub frozen: &'a Frozen,
}

/// What a step works on: a piece of flat buffers over one layout. Where a tensor is cut no bit depends on: Adam works number
/// by number, and a matrix of Muon's is never cut ([`is_matrix_of_muon`]).
pub(crate) struct Stepped<'a> {
    /// Names and shapes.
    pub layout: &'a Layout,
    /// Which numbers are stepped.
    pub piece: Range<usize>,
    /// All parameters.
    pub values: &'a mut [f32],
    /// Of the piece.
    pub first_moments: &'a mut [f32],
    /// Of the piece.
    pub second_moments: &'a mut [f32],
    /// All gradients, of which those of the piece are read.
    pub gradients: &'a [f32],
    /// Where the new parameters are written too, tensor by tensor.
    pub copies: Vec<&'a mut [f32]>,
}

/// Whether a tensor is one of the large matrices of few kinds that Muon needs whole.
pub(crate) fn is_matrix_of_muon(optimiser: Optimiser, part: Part, shape: &[usize]) -> bool {
    optimiser == Optimiser::Muon && part == Part::LinearMap && shape.len() == 2
}

/// The numbers that two ranges have in common, if there are any.
pub(crate) fn overlap(one: &Range<usize>, other: &Range<usize>) -> Option<Range<usize>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}

/// Parts of a buffer whose first number is the one with the number `start`, in rising order.
fn parts(
    mut rest: &mut [f32],
    mut start: usize,
    ranges: impl Iterator<Item = Range<usize>>,
) -> Vec<&mut [f32]> {
    let mut cut = |range: Range<usize>| {
        let (part, behind) =
            std::mem::take(&mut rest)[range.start - start..].split_at_mut(range.len());
        (rest, start) = (behind, range.end);
        part
    };
    ranges.map(&mut cut).collect()
}

/// Changes the parameters of a piece and their moments.
pub(crate) fn step(
    stepped: Stepped<'_>,
    Step { settings, number, learning_rate, gradient_factor, frozen }: Step<'_>,
) {
    let [beta1, beta2] = settings.adam_betas;
    let adam = AdamStep {
        settings: AdamSettings { beta1, beta2, epsilon: settings.adam_epsilon },
        learning_rate,
        number,
        gradient_factor,
        weight_decay: 0.0,
    };
    let muon = MuonStep {
        settings: MuonSettings { momentum: settings.muon_momentum },
        learning_rate,
        gradient_factor,
        weight_decay: settings.weight_decay,
    };
    let Stepped { layout, piece, values, first_moments, second_moments, gradients, copies } =
        stepped;
    let tensors = layout.ranges().iter().zip(copies).enumerate();
    let tensors: Vec<_> = tensors
        .filter(|(index, _)| !frozen.holds(*index))
        .filter_map(|(_, (named, copy))| Some((named, overlap(&named.range, &piece)?, copy)))
        .collect();
    let ranges = || tensors.iter().map(|(_, range, _)| range.clone());
    let values = parts(values, 0, ranges()).into_iter();
    let first_moments = parts(first_moments, piece.start, ranges()).into_iter();
    let second_moments = parts(second_moments, piece.start, ranges()).into_iter();
    let buffers = values.zip(first_moments.zip(second_moments));
    let mut matrices = Vec::new();
    for ((named, range, copy), (parameters, (first_moment, second_moment))) in
        tensors.into_iter().zip(buffers)
    {
        let gradient = &gradients[range.clone()];
        let inside = range.start - named.range.start;
        let copy = Some(&mut copy[inside..inside + range.len()]);
        if is_matrix_of_muon(settings.optimiser, named.part, &named.shape) {
            // Each is a job below.
            let (rows, columns, moment) = (named.shape[0], named.shape[1], first_moment);
            matrices.push(MuonBuffers { rows, columns, parameters, moment, gradient, copy });
        } else {
            // Biases and norms are no larger for being many, and words that are rare would be forgotten.
            let weight_decay = match named.part {
                Part::LinearMap => settings.weight_decay,
                Part::Numbers => 0.0,
            };
            adam_step(
                AdamBuffers { parameters, first_moment, second_moment, gradient, copy },
                &AdamStep { weight_decay, ..adam },
            );
        }
    }
    parallel::for_each(matrices, |buffers| muon_step(buffers, &muon));
}
