//! `distill`: recipes from Python.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;
use wdistill::Problem;
use wdistill::pipeline::{
    Caution, Display, Pipeline, PipelineError, Recipe, RunFolder, RunOptions, listen,
};
use wdistill::train::{Alone, Interrupt};

use crate::errors::raise;
use crate::waiting::without_lock;

/// What a keyboard's interrupt is to a run.
const SIGINT: i32 = 2;

/// Carries out a recipe in a folder, and returns its report.
#[pyfunction]
#[pyo3(signature = (recipe, out, *, progress=None, threads=None, force=false))]
pub fn distill<'py>(
    py: Python<'py>,
    recipe: &Bound<'py, PyAny>,
    out: PathBuf,
    progress: Option<Py<PyAny>>,
    threads: Option<usize>,
    force: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let json = py.import("json")?;
    let text: String = json.call_method1("dumps", (recipe,))?.extract()?;
    let text = toml_of(&text).map_err(|problem| raise(&problem))?;
    let interrupt = Interrupt::default();
    let display = if progress.is_some() { Display::Lines } else { Display::Silent };
    let options = RunOptions {
        threads: threads.unwrap_or_else(crate::translator::all_cores),
        display,
        commit: None,
        caution: if force { Caution::GoOn } else { Caution::Stop },
        interrupt: interrupt.clone(),
        ranks: Arc::new(Alone),
    };
    listen(progress.map(|progress| -> wdistill::pipeline::Listener {
        Arc::new(move |said: &str| {
            Python::attach(|py| {
                // What goes wrong in it is shown as Python shows it, and ends nothing.
                if let Err(error) = progress.call1(py, (said,)) {
                    error.write_unraisable(py, None);
                }
            });
        })
    }));
    let folder = out.clone();
    let work = move || run(&text, &folder, options).map_err(|error| Problem::of(&error));
    let done = without_lock(py, work, || _ = interrupt.ask(SIGINT));
    listen(None);
    done?.map_err(|problem| raise(&problem))?;
    let report = std::fs::read_to_string(out.join("report.json"))?;
    json.call_method1("loads", (report,))
}

fn run(recipe: &str, out: &Path, options: RunOptions) -> Result<(), PipelineError> {
    let recipe = Recipe::parse(recipe, Path::new("recipe"), None)?;
    let claimed = RunFolder::claim(out)?;
    Pipeline::new(recipe.plan()?, claimed, options)?.run().map(|_| ())
}

/// A recipe as its file has it. What is `None` is left out.
fn toml_of(json: &str) -> Result<String, Problem> {
    let mut value: serde_json::Value =
        serde_json::from_str(json).map_err(|error| Problem::from(error.to_string()))?;
    drop_nulls(&mut value);
    let table: toml::Table = serde_json::from_value(value)
        .map_err(|error| Problem::from(format!("the recipe: {error}")))?;
    toml::to_string(&table).map_err(|error| Problem::from(format!("the recipe: {error}")))
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
