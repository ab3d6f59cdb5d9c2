//! Ranks that are programs on one or several machines, started by `mpirun` or `srun`.

use std::time::{Duration, Instant};

use mpi::environment::{Threading, Universe};
use mpi::topology::{Process, SimpleCommunicator};
use mpi::traits::{Communicator, Destination, MatchedReceiveVec, Source};

use crate::error::TrainError;
use crate::ranks::Ranks;

/// Marks messages, and numbers.
const MESSAGE: i32 = 1;
const NUMBERS: i32 = 2;

/// Most elements that are sent at once: MPI counts with 31 bits.
const MOST: usize = 1 << 30;

/// One program of those that `mpirun` or `srun` has started.
#[derive(Debug)]
pub struct Mpi {
    rank: usize,
    count: usize,
    name: String,
}

/// As long as this lives, the programs are connected.
pub struct MpiSession(#[expect(dead_code, reason = "its end is MPI's end")] Universe);

impl Mpi {
    /// Connects to the others; a program that was started alone is rank 0 of 1. From now on a panic anywhere ends all of
    /// them.
    ///
    /// # Errors
    /// A text if MPI has been started already.
    pub fn start() -> Result<(MpiSession, Mpi), String> {
        // Training runs on a thread of a pool, one at a time.
        let started = mpi::initialize_with_threading(Threading::Serialized);
        let (universe, _) = started.ok_or("MPI has been started already")?;
        let world = SimpleCommunicator::world();
        let (rank, count) = (world.rank() as usize, world.size() as usize);
        let host = mpi::environment::processor_name().unwrap_or_default();
        let name = format!("rank {rank} on {host}");
        if count > 1 {
            let say = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                say(panic);
                SimpleCommunicator::world().abort(101)
            }));
        }
        Ok((MpiSession(universe), Mpi { rank, count, name }))
    }
}

/// Asks again and again, first without and then with pauses, so that a rank that waits for long leaves its core to others:
/// MPI itself would wait busily.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    const BUSY: Duration = Duration::from_millis(2);
    const PAUSE: Duration = Duration::from_micros(200);
    let since = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        match since.elapsed() < BUSY {
            true => std::thread::yield_now(),
            false => std::thread::sleep(PAUSE),
        }
    }
}

/// Sends or receives some numbers, and waits for both.
fn swap_some(process: &Process<'_>, outgoing: Option<&[f32]>, incoming: Option<&mut [f32]>) {
    mpi::request::scope(|scope| {
        let incoming =
            incoming.map(|place| process.immediate_receive_into_with_tag(scope, place, NUMBERS));
        let outgoing =
            outgoing.map(|numbers| process.immediate_send_with_tag(scope, numbers, NUMBERS));
        outgoing.into_iter().chain(incoming).for_each(|request| {
            request.wait();
        });
    });
}

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), TrainError> {
        let world = SimpleCommunicator::world();
        let process = world.process_at_rank(to as i32);
        process.send_with_tag(&[message.len() as u64][..], MESSAGE);
        message.chunks(MOST).for_each(|part| process.send_with_tag(part, MESSAGE));
        Ok(())
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, TrainError> {
        let world = SimpleCommunicator::world();
        let process = world.process_at_rank(from as i32);
        let length = until(|| process.immediate_matched_probe_with_tag(MESSAGE));
        let (length, _): (Vec<u64>, _) = length.matched_receive_vec();
        let mut message = vec![0; length[0] as usize];
        for part in message.chunks_mut(MOST) {
            process.receive_into_with_tag(part, MESSAGE);
        }
        Ok(message)
    }

    fn swap(&self, with: usize, outgoing: &[f32], incoming: &mut [f32]) -> Result<(), TrainError> {
        let world = SimpleCommunicator::world();
        let process = world.process_at_rank(with as i32);
        let (mut outgoing, mut incoming) = (outgoing.chunks(MOST), incoming.chunks_mut(MOST));
        loop {
            match (outgoing.next(), incoming.next()) {
                (None, None) => return Ok(()),
                (out, place) => swap_some(&process, out, place),
            }
        }
    }
}
