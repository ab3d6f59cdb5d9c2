//! The text side of training a translation model: subword vocabularies, parallel corpora and their
//! checks, encoded corpora, and batches.
//!
//! The usual path through the crate:
//!
//! 1. [`ParallelText::read`] reads two files that are aligned line by line.
//! 2. [`Vocabulary::train`] learns subwords from one side, or from both for a joint vocabulary.
//! 3. [`encode_corpus`] turns the text into an [`EncodedCorpus`] and says in a [`CorpusReport`]
//!    which pairs look wrong and which were left out.
//! 4. [`shuffled_batches`] divides it into batches for training, [`sorted_batches`] for validation.
//!
//! ```
//! use wdistill_text::{SubwordModel, Vocabulary, VocabularySettings};
//!
//! let lines = ["a dog runs", "a dog sleeps", "two dogs run"];
//! let settings = VocabularySettings::new(SubwordModel::Bpe, 280);
//! let trained = Vocabulary::train(lines, &settings)?;
//! let ids = trained.vocabulary.encode("a dog  🐕");
//! assert_eq!(trained.vocabulary.decode(&ids)?, "a dog 🐕");
//! # Ok::<(), wdistill_text::TextError>(())
//! ```

mod batches;
mod binary_shortlist;
mod compressed;
mod corpus;
mod cut;
mod encoded;
mod error;
mod lattice;
mod left_out;
mod length;
mod lexical;
mod lines;
mod links;
mod sentence_piece;
mod sentences;
mod subword_nmt;
mod trie;
mod vocabulary;
mod vocabulary_pair;

pub use batches::{BatchSettings, PairLength, shuffled_batches, sorted_batches};
pub use binary_shortlist::BinaryShortlist;
pub use compressed::{packed_by_name, text_reader};
pub use corpus::{
    Action, Candidate, CheckedCorpus, CorpusLimits, CorpusReport, CorpusRole, Example, Filter,
    Finding, FindingKind, Objection, PairChecker, PairPolicy, ParallelText, Place, Verdict,
    encode_corpus,
};
pub use cut::SubwordSampling;
pub use encoded::{CorpusStatistics, EncodedCorpus, SideCounts, SideStatistics};
pub use error::TextError;
pub use left_out::LeftOut;
pub use length::CHARACTERS_OF_A_TOKEN;
pub use lexical::LexicalTable;
pub use lines::{
    LineReader, Occurrences, TextLines, lines_as_they_come, read_lines,
    read_lines_or_standard_input,
};
pub use links::{Link, MOST_LINKED_TOKENS, token_links};
pub use sentence_piece::{
    ByteFallback, DummySpace, EncodedPiece, ExtraSpaces, NormalizerParts, PieceKind, SentencePiece,
    SentencePieceAlgorithm, SentencePieceModel, SentencePieceParts, SpaceEscape, SpecialNames,
};
pub use sentences::{SentenceLanguage, sentences};
pub use subword_nmt::{CodesVersion, SubwordNmtCodes};
pub use vocabulary::{
    BASE_SIZE, END_ID, FIRST_BYTE_ID, Normalisation, SpecialTokens, SubwordModel, TokenList,
    TokenRole, TrainedVocabulary, UNKNOWN_ID, Vocabulary, VocabularyKind, VocabularySettings,
};
pub use vocabulary_pair::{SOURCE_FILE, Sharing, Sides, TARGET_FILE, VocabularyPair};
