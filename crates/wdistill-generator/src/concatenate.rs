//! A student's layer out of the best heads and hidden units of a whole group of the teacher's layers (after CoMe, "Layer as
//! puzzle pieces", NeurIPS 2025, which concatenates channels where others add up layers).
//!
//! The same weight of all layers of the group, one below the other along the axis of heads or hidden units, is one weight of
//! the formula, with a factor that chooses among all of them.

use wdistill_model::{
    AttentionKind, AttentionRole, Dense, FeedForwardRole, LayerPlace, LinearPlace, Matrix, Model,
    Slot, Stack,
};

use crate::choice::{Both, Pair, Side};

/// What stands along the inner axis of a sub-layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    /// Heads of an attention.
    Heads(AttentionKind),
    /// Hidden units of a feed-forward block.
    Units,
}

/// The side of a weight along which heads or units stand.
fn inner_side(slot: Slot) -> Option<(Inner, Side)> {
    let Slot::Linear(place, part) = slot else { return None };
    let (inner, side) = match place {
        LinearPlace::Attention(_, kind, AttentionRole::Output) => (Inner::Heads(kind), Side::Input),
        LinearPlace::Attention(_, kind, _) => (Inner::Heads(kind), Side::Output),
        LinearPlace::FeedForward(_, FeedForwardRole::Down) => (Inner::Units, Side::Input),
        LinearPlace::FeedForward(_, FeedForwardRole::Up) => (Inner::Units, Side::Output),
    };
    // A bias has no input axis.
    let has_side = side == Side::Output || part == wdistill_model::LinearPart::Weight;
    has_side.then_some((inner, side))
}

/// Which elements of a group's layers, one behind the other, a student's layer has.
pub(crate) struct Concatenation {
    /// The side of the weight.
    pub side: Side,
    /// For each of the student's elements the place among those of all layers; none where there is no more to take.
    pub chosen: Vec<Option<usize>>,
}

impl Concatenation {
    /// Of a weight along whose axis there are heads or hidden units; `layers` are its group.
    pub(crate) fn of(
        slot: Slot,
        pair: Pair<'_>,
        teacher: &Model<Dense<f32>>,
        layers: &[LayerPlace],
    ) -> Option<Concatenation> {
        let (inner, side) = inner_side(slot)?;
        let stack = layers.first()?.stack;
        let (count, width) = pieces(inner, pair, stack);
        let mut all: Vec<(f64, usize)> = Vec::new();
        for (number, place) in layers.iter().enumerate() {
            let importance = importance(teacher, *place, inner, width.teacher);
            let places = importance.into_iter().enumerate();
            all.extend(places.map(|(piece, size)| (size, number * count.teacher + piece)));
        }
        // The largest; of equals the first.
        all.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut best: Vec<usize> =
            all.iter().take(count.student).map(|(_, piece)| *piece).collect();
        best.sort_unstable();
        let element = |index: usize| {
            let (piece, within) = (index / width.student, index % width.student);
            let within = (within < width.teacher.min(width.student)).then(|| width.spaced(within));
            Some(best.get(piece)? * width.teacher + within?)
        };
        let chosen = (0..count.student * width.student).map(element).collect();
        Some(Concatenation { side, chosen })
    }

    /// The weights of all layers, one behind the other.
    pub(crate) fn stacked(&self, weights: &[Matrix<f32>]) -> Matrix<f32> {
        let (rows, columns) = (weights[0].rows(), weights[0].columns());
        match self.side {
            Side::Output => Matrix::from_fn(weights.len() * rows, columns, |row, column| {
                weights[row / rows].at(row % rows, column)
            }),
            Side::Input => Matrix::from_fn(rows, weights.len() * columns, |row, column| {
                weights[column / columns].at(row, column % columns)
            }),
        }
    }
}

/// Numbers of heads or units, and of the elements of each.
fn pieces(inner: Inner, pair: Pair<'_>, stack: Stack) -> (Both, Both) {
    match inner {
        Inner::Heads(_) => pair.heads(stack),
        Inner::Units => (pair.units(stack), Both { teacher: 1, student: 1 }),
    }
}

/// How much each head or unit of a layer can add to the stream: the norm of what makes its values times the norm of what
/// brings them back.
fn importance(
    teacher: &Model<Dense<f32>>,
    LayerPlace { stack, layer }: LayerPlace,
    inner: Inner,
    width: usize,
) -> Vec<f64> {
    let weights = &teacher.weights;
    let (into, back) = match (stack, inner) {
        (Stack::Encoder, Inner::Units) => {
            let block = &weights.encoder.layers[layer].feed_forward;
            (&block.up.weight, &block.down.weight)
        }
        (Stack::Decoder, Inner::Units) => {
            let block = &weights.decoder.layers[layer].feed_forward;
            (&block.up.weight, &block.down.weight)
        }
        // Only a decoder attends to the encoder.
        (Stack::Encoder, Inner::Heads(_)) => {
            let attention = &weights.encoder.layers[layer].self_attention;
            (&attention.value.weight, &attention.output.weight)
        }
        (Stack::Decoder, Inner::Heads(kind)) => {
            let layer = &weights.decoder.layers[layer];
            let attention = match kind {
                AttentionKind::SelfAttention => &layer.self_attention,
                AttentionKind::CrossAttention => &layer.cross_attention,
            };
            (&attention.value.weight, &attention.output.weight)
        }
    };
    let squares = |numbers: &mut dyn Iterator<Item = f32>| -> f64 {
        numbers.map(|number| f64::from(number).powi(2)).sum()
    };
    let of = |piece: usize| {
        let elements = piece * width..(piece + 1) * width;
        let into = squares(&mut elements.clone().flat_map(|row| into.row(row).iter().copied()));
        let back = squares(
            &mut elements.flat_map(|column| (0..back.rows()).map(move |row| back.at(row, column))),
        );
        (into * back).sqrt()
    };
    (0..into.rows() / width).map(of).collect()
}
