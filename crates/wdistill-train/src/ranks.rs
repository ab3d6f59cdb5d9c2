//! The programs that work on one run together: ranks, as MPI calls them.
//!
//! Rank 0 leads: it reads texts, makes batches, validates, writes. The others follow ([`crate::follow`]): they hold the same
//! model, and are told what to compute. [`Ranks`] is how they speak, and the sums over ranks below it are the same whatever
//! carries them.

mod introduction;
#[cfg(feature = "mpi")]
mod mpi;
mod packet;
mod pieces;
mod threads;
mod together;

use std::fmt;

use crate::error::TrainError;

pub use introduction::introduce;
pub(crate) use introduction::{arithmetic, check_precision};
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, MpiSession};
pub(crate) use packet::{Packet, Unpack};
pub use pieces::Pieces;
pub use threads::{Threads, threads};
pub(crate) use together::{agree, collect, deal_out, gather, spread_numbers};
pub use together::{join_pieces, sum_into_pieces};

/// What carries messages and numbers between the programs that work on one run. Every message that is sent is received, in
/// order; a call waits until it has what it wants.
pub trait Ranks: fmt::Debug + Send + Sync {
    /// This program's number, from 0.
    fn rank(&self) -> usize;

    /// How many programs there are.
    fn count(&self) -> usize;

    /// What an error calls this program.
    fn name(&self) -> String {
        format!("rank {}", self.rank())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`TrainError::Rank`] if the other one has gone.
    fn send(&self, to: usize, message: &[u8]) -> Result<(), TrainError>;

    /// Receives the next message of another one.
    ///
    /// # Errors
    /// [`TrainError::Rank`] if the other one has gone.
    fn receive(&self, from: usize) -> Result<Vec<u8>, TrainError>;

    /// Sends numbers to another one, which at the same time sends as many as there is place for; either may be none.
    ///
    /// # Errors
    /// [`TrainError::Rank`] if the other one has gone.
    fn swap(&self, with: usize, outgoing: &[f32], incoming: &mut [f32]) -> Result<(), TrainError>;
}

/// One program by itself, which never has anybody to speak to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn send(&self, to: usize, _: &[u8]) -> Result<(), TrainError> {
        Err(TrainError::gone(to))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, TrainError> {
        Err(TrainError::gone(from))
    }

    fn swap(&self, with: usize, _: &[f32], _: &mut [f32]) -> Result<(), TrainError> {
        Err(TrainError::gone(with))
    }
}

/// What is wrong with so many ranks for batches of so many shares: every rank has as many shares as every other one.
pub fn count_problem(ranks: usize, shares: usize) -> Option<String> {
    // A number of shares that is no power of two is refused with the settings.
    if ranks == 1 || (ranks.is_power_of_two() && shares.is_multiple_of(ranks)) {
        return None;
    }
    let fitting: Vec<String> = std::iter::successors(Some(1), |count| Some(2 * count))
        .take_while(|count| shares.is_multiple_of(*count))
        .map(|count| count.to_string())
        .collect();
    Some(format!("{ranks} ranks cannot have shares = {shares} evenly; {} can", fitting.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::count_problem;

    #[test]
    fn ranks_are_powers_of_two_that_divide_the_shares() {
        for ranks in [1, 2, 4, 8] {
            assert_eq!(count_problem(ranks, 8), None);
        }
        let expected = "3 ranks cannot have shares = 4 evenly; 1, 2, 4 can";
        assert_eq!(count_problem(3, 4).as_deref(), Some(expected));
        assert!(count_problem(8, 4).is_some());
        assert_eq!(count_problem(1, 3), None);
    }
}
