//! `wdistill run`: a whole recipe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use wdistill_pipeline::{Pipeline, PipelineError, Recipe, RunFolder};
use wdistill_report::text_table;
use wdistill_train::Ranks;

use crate::commands::import::Open;
use crate::commands::print;
use crate::ranks::together;
use crate::settings::{Common, Force};

/// A recipe and where it is carried out.
#[derive(Args)]
pub struct Carried {
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
    pub common: Common,
}

/// How a folder is taken.
pub type Claim = fn(&Path) -> Result<RunFolder, PipelineError>;

impl Carried {
    /// The folder of the run.
    fn folder(&self) -> PathBuf {
        let name = self.recipe.file_stem().unwrap_or_default();
        self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(name))
    }

    /// What is to be done, in the run's folder.
    pub fn pipeline(&self, claim: Claim, ranks: Arc<dyn Ranks>) -> anyhow::Result<Pipeline> {
        let mut recipe = Recipe::read(&self.recipe, self.data.as_deref())?;
        let claimed = claim(&self.folder())?;
        for (key, imported, model) in recipe.models_mut() {
            let run = (&claimed, &imported[..]);
            *model = self.open.native_model(model, run, &self.common).context(key)?;
        }
        let options = self.common.run_options(self.force.caution(), ranks);
        Ok(Pipeline::new(recipe.plan()?, claimed, options)?)
    }
}

/// Arguments of `wdistill run`.
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    carried: Carried,
}

impl Run {
    pub fn run(self) -> anyhow::Result<()> {
        let Carried { common, .. } = &self.carried;
        together(common, |ranks| {
            let pipeline = self.carried.pipeline(RunFolder::claim, ranks)?;
            carry_out(&pipeline, &self.carried.folder(), common)
        })
    }
}

/// Runs a recipe in its folder and prints its table.
pub fn carry_out(pipeline: &Pipeline, folder: &Path, common: &Common) -> anyhow::Result<()> {
    let report = common.install(|| Ok(pipeline.run()?))?;
    let page = folder.join("report.html");
    print(&format!("{}\nreport: {}", text_table(&report), page.display()))
}
