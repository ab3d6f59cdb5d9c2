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

/// Tokens and their positions on a machine, checked, with what the way back needs.
#[derive(Debug)]
pub struct EmbeddingTokens<L: Launcher> {
    ids: Buffer<L, u32>,
    position_ids: Indices<L>,
    words: Indices<L>,
    starts: Buffer<L, u32>,
    rows: Buffer<L, u32>,
}

impl<L: Launcher> Device<L> {
    /// The tokens of a batch and their positions. They go to the machine once, for all ways forward and back.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If there are not as many positions as tokens.
    pub fn embedding_tokens(
        &self,
        ids: &[u32],
        position_ids: &[u32],
    ) -> Result<EmbeddingTokens<L>, CudaError> {
        assert_eq!(ids.len(), position_ids.len(), "embedding: numbers of tokens and positions");
        let groups = WordGroups::of(ids);
        Ok(EmbeddingTokens {
            ids: self.upload(ids)?,
            position_ids: self.indices(position_ids)?,
            words: self.indices(&groups.words)?,
            starts: self.upload(&groups.starts)?,
            rows: self.upload(&groups.rows)?,
        })
    }

    /// `y[r] = dropout(scale * table[ids[r]] + positions[position_ids[r]])`, `y [rows, width]`; the row of [`NO_TOKEN`] in the
    /// table is zero.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or a table lacks a row.
    pub fn embed_forward(
        &self,
        y: Part<'_, bf16>,
        tokens: &EmbeddingTokens<L>,
        layer: &Embedding<'_>,
    ) -> Result<(), CudaError> {
        let (rows, width) = (tokens.ids.length(), layer.width);
        check("embedding's y", y, rows * width);
        let words = rows_of("embedding's table", layer.table, width);
        let positions = rows_of("embedding's positions", layer.positions, width);
        tokens.words.below("embedding's tokens", words);
        let arguments = arguments![
            y.address(),
            tokens.ids.part().address(),
            tokens.position_ids.below("embedding's positions", positions),
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
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or the table lacks a row.
    pub fn embed_backward(
        &self,
        dtable: Part<'_, f32>,
        dy: Part<'_, bf16>,
        tokens: &EmbeddingTokens<L>,
        layer: &Embedding<'_>,
    ) -> Result<(), CudaError> {
        let width = layer.width;
        let words = rows_of("embedding's gradient", dtable, width);
        check("embedding's dy", dy, tokens.ids.length() * width);
        let arguments = arguments![
            dtable.address(),
            dy.address(),
            tokens.words.below("embedding's tokens", words),
            tokens.starts.part().address(),
            tokens.rows.part().address(),
            count(width),
            layer.scale as f32,
            layer.dropout,
        ];
        let mut grid = Grid::line(tokens.words.length(), THREADS);
        grid.blocks[1] = width.div_ceil(THREADS as usize) as u32;
        self.launch(Kernel::EmbedBackward, grid, &arguments)
    }
}
