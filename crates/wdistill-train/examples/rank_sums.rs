//! Times the sum of numbers over ranks against `MPI_Allreduce`, in turn: `mpirun -np N rank_sums MILLIONS ROUNDS`.
//!
//! Ours is the sum into pieces and the way back, as an update has them, with the optimiser between. Prints the median and
//! the smallest seconds of each, the median of the ratios within a round, the seconds of the optimiser's step of a piece, and of
//! adding all numbers once.

#![allow(clippy::print_stdout)] // An example shows what it finds.

use std::time::Instant;

use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::CommunicatorCollectives;
use wdistill_kernels::{AdamBuffers, AdamSettings, AdamStep, adam_step, add_into};
use wdistill_train::{Mpi, Pieces, Ranks, join_pieces, sum_into_pieces};

/// Seconds of some work that all ranks do, from the first one's beginning to the last one's end.
fn timed(world: &SimpleCommunicator, work: impl FnOnce()) -> f64 {
    world.barrier();
    let start = Instant::now();
    work();
    world.barrier();
    start.elapsed().as_secs_f64()
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn main() {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let [millions, rounds] = numbers[..] else { panic!("expected MILLIONS ROUNDS") };
    let (_session, ranks) = Mpi::start().expect("MPI");
    let world = SimpleCommunicator::world();
    let length = millions * 1_000_000;
    let number = |index: usize| ((index * 31 + ranks.rank() * 7) % 1009) as f32 - 504.0;
    let own: Vec<f32> = (0..length).map(number).collect();
    let pieces = Pieces::of_length(length, ranks.count());
    let piece = pieces.of(ranks.rank());
    let (mut sum, mut theirs, mut scratch) = (own.clone(), vec![0.0; length], Vec::new());
    let mut values = vec![0.0; piece.len()];
    let (mut first, mut second) = (values.clone(), values.clone());
    let settings = AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    let (mut ours, mut all, mut adam, mut added) = (vec![], vec![], vec![], vec![]);
    // The first round finds memory, and is not counted.
    for round in 0..=rounds {
        sum.copy_from_slice(&own);
        let into_pieces = timed(&world, || {
            sum_into_pieces(&ranks, &pieces, &mut sum, &mut scratch).expect("all are there");
        });
        let step = timed(&world, || {
            let buffers = AdamBuffers {
                parameters: &mut values,
                first_moment: &mut first,
                second_moment: &mut second,
                gradient: &sum[piece.clone()],
                copy: None,
            };
            let step = AdamStep {
                settings,
                learning_rate: 1e-3,
                number: round as u64 + 1,
                gradient_factor: 1.0,
                weight_decay: 0.0,
            };
            adam_step(buffers, &step);
        });
        let joined = timed(&world, || {
            join_pieces(&ranks, &pieces, &mut sum).expect("all are there");
        });
        let reduced = timed(&world, || {
            world.all_reduce_into(&own[..], &mut theirs[..], SystemOperation::sum());
        });
        assert!(sum == theirs, "sums of whole numbers have no order");
        let adding = timed(&world, || add_into(&mut sum, &own));
        if round > 0 {
            ours.push(into_pieces + joined);
            all.push(reduced);
            adam.push(step);
            added.push(adding);
        }
    }
    if ranks.rank() == 0 {
        let ratio = median(ours.iter().zip(&all).map(|(ours, all)| ours / all));
        println!(
            "{millions} million numbers, {} ranks: ours {:.3} s (smallest {:.3}), MPI_Allreduce {:.3} s ({:.3}), \
             ratio {ratio:.2}; Adam {:.3} s, adding {:.3} s",
            ranks.count(),
            median(ours.clone()),
            smallest(&ours),
            median(all.clone()),
            smallest(&all),
            median(adam),
            median(added),
        );
    }
}
