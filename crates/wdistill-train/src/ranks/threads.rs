//! Ranks that are threads of one program.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::TrainError;
use crate::ranks::Ranks;

/// What goes from a thread to another.
#[derive(Debug)]
enum Parcel {
    Message(Vec<u8>),
    Numbers(Vec<f32>),
}

/// One thread of several that work on a run together: what several programs do, where one program can watch it. Tests
/// of everything that is distributed use it, and need no MPI.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    /// To each of the others and itself.
    to: Vec<Mutex<Sender<Parcel>>>,
    /// From each of them.
    from: Vec<Mutex<Receiver<Parcel>>>,
}

/// So many ranks, each for a thread of its own.
pub fn threads(count: usize) -> Vec<Threads> {
    let mut ranks: Vec<Threads> =
        (0..count).map(|rank| Threads { rank, to: Vec::new(), from: Vec::new() }).collect();
    for from in 0..count {
        for to in 0..count {
            let (sender, receiver) = channel();
            ranks[from].to.push(Mutex::new(sender));
            ranks[to].from.push(Mutex::new(receiver));
        }
    }
    ranks
}

impl Threads {
    fn give(&self, to: usize, parcel: Parcel) -> Result<(), TrainError> {
        let sender = self.to[to].lock().expect("nobody panics with it");
        sender.send(parcel).map_err(|_| TrainError::gone(to))
    }

    fn take(&self, from: usize) -> Result<Parcel, TrainError> {
        let receiver = self.from[from].lock().expect("nobody panics with it");
        receiver.recv().map_err(|_| TrainError::gone(from))
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.to.len()
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), TrainError> {
        self.give(to, Parcel::Message(message.to_vec()))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, TrainError> {
        match self.take(from)? {
            Parcel::Message(message) => Ok(message),
            Parcel::Numbers(_) => panic!("rank {from} sent numbers where a message was expected"),
        }
    }

    fn swap(&self, with: usize, outgoing: &[f32], incoming: &mut [f32]) -> Result<(), TrainError> {
        if !outgoing.is_empty() {
            self.give(with, Parcel::Numbers(outgoing.to_vec()))?;
        }
        if incoming.is_empty() {
            return Ok(());
        }
        match self.take(with)? {
            Parcel::Numbers(numbers) => incoming.copy_from_slice(&numbers),
            Parcel::Message(_) => panic!("rank {with} sent a message where numbers were expected"),
        }
        Ok(())
    }
}
