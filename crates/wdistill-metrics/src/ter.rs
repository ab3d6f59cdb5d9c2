//! TER, the translation edit rate (Snover et al., AMTA 2006), as their program `tercom` computes it.

mod edit_distance;
mod shifts;
mod words;

use std::fmt;

use crate::text::{is_space, single_spaced};
use crate::{Case, CorpusMetric, MetricsError, Score, Signature};
use words::Numbers;
pub use words::{AsianText, Normalization, Punctuation};

/// Index of the edits in a row of statistics.
const EDITS: usize = 0;
/// Index of the words of all references together.
const REFERENCE_WORDS: usize = 1;
/// Index of the number of references.
const REFERENCES: usize = 2;
/// Index of the number of sentences. Of sums it tells how many references each sentence has.
const SENTENCES: usize = 3;
/// Counts a sentence.
const WIDTH: usize = SENTENCES + 1;

/// TER with its settings; the default is sacreBLEU's, and `tercom`'s.
///
/// `score = 100 * E / R`. `E` counts the edits that turn each hypothesis into its reference: a word inserted, deleted or
/// replaced, or a block of words shifted to another place, which is one edit for any length and distance. `R` counts the
/// words of the references. Of several references a sentence takes the fewest edits to any of them and the mean of their
/// lengths. Unlike BLEU and chrF, a lower score is better, and the score of a long hypothesis may exceed 100.
///
/// Finding the fewest edits with shifts is NP-complete, so `tercom` searches greedily: as long as some shift lowers the
/// edit distance, it makes the one that lowers it most. Which shifts it considers, and in which order, is part of the
/// metric. Where the references have no words, the score is 100, or 0 if the hypotheses have none either.
///
/// With several references, sacreBLEU adds up rounded means and this type exact ones: the scores may differ in the
/// fifteenth digit.
///
/// ```
/// use wdistill_metrics::{CorpusMetric, Score, Ter};
///
/// let hypotheses = ["on the mat the cat sat", "it rains"];
/// let references = [["the cat sat on the mat", "it is raining"]];
/// let ter = Ter::default();
/// let score = ter.corpus_score(&hypotheses, &references)?;
/// assert_eq!(score.edits, 1 + 2);
/// assert_eq!(score.format(2), "TER = 33.33");
/// assert_eq!(
///     ter.signature(references.len()).to_string(),
///     "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0"
/// );
/// # Ok::<(), wdistill_metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ter {
    /// Whether case counts.
    pub case: Case,
    /// Whether words are split from punctuation first.
    pub normalization: Normalization,
    /// Whether punctuation counts.
    pub punctuation: Punctuation,
    /// Whether the two settings before reach Asian text.
    pub asian_text: AsianText,
}

impl Default for Ter {
    fn default() -> Self {
        Ter {
            case: Case::Lower,
            normalization: Normalization::None,
            punctuation: Punctuation::Kept,
            asian_text: AsianText::AsOther,
        }
    }
}

impl Ter {
    /// The words that are compared, with a space between them.
    pub fn tokenize(&self, line: &str) -> String {
        let line = self.case.apply(line.trim_end_matches(is_space));
        let normalized = self.normalization.apply(&line, self.asian_text);
        single_spaced(&self.punctuation.apply(&normalized, self.asian_text))
    }
}

impl CorpusMetric for Ter {
    type Score = TerScore;

    fn check(&self) -> Result<(), MetricsError> {
        Ok(())
    }

    fn statistics_width(&self) -> usize {
        WIDTH
    }

    /// `[fewest edits to any reference, words of all references, references, 1]`.
    fn sentence_statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<u64> {
        let hypothesis = self.tokenize(hypothesis);
        let references: Vec<String> = references.iter().map(|line| self.tokenize(line)).collect();
        let mut numbers = Numbers::default();
        let hypothesis = numbers.of_words(&hypothesis);
        let references: Vec<Vec<u32>> =
            references.iter().map(|line| numbers.of_words(line)).collect();

        let edits = references.iter().map(|reference| shifts::edits(&hypothesis, reference));
        let mut row = vec![0; WIDTH];
        row[EDITS] = edits.min().unwrap_or(0);
        row[REFERENCE_WORDS] = references.iter().map(Vec::len).sum::<usize>() as u64;
        row[REFERENCES] = references.len() as u64;
        row[SENTENCES] = 1;
        row
    }

    fn score_of_totals(&self, totals: &[u64]) -> TerScore {
        let edits = totals[EDITS];
        let references_each = totals[REFERENCES].max(1) as f64 / totals[SENTENCES].max(1) as f64;
        let reference_length = totals[REFERENCE_WORDS] as f64 / references_each;
        let rate = if reference_length > 0.0 {
            edits as f64 / reference_length
        } else if edits > 0 {
            1.0
        } else {
            0.0
        };
        TerScore { score: 100.0 * rate, edits, reference_length }
    }

    fn signature(&self, references: usize) -> Signature {
        let normalized = match self.normalization {
            Normalization::None => "no",
            Normalization::Tercom => "yes",
        };
        let punctuation = match self.punctuation {
            Punctuation::Kept => "yes",
            Punctuation::Removed => "no",
        };
        let asian = match self.asian_text {
            AsianText::AsOther => "no",
            AsianText::Separated => "yes",
        };
        Signature::new(
            references,
            [
                ("case", "c", self.case.signature_value().to_owned()),
                ("tok", "t", "tercom".to_owned()),
                ("norm", "nr", normalized.to_owned()),
                ("punct", "pn", punctuation.to_owned()),
                ("asian", "as", asian.to_owned()),
            ],
        )
    }
}

/// A TER score and the numbers it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TerScore {
    /// The score, from 0 upwards. The lower, the better.
    pub score: f64,
    /// Words inserted, deleted and replaced, and blocks shifted.
    pub edits: u64,
    /// Words of the references, of several the mean.
    pub reference_length: f64,
}

impl Score for TerScore {
    fn name(&self) -> String {
        "TER".to_owned()
    }

    fn value(&self) -> f64 {
        self.score
    }

    fn verbose(&self) -> String {
        String::new()
    }
}

impl fmt::Display for TerScore {
    /// The line sacreBLEU prints, with two decimals.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format(2))
    }
}
