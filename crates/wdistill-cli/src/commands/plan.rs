//! `wdistill plan`: what a recipe will take, before anything starts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use wdistill_base::in_words;
use wdistill_pipeline::{Estimate, Recipe, StageEstimate, estimate};

use crate::commands::print;
use crate::settings::Common;

/// Arguments of `wdistill plan`.
#[derive(Args)]
pub struct Plan {
    /// The recipe, a TOML file
    recipe: PathBuf,
    /// Folder of the texts, in place of the recipe's
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Plan {
    pub fn run(self) -> anyhow::Result<()> {
        let plan = Recipe::read(&self.recipe, self.data.as_deref())?.plan()?;
        plan.notes.iter().for_each(|note| self.common.say(note));
        let (threads, display) = (self.common.threads(), self.common.display());
        let estimate = self.common.install(|| Ok(estimate(&plan, threads, display)?))?;
        print(&table(&estimate))
    }
}

fn table(estimate: &Estimate) -> String {
    let Estimate { stages, notes } = estimate;
    let width = stages.iter().map(|stage| stage.name.len()).max().unwrap_or(0).max("stage".len());
    let line = |name: &str, rest: [&str; 7]| {
        let [times, parameters, updates, update, time, memory, disk] = rest;
        format!(
            "{name:<width$} {times:>5} {parameters:>10} {updates:>9} {update:>9} {time:>8} {memory:>8} {disk:>8}"
        )
    };
    let heading = ["times", "parameters", "updates", "s/update", "time", "memory", "disk"];
    let row = |stage: &StageEstimate| {
        let updates = stage.updates.map_or(String::new(), |updates| updates.to_string());
        let update = stage.seconds_per_update.map_or(String::new(), seconds);
        let parameters = match stage.parameters {
            0 => String::new(),
            count => format!("{:.2}M", count as f64 / 1e6),
        };
        let cells = [
            stage.times.to_string(),
            parameters,
            updates,
            update,
            in_words(Duration::from_secs_f64(stage.seconds)),
            stage.memory.map_or(String::new(), bytes),
            bytes(stage.disk),
        ];
        line(&stage.name, cells.each_ref().map(String::as_str))
    };
    let memory = estimate.memory().map_or(String::new(), bytes);
    let (time, disk) = (in_words(estimate.duration()), bytes(estimate.disk()));
    let all = line("in all", ["", "", "", "", &time, &memory, &disk]);
    let lines = [line("stage", heading)].into_iter().chain(stages.iter().map(row)).chain([all]);
    let table = lines.map(|line| line.trim_end().to_string()).collect::<Vec<_>>().join("\n");
    format!("{table}\n\n{}", notes.join("\n"))
}

/// Seconds in three digits or so.
fn seconds(value: f64) -> String {
    let decimals = if value < 10.0 { 3 } else { 1 };
    format!("{value:.decimals$}")
}

/// A size with a unit: `450 MB`, `1.2 GB`.
fn bytes(value: u64) -> String {
    match value as f64 / 1e6 {
        megabytes if megabytes < 1000.0 => format!("{megabytes:.0} MB"),
        megabytes => format!("{:.1} GB", megabytes / 1e3),
    }
}
