//! Bootstrap resampling (Koehn, EMNLP 2004), with sacreBLEU's definitions and its random numbers.

use crate::random::Pcg64;
use crate::{CorpusMetric, MetricsError, Score, Signature, Statistics};

/// How to resample; the default is sacreBLEU's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Resamples.
    pub samples: usize,
    /// The seed all resamples flow from, sacreBLEU's `SACREBLEU_SEED`.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { samples: 1000, seed: 12345 }
    }
}

impl Signature {
    /// The signature of a score that comes with a bootstrap: adds `bs` and `seed`.
    pub fn with_bootstrap(self, bootstrap: Bootstrap) -> Self {
        self.with_resampling(bootstrap.samples, bootstrap.seed)
    }
}

/// The spread of a score over resamples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// Mean score of the resamples.
    pub mean: f64,
    /// Half the distance from the 2.5th to the 97.5th percentile of the resamples: the `±` of a 95 % interval.
    pub half_width: f64,
}

/// Two systems on the same test set.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedBootstrap<S> {
    /// Score of the baseline on the whole test set.
    pub baseline: S,
    /// Score of the system on the whole test set.
    pub system: S,
    /// Spread of the baseline.
    pub baseline_confidence: Confidence,
    /// Spread of the system.
    pub system_confidence: Confidence,
    /// Spread of the system's score less the baseline's on the same resample.
    pub difference_confidence: Confidence,
    /// Roughly the chance of a difference at least this large, were both systems equally good: with `d_i` the absolute
    /// differences on resamples, `d` the one observed and `B` resamples, `(1 + #{i: d_i - mean(d) > d}) / (1 + B)`.
    ///
    /// Systems that score alike get 1; sacreBLEU gives identical ones the smallest value there is, `1 / (1 + B)`.
    pub p_value: f64,
}

/// The spread of one system's score over resamples of its sentences.
///
/// # Errors
/// No samples, or statistics that are not the metric's.
pub fn confidence<M: CorpusMetric>(
    metric: &M,
    statistics: &Statistics,
    bootstrap: Bootstrap,
) -> Result<Confidence, MetricsError> {
    let scores = resampled_scores(metric, statistics, bootstrap)?;
    Ok(Confidence::of(&scores))
}

/// Compares a system with a baseline on resamples of the sentences they share.
///
/// Costs `samples * sentences` row sums for each system; nothing is tokenized or counted again.
///
/// ```
/// use wdistill_metrics::{Bleu, Bootstrap, CorpusMetric, paired_bootstrap};
///
/// let references = [["the cat sat on the mat today", "it is raining again in town"]];
/// let bleu = Bleu::default();
/// let teacher = bleu.corpus_statistics(&references[0], &references)?;
/// let student = bleu.corpus_statistics(&["the cat sat on the mat", "it rains"], &references)?;
/// let compared = paired_bootstrap(&bleu, &teacher, &student, Bootstrap::default())?;
/// assert!(compared.baseline.score > compared.system.score);
/// assert!(compared.p_value <= 1.0);
/// # Ok::<(), wdistill_metrics::MetricsError>(())
/// ```
///
/// # Errors
/// No samples, systems of different length, or statistics that are not the metric's.
pub fn paired_bootstrap<M: CorpusMetric>(
    metric: &M,
    baseline: &Statistics,
    system: &Statistics,
    bootstrap: Bootstrap,
) -> Result<PairedBootstrap<M::Score>, MetricsError> {
    if baseline.sentences() != system.sentences() {
        return Err(MetricsError::SystemLines {
            baseline: baseline.sentences(),
            system: system.sentences(),
        });
    }
    // The same seed and length draw the same sentences: that is what pairs the resamples.
    let baseline_scores = resampled_scores(metric, baseline, bootstrap)?;
    let system_scores = resampled_scores(metric, system, bootstrap)?;
    let baseline = metric.score_of_totals(&baseline.totals());
    let system = metric.score_of_totals(&system.totals());
    let observed = (baseline.value() - system.value()).abs();
    let differences: Vec<f64> =
        baseline_scores.iter().zip(&system_scores).map(|(left, right)| right - left).collect();
    Ok(PairedBootstrap {
        p_value: p_value(&differences, observed),
        difference_confidence: Confidence::of(&differences),
        baseline_confidence: Confidence::of(&baseline_scores),
        system_confidence: Confidence::of(&system_scores),
        baseline,
        system,
    })
}

/// Two systems on the same test set, each trained several times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanComparison {
    /// Mean score of the system less mean score of the baseline.
    pub difference: f64,
    /// Its spread over resamples.
    pub confidence: Confidence,
    /// As [`PairedBootstrap::p_value`].
    pub p_value: f64,
}

/// The spread of a mean score: of systems that differ in their seed, all on the same resample of their sentences.
///
/// # Errors
/// As [`paired_bootstrap`]; no systems are as no samples.
pub fn confidence_of_mean<M: CorpusMetric>(
    metric: &M,
    systems: &[&Statistics],
    bootstrap: Bootstrap,
) -> Result<Confidence, MetricsError> {
    Ok(Confidence::of(&resampled_means(metric, systems, bootstrap)?))
}

/// Compares the mean score of systems that differ in their seed with that of some baselines, all on the same resamples. With
/// one of each it is [`paired_bootstrap`].
///
/// # Errors
/// As [`paired_bootstrap`]; no systems are as no samples.
pub fn paired_bootstrap_of_means<M: CorpusMetric>(
    metric: &M,
    baselines: &[&Statistics],
    systems: &[&Statistics],
    bootstrap: Bootstrap,
) -> Result<MeanComparison, MetricsError> {
    let all: Vec<&Statistics> = baselines.iter().chain(systems).copied().collect();
    for pair in all.windows(2) {
        let (baseline, system) = (pair[0].sentences(), pair[1].sentences());
        if baseline != system {
            return Err(MetricsError::SystemLines { baseline, system });
        }
    }
    let baseline_scores = resampled_means(metric, baselines, bootstrap)?;
    let system_scores = resampled_means(metric, systems, bootstrap)?;
    let whole = |all: &[&Statistics]| {
        mean_of(all.iter().map(|one| metric.score_of_totals(&one.totals()).value()))
    };
    let difference = whole(systems) - whole(baselines);
    let differences: Vec<f64> =
        baseline_scores.iter().zip(&system_scores).map(|(left, right)| right - left).collect();
    Ok(MeanComparison {
        difference,
        confidence: Confidence::of(&differences),
        p_value: p_value(&differences, difference.abs()),
    })
}

/// The mean score of some systems on each resample.
fn resampled_means<M: CorpusMetric>(
    metric: &M,
    systems: &[&Statistics],
    bootstrap: Bootstrap,
) -> Result<Vec<f64>, MetricsError> {
    let scores = systems
        .iter()
        .map(|statistics| resampled_scores(metric, statistics, bootstrap))
        .collect::<Result<Vec<_>, _>>()?;
    let samples = scores.first().ok_or(MetricsError::NoSamples)?.len();
    Ok((0..samples).map(|sample| mean_of(scores.iter().map(|scores| scores[sample]))).collect())
}

impl Confidence {
    fn of(scores: &[f64]) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = sorted.len() / 40;
        let half_width = 0.5 * (sorted[sorted.len() - cut - 1] - sorted[cut]);
        Confidence { mean: mean(&sorted), half_width }
    }
}

fn p_value(differences: &[f64], observed: f64) -> f64 {
    if observed == 0.0 {
        return 1.0;
    }
    let differences: Vec<f64> = differences.iter().map(|value| value.abs()).collect();
    let expected = mean(&differences);
    let extreme = differences.iter().filter(|&&value| value - expected > observed).count();
    (extreme + 1) as f64 / (differences.len() + 1) as f64
}

fn mean(values: &[f64]) -> f64 {
    mean_of(values.iter().copied())
}

fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The score of each resample: as many sentences as there are, drawn with replacement.
fn resampled_scores<M: CorpusMetric>(
    metric: &M,
    statistics: &Statistics,
    bootstrap: Bootstrap,
) -> Result<Vec<f64>, MetricsError> {
    metric.check()?;
    let (found, expected) = (statistics.width(), metric.statistics_width());
    if found != expected {
        return Err(MetricsError::StatisticsWidth { found, expected });
    }
    if bootstrap.samples == 0 {
        return Err(MetricsError::NoSamples);
    }
    let lines = statistics.sentences();
    let bound =
        u32::try_from(lines).map_err(|_| MetricsError::TooManyLines { lines, limit: u32::MAX })?;
    let mut generator = Pcg64::new(bootstrap.seed);
    let scores = (0..bootstrap.samples).map(|_| {
        let drawn = (0..lines).map(|_| generator.below(bound) as usize);
        metric.score_of_totals(&statistics.sum_of(drawn)).value()
    });
    Ok(scores.collect())
}
