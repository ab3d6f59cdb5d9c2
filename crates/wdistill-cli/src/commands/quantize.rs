//! `wdistill quantize`: a model with int8 weights.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use wdistill_base::Problem;
use wdistill_formats::{ModelFolder, carry_card, native};
use wdistill_runtime::quantise;

use crate::commands::import::refuse_models;
use crate::commands::{is_same, print};
use crate::settings::find_model;

/// Arguments of `wdistill quantize`.
#[derive(Args)]
pub struct Quantize {
    /// Folder of the model
    model: PathBuf,
    /// Folder of the quantised model: about a quarter of the size, for translate and bench
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Quantize {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.model = find_model(&self.model)?;
        ensure!(
            !is_same(&self.model, &self.out),
            Problem::with_hint(
                "--out is the model's own folder",
                "another folder keeps the float32 weights"
            )
        );
        refuse_models(&self.out)?;
        let ModelFolder { model, vocabularies } = ModelFolder::load(&self.model)?;
        ModelFolder { model: quantise(&model)?, vocabularies }.save(&self.out)?;
        carry_card(&self.model, &self.out, "wdistill")?;
        let size = |folder: &PathBuf| -> std::io::Result<f64> {
            Ok(folder.join(native::WEIGHTS_FILE).metadata()?.len() as f64 / 1e6)
        };
        let (before, after) = (size(&self.model)?, size(&self.out)?);
        print(&format!("{}: {after:.1} MB of weights, before {before:.1} MB", self.out.display()))
    }
}
