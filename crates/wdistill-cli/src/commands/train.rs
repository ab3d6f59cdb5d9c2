//! `wdistill train`: one model on a parallel text.

use std::path::PathBuf;

use clap::Args;
use toml::Table;
use wdistill_pipeline::{ModelRecipe, Pipeline, RunFolder, TeacherRecipe};

use crate::commands::print;
use crate::settings::{Common, Corpus, Force, Subwords, as_given, changes, presets, refuse, take};

/// Arguments of `wdistill train`.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    corpus: Corpus,
    #[command(flatten)]
    subwords: Subwords,
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
        let mut changes = changes(&self.changes)?;
        let nothing = "`train` makes one model and nothing else";
        refuse(&changes, &["teacher", "student", "pseudo_data", "benchmark", "systems"], nothing)?;
        let teacher = TeacherRecipe {
            model: None,
            preset: Some(self.preset.clone()),
            architecture: take(&mut changes, "architecture")?,
            training: take(&mut changes, "training")?,
        };
        // A recipe without systems makes no student; its shape is of no account.
        let student = ModelRecipe {
            preset: Some(self.preset.clone()),
            architecture: Table::new(),
            training: Table::new(),
        };
        let vocabulary = self.subwords.recipe();
        let recipe =
            self.corpus.recipe("train", vocabulary, teacher, student, Vec::new(), &changes)?;
        let folder = RunFolder::claim(&self.out)?;
        let options = self.common.run_options(self.force.caution());
        let pipeline = Pipeline::new(recipe, folder, options)
            .map_err(|error| as_given(error, &[("teacher.", "")]))?;
        let trained = self.common.install(|| Ok(pipeline.teacher(&pipeline.prepare()?)?))?;
        print(&trained.model.display().to_string())
    }
}
