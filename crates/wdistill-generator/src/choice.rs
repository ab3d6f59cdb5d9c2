//! Which of the teacher's numbers a student begins with.

use serde::{Deserialize, Serialize};
use wdistill_model::{
    AttentionKind, AttentionRole, Axis, Config, LayerPlace, LinearPart, LinearPlace, PositionTable,
    Shape, Slot, Stack, SubLayer,
};

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
    /// As `cut`, but of the rows and columns every second, third and so on, head by head, times the factors that keep
    /// sums over fewer numbers as large as they were.
    Strided,
    /// As `strided`, but heads and hidden units are the best of all layers of a group, where the others take those of its
    /// first layer; norms, and biases of what is added to the stream, are the means of the group.
    Concatenated,
    /// As `concatenated`, then every layer in closed form: each weight is the ridge regression that brings the student's
    /// states for 2,000 training pairs closest to the teacher's, one after another; a narrower stream is a rotation of the
    /// teacher's to the directions that matter most. Only stacks that differ from the teacher's, and what reads them.
    Fitted,
}

/// What follows the choice of the teacher's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing: they are the student's.
    AsChosen,
    /// The student's layers are solved so that its states are the teacher's.
    ToStates,
}

/// Which of the teacher's numbers a start takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which rows and columns.
    pub elements: Elements,
    /// What they are multiplied by.
    pub scale: Scale,
    /// Which layers.
    pub layers: LayerChoice,
}

/// Which of an axis's elements a shorter axis has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// The first ones.
    Leading,
    /// The first ones; where the axis is divided into heads, the first ones of the first heads.
    LeadingByHead,
    /// Evenly spaced ones: element `floor(j * from / to)`. Where the axis is divided into heads, heads are spaced evenly,
    /// and elements within each.
    Spaced,
}

/// What is done about sums that have fewer terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Nothing.
    AsItIs,
    /// A matrix whose input axis has `to` of `from` elements is multiplied by `sqrt(from / to)`, which keeps the size of a
    /// sum of unrelated terms; a query once more by the same factor of a head's elements, since a score is a sum over
    /// these, divided by the square root of their number.
    KeepSize,
}

/// Which of the teacher's layers a student's layer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerChoice {
    /// The first of its group, in a generator with a layer factor for the others.
    FirstOfGroup,
    /// Layer `i` of `n` has the teacher's layer nearest to `i * (t - 1) / (n - 1)`: first and last, and the others evenly
    /// between (Shleifer and Rush, 2020).
    Spaced,
    /// The teacher's first layers, as many as the student has.
    First,
    /// All of its group, of which the best heads and hidden units are taken.
    Concatenated,
}

impl Choice {
    /// The teacher cut down.
    pub const CUT: Choice = Choice {
        elements: Elements::Leading,
        scale: Scale::AsItIs,
        layers: LayerChoice::FirstOfGroup,
    };
    /// Cut down so that sums keep their size.
    pub const STRIDED: Choice =
        Choice { elements: Elements::Spaced, scale: Scale::KeepSize, ..Choice::CUT };
    /// The same, out of the best heads and hidden units of all layers of a group.
    pub const CONCATENATED: Choice =
        Choice { layers: LayerChoice::Concatenated, ..Choice::STRIDED };
    /// Whole layers, evenly spaced (Shleifer and Rush, "Pre-trained Summarization Distillation", 2020).
    pub const LAYER_COPY: Choice = Choice { layers: LayerChoice::Spaced, ..Choice::CUT };
    /// First elements, of a teacher that has the important ones in front; evenly spaced layers, sums of their size (Samragh
    /// et al., "Weight subcloning", 2023, who drop layers from the middle).
    pub const SUBCLONING: Choice = Choice {
        elements: Elements::LeadingByHead,
        scale: Scale::KeepSize,
        layers: LayerChoice::Spaced,
    };
    /// First layers, evenly spaced elements (Xu et al., "Initializing Models with Larger Ones", ICLR 2024).
    pub const WEIGHT_SELECTION: Choice =
        Choice { elements: Elements::Spaced, scale: Scale::AsItIs, layers: LayerChoice::First };
}

impl Start {
    /// For a report.
    pub fn in_words(self) -> &'static str {
        match self {
            Start::Xavier => "the paper's start",
            Start::Cut => "cut start",
            Start::Strided => "strided start",
            Start::Concatenated => "concatenated start",
            Start::Fitted => "fitted start",
        }
    }

    /// What it takes of the teacher; nothing if it is random.
    pub fn choice(self) -> Option<Choice> {
        match self {
            Start::Xavier => None,
            Start::Cut => Some(Choice::CUT),
            Start::Strided => Some(Choice::STRIDED),
            Start::Concatenated | Start::Fitted => Some(Choice::CONCATENATED),
        }
    }

    /// What follows.
    pub fn fit(self) -> Fit {
        match self {
            Start::Fitted => Fit::ToStates,
            Start::Xavier | Start::Cut | Start::Strided | Start::Concatenated => Fit::AsChosen,
        }
    }
}

/// A side of a weight `[output, input]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Rows.
    Output,
    /// Columns.
    Input,
}

impl Side {
    /// As checkpoints and random numbers name its factor.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Output => "output_factor",
            Side::Input => "input_factor",
        }
    }
}

/// A teacher and its student.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub teacher: &'a Config,
    pub student: &'a Config,
}

/// One number of the teacher, one of the student.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Both {
    pub teacher: usize,
    pub student: usize,
}

impl Both {
    /// The teacher's element, or layer, for one of the student's, evenly spaced.
    pub(crate) fn spaced(self, element: usize) -> usize {
        element * self.teacher / self.student
    }

    fn ratio(self) -> f64 {
        self.teacher as f64 / self.student as f64
    }
}

impl Pair<'_> {
    /// Lengths of an axis.
    pub(crate) fn length(&self, axis: Axis) -> Both {
        Both { teacher: self.teacher.length(axis), student: self.student.length(axis) }
    }

    /// Numbers of layers.
    pub(crate) fn layers(&self, stack: Stack) -> Both {
        let [teacher, student] = self.shapes(stack).map(|shape| shape.layers);
        Both { teacher, student }
    }

    fn shapes(&self, stack: Stack) -> [&Shape; 2] {
        [self.teacher, self.student].map(|config| config.shape(stack))
    }

    /// Numbers of a sub-layer's heads or hidden units, and of the elements of each.
    pub(crate) fn pieces(&self, sub_layer: SubLayer, stack: Stack) -> (Both, Both) {
        let [teacher, student] = self.shapes(stack).map(|shape| shape.pieces(sub_layer));
        let count = Both { teacher: teacher.count, student: student.count };
        (count, Both { teacher: teacher.elements, student: student.elements })
    }

    /// Numbers of heads, and of a head's elements; all attentions of a stack have the same.
    fn heads(&self, stack: Stack) -> (Both, Both) {
        self.pieces(SubLayer::Attention(AttentionKind::SelfAttention), stack)
    }

    /// Whether sines and cosines of positions stand in turn along an axis; both lengths are even.
    fn has_pairs(&self, axis: Axis) -> bool {
        let is_stream = matches!(axis, Axis::EncoderWidth | Axis::DecoderWidth);
        is_stream && self.teacher.architecture.positions == PositionTable::Interleaved
    }

    /// The teacher's element for each of the student's, on a side of a weight; none where the student's axis is longer.
    pub(crate) fn elements(
        &self,
        elements: Elements,
        slot: Slot,
        side: Side,
        axis: Axis,
    ) -> Vec<Option<usize>> {
        let length = self.length(axis);
        let shared = length.teacher.min(length.student);
        let element = |index: usize| match (elements, stack_of_heads(slot, side)) {
            _ if length.teacher <= length.student => index,
            (Elements::Leading, _) | (Elements::LeadingByHead, None) => index,
            // A sine and the cosine beside it stay together.
            (Elements::Spaced, None) if self.has_pairs(axis) => {
                2 * length.spaced(index / 2) + index % 2
            }
            (Elements::Spaced, None) => length.spaced(index),
            (Elements::Spaced | Elements::LeadingByHead, Some(stack)) => {
                let (heads, width) = self.heads(stack);
                let place = |of: Both, index: usize| match elements {
                    Elements::Spaced => of.spaced(index),
                    Elements::Leading | Elements::LeadingByHead => index,
                };
                // More heads than the teacher has are parts of its heads.
                match heads.student > heads.teacher || width.student > width.teacher {
                    true => place(length, index),
                    false => {
                        let (head, within) = (index / width.student, index % width.student);
                        place(heads, head) * width.teacher + place(width, within)
                    }
                }
            }
        };
        let of = |index| (index < shared).then(|| element(index));
        (0..length.student).map(of).collect()
    }

    /// What the elements on a side of a weight are multiplied by.
    pub(crate) fn scale(&self, scale: Scale, slot: Slot, side: Side, axis: Axis) -> f64 {
        match (scale, side, query_stack(slot)) {
            (Scale::AsItIs, ..) => 1.0,
            // A longer axis has all the terms that there were.
            (Scale::KeepSize, Side::Input, _) => self.length(axis).ratio().max(1.0).sqrt(),
            // A score of wider heads has them too, and is divided by more.
            (Scale::KeepSize, Side::Output, Some(stack)) => {
                let ratio = self.heads(stack).1.ratio();
                ratio.max(1.0 / ratio).sqrt()
            }
            (Scale::KeepSize, Side::Output, None) => 1.0,
        }
    }
}

/// The stack whose heads divide a side of a weight.
fn stack_of_heads(slot: Slot, side: Side) -> Option<Stack> {
    let Slot::Linear(LinearPlace::Attention(LayerPlace { stack, .. }, _, role), _) = slot else {
        return None;
    };
    let divided = match role {
        AttentionRole::Query | AttentionRole::Key | AttentionRole::Value => Side::Output,
        AttentionRole::Output => Side::Input,
    };
    (side == divided).then_some(stack)
}

/// The stack of a weight or bias that makes queries.
fn query_stack(slot: Slot) -> Option<Stack> {
    match slot {
        Slot::Linear(
            LinearPlace::Attention(LayerPlace { stack, .. }, _, AttentionRole::Query),
            LinearPart::Weight | LinearPart::Bias,
        ) => Some(stack),
        _ => None,
    }
}
