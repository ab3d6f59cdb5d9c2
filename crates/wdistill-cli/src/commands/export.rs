//! `wdistill export`: a model for another toolkit's engine.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};
use wdistill_base::Problem;
use wdistill_formats::{ModelFolder, Numbers, TOOLKITS, export, toolkit};
use wdistill_pipeline::message;

use crate::commands::import::refuse_models;
use crate::commands::print;
use crate::settings::find_model;

#[derive(Clone, Copy, ValueEnum)]
enum Quantization {
    /// Matrices in 8 bits
    Int8,
}

/// Toolkits that models are written for, with what each takes.
fn formats() -> PossibleValuesParser {
    let written = TOOLKITS.iter().copied().filter(|toolkit| !toolkit.numbers().is_empty());
    PossibleValuesParser::new(written.map(|toolkit| {
        PossibleValue::new(toolkit.key()).help(format!("{}: {}", toolkit.name(), toolkit.takes()))
    }))
}

/// Names of the toolkits that can be written with these numbers.
fn with_numbers(numbers: Numbers) -> Vec<&'static str> {
    let have = TOOLKITS.iter().copied().filter(|toolkit| toolkit.numbers().contains(&numbers));
    have.map(|toolkit| toolkit.key()).collect()
}

/// Arguments of `wdistill export`.
#[derive(Args)]
pub struct Export {
    /// Folder of the model
    model: PathBuf,
    /// What to write
    #[arg(long, value_name = "NAME", value_parser = formats())]
    format: String,
    /// Write smaller numbers than float32
    #[arg(long, value_enum)]
    quantize: Option<Quantization>,
    /// Folder of the exported model, with its tokenisers
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.model = find_model(&self.model)?;
        let toolkit = toolkit(&self.format).context("the name of a toolkit, as it was checked")?;
        let numbers = match self.quantize {
            None => Numbers::Float32,
            Some(Quantization::Int8) => Numbers::Int8,
        };
        if !toolkit.numbers().contains(&numbers) {
            let fact = format!("--quantize is not for --format {}", toolkit.key());
            let hint = format!("--format {} has it", with_numbers(numbers).join(" or "));
            bail!(Problem::with_hint(fact, hint));
        }
        refuse_models(&self.out)?;
        for note in export(&ModelFolder::load(&self.model)?, toolkit, numbers, &self.out)? {
            message(&note.at(toolkit.model_name()).in_lines());
        }
        print(&self.out.display().to_string())
    }
}
