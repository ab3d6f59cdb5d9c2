//! Encoded pairs on disk, and their text: written once, in chunks that are read one by one.
//!
//! The text is `source.txt` and `target.txt`, a line a pair. `pairs.json` says what there is: special tokens, and for each chunk where it stands, how long it is, and a
//! hash of its bytes. `pairs.bin` has the chunks, one behind the other. A chunk of `n` pairs is a row of numbers of 32 bits,
//! the lowest byte first:
//!
//! ```text
//! n numbers   lengths of sources, without ends; the highest bit is set where a pair is an alternative of the one before
//! n numbers   lengths of targets, without ends
//! numbers     ids of all sources, one sentence behind the other
//! numbers     ids of all targets
//! ```
//!
//! A pair and its alternatives stand in one chunk.
//!
//! Where links of tokens are given, `alignments.bin` has those of the chunks with some, in the same way:
//!
//! ```text
//! n numbers   links of pairs and 1 more; 0 where nothing is given for a pair
//! numbers     all links: a source token in the lower half of the number, a target token in the upper one
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Problem, atomic_write, hash_bytes};
use wdistill_text::{CorpusStatistics, EncodedCorpus, Link, SideCounts, SpecialTokens};

use crate::chunks::{Chunk, Chunks, Part};
use crate::error::CorpusError;

/// What there is in a store.
pub const INDEX_FILE: &str = "pairs.json";
/// The pairs themselves.
pub const PAIRS_FILE: &str = "pairs.bin";

/// Which tokens of the pairs belong together, where that is given.
pub const ALIGNMENTS_FILE: &str = "alignments.bin";

/// Sources of the pairs, one a line.
pub const SOURCE_TEXT: &str = "source.txt";
/// Targets of the pairs, one a line.
pub const TARGET_TEXT: &str = "target.txt";

/// Pairs of a chunk, or a few more if the last one has alternatives.
pub const PAIRS_OF_A_CHUNK: usize = 4096;

/// The mark of a pair that is an alternative of the one before it.
const ALTERNATIVE: u32 = 1 << 31;

/// The form that this code reads and writes.
const VERSION: u32 = 1;

const MADE_AGAIN: &str = "remove its folder, and it will be made again";

/// A chunk, as the index has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    #[serde(flatten)]
    pairs: Stretch,
    /// Its links, if it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    links: Option<Stretch>,
    /// Bytes of the texts before the chunk's first lines.
    text: [u64; 2],
    chunk: Chunk,
}

/// A stretch of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stretch {
    /// Bytes before it.
    start: u64,
    /// Its bytes.
    bytes: u64,
    hash: String,
}

/// A run of chunks that come from one corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPart {
    /// Name of the corpus.
    pub name: String,
    /// Its chunks.
    pub chunks: Range<usize>,
    /// Its pairs.
    pub pairs: usize,
    /// Counts of its sources and targets.
    pub counts: [SideCounts; 2],
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Index {
    version: u32,
    special: [SpecialTokens; 2],
    parts: Vec<StoredPart>,
    places: Vec<Place>,
}

/// Whether a pair stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// It is the first of its kind.
    New,
    /// An epoch has either it or the one before it.
    OfLast,
}

/// Writes a store, pair by pair. What is not finished has no index, and is no store.
pub struct StoreWriter {
    folder: PathBuf,
    pairs: NumberWriter,
    links: Option<NumberWriter>,
    index: Index,
    text: [TextWriter; 2],
    /// Pairs that are not written yet.
    waiting: Waiting,
}

#[derive(Default)]
struct Waiting {
    sources: Lengths,
    targets: Lengths,
    /// Of each pair up to the last that has some, the number of its links and 1 more, or 0.
    link_counts: Vec<u32>,
    links: Vec<u32>,
    /// Bytes of the texts before their first lines.
    text: [u64; 2],
}

#[derive(Default)]
struct Lengths {
    lengths: Vec<u32>,
    ids: Vec<u32>,
}

impl StoreWriter {
    /// Begins a store in a folder that is there, in place of one that may be there.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn create(folder: &Path, special: [SpecialTokens; 2]) -> Result<StoreWriter, CorpusError> {
        let index = folder.join(INDEX_FILE);
        if index.exists() {
            std::fs::remove_file(&index).map_err(FileError::when("remove", &index))?;
        }
        let pairs = NumberWriter::create(folder.join(PAIRS_FILE))?;
        let (parts, places) = (Vec::new(), Vec::new());
        let [source, target] =
            [SOURCE_TEXT, TARGET_TEXT].map(|name| TextWriter::create(folder.join(name)));
        Ok(StoreWriter {
            folder: folder.to_path_buf(),
            pairs,
            links: None,
            index: Index { version: VERSION, special, parts, places },
            text: [source?, target?],
            waiting: Waiting::default(),
        })
    }

    /// The store has links of tokens, of some pairs or even of none.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn begin_links(&mut self) -> Result<(), CorpusError> {
        if self.links.is_none() {
            self.links = Some(NumberWriter::create(self.folder.join(ALIGNMENTS_FILE))?);
        }
        Ok(())
    }

    /// What follows comes from this corpus.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn begin_part(&mut self, name: &str) -> Result<(), CorpusError> {
        self.write_chunk()?;
        let start = self.index.places.len();
        let name = name.to_string();
        let counts = Default::default();
        self.index.parts.push(StoredPart { name, chunks: start..start, pairs: 0, counts });
        Ok(())
    }

    /// Adds a pair to the part that was begun: its ids, without ends, and its lines.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    ///
    /// # Panics
    /// If no part was begun.
    pub fn push(
        &mut self,
        [source, target]: [&[u32]; 2],
        lines: [&str; 2],
        alternative: Alternative,
    ) -> Result<(), CorpusError> {
        let mark = match alternative {
            Alternative::New => {
                if self.waiting.sources.lengths.len() >= PAIRS_OF_A_CHUNK {
                    self.write_chunk()?;
                }
                0
            }
            Alternative::OfLast => ALTERNATIVE,
        };
        let Index { special, parts, .. } = &mut self.index;
        let part = parts.last_mut().expect("a part was begun");
        part.pairs += 1;
        part.counts[0].add(source, &special[0]);
        part.counts[1].add(target, &special[1]);
        if self.waiting.sources.lengths.is_empty() {
            self.waiting.text = self.text.each_ref().map(|text| text.written);
        }
        for (text, line) in self.text.iter_mut().zip(lines) {
            text.line(line)?;
        }
        self.waiting.sources.push(source, mark);
        self.waiting.targets.push(target, 0);
        Ok(())
    }

    /// Which tokens of the pair that was pushed last belong together.
    ///
    /// # Panics
    /// If no pair was pushed.
    pub fn link(&mut self, links: &[Link]) {
        let Waiting { sources, link_counts, links: all, .. } = &mut self.waiting;
        let before = sources.lengths.len().checked_sub(1).expect("a pair was pushed");
        link_counts.resize(before, 0);
        link_counts.push(links.len() as u32 + 1);
        let number = |[source, target]: &Link| u32::from(*source) | u32::from(*target) << 16;
        all.extend(links.iter().map(number));
    }

    /// Writes the rest and the index.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn finish(mut self) -> Result<(), CorpusError> {
        self.write_chunk()?;
        for text in self.text {
            text.finish()?;
        }
        self.pairs.finish()?;
        self.links.map_or(Ok(()), NumberWriter::finish)?;
        let text = serde_json::to_string(&self.index).expect("plain data");
        Ok(atomic_write(&self.folder.join(INDEX_FILE), text.as_bytes())?)
    }

    fn write_chunk(&mut self) -> Result<(), CorpusError> {
        let Waiting { sources, targets, mut link_counts, links, text } =
            std::mem::take(&mut self.waiting);
        if sources.lengths.is_empty() {
            return Ok(());
        }
        let longest = |lengths: &[u32]| {
            lengths.iter().map(|length| (length & !ALTERNATIVE) as usize + 1).max().unwrap_or(0)
        };
        let chunk = Chunk {
            pairs: sources.lengths.len(),
            longest: longest(&sources.lengths).max(longest(&targets.lengths)),
        };
        let links = match link_counts.is_empty() {
            true => None,
            false => {
                link_counts.resize(chunk.pairs, 0);
                self.begin_links()?;
                let file = self.links.as_mut().expect("it was begun");
                Some(file.write(&[&link_counts, &links])?)
            }
        };
        let Lengths { lengths, ids } = sources;
        let pairs = self.pairs.write(&[&lengths, &targets.lengths, &ids, &targets.ids])?;
        self.index.places.push(Place { pairs, links, text, chunk });
        let end = self.index.places.len();
        self.index.parts.last_mut().expect("a part was begun").chunks.end = end;
        Ok(())
    }
}

impl Lengths {
    fn push(&mut self, ids: &[u32], mark: u32) {
        self.lengths.push(ids.len() as u32 | mark);
        self.ids.extend_from_slice(ids);
    }
}

/// A file of numbers of 32 bits.
struct NumberWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// Bytes so far.
    written: u64,
}

impl NumberWriter {
    fn create(path: PathBuf) -> Result<NumberWriter, CorpusError> {
        let file = File::create(&path).map_err(FileError::when("create", &path))?;
        Ok(NumberWriter { path, file: BufWriter::new(file), written: 0 })
    }

    /// Adds numbers, and says where they stand.
    fn write(&mut self, numbers: &[&[u32]]) -> Result<Stretch, CorpusError> {
        let numbers = numbers.iter().copied().flatten();
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        self.file.write_all(&bytes).map_err(FileError::when("write", &self.path))?;
        let (start, bytes, hash) = (self.written, bytes.len() as u64, hash_bytes(&bytes));
        self.written += bytes;
        Ok(Stretch { start, bytes, hash })
    }

    fn finish(self) -> Result<(), CorpusError> {
        Ok(finished(self.file).map_err(FileError::when("write", &self.path))?)
    }
}

/// Brings everything to the disk.
fn finished(file: BufWriter<File>) -> std::io::Result<()> {
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}

/// A file that is written line by line.
pub struct TextWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// Bytes so far.
    written: u64,
}

impl TextWriter {
    /// Begins a file, in place of one that may be there.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn create(path: PathBuf) -> Result<TextWriter, CorpusError> {
        let file = File::create(&path).map_err(FileError::when("create", &path))?;
        Ok(TextWriter { path, file: BufWriter::new(file), written: 0 })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn line(&mut self, line: &str) -> Result<(), CorpusError> {
        self.written += line.len() as u64 + 1;
        Ok(writeln!(self.file, "{line}").map_err(FileError::when("write", &self.path))?)
    }

    /// Brings all lines to the disk.
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn finish(self) -> Result<(), CorpusError> {
        Ok(finished(self.file).map_err(FileError::when("write", &self.path))?)
    }
}

/// Encoded pairs on disk, and their text.
#[derive(Debug)]
pub struct PairStore {
    folder: PathBuf,
    index: Index,
    chunks: Vec<Chunk>,
    pairs: NumberReader,
    links: Option<NumberReader>,
}

impl PairStore {
    /// Opens the store in a folder.
    ///
    /// # Errors
    /// [`CorpusError::File`], [`CorpusError::Store`] for an index that is not what was written.
    pub fn open(folder: &Path) -> Result<PairStore, CorpusError> {
        let path = folder.join(INDEX_FILE);
        let text = std::fs::read(&path).map_err(FileError::when("read", &path))?;
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| damaged(&path, &format!("it is no index of pairs ({error})")))?;
        if index.version != VERSION {
            let fact = format!("it has version {}, expected {VERSION}", index.version);
            return Err(damaged(&path, &fact));
        }
        let pairs = NumberReader::open(folder.join(PAIRS_FILE))?;
        let has_links = index.places.iter().any(|place| place.links.is_some());
        let links = has_links.then(|| NumberReader::open(folder.join(ALIGNMENTS_FILE)));
        let links = links.transpose()?;
        let chunks = index.places.iter().map(|place| place.chunk).collect();
        let folder = folder.to_path_buf();
        Ok(PairStore { folder, index, chunks, pairs, links })
    }

    /// What came from which corpus, as parts of a mixture that an epoch has once.
    pub fn mixed(self: &Arc<Self>) -> Vec<Part> {
        let part = |part: &StoredPart| Part {
            name: part.name.clone(),
            from: self.clone(),
            chunks: part.chunks.clone(),
            weight: 1.0,
            modifiers: None,
        };
        self.index.parts.iter().map(part).collect()
    }

    /// What came from which corpus.
    pub fn parts(&self) -> &[StoredPart] {
        &self.index.parts
    }

    /// Pairs of all parts.
    pub fn len(&self) -> usize {
        self.index.parts.iter().map(|part| part.pairs).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts over all pairs.
    pub fn statistics(&self) -> CorpusStatistics {
        let mut sums: [SideCounts; 2] = Default::default();
        for part in &self.index.parts {
            sums.iter_mut().zip(&part.counts).for_each(|(sum, counts)| sum.join(counts));
        }
        let [source, target] = sums.map(|sum| sum.statistics());
        CorpusStatistics { pairs: self.len(), source, target }
    }

    /// The links of the pairs of a chunk.
    fn links(&self, place: &Place) -> Result<Vec<Option<Vec<Link>>>, CorpusError> {
        let (Some(stretch), Some(file)) = (&place.links, &self.links) else {
            return Ok(Vec::new());
        };
        let numbers = file.read(stretch)?;
        let (counts, mut links) = numbers.split_at(place.chunk.pairs);
        let mut take = |count: &u32| {
            let (own, rest) = links.split_at(count.checked_sub(1)? as usize);
            links = rest;
            Some(own.iter().map(|number| [*number as u16, (number >> 16) as u16]).collect())
        };
        Ok(counts.iter().map(&mut take).collect())
    }
}

/// A file of numbers of 32 bits, read in stretches.
#[derive(Debug)]
struct NumberReader {
    path: PathBuf,
    file: Mutex<File>,
}

impl NumberReader {
    fn open(path: PathBuf) -> Result<NumberReader, CorpusError> {
        let file = File::open(&path).map_err(FileError::when("open", &path))?;
        Ok(NumberReader { path, file: Mutex::new(file) })
    }

    fn read(&self, Stretch { start, bytes, hash }: &Stretch) -> Result<Vec<u32>, CorpusError> {
        let mut content = vec![0; *bytes as usize];
        let mut file = self.file.lock().expect("no reader panics");
        file.seek(SeekFrom::Start(*start))
            .and_then(|_| file.read_exact(&mut content))
            .map_err(FileError::when("read", &self.path))?;
        match hash_bytes(&content) == *hash {
            true => Ok(content
                .chunks_exact(4)
                .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
                .collect()),
            false => Err(damaged(&self.path, "its pairs are not those that were written")),
        }
    }
}

impl Chunks for PairStore {
    fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    fn text(&self, number: usize) -> Result<Option<[Vec<String>; 2]>, CorpusError> {
        let Place { text, chunk, .. } = &self.index.places[number];
        let lines = |name: &str, start: u64| {
            let path = self.folder.join(name);
            let mut file = File::open(&path).map_err(FileError::when("open", &path))?;
            file.seek(SeekFrom::Start(start)).map_err(FileError::when("read", &path))?;
            let lines = BufReader::new(file).lines().take(chunk.pairs);
            let lines: Vec<String> =
                lines.collect::<Result<_, _>>().map_err(FileError::when("read", &path))?;
            match lines.len() == chunk.pairs {
                true => Ok(lines),
                false => Err(damaged(&path, "it has fewer lines than pairs")),
            }
        };
        Ok(Some([lines(SOURCE_TEXT, text[0])?, lines(TARGET_TEXT, text[1])?]))
    }

    fn read(&self, number: usize) -> Result<EncodedCorpus, CorpusError> {
        let place = &self.index.places[number];
        let numbers = self.pairs.read(&place.pairs)?;
        let pairs = place.chunk.pairs;
        let (sources, rest) = numbers.split_at(pairs);
        let (targets, ids) = rest.split_at(pairs);
        let length = |source: &u32| (source & !ALTERNATIVE) as usize;
        let (mut source_ids, mut target_ids) = ids.split_at(sources.iter().map(length).sum());
        let mut take = |source: &u32, target: &u32| {
            let (source, rest) = source_ids.split_at(length(source));
            source_ids = rest;
            let (target, rest) = target_ids.split_at(*target as usize);
            target_ids = rest;
            (source, target)
        };
        let ids = sources.iter().zip(targets).map(|(source, target)| take(source, target));
        let [source, target] = self.index.special.clone();
        let corpus = EncodedCorpus::from_pairs(source, target, ids);
        let groups = sources.iter().scan(0, |group, source| {
            *group += usize::from(source & ALTERNATIVE == 0);
            Some(*group)
        });
        let links = self.links(place)?;
        let links = links.iter().map(Option::as_deref);
        Ok(corpus.with_alternatives(groups.collect()).with_links(links))
    }
}

fn damaged(path: &Path, fact: &str) -> CorpusError {
    let problem = Problem::with_hint(fact, MADE_AGAIN);
    CorpusError::Store { path: path.to_path_buf(), problem }
}
