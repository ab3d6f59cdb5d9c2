//! One step of the optimiser over all parameters.

use wdistill_autograd::Gradients;
use wdistill_base::parallel;
use wdistill_kernels::{
    AdamBuffers, AdamSettings, AdamStep, MuonBuffers, MuonSettings, MuonStep, adam_step, muon_step,
};
use wdistill_model::Part;

use crate::learner::Parameters;
use crate::settings::{Optimiser, TrainingSettings};

/// What a step is told besides the gradient.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    /// Of the run.
    pub settings: &'a TrainingSettings,
    /// The update, counted from 1.
    pub number: u64,
    /// Factor on the gradient.
    pub gradient_factor: f64,
}

/// Changes the parameters and their moments, and writes the new parameters to `copies` too, in the order of the layout.
pub(crate) fn step(
    parameters: &mut Parameters,
    gradients: &Gradients<f32>,
    copies: Vec<&mut [f32]>,
    Step { settings, number, gradient_factor }: Step<'_>,
) {
    let learning_rate = settings.learning_rate_at(number);
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
    let Parameters { layout, values, first_moments, second_moments, .. } = parameters;
    let values = layout.slices_mut(values).into_iter();
    let moments =
        layout.slices_mut(first_moments).into_iter().zip(layout.slices_mut(second_moments));
    let tensors = layout.ranges().iter().zip(values.zip(moments));
    let mut matrices = Vec::new();
    for ((named, (parameters, (first_moment, second_moment))), (gradient, copy)) in
        tensors.zip(gradients.slices().zip(copies))
    {
        match (settings.optimiser, named.part, &named.shape[..]) {
            // Large matrices of few kinds: each is a job below.
            (Optimiser::Muon, Part::LinearMap, &[rows, columns]) => {
                let (moment, copy) = (first_moment, Some(copy));
                matrices.push(MuonBuffers { rows, columns, parameters, moment, gradient, copy });
            }
            (_, part, _) => {
                // Biases and norms are no larger for being many, and words that are rare would be forgotten.
                let weight_decay = match part {
                    Part::LinearMap => settings.weight_decay,
                    Part::Numbers => 0.0,
                };
                adam_step(
                    AdamBuffers {
                        parameters,
                        first_moment,
                        second_moment,
                        gradient,
                        copy: Some(copy),
                    },
                    &AdamStep { weight_decay, ..adam },
                );
            }
        }
    }
    parallel::for_each(matrices, |buffers| muon_step(buffers, &muon));
}
