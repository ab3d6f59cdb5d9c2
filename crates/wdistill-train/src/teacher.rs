//! What a student learns of a teacher that runs beside it: its distribution over words, its states, and how tokens relate
//! in it.

use wdistill_autograd::{DropoutSource, Inside, Place, Tape, Tracked, Variable, Workspace};
use wdistill_base::Problem;
use wdistill_generator::layer_group;
use wdistill_kernels::layers::{Projection, TeacherDistribution};
use wdistill_kernels::machine::{Rows, Slopes};
use wdistill_kernels::{Host, Machine, Precision};
use wdistill_model::{
    AttentionKind, AttentionRole, Block, Config, Dense, LayerPlace, LinearPlace, Model, Spans,
    Stack, SubLayer,
};

use crate::batch::{Batch, decode};
use crate::error::TrainError;
use crate::settings::{Training, TrainingSettings};

/// A teacher that runs beside its student. It reads the same vocabularies, never drops, and is not trained.
pub(crate) struct Teacher<'a> {
    model: &'a Model<Dense<f32>>,
    /// The student's.
    precision: Precision,
    /// Of its distribution over words, from 0 to 1; the right words have the rest.
    word_weight: f64,
    pairings: Vec<Pairing>,
}

/// Two places whose activations should be alike.
struct Pairing {
    theirs: Place,
    ours: Place,
    likeness: Likeness,
    /// Of what the student misses, a row.
    weight: f64,
}

/// How activations are compared.
enum Likeness {
    /// Number by number.
    States,
    /// By how the tokens of a sentence relate.
    Relations { heads: usize, rows: Side },
}

/// Whose tokens rows are.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

impl Side {
    fn spans(self, batch: &Batch) -> &Spans {
        match self {
            Side::Source => batch.source().spans(),
            Side::Target => batch.target().spans(),
        }
    }
}

/// What a teacher computed for a batch, in buffers of a workspace.
pub(crate) struct Seen<M: Machine> {
    /// `[target tokens, width]`.
    states: M::Numbers,
    /// For each pairing, its rows and their width.
    inside: Vec<(M::Numbers, usize)>,
}

impl<M: Machine> Seen<M> {
    /// Gives the buffers back.
    pub fn give_back(self, workspace: &Workspace<M>) {
        workspace.give(self.states);
        self.inside.into_iter().for_each(|(rows, _)| workspace.give(rows));
    }
}

impl<'a> Teacher<'a> {
    /// As the settings want it, for a student of this configuration that is trained in this precision.
    ///
    /// # Errors
    /// [`TrainError::Settings`] if student and teacher cannot be compared so.
    pub fn new(
        model: &'a Model<Dense<f32>>,
        student: &Config,
        settings: &TrainingSettings,
        precision: Precision,
    ) -> Result<Teacher<'a>, TrainError> {
        let pairings = pairings(settings, &model.config, student).map_err(|problem| {
            let place = "training settings".to_string();
            TrainError::Settings { place, problems: vec![problem.to_string()] }
        })?;
        Ok(Teacher { model, precision, word_weight: settings.word_distillation, pairings })
    }

    /// Runs it over a batch.
    pub fn see(&self, workspace: &Workspace<Host<f32>>, batch: &Batch) -> Seen<Host<f32>> {
        let (tape, tracked) =
            Tape::record_in(self.precision, self.model, workspace, DropoutSource::NONE);
        let states = decode(&tape, &tracked, batch);
        let copy = |variable: Variable| workspace.copy_of(&tape.value(variable));
        let inside = self.pairings.iter().map(|pairing| {
            let variable = tape.at(&tracked, pairing.theirs);
            (copy(variable), tape.width(variable))
        });
        Seen { states: copy(states), inside: inside.collect() }
    }

    /// Its output projection, and so its distribution, if that is learned.
    pub fn distribution<'s>(
        &'s self,
        seen: &'s Seen<Host<f32>>,
    ) -> Option<TeacherDistribution<&'s Vec<f32>, &'s [f32]>> {
        let layer = self.model.weights.embeddings.output_layer();
        let bias = layer.bias.map(Vec::as_slice);
        let (table, width) = (layer.table.data(), layer.table.columns());
        let projection = Projection { table, bias, width, precision: self.precision };
        let weight = self.word_weight;
        (weight > 0.0).then_some(TeacherDistribution { states: &seen.states, projection, weight })
    }

    /// What the student on a tape misses of it inside, summed over rows, and `scale` times its slopes.
    ///
    /// # Errors
    /// If the machine fails.
    pub fn inside<M: Machine>(
        &self,
        tape: &Tape<'_, M>,
        student: &Model<Tracked>,
        (batch, seen): (&Batch, &Seen<M>),
        scale: f64,
    ) -> Result<Inside<M>, M::Error> {
        let machine = tape.machine();
        let losses = self.pairings.iter().zip(&seen.inside).map(|(pairing, (rows, width))| {
            let variable = tape.at(student, pairing.ours);
            let value = tape.value(variable);
            let mut gradient = machine.take(M::length(&value));
            let ours = Rows { values: &*value, width: tape.width(variable) };
            let theirs = Rows { values: rows, width: *width };
            let slopes = Slopes { gradient: &mut gradient, scale: scale * pairing.weight };
            let loss = match pairing.likeness {
                Likeness::States => machine.state_distance(slopes, ours, theirs),
                Likeness::Relations { heads, rows } => {
                    let spans = rows.spans(batch);
                    let spans = tape.spans(spans, spans);
                    machine.relation_divergence(slopes, ours, theirs, &spans, heads)
                }
            };
            (pairing.weight, loss, (variable, gradient))
        });
        // All are asked for before the first is read.
        let losses: Vec<_> = losses.collect();
        let (mut sum, mut slopes) = (0.0, Vec::with_capacity(losses.len()));
        for (weight, loss, slope) in losses {
            sum += weight * machine.inside(loss)?;
            slopes.push(slope);
        }
        Ok((sum, slopes))
    }
}

/// Checks that a student can learn what the settings want it to learn inside a teacher.
///
/// # Errors
/// A [`Problem`] if `state_distillation` cannot compare these shapes.
pub fn check_inside<L>(
    settings: &Training<L>,
    teacher: &Config,
    student: &Config,
) -> Result<(), Problem> {
    pairings(settings, teacher, student).map(|_| ())
}

fn pairings<L>(
    settings: &Training<L>,
    theirs: &Config,
    ours: &Config,
) -> Result<Vec<Pairing>, Problem> {
    let mut pairings = Vec::new();
    if settings.state_distillation > 0.0 {
        pairings.extend(state_pairings(settings.state_distillation, theirs, ours)?);
    }
    if settings.relation_distillation > 0.0 {
        pairings.extend(relation_pairings(settings.relation_distillation, theirs, ours));
    }
    Ok(pairings)
}

/// The stream after each layer, and the teacher's after the last layer of its group.
fn state_pairings(weight: f64, theirs: &Config, ours: &Config) -> Result<Vec<Pairing>, Problem> {
    let layers =
        |stack| (0..ours.shape(stack).layers).map(move |layer| LayerPlace { stack, layer });
    let layers: Vec<LayerPlace> =
        [Stack::Encoder, Stack::Decoder].into_iter().flat_map(layers).collect();
    let part = weight / layers.len() as f64;
    let pairing = |place: LayerPlace| {
        let [teacher, student] = [theirs, ours].map(|config| config.shape(place.stack));
        if teacher.width != student.width {
            let stack = place.stack;
            let fact = format!(
                "state_distillation compares states number by number, but the student's {stack} has a width of {}, the \
                 teacher's {}",
                student.width, teacher.width
            );
            return Err(Problem::with_hint(fact, "relation_distillation compares any widths"));
        }
        let group = layer_group(place.stack, teacher.layers, student.layers, place.layer)
            .map_err(|error| Problem::of(&error))?;
        let last = LayerPlace { layer: group.end - 1, ..place };
        let (theirs, ours) = (Place::After(last), Place::After(place));
        Ok(Pairing { theirs, ours, likeness: Likeness::States, weight: part })
    };
    layers.into_iter().map(pairing).collect()
}

/// Queries, keys and values of the attentions that both have in their last layers (MiniLMv2 takes a layer of the teacher's for the student's last one).
fn relation_pairings(weight: f64, theirs: &Config, ours: &Config) -> Vec<Pairing> {
    let attentions = [Stack::Encoder, Stack::Decoder].map(|stack| {
        let [theirs, ours] = [theirs, ours].map(|config| config.architecture.sub_layers(stack));
        let both = ours.iter().copied().filter(|one| theirs.contains(one));
        both.filter(|one| matches!(one, SubLayer::Attention(_))).map(move |one| (stack, one))
    });
    let makers = attentions.into_iter().flatten().flat_map(|(stack, sub_layer)| {
        let of = |config: &Config| {
            let layer = config.shape(stack).layers - 1;
            Block { place: LayerPlace { stack, layer }, sub_layer }.makers()
        };
        of(theirs).into_iter().zip(of(ours)).map(move |pair| (stack, pair))
    });
    let pairing = |(stack, (teacher, student)): (Stack, (LinearPlace, LinearPlace))| {
        let heads = greatest_common_divisor(theirs.shape(stack).heads, ours.shape(stack).heads);
        let likeness = Likeness::Relations { heads, rows: side(student) };
        let (theirs, ours) = (Place::Written(teacher), Place::Written(student));
        Pairing { theirs, ours, likeness, weight }
    };
    let mut pairings: Vec<Pairing> = makers.map(pairing).collect();
    let part = weight / pairings.len() as f64;
    pairings.iter_mut().for_each(|pairing| pairing.weight = part);
    pairings
}

/// Whose tokens an attention's queries, keys or values are.
fn side(place: LinearPlace) -> Side {
    match place {
        LinearPlace::Attention(layer, AttentionKind::SelfAttention, _)
        | LinearPlace::Recurrence(layer, _)
        | LinearPlace::FeedForward(layer, _) => match layer.stack {
            Stack::Encoder => Side::Source,
            Stack::Decoder => Side::Target,
        },
        LinearPlace::Attention(_, AttentionKind::CrossAttention, role) => match role {
            AttentionRole::Key | AttentionRole::Value => Side::Source,
            AttentionRole::Query | AttentionRole::Output => Side::Target,
        },
    }
}

/// Divides the width of both, since each number of heads divides its own.
fn greatest_common_divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}
