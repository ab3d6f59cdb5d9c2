//! `wdistill train`: one model on a parallel text.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use wdistill_formats::native;
use wdistill_model::Architecture;
use wdistill_pipeline::{Pipeline, RunFolder, TrainJob};
use wdistill_runtime::DecodingOptions;
use wdistill_train::{Ranks, TrainingRecipe};

use crate::commands::print;
use crate::ranks::together;
use crate::settings::{Common, Corpus, Force, Subwords, changed, find_model, presets};

/// Arguments of `wdistill train`.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    corpus: Corpus,
    #[command(flatten)]
    subwords: Subwords,
    /// Folder of a finished model, or of a run with one, to begin with in place of random numbers: shape and vocabularies are
    /// its own
    #[arg(long, value_name = "DIR",
          conflicts_with_all = ["preset", "vocabulary", "vocabulary_size", "subwords", "normalisation", "separate_vocabularies"])]
    from: Option<PathBuf>,
    /// Preset architecture
    #[arg(long, value_name = "NAME", default_value = "transformer-base", value_parser = presets())]
    preset: String,
    /// Change of a setting: architecture.KEY, training.KEY, data.KEY, decoding.KEY (of validations), such
    /// as training.updates=5000, architecture.encoder.layers=12, data.max_sentence_tokens=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Folder of the model, logs and checkpoints; the same command goes on where it was killed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    common: Common,
}

impl Train {
    pub fn run(self) -> anyhow::Result<()> {
        together(&self.common.clone(), |ranks| self.lead(ranks))
    }

    /// As the first of the programs that work together.
    fn lead(self, ranks: Arc<dyn Ranks>) -> anyhow::Result<()> {
        let from = self.from.as_deref().map(find_model).transpose()?;
        let architecture = match &from {
            Some(folder) => native::load_config(folder)?.architecture,
            None => Architecture::preset(&self.preset)?,
        };
        let job = TrainJob {
            seed: self.corpus.seed(),
            data: self.corpus.data()?,
            vocabulary: self.subwords.recipe(),
            architecture,
            training: TrainingRecipe::default(),
            decoding: DecodingOptions::default(),
        };
        let plan = changed(&job, &self.changes)?.plan(from.as_deref())?;
        let folder = RunFolder::claim(&self.out)?;
        let pipeline =
            Pipeline::new(plan, folder, self.common.run_options(self.force.caution(), ranks))?;
        let trained = self.common.install(|| {
            let prepared = pipeline.prepare()?;
            let trained = pipeline.teacher(&prepared)?;
            pipeline.card(&prepared, &trained, None)?;
            Ok(trained)
        })?;
        print(&trained.model.display().to_string())
    }
}
