//! What metrics share: a sentence becomes a row of counts, and the sum of rows becomes a score.

use crate::{MetricsError, Signature};

/// A corpus metric whose score depends on sums of per-sentence counts alone.
pub trait CorpusMetric {
    /// The result, with the numbers printed beside the score.
    type Score: Score;

    /// Checks the settings.
    ///
    /// # Errors
    /// The setting that makes the score undefined.
    fn check(&self) -> Result<(), MetricsError>;

    /// Counts a sentence has.
    fn statistics_width(&self) -> usize;

    /// The counts `[statistics_width]` of one hypothesis against its references, of which there is at least one.
    fn sentence_statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<u64>;

    /// The score of summed counts `[statistics_width]`.
    fn score_of_totals(&self, totals: &[u64]) -> Self::Score;

    /// The signature of a score against `references` references.
    fn signature(&self, references: usize) -> Signature;

    /// The counts of every sentence. `references[reference][line]`: one stream a reference, each as long as `hypotheses`.
    ///
    /// # Errors
    /// No line, no reference, a reference of another length, or a setting [`check`](Self::check) refuses.
    fn corpus_statistics<H: AsRef<str>, L: AsRef<[R]>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[L],
    ) -> Result<Statistics, MetricsError> {
        self.check()?;
        check_lengths(hypotheses.len(), references)?;
        let mut counts = Vec::with_capacity(hypotheses.len() * self.statistics_width());
        for (line, hypothesis) in hypotheses.iter().enumerate() {
            let references: Vec<&str> =
                references.iter().map(|stream| stream.as_ref()[line].as_ref()).collect();
            counts.extend(self.sentence_statistics(hypothesis.as_ref(), &references));
        }
        Ok(Statistics { width: self.statistics_width(), counts })
    }

    /// The score of a whole corpus. `references[reference][line]`.
    ///
    /// # Errors
    /// As [`corpus_statistics`](Self::corpus_statistics).
    fn corpus_score<H: AsRef<str>, L: AsRef<[R]>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[L],
    ) -> Result<Self::Score, MetricsError> {
        let statistics = self.corpus_statistics(hypotheses, references)?;
        Ok(self.score_of_totals(&statistics.totals()))
    }

    /// The score of one sentence against its references. For BLEU set [`Orders::Effective`](crate::Orders::Effective), as
    /// sacreBLEU's command line does.
    ///
    /// # Errors
    /// No reference, or a setting [`check`](Self::check) refuses.
    fn sentence_score<R: AsRef<str>>(
        &self,
        hypothesis: &str,
        references: &[R],
    ) -> Result<Self::Score, MetricsError> {
        let streams: Vec<[&str; 1]> = references.iter().map(|line| [line.as_ref()]).collect();
        self.corpus_score(&[hypothesis], &streams)
    }
}

fn check_lengths<L: AsRef<[R]>, R>(
    hypotheses: usize,
    references: &[L],
) -> Result<(), MetricsError> {
    if references.is_empty() {
        return Err(MetricsError::NoReferences);
    }
    for (index, stream) in references.iter().enumerate() {
        let lines = stream.as_ref().len();
        if lines != hypotheses {
            return Err(MetricsError::LineCount { reference: index + 1, lines, hypotheses });
        }
    }
    if hypotheses == 0 { Err(MetricsError::NoLines) } else { Ok(()) }
}

/// The counts of every sentence of a corpus: `[sentences, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    width: usize,
    counts: Vec<u64>,
}

impl Statistics {
    /// Sentences.
    pub fn sentences(&self) -> usize {
        self.counts.len() / self.width
    }

    /// The counts of several texts, one behind the other.
    ///
    /// # Panics
    /// If there are none, or they are of different metrics.
    pub fn joined<'s>(texts: impl Iterator<Item = &'s Statistics>) -> Statistics {
        let join = |mut all: Statistics, text: Statistics| {
            assert_eq!(all.width, text.width, "texts have counts of one metric");
            all.counts.extend(text.counts);
            all
        };
        texts.cloned().reduce(join).expect("there is a text")
    }

    /// Counts a sentence.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The counts of one sentence, `[width]`.
    ///
    /// # Panics
    /// If there is no such sentence.
    pub fn row(&self, sentence: usize) -> &[u64] {
        &self.counts[sentence * self.width..][..self.width]
    }

    /// The sum over all sentences, `[width]`.
    pub fn totals(&self) -> Vec<u64> {
        self.sum_of(0..self.sentences())
    }

    /// The sum over the sentences named, with repetition, `[width]`.
    ///
    /// # Panics
    /// If there is no such sentence.
    pub fn sum_of(&self, sentences: impl IntoIterator<Item = usize>) -> Vec<u64> {
        let mut totals = vec![0; self.width];
        for sentence in sentences {
            for (total, count) in totals.iter_mut().zip(self.row(sentence)) {
                *total += count;
            }
        }
        totals
    }
}

/// The result of a metric.
pub trait Score {
    /// The metric's name as printed: `BLEU`, `chrF2`, `chrF2++`, `TER`.
    fn name(&self) -> String;

    /// The score, from 0 to 100; that of TER may be larger, and the smaller, the better.
    fn value(&self) -> f64;

    /// What is printed after the score; empty if nothing is.
    fn verbose(&self) -> String;

    /// The line sacreBLEU prints, the score with `decimals` digits after the point.
    fn format(&self, decimals: usize) -> String {
        let line = format!("{} = {:.decimals$} {}", self.name(), self.value(), self.verbose());
        line.trim_end().to_owned()
    }
}
