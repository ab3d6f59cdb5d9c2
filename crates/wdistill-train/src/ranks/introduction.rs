//! What ranks have to have in common before they begin.

use wdistill_base::{Problem, hash_bytes};
use wdistill_kernels::{
    Accumulate, MatrixRef, Precision, instructions, product_in, sum_of_squares, supported,
};

use crate::error::TrainError;
use crate::ranks::{Packet, Ranks, Unpack, gather};

/// Compares the programs and the processors of all ranks; `version` names the program. Ranks that compute other bits would
/// have other weights after a while.
///
/// # Errors
/// [`TrainError::Rank`] naming the first rank that differs from rank 0, the same on all ranks.
pub fn introduce(ranks: &dyn Ranks, version: &str) -> Result<(), TrainError> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let mut own = Packet::default();
    for text in [&ranks.name(), version, instructions(), &arithmetic(Precision::Float32)] {
        own.bytes(text.as_bytes());
    }
    let all = gather(ranks, own.into_bytes())?;
    let mut all = all.iter().map(|said| {
        let mut unpack = Unpack(said);
        std::array::from_fn::<String, 4, _>(|_| unpack.text())
    });
    let [first, version, instructions, arithmetic] = all.next().expect("there is a rank 0");
    for [name, other_version, other_instructions, other_arithmetic] in all {
        let problem = if other_version != version {
            Problem::from(format!("it is wdistill {other_version}, and {first} is {version}"))
        } else if other_instructions != instructions {
            Problem::with_hint(
                format!(
                    "it computes with {other_instructions}, and {first} with {instructions}, which adds in another order"
                ),
                "WDISTILL_INSTRUCTIONS=avx2 for all of them, or machines of one kind",
            )
        } else if other_arithmetic != arithmetic {
            Problem::with_hint(
                format!("its products have other bits than those of {first}"),
                "use machines of one kind: products are divided by the processor's instructions and caches",
            )
        } else {
            continue;
        };
        return Err(TrainError::Rank { name, problem });
    }
    Ok(())
}

/// Sides of products that are as long as those of models, and not multiples of anything.
const SIZES: [[usize; 3]; 3] = [[67, 515, 131], [33, 2049, 70], [257, 129, 385]];

/// A hash of some products of numbers whose sums differ with the order in which they are added: how they are divided depends
/// on the processor's instructions and caches.
pub(crate) fn arithmetic(precision: Precision) -> String {
    let numbers = |count: usize, seed: f32| -> Vec<f32> {
        (0..count).map(|index| (index as f32 * 0.37 + seed).sin()).collect()
    };
    let mut bytes = Vec::new();
    for [rows, inner, columns] in SIZES {
        let (left, right) = (numbers(rows * inner, 0.1), numbers(inner * columns, 0.7));
        let mut result = vec![0.0; rows * columns];
        let (left, right) =
            (MatrixRef::new(&left, rows, inner), MatrixRef::new(&right, inner, columns));
        product_in(precision, &mut result, Accumulate::Overwrite, left, right);
        bytes.extend(result.iter().flat_map(|number| number.to_bits().to_le_bytes()));
        bytes.extend(sum_of_squares(&result).to_bits().to_le_bytes());
    }
    hash_bytes(&bytes)
}

/// Whether this rank, `name`, computes in the precision of rank 0 as rank 0 does, which is on a processor that has it: with
/// the same bits in products.
///
/// # Errors
/// [`TrainError::Rank`].
pub(crate) fn check_precision(
    name: String,
    precision: Precision,
    of_leader: &str,
) -> Result<(), TrainError> {
    let what = precision.name();
    let problem = if supported(precision) != precision {
        format!("its processor has no products in {what}, and rank 0 computes with them")
    } else if arithmetic(precision) != of_leader {
        format!("its products in {what} have other bits than those of rank 0")
    } else {
        return Ok(());
    };
    let hint = "precision = \"float32\", or machines of one kind";
    Err(TrainError::Rank { name, problem: Problem::with_hint(problem, hint) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::threads;

    #[test]
    fn ranks_with_other_products_are_refused() {
        let check = |of_leader: &str| {
            let checked = check_precision("rank 1".to_string(), Precision::Float32, of_leader);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check(&arithmetic(Precision::Float32)), Ok(()));
        let expected = "rank 1: its products in float32 have other bits than those of rank 0";
        assert_eq!(check("other"), Err(expected.to_string()));
    }

    #[test]
    fn ranks_of_other_versions_are_refused_by_all() {
        let check = |versions: [&'static str; 3]| {
            std::thread::scope(|scope| {
                let running: Vec<_> = threads(3)
                    .into_iter()
                    .zip(versions)
                    .map(|(ranks, version)| scope.spawn(move || introduce(&ranks, version)))
                    .collect();
                let joined = running.into_iter().map(|thread| thread.join().unwrap());
                joined.map(|result| result.map_err(|error| error.to_string())).collect::<Vec<_>>()
            })
        };
        assert_eq!(check(["1", "1", "1"]), [Ok(()), Ok(()), Ok(())]);
        let error = Err("rank 2: it is wdistill 2, and rank 0 is 1".to_string());
        assert_eq!(check(["1", "1", "2"]), [error.clone(), error.clone(), error]);
    }
}
