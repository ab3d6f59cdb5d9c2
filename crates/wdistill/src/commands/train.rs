//! `wdistill train`: one model on a parallel text.

use std::path::PathBuf;

use clap::Args;
use wdistill_train::{Pipeline, TeacherRecipe};

use crate::commands::print;
use crate::settings::{Common, Corpus, Shape, Subwords};

/// Arguments of `wdistill train`.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    corpus: Corpus,
    #[command(flatten)]
    subwords: Subwords,
    #[command(flatten)]
    shape: Shape,
    /// Folder of the model, logs and checkpoints; the same command goes on where it was killed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

impl Train {
    pub fn run(self) -> anyhow::Result<()> {
        let shape = self.shape.recipe()?;
        let teacher = TeacherRecipe {
            model: None,
            preset: shape.preset.clone(),
            architecture: shape.architecture.clone(),
            training: shape.training.clone(),
        };
        let vocabulary = self.subwords.recipe();
        let recipe = self.corpus.recipe("train", vocabulary, teacher, shape, Vec::new());
        let pipeline = Pipeline::new(recipe, self.common.run_options(self.out.clone()))?;
        let trained = self.common.install(|| Ok(pipeline.teacher(&pipeline.prepare()?)?))?;
        print(&trained.model.display().to_string())
    }
}
