//! Which factors each weight's generator has, and where they start.

use std::collections::HashMap;
use std::ops::Range;

use wdistill_base::{Hinted, Problem, Random};
use wdistill_model::tree::{LeafRef, Map, MatrixRole, MatrixSpec, VectorRole, VectorSpec};
use wdistill_model::{
    AttentionRole, Axis, Config, Dense, FeedForwardRole, LayerPlace, LinearPlace, Matrix, Model,
    Slot, Spec, Stack, Table, Transformer,
};

use crate::choice::{Both, Choice, LayerChoice, Pair, Side, Start};
use crate::concatenate::Concatenation;
use crate::generator::{Generator, Squash};
use crate::parameters::{Generated, ParameterGenerator};

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
    /// A student has more layers than its teacher.
    #[error("the teacher's {stack} has {teacher} layers, the student's {student}, which is more")]
    Deeper {
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
            GrowError::Deeper { .. } | GrowError::Property { .. } | GrowError::Several(_) => None,
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

impl Pair<'_> {
    /// The teacher's layers that a student's layer is made of.
    fn sources(&self, choice: LayerChoice, place: LayerPlace) -> Result<Range<usize>, GrowError> {
        let LayerPlace { stack, layer } = place;
        let layers = self.layers(stack);
        let Both { teacher, student } = layers;
        let deeper = || GrowError::Deeper { stack, teacher, student };
        let one = |layer: usize| match student <= teacher {
            true => Ok(layer..layer + 1),
            false => Err(deeper()),
        };
        match choice {
            // Neighbours begin as the same layer.
            LayerChoice::FirstOfGroup | LayerChoice::Concatenated if student > teacher => {
                let source = layers.spaced(layer);
                Ok(source..source + 1)
            }
            LayerChoice::FirstOfGroup | LayerChoice::Concatenated => {
                layer_group(stack, teacher, student, layer)
            }
            LayerChoice::First => one(layer),
            // Of two that are equally near the first.
            LayerChoice::Spaced => match student {
                0 | 1 => one(layer),
                _ => one((2 * layer * (teacher - 1) + student - 2) / (2 * (student - 1))),
            },
        }
    }
}

/// Whether a student can be made of a teacher, of whose layers it takes these.
///
/// # Errors
/// Everything in which they do not fit, together.
pub fn check_fit(teacher: &Config, student: &Config, layers: LayerChoice) -> Result<(), GrowError> {
    let mut problems = disagreements(Pair { teacher, student }, layers);
    match problems.len() {
        0 => Ok(()),
        1 => Err(problems.remove(0)),
        _ => Err(GrowError::Several(problems)),
    }
}

fn disagreements(pair: Pair<'_>, layers: LayerChoice) -> Vec<GrowError> {
    let Pair { teacher, student } = pair;
    let depth = |stack| pair.sources(layers, LayerPlace { stack, layer: 0 }).err();
    let vocabularies =
        (teacher.vocabularies != student.vocabularies).then(|| GrowError::Property {
            property: "vocabularies",
            teacher: format!("{:?}", teacher.vocabularies),
            student: format!("{:?}", student.vocabularies),
        });
    let (theirs, ours) = (teacher.architecture.properties(), student.architecture.properties());
    // A table that the teacher has tied can be two in the student.
    let [tied, untied] = [teacher, student].map(|config| config.architecture.embeddings.tables());
    let unties = untied >= tied;
    let differs = |(theirs, ours): &((&str, String), (&str, String))| {
        theirs != ours && !(ours.0 == "embeddings" && unties)
    };
    let properties = theirs.into_iter().zip(ours).filter(differs);
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
    /// What it begins with; random factors if nothing is chosen.
    choice: Option<Choice>,
    seed: u64,
}

impl Grow<'_> {
    fn pair(&self) -> Pair<'_> {
        Pair { teacher: &self.teacher.config, student: self.student }
    }

    /// The teacher's layers that a slot is made of; layer 0 for one that lies in none.
    fn sources(&self, slot: Slot) -> Result<Range<usize>, GrowError> {
        let layers = layers_of(self.choice);
        slot.layer().map_or(Ok(0..1), |place| self.pair().sources(layers, place))
    }

    fn teacher_weights(&self, slot: Slot) -> Result<Vec<Matrix<f32>>, GrowError> {
        let sources = self.sources(slot)?;
        let leaves: HashMap<Slot, LeafRef<'_, Dense<f32>>> =
            self.teacher.weights.leaves().into_iter().collect();
        let share = 1.0 / self.copies(slot) as f32;
        let embeddings = &self.teacher.weights.embeddings;
        let find = |layer: usize| {
            // A table that the teacher has tied to another is that one.
            let tied = || match slot {
                Slot::Table(Table::Output) => embeddings.output_layer().table,
                _ => embeddings.target_table(),
            };
            let (rows, columns, data) = match leaves.get(&slot.at_layer(layer)) {
                Some(LeafRef::Matrix(matrix)) => (matrix.rows(), matrix.columns(), matrix.data()),
                Some(LeafRef::Vector(vector)) => (vector.len(), 1, vector.as_slice()),
                None => (tied().rows(), tied().columns(), tied().data()),
            };
            Matrix::new(rows, columns, data.iter().map(|number| number * share).collect())
        };
        Ok(sources.map(find).collect())
    }

    /// How many of the student's layers begin as the same layer of the teacher, if the slot adds to the stream: each of them
    /// adds its share of what the teacher's layer did.
    fn copies(&self, slot: Slot) -> usize {
        let (Slot::Linear(place, _), Some(LayerPlace { stack, layer })) = (slot, slot.layer())
        else {
            return 1;
        };
        let adds = matches!(
            place,
            LinearPlace::Attention(_, _, AttentionRole::Output)
                | LinearPlace::FeedForward(_, FeedForwardRole::Down)
        );
        let layers = self.pair().layers(stack);
        if !adds || layers.student <= layers.teacher {
            return 1;
        }
        let has_source = |other: &usize| layers.spaced(*other) == layers.spaced(layer);
        (0..layers.student).filter(has_source).count()
    }

    /// `[teacher, student]` factor of an axis; none where the lengths agree.
    fn factor(&self, slot: Slot, side: Side, axis: Axis) -> Option<Matrix<f32>> {
        let pair = self.pair();
        let Both { teacher, student } = pair.length(axis);
        (teacher != student).then(|| match self.choice {
            None => {
                let mut random = Random::named(self.seed, &format!("{slot}.{}", side.name()));
                let deviation = (2.0 / (teacher + student) as f64).sqrt();
                Matrix::from_fn(teacher, student, |_, _| (random.normal() * deviation) as f32)
            }
            Some(Choice { elements, scale, .. }) => {
                let chosen = pair.elements(elements, slot, side, axis);
                let scale = pair.scale(scale, slot, side, axis) as f32;
                selecting(teacher, &chosen, scale)
            }
        })
    }

    /// What is to be done with heads or hidden units of several layers.
    fn concatenation(&self, slot: Slot) -> Result<Option<Concatenation>, GrowError> {
        let Some(LayerPlace { stack, .. }) = slot.layer() else { return Ok(None) };
        let sources = self.sources(slot)?;
        if layers_of(self.choice) != LayerChoice::Concatenated || sources.len() == 1 {
            return Ok(None);
        }
        let layers: Vec<LayerPlace> = sources.map(|layer| LayerPlace { stack, layer }).collect();
        Ok(Concatenation::of(slot, self.pair(), self.teacher, &layers))
    }

    fn layer_factor(&self, slot: Slot, group: usize) -> Option<Vec<f32>> {
        let mut random = Random::named(self.seed, &format!("{slot}.layer_factor"));
        let factor = (0..group).map(|layer| match self.choice.map(|choice| choice.layers) {
            None => (random.normal() / group as f64) as f32,
            Some(LayerChoice::Concatenated) => 1.0 / group as f32,
            Some(_) => f32::from(layer == 0),
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
        let mut teacher = self.teacher_weights(slot)?;
        let mut output_factor = self.factor(slot, Side::Output, rows);
        let mut input_factor = columns.and_then(|axis| self.factor(slot, Side::Input, axis));
        if let (Some(together), Some(Choice { scale, .. })) =
            (self.concatenation(slot)?, self.choice)
        {
            teacher = vec![together.stacked(&teacher)];
            let (factor, all, axis) = match together.side {
                Side::Output => (&mut output_factor, teacher[0].rows(), Some(rows)),
                Side::Input => (&mut input_factor, teacher[0].columns(), columns),
            };
            let scale =
                axis.map_or(1.0, |axis| self.pair().scale(scale, slot, together.side, axis));
            *factor = Some(selecting(all, &together.chosen, scale as f32));
        }
        let shape =
            (self.student.length(rows), columns.map_or(1, |axis| self.student.length(axis)));
        let filled = |value: f32| Matrix::from_fn(shape.0, shape.1, |_, _| value);
        let mut generator = Generator {
            layer_factor: self.layer_factor(slot, teacher.len()),
            teacher,
            output_factor,
            input_factor,
            squash: squash(filled(1.0), filled(0.0)),
        };
        if self.choice.is_some() {
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

/// The factor `[all, student]` that takes the chosen element of all for each of the student's, times `scale`.
fn selecting(all: usize, chosen: &[Option<usize>], scale: f32) -> Matrix<f32> {
    Matrix::from_fn(
        all,
        chosen.len(),
        |row, column| {
            if chosen[column] == Some(row) { scale } else { 0.0 }
        },
    )
}

/// Which layers a start takes; the paper's takes all of a group.
fn layers_of(choice: Option<Choice>) -> LayerChoice {
    choice.map_or(LayerChoice::FirstOfGroup, |choice| choice.layers)
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
        ParameterGenerator::begin(teacher, student, start.choice(), seed)
    }

    fn begin(
        teacher: &Model<Dense<f32>>,
        student: &Config,
        choice: Option<Choice>,
        seed: u64,
    ) -> Result<ParameterGenerator<f32>, GrowError> {
        check_fit(&teacher.config, student, layers_of(choice))?;
        let mut grow = Grow { teacher, student, choice, seed };
        let generators = Transformer::catalogue(student).map(&mut grow)?;
        Ok(ParameterGenerator { config: student.clone(), generators })
    }
}

/// A student of the teacher's shape or a smaller one, made of the chosen part of the teacher's numbers.
///
/// # Errors
/// As [`ParameterGenerator::grow`].
pub fn cut(
    teacher: &Model<Dense<f32>>,
    student: &Config,
    choice: Choice,
) -> Result<Model<Dense<f32>>, GrowError> {
    Ok(ParameterGenerator::begin(teacher, student, Some(choice), 0)?.materialise())
}
