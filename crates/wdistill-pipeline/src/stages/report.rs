//! The report of a finished run.

use std::collections::BTreeMap;

use wdistill_base::atomic_write;
use wdistill_formats::native;
use wdistill_metrics::{Bleu, Bootstrap, CorpusMetric, Statistics, paired_bootstrap};
use wdistill_model::Transformer;
use wdistill_report::{
    Comparison, Curve, CurvePoint, Decoding, Report, SeedMean, Signatures, SystemRow, html, to_json,
};
use wdistill_runtime::Precision;
use wdistill_text::read_lines;
use wdistill_train::{Event, above_uniform};

use crate::data::TextSet;
use crate::error::PipelineError;
use crate::machine;
use crate::methods::Role;
use crate::pipeline::{Pipeline, recipe_text};
use crate::plan::ResolvedSystem;
use crate::stages::benchmark::Speed;
use crate::stages::evaluate::Finished;
use crate::stages::prepare::Prepared;

impl Pipeline {
    /// Puts everything together and writes `report.json` and `report.html`.
    pub(crate) fn report(
        &self,
        prepared: &Prepared,
        systems: &[Finished],
        speeds: &[Speed],
    ) -> Result<Report, PipelineError> {
        let test = prepared.test();
        let plan = &self.plan;
        let decoding = &plan.decoding;
        let has_speeds = !speeds.is_empty();
        let speeds = speeds.iter().map(Some).chain(std::iter::repeat(None));
        let rows = systems.iter().zip(speeds);
        let texts = [&prepared.training, &prepared.validation, test];
        let report = Report {
            title: plan.title.clone(),
            task_description: plan.data.description.clone(),
            created: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            machine: machine::describe(self.options.threads),
            commit: self.options.commit.clone(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            unfinished: self.unfinished(systems, has_speeds),
            seed: plan.seed,
            recipe_toml: recipe_text(&self.plan.without_folders().to_recipe()),
            data: texts.iter().map(|set| set.summary()).collect(),
            decoding: Decoding {
                beam: decoding.search.beam_size,
                length_penalty: decoding.search.length_penalty,
                max_ratio: decoding.search.max_length_ratio,
                max_surplus: decoding.search.max_length_constant,
                max_length: decoding.search.max_length,
                batch: decoding.batch_tokens,
                precision: match decoding.precision {
                    Precision::Float32 => "float32".to_string(),
                    Precision::Int8 => "int8".to_string(),
                },
            },
            systems: rows
                .map(|(system, speed)| self.row(system, speed))
                .collect::<Result<_, _>>()?,
            curves: curves(systems),
            means: self.means(systems),
            comparisons: self.comparisons(test, systems)?,
            notes: self.notes(prepared, systems),
        };
        let json = to_json(&report).expect("every number of a report is finite");
        atomic_write(&self.path("report.json"), json.as_bytes())?;
        atomic_write(&self.path("report.html"), html(&report).as_bytes())?;
        Ok(report)
    }

    /// What is missing from a report that is written on the way.
    fn unfinished(&self, finished: &[Finished], has_speeds: bool) -> Option<String> {
        let is_missing =
            |name: &String| !finished.iter().any(|finished| finished.trained.name == *name);
        let names = self.plan.systems.iter().map(|system| system.name.clone());
        let mut missing: Vec<String> = names.filter(is_missing).collect();
        missing.extend((!has_speeds).then(|| "speeds".to_string()));
        (!missing.is_empty()).then(|| format!("to come: {}", missing.join(", ")))
    }

    /// The system that a finished one is; none for the teacher.
    fn system(&self, finished: &Finished) -> Option<&ResolvedSystem> {
        let is_it = |system: &&ResolvedSystem| system.name == finished.trained.name;
        self.plan.systems.iter().find(is_it)
    }

    /// Of all finished systems of which there is more than one seed.
    fn means(&self, finished: &[Finished]) -> Vec<SeedMean> {
        let mut groups: Vec<(ResolvedSystem, Vec<&Finished>)> = Vec::new();
        for one in finished {
            let Some(system) = self.system(one) else { continue };
            let alike = ResolvedSystem { name: String::new(), seed: 0, ..system.clone() };
            match groups.iter_mut().find(|(known, _)| *known == alike) {
                Some((_, group)) => group.push(one),
                None => groups.push((alike, vec![one])),
            }
        }
        let groups = groups.into_iter().map(|(_, group)| group).filter(|group| group.len() > 1);
        groups.map(|group| seed_mean(&group)).collect()
    }

    /// Every finished student of weight distillation against every one of another method, the same
    /// shape and the same seed.
    fn comparisons(
        &self,
        test: &TextSet,
        finished: &[Finished],
    ) -> Result<Vec<Comparison>, PipelineError> {
        let bleu = Bleu::default();
        let references = [test.references.as_slice()];
        let systems: Vec<&ResolvedSystem> =
            finished.iter().filter_map(|finished| self.system(finished)).collect();
        let mut statistics: BTreeMap<&str, Statistics> = BTreeMap::new();
        for ResolvedSystem { name, .. } in &systems {
            let lines = read_lines(&self.path(&format!("evaluation/{name}/test.txt")))?.lines;
            statistics.insert(name, bleu.corpus_statistics(&lines, &references)?);
        }
        let mut comparisons = Vec::new();
        for ours in systems.iter().filter(|system| system.method.role == Role::Proposed) {
            let is_rival = |system: &&&ResolvedSystem| {
                system.method.role == Role::Rival
                    && system.architecture == ours.architecture
                    && system.seed == ours.seed
            };
            for rival in systems.iter().filter(is_rival) {
                let (ours, rival) = (ours.name.as_str(), rival.name.as_str());
                let bootstrap = Bootstrap::default();
                let compared =
                    paired_bootstrap(&bleu, &statistics[rival], &statistics[ours], bootstrap)?;
                let difference = compared.system.score - compared.baseline.score;
                let (better, than) = match difference >= 0.0 {
                    true => (ours, rival),
                    false => (rival, ours),
                };
                comparisons.push(Comparison {
                    better: better.to_string(),
                    than: than.to_string(),
                    metric: "BLEU".to_string(),
                    difference: difference.abs(),
                    confidence_half_width: compared.difference_confidence.half_width,
                    p_value: compared.p_value,
                    samples: bootstrap.samples as u64,
                });
            }
        }
        Ok(comparisons)
    }

    fn seed(&self, finished: &Finished) -> Option<u64> {
        match self.system(finished) {
            Some(system) => Some(system.seed),
            // A teacher that is given has no stages.
            None => (!finished.trained.stages.is_empty()).then_some(self.plan.seed),
        }
    }

    fn row(&self, finished: &Finished, speed: Option<&Speed>) -> Result<SystemRow, PipelineError> {
        let Finished { trained: system, evaluation } = finished;
        let config = native::load_config(&system.model)?;
        let training = system.stages.iter().map(|(_, result)| result);
        // A teacher that is given has no stages.
        let is_trained = !system.stages.is_empty();
        Ok(SystemRow {
            name: system.name.clone(),
            description: system.description.clone(),
            shape: config.architecture.summary(),
            parameters: Transformer::parameters(&config) as u64,
            seed: self.seed(finished),
            updates: is_trained.then(|| training.clone().map(|result| result.updates).sum()),
            bleu_validation: Some(evaluation.bleu_validation),
            bleu_test: Some(evaluation.bleu_test),
            chrf_test: Some(evaluation.chrf_test),
            tokens_per_second: speed.map(|speed| speed.tokens_per_second),
            sentences_per_second: speed.map(|speed| speed.sentences_per_second),
            speed_up: speed.map(|speed| speed.speed_up),
            training_seconds: is_trained.then(|| training.map(|result| result.seconds).sum()),
            signatures: Signatures {
                bleu: Some(evaluation.bleu_signature.clone()),
                chrf: Some(evaluation.chrf_signature.clone()),
            },
        })
    }

    fn notes(&self, prepared: &Prepared, systems: &[Finished]) -> Vec<String> {
        let mut notes = prepared.notes.clone();
        for finished in systems {
            let Finished { trained: system, evaluation } = finished;
            let counts = [
                (evaluation.cut_translations, "were cut at the maximum length"),
                (evaluation.joined_lines, "had a line break, which was written as a space"),
            ];
            for ([validation, test], what) in counts {
                for (text, count) in [("validation", validation), ("test", test)] {
                    if count > 0 {
                        notes.push(format!("{}: {count} {text} translations {what}", system.name));
                    }
                }
            }
            notes.extend(self.system(finished).and_then(loss_note));
            for (stage, result) in &system.stages {
                if let Some(selected) = &result.selected {
                    notes.push(format!("{stage}: {}", selected.in_words()));
                    let words = prepared.vocabularies.target.size();
                    if let Some(problem) = above_uniform(selected.judgement.loss, words) {
                        notes.push(format!("{stage}: has learnt nothing that helps: {problem}"));
                    }
                }
                if result.early {
                    let updates = result.updates;
                    notes.push(format!("{stage}: stopped early, after {updates} updates"));
                }
            }
        }
        notes
    }
}

fn seed_mean(group: &[&Finished]) -> SeedMean {
    let scores: Vec<f64> = group.iter().map(|system| system.evaluation.bleu_test).collect();
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    SeedMean {
        systems: group.iter().map(|system| system.trained.name.clone()).collect(),
        metric: "BLEU test".to_string(),
        mean,
        deviation: (squares / (count - 1.0)).sqrt(),
    }
}

/// A warning for those who would compare its two losses.
fn loss_note(system: &ResolvedSystem) -> Option<String> {
    system.learns_words().then(|| {
        format!(
            "{}: the training loss mixes in the cross-entropy with the teacher's distribution, the \
             validation loss does not",
            system.name
        )
    })
}

/// Losses and scores of every training stage, over the updates of a system.
fn curves(systems: &[Finished]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for Finished { trained: system, .. } in systems {
        let mut before = 0;
        for (stage, result) in &system.stages {
            curves.push(Curve {
                system: system.name.clone(),
                stage: stage.rsplit('/').next().unwrap_or(stage).to_string(),
                points: result.events.iter().map(|event| point(event, before)).collect(),
            });
            before += result.updates;
        }
    }
    curves
}

fn point(event: &Event, before: u64) -> CurvePoint {
    let empty = CurvePoint { updates: before + event.updates(), ..CurvePoint::default() };
    match event {
        Event::Training(event) => CurvePoint { training_loss: Some(event.loss), ..empty },
        Event::Validation(event) => {
            CurvePoint { validation_loss: Some(event.loss), validation_bleu: event.bleu, ..empty }
        }
    }
}
