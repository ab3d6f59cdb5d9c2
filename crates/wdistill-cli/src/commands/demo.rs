//! `wdistill demo`: the whole pipeline on a task that needs no data.

use std::path::{Path, PathBuf};

use clap::Args;
use wdistill_base::atomic_write;
use wdistill_demo::{Pair, Sizes, generate};
use wdistill_pipeline::{Caution, Pipeline, Recipe, RunFolder};

use crate::commands::print;
use crate::commands::run::carry_out;
use crate::settings::Common;

const RECIPE: &str = include_str!("../../../../recipes/demo.toml");

/// Seed of the generated text; the recipe's seed decides the training.
const TEXT_SEED: u64 = 1;

/// Arguments of `wdistill demo`.
#[derive(Args)]
pub struct Demo {
    /// Folder of the generated text, models, logs and report
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Generated training pairs
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pairs: usize,
    #[command(flatten)]
    common: Common,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<()> {
        let data = self.out.join("data");
        let recipe = Recipe::parse(RECIPE, Path::new("the demo's recipe"), Some(&data))?;
        let folder = RunFolder::claim(&self.out)?;
        let pipeline =
            Pipeline::new(recipe.plan()?, folder, self.common.run_options(Caution::Stop))?;
        let sizes = Sizes { train: self.pairs, validation: 400, test: 400 };
        let task = generate(TEXT_SEED, sizes)?;
        write(&data, "train", &task.train)?;
        write(&data, "validation", &task.validation)?;
        write(&data, "test", &task.test)?;
        print(
            "The data of this demonstration is generated; its scores say nothing about real text.",
        )?;
        carry_out(&pipeline, &self.out, &self.common)
    }
}

fn write(folder: &Path, name: &str, pairs: &[Pair]) -> anyhow::Result<()> {
    let write_side = |language: &str, side: fn(&Pair) -> &str| {
        let text: String = pairs.iter().flat_map(|pair| [side(pair), "\n"]).collect();
        atomic_write(&folder.join(format!("{name}.{language}")), text.as_bytes())
    };
    write_side("en", |pair| &pair.source)?;
    Ok(write_side("de", |pair| &pair.target)?)
}
