//! Scores, equal to sacreBLEU's.

use pyo3::prelude::*;
use wdistill::Problem;
use wdistill::metrics::{Bleu, Chrf, CorpusMetric, MetricsError, Score, Ter};

use crate::errors::{raise, unknown};
use crate::waiting::without_lock;

/// The score of a text.
#[pyclass(frozen, module = "wdistill")]
pub struct ScoreResult {
    score: Box<dyn Score + Send + Sync>,
    signature: String,
}

#[pymethods]
impl ScoreResult {
    #[getter]
    fn name(&self) -> String {
        self.score.name()
    }

    #[getter]
    fn score(&self) -> f64 {
        self.score.value()
    }

    #[getter]
    fn signature(&self) -> &str {
        &self.signature
    }

    /// The line that sacreBLEU prints.
    #[pyo3(signature = (decimals=1))]
    fn format(&self, decimals: usize) -> String {
        self.score.format(decimals)
    }

    fn __repr__(&self) -> String {
        self.score.format(2)
    }
}

/// A metric by its name.
#[derive(Clone, Copy)]
enum Metric {
    Bleu,
    Chrf,
    ChrfPlusPlus,
    Ter,
}

impl Metric {
    fn of(name: &str) -> PyResult<Metric> {
        match name {
            "bleu" => Ok(Metric::Bleu),
            "chrf" => Ok(Metric::Chrf),
            "chrf++" => Ok(Metric::ChrfPlusPlus),
            "ter" => Ok(Metric::Ter),
            other => Err(unknown("metric", other, "\"bleu\", \"chrf\", \"chrf++\" or \"ter\"")),
        }
    }
}

fn chrf_plus_plus() -> Chrf {
    Chrf { word_order: 2, ..Chrf::default() }
}

/// Lines of translations and of each set of references.
type Texts = (Vec<String>, Vec<Vec<String>>);

fn of_corpus<M>(metric: &M, (hypotheses, references): &Texts) -> Result<ScoreResult, MetricsError>
where
    M: CorpusMetric,
    M::Score: Score + Send + Sync + 'static,
{
    let score = metric.corpus_score(hypotheses, references)?;
    let signature = metric.signature(references.len()).to_string();
    Ok(ScoreResult { score: Box::new(score), signature })
}

fn of_sentences<M>(metric: &M, (hypotheses, references): &Texts) -> Result<Vec<f64>, MetricsError>
where
    M: CorpusMetric,
    M::Score: Score,
{
    let statistics = metric.corpus_statistics(hypotheses, references)?;
    let of_line = |line| metric.score_of_totals(statistics.row(line)).value();
    Ok((0..hypotheses.len()).map(of_line).collect())
}

/// The score of a text.
#[pyfunction]
#[pyo3(signature = (hypotheses, references, *, metric="bleu"))]
pub fn score(
    py: Python<'_>,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    metric: &str,
) -> PyResult<ScoreResult> {
    let metric = Metric::of(metric)?;
    let texts = (hypotheses, references);
    let work = move || match metric {
        Metric::Bleu => of_corpus(&Bleu::default(), &texts),
        Metric::Chrf => of_corpus(&Chrf::default(), &texts),
        Metric::ChrfPlusPlus => of_corpus(&chrf_plus_plus(), &texts),
        Metric::Ter => of_corpus(&Ter::default(), &texts),
    };
    without_lock(py, work, || {})?.map_err(|error| raise(&Problem::of(&error)))
}

/// The score of each line by itself.
#[pyfunction]
#[pyo3(signature = (hypotheses, references, *, metric="chrf"))]
pub fn sentence_scores(
    py: Python<'_>,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    metric: &str,
) -> PyResult<Vec<f64>> {
    let metric = Metric::of(metric)?;
    let texts = (hypotheses, references);
    let work = move || match metric {
        Metric::Bleu => of_sentences(&Bleu::for_sentences(), &texts),
        Metric::Chrf => of_sentences(&Chrf::default(), &texts),
        Metric::ChrfPlusPlus => of_sentences(&chrf_plus_plus(), &texts),
        Metric::Ter => of_sentences(&Ter::default(), &texts),
    };
    without_lock(py, work, || {})?.map_err(|error| raise(&Problem::of(&error)))
}
