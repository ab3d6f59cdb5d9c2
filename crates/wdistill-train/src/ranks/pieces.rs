//! A flat buffer, cut into a piece for each rank.

use std::ops::Range;

use wdistill_kernels::PIECE;
use wdistill_model::{Layout, NamedRange};

use crate::optimiser::is_matrix_of_muon;
use crate::settings::Optimiser;

/// Pieces of one flat buffer, of nearly equal length, one for each rank.
///
/// A piece begins where no result can depend on it: a sum of squares adds up stretches of [`PIECE`] numbers of a tensor, so
/// that a tensor is cut between such stretches; and an optimiser that needs whole matrices has them whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Where each piece begins, and where the last one ends.
    cuts: Vec<usize>,
}

impl Pieces {
    /// Cuts a buffer of this length for `ranks`, a power of two, anywhere.
    pub fn of_length(length: usize, ranks: usize) -> Pieces {
        Pieces { cuts: (0..=ranks).map(|cut| length * cut / ranks).collect() }
    }

    /// Cuts a buffer of a layout for `ranks`, a power of two, so that an optimiser can work on each piece alone.
    pub fn of_layout(layout: &Layout, optimiser: Optimiser, ranks: usize) -> Pieces {
        let Pieces { mut cuts } = Pieces::of_length(layout.length(), ranks);
        cuts[1..ranks].iter_mut().for_each(|cut| *cut = nearest(layout, optimiser, *cut));
        Pieces { cuts }
    }

    /// Numbers of the buffer.
    pub fn length(&self) -> usize {
        self.cuts[self.count()]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.cuts.len() - 1
    }

    /// The numbers of pieces that lie side by side.
    pub(crate) fn numbers(&self, pieces: &Range<usize>) -> Range<usize> {
        self.cuts[pieces.start]..self.cuts[pieces.end]
    }

    /// Which piece is a rank's: ranks that differ in their last bit have different halves of the buffer, since they are the
    /// first to add theirs.
    pub fn number_of(&self, rank: usize) -> usize {
        let bits = self.count().trailing_zeros();
        (0..bits).fold(0, |number, bit| number | (rank >> bit & 1) << (bits - 1 - bit))
    }

    /// The numbers of a rank's piece.
    pub fn of(&self, rank: usize) -> Range<usize> {
        let number = self.number_of(rank);
        self.numbers(&(number..number + 1))
    }
}

/// The place nearest to a number where a layout may be cut.
fn nearest(layout: &Layout, optimiser: Optimiser, cut: usize) -> usize {
    let ranges = layout.ranges();
    let next = ranges.partition_point(|named| named.range.end <= cut);
    let Some(NamedRange { range, part, shape, .. }) = ranges.get(next) else {
        return layout.length();
    };
    if cut <= range.start {
        return range.start;
    }
    let step = match is_matrix_of_muon(optimiser, *part, shape) {
        true => range.len(),
        false => PIECE,
    };
    let before = range.start + (cut - range.start) / step * step;
    let after = match before + step {
        inside if inside < range.end => inside,
        _ => ranges.get(next + 1).map_or(layout.length(), |named| named.range.start),
    };
    if cut - before <= after - cut { before } else { after }
}

#[cfg(test)]
mod tests {
    use wdistill_model::Part;

    use super::*;

    fn layout() -> Layout {
        let matrix = |name: &str, rows, part| (name.to_string(), vec![rows, 512], part);
        Layout::new([
            matrix("table", 1000, Part::Numbers),
            matrix("one", 300, Part::LinearMap),
            ("bias".to_string(), vec![7], Part::Numbers),
            matrix("two", 301, Part::LinearMap),
        ])
    }

    #[test]
    fn every_number_is_in_one_piece() {
        for optimiser in [Optimiser::Adam, Optimiser::Muon] {
            for ranks in [1, 2, 4, 8, 64] {
                let pieces = Pieces::of_layout(&layout(), optimiser, ranks);
                let mut all: Vec<_> = (0..ranks).map(|rank| pieces.of(rank)).collect();
                all.sort_by_key(|piece| (piece.start, piece.end));
                assert_eq!((all[0].start, all[ranks - 1].end), (0, layout().length()));
                assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start), "{all:?}");
            }
        }
    }

    #[test]
    fn tensors_are_cut_between_stretches_and_muons_matrices_not_at_all() {
        for ranks in [2, 4, 8, 16] {
            let adam = Pieces::of_layout(&layout(), Optimiser::Adam, ranks);
            let longest = (0..ranks).map(|rank| adam.of(rank).len()).max().unwrap();
            assert!(longest <= layout().length() / ranks + 2 * PIECE, "{adam:?}");
            let muon = Pieces::of_layout(&layout(), Optimiser::Muon, ranks);
            for (pieces, whole) in [(adam, false), (muon, true)] {
                for cut in &pieces.cuts {
                    let inside =
                        |named: &&NamedRange| named.range.start < *cut && *cut < named.range.end;
                    let Some(named) = layout().ranges().iter().find(inside).cloned() else {
                        continue;
                    };
                    assert_eq!((cut - named.range.start) % PIECE, 0);
                    assert!(!whole || named.part == Part::Numbers);
                }
            }
        }
    }

    #[test]
    fn ranks_side_by_side_have_different_halves() {
        let pieces = Pieces::of_length(80, 8);
        let numbers: Vec<_> = (0..8).map(|rank| pieces.number_of(rank)).collect();
        assert_eq!(numbers, [0, 4, 2, 6, 1, 5, 3, 7]);
    }
}
