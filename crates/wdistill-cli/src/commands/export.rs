//! `wdistill export`: a model for another toolkit's engine.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};
use wdistill_base::Problem;
use wdistill_formats::{
    Extra, ModelFolder, Numbers, TOOLKITS, Toolkit, carry_card, export, toolkit,
};
use wdistill_pipeline::message;
use wdistill_runtime::export_options;

use crate::commands::import::refuse_models;
use crate::commands::print;
use crate::settings::{find_model, languages};

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

/// Names of the toolkits that something holds of.
fn names_of(holds: impl Fn(&dyn Toolkit) -> bool) -> String {
    let have = TOOLKITS.iter().copied().filter(|toolkit| holds(*toolkit));
    have.map(|toolkit| toolkit.key()).collect::<Vec<_>>().join(" or ")
}

/// Arguments of `wdistill export`.
#[derive(Args)]
pub struct Export {
    /// Folder of the model
    model: PathBuf,
    /// What to write
    #[arg(long, value_name = "NAME", value_parser = formats())]
    format: String,
    /// Write smaller numbers than float32; a format that has nothing else does so without being told
    #[arg(long, value_enum)]
    quantize: Option<Quantization>,
    /// Word translations, as `wdistill shortlist` writes them (Bergamot)
    #[arg(long, value_name = "FILE")]
    shortlist: Option<PathBuf>,
    /// Source text, such as the validation text, that shows how large activations become (Bergamot)
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Lines of it that are translated for that, from the start
    #[arg(long, value_name = "N", default_value_t = 500, requires = "source")]
    sentences: usize,
    /// From which language to which, as en de [default: what the model says]
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    languages: Vec<String>,
    /// Folder of the exported model, with its tokenisers
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.model = find_model(&self.model)?;
        let toolkit = toolkit(&self.format).context("the name of a toolkit, as it was checked")?;
        let numbers = self.numbers(toolkit)?;
        self.check_extras(toolkit)?;
        refuse_models(&self.out)?;
        let mut folder = ModelFolder::load(&self.model)?;
        let config = &mut folder.model.config;
        config.languages = languages(&self.languages)?.or(config.languages.take());
        let source = self.source.as_deref().map(|path| (path, self.sentences));
        let options = export_options(&folder, numbers, self.shortlist.as_deref(), source)?;
        for note in export(&folder, toolkit, &options, &self.out)? {
            message(&note.at(toolkit.model_name()).in_lines());
        }
        carry_card(&self.model, &self.out, toolkit.library_name())?;
        print(&self.out.display().to_string())
    }

    fn numbers(&self, toolkit: &dyn Toolkit) -> anyhow::Result<Numbers> {
        let numbers = match self.quantize {
            None => *toolkit.numbers().first().context("a format that is written has numbers")?,
            Some(Quantization::Int8) => Numbers::Int8,
        };
        if !toolkit.numbers().contains(&numbers) {
            let fact = format!("--quantize is not for --format {}", toolkit.key());
            let have = names_of(|toolkit| toolkit.numbers().contains(&numbers));
            bail!(Problem::with_hint(fact, format!("--format {have} has it")));
        }
        Ok(numbers)
    }

    fn check_extras(&self, toolkit: &dyn Toolkit) -> anyhow::Result<()> {
        let given = [
            ("--shortlist", &self.shortlist, Extra::Shortlist),
            ("--source", &self.source, Extra::Activations),
        ];
        for (name, path, extra) in given {
            if path.is_some() && !toolkit.extras().contains(&extra) {
                let fact = format!("{name} is not for --format {}", toolkit.key());
                let have = names_of(|toolkit| toolkit.extras().contains(&extra));
                bail!(Problem::with_hint(fact, format!("--format {have} has it")));
            }
        }
        Ok(())
    }
}
