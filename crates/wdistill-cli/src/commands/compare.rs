//! `wdistill compare`: the tables of several runs in one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use wdistill_base::{FileError, Problem};
use wdistill_report::{Report, across_runs, from_json};

use crate::commands::print;

/// Arguments of `wdistill compare`.
#[derive(Args)]
pub struct Compare {
    /// Folders of runs, or their report.json
    #[arg(required = true, num_args = 1..)]
    runs: Vec<PathBuf>,
}

impl Compare {
    pub fn run(self) -> anyhow::Result<()> {
        let runs = self.runs.iter().map(|run| Ok((name_of(run), read(run)?)));
        let runs = runs.collect::<anyhow::Result<Vec<(String, Report)>>>()?;
        print(across_runs(&runs).trim_end())
    }
}

/// The name of the folder, by which a run is known.
fn name_of(run: &Path) -> String {
    let folder = if run.is_dir() { Some(run) } else { run.parent() };
    let name = folder.and_then(Path::file_name).unwrap_or(run.as_os_str());
    name.to_string_lossy().into_owned()
}

fn read(run: &Path) -> anyhow::Result<Report> {
    let path = if run.is_dir() { run.join("report.json") } else { run.to_path_buf() };
    if !path.exists() {
        let fact = format!("there is no {}", path.display());
        anyhow::bail!(Problem::with_hint(fact, "a run writes it after its first system"));
    }
    let text = fs::read_to_string(&path).map_err(FileError::when("read", &path))?;
    from_json(&text).with_context(|| format!("{} is no report", path.display()))
}
