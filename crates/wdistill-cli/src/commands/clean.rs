//! `wdistill clean`: a finished run takes less room.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use wdistill_base::Problem;
use wdistill_pipeline::{Cleaned, Removal, RunFolder, Stay, clean};

use crate::commands::print;

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// All that the run needs to go on: only checkpoints, snapshots and best models of finished stages go
    Run,
    /// Models, vocabularies, the recipe and the report; the same run again would begin anew
    Models,
}

/// Arguments of `wdistill clean`.
#[derive(Args)]
pub struct Clean {
    /// Folder of the run
    run: PathBuf,
    /// What stays
    #[arg(long, value_enum, default_value_t = What::Run)]
    keep: What,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

impl Clean {
    pub fn run(self) -> anyhow::Result<()> {
        let fact = format!("{} is not the folder of a run", self.run.display());
        let is_run = RunFolder::is_used(&self.run);
        ensure!(is_run, Problem::with_hint(fact, "it is what --out named"));
        let keep = match self.keep {
            What::Run => Stay::Run,
            What::Models => Stay::Models,
        };
        let removal = if self.dry_run { Removal::Told } else { Removal::CarriedOut };
        let Cleaned { paths, bytes } = clean(&RunFolder::claim(&self.run)?, keep, removal)?;
        for path in &paths {
            print(&path.display().to_string())?;
        }
        let said = if self.dry_run { "would be removed" } else { "removed" };
        print(&format!("{} files and folders, {:.1} MB, {said}", paths.len(), bytes as f64 / 1e6))
    }
}
