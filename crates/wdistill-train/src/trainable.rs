//! What can be trained: a model's own weights, or a generator through the model it makes.

use std::sync::Arc;

use wdistill_autograd::{Gradients, Workspace};
use wdistill_generator::{ParameterGenerator, Saved};
use wdistill_kernels::Host;
use wdistill_model::{Dense, Layout, Model};

/// What is trained, whatever the device. The two phases of weight distillation differ in this and in nothing else.
pub enum Trainee {
    /// A model's own weights: a teacher, a rival, phase 2.
    Weights(Box<Model<Dense<f32>>>),
    /// A generator, through the student that it makes: phase 1.
    Generator(Box<ParameterGenerator<f32>>),
}

impl Trainee {
    /// A model that is trained itself.
    pub fn weights(model: Model<Dense<f32>>) -> Trainee {
        Trainee::Weights(Box::new(model))
    }

    /// A generator that is trained through its student.
    pub fn generator(generator: ParameterGenerator<f32>) -> Trainee {
        Trainee::Generator(Box::new(generator))
    }

    /// As this machine's processor trains it.
    pub(crate) fn on_host(self) -> Box<dyn Trainable> {
        match self {
            Trainee::Weights(model) => Box::new(DenseModel(*model)),
            Trainee::Generator(generator) => Box::new(GeneratedStudent::new(*generator)),
        }
    }
}

/// Which gradients of the model's weights the gradients of some parameters are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MadeOf {
    /// The same ones: the parameters are the weights.
    TheSame,
    /// All of them.
    All,
}

/// Parameters, and the model that they make.
pub(crate) trait Trainable {
    /// The model that the parameters make now.
    fn model(&self) -> &Model<Dense<f32>>;

    /// Names and shapes of all trained parameters.
    fn layout(&self) -> Layout;

    /// What the gradients of the parameters are made of.
    fn made_of(&self) -> MadeOf;

    /// The numbers of all parameters, in the layout's order.
    fn parameters_mut(&mut self) -> Vec<&mut [f32]>;

    /// To be called when parameters have changed.
    fn refresh(&mut self);

    /// Gradients of the parameters, over `layout`, from the gradients of the model's weights; all buffers are of the
    /// workspace.
    fn parameter_gradients(
        &mut self,
        weights: Gradients<Host<f32>>,
        layout: &Arc<Layout>,
        workspace: &Workspace<Host<f32>>,
    ) -> Gradients<Host<f32>>;
}

/// A model that is trained itself.
pub(crate) struct DenseModel(Model<Dense<f32>>);

impl Trainable for DenseModel {
    fn model(&self) -> &Model<Dense<f32>> {
        &self.0
    }

    fn layout(&self) -> Layout {
        Layout::of(&self.0.weights)
    }

    fn made_of(&self) -> MadeOf {
        MadeOf::TheSame
    }

    fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        self.0.weights.slices_mut().into_iter().map(|(_, slice)| slice).collect()
    }

    fn refresh(&mut self) {}

    fn parameter_gradients(
        &mut self,
        weights: Gradients<Host<f32>>,
        _: &Arc<Layout>,
        _: &Workspace<Host<f32>>,
    ) -> Gradients<Host<f32>> {
        weights
    }
}

/// A student that is made by a generator, materialised once for each optimiser step.
pub(crate) struct GeneratedStudent {
    generator: ParameterGenerator<f32>,
    student: Model<Dense<f32>>,
    saved: Vec<Saved<f32>>,
}

impl GeneratedStudent {
    /// Materialises the student for the first time.
    fn new(generator: ParameterGenerator<f32>) -> GeneratedStudent {
        let (student, saved) = generator.materialise_saving();
        GeneratedStudent { generator, student, saved }
    }
}

impl Trainable for GeneratedStudent {
    fn model(&self) -> &Model<Dense<f32>> {
        &self.student
    }

    fn layout(&self) -> Layout {
        self.generator.layout()
    }

    fn made_of(&self) -> MadeOf {
        MadeOf::All
    }

    fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        self.generator.parameters_mut()
    }

    fn refresh(&mut self) {
        self.generator.materialise_into(&mut self.student, &mut self.saved);
    }

    fn parameter_gradients(
        &mut self,
        weights: Gradients<Host<f32>>,
        layout: &Arc<Layout>,
        workspace: &Workspace<Host<f32>>,
    ) -> Gradients<Host<f32>> {
        let mut factors = workspace.gradients(layout);
        self.generator.backward(&mut self.saved, weights.slices(), factors.slices_mut());
        workspace.give_back(weights);
        factors
    }
}
