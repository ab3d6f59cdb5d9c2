//! The report of a finished run.

mod card;
mod rows;
mod samples;

use wdistill_base::atomic_write;
use wdistill_report::{Curve, CurvePoint, Decoding, Report, html, to_json};
use wdistill_train::{Event, above_uniform, now};

use crate::error::PipelineError;
use crate::machine;
use crate::pipeline::{Pipeline, recipe_text};
use crate::plan::ResolvedSystem;
use crate::stages::benchmark::Speed;
use crate::stages::evaluate::{Finished, FinishedSystem};
use crate::stages::prepare::Prepared;

impl Pipeline {
    /// Puts everything together and writes `report.json` and `report.html`.
    pub(crate) fn report(
        &self,
        prepared: &Prepared,
        systems: &[FinishedSystem],
        speeds: &[Speed],
    ) -> Result<Report, PipelineError> {
        let plan = &self.plan;
        let has_speeds = !speeds.is_empty();
        self.cards(prepared, systems, speeds)?;
        let speeds = speeds.iter().map(Some).chain(std::iter::repeat(None));
        let rows = systems.iter().zip(speeds);
        let report = Report {
            title: plan.title.clone(),
            task_description: plan.data.description.clone(),
            created: now(),
            machine: machine::describe(self.options.threads),
            commit: self.options.commit.clone(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            unfinished: self.unfinished(systems, has_speeds),
            seed: plan.seed,
            recipe_toml: recipe_text(&self.plan.without_folders().to_recipe()),
            data: prepared.summaries(),
            decoding: self.decoding(),
            systems: rows
                .map(|(system, speed)| self.row(system, speed, systems))
                .collect::<Result<_, _>>()?,
            curves: curves(systems),
            tests: rows::tests(systems)?,
            rates: rows::rates(systems),
            comparisons: rows::comparisons(systems)?,
            samples: samples::samples(prepared, systems),
            notes: self.notes(prepared, systems),
        };
        let json = to_json(&report).expect("every number of a report is finite");
        atomic_write(&self.path("report.json"), json.as_bytes())?;
        atomic_write(&self.path("report.html"), html(&report).as_bytes())?;
        Ok(report)
    }

    /// How tests are translated.
    fn decoding(&self) -> Decoding {
        let decoding = &self.plan.decoding;
        Decoding {
            beam: decoding.search.beam_size,
            length_penalty: decoding.search.length_penalty,
            max_ratio: decoding.search.max_length_ratio,
            max_surplus: decoding.search.max_length_constant,
            max_length: decoding.search.max_length,
            batch: decoding.batch_tokens,
            precision: decoding.precision.name().to_string(),
        }
    }

    /// What is missing from a report that is written on the way.
    fn unfinished(&self, finished: &[FinishedSystem], has_speeds: bool) -> Option<String> {
        let is_missing = |name: &String| !finished.iter().any(|system| system.name == *name);
        let names = self.plan.systems.iter().map(|system| system.name.clone());
        let mut missing: Vec<String> = names.filter(is_missing).collect();
        missing.extend((!has_speeds).then(|| "speeds".to_string()));
        (!missing.is_empty()).then(|| format!("to come: {}", missing.join(", ")))
    }

    fn notes(&self, prepared: &Prepared, systems: &[FinishedSystem]) -> Vec<String> {
        let mut notes = prepared.notes.clone();
        for FinishedSystem { system, students, .. } in systems {
            notes.extend(system.iter().filter_map(loss_note));
            students.iter().for_each(|student| notes.extend(student_notes(prepared, student)));
        }
        notes
    }
}

/// What a reader should know of a student.
fn student_notes(prepared: &Prepared, student: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    let Finished { trained, evaluation, .. } = student;
    let counts = [
        (&evaluation.cut_translations, "were cut at the maximum length"),
        (&evaluation.joined_lines, "had a line break, which was written as a space"),
    ];
    for (counts, what) in counts {
        for (set, count) in prepared.held_out().zip(counts).filter(|(_, count)| **count > 0) {
            notes.push(format!("{}: {count} {} translations {what}", trained.name, set.role));
        }
    }
    for (stage, result) in &trained.stages {
        notes.push(format!("{stage}: {}", result.selected.in_words()));
        notes.extend(result.modified_in_words().map(|words| format!("{stage}: {words}")));
        let words = prepared.vocabularies.target.size();
        if let Some(problem) = above_uniform(result.selected.judgement.loss, words) {
            notes.push(format!("{stage}: has learnt nothing that helps: {problem}"));
        }
        if result.early {
            notes.push(format!("{stage}: stopped early, after {} updates", result.updates));
        }
    }
    notes
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
fn curves(systems: &[FinishedSystem]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for FinishedSystem { name, students, .. } in systems {
        for Finished { trained, .. } in students {
            let mut before = 0;
            for (stage, result) in &trained.stages {
                curves.push(Curve {
                    system: name.clone(),
                    stage: stage.rsplit('/').next().unwrap_or(stage).to_string(),
                    seed: trained.seed,
                    points: result.events.iter().map(|event| point(event, before)).collect(),
                });
                before += result.updates;
            }
        }
    }
    curves
}

/// What an event adds to a curve, after so many updates of earlier phases.
pub(crate) fn point(event: &Event, before: u64) -> CurvePoint {
    let empty = CurvePoint { updates: before + event.updates(), ..CurvePoint::default() };
    match event {
        Event::Training(event) => CurvePoint { training_loss: Some(event.loss), ..empty },
        Event::Validation(event) => {
            CurvePoint { validation_loss: Some(event.loss), validation_bleu: event.bleu, ..empty }
        }
    }
}
