//! Which factors each weight's generator has, and where they start.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wdistill_base::{Hinted, Problem, Random};
use wdistill_model::tree::{LeafRef, Map, MatrixRole, MatrixSpec, VectorRole, VectorSpec};
use wdistill_model::{
    Axis, Config, Dense, LayerPlace, Matrix, Model, Slot, Spec, Stack, Transformer,
};

use crate::generator::{Generator, Squash};
use crate::parameters::{Generated, ParameterGenerator};

/// Start values of the factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The paper's: `O`, `I` Xavier normal, `S` one, `B` zero. Its layer factor is a Xavier normal
    /// `[g, g]` matrix times a vector of `1/g`; the product, normal with deviation `1/g`, is ours.
    #[default]
    Xavier,
    /// The student starts as the teacher cut down: first layer of each group, leading rows and columns,
    /// and `B = V - tanh(V)`, so that the tanh changes nothing at first.
    Cut,
}

/// Why a student cannot be grown from a teacher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrowError {
    /// Layers cannot be grouped evenly.
    #[error(
        "the teacher's {stack} has {teacher} layers, the student's {student}: {teacher} layers \
         cannot be divided into {student} equal groups"
    )]
    Depth {
        /// Which one.
        stack: Stack,
        /// The teacher's layers.
        teacher: usize,
        /// The student's layers.
        student: usize,
    },
    /// Teacher and student are of different kinds.
    #[error(
        "teacher and student must agree in {property}: the teacher has {teacher}, the student {student}"
    )]
    Property {
        /// What differs.
        property: &'static str,
        /// The teacher's.
        teacher: String,
        /// The student's.
        student: String,
    },
    /// More than one of the above.
    #[error("{}", .0.iter().map(|error| Problem::of(error).in_lines()).collect::<Vec<_>>().join("\n"))]
    Several(Vec<GrowError>),
}

impl Hinted for GrowError {
    fn hint(&self) -> Option<String> {
        match self {
            GrowError::Depth { teacher, .. } => Some(format!("choose a divisor of {teacher}")),
            GrowError::Property { .. } | GrowError::Several(_) => None,
        }
    }
}

impl GrowError {
    /// The errors that this one consists of.
    pub fn each(&self) -> &[GrowError] {
        match self {
            GrowError::Several(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }
}

/// The adjacent teacher layers that layer `index` of a student's stack stands for (paper, section 3.2).
///
/// # Errors
/// [`GrowError::Depth`] when `teacher` layers do not divide into `student` equal groups.
pub fn layer_group(
    stack: Stack,
    teacher: usize,
    student: usize,
    index: usize,
) -> Result<Range<usize>, GrowError> {
    if student == 0 || !teacher.is_multiple_of(student) {
        return Err(GrowError::Depth { stack, teacher, student });
    }
    let size = teacher / student;
    Ok(index * size..(index + 1) * size)
}

fn stack_layers(config: &Config, stack: Stack) -> usize {
    match stack {
        Stack::Encoder => config.architecture.encoder.layers,
        Stack::Decoder => config.architecture.decoder.layers,
    }
}

/// Whether a student can be made of a teacher.
///
/// # Errors
/// Everything in which they do not fit, together.
pub fn check_fit(teacher: &Config, student: &Config) -> Result<(), GrowError> {
    let mut problems = disagreements(teacher, student);
    match problems.len() {
        0 => Ok(()),
        1 => Err(problems.remove(0)),
        _ => Err(GrowError::Several(problems)),
    }
}

fn disagreements(teacher: &Config, student: &Config) -> Vec<GrowError> {
    let depth = |stack| {
        layer_group(stack, stack_layers(teacher, stack), stack_layers(student, stack), 0).err()
    };
    let vocabularies =
        (teacher.vocabularies != student.vocabularies).then(|| GrowError::Property {
            property: "vocabularies",
            teacher: format!("{:?}", teacher.vocabularies),
            student: format!("{:?}", student.vocabularies),
        });
    let (theirs, ours) = (teacher.architecture.properties(), student.architecture.properties());
    let properties = theirs.into_iter().zip(ours).filter(|(theirs, ours)| theirs != ours);
    [depth(Stack::Encoder), depth(Stack::Decoder), vocabularies]
        .into_iter()
        .flatten()
        .chain(properties.map(|((property, teacher), (_, student))| GrowError::Property {
            property,
            teacher,
            student,
        }))
        .collect()
}

struct Grow<'a> {
    teacher: &'a Model<Dense<f32>>,
    student: &'a Config,
    start: Start,
    seed: u64,
}

impl Grow<'_> {
    fn teacher_weights(&self, slot: Slot) -> Result<Vec<Matrix<f32>>, GrowError> {
        let group = match slot.layer() {
            None => 0..1,
            Some(LayerPlace { stack, layer }) => {
                let (teacher, student) = (&self.teacher.config, self.student);
                let layers = |config| stack_layers(config, stack);
                layer_group(stack, layers(teacher), layers(student), layer)?
            }
        };
        let leaves: HashMap<Slot, LeafRef<'_, Dense<f32>>> =
            self.teacher.weights.leaves().into_iter().collect();
        let find = |layer: usize| match &leaves[&slot.at_layer(layer)] {
            LeafRef::Matrix(matrix) => (*matrix).clone(),
            LeafRef::Vector(vector) => Matrix::new(vector.len(), 1, (*vector).clone()),
        };
        Ok(group.map(find).collect())
    }

    /// `[teacher, student]` factor of an axis; none where the lengths agree.
    fn factor(&self, slot: Slot, name: &str, axis: Axis) -> Option<Matrix<f32>> {
        let (from, to) = (self.teacher.config.length(axis), self.student.length(axis));
        let mut random = Random::named(self.seed, &format!("{slot}.{name}"));
        let deviation = (2.0 / (from + to) as f64).sqrt();
        (from != to).then(|| {
            Matrix::from_fn(from, to, |row, column| match self.start {
                Start::Xavier => (random.normal() * deviation) as f32,
                Start::Cut => f32::from(row == column),
            })
        })
    }

    fn layer_factor(&self, slot: Slot, group: usize) -> Option<Vec<f32>> {
        let mut random = Random::named(self.seed, &format!("{slot}.layer_factor"));
        let factor = (0..group).map(|layer| match self.start {
            Start::Xavier => (random.normal() / group as f64) as f32,
            Start::Cut => f32::from(layer == 0),
        });
        (group > 1).then(|| factor.collect())
    }

    fn generator(
        &self,
        slot: Slot,
        squash: fn(Matrix<f32>, Matrix<f32>) -> Squash<f32>,
        rows: Axis,
        columns: Option<Axis>,
    ) -> Result<Generator<f32>, GrowError> {
        let teacher = self.teacher_weights(slot)?;
        let shape =
            (self.student.length(rows), columns.map_or(1, |axis| self.student.length(axis)));
        let filled = |value: f32| Matrix::from_fn(shape.0, shape.1, |_, _| value);
        let mut generator = Generator {
            layer_factor: self.layer_factor(slot, teacher.len()),
            teacher,
            output_factor: self.factor(slot, "output_factor", rows),
            input_factor: columns.and_then(|axis| self.factor(slot, "input_factor", axis)),
            squash: squash(filled(1.0), filled(0.0)),
        };
        if self.start == Start::Cut {
            generator.make_exact();
        }
        Ok(generator)
    }
}

impl Map<Spec, Generated<f32>> for Grow<'_> {
    type Error = GrowError;

    fn matrix(&mut self, slot: Slot, spec: &MatrixSpec) -> Result<Generator<f32>, GrowError> {
        let squash = match spec.role {
            // The paper's code gives the output projection a width factor and nothing else.
            MatrixRole::Output => |_, _| Squash::None,
            _ => squashed,
        };
        self.generator(slot, squash, spec.rows, Some(spec.columns))
    }

    fn vector(&mut self, slot: Slot, spec: &VectorSpec) -> Result<Generator<f32>, GrowError> {
        let squash = match (slot.layer(), spec.role) {
            // A final norm is copied from the teacher and trained as it is.
            (None, VectorRole::NormGain | VectorRole::NormShift) => |_, shift| Squash::Shift(shift),
            _ => squashed,
        };
        self.generator(slot, squash, spec.axis, None)
    }
}

fn squashed(scale: Matrix<f32>, shift: Matrix<f32>) -> Squash<f32> {
    Squash::Tanh { scale, shift }
}

impl ParameterGenerator<f32> {
    /// A generator for every weight of `student`, fed by `teacher`.
    ///
    /// # Errors
    /// Everything in which teacher and student do not fit, together.
    pub fn grow(
        teacher: &Model<Dense<f32>>,
        student: &Config,
        start: Start,
        seed: u64,
    ) -> Result<ParameterGenerator<f32>, GrowError> {
        check_fit(&teacher.config, student)?;
        let mut grow = Grow { teacher, student, start, seed };
        let generators = Transformer::catalogue(student).map(&mut grow)?;
        Ok(ParameterGenerator { config: student.clone(), generators })
    }
}

/// The teacher cut down to the student's shape: the first layer of each group, leading rows and columns.
///
/// # Errors
/// As [`ParameterGenerator::grow`].
pub fn cut(teacher: &Model<Dense<f32>>, student: &Config) -> Result<Model<Dense<f32>>, GrowError> {
    Ok(ParameterGenerator::grow(teacher, student, Start::Cut, 0)?.materialise())
}
