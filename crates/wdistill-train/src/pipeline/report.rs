//! The report of a finished run.

use wdistill_formats::{atomic_write, native};
use wdistill_metrics::{Bleu, Bootstrap, CorpusMetric, paired_bootstrap};
use wdistill_report::{
    Comparison, Curve, CurvePoint, Decoding, Report, Signatures, SystemRow, html, to_json,
};
use wdistill_text::read_lines;

use super::{Finished, Pipeline, Prepared, recipe_text};
use crate::benchmark::Speed;
use crate::data::TextSet;
use crate::error::TrainError;
use crate::log::{Event, read_events};
use crate::machine;
use crate::recipe::{Method, ResolvedSystem};

impl Pipeline {
    /// Puts everything together and writes `report.json` and `report.html`.
    pub(super) fn report(
        &self,
        prepared: &Prepared,
        systems: &[Finished],
        speeds: &[Speed],
    ) -> Result<Report, TrainError> {
        let test = prepared.test();
        let recipe = &self.recipe;
        let decoding = recipe.decoding;
        let speeds = speeds.iter().map(Some).chain(std::iter::repeat(None));
        let rows = systems.iter().zip(speeds);
        let texts = [&prepared.training, &prepared.validation, test];
        let report = Report {
            title: recipe.title.clone(),
            task_description: recipe.data.description.clone(),
            created: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            machine: machine::describe(self.options.threads),
            commit: self.options.commit.clone(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            seed: recipe.seed,
            recipe_toml: recipe_text(&recipe.spelled_out(&self.resolved)),
            data: texts.iter().map(|set| set.summary()).collect(),
            decoding: Decoding {
                beam: decoding.beam,
                length_penalty: decoding.length_penalty,
                max_ratio: decoding.max_length_ratio,
                batch: decoding.batch_tokens,
            },
            systems: rows.map(|(system, speed)| row(system, speed)).collect::<Result<_, _>>()?,
            curves: self.curves(systems)?,
            comparisons: self.comparisons(test, systems)?,
            notes: notes(prepared, systems),
        };
        let json = to_json(&report).expect("every number of a report is finite");
        atomic_write(&self.path("report.json"), json.as_bytes())?;
        atomic_write(&self.path("report.html"), html(&report).as_bytes())?;
        Ok(report)
    }

    fn curves(&self, systems: &[Finished]) -> Result<Vec<Curve>, TrainError> {
        let mut curves = Vec::new();
        for Finished { trained: system, .. } in systems {
            let mut before = 0;
            for (stage, result) in &system.stages {
                let events = read_events(&self.path(stage).join("metrics.jsonl"))?;
                curves.push(Curve {
                    system: system.name.clone(),
                    stage: stage.rsplit('/').next().unwrap_or(stage).to_string(),
                    points: events.iter().map(|event| point(event, before)).collect(),
                });
                before += result.updates;
            }
        }
        Ok(curves)
    }

    /// Every finished student of weight distillation against every one of another method and the same
    /// shape.
    fn comparisons(
        &self,
        test: &TextSet,
        finished: &[Finished],
    ) -> Result<Vec<Comparison>, TrainError> {
        let bleu = Bleu::default();
        let references = [test.references.as_slice()];
        let statistics = |name: &str| {
            let path = self.path(&format!("evaluation/{name}/test.txt"));
            Ok::<_, TrainError>(bleu.corpus_statistics(&read_lines(&path)?.lines, &references)?)
        };
        let is_finished = |system: &&ResolvedSystem| {
            finished.iter().any(|finished| finished.trained.name == system.name)
        };
        let systems: Vec<&ResolvedSystem> =
            self.resolved.systems.iter().filter(is_finished).collect();
        let mut comparisons = Vec::new();
        for ours in systems.iter().filter(|system| system.method == Method::Wd) {
            let is_rival = |system: &&&ResolvedSystem| {
                system.method != Method::Wd && system.architecture == ours.architecture
            };
            for rival in systems.iter().filter(is_rival) {
                let (ours, rival) = (ours.name.as_str(), rival.name.as_str());
                let bootstrap = Bootstrap::default();
                let compared =
                    paired_bootstrap(&bleu, &statistics(rival)?, &statistics(ours)?, bootstrap)?;
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
                    // Resampling says nothing about systems that score alike.
                    p_value: if difference == 0.0 { 1.0 } else { compared.p_value },
                    samples: bootstrap.samples as u64,
                });
            }
        }
        Ok(comparisons)
    }
}

fn row(finished: &Finished, speed: Option<&Speed>) -> Result<SystemRow, TrainError> {
    let Finished { trained: system, evaluation } = finished;
    let model = native::load(&system.model)?;
    let training = system.stages.iter().map(|(_, result)| result);
    Ok(SystemRow {
        name: system.name.clone(),
        description: system.description.clone(),
        shape: model.config.architecture.summary(),
        parameters: model.weights.count() as u64,
        updates: training.clone().map(|result| result.updates).sum(),
        bleu_validation: Some(evaluation.bleu_validation),
        bleu_test: Some(evaluation.bleu_test),
        chrf_test: Some(evaluation.chrf_test),
        tokens_per_second: speed.map(|speed| speed.tokens_per_second),
        sentences_per_second: speed.map(|speed| speed.sentences_per_second),
        speed_up: speed.map(|speed| speed.speed_up),
        // A teacher that is given has no stages.
        training_seconds: (!system.stages.is_empty())
            .then(|| training.map(|result| result.seconds).sum()),
        signatures: Signatures {
            bleu: Some(evaluation.bleu_signature.clone()),
            chrf: Some(evaluation.chrf_signature.clone()),
        },
    })
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

fn notes(prepared: &Prepared, systems: &[Finished]) -> Vec<String> {
    let mut notes = prepared.notes.clone();
    for Finished { trained: system, evaluation } in systems {
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
        for (stage, result) in &system.stages {
            if result.early {
                let updates = result.updates;
                notes.push(format!("{stage}: stopped early, after {updates} updates"));
            }
        }
    }
    notes
}
