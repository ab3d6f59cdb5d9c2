//! Token and position embeddings.

use super::*;
use crate::DropoutMask;
use wdistill_kernels::NO_TOKEN;

/// An embedding layer: `y[r] = dropout(scale * table[ids[r]] + positions[position_ids[r]])`.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    /// `[vocabulary, width]`.
    pub table: Part<'a, bf16>,
    /// `[most positions, width]`.
    pub positions: Part<'a, f32>,
    /// Width of a row.
    pub width: usize,
    /// Factor of the table, often `sqrt(width)`.
    pub scale: f64,
    /// Applied to the sum.
    pub dropout: DropoutMask,
}

/// The rows of a batch by their words, so that the gradient of each word has one order: rising words, rising rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordGroups {
    /// The words that occur, rising.
    pub words: Vec<u32>,
    /// Where the rows of each word start in `rows`, and the number of rows.
    pub starts: Vec<u32>,
    /// The rows, word by word. Rows of [`NO_TOKEN`] are not among them.
    pub rows: Vec<u32>,
}

impl WordGroups {
    /// The groups of a batch's tokens.
    pub fn of(ids: &[u32]) -> WordGroups {
        let has_word = |row: &u32| ids[*row as usize] != NO_TOKEN;
        let mut rows: Vec<u32> = (0..ids.len() as u32).filter(has_word).collect();
        rows.sort_by_key(|row| ids[*row as usize]);
        let (mut words, mut starts) = (Vec::new(), Vec::new());
        for (place, row) in rows.iter().enumerate() {
            let word = ids[*row as usize];
            if words.last() != Some(&word) {
                words.push(word);
                starts.push(place as u32);
            }
        }
        starts.push(rows.len() as u32);
        WordGroups { words, starts, rows }
    }
}

impl<L: Launcher> Device<L> {
    /// `y[r] = dropout(scale * table[ids[r]] + positions[position_ids[r]])`, `y [rows, width]`; the row of [`NO_TOKEN`] in the
    /// table is zero. The caller has checked that the tables have rows of these numbers.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn embed_forward(
        &self,
        y: Part<'_, bf16>,
        ids: Part<'_, u32>,
        position_ids: Part<'_, u32>,
        layer: &Embedding<'_>,
    ) -> Result<(), CudaError> {
        let (rows, width) = (ids.length(), layer.width);
        check("embedding's y", y, rows * width);
        check("embedding's positions", position_ids, rows);
        let arguments = arguments![
            y.address(),
            ids.address(),
            position_ids.address(),
            layer.table.address(),
            layer.positions.address(),
            count(rows),
            count(width),
            layer.scale as f32,
            layer.dropout,
        ];
        self.launch(Kernel::EmbedForward, warp_a_row(rows), &arguments)
    }

    /// `dtable[ids[r]] += scale * dropout(dy[r])`, with `dtable [vocabulary, width]` and the rows of each word in their order.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or a word is not in the table.
    pub fn embed_backward(
        &self,
        dtable: Part<'_, f32>,
        dy: Part<'_, bf16>,
        groups: &WordGroups,
        layer: &Embedding<'_>,
    ) -> Result<(), CudaError> {
        let width = layer.width;
        let vocabulary = rows_of("embedding's gradient", dtable, width);
        let rows = rows_of("embedding's dy", dy, width);
        let last = groups.words.last().copied();
        assert!(last.is_none_or(|word| (word as usize) < vocabulary), "embedding: word {last:?}");
        assert!(groups.rows.iter().all(|row| (*row as usize) < rows), "embedding: rows");
        let words = self.upload(&groups.words)?;
        let starts = self.upload(&groups.starts)?;
        let order = self.upload(&groups.rows)?;
        let arguments = arguments![
            dtable.address(),
            dy.address(),
            words.part().address(),
            starts.part().address(),
            order.part().address(),
            count(width),
            layer.scale as f32,
            layer.dropout,
        ];
        let mut grid = Grid::line(groups.words.len(), THREADS);
        grid.blocks[1] = width.div_ceil(THREADS as usize) as u32;
        self.launch(Kernel::EmbedBackward, grid, &arguments)
    }
}
