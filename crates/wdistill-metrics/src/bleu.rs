//! BLEU (Papineni et al., ACL 2002).

use std::fmt;
use std::str::FromStr;

use crate::ngrams::{self, Counts};
use crate::text::words;
use crate::{Case, CorpusMetric, MetricsError, Score, Signature, Tokenizer};

/// The longest n-gram BLEU counts.
pub const MAX_ORDER: usize = 4;

/// Index of the hypothesis length in a row of statistics.
const SYSTEM_LENGTH: usize = 0;
/// Index of the reference length.
const REFERENCE_LENGTH: usize = 1;
/// Index of the matches of order 1, followed by the other orders.
const MATCHES: usize = 2;
/// Index of the n-grams of order 1, followed by the other orders.
const TOTALS: usize = MATCHES + MAX_ORDER;
/// Counts a sentence.
const WIDTH: usize = TOTALS + MAX_ORDER;

/// Stands for the logarithm of a precision of zero, so that the product is zero.
const LOG_OF_ZERO: f64 = -9_999_999_999.0;

/// What to do about an order without a match (Chen and Cherry, WMT 2014).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Smoothing {
    /// `exp`: the k-th order without a match counts `1 / 2^k` matches (their method 3, as `mteval-v13a`).
    #[default]
    Exponential,
    /// `floor`: such an order counts this many matches (method 1).
    Floor(f64),
    /// `add-k`: this much is added to matches and n-grams of the orders above 1 (method 2).
    AddK(f64),
    /// `none`: such an order makes the score 0.
    None,
}

impl Smoothing {
    /// sacreBLEU's default value of `floor`.
    pub const DEFAULT_FLOOR: f64 = 0.1;
    /// sacreBLEU's default value of `add-k`.
    pub const DEFAULT_ADD_K: f64 = 1.0;

    /// sacreBLEU's name.
    pub fn name(self) -> &'static str {
        match self {
            Smoothing::Exponential => "exp",
            Smoothing::Floor(_) => "floor",
            Smoothing::AddK(_) => "add-k",
            Smoothing::None => "none",
        }
    }
}

impl fmt::Display for Smoothing {
    /// As in a signature: `exp`, `none`, `floor[0.10]`, `add-k[1.00]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        match self {
            Smoothing::Floor(value) | Smoothing::AddK(value) => write!(formatter, "[{value:.2}]"),
            Smoothing::Exponential | Smoothing::None => Ok(()),
        }
    }
}

impl FromStr for Smoothing {
    type Err = MetricsError;

    /// The method of a name, `floor` and `add-k` with sacreBLEU's default value.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "exp" => Ok(Smoothing::Exponential),
            "floor" => Ok(Smoothing::Floor(Smoothing::DEFAULT_FLOOR)),
            "add-k" => Ok(Smoothing::AddK(Smoothing::DEFAULT_ADD_K)),
            "none" => Ok(Smoothing::None),
            _ => Err(MetricsError::UnknownName {
                what: "smoothing method",
                found: name.to_owned(),
                expected: "exp, floor, add-k, none",
            }),
        }
    }
}

/// Which orders the geometric mean runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orders {
    /// All of 1 to [`MAX_ORDER`] (`eff:no`), the standard for a corpus.
    #[default]
    All,
    /// Those the hypothesis is long enough for (`eff:yes`), the standard for one sentence.
    Effective,
}

/// BLEU with its settings; the default is sacreBLEU's.
///
/// `score = 100 * BP * exp(1/N * sum_n ln p_n)`, with `p_n` the clipped matches of order `n` over the n-grams of the
/// hypotheses, and the brevity penalty `BP = exp(1 - r/c)` where the hypotheses (`c` words) are shorter than the
/// references (`r` words, for each sentence the reference closest in length, the shorter of two equally close).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bleu {
    /// How lines become words.
    pub tokenizer: Tokenizer,
    /// Whether case counts.
    pub case: Case,
    /// What to do about an order without a match.
    pub smoothing: Smoothing,
    /// Which orders the mean runs over.
    pub orders: Orders,
}

impl Bleu {
    /// sacreBLEU's settings for the score of one sentence: the default with [`Orders::Effective`].
    pub fn for_sentences() -> Self {
        Bleu { orders: Orders::Effective, ..Bleu::default() }
    }

    fn prepare(&self, line: &str) -> String {
        self.tokenizer.tokenize(self.case.apply(line).trim_end_matches(crate::text::is_space))
    }
}

impl CorpusMetric for Bleu {
    type Score = BleuScore;

    fn check(&self) -> Result<(), MetricsError> {
        match self.smoothing {
            Smoothing::Floor(value) | Smoothing::AddK(value)
                if !(value.is_finite() && value >= 0.0) =>
            {
                Err(MetricsError::SmoothingValue { method: self.smoothing.name(), value })
            }
            _ => Ok(()),
        }
    }

    fn statistics_width(&self) -> usize {
        WIDTH
    }

    /// `[hypothesis length, reference length, matches of order 1..=4, n-grams of order 1..=4]`.
    fn sentence_statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<u64> {
        let hypothesis = self.prepare(hypothesis);
        let hypothesis: Vec<&str> = words(&hypothesis).collect();
        let references: Vec<String> = references.iter().map(|line| self.prepare(line)).collect();
        let references: Vec<Vec<&str>> =
            references.iter().map(|line| words(line).collect()).collect();

        let mut row = vec![0; WIDTH];
        row[SYSTEM_LENGTH] = hypothesis.len() as u64;
        row[REFERENCE_LENGTH] = closest_length(hypothesis.len(), &references) as u64;
        for order in 1..=MAX_ORDER {
            let hypothesis_counts = ngrams::count(&hypothesis, order);
            let reference_counts = most_in_any(&references, order);
            row[MATCHES + order - 1] = ngrams::matches(&hypothesis_counts, &reference_counts);
            row[TOTALS + order - 1] = hypothesis_counts.values().sum();
        }
        row
    }

    fn score_of_totals(&self, totals: &[u64]) -> BleuScore {
        let mut score = BleuScore {
            score: 0.0,
            precisions: [0.0; MAX_ORDER],
            counts: std::array::from_fn(|index| totals[MATCHES + index]),
            totals: std::array::from_fn(|index| totals[TOTALS + index]),
            brevity_penalty: brevity_penalty(totals[SYSTEM_LENGTH], totals[REFERENCE_LENGTH]),
            system_length: totals[SYSTEM_LENGTH],
            reference_length: totals[REFERENCE_LENGTH],
        };
        // Without any match no smoothing applies.
        if score.counts.iter().any(|&count| count > 0) {
            let (precisions, counted) = precisions(&score.counts, &score.totals, self.smoothing);
            let orders = match self.orders {
                Orders::All => MAX_ORDER,
                Orders::Effective => counted,
            };
            let logarithms: f64 = precisions[..orders].iter().map(|&value| logarithm(value)).sum();
            score.precisions = precisions;
            score.score = score.brevity_penalty * (logarithms / orders as f64).exp();
        }
        score
    }

    fn signature(&self, references: usize) -> Signature {
        let effective = match self.orders {
            Orders::All => "no",
            Orders::Effective => "yes",
        };
        Signature::new(
            references,
            [
                ("case", "c", self.case.signature_value().to_owned()),
                ("eff", "e", effective.to_owned()),
                ("tok", "tok", self.tokenizer.to_string()),
                ("smooth", "s", self.smoothing.to_string()),
            ],
        )
    }
}

/// The length of the reference closest to `length`, the shorter of two equally close.
fn closest_length(length: usize, references: &[Vec<&str>]) -> usize {
    references
        .iter()
        .map(Vec::len)
        .min_by_key(|&reference| (reference.abs_diff(length), reference))
        .unwrap_or(0)
}

/// For each n-gram its count in the reference that has most of it.
fn most_in_any<'a>(references: &'a [Vec<&'a str>], order: usize) -> Counts<'a, &'a str> {
    let mut most = Counts::new();
    for reference in references {
        for (ngram, count) in ngrams::count(reference, order) {
            let entry = most.entry(ngram).or_insert(0);
            *entry = count.max(*entry);
        }
    }
    most
}

fn brevity_penalty(system_length: u64, reference_length: u64) -> f64 {
    if system_length >= reference_length {
        1.0
    } else if system_length == 0 {
        0.0
    } else {
        (1.0 - reference_length as f64 / system_length as f64).exp()
    }
}

/// Smoothed precisions in percent, and how many orders have an n-gram to count; the orders above stay 0.
fn precisions(
    counts: &[u64; MAX_ORDER],
    totals: &[u64; MAX_ORDER],
    smoothing: Smoothing,
) -> ([f64; MAX_ORDER], usize) {
    let mut precisions = [0.0; MAX_ORDER];
    let mut halving = 1.0;
    for index in 0..MAX_ORDER {
        let added = match smoothing {
            Smoothing::AddK(value) if index > 0 => value,
            _ => 0.0,
        };
        let count = counts[index] as f64 + added;
        let total = totals[index] as f64 + added;
        if total == 0.0 {
            return (precisions, index);
        }
        precisions[index] = match smoothing {
            _ if count > 0.0 => 100.0 * count / total,
            Smoothing::Exponential => {
                halving *= 2.0;
                100.0 / (halving * total)
            }
            Smoothing::Floor(value) => 100.0 * value / total,
            Smoothing::AddK(_) | Smoothing::None => 0.0,
        };
    }
    (precisions, MAX_ORDER)
}

fn logarithm(precision: f64) -> f64 {
    if precision == 0.0 { LOG_OF_ZERO } else { precision.ln() }
}

/// A BLEU score and the numbers it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BleuScore {
    /// The score, from 0 to 100.
    pub score: f64,
    /// Smoothed precision of each order, in percent.
    pub precisions: [f64; MAX_ORDER],
    /// Clipped matches of each order, before smoothing.
    pub counts: [u64; MAX_ORDER],
    /// N-grams of each order in the hypotheses, before smoothing.
    pub totals: [u64; MAX_ORDER],
    /// The brevity penalty, from 0 to 1.
    pub brevity_penalty: f64,
    /// Words of the hypotheses.
    pub system_length: u64,
    /// Words of the references closest in length.
    pub reference_length: u64,
}

impl BleuScore {
    /// Hypothesis words for each reference word; 0 where the references have none.
    pub fn length_ratio(&self) -> f64 {
        if self.reference_length == 0 {
            0.0
        } else {
            self.system_length as f64 / self.reference_length as f64
        }
    }
}

impl Score for BleuScore {
    fn name(&self) -> String {
        "BLEU".to_owned()
    }

    fn value(&self) -> f64 {
        self.score
    }

    fn verbose(&self) -> String {
        let precisions = self.precisions.map(|precision| format!("{precision:.1}")).join("/");
        format!(
            "{precisions} (BP = {:.3} ratio = {:.3} hyp_len = {} ref_len = {})",
            self.brevity_penalty,
            self.length_ratio(),
            self.system_length,
            self.reference_length
        )
    }
}

impl fmt::Display for BleuScore {
    /// The line sacreBLEU prints, with two decimals.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format(2))
    }
}
