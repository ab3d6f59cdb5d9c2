//! Parallel corpora as ids, stored without one allocation for each sentence.

use crate::batches::PairLength;
use crate::links::{Link, PairLinks};
use crate::vocabulary::SpecialTokens;
use serde::{Deserialize, Serialize};

/// One side: all ids in a row, and where each sentence starts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    special: SpecialTokens,
    ids: Vec<u32>,
    /// One more than there are sentences; the first is 0.
    offsets: Vec<usize>,
}

impl Side {
    fn new(special: SpecialTokens) -> Self {
        Self { special, ids: Vec::new(), offsets: vec![0] }
    }

    fn push(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.ids.push(self.special.end);
        self.offsets.push(self.ids.len());
    }

    fn append(&mut self, other: &Self) {
        assert_eq!(self.special, other.special, "joined corpora have the same vocabularies");
        let start = self.ids.len();
        self.ids.extend_from_slice(&other.ids);
        self.offsets.extend(other.offsets[1..].iter().map(|offset| start + offset));
    }

    fn append_sentence(&mut self, other: &Self, index: usize) {
        assert_eq!(
            self.special.end, other.special.end,
            "joined corpora have the same vocabularies"
        );
        self.ids.extend_from_slice(other.sentence(index));
        self.offsets.push(self.ids.len());
    }

    fn sentence(&self, index: usize) -> &[u32] {
        &self.ids[self.offsets[index]..self.offsets[index + 1]]
    }

    fn length(&self, index: usize) -> usize {
        self.offsets[index + 1] - self.offsets[index]
    }
}

/// Pairs of sentences as ids.
///
/// Both sides of every pair end with their vocabulary's end-of-sentence id: the source is `x_1 .. x_n
/// </s>`, the target `y_1 .. y_m </s>` is what the decoder should give, and the trainer derives the
/// decoder's input by shifting it one place to the right. Lengths count the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedCorpus {
    source: Side,
    target: Side,
    part_sizes: Vec<usize>,
    /// Number of each pair's group, rising; pairs of a group are alternatives.
    groups: Vec<usize>,
    links: PairLinks,
}

impl EncodedCorpus {
    /// A corpus of one part from ids without end-of-sentence ids, which are appended here; `source`
    /// and `target` are the special tokens of the two sides' vocabularies.
    pub fn from_pairs<'ids>(
        source: SpecialTokens,
        target: SpecialTokens,
        pairs: impl IntoIterator<Item = (&'ids [u32], &'ids [u32])>,
    ) -> Self {
        let (mut source, mut target) = (Side::new(source), Side::new(target));
        for (source_ids, target_ids) in pairs {
            source.push(source_ids);
            target.push(target_ids);
        }
        let count = source.offsets.len() - 1;
        let (part_sizes, groups) = (vec![count], (0..count).collect());
        Self { source, target, part_sizes, groups, links: PairLinks::default() }
    }

    /// The same pairs, with what is given of which of their tokens come from which: for each of the first pairs its links,
    /// or none if nothing is.
    pub fn with_links<'l>(self, links: impl IntoIterator<Item = Option<&'l [Link]>>) -> Self {
        let mut all = PairLinks::default();
        links.into_iter().enumerate().for_each(|(pair, links)| all.push(pair, links));
        Self { links: all, ..self }
    }

    /// Which target tokens of a pair come from which source tokens, if that is given.
    pub fn links(&self, pair: usize) -> Option<&[Link]> {
        self.links.of(pair)
    }

    /// The same pairs, neighbours of which are alternatives, such as several translations of one line: `groups` has a number
    /// for each pair, rising, that alternatives have in common. An epoch has one pair of each group.
    ///
    /// # Panics
    /// If there are more or fewer numbers than pairs, or they do not rise.
    pub fn with_alternatives(self, groups: Vec<usize>) -> Self {
        assert_eq!(groups.len(), self.len(), "a group for each pair");
        assert!(groups.is_sorted(), "groups stand one behind the other");
        Self { groups, ..self }
    }

    /// All pairs of `corpora`, one after the other, such as real and then pseudo pairs. Without any
    /// corpus it is an empty one, with the special tokens of learnt vocabularies.
    ///
    /// # Panics
    /// If the corpora's sides have different special tokens, and so different vocabularies.
    pub fn concatenate<'corpus>(corpora: impl IntoIterator<Item = &'corpus EncodedCorpus>) -> Self {
        let mut corpora = corpora.into_iter().peekable();
        let (source, target) = match corpora.peek() {
            Some(first) => (first.source.special.clone(), first.target.special.clone()),
            None => (SpecialTokens::native(), SpecialTokens::native()),
        };
        let (source, target) = (Side::new(source), Side::new(target));
        let (part_sizes, groups, links) = (Vec::new(), Vec::new(), PairLinks::default());
        let mut joined = Self { source, target, part_sizes, groups, links };
        for corpus in corpora {
            for pair in 0..corpus.len() {
                joined.links.push(joined.len() + pair, corpus.links(pair));
            }
            let first = joined.groups.last().map_or(0, |last| last + 1);
            joined.groups.extend(corpus.groups.iter().map(|group| first + group));
            joined.source.append(&corpus.source);
            joined.target.append(&corpus.target);
            joined.part_sizes.extend_from_slice(&corpus.part_sizes);
        }
        joined
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.source.offsets.len() - 1
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pairs in each part that was concatenated, in order.
    pub fn part_sizes(&self) -> &[usize] {
        &self.part_sizes
    }

    /// Number of each pair's group: a pair alone, or one of several alternatives.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Source and target ids of pair `index` (below [`Self::len`]), each with its end-of-sentence id.
    pub fn pair(&self, index: usize) -> (&[u32], &[u32]) {
        (self.source.sentence(index), self.target.sentence(index))
    }

    /// Some of the pairs, in the order of their numbers given, as a corpus of one part.
    pub fn select(&self, pairs: &[usize]) -> Self {
        let mut selected = self.empty_like();
        selected.append(self, pairs.iter().copied());
        selected
    }

    /// No pairs, of the same vocabularies.
    pub fn empty_like(&self) -> Self {
        self.like([])
    }

    /// Other pairs, of the same vocabularies, from ids without ends.
    pub fn like<'ids>(&self, pairs: impl IntoIterator<Item = (&'ids [u32], &'ids [u32])>) -> Self {
        let [source, target] = [&self.source, &self.target].map(|side| side.special.clone());
        Self::from_pairs(source, target, pairs)
    }

    /// Adds some of the pairs of another corpus to the last part. Neighbours that are alternatives there are alternatives
    /// here.
    ///
    /// # Panics
    /// If the corpora's sides have different special tokens, and so different vocabularies.
    pub fn append(&mut self, other: &Self, pairs: impl IntoIterator<Item = usize>) {
        let mut last = None;
        for index in pairs {
            let group = other.groups[index];
            let next = match (self.groups.last(), last) {
                (None, _) => 0,
                (Some(&same), Some(last)) if last == group => same,
                (Some(before), _) => before + 1,
            };
            last = Some(group);
            self.links.push(self.groups.len(), other.links(index));
            self.groups.push(next);
            self.source.append_sentence(&other.source, index);
            self.target.append_sentence(&other.target, index);
            *self.part_sizes.last_mut().expect("a corpus has a part") += 1;
        }
    }

    /// The source ids of all pairs, each with its end-of-sentence id.
    pub fn sources(&self) -> Vec<Vec<u32>> {
        (0..self.len()).map(|index| self.source.sentence(index).to_vec()).collect()
    }

    /// The lengths of all pairs, each with its end-of-sentence id.
    pub fn lengths(&self) -> Vec<PairLength> {
        let length = |index| PairLength {
            source: self.source.length(index),
            target: self.target.length(index),
        };
        (0..self.len()).map(length).collect()
    }

    /// Counts over both sides.
    pub fn statistics(&self) -> CorpusStatistics {
        CorpusStatistics {
            pairs: self.len(),
            source: side_statistics(&self.source),
            target: side_statistics(&self.target),
        }
    }
}

/// Counts over a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusStatistics {
    /// Number of pairs.
    pub pairs: usize,
    /// The source side.
    pub source: SideStatistics,
    /// The target side.
    pub target: SideStatistics,
}

/// Counts over one side of a corpus. End-of-sentence ids are not counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideStatistics {
    /// Tokens in all.
    pub tokens: usize,
    /// Tokens in the longest sentence.
    pub longest: usize,
    /// Tokens in a sentence, on average; 0 without sentences.
    pub mean_length: f64,
    /// Share of tokens that are `<unk>`; 0 without tokens.
    pub unknown_rate: f64,
    /// Share of tokens that are bytes, for characters outside the alphabet; 0 without tokens.
    pub byte_rate: f64,
}

/// Counts over sentences of a side, as they come; ends are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideCounts {
    sentences: usize,
    tokens: usize,
    longest: usize,
    unknown: usize,
    bytes: usize,
}

impl SideCounts {
    /// Counts a sentence, given without its end.
    pub fn add(&mut self, ids: &[u32], special: &SpecialTokens) {
        self.sentences += 1;
        self.tokens += ids.len();
        self.longest = self.longest.max(ids.len());
        self.unknown += ids.iter().filter(|&&id| id == special.unknown).count();
        self.bytes += ids.iter().filter(|id| special.bytes.binary_search(id).is_ok()).count();
    }

    /// Adds the counts of other sentences.
    pub fn join(&mut self, other: &SideCounts) {
        self.sentences += other.sentences;
        self.tokens += other.tokens;
        self.longest = self.longest.max(other.longest);
        self.unknown += other.unknown;
        self.bytes += other.bytes;
    }

    /// Tokens of all sentences.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Tokens of the longest sentence.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// What they say.
    pub fn statistics(&self) -> SideStatistics {
        let share =
            |count: usize, whole: usize| if whole == 0 { 0.0 } else { count as f64 / whole as f64 };
        SideStatistics {
            tokens: self.tokens,
            longest: self.longest,
            mean_length: share(self.tokens, self.sentences),
            unknown_rate: share(self.unknown, self.tokens),
            byte_rate: share(self.bytes, self.tokens),
        }
    }
}

fn side_statistics(side: &Side) -> SideStatistics {
    let mut counts = SideCounts::default();
    for index in 0..side.offsets.len() - 1 {
        let sentence = side.sentence(index);
        counts.add(&sentence[..sentence.len() - 1], &side.special);
    }
    counts.statistics()
}

impl std::fmt::Display for CorpusStatistics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{} pairs", self.pairs)?;
        for (name, side) in [("source", &self.source), ("target", &self.target)] {
            writeln!(
                formatter,
                "{name}: {} tokens, {:.2} per sentence, longest {}, {:.4}% unknown, {:.4}% bytes",
                side.tokens,
                side.mean_length,
                side.longest,
                side.unknown_rate * 100.0,
                side.byte_rate * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native<'ids>(pairs: impl IntoIterator<Item = (&'ids [u32], &'ids [u32])>) -> EncodedCorpus {
        EncodedCorpus::from_pairs(SpecialTokens::native(), SpecialTokens::native(), pairs)
    }

    fn real() -> EncodedCorpus {
        native([(&[300, 301][..], &[400][..]), (&[], &[401, 1, 70, 71])])
    }

    #[test]
    fn each_side_has_its_own_special_tokens() {
        let source = SpecialTokens { end: 9, unknown: 5, bytes: vec![3, 7] };
        let target = SpecialTokens { end: 2, unknown: 3, bytes: Vec::new() };
        let pairs = [(&[3, 5, 7, 1][..], &[3, 5][..])];
        let corpus = EncodedCorpus::from_pairs(source, target, pairs);
        assert_eq!(corpus.pair(0), (&[3, 5, 7, 1, 9][..], &[3, 5, 2][..]));
        let SideStatistics { unknown_rate, byte_rate, .. } = corpus.statistics().source;
        assert_eq!((unknown_rate, byte_rate), (0.25, 0.5));
        let SideStatistics { unknown_rate, byte_rate, .. } = corpus.statistics().target;
        assert_eq!((unknown_rate, byte_rate), (0.5, 0.0));
        let again = EncodedCorpus::concatenate([&corpus, &corpus]);
        assert_eq!(again.pair(1), corpus.pair(0));
    }

    #[test]
    #[should_panic(expected = "the same vocabularies")]
    fn corpora_of_different_vocabularies_are_not_joined() {
        let other = SpecialTokens { end: 2, ..SpecialTokens::native() };
        let other = EncodedCorpus::from_pairs(other, SpecialTokens::native(), []);
        EncodedCorpus::concatenate([&real(), &other]);
    }

    #[test]
    fn both_sides_end_with_the_end_id() {
        let corpus = real();
        assert_eq!(corpus.pair(0), (&[300, 301, 0][..], &[400, 0][..]));
        assert_eq!(corpus.pair(1), (&[0][..], &[401, 1, 70, 71, 0][..]));
        let lengths = [PairLength { source: 3, target: 2 }, PairLength { source: 1, target: 5 }];
        assert_eq!(corpus.lengths(), lengths);
    }

    #[test]
    fn concatenation_keeps_pairs_and_part_sizes() {
        let pseudo = native([(&[500][..], &[600, 601][..])]);
        let joined = EncodedCorpus::concatenate([&real(), &pseudo]);
        assert_eq!(joined.part_sizes(), [2, 1]);
        assert_eq!(joined.len(), 3);
        assert_eq!(joined.pair(1), real().pair(1));
        assert_eq!(joined.pair(2), (&[500, 0][..], &[600, 601, 0][..]));
        let again = EncodedCorpus::concatenate([&joined, &pseudo]);
        assert_eq!(again.part_sizes(), [2, 1, 1]);
    }

    #[test]
    fn statistics_leave_the_end_out() {
        let statistics = real().statistics();
        assert_eq!(statistics.pairs, 2);
        assert_eq!((statistics.source.tokens, statistics.target.tokens), (2, 5));
        assert_eq!((statistics.source.longest, statistics.target.longest), (2, 4));
        assert_eq!((statistics.source.mean_length, statistics.target.mean_length), (1.0, 2.5));
        // Of the target's 5 tokens one is unknown; 70 and 71 are the bytes 68 and 69.
        assert_eq!((statistics.target.unknown_rate, statistics.target.byte_rate), (0.2, 0.4));
        let empty = EncodedCorpus::concatenate([]).statistics();
        assert_eq!((empty.pairs, empty.source.mean_length, empty.source.byte_rate), (0, 0.0, 0.0));
    }

    #[test]
    fn statistics_print_readably() {
        assert_eq!(
            real().statistics().to_string(),
            "2 pairs\n\
             source: 2 tokens, 1.00 per sentence, longest 2, 0.0000% unknown, 0.0000% bytes\n\
             target: 5 tokens, 2.50 per sentence, longest 4, 20.0000% unknown, 40.0000% bytes\n"
        );
    }
}
