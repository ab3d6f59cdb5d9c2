//! The edit distance of two sentences within a beam around the diagonal.

use std::ops::Range;

/// How far from the diagonal, in words of the reference, a row of the table reaches.
const BEAM_WIDTH: usize = 25;

/// The edits to a cell outside of the beam. Adding to it saturates.
const UNREACHED: u32 = u32::MAX;

/// One step on the way from a hypothesis to its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next word of the hypothesis is the next of the reference.
    Keep,
    /// The next word of the hypothesis gives way to the next of the reference.
    Replace,
    /// The next word of the hypothesis is dropped.
    Delete,
    /// The next word of the reference is put in.
    Insert,
}

/// Fewest edits from the first words of a hypothesis to the first words of the reference, and the last step of them.
#[derive(Clone, Copy)]
struct Cell {
    edits: u32,
    step: Step,
}

/// The cells of one number of hypothesis words: a range of numbers of reference words.
#[derive(Clone, Default)]
struct Row {
    first: usize,
    cells: Vec<Cell>,
}

impl Row {
    fn cell(&self, column: usize) -> Option<&Cell> {
        self.cells.get(column.checked_sub(self.first)?)
    }

    fn edits(&self, column: usize) -> u32 {
        self.cell(column).map_or(UNREACHED, |cell| cell.edits)
    }
}

/// All cells of a hypothesis, by number of its words: `[hypothesis words + 1]` rows.
pub(super) struct Table {
    rows: Vec<Row>,
    columns: usize,
}

impl Table {
    /// The edits from the whole hypothesis to the whole reference.
    pub(super) fn edits(&self) -> u32 {
        self.rows[self.rows.len() - 1].edits(self.columns - 1)
    }

    /// The steps that take so many edits, from the first words to the last.
    pub(super) fn steps(&self) -> Vec<Step> {
        let (mut row, mut column) = (self.rows.len() - 1, self.columns - 1);
        let mut steps = Vec::new();
        while row > 0 || column > 0 {
            let cell =
                self.rows[row].cell(column).expect("each row's beam overlaps the next one's");
            steps.push(cell.step);
            row -= usize::from(cell.step != Step::Insert);
            column -= usize::from(cell.step != Step::Delete);
        }
        steps.reverse();
        steps
    }
}

/// The edit distance to one reference from hypotheses of one length.
///
/// With `D[0, j] = j`, `D[i, j] = min(D[i-1, j-1] + [h_i != r_j], D[i-1, j] + 1, D[i, j-1] + 1)`. Of equal ways the first named
/// is taken: keep or replace, then delete, then insert. Cells further than the beam from the diagonal are left out, where
/// the diagonal leads from no words of both to all words of both.
pub(super) struct EditDistance<'a> {
    reference: &'a [u32],
    hypothesis_length: usize,
    /// Words of the reference for each word of the hypothesis.
    slope: f64,
    beam_width: usize,
}

impl<'a> EditDistance<'a> {
    pub(super) fn new(reference: &'a [u32], hypothesis_length: usize) -> Self {
        let slope = reference.len() as f64 / hypothesis_length.max(1) as f64;
        // A steep diagonal needs a wider beam, or the beam of a row would miss that of the row before.
        let half_slope = slope / 2.0;
        let beam_width = if half_slope > BEAM_WIDTH as f64 {
            (half_slope + BEAM_WIDTH as f64).ceil() as usize
        } else {
            BEAM_WIDTH
        };
        EditDistance { reference, hypothesis_length, slope, beam_width }
    }

    /// The columns of a row that lie in the beam.
    fn beam(&self, row: usize) -> Range<usize> {
        let columns = self.reference.len() + 1;
        let diagonal = (row as f64 * self.slope).floor() as usize;
        let end = if row == self.hypothesis_length {
            columns
        } else {
            columns.min(diagonal + self.beam_width)
        };
        diagonal.saturating_sub(self.beam_width)..end
    }

    /// The row before any word of the hypothesis, which the beam does not cut.
    fn first_row(&self) -> Row {
        let cells = (0..=self.reference.len())
            .map(|edits| Cell { edits: edits as u32, step: Step::Insert });
        Row { first: 0, cells: cells.collect() }
    }

    /// Fills the row `number`, which adds `word` to the hypothesis of the row before.
    fn fill_row(&self, number: usize, word: u32, before: &Row, row: &mut Row) {
        let beam = self.beam(number);
        row.first = beam.start;
        row.cells.clear();
        let mut left = UNREACHED;
        let mut diagonal = beam.start.checked_sub(1).map_or(UNREACHED, |left| before.edits(left));
        for column in beam {
            let above = before.edits(column);
            let matching = if column > 0 && self.reference[column - 1] == word {
                Cell { edits: diagonal, step: Step::Keep }
            } else {
                Cell { edits: diagonal.saturating_add(1), step: Step::Replace }
            };
            let mut best = matching;
            for (edits, step) in [(above, Step::Delete), (left, Step::Insert)] {
                let edits = edits.saturating_add(1);
                if edits < best.edits {
                    best = Cell { edits, step };
                }
            }
            row.cells.push(best);
            (left, diagonal) = (best.edits, above);
        }
    }

    /// The table of a hypothesis.
    pub(super) fn table(&self, hypothesis: &[u32]) -> Table {
        let mut rows = Vec::with_capacity(hypothesis.len() + 1);
        rows.push(self.first_row());
        for (index, &word) in hypothesis.iter().enumerate() {
            let mut row = Row::default();
            self.fill_row(index + 1, word, &rows[index], &mut row);
            rows.push(row);
        }
        Table { rows, columns: self.reference.len() + 1 }
    }

    /// The edits from a hypothesis whose first `shared` words are those of the hypothesis that `table` belongs to.
    pub(super) fn edits(&self, hypothesis: &[u32], table: &Table, shared: usize) -> u32 {
        let (mut before, mut row) = (table.rows[shared].clone(), Row::default());
        for (index, &word) in hypothesis.iter().enumerate().skip(shared) {
            self.fill_row(index + 1, word, &before, &mut row);
            std::mem::swap(&mut before, &mut row);
        }
        before.edits(self.reference.len())
    }
}
