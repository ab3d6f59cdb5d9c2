//! `wdistill run`: a whole recipe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use wdistill_pipeline::{Pipeline, Recipe, RunFolder};
use wdistill_report::text_table;
use wdistill_train::Ranks;

use crate::commands::import::Open;
use crate::commands::print;
use crate::ranks::together;
use crate::settings::{Common, Force};

/// Arguments of `wdistill run`.
#[derive(Args)]
pub struct Run {
    /// The recipe, a TOML file
    recipe: PathBuf,
    /// Folder of the texts, in place of the recipe's
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of models, logs and report [default: runs/NAME-OF-RECIPE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    open: Open,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    common: Common,
}

impl Run {
    pub fn run(self) -> anyhow::Result<()> {
        together(&self.common.clone(), |ranks| self.lead(ranks))
    }

    /// As the first of the programs that work together.
    fn lead(self, ranks: Arc<dyn Ranks>) -> anyhow::Result<()> {
        let mut recipe = Recipe::read(&self.recipe, self.data.as_deref())?;
        let name = self.recipe.file_stem().unwrap_or_default();
        let folder = self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
        let claimed = RunFolder::claim(&folder)?;
        if let Some(teacher) = &mut recipe.teacher.model {
            *teacher = self
                .open
                .native_teacher(teacher, &claimed, &self.common)
                .context("teacher.model")?;
        }
        let options = self.common.run_options(self.force.caution(), ranks);
        let pipeline = Pipeline::new(recipe.plan()?, claimed, options)?;
        carry_out(&pipeline, &folder, &self.common)
    }
}

/// Runs a recipe in its folder and prints its table.
pub fn carry_out(pipeline: &Pipeline, folder: &Path, common: &Common) -> anyhow::Result<()> {
    let report = common.install(|| Ok(pipeline.run()?))?;
    let page = folder.join("report.html");
    print(&format!("{}\nreport: {}", text_table(&report), page.display()))
}
