//! Shifts of blocks of words, in `tercom`'s greedy order.

use std::cmp::Reverse;
use std::ops::Range;

use super::edit_distance::{EditDistance, Step, Table};

/// Most words of a block.
const LONGEST_BLOCK: usize = 10;
/// How far apart, in words from the start of each, a block may stand in hypothesis and reference.
const FARTHEST: usize = 50;
/// From so many shifts tried for a sentence on no further one is made. The limit is sacreBLEU's.
const MOST_TRIED: usize = 1000;

/// The edits from a hypothesis to a reference, shifts included.
pub(super) fn edits(hypothesis: &[u32], reference: &[u32]) -> u64 {
    if reference.is_empty() {
        return hypothesis.len() as u64;
    }
    let distance = EditDistance::new(reference, hypothesis.len());
    let mut words = hypothesis.to_vec();
    let mut table = distance.table(&words);
    let (mut shifts, mut tried) = (0, 0);
    loop {
        let round = Round { words: &words, reference, distance: &distance, table: &table };
        let best = round.best_shift(&mut tried);
        // A shift found in the round that reaches the limit is not made.
        match best.filter(|best| best.gain > 0 && tried < MOST_TRIED) {
            Some(best) => words = best.shift.apply(&words),
            None => return shifts + u64::from(table.edits()),
        }
        shifts += 1;
        table = distance.table(&words);
    }
}

/// A block of words and where it goes.
#[derive(Clone, Copy)]
struct Shift {
    start: usize,
    length: usize,
    /// The word of the hypothesis before which the block is put.
    target: usize,
}

impl Shift {
    /// Where the block starts among `words` words after the shift.
    ///
    /// Targets behind the block and its end go there. A target inside of the block moves it on by as many words as the
    /// target lies behind its start, as far as there are words: `tercom` does so.
    fn new_start(self, words: usize) -> usize {
        if self.target > self.start + self.length {
            self.target - self.length
        } else {
            self.target.min(words - self.length)
        }
    }

    fn apply(self, words: &[u32]) -> Vec<u32> {
        let block = self.start..self.start + self.length;
        let mut shifted = Vec::with_capacity(words.len());
        shifted.extend_from_slice(&words[..block.start]);
        shifted.extend_from_slice(&words[block.end..]);
        let new_start = self.new_start(words.len());
        shifted.splice(new_start..new_start, words[block].iter().copied());
        shifted
    }
}

/// A shift and by how much it lowers the edit distance.
struct Ranked {
    gain: i64,
    shift: Shift,
}

impl Ranked {
    /// `tercom`'s order: the largest gain, then the longest block, then the one furthest to the left, then the leftmost target.
    fn rank(&self) -> (i64, usize, Reverse<usize>, Reverse<usize>) {
        (self.gain, self.shift.length, Reverse(self.shift.start), Reverse(self.shift.target))
    }
}

/// The search for one shift.
struct Round<'a> {
    words: &'a [u32],
    reference: &'a [u32],
    distance: &'a EditDistance<'a>,
    table: &'a Table,
}

impl Round<'_> {
    /// The best shift, which may gain nothing; counts the shifts tried.
    fn best_shift(&self, tried: &mut usize) -> Option<Ranked> {
        let alignment = Alignment::new(&self.table.steps());
        let mut best: Option<Ranked> = None;
        for block in blocks(self.words, self.reference) {
            if !alignment.may_shift(&block) {
                continue;
            }
            for target in alignment.targets(&block) {
                let shift = Shift { start: block.in_words, length: block.length, target };
                let ranked = Ranked { gain: self.gain(shift), shift };
                *tried += 1;
                if best.as_ref().is_none_or(|best| ranked.rank() > best.rank()) {
                    best = Some(ranked);
                }
            }
            if *tried >= MOST_TRIED {
                break;
            }
        }
        best
    }

    fn gain(&self, shift: Shift) -> i64 {
        let shared = shift.start.min(shift.new_start(self.words.len()));
        let edits = self.distance.edits(&shift.apply(self.words), self.table, shared);
        i64::from(self.table.edits()) - i64::from(edits)
    }
}

/// The same words in hypothesis and reference.
struct Block {
    /// Where it starts in the hypothesis.
    in_words: usize,
    /// Where it starts in the reference.
    in_reference: usize,
    length: usize,
}

/// The blocks that hypothesis and reference share, by start in the hypothesis, start in the reference, and length.
fn blocks<'a>(words: &'a [u32], reference: &'a [u32]) -> impl Iterator<Item = Block> + 'a {
    (0..words.len()).flat_map(move |in_words| {
        let nearby =
            in_words.saturating_sub(FARTHEST)..reference.len().min(in_words + FARTHEST + 1);
        nearby.flat_map(move |in_reference| {
            let pairs = words[in_words..].iter().zip(&reference[in_reference..]);
            let longest = pairs.take(LONGEST_BLOCK).take_while(|(own, other)| own == other).count();
            (1..=longest).map(move |length| Block { in_words, in_reference, length })
        })
    })
}

/// What the steps of the edit distance say of each word.
struct Alignment {
    /// For each word of the reference the words of the hypothesis up to its place, and with it where it has one.
    passed: Vec<usize>,
    /// How many of the first words of the hypothesis are wrong: `[words + 1]`.
    wrong_words: Vec<usize>,
    /// How many of the first words of the reference are missed: `[words + 1]`.
    wrong_reference: Vec<usize>,
}

impl Alignment {
    fn new(steps: &[Step]) -> Self {
        let (mut passed, mut wrong_words, mut wrong_reference) = (Vec::new(), vec![0], vec![0]);
        for &step in steps {
            let wrong = usize::from(step != Step::Keep);
            if step != Step::Insert {
                wrong_words.push(wrong_words[wrong_words.len() - 1] + wrong);
            }
            if step != Step::Delete {
                wrong_reference.push(wrong_reference[wrong_reference.len() - 1] + wrong);
                passed.push(wrong_words.len() - 1);
            }
        }
        Alignment { passed, wrong_words, wrong_reference }
    }

    /// Whether shifting a block can help: something of it is wrong in the hypothesis and something missed in the reference,
    /// and the place in the reference is not aligned to the block itself.
    fn may_shift(&self, block: &Block) -> bool {
        let own = block.in_words..block.in_words + block.length;
        let other = block.in_reference..block.in_reference + block.length;
        let has_wrong =
            |wrong: &[usize], range: &Range<usize>| wrong[range.end] > wrong[range.start];
        let passed = self.passed[block.in_reference];
        has_wrong(&self.wrong_words, &own)
            && has_wrong(&self.wrong_reference, &other)
            && !(own.start < passed && passed <= own.end)
    }

    /// Where a block may go: behind the place of the reference's word before it, and of each of its own words.
    fn targets(&self, block: &Block) -> Vec<usize> {
        let first = block.in_reference.checked_sub(1).map_or(0, |before| self.passed[before]);
        let own = &self.passed[block.in_reference..block.in_reference + block.length];
        let mut targets = vec![first];
        targets.extend_from_slice(own);
        targets.dedup();
        targets
    }
}
