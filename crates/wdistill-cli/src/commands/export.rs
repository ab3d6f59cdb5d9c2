//! `wdistill export`: a model for another toolkit's engine.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use wdistill_formats::{ExportFormat, ModelFolder, Numbers, export};
use wdistill_train::message;

use crate::commands::import::refuse_models;
use crate::commands::print;
use crate::settings::find_model;

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// MarianMT of Hugging Face: one width, norms after the sub-layers
    Huggingface,
    /// CTranslate2: any model
    Ctranslate2,
    /// Marian: one width, a decoder that starts from zeros
    Marian,
}

#[derive(Clone, Copy, ValueEnum)]
enum Quantization {
    /// Matrices in 8 bits (CTranslate2)
    Int8,
}

/// Arguments of `wdistill export`.
#[derive(Args)]
pub struct Export {
    /// Folder of the model
    model: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
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
        let format = match (self.format, self.quantize) {
            (Format::Huggingface, None) => ExportFormat::HuggingFace,
            (Format::Ctranslate2, None) => ExportFormat::CTranslate2(Numbers::Float32),
            (Format::Ctranslate2, Some(Quantization::Int8)) => {
                ExportFormat::CTranslate2(Numbers::Int8)
            }
            (Format::Marian, None) => ExportFormat::Marian,
            (_, Some(_)) => bail!("--quantize is for --format ctranslate2 only"),
        };
        refuse_models(&self.out)?;
        for note in export(&ModelFolder::load(&self.model)?, format, &self.out)? {
            message(&format!("{}: {note}", format.name()));
        }
        print(&self.out.display().to_string())
    }
}
