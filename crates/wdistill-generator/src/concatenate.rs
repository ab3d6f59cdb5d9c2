//! A student's layer out of the best heads and hidden units of a whole group of the teacher's layers (after CoMe, "Layer as
//! puzzle pieces", NeurIPS 2025, which concatenates channels where others add up layers).
//!
//! The same weight of all layers of the group, one below the other along the axis of heads or hidden units, is one weight of
//! the formula, with a factor that chooses among all of them.

use wdistill_model::{
    AttentionRole, Block, Dense, FeedForwardRole, LayerPlace, LinearPlace, Matrix, Model, Slot,
    SubLayer,
};

use crate::choice::{Pair, Side};

/// The sub-layer of a weight, and the side along which its heads or units stand.
pub fn inner_side(slot: Slot) -> Option<(SubLayer, Side)> {
    let Slot::Linear(place, part) = slot else { return None };
    let (sub_layer, side) = match place {
        LinearPlace::Attention(_, kind, AttentionRole::Output) => {
            (SubLayer::Attention(kind), Side::Input)
        }
        LinearPlace::Attention(_, kind, _) => (SubLayer::Attention(kind), Side::Output),
        // Its cells are the stream's own.
        LinearPlace::Recurrence(..) => return None,
        LinearPlace::FeedForward(_, FeedForwardRole::Down) => (SubLayer::FeedForward, Side::Input),
        LinearPlace::FeedForward(_, FeedForwardRole::Up) => (SubLayer::FeedForward, Side::Output),
    };
    // A bias has no input axis.
    let has_side = side == Side::Output || part == wdistill_model::LinearPart::Weight;
    has_side.then_some((sub_layer, side))
}

/// A head, or a hidden unit, of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The layer's number in its stack.
    pub layer: usize,
    /// The piece's number in its sub-layer.
    pub number: usize,
}

/// The heads or hidden units of a sub-layer that can add most to the stream, out of some of the teacher's layers: as many as
/// there are of the wanted `count`, in the order of the layers.
pub fn best_pieces(
    teacher: &Model<Dense<f32>>,
    layers: &[LayerPlace],
    sub_layer: SubLayer,
    count: usize,
) -> Vec<Piece> {
    let mut all: Vec<(f64, Piece)> = Vec::new();
    for place in layers {
        let elements = teacher.config.shape(place.stack).pieces(sub_layer).elements;
        let importance = importance(teacher, *place, sub_layer, elements);
        let piece = |(number, size)| (size, Piece { layer: place.layer, number });
        all.extend(importance.into_iter().enumerate().map(piece));
    }
    // The largest; of equals the first.
    let key = |piece: &Piece| (piece.layer, piece.number);
    all.sort_by(|one, other| other.0.total_cmp(&one.0).then(key(&one.1).cmp(&key(&other.1))));
    let mut best: Vec<Piece> = all.into_iter().take(count).map(|(_, piece)| piece).collect();
    best.sort_by_key(key);
    best
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
        let (sub_layer, side) = inner_side(slot)?;
        let first = layers.first()?;
        let (count, width) = pair.pieces(sub_layer, first.stack);
        let best = best_pieces(teacher, layers, sub_layer, count.student);
        let place = |piece: &Piece| (piece.layer - first.layer) * count.teacher + piece.number;
        let best: Vec<usize> = best.iter().map(place).collect();
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

/// How much each head or unit of a layer can add to the stream: the norm of what makes its values times the norm of what
/// brings them back.
fn importance(
    teacher: &Model<Dense<f32>>,
    place: LayerPlace,
    sub_layer: SubLayer,
    width: usize,
) -> Vec<f64> {
    let block = Block { place, sub_layer };
    let values = *block.makers().last().expect("something makes heads and units");
    let (into, back) = (teacher.weights.weight(values), teacher.weights.weight(block.back()));
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
