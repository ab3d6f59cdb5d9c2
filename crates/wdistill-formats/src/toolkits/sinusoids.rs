//! Tables of positions that a model's file holds.

use wdistill_model::PositionTable;

use crate::files::arrays::{Array, NumberType};

/// Largest difference between a stored table of sinusoids and the formula's: tables are computed in float32 in
/// more than one way, and may be rounded to 16 bits.
fn sinusoid_tolerance(kind: NumberType) -> f32 {
    match kind {
        NumberType::BFloat16 => 4e-3,
        _ => 1e-3,
    }
}

/// Which formula a stored table of positions `[positions, width]` follows; none may do.
pub(crate) fn sinusoids(array: &Array<'_>, candidates: &[PositionTable]) -> Option<PositionTable> {
    let [rows, width] = array.shape[..] else { return None };
    if rows < 2 || width < 4 {
        return None;
    }
    let numbers = array.numbers();
    let follows = |table: &&PositionTable| {
        numbers.chunks_exact(width).enumerate().all(|(position, row)| {
            let expected = table.row(position, width);
            let pairs = row.iter().zip(&expected);
            pairs.into_iter().all(|(x, y)| (x - *y as f32).abs() <= sinusoid_tolerance(array.kind))
        })
    };
    candidates.iter().find(follows).copied()
}
