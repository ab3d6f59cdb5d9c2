//! What ranks do together. Every rank calls the same function at the same time.

use wdistill_base::Problem;
use wdistill_kernels::add_into;

use crate::error::TrainError;
use crate::ranks::{Packet, Pieces, Ranks, Unpack};

/// Adds the buffers of all ranks as a balanced binary tree: neighbours first, then neighbours of the sums. Afterwards each
/// rank's piece has the sum; the rest of the buffer is of no use. `scratch` is memory that is used again.
///
/// It works by recursive halving: ranks at a distance of 1, then 2, 4 and so on give each other the half that the other one
/// goes on with. Addition of two numbers commutes, so that both sides of a pair add in the tree's order.
///
/// # Errors
/// [`TrainError::Rank`].
pub fn sum_into_pieces(
    ranks: &dyn Ranks,
    pieces: &Pieces,
    buffer: &mut [f32],
    scratch: &mut Vec<f32>,
) -> Result<(), TrainError> {
    for Halving { partner, keep, give } in halvings(ranks, pieces) {
        let (keep, give) = (pieces.numbers(&keep), pieces.numbers(&give));
        scratch.resize(keep.len(), 0.0);
        ranks.swap(partner, &buffer[give], scratch)?;
        add_into(&mut buffer[keep], scratch);
    }
    Ok(())
}

/// Gives every rank the pieces of all ranks, by the same way back.
///
/// # Errors
/// [`TrainError::Rank`].
pub fn join_pieces(
    ranks: &dyn Ranks,
    pieces: &Pieces,
    buffer: &mut [f32],
) -> Result<(), TrainError> {
    for Halving { partner, keep, give } in halvings(ranks, pieces).into_iter().rev() {
        let places = [pieces.numbers(&keep), pieces.numbers(&give)];
        let [own, others] = buffer.get_disjoint_mut(places).expect("halves do not overlap");
        ranks.swap(partner, own, others)?;
    }
    Ok(())
}

/// One exchange of a recursive halving, in numbers of pieces.
struct Halving {
    partner: usize,
    keep: std::ops::Range<usize>,
    give: std::ops::Range<usize>,
}

fn halvings(ranks: &dyn Ranks, pieces: &Pieces) -> Vec<Halving> {
    assert_eq!(pieces.count(), ranks.count(), "a piece for each rank");
    let rank = ranks.rank();
    let (mut low, mut high, mut distance) = (0usize, pieces.count(), 1);
    let mut steps = Vec::new();
    while distance < pieces.count() {
        let middle = low.midpoint(high);
        let (keep, give) = match rank & distance {
            0 => (low..middle, middle..high),
            _ => (middle..high, low..middle),
        };
        (low, high) = (keep.start, keep.end);
        steps.push(Halving { partner: rank ^ distance, keep, give });
        distance *= 2;
    }
    steps
}

/// What rank 0 says, told by those who know it to those who do not: after k rounds 2^k ranks know it.
fn spreading(
    ranks: &dyn Ranks,
    mut hear: impl FnMut(usize) -> Result<(), TrainError>,
    mut tell: impl FnMut(usize) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let (rank, count) = (ranks.rank(), ranks.count());
    let mut known = 1;
    while known < count {
        if rank < known && rank + known < count {
            tell(rank + known)?;
        } else if (known..2 * known).contains(&rank) {
            hear(rank - known)?;
        }
        known *= 2;
    }
    Ok(())
}

/// A message of rank 0, which alone has one, to all.
pub(crate) fn spread(ranks: &dyn Ranks, message: Vec<u8>) -> Result<Vec<u8>, TrainError> {
    let message = std::cell::RefCell::new(message);
    spreading(
        ranks,
        |from| {
            *message.borrow_mut() = ranks.receive(from)?;
            Ok(())
        },
        |to| ranks.send(to, &message.borrow()),
    )?;
    Ok(message.into_inner())
}

/// Numbers of rank 0 to all.
pub(crate) fn spread_numbers(ranks: &dyn Ranks, numbers: &mut [f32]) -> Result<(), TrainError> {
    let numbers = std::cell::RefCell::new(numbers);
    spreading(
        ranks,
        |from| ranks.swap(from, &[], &mut numbers.borrow_mut()),
        |to| ranks.swap(to, &numbers.borrow(), &mut []),
    )
}

/// What every rank says, by rank; everybody gets it.
pub(crate) fn gather(ranks: &dyn Ranks, own: Vec<u8>) -> Result<Vec<Vec<u8>>, TrainError> {
    if ranks.count() == 1 {
        return Ok(vec![own]);
    }
    let mut packet = Packet::default();
    if ranks.rank() == 0 {
        packet.bytes(&own);
        for other in 1..ranks.count() {
            packet.bytes(&ranks.receive(other)?);
        }
    } else {
        ranks.send(0, &own)?;
    }
    let all = spread(ranks, packet.into_bytes())?;
    let mut unpack = Unpack(&all);
    let said = (0..ranks.count()).map(|_| Some(unpack.bytes_if_there()?.to_vec()));
    // Rank 0 ends the work when another rank is lost, wherever the rest of them are in it.
    let given_up = || TrainError::Rank {
        name: "rank 0".to_string(),
        problem: "it has given up the work, since another rank was lost".into(),
    };
    said.collect::<Option<_>>().ok_or_else(given_up)
}

/// All pieces of a buffer, of which each rank has its own, at rank 0; empty elsewhere.
pub(crate) fn collect(
    ranks: &dyn Ranks,
    pieces: &Pieces,
    own: &[f32],
) -> Result<Vec<f32>, TrainError> {
    if ranks.rank() > 0 {
        ranks.swap(0, own, &mut [])?;
        return Ok(Vec::new());
    }
    let mut all = vec![0.0; pieces.length()];
    all[pieces.of(0)].copy_from_slice(own);
    for other in 1..ranks.count() {
        ranks.swap(other, &[], &mut all[pieces.of(other)])?;
    }
    Ok(all)
}

/// Each rank's piece of a buffer that rank 0 has; the others give none.
pub(crate) fn deal_out(
    ranks: &dyn Ranks,
    pieces: &Pieces,
    all: &[f32],
    own: &mut [f32],
) -> Result<(), TrainError> {
    if ranks.rank() > 0 {
        return ranks.swap(0, &[], own);
    }
    own.copy_from_slice(&all[pieces.of(0)]);
    (1..ranks.count()).try_for_each(|other| ranks.swap(other, &all[pieces.of(other)], &mut []))
}

/// What came of the work of all ranks: if one has an error, all of them have it, so that nobody waits for it.
///
/// # Errors
/// This rank's own, or [`TrainError::Rank`] with that of the first rank that has one.
pub(crate) fn agree<T>(ranks: &dyn Ranks, result: Result<T, TrainError>) -> Result<T, TrainError> {
    let mut said = Packet::default();
    if let Err(error) = &result {
        said.problem(&ranks.name(), Problem::of(error));
    }
    let all = gather(ranks, said.into_bytes())?;
    let value = result?;
    match all.iter().find(|said| !said.is_empty()) {
        None => Ok(value),
        Some(said) => Err(Unpack(said).error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::threads;

    /// What each of so many ranks makes of something.
    fn each<T: Send>(count: usize, work: impl Fn(&dyn Ranks) -> T + Sync) -> Vec<T> {
        let work = &work;
        std::thread::scope(|scope| {
            let run = |ranks| scope.spawn(move || work(&ranks));
            let running: Vec<_> = threads(count).into_iter().map(run).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Numbers of so different sizes that every order of adding them gives other bits.
    fn share(number: usize) -> Vec<f32> {
        let number = number as f32 + 1.0;
        (0..1003).map(|index| (number * index as f32).sin() * 10f32.powf(number % 7.0)).collect()
    }

    fn tree(first: usize, count: usize) -> Vec<f32> {
        match count {
            1 => share(first),
            _ => {
                let mut left = tree(first, count / 2);
                add_into(&mut left, &tree(first + count / 2, count / 2));
                left
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_tree_over_shares_for_every_number_of_ranks() {
        let expected = tree(0, 8);
        for count in [1, 2, 4, 8] {
            let sums = each(count, |ranks| {
                let own = 8 / count;
                let mut sum = tree(ranks.rank() * own, own);
                let pieces = Pieces::of_length(sum.len(), count);
                sum_into_pieces(ranks, &pieces, &mut sum, &mut Vec::new()).unwrap();
                let piece = pieces.of(ranks.rank());
                assert!(sum[piece.clone()] == expected[piece]);
                join_pieces(ranks, &pieces, &mut sum).unwrap();
                sum
            });
            assert!(sums.iter().all(|sum| *sum == expected), "{count} ranks");
        }
        // Another order has other bits.
        let mut chain = share(0);
        (1..8).for_each(|number| add_into(&mut chain, &share(number)));
        assert!(chain != expected);
    }

    #[test]
    fn everybody_hears_everybody() {
        for count in [1, 2, 3, 4, 6] {
            let heard = each(count, |ranks| {
                let mut numbers = vec![if ranks.rank() == 0 { 7.0 } else { 0.0 }; 3];
                spread_numbers(ranks, &mut numbers).unwrap();
                assert_eq!(numbers, [7.0; 3]);
                gather(ranks, vec![ranks.rank() as u8; ranks.rank()]).unwrap()
            });
            let expected: Vec<Vec<u8>> = (0..count).map(|rank| vec![rank as u8; rank]).collect();
            assert!(heard.iter().all(|all| *all == expected));
        }
    }

    #[test]
    fn pieces_are_collected_and_dealt_out() {
        let all = each(4, |ranks| {
            let pieces = Pieces::of_length(10, 4);
            let numbers: Vec<f32> = (0..10).map(|number| number as f32).collect();
            let mut own = vec![0.0; pieces.of(ranks.rank()).len()];
            let given = if ranks.rank() == 0 { &numbers[..] } else { &[] };
            deal_out(ranks, &pieces, given, &mut own).unwrap();
            assert!(own == numbers[pieces.of(ranks.rank())]);
            collect(ranks, &pieces, &own).unwrap()
        });
        assert_eq!(all[0], (0..10).map(|number| number as f32).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_of_one_is_everybodys() {
        let results = each(4, |ranks| {
            let own = match ranks.rank() {
                2 => Err(TrainError::Threads { threads: 9, reason: "no more".to_string() }),
                rank => Ok(rank),
            };
            agree(ranks, own).unwrap_err().to_string()
        });
        let [a, b, own, c] = &results[..] else { panic!("{results:?}") };
        assert_eq!(own, "cannot start 9 threads: no more");
        assert!([a, b, c].iter().all(|error| **error == format!("rank 2: {own}")), "{results:?}");
        // One that has gone is noticed by the one who waits for it.
        let results = each(2, |ranks| match ranks.rank() {
            0 => ranks.receive(1).map(|_| ()),
            _ => Ok(()),
        });
        let error = results[0].as_ref().unwrap_err().to_string();
        assert_eq!(error, "rank 1: it has gone");
    }
}
