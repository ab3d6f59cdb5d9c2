//! chrF (Popović, WMT 2015) and chrF++ (Popović, WMT 2017).

use std::fmt;

use crate::ngrams::{self, Counts};
use crate::text::{is_space, words};
use crate::{Case, CorpusMetric, MetricsError, Score, Signature};

/// Counts an order has in a row of statistics: n-grams of the hypothesis, of the reference, and matches.
const PER_ORDER: usize = 3;

/// Precision or recall of an order without n-grams.
const EPSILON: f64 = 1e-16;

/// Whether character n-grams run over white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whitespace {
    /// White space is removed first (`space:no`).
    #[default]
    Ignored,
    /// White space counts like any character (`space:yes`).
    Counted,
}

/// How the orders are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChrfSmoothing {
    /// F of the precision and recall averaged over the orders both sides have n-grams for (`eff:yes`).
    #[default]
    EffectiveOrder,
    /// The mean over all orders of each one's F, an empty order counting 1e-16 (`eff:no`), as Popović's script does.
    Epsilon,
}

/// chrF with its settings; the default is sacreBLEU's chrF2.
///
/// `F_beta = (1 + beta²) P R / (beta² P + R)`, with `P` and `R` the precision and recall of n-grams averaged over orders.
/// Of several references each sentence takes the one that gives it the best F.
///
/// ```
/// use wdistill_metrics::{Chrf, CorpusMetric, Score};
///
/// let score = Chrf::plus_plus().corpus_score(&["a small student"], &[["a smaller student"]])?;
/// assert_eq!(score.format(1), "chrF2++ = 55.9");
/// # Ok::<(), wdistill_metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chrf {
    /// The longest character n-gram.
    pub character_order: usize,
    /// The longest word n-gram: 0 for chrF, 2 for chrF++.
    pub word_order: usize,
    /// How much more recall counts than precision.
    pub beta: u32,
    /// Whether case counts.
    pub case: Case,
    /// Whether white space counts.
    pub whitespace: Whitespace,
    /// How the orders are averaged.
    pub smoothing: ChrfSmoothing,
}

impl Default for Chrf {
    fn default() -> Self {
        Chrf {
            character_order: 6,
            word_order: 0,
            beta: 2,
            case: Case::Mixed,
            whitespace: Whitespace::Ignored,
            smoothing: ChrfSmoothing::EffectiveOrder,
        }
    }
}

impl Chrf {
    /// chrF++: chrF with words and word pairs.
    pub fn plus_plus() -> Self {
        Chrf { word_order: 2, ..Chrf::default() }
    }

    fn orders(&self) -> usize {
        self.character_order + self.word_order
    }

    /// F of a row of counts, from 0 to 100.
    fn f_score(&self, row: &[u64]) -> f64 {
        let squared_beta = f64::from(self.beta) * f64::from(self.beta);
        let (mut sum_of_f, mut precisions, mut recalls, mut effective) = (0.0, 0.0, 0.0, 0.0);
        for counts in row.chunks_exact(PER_ORDER) {
            let (hypothesis, reference, matches) = (counts[0], counts[1], counts[2]);
            let precision = ratio(matches, hypothesis);
            let recall = ratio(matches, reference);
            sum_of_f += f_beta(precision, recall, squared_beta).unwrap_or(EPSILON);
            if hypothesis > 0 && reference > 0 {
                precisions += precision;
                recalls += recall;
                effective += 1.0;
            }
        }
        match self.smoothing {
            ChrfSmoothing::Epsilon => 100.0 * sum_of_f / self.orders() as f64,
            ChrfSmoothing::EffectiveOrder if effective == 0.0 => 0.0,
            ChrfSmoothing::EffectiveOrder => {
                let f = f_beta(precisions / effective, recalls / effective, squared_beta);
                100.0 * f.unwrap_or(0.0)
            }
        }
    }
}

impl CorpusMetric for Chrf {
    type Score = ChrfScore;

    fn check(&self) -> Result<(), MetricsError> {
        if self.orders() == 0 { Err(MetricsError::NoOrders) } else { Ok(()) }
    }

    fn statistics_width(&self) -> usize {
        PER_ORDER * self.orders()
    }

    /// For each order, characters before words: n-grams of the hypothesis, of the reference, and matches.
    fn sentence_statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<u64> {
        let hypothesis = Units::new(hypothesis, self);
        let hypothesis = hypothesis.count(self);
        let mut best: Option<(f64, Vec<u64>)> = None;
        for reference in references {
            let reference = Units::new(reference, self);
            let row = hypothesis.against(&reference.count(self));
            let f_score = self.f_score(&row);
            // The first of equally good references stays.
            if best.as_ref().is_none_or(|(best_f_score, _)| f_score > *best_f_score) {
                best = Some((f_score, row));
            }
        }
        best.map_or_else(|| vec![0; self.statistics_width()], |(_, row)| row)
    }

    fn score_of_totals(&self, totals: &[u64]) -> ChrfScore {
        ChrfScore { score: self.f_score(totals), word_order: self.word_order, beta: self.beta }
    }

    fn signature(&self, references: usize) -> Signature {
        let effective = match self.smoothing {
            ChrfSmoothing::EffectiveOrder => "yes",
            ChrfSmoothing::Epsilon => "no",
        };
        let space = match self.whitespace {
            Whitespace::Counted => "yes",
            Whitespace::Ignored => "no",
        };
        Signature::new(
            references,
            [
                ("case", "c", self.case.signature_value().to_owned()),
                ("eff", "e", effective.to_owned()),
                ("nc", "nc", self.character_order.to_string()),
                ("nw", "nw", self.word_order.to_string()),
                ("space", "s", space.to_owned()),
            ],
        )
    }
}

fn ratio(matches: u64, total: u64) -> f64 {
    if total > 0 { matches as f64 / total as f64 } else { EPSILON }
}

/// F of a precision and a recall; none where both are 0.
fn f_beta(precision: f64, recall: f64, squared_beta: f64) -> Option<f64> {
    let denominator = squared_beta * precision + recall;
    (denominator > 0.0).then(|| (1.0 + squared_beta) * precision * recall / denominator)
}

/// The characters and words of a line.
struct Units {
    characters: Vec<char>,
    words: Vec<String>,
}

impl Units {
    fn new(line: &str, settings: &Chrf) -> Self {
        let line = settings.case.apply(line);
        let counted = |&character: &char| match settings.whitespace {
            Whitespace::Counted => true,
            Whitespace::Ignored => !is_space(character),
        };
        let characters = line.chars().filter(counted).collect();
        let words = if settings.word_order > 0 { split_punctuation(&line) } else { Vec::new() };
        Units { characters, words }
    }

    fn count(&self, settings: &Chrf) -> UnitCounts<'_> {
        let characters = 1..=settings.character_order;
        let words = 1..=settings.word_order;
        UnitCounts {
            characters: characters.map(|order| ngrams::count(&self.characters, order)).collect(),
            words: words.map(|order| ngrams::count(&self.words, order)).collect(),
        }
    }
}

/// N-gram counts of a line by order, from 1.
struct UnitCounts<'a> {
    characters: Vec<Counts<'a, char>>,
    words: Vec<Counts<'a, String>>,
}

impl UnitCounts<'_> {
    fn against(&self, reference: &UnitCounts<'_>) -> Vec<u64> {
        let characters = self.characters.iter().zip(&reference.characters);
        let words = self.words.iter().zip(&reference.words);
        characters
            .flat_map(|(ours, theirs)| order_row(ours, theirs))
            .chain(words.flat_map(|(ours, theirs)| order_row(ours, theirs)))
            .collect()
    }
}

fn order_row<T: std::hash::Hash + Eq>(
    hypothesis: &Counts<'_, T>,
    reference: &Counts<'_, T>,
) -> [u64; PER_ORDER] {
    // An order the reference is too short for does not count against the hypothesis.
    let ngrams = if reference.is_empty() { 0 } else { hypothesis.values().sum() };
    [ngrams, reference.values().sum(), ngrams::matches(hypothesis, reference)]
}

/// The words of a line, each with one ASCII punctuation mark split off: the last character or else the first.
fn split_punctuation(line: &str) -> Vec<String> {
    let mut split = Vec::new();
    for word in words(line) {
        let is_mark = |character: char| character.is_ascii_punctuation();
        let cut = if word.chars().nth(1).is_none() {
            None
        } else if word.ends_with(is_mark) {
            Some(word.len() - 1)
        } else if word.starts_with(is_mark) {
            Some(1)
        } else {
            None
        };
        match cut {
            Some(byte) => split.extend([word[..byte].to_owned(), word[byte..].to_owned()]),
            None => split.push(word.to_owned()),
        }
    }
    split
}

/// A chrF score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChrfScore {
    /// The score, from 0 to 100.
    pub score: f64,
    /// The longest word n-gram, a `+` each in the name.
    pub word_order: usize,
    /// The weight of recall, part of the name.
    pub beta: u32,
}

impl Score for ChrfScore {
    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order))
    }

    fn value(&self) -> f64 {
        self.score
    }

    fn verbose(&self) -> String {
        String::new()
    }
}

impl fmt::Display for ChrfScore {
    /// The line sacreBLEU prints, with two decimals.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format(2))
    }
}
