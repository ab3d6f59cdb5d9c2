//! Learning a unigram language model of pieces (Kudo 2018, section 3.2).
//!
//! A word w is the outcome of drawing pieces independently until they spell it, so that over all
//! its segmentations S(w)
//!
//! ```text
//! p(w) = Σ_{x ∈ S(w)} Π_i p(x_i)
//! ```
//!
//! From a large set of substrings, expectation-maximisation fits p to the words, and the pieces
//! whose loss would cost the least likelihood are taken away, in turn until few enough are left. The
//! maximisation is that of the likelihood, as in the paper; SentencePiece lowers the counts of rare
//! pieces besides. Sums run in an order that does not depend on the number of threads: the same words
//! give the same bits.

use super::train::{LONGEST_PIECE, count_characters};
use crate::lattice::log_sum;
use crate::trie::Trie;
use std::collections::{BTreeSet, HashMap, HashSet};
use wdistill_base::parallel;

/// A substring seen less often than this would only memorise one word.
const MINIMUM_COUNT: u64 = 2;

/// Most pieces to start from, as in SentencePiece.
const MOST_SEEDS: usize = 1_000_000;

/// Steps of expectation-maximisation between removals, as in SentencePiece.
const STEPS_PER_ROUND: usize = 2;

/// Share of the pieces that a removal leaves, as in SentencePiece.
const KEPT_SHARE: f64 = 0.75;

/// Expected occurrences below which a piece counts as unused (SentencePiece's bound). No piece is given
/// less of the probability than this many, since a character always stays.
const FEWEST_OCCURRENCES: f64 = 0.5;

/// Parts of the words whose counts are summed apart, on any number of threads.
const PARTS: usize = 8;

/// How many times the pieces wanted are fitted last, so that enough of them turn out to be used; as in
/// SentencePiece.
const SPARE: f64 = 1.1;

/// Pieces with their log probabilities in nats, the most probable first: every character of
/// `alphabet` and the best longer pieces, at most `size` in all, which must have room for the
/// alphabet.
///
/// Words come with their counts, sorted, and have characters of `alphabet` only.
pub(super) fn train(
    words: &[(String, u32)],
    alphabet: &HashSet<char>,
    size: usize,
) -> Vec<(String, f64)> {
    let mut model = PieceModel::new(seeds(words, alphabet));
    let spare = (size as f64 * SPARE) as usize;
    loop {
        let mut counts = Vec::new();
        for _ in 0..STEPS_PER_ROUND {
            counts = model.expected_counts(words);
            model.maximise(&counts);
        }
        let used = (0..model.pieces.len()).filter(|&id| model.is_used(id, &counts)).count();
        if used <= spare {
            return model.pruned(&counts, used.min(size)).by_probability();
        }
        let share = (model.pieces.len() as f64 * KEPT_SHARE) as usize;
        model = model.pruned(&counts, used.min(share).max(spare));
    }
}

/// The characters, and the substrings of words worth starting from, each with its weight.
fn seeds(words: &[(String, u32)], alphabet: &HashSet<char>) -> Vec<(String, f64)> {
    let words_of_text = words.iter().map(|(word, count)| (word.as_str(), u64::from(*count)));
    let characters = count_characters(words_of_text);
    let sorted: BTreeSet<char> = alphabet.iter().copied().collect();
    let seen = |character| characters.get(&character).copied().unwrap_or(0) as f64;
    let single = sorted.into_iter().map(|c| (c.to_string(), seen(c).max(FEWEST_OCCURRENCES)));
    let mut longer = maximal_substrings(words);
    longer.sort_unstable_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    longer.truncate(MOST_SEEDS);
    single
        .chain(longer.into_iter().map(|(text, weight)| (text.to_owned(), weight as f64)))
        .collect()
}

/// A substring of words.
struct Substring {
    count: u64,
    /// Whether no longer one was found that is seen just as often.
    is_maximal: bool,
}

/// Where a substring stands: in which word, and from which byte to before which.
struct Place {
    word: usize,
    start: usize,
    end: usize,
}

/// Repeated substrings of at least two characters that are no part of a longer one seen just as
/// often, each with the number of characters it covers.
///
/// Longer and longer ones are counted, each only where the shorter one was seen often enough.
fn maximal_substrings(words: &[(String, u32)]) -> Vec<(&str, u64)> {
    let mut places = Vec::new();
    for (word, (text, _)) in words.iter().enumerate() {
        let characters = text.char_indices();
        places.extend(characters.map(|(start, c)| Place {
            word,
            start,
            end: start + c.len_utf8(),
        }));
    }
    let mut maximal = Vec::new();
    let mut shorter: HashMap<&str, Substring> = HashMap::new();
    for _ in 2..=LONGEST_PIECE {
        places.retain_mut(|place| {
            let next = words[place.word].0[place.end..].chars().next();
            place.end += next.map_or(0, char::len_utf8);
            next.is_some()
        });
        let mut found: HashMap<&str, Substring> = HashMap::new();
        for Place { word, start, end } in &places {
            let (text, count) = &words[*word];
            let new = Substring { count: 0, is_maximal: true };
            found.entry(&text[*start..*end]).or_insert(new).count += u64::from(*count);
        }
        found.retain(|_, substring| substring.count >= MINIMUM_COUNT);
        for (text, Substring { count, .. }) in &found {
            for part in without_an_end(text) {
                if let Some(part) = shorter.get_mut(part)
                    && part.count == *count
                {
                    part.is_maximal = false;
                }
            }
        }
        places.retain(|place| found.contains_key(&words[place.word].0[place.start..place.end]));
        maximal.extend(covered_by_maximal(std::mem::replace(&mut shorter, found)));
    }
    maximal.extend(covered_by_maximal(shorter));
    maximal
}

fn covered_by_maximal(found: HashMap<&str, Substring>) -> impl Iterator<Item = (&str, u64)> {
    let maximal = found.into_iter().filter(|(_, substring)| substring.is_maximal);
    maximal.map(|(text, substring)| (text, substring.count * text.chars().count() as u64))
}

/// The text without its first and without its last character.
fn without_an_end(text: &str) -> [&str; 2] {
    let mut characters = text.chars();
    characters.next();
    let tail = characters.as_str();
    characters = text.chars();
    characters.next_back();
    [tail, characters.as_str()]
}

/// Pieces with their log probabilities, and how to find them in a text.
struct PieceModel {
    pieces: Vec<String>,
    scores: Vec<f64>,
    trie: Trie,
}

/// A piece at a place in a word, from byte `start` to before byte `end`.
struct Edge {
    start: usize,
    end: usize,
    id: usize,
}

impl PieceModel {
    /// Pieces with probabilities in proportion to their weights, which must be above 0.
    fn new(weighted: Vec<(String, f64)>) -> Self {
        let (pieces, weights): (Vec<String>, Vec<f64>) = weighted.into_iter().unzip();
        let trie = Trie::new(pieces.iter().map(String::as_str).zip(0..));
        let mut model = Self { pieces, scores: Vec::new(), trie };
        model.set_probabilities(&weights);
        model
    }

    fn set_probabilities(&mut self, weights: &[f64]) {
        let total = weights.iter().sum::<f64>().ln();
        self.scores = weights.iter().map(|weight| weight.ln() - total).collect();
    }

    fn is_character(&self, id: usize) -> bool {
        self.pieces[id].chars().nth(1).is_none()
    }

    fn is_used(&self, id: usize, counts: &[f64]) -> bool {
        self.is_character(id) || counts[id] >= FEWEST_OCCURRENCES
    }

    /// All pieces in `text`, by their start.
    fn edges(&self, text: &str) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (start, _) in text.char_indices() {
            self.trie.for_each_prefix(&text.as_bytes()[start..], |length, id| {
                edges.push(Edge { start, end: start + length, id: id as usize });
            });
        }
        edges
    }

    /// How often each piece is expected in the words, over all segmentations of each by their
    /// probability: Σ_w count(w) ∂ log p(w) / ∂ log p(piece).
    fn expected_counts(&self, words: &[(String, u32)]) -> Vec<f64> {
        let parts = words.chunks(words.len().div_ceil(PARTS).max(1)).collect();
        let parts = parallel::map(parts, |words| self.counts_of_part(words));
        (0..self.pieces.len()).map(|id| parts.iter().map(|part| part[id]).sum()).collect()
    }

    fn counts_of_part(&self, words: &[(String, u32)]) -> Vec<f64> {
        let mut counts = vec![0.0; self.pieces.len()];
        for (word, count) in words {
            let edges = self.edges(word);
            let forward = self.forward(word.len(), &edges);
            let mut backward = vec![f64::NEG_INFINITY; word.len() + 1];
            backward[word.len()] = 0.0;
            for Edge { start, end, id } in edges.iter().rev() {
                let after = self.scores[*id] + backward[*end];
                let share = (forward[*start] + after - forward[word.len()]).exp();
                counts[*id] += f64::from(*count) * share;
                backward[*start] = log_sum(backward[*start], after);
            }
        }
        counts
    }

    /// For each place the log probability of the text before it; at the end that is log p(w).
    fn forward(&self, length: usize, edges: &[Edge]) -> Vec<f64> {
        let mut forward = vec![f64::NEG_INFINITY; length + 1];
        forward[0] = 0.0;
        for Edge { start, end, id } in edges {
            forward[*end] = log_sum(forward[*end], forward[*start] + self.scores[*id]);
        }
        forward
    }

    /// The probabilities under which the expected counts are most likely. Pieces that are hardly
    /// expected keep a little, until they are removed.
    fn maximise(&mut self, counts: &[f64]) {
        let least = |&count: &f64| count.max(FEWEST_OCCURRENCES);
        let weights: Vec<f64> = counts.iter().map(least).collect();
        self.set_probabilities(&weights);
    }

    /// The log probability of a piece's best spelling by other pieces.
    fn best_without(&self, removed: usize) -> f64 {
        let text = &self.pieces[removed];
        let mut best = vec![f64::NEG_INFINITY; text.len() + 1];
        best[0] = 0.0;
        for Edge { start, end, id } in self.edges(text) {
            if id != removed {
                best[end] = best[end].max(best[start] + self.scores[id]);
            }
        }
        best[text.len()]
    }

    /// Keeps all characters, and of the longer pieces those that are worth the most: the
    /// log-likelihood that is lost if their best spelling by other pieces takes their place.
    fn pruned(self, counts: &[f64], size: usize) -> Self {
        let worth = |id| match (self.is_character(id), self.is_used(id, counts)) {
            (true, _) => f64::INFINITY,
            (false, true) => counts[id] * (self.scores[id] - self.best_without(id)),
            (false, false) => f64::NEG_INFINITY,
        };
        let mut ranked: Vec<(f64, usize)> =
            parallel::map((0..self.pieces.len()).collect(), |id| (worth(id), id));
        ranked.sort_by(|(x, a), (y, b)| {
            y.total_cmp(x).then_with(|| self.pieces[*a].cmp(&self.pieces[*b]))
        });
        ranked.truncate(size);
        Self::new(
            ranked
                .into_iter()
                .map(|(_, id)| (self.pieces[id].clone(), self.scores[id].exp()))
                .collect(),
        )
    }

    fn by_probability(self) -> Vec<(String, f64)> {
        let mut scored: Vec<(String, f64)> = self.pieces.into_iter().zip(self.scores).collect();
        scored.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
        scored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<(String, u32)> {
        [("▁abab", 3), ("▁ab", 5), ("▁ba", 2), ("b", 1)].map(|(w, n)| (w.to_owned(), n)).to_vec()
    }

    fn model() -> PieceModel {
        let weights = [("▁", 4.0), ("a", 3.0), ("b", 2.0), ("ab", 5.0), ("▁ab", 1.5), ("ba", 0.7)];
        PieceModel::new(weights.map(|(piece, weight)| (piece.to_owned(), weight)).to_vec())
    }

    /// Σ_w count(w) log p(w).
    fn log_likelihood(model: &PieceModel, words: &[(String, u32)]) -> f64 {
        let of_word = |word: &str| model.forward(word.len(), &model.edges(word))[word.len()];
        words.iter().map(|(word, count)| f64::from(*count) * of_word(word)).sum()
    }

    #[test]
    fn repeated_substrings_are_counted_unless_a_longer_one_is_as_frequent() {
        // `ab` is twice in ▁abab and once in ▁ab; `▁ab` is in both; `ba` in ▁abab and ▁ba; `▁ba` is
        // a word. The others are as frequent as ▁abab, of which they are part.
        let words = words();
        let mut found = maximal_substrings(&words);
        found.sort_unstable();
        assert_eq!(found, [("ab", 22), ("ba", 10), ("▁ab", 24), ("▁abab", 15), ("▁ba", 6)]);
    }

    #[test]
    fn a_word_has_the_probability_of_all_its_segmentations() {
        let model = model();
        let total = 4.0 + 3.0 + 2.0 + 5.0 + 1.5 + 0.7;
        let p = |weight: f64| weight / total;
        // ▁|a|b, ▁|ab, ▁ab.
        let expected = p(4.0) * p(3.0) * p(2.0) + p(4.0) * p(5.0) + p(1.5);
        let found = log_likelihood(&model, &[("▁ab".to_owned(), 1)]);
        assert!((found - expected.ln()).abs() < 1e-12, "{found} and {}", expected.ln());
    }

    #[test]
    fn expected_counts_are_the_derivatives_of_the_log_likelihood() {
        let (words, mut model) = (words(), model());
        let counts = model.expected_counts(&words);
        let step = 1e-6;
        for (id, expected) in counts.iter().enumerate() {
            let score = model.scores[id];
            let [above, below] = [step, -step].map(|change| {
                model.scores[id] = score + change;
                log_likelihood(&model, &words)
            });
            model.scores[id] = score;
            let found = (above - below) / (2.0 * step);
            assert!((found - expected).abs() < 1e-7, "{}: {expected}, {found}", model.pieces[id]);
        }
    }

    #[test]
    fn each_step_makes_the_words_more_likely() {
        let (words, mut model) = (words(), model());
        let mut before = log_likelihood(&model, &words);
        for _ in 0..5 {
            let counts = model.expected_counts(&words);
            model.maximise(&counts);
            let after = log_likelihood(&model, &words);
            assert!(after > before, "{after} after {before}");
            before = after;
        }
    }

    #[test]
    fn the_piece_that_is_worth_the_least_goes_first() {
        let (words, model) = (words(), model());
        let counts = model.expected_counts(&words);
        // Worth by hand: count × (own score − best other spelling's).
        let total: f64 = 16.2;
        let worth = |id: usize, own: f64, others: f64| counts[id] * (own.ln() - others.ln());
        let worths = [
            worth(3, 5.0 / total, 3.0 * 2.0 / (total * total)),
            worth(4, 1.5 / total, 4.0 * 5.0 / (total * total)),
            worth(5, 0.7 / total, 2.0 * 3.0 / (total * total)),
        ];
        assert!(worths[0] > worths[2] && worths[2] > worths[1], "{worths:?}");
        let mut kept = model.pruned(&counts, 5).pieces;
        kept.sort_unstable();
        assert_eq!(kept, ["a", "ab", "b", "ba", "▁"]);
    }

    #[test]
    fn characters_stay_though_no_word_needs_them() {
        let words = [("▁abab".to_owned(), 100)];
        let alphabet = HashSet::from(['▁', 'a', 'b', 'z']);
        let learnt = train(&words, &alphabet, 5);
        let pieces: Vec<&str> = learnt.iter().map(|(piece, _)| piece.as_str()).collect();
        assert_eq!(pieces[0], "▁abab");
        assert_eq!(pieces.len(), 5);
        assert!(learnt.iter().all(|(_, score)| score.is_finite()), "{learnt:?}");
    }
}
