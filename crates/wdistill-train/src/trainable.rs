//! What can be trained: a model's own weights, or a generator through the model it makes.

use wdistill_autograd::{Gradients, Workspace};
use wdistill_generator::{ParameterGenerator, Saved};
use wdistill_model::{Dense, Model};

/// Parameters, and the model that they make.
///
/// The two phases of weight distillation differ in this and in nothing else: phase 1 trains a
/// [`GeneratedStudent`], phase 2 a [`DenseModel`].
pub trait Trainable {
    /// The model that the parameters make now.
    fn model(&self) -> &Model<Dense<f32>>;

    /// Gradients of the parameters, in the order of [`Trainable::parameters_mut`], from the gradients of
    /// the model's weights; all of these are buffers of the workspace.
    fn parameter_gradients(
        &mut self,
        weights: Gradients<f32>,
        workspace: &Workspace<f32>,
    ) -> Gradients<f32>;

    /// Name and numbers of every trained parameter.
    fn parameters_mut(&mut self) -> Vec<(String, &mut [f32])>;

    /// To be called when parameters have changed.
    fn refresh(&mut self);
}

/// A model that is trained itself.
pub struct DenseModel(pub Model<Dense<f32>>);

impl Trainable for DenseModel {
    fn model(&self) -> &Model<Dense<f32>> {
        &self.0
    }

    fn parameter_gradients(
        &mut self,
        weights: Gradients<f32>,
        _: &Workspace<f32>,
    ) -> Gradients<f32> {
        weights
    }

    fn parameters_mut(&mut self) -> Vec<(String, &mut [f32])> {
        let slices = self.0.weights.slices_mut();
        slices.into_iter().map(|(slot, slice)| (slot.to_string(), slice)).collect()
    }

    fn refresh(&mut self) {}
}

/// A student that is made by a generator, materialised once for each optimiser step.
pub struct GeneratedStudent {
    generator: ParameterGenerator<f32>,
    student: Model<Dense<f32>>,
    saved: Vec<Saved<f32>>,
}

impl GeneratedStudent {
    /// Materialises the student for the first time.
    pub fn new(generator: ParameterGenerator<f32>) -> GeneratedStudent {
        let (student, saved) = generator.materialise_saving();
        GeneratedStudent { generator, student, saved }
    }
}

impl Trainable for GeneratedStudent {
    fn model(&self) -> &Model<Dense<f32>> {
        &self.student
    }

    fn parameter_gradients(
        &mut self,
        weights: Gradients<f32>,
        workspace: &Workspace<f32>,
    ) -> Gradients<f32> {
        let new = |length| workspace.take(length);
        let buffers = self.generator.backward(&mut self.saved, &weights.buffers, new);
        workspace.give_back(weights);
        Gradients { buffers }
    }

    fn parameters_mut(&mut self) -> Vec<(String, &mut [f32])> {
        self.generator.parameters_mut()
    }

    fn refresh(&mut self) {
        self.generator.materialise_into(&mut self.student, &mut self.saved);
    }
}
