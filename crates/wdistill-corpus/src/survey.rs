//! A first look at corpora: how many pairs they have, how many of them have the same text on both sides, and which ones
//! repeat an earlier pair. Memory is bounded: hashes of pairs are sorted out over files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;
use wdistill_base::{FileError, Problem, atomic_write};

use crate::corpus::Corpus;
use crate::error::CorpusError;
use crate::raw::RawPair;

/// Which pairs repeat an earlier one: a bit for each pair.
pub const REPEATS_FILE: &str = "repeats.bin";

/// Files that hashes are sorted out over; by the first bits of a hash.
const HEAPS: usize = 256;

/// Hashes of a heap that wait in memory.
const WAITING: usize = 2048;

/// Bytes of a pair in a heap: its hash and its number.
const ENTRY: usize = 24;

/// How many repetitions are remembered with the place of the first pair.
const REMEMBERED: usize = 1000;

/// What there is in a corpus, before anything is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Pairs.
    pub pairs: u64,
    /// Pairs of which not both sides are empty.
    pub filled: u64,
    /// Those of them that have the same text on both sides.
    pub identical: u64,
}

/// What a first look finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Of each corpus, in order.
    pub corpora: Vec<Census>,
    /// Pairs that repeat an earlier one, of all corpora together.
    pub repeats: u64,
    /// The first repetitions, by their number over all corpora, from 0, and the number of the pair that they repeat.
    first_repeats: BTreeMap<u64, u64>,
}

impl Survey {
    /// Pairs of all corpora.
    pub fn pairs(&self) -> u64 {
        self.corpora.iter().map(|census| census.pairs).sum()
    }
}

/// Looks through corpora, and writes [`REPEATS_FILE`] into `folder`. `progress` is told the pairs so far now and then, and may
/// stop it.
///
/// # Errors
/// What reading and writing bring, and what `progress` returns.
pub fn survey<E: From<CorpusError>>(
    corpora: &[Corpus],
    folder: &Path,
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<Survey, E> {
    let mut heaps = Heaps::new(folder);
    let mut found = Vec::new();
    let mut number = 0;
    for corpus in corpora {
        let mut census = Census::default();
        corpus.for_each::<E>(|_, pair| {
            let RawPair { source, target, .. } = pair;
            census.pairs += 1;
            census.filled += u64::from(!(source.is_empty() && target.is_empty()));
            census.identical += u64::from(!source.is_empty() && source == target);
            heaps.add(hash(source, target), number)?;
            number += 1;
            if number.is_multiple_of(1 << 16) {
                progress(number)?;
            }
            Ok(())
        })?;
        found.push(census);
    }
    let (repeats, first_repeats) = heaps.write_repeats(number, &folder.join(REPEATS_FILE))?;
    Ok(Survey { corpora: found, repeats, first_repeats })
}

fn hash(source: &str, target: &str) -> u128 {
    let mut hasher = XxHash3_128::new();
    // The length keeps the sides apart.
    hasher.write(&(source.len() as u64).to_le_bytes());
    hasher.write(source.as_bytes());
    hasher.write(target.as_bytes());
    hasher.finish_128()
}

/// Hashes and numbers of pairs, sorted out by the first bits of the hash.
struct Heaps<'f> {
    folder: &'f Path,
    heaps: Vec<Heap>,
}

#[derive(Default)]
struct Heap {
    waiting: Vec<(u128, u64)>,
    file: Option<(PathBuf, File)>,
}

impl Heaps<'_> {
    fn new(folder: &Path) -> Heaps<'_> {
        Heaps { folder, heaps: (0..HEAPS).map(|_| Heap::default()).collect() }
    }

    fn add(&mut self, hash: u128, number: u64) -> Result<(), CorpusError> {
        let index = (hash >> 64) as usize % HEAPS;
        let heap = &mut self.heaps[index];
        heap.waiting.push((hash, number));
        match heap.waiting.len() < WAITING {
            true => Ok(()),
            false => heap.write(|| self.folder.join(format!(".repeats-{index}"))),
        }
    }

    /// Writes a bit for each of the pairs; how many repeat an earlier one, and the first of them.
    fn write_repeats(
        self,
        pairs: u64,
        path: &Path,
    ) -> Result<(u64, BTreeMap<u64, u64>), CorpusError> {
        let mut bits = vec![0u8; pairs.div_ceil(8) as usize];
        let (mut count, mut first) = (0, BTreeMap::new());
        for heap in self.heaps {
            let mut entries = heap.into_entries()?;
            entries.sort_unstable();
            let mut earlier: Option<(u128, u64)> = None;
            for (hash, number) in entries {
                let Some((_, original)) = earlier.filter(|(same, _)| *same == hash) else {
                    earlier = Some((hash, number));
                    continue;
                };
                count += 1;
                bits[(number / 8) as usize] |= 1 << (number % 8);
                first.insert(number, original);
                if first.len() > REMEMBERED {
                    first.pop_last();
                }
            }
        }
        atomic_write(path, &bits)?;
        Ok((count, first))
    }
}

impl Heap {
    fn write(&mut self, path: impl FnOnce() -> PathBuf) -> Result<(), CorpusError> {
        let (path, file) = match &mut self.file {
            Some(found) => found,
            none => {
                let path = path();
                let mut options = File::options();
                let options = options.read(true).write(true).create(true).truncate(true);
                let file = options.open(&path).map_err(FileError::when("create", &path))?;
                none.insert((path, file))
            }
        };
        let mut bytes = Vec::with_capacity(ENTRY * self.waiting.len());
        for (hash, number) in self.waiting.drain(..) {
            bytes.extend(hash.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        }
        Ok(file.write_all(&bytes).map_err(FileError::when("write", path))?)
    }

    /// Everything that was added; the file is removed.
    fn into_entries(self) -> Result<Vec<(u128, u64)>, CorpusError> {
        let Heap { mut waiting, file } = self;
        let Some((path, mut file)) = file else { return Ok(waiting) };
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(FileError::when("read", &path))?;
        let entry = |bytes: &[u8]| {
            let (hash, number) = bytes.split_at(16);
            let hash = u128::from_le_bytes(hash.try_into().expect("sixteen bytes"));
            (hash, u64::from_le_bytes(number.try_into().expect("eight bytes")))
        };
        waiting.extend(bytes.chunks_exact(ENTRY).map(entry));
        std::fs::remove_file(&path).map_err(FileError::when("remove", &path))?;
        Ok(waiting)
    }
}

/// Which pairs repeat an earlier one.
pub struct Repeats<'s> {
    bits: Vec<u8>,
    survey: &'s Survey,
    corpora: &'s [Corpus],
}

impl<'s> Repeats<'s> {
    /// Reads what [`survey`] wrote.
    ///
    /// # Errors
    /// [`CorpusError::File`], [`CorpusError::Store`] for a file of other pairs.
    pub fn read(
        folder: &Path,
        survey: &'s Survey,
        corpora: &'s [Corpus],
    ) -> Result<Repeats<'s>, CorpusError> {
        let path = folder.join(REPEATS_FILE);
        let bits = std::fs::read(&path).map_err(FileError::when("read", &path))?;
        let expected = survey.pairs().div_ceil(8);
        match bits.len() as u64 == expected {
            true => Ok(Repeats { bits, survey, corpora }),
            false => {
                let fact = format!("it has {} bytes, expected {expected}", bits.len());
                let problem =
                    Problem::with_hint(fact, "remove its folder, and it will be made again");
                Err(CorpusError::Store { path, problem })
            }
        }
    }

    /// What a pair repeats, in words, by its number over all corpora, from 0; none if it is the first.
    pub fn of(&self, number: u64) -> Option<String> {
        if self.bits[(number / 8) as usize] >> (number % 8) & 1 == 0 {
            return None;
        }
        let Some(&original) = self.survey.first_repeats.get(&number) else {
            return Some("an earlier pair".to_string());
        };
        let mut rest = original;
        for (corpus, census) in self.corpora.iter().zip(&self.survey.corpora) {
            if rest < census.pairs {
                let pair = rest + 1;
                // In a text of two files a pair's number is its line's.
                return Some(match &self.corpora {
                    [one] if one.files.len() == 1 => format!("line {pair}"),
                    _ => format!("pair {pair} of {}", corpus.name),
                });
            }
            rest -= census.pairs;
        }
        None
    }
}
