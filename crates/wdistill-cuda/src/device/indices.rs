//! Numbers of rows, words and sentences on a machine. They are checked before they go there, since no kernel checks them.

use super::*;

/// Numbers of rows or words.
#[derive(Debug)]
pub struct Indices<L: Launcher> {
    numbers: Buffer<L, u32>,
    /// All are below it.
    bound: usize,
}

/// Where the rows of each sentence start, and how many rows there are in all.
#[derive(Debug)]
pub struct Offsets<L: Launcher> {
    numbers: Buffer<L, u32>,
    rows: usize,
    most: usize,
}

impl<L: Launcher> Indices<L> {
    /// How many there are.
    pub fn length(&self) -> usize {
        self.numbers.length()
    }

    /// Where they lie, once it is clear that all of them are below `rows`.
    ///
    /// # Panics
    /// If they are not.
    pub(super) fn below(&self, what: &str, rows: usize) -> Address {
        assert!(self.bound <= rows, "{what}: number {} of {rows}", self.bound.saturating_sub(1));
        self.numbers.part().address()
    }
}

impl<L: Launcher> Offsets<L> {
    /// How many sentences there are.
    pub fn sentences(&self) -> usize {
        self.numbers.length() - 1
    }

    /// How many rows there are in all.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The most rows that a sentence has.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Where they lie.
    pub(super) fn address(&self) -> Address {
        self.numbers.part().address()
    }
}

impl<L: Launcher> Device<L> {
    /// Numbers of rows or words.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    pub fn indices(&self, numbers: &[u32]) -> Result<Indices<L>, CudaError> {
        let bound = numbers.iter().max().map_or(0, |last| *last as usize + 1);
        Ok(Indices { numbers: self.upload(numbers)?, bound })
    }

    /// Offsets of sentences: sentence `b` owns rows `offsets[b]..offsets[b + 1]`.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If they do not start at 0, or decrease.
    pub fn offsets(&self, offsets: &[usize]) -> Result<Offsets<L>, CudaError> {
        assert!(offsets.is_sorted() && offsets.first() == Some(&0), "offsets {offsets:?}");
        let numbers: Vec<u32> = offsets.iter().map(|offset| count(*offset) as u32).collect();
        Ok(Offsets {
            numbers: self.upload(&numbers)?,
            rows: offsets[offsets.len() - 1],
            most: offsets.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0),
        })
    }
}
