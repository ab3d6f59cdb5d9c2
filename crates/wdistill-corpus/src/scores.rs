//! Scores of the pairs of a corpus, on disk, and which of them are good enough.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use wdistill_base::FileError;
use wdistill_text::{FindingKind, Objection};

use crate::error::CorpusError;

/// Bytes of a score.
const SIZE: u64 = 4;

/// Numbers that are read together.
const AT_ONCE: usize = 1 << 14;

/// The scores of a corpus's pairs in a file, a float32 each in little-endian bytes, and the highest that a pair may have. An
/// infinite one is that of a pair that could not be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct PairScores {
    /// The file.
    pub path: PathBuf,
    /// The highest score of a pair that is kept; lower ones are better.
    pub highest: f32,
}

impl PairScores {
    pub(crate) fn open(&self) -> Result<ScoreReader, CorpusError> {
        Ok(ScoreReader { file: open(&self.path)?, path: self.path.clone(), highest: self.highest })
    }
}

/// Scores, one after the other.
pub(crate) struct ScoreReader {
    file: BufReader<File>,
    path: PathBuf,
    highest: f32,
}

impl ScoreReader {
    /// What is wrong with the next pair, if anything is.
    pub(crate) fn next(&mut self) -> Result<Option<Objection>, CorpusError> {
        let mut bytes = [0; SIZE as usize];
        self.file.read_exact(&mut bytes).map_err(FileError::when("read", &self.path))?;
        let (score, highest) = (f32::from_le_bytes(bytes), self.highest);
        let detail = match score.is_finite() {
            true => format!("{score:.3}, more than {highest:.3}"),
            false => "too long for the model".to_string(),
        };
        // What is no number is no good score either.
        let is_good = score.is_finite() && score <= highest;
        Ok((!is_good).then_some(Objection { kind: FindingKind::PoorScore, detail }))
    }
}

fn open(path: &Path) -> Result<BufReader<File>, CorpusError> {
    Ok(BufReader::new(File::open(path).map_err(FileError::when("open", path))?))
}

/// The score up to which a share of the pairs in a file of scores are kept: the smallest one that at least `share` of all pairs
/// have at most. Infinite ones count, and are never kept. Memory does not grow with the file.
///
/// # Errors
/// [`CorpusError::File`].
pub fn score_of_share(path: &Path, share: f64) -> Result<f32, CorpusError> {
    let length = std::fs::metadata(path).map_err(FileError::when("read", path))?.len();
    let wanted = (share * (length / SIZE) as f64).ceil() as u64;
    // First the upper half of its bits, then the lower one.
    let (upper, below) = find(path, wanted, |bits| Some(bits >> 16))?;
    let lower_half = |bits: u32| (bits >> 16 == upper).then_some(bits & 0xffff);
    let (lower, _) = find(path, wanted - below, lower_half)?;
    Ok(from_ordered(upper << 16 | lower))
}

/// The smallest half at which `wanted` numbers have come, and how many have come before it.
fn find(
    path: &Path,
    wanted: u64,
    half: impl Fn(u32) -> Option<u32>,
) -> Result<(u32, u64), CorpusError> {
    let mut counts = vec![0u64; 1 << 16];
    for_each(path, |score| {
        if let Some(half) = half(ordered(score)) {
            counts[half as usize] += 1;
        }
    })?;
    let mut before = 0;
    for (half, count) in (0..).zip(&counts) {
        if before + count >= wanted {
            return Ok((half, before));
        }
        before += count;
    }
    Ok(((1 << 16) - 1, before))
}

fn for_each(path: &Path, mut visit: impl FnMut(f32)) -> Result<(), CorpusError> {
    let mut file = open(path)?;
    let mut bytes = vec![0; AT_ONCE * SIZE as usize];
    loop {
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]).map_err(FileError::when("read", path))? {
                0 => break,
                read => filled += read,
            }
        }
        let (numbers, _) = bytes[..filled].as_chunks();
        numbers.iter().for_each(|bytes| visit(f32::from_le_bytes(*bytes)));
        if filled < bytes.len() {
            return Ok(());
        }
    }
}

/// Bits whose order as whole numbers is that of the floats.
fn ordered(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_ordered(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(scores: &[f32]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_share_is_that_of_the_sorted_scores() {
        let mut random = wdistill_base::Random::new(7);
        let mut scores: Vec<f32> = (0..40_001).map(|_| random.normal() as f32 * 3.0).collect();
        scores.extend([2.5; 500]);
        scores.push(f32::INFINITY);
        let file = written(&scores);
        let mut sorted = scores.clone();
        sorted.sort_by(f32::total_cmp);
        for share in [0.0001, 0.1, 0.5, 0.75, 0.999] {
            let wanted = (share * scores.len() as f64).ceil() as usize;
            let found = score_of_share(file.path(), share).unwrap();
            assert_eq!(found, sorted[wanted - 1], "{share}");
        }
        assert_eq!(score_of_share(file.path(), 1.0).unwrap(), f32::INFINITY);
    }

    #[test]
    fn pairs_above_the_highest_and_those_without_a_score_are_objected_to() {
        let file = written(&[1.0, 2.0, 2.0625, f32::INFINITY, f32::NAN]);
        let scores = PairScores { path: file.path().to_path_buf(), highest: 2.0 };
        let mut reader = scores.open().unwrap();
        let mut next = || reader.next().unwrap().map(|objection| objection.detail);
        assert_eq!((next(), next()), (None, None));
        assert_eq!(next().unwrap(), "2.062, more than 2.000");
        assert_eq!(next().unwrap(), "too long for the model");
        assert_eq!(next().unwrap(), "too long for the model");
        assert!(reader.next().is_err(), "there are no more");
    }
}
