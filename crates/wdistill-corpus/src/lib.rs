//! Parallel corpora for training, of any size: files of many formats, filters, encoded pairs on disk, mixtures, batches.
//!
//! The usual path through the crate:
//!
//! 1. A [`Corpus`] names files of pairs: aligned texts, columns, JSON lines, TMX ([`PairFiles`]).
//! 2. [`survey`] looks through all corpora, counts, and finds repetitions.
//! 3. [`write_pairs`] checks and encodes them into a [`PairStore`], text beside it.
//! 4. [`Batches`] gives batches of a [`Mixture`] of stored parts; its [`Position`] goes into a checkpoint.
//!
//! No step has more of a corpus in memory than a block of it.

mod chunks;
mod corpus;
mod error;
mod filters;
mod formats;
mod line_file;
mod modifiers;
mod order;
mod raw;
mod reader;
mod sample;
mod scores;
mod store;
mod survey;
mod training;

pub use chunks::{Chunk, Chunks, InMemory, Part, evenly_spaced};
pub use corpus::{Corpus, aligned, files_of};
pub use error::CorpusError;
pub use filters::{InLanguages, Letters};
pub use line_file::LineFile;
pub use modifiers::{Modification, Modifiers, Probabilities};
pub use order::{
    Batches, EpochSize, Mixture, MixtureStage, Modifications, PAIRS_OF_A_BLOCK, Position,
};
pub use raw::{Changes, RawPair, ReadPairs};
pub use reader::PairFiles;
pub use sample::SampledLines;
pub use scores::{PairScores, score_of_share};
pub use store::{
    ALIGNMENTS_FILE, Alternative, INDEX_FILE, PAIRS_FILE, PAIRS_OF_A_CHUNK, PairStore, SOURCE_TEXT,
    StoreWriter, StoredPart, TARGET_TEXT, TextWriter,
};
pub use survey::{Census, REPEATS_FILE, Repeats, Survey, survey};
pub use training::{Checks, LEFT_OUT, write_pairs};
