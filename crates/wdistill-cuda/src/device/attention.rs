//! Multi-head attention over packed sentences.

use super::*;
use crate::DropoutMask;
use crate::launcher::Passed;
use wdistill_kernels::Mask;

/// Rows of a tile; `TILE` of `attention.cu`.
const TILE: usize = 32;

/// Rows of a matrix, or some columns of rows that are longer: queries, keys and values may lie side by side.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The numbers, from the first of the first row.
    pub numbers: Part<'a, bf16>,
    /// Numbers from one row to the next.
    pub distance: usize,
}

impl<'a> Rows<'a> {
    /// The rows of a matrix that has these alone.
    pub fn of(numbers: Part<'a, bf16>, width: usize) -> Rows<'a> {
        Rows { numbers, distance: width }
    }

    /// Checks that there are so many rows.
    pub(super) fn check(self, what: &str, rows: usize, width: usize) {
        assert!(self.distance >= width, "{what}: rows of {width} every {}", self.distance);
        let least = if rows == 0 { 0 } else { (rows - 1) * self.distance + width };
        let length = self.numbers.length();
        assert!(length >= least, "{what}: {length} numbers, expected {least} for {rows} rows");
    }
}

/// Which rows of a packed batch belong to which sentence, and how they are dealt to blocks.
#[derive(Debug)]
pub struct AttentionSpans<L: Launcher> {
    queries: Offsets<L>,
    keys: Offsets<L>,
    /// Pairs of a sentence and a row of it.
    query_tiles: Buffer<L, u32>,
    key_tiles: Buffer<L, u32>,
    /// The first sentence that has fewer keys than queries.
    short_of_keys: Option<usize>,
}

/// Sizes and settings of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Width of queries, keys, values and output, all heads together.
    pub width: usize,
    /// Heads; they divide the width, and head `h` owns columns `h * width / heads ..`.
    pub heads: usize,
    /// Which keys a query sees.
    pub mask: Mask,
    /// Applied to the probabilities.
    pub dropout: DropoutMask,
}

/// The inputs of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionInputs<'a> {
    /// `[query rows, width]`.
    pub queries: Rows<'a>,
    /// `[key rows, width]`.
    pub keys: Rows<'a>,
    /// `[key rows, width]`.
    pub values: Rows<'a>,
}

/// What an attention gives.
#[derive(Clone, Copy, Debug)]
pub struct AttentionOutput<'a> {
    /// `[query rows, width]`.
    pub y: Part<'a, bf16>,
    /// The logarithm of each query's sum of exponentials, for the way back: `[query rows, heads]`.
    pub log_sums: Part<'a, f32>,
}

/// `AttentionSizes` of `attention.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sizes {
    heads: i32,
    head_width: i32,
    query_distance: i32,
    key_distance: i32,
    value_distance: i32,
    output_distance: i32,
    is_causal: i32,
    scale: f32,
}

// SAFETY: `repr(C)`, of numbers only.
#[allow(unsafe_code)]
unsafe impl Passed for Sizes {}

/// Float32 numbers of shared memory for some tiles of bfloat16, of scores, and of sums.
fn shared(head_width: usize, tiles: usize, scores: usize, sums: usize) -> usize {
    let padded = head_width.next_multiple_of(4);
    TILE * (tiles * (padded + 2) / 2 + scores * (TILE + 1) + sums * padded)
}

/// Pairs of a sentence and a row of it, one for each tile of its rows.
fn tiles(offsets: &[usize]) -> Vec<u32> {
    let lengths = offsets.windows(2).map(|ends| ends[1] - ends[0]).enumerate();
    let of_sentence = |(sentence, length): (usize, usize)| {
        (0..length).step_by(TILE).flat_map(move |first| [sentence as u32, first as u32])
    };
    lengths.flat_map(of_sentence).collect()
}

impl<L: Launcher> AttentionSpans<L> {
    /// Of the queries.
    pub(crate) fn queries(&self) -> &Offsets<L> {
        &self.queries
    }
}

impl AttentionShape {
    /// Checks lengths, and gives what the kernels take.
    fn sizes<L: Launcher>(&self, inputs: &AttentionInputs<'_>, spans: &AttentionSpans<L>) -> Sizes {
        let (width, heads) = (self.width, self.heads);
        assert!(heads > 0 && width.is_multiple_of(heads), "attention: {heads} heads of {width}");
        if self.mask == Mask::Causal {
            let short = spans.short_of_keys;
            assert_eq!(short, None, "causal attention: this sentence has fewer keys than queries");
        }
        inputs.queries.check("queries", spans.queries.rows(), width);
        inputs.keys.check("keys", spans.keys.rows(), width);
        inputs.values.check("values", spans.keys.rows(), width);
        let head_width = width / heads;
        Sizes {
            heads: count(heads),
            head_width: count(head_width),
            query_distance: count(inputs.queries.distance),
            key_distance: count(inputs.keys.distance),
            value_distance: count(inputs.values.distance),
            output_distance: count(width),
            is_causal: i32::from(self.mask == Mask::Causal),
            scale: (1.0 / (head_width as f64).sqrt()) as f32,
        }
    }

    /// A block for each tile and head.
    fn grid(&self, tiles: usize) -> Grid {
        let mut grid = Grid::line(tiles / 2, THREADS);
        grid.blocks[1] = self.heads as u32;
        grid
    }
}

impl<L: Launcher> Device<L> {
    /// The spans of a batch: sentence `b` owns the query rows `query_offsets[b]..query_offsets[b + 1]`, and key rows alike.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If the offsets do not start at 0, decrease, or are of different numbers.
    pub fn attention_spans(
        &self,
        query_offsets: &[usize],
        key_offsets: &[usize],
    ) -> Result<AttentionSpans<L>, CudaError> {
        assert_eq!(query_offsets.len(), key_offsets.len(), "attention: numbers of offsets");
        let sentences = query_offsets.windows(2).zip(key_offsets.windows(2));
        let is_short = |(q, k): (&[usize], &[usize])| k[1] - k[0] < q[1] - q[0];
        Ok(AttentionSpans {
            queries: self.offsets(query_offsets)?,
            keys: self.offsets(key_offsets)?,
            query_tiles: self.upload(&tiles(query_offsets))?,
            key_tiles: self.upload(&tiles(key_offsets))?,
            short_of_keys: sentences.map(is_short).position(|is_short| is_short),
        })
    }

    /// `y = dropout(softmax(Q K^T / sqrt(width / heads))) V` per head and sentence. A sentence without keys gives zeros.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, the heads do not divide the width, or a query of a causal attention would see no key.
    pub fn attention_forward(
        &self,
        output: AttentionOutput<'_>,
        inputs: &AttentionInputs<'_>,
        spans: &AttentionSpans<L>,
        shape: &AttentionShape,
    ) -> Result<(), CudaError> {
        let sizes = shape.sizes(inputs, spans);
        check("attention's y", output.y, spans.queries.rows() * shape.width);
        check("attention's sums", output.log_sums, spans.queries.rows() * shape.heads);
        let head_width = shape.width / shape.heads;
        let arguments = arguments![
            output.y.address(),
            output.log_sums.address(),
            inputs.queries.numbers.address(),
            inputs.keys.numbers.address(),
            inputs.values.numbers.address(),
            spans.queries.address(),
            spans.keys.address(),
            spans.query_tiles.part().address(),
            sizes,
            shape.dropout,
        ];
        let grid = shape.grid(spans.query_tiles.length());
        let numbers = shared(head_width, 3, 1, 1) + 2 * TILE;
        self.launch(Kernel::AttentionForward, grid.with_shared(numbers), &arguments)
    }

    /// The gradients of [`Device::attention_forward`], which overwrite those of `gradients`; they lie as the inputs do. `output` is
    /// what the way forward gave.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn attention_backward(
        &self,
        gradients: &AttentionInputs<'_>,
        dy: Part<'_, bf16>,
        output: AttentionOutput<'_>,
        inputs: &AttentionInputs<'_>,
        spans: &AttentionSpans<L>,
        shape: &AttentionShape,
    ) -> Result<(), CudaError> {
        let sizes = shape.sizes(inputs, spans);
        shape.sizes(gradients, spans);
        let distances =
            |of: &AttentionInputs<'_>| [of.queries, of.keys, of.values].map(|r| r.distance);
        assert_eq!(distances(gradients), distances(inputs), "attention: gradients lie elsewhere");
        let rows = spans.queries.rows();
        check("attention's dy", dy, rows * shape.width);
        check("attention's y", output.y, rows * shape.width);
        check("attention's sums", output.log_sums, rows * shape.heads);
        let deltas = self.take::<f32>(rows * shape.heads)?;
        let (dy, of_deltas) = (dy.address(), deltas.part().address());
        let arguments = arguments![of_deltas, dy, output.y.address(), count(rows), sizes];
        self.launch(Kernel::AttentionDeltas, warp_a_row(rows), &arguments)?;
        let addresses = [
            dy,
            output.log_sums.address(),
            of_deltas,
            inputs.queries.numbers.address(),
            inputs.keys.numbers.address(),
            inputs.values.numbers.address(),
            spans.queries.address(),
            spans.keys.address(),
        ];
        let read = addresses.map(Argument::of);
        let head_width = shape.width / shape.heads;
        let of_tiles = |tiles: &Buffer<L, u32>, sums| {
            let grid = shape.grid(tiles.length()).with_shared(shared(head_width, 4, 2, sums));
            (grid, arguments![tiles.part().address(), sizes, shape.dropout])
        };
        let (grid, rest) = of_tiles(&spans.query_tiles, 1);
        let written = arguments![gradients.queries.numbers.address()];
        let arguments = [written.as_slice(), &read, &rest].concat();
        self.launch(Kernel::AttentionBackwardQueries, grid, &arguments)?;
        let (grid, rest) = of_tiles(&spans.key_tiles, 2);
        let written =
            arguments![gradients.keys.numbers.address(), gradients.values.numbers.address()];
        let arguments = [written.as_slice(), &read, &rest].concat();
        self.launch(Kernel::AttentionBackwardKeys, grid, &arguments)
    }
}
