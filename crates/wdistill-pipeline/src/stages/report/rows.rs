//! Scores of systems, and what lies between them: means over seeds, intervals over sentences.

use wdistill_formats::native;
use wdistill_metrics::{
    Bleu, Bootstrap, Chrf, CorpusMetric, MeanComparison, Score, Statistics, Ter,
    confidence_of_mean, paired_bootstrap_of_means,
};
use wdistill_model::{Architecture, Transformer};
use wdistill_report::{
    Comparison, Difference, Inheritance, Measured, RateRow, Signatures, SystemRow, TestRow,
    TestScores,
};

use crate::error::PipelineError;
use crate::methods::Role;
use crate::pipeline::Pipeline;
use crate::stages::benchmark::Speed;
use crate::stages::evaluate::{Finished, FinishedSystem, TextScores};

/// Counts of one metric for a text's translations.
type CountsOf = fn(&TextScores) -> &Statistics;

const BLEU: CountsOf = |scores| &scores.bleu;
const CHRF: CountsOf = |scores| &scores.chrf;
const TER: CountsOf = |scores| &scores.ter;

/// The place of the validation text in [`Finished::scores`]; the tests come behind it.
const VALIDATION: usize = 0;

impl Pipeline {
    /// A system's row, whose twin is to be found among all.
    pub(super) fn row(
        &self,
        finished: &FinishedSystem,
        speed: Option<&Speed>,
        all: &[FinishedSystem],
    ) -> Result<SystemRow, PipelineError> {
        let FinishedSystem { name, students, rates, .. } = finished;
        let first = &students[0].trained;
        let config = native::load_config(&first.model)?;
        let stages = || students.iter().flat_map(|student| &student.trained.stages);
        // A teacher that is given has no stages.
        let is_trained = stages().next().is_some();
        let updates = || first.stages.iter().map(|(_, result)| result.updates).sum();
        let chosen =
            rates.iter().min_by(|one, other| one.judgement.loss.total_cmp(&other.judgement.loss));
        Ok(SystemRow {
            name: name.clone(),
            description: first.description.clone(),
            shape: config.architecture.summary(),
            parameters: Transformer::parameters(&config) as u64,
            seeds: students.iter().filter_map(|student| student.trained.seed).collect(),
            learning_rate: chosen.map(|tried| tried.learning_rate),
            updates: is_trained.then(updates),
            loss_validation: loss(students),
            bleu_validation: Some(measured(&Bleu::default(), students, BLEU, &[VALIDATION])?),
            test: Some(test_scores("all tests", students, &tests_of(students))?),
            inheritance: inheritance(finished, all)?,
            tokens_per_second: speed.map(|speed| speed.tokens_per_second),
            sentences_per_second: speed.map(|speed| speed.sentences_per_second),
            speed_up: speed.map(|speed| speed.speed_up),
            training_seconds: is_trained.then(|| stages().map(|(_, result)| result.seconds).sum()),
            signatures: signatures(self.plan.data.validation.reference_count()),
        })
    }
}

/// How every score of a report is computed, against so many references.
pub(super) fn signatures(references: usize) -> Signatures {
    Signatures {
        bleu: Some(Bleu::default().signature(references).to_string()),
        chrf: Some(Chrf::default().signature(references).to_string()),
        ter: Some(Ter::default().signature(references).to_string()),
    }
}

/// One student's scores in each test.
pub(super) fn scores_of_each_test(student: &Finished) -> Result<Vec<TestScores>, PipelineError> {
    let students = std::slice::from_ref(student);
    let texts = tests_of(students).into_iter();
    texts.map(|text| test_scores(&student.scores[text].text, students, &[text])).collect()
}

/// Places of the tests.
fn tests_of(students: &[Finished]) -> Vec<usize> {
    (VALIDATION + 1..students[0].scores.len()).collect()
}

/// Counts of each student for the lines of some texts together.
fn counts<'f>(
    students: impl IntoIterator<Item = &'f Finished>,
    counts: CountsOf,
    texts: &[usize],
) -> Vec<Statistics> {
    let of = |student: &Finished| {
        Statistics::joined(texts.iter().map(|text| counts(&student.scores[*text])))
    };
    students.into_iter().map(of).collect()
}

/// Mean and standard deviation over seeds.
fn over_seeds(values: &[f64]) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()))
}

/// The score of students in some texts together.
fn measured<M: CorpusMetric>(
    metric: &M,
    students: &[Finished],
    counts_of: CountsOf,
    texts: &[usize],
) -> Result<Measured, PipelineError> {
    let all = counts(students, counts_of, texts);
    let scores: Vec<f64> =
        all.iter().map(|one| metric.score_of_totals(&one.totals()).value()).collect();
    let (value, deviation) = over_seeds(&scores);
    let all: Vec<&Statistics> = all.iter().collect();
    let spread = confidence_of_mean(metric, &all, Bootstrap::default())?;
    Ok(Measured { value, deviation, half_width: Some(spread.half_width) })
}

fn test_scores(
    name: &str,
    students: &[Finished],
    texts: &[usize],
) -> Result<TestScores, PipelineError> {
    let ratios: Vec<f64> = counts(students, BLEU, texts)
        .iter()
        .map(|one| Bleu::default().score_of_totals(&one.totals()).length_ratio())
        .collect();
    Ok(TestScores {
        text: name.to_string(),
        bleu: measured(&Bleu::default(), students, BLEU, texts)?,
        chrf: measured(&Chrf::default(), students, CHRF, texts)?,
        ter: measured(&Ter::default(), students, TER, texts)?,
        length_ratio: over_seeds(&ratios).0,
    })
}

/// The mean loss on the validation text; nothing for a teacher that is given.
fn loss(students: &[Finished]) -> Option<Measured> {
    let losses: Option<Vec<f64>> =
        students.iter().map(|student| Some(student.trained.judgement()?.loss)).collect();
    let (value, deviation) = over_seeds(&losses?);
    Some(Measured { value, deviation, half_width: None })
}

/// Students of a system whose seeds another system has too.
fn with_seeds_of<'f>(system: &'f FinishedSystem, other: &FinishedSystem) -> Vec<&'f Finished> {
    let seeds: Vec<Option<u64>> =
        other.students.iter().map(|student| student.trained.seed).collect();
    system.students.iter().filter(|student| seeds.contains(&student.trained.seed)).collect()
}

/// A system less another, in one metric on all tests, over the seeds that both have.
fn compared<M: CorpusMetric>(
    metric: &M,
    counts_of: CountsOf,
    system: &FinishedSystem,
    baseline: &FinishedSystem,
) -> Result<MeanComparison, PipelineError> {
    let tests = tests_of(&system.students);
    let [system, baseline] = [(system, baseline), (baseline, system)]
        .map(|(one, other)| counts(with_seeds_of(one, other), counts_of, &tests));
    let [system, baseline] = [&system, &baseline].map(|all| all.iter().collect::<Vec<_>>());
    Ok(paired_bootstrap_of_means(metric, &baseline, &system, Bootstrap::default())?)
}

/// A system less its twin with a blank decoder, if that is there.
fn inheritance(
    finished: &FinishedSystem,
    all: &[FinishedSystem],
) -> Result<Option<Inheritance>, PipelineError> {
    let Some(system) = &finished.system else { return Ok(None) };
    let is_twin = |other: &&FinishedSystem| {
        other.system.as_ref().is_some_and(|other| other.is_twin_of(system))
    };
    let Some(twin) = all.iter().find(is_twin) else { return Ok(None) };
    let difference = |compared: MeanComparison| Difference {
        value: compared.difference,
        half_width: compared.confidence.half_width,
        p_value: compared.p_value,
    };
    let loss_of = |one: &FinishedSystem| loss(&one.students).map_or(f64::NAN, |loss| loss.value);
    Ok(Some(Inheritance {
        twin: twin.name.clone(),
        loss: loss_of(finished) - loss_of(twin),
        bleu: difference(compared(&Bleu::default(), BLEU, finished, twin)?),
        chrf: difference(compared(&Chrf::default(), CHRF, finished, twin)?),
    }))
}

/// Scores on each test, if there are several.
pub(super) fn tests(systems: &[FinishedSystem]) -> Result<Vec<TestRow>, PipelineError> {
    let texts = tests_of(&systems[0].students);
    if texts.len() < 2 {
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    for text in texts {
        for FinishedSystem { name, students, .. } in systems {
            let scores = test_scores(&students[0].scores[text].text, students, &[text])?;
            rows.push(TestRow { system: name.clone(), scores });
        }
    }
    Ok(rows)
}

/// Learning rates that were tried.
pub(super) fn rates(systems: &[FinishedSystem]) -> Vec<RateRow> {
    let of = |system: &FinishedSystem| {
        let row = |tried: &crate::stages::evaluate::TriedRate| RateRow {
            system: system.name.clone(),
            learning_rate: tried.learning_rate,
            loss_validation: tried.judgement.loss,
            score_validation: tried.judgement.score,
        };
        system.rates.iter().map(row).collect::<Vec<_>>()
    };
    systems.iter().flat_map(of).collect()
}

/// Every system that is proposed against every rival of the same shape that has a seed of it.
pub(super) fn comparisons(systems: &[FinishedSystem]) -> Result<Vec<Comparison>, PipelineError> {
    let of_role = |role: Role| {
        let has = move |finished: &'_ &FinishedSystem| {
            finished.system.as_ref().is_some_and(|system| system.method.role == role)
        };
        systems.iter().filter(has)
    };
    fn shape(finished: &FinishedSystem) -> Option<&Architecture> {
        finished.system.as_ref().map(|system| &system.architecture)
    }
    let is_alike = |ours: &FinishedSystem, rival: &FinishedSystem| {
        shape(ours) == shape(rival) && !with_seeds_of(ours, rival).is_empty()
    };
    let mut comparisons = Vec::new();
    for ours in of_role(Role::Proposed) {
        for rival in of_role(Role::Rival).filter(|rival| is_alike(ours, rival)) {
            let found = [
                ("BLEU", compared(&Bleu::default(), BLEU, ours, rival)?),
                ("chrF", compared(&Chrf::default(), CHRF, ours, rival)?),
            ];
            for (metric, MeanComparison { difference, confidence, p_value }) in found {
                let (better, than) = match difference >= 0.0 {
                    true => (ours, rival),
                    false => (rival, ours),
                };
                comparisons.push(Comparison {
                    better: better.name.clone(),
                    than: than.name.clone(),
                    metric: metric.to_string(),
                    difference: difference.abs(),
                    confidence_half_width: confidence.half_width,
                    p_value,
                    samples: Bootstrap::default().samples as u64,
                });
            }
        }
    }
    Ok(comparisons)
}
