//! What there is of a run while it goes on, read from its folder; whoever carries it out is not disturbed.

use std::fs;
use std::path::{Path, PathBuf};

use wdistill_base::{ContentError, FileError, Problem};
use wdistill_report::{Curve, Report, StageRow, StageState, from_json};
use wdistill_train::{Event, LINES_FILE, TrainingRecipe, now};

use crate::error::PipelineError;
use crate::lengths::updates_of;
use crate::names::{GENERATOR, STUDENT, TEACHER};
use crate::plan::{Plan, ResolvedSystem};
use crate::recipe::Recipe;
use crate::stage::is_finished;
use crate::stages::point;

/// A training of a run.
struct Training<'a> {
    /// System in the charts.
    system: String,
    /// Its folder below that of the run.
    folder: PathBuf,
    settings: &'a TrainingRecipe,
    seed: u64,
    /// The phase before it, if there is one, and its folder.
    before: Option<(&'a TrainingRecipe, PathBuf)>,
}

/// The report of a run as far as it is known, with the curves of all trainings up to now, and how far each of them is.
///
/// # Errors
/// [`PipelineError::Io`] or [`PipelineError::Recipe`] if the folder has no recipe that a run wrote, and
/// [`PipelineError::Content`] for a log or a report that is damaged.
pub fn watch(run: &Path) -> Result<(Report, Vec<StageRow>), PipelineError> {
    let plan = Recipe::read(&run.join("recipe.toml"), None)?.plan()?;
    let mut report = last_report(run)?.unwrap_or_else(|| Report {
        title: plan.title.clone(),
        task_description: plan.data.description.clone(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        seed: plan.seed,
        ..Report::default()
    });
    report.created = now();
    report.curves.clear();
    let mut rows = Vec::new();
    for training in trainings(&plan) {
        let events = events(&run.join(&training.folder).join(LINES_FILE))?;
        rows.push(training.row(run, &events)?);
        report.curves.extend(training.curve(run, &events)?);
    }
    let is_done = rows.iter().all(|row| row.state == StageState::Finished);
    report.unfinished = report.unfinished.or_else(|| (!is_done).then(|| GOES_ON.to_string()));
    Ok((report, rows))
}

/// What is said of a run without a report.
const GOES_ON: &str = "this run has not come to its first report";

/// The trainings of a plan in their order.
fn trainings(plan: &Plan) -> Vec<Training<'_>> {
    let teacher = plan.teacher.training().map(|settings| Training {
        system: TEACHER.to_string(),
        folder: TEACHER.into(),
        settings,
        seed: plan.seed,
        before: None,
    });
    let of_students = plan.systems.iter().flat_map(|system| {
        let candidates = system.candidates();
        let repetitions = system.repetitions(&candidates[0]);
        // A rate that is tried has a curve of its own, a seed a place in the system's.
        let candidates = candidates.into_iter().map(|one| (one.name.clone(), one));
        let repetitions = repetitions.into_iter().map(|one| (system.name.clone(), one));
        candidates.chain(repetitions).flat_map(|(name, one)| phases(system, name, &one))
    });
    teacher.into_iter().chain(of_students).collect()
}

/// The phases of one student of a system.
fn phases<'a>(system: &'a ResolvedSystem, name: String, one: &ResolvedSystem) -> Vec<Training<'a>> {
    let training = |phase: &str, settings, before| Training {
        system: name.clone(),
        folder: Path::new(&one.name).join(phase),
        settings,
        seed: one.seed,
        before,
    };
    let generator = system.generator.as_ref();
    let before = generator.map(|settings| (settings, Path::new(&one.name).join(GENERATOR)));
    let first = generator.map(|settings| training(GENERATOR, settings, None));
    first.into_iter().chain([training(STUDENT, &system.training, before)]).collect()
}

impl Training<'_> {
    fn row(&self, run: &Path, events: &[Event]) -> Result<StageRow, PipelineError> {
        let all_updates = updates_of(self.settings, &run.join(&self.folder))?;
        let state = match (is_finished(&run.join(&self.folder)), events) {
            (true, _) => StageState::Finished,
            (false, []) => StageState::ToCome,
            (false, _) => StageState::UnderWay,
        };
        let last = events.last();
        let updates = last.map_or(0, Event::updates);
        let seconds = last.map(|event| match event {
            Event::Training(event) => event.seconds,
            Event::Validation(event) => event.seconds,
        });
        let left = |seconds: f64| {
            let left = all_updates?.saturating_sub(updates) as f64;
            Some(seconds / updates as f64 * left)
        };
        let training = events.iter().rev().find_map(|event| match event {
            Event::Training(event) => Some(event),
            Event::Validation(_) => None,
        });
        let validation = events.iter().rev().find_map(|event| match event {
            Event::Validation(event) => Some(event),
            Event::Training(_) => None,
        });
        Ok(StageRow {
            name: self.folder.display().to_string(),
            state,
            updates,
            all_updates,
            training_loss: training.map(|event| event.loss),
            validation_loss: validation.map(|event| event.loss),
            validation_bleu: validation.and_then(|event| event.bleu),
            tokens_per_second: training.map(|event| event.tokens_per_second),
            seconds,
            seconds_left: seconds.filter(|_| state == StageState::UnderWay).and_then(left),
            last_line: last.map(|event| event.time().to_string()),
        })
    }

    fn curve(&self, run: &Path, events: &[Event]) -> Result<Option<Curve>, PipelineError> {
        let before = self.before.as_ref();
        let before = before.map(|(settings, folder)| updates_of(settings, &run.join(folder)));
        let before = before.transpose()?.flatten().unwrap_or(0);
        let stage = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let points = events.iter().map(|event| point(event, before)).collect();
        let (system, seed) = (self.system.clone(), Some(self.seed));
        Ok((!events.is_empty()).then_some(Curve { system, stage, seed, points }))
    }
}

/// The report that the run wrote last, if it has come so far.
fn last_report(run: &Path) -> Result<Option<Report>, PipelineError> {
    let path = run.join("report.json");
    let Some(text) = text_of(&path)? else { return Ok(None) };
    let problem = |error: wdistill_report::Error| {
        let problem = Problem::with_hint(error.to_string(), "the run writes it again");
        PipelineError::Content(ContentError { path: path.clone(), line: 1, problem })
    };
    Ok(Some(from_json(&text).map_err(problem)?))
}

/// The lines of a training's log; the last one may be half written.
fn events(path: &Path) -> Result<Vec<Event>, PipelineError> {
    let text = text_of(path)?.unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let event = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            let (path, line) = (path.to_path_buf(), index + 1);
            let problem =
                Problem::with_hint(error.to_string(), "the run writes it again when it goes on");
            PipelineError::Content(ContentError { path, line, problem })
        })
    };
    whole.lines().enumerate().map(event).collect()
}

fn text_of(path: &Path) -> Result<Option<String>, PipelineError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other.map_err(FileError::when("read", path))?)),
    }
}
