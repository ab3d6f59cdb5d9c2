//! Tiles: what a product that keeps its sums in registers computes at a time.

/// Outputs in a tile.
pub const TILE: usize = 16;

/// Tiles that are multiplied at a time.
pub(crate) const PANEL: usize = 4;

/// Rows that are multiplied at a time.
pub(crate) const ROWS: usize = 6;

/// Outputs that are computed at a time.
pub(crate) const COLUMNS: usize = PANEL * TILE;

/// The weights of a tile's outputs for the same input, or group of inputs: a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub [T; TILE]);

/// One job of a product: some rows, some outputs, at most [`ROWS`] and [`COLUMNS`].
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub first_row: usize,
    pub rows: usize,
    pub first_tile: usize,
    pub tiles: usize,
}

/// Calls `$function::<M, N>` for the rows and tiles of a block.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! sized {
    ($block:expr, $function:ident, $arguments:tt) => {
        match $block.rows {
            1 => sized!(@tiles 1, $block, $function, $arguments),
            2 => sized!(@tiles 2, $block, $function, $arguments),
            3 => sized!(@tiles 3, $block, $function, $arguments),
            4 => sized!(@tiles 4, $block, $function, $arguments),
            5 => sized!(@tiles 5, $block, $function, $arguments),
            6 => sized!(@tiles 6, $block, $function, $arguments),
            rows => unreachable!("{rows} rows in a block"),
        }
    };
    (@tiles $rows:literal, $block:expr, $function:ident, $arguments:tt) => {
        match $block.tiles {
            1 => sized!(@call $rows, 1, $function, $arguments),
            2 => sized!(@call $rows, 2, $function, $arguments),
            3 => sized!(@call $rows, 3, $function, $arguments),
            4 => sized!(@call $rows, 4, $function, $arguments),
            tiles => unreachable!("{tiles} tiles in a block"),
        }
    };
    (@call $rows:literal, $tiles:literal, $function:ident, ($($argument:expr),*)) => {
        $function::<$rows, $tiles>($($argument),*)
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use sized;
