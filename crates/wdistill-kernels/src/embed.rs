//! Token and position embeddings.

use crate::dispatch::{Instructions, multiversion};
use crate::dropout::DropoutMask;
use crate::layers;
use crate::parallel::{count_rows, for_each, rows_per_piece};
use crate::{Dropout, Real};

/// In place of a token: its row of the table is zero, and has no gradient.
pub const NO_TOKEN: u32 = u32::MAX;

/// An embedding layer over slices.
pub type Embedding<'a, R> = layers::Embedding<&'a [R], &'a [R]>;

/// Checks that every identifier names a row of a table with `rows` rows, or none.
fn check_ids(what: &str, ids: &[u32], rows: usize) {
    if let Some(id) = ids.iter().find(|id| **id as usize >= rows && **id != NO_TOKEN) {
        panic!("embedding: {what} {id} in a table of {rows} rows");
    }
}

/// `y[r] = dropout(scale * table[ids[r]] + positions[position_ids[r]])`, `y [rows, width]`; the row of
/// [`NO_TOKEN`] is zero.
pub fn embed_forward<R: Real>(
    y: &mut [R],
    ids: &[u32],
    position_ids: &[u32],
    layer: &Embedding<'_, R>,
) {
    let width = layer.width;
    assert_eq!(y.len(), ids.len() * width, "embedding: length of y");
    assert_eq!(ids.len(), position_ids.len(), "embedding: numbers of tokens and positions");
    check_ids("token", ids, count_rows("embedding table", layer.table.len(), width));
    check_ids("position", position_ids, count_rows("positions", layer.positions.len(), width));
    let mask = layer.dropout.mask::<R>();
    let piece = rows_per_piece(width);
    let total = y.len();
    let tokens = ids.chunks(piece).zip(position_ids.chunks(piece));
    let chunks = y.chunks_mut((piece * width).max(1)).zip(tokens).enumerate();
    for_each(total, chunks, |(index, (y, (ids, position_ids)))| {
        forward_rows(y, ids, position_ids, layer, mask, index * piece);
    });
}

/// Where [`embed_backward`] puts the gradients; absent ones are not computed.
#[derive(Debug, Default)]
pub struct EmbeddingGradients<'a, R> {
    /// Gradient of the table `[vocabulary, width]`, added to the buffer.
    pub table: Option<&'a mut [R]>,
    /// Gradient of the positions `[most positions, width]`, added to the buffer.
    pub positions: Option<&'a mut [R]>,
}

/// Gradients of [`embed_forward`]: `dtable[ids[r]] += scale * dropout(dy[r])` and
/// `dpositions[position_ids[r]] += dropout(dy[r])`, rows in order.
pub fn embed_backward<R: Real>(
    gradients: EmbeddingGradients<'_, R>,
    dy: &[R],
    ids: &[u32],
    position_ids: &[u32],
    layer: &Embedding<'_, R>,
) {
    let width = layer.width;
    assert_eq!(dy.len(), ids.len() * width, "embedding backward: length of dy");
    assert_eq!(
        ids.len(),
        position_ids.len(),
        "embedding backward: numbers of tokens and positions"
    );
    if let Some(dtable) = gradients.table {
        scatter(dtable, dy, ids, R::from_f64(layer.scale), width, layer.dropout);
    }
    if let Some(dpositions) = gradients.positions {
        scatter(dpositions, dy, position_ids, R::ONE, width, layer.dropout);
    }
}

/// `sums[ids[r]] += factor * dropout(values[r])`.
///
/// Rows of `sums` are dealt to jobs by blocks; every job walks all of `ids` in order and adds the
/// rows that are its own, so each sum has one order.
fn scatter<R: Real>(
    sums: &mut [R],
    values: &[R],
    ids: &[u32],
    factor: R,
    width: usize,
    dropout: Dropout,
) {
    const BLOCKS: usize = 64;
    let rows = count_rows("embedding gradient", sums.len(), width);
    check_ids("row", ids, rows);
    let mask = dropout.mask::<R>();
    let block = rows.div_ceil(BLOCKS).max(1);
    let blocks = sums.chunks_mut((block * width).max(1)).enumerate();
    for_each(values.len(), blocks, |(index, sums)| {
        let first = index * block;
        for (row, id) in ids.iter().enumerate() {
            let id = *id as usize;
            if (first..first + block).contains(&id) {
                let sum = &mut sums[(id - first) * width..][..width];
                add_row(sum, &values[row * width..][..width], factor, mask, row);
            }
        }
    });
}

multiversion! {
    fn forward_rows<R: Real>(
        y: &mut [R],
        ids: &[u32],
        position_ids: &[u32],
        layer: &Embedding<'_, R>,
        mask: Option<DropoutMask<R>>,
        first_row: usize,
    ) = forward_rows_body;

    /// `sum += factor * dropout(values)`, where `values` is row `row` of the mask.
    fn add_row<R: Real>(
        sum: &mut [R],
        values: &[R],
        factor: R,
        mask: Option<DropoutMask<R>>,
        row: usize,
    ) = add_row_body;
}

#[inline(always)]
fn forward_rows_body<I: Instructions, R: Real>(
    y: &mut [R],
    ids: &[u32],
    position_ids: &[u32],
    layer: &Embedding<'_, R>,
    mask: Option<DropoutMask<R>>,
    first_row: usize,
) {
    let width = layer.width;
    let scale = R::from_f64(layer.scale);
    let tokens = ids.iter().zip(position_ids);
    for (row, (y, (id, position))) in y.chunks_exact_mut(width.max(1)).zip(tokens).enumerate() {
        let position = &layer.positions[*position as usize * width..][..width];
        if *id == NO_TOKEN {
            y.copy_from_slice(position);
        } else {
            let token = &layer.table[*id as usize * width..][..width];
            for ((y, token), position) in y.iter_mut().zip(token).zip(position) {
                *y = I::multiply_add(*token, scale, *position);
            }
        }
        if let Some(mask) = mask {
            crate::dropout::mask_row(y, mask.row(first_row + row));
        }
    }
}

#[inline(always)]
fn add_row_body<I: Instructions, R: Real>(
    sum: &mut [R],
    values: &[R],
    factor: R,
    mask: Option<DropoutMask<R>>,
    row: usize,
) {
    if let Some(mask) = mask {
        let mask = mask.row(row);
        for (column, (sum, value)) in sum.iter_mut().zip(values).enumerate() {
            *sum = I::multiply_add(factor, mask.apply(*value, column), *sum);
        }
    } else {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum = I::multiply_add(factor, *value, *sum);
        }
    }
}
