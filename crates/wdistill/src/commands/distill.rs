//! `wdistill distill`: a student of a given teacher.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wdistill_generator::Start;
use wdistill_train::{Method, Pipeline, SystemRecipe, TeacherRecipe, VocabularyRecipe};

use crate::commands::print;
use crate::settings::{Common, Corpus, Shape, number};

#[derive(Clone, Copy, ValueEnum)]
enum FactorStart {
    /// The paper's
    Xavier,
    /// The first student is the teacher cut down
    Cut,
}

/// Arguments of `wdistill distill`.
#[derive(Args)]
pub struct Distill {
    /// Folder of the teacher; its vocabularies are the student's
    #[arg(long, value_name = "DIR")]
    teacher: PathBuf,
    #[command(flatten)]
    corpus: Corpus,
    #[command(flatten)]
    shape: Shape,
    /// Updates of phase 1, in which the generator is trained; part of training.updates
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    generator_updates: u32,
    /// Start of the generator's factors
    #[arg(long, value_enum, default_value = "cut")]
    start: FactorStart,
    /// Folder of the student, pseudo data, logs and checkpoints; the same command goes on where it was
    /// killed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

impl Distill {
    pub fn run(self) -> anyhow::Result<()> {
        let teacher = TeacherRecipe {
            model: Some(self.teacher.clone()),
            preset: None,
            architecture: toml::Table::new(),
            training: toml::Table::new(),
        };
        let system = SystemRecipe {
            name: "wd".to_string(),
            method: Method::Wd,
            start: match self.start {
                FactorStart::Xavier => Start::Xavier,
                FactorStart::Cut => Start::Cut,
            },
            generator: number("updates", self.generator_updates),
            training: toml::Table::new(),
        };
        let shape = self.shape.recipe()?;
        let vocabulary = VocabularyRecipe::of_the_teacher();
        let recipe = self.corpus.recipe("distill", vocabulary, teacher, shape, vec![system]);
        let pipeline = Pipeline::new(recipe, self.common.run_options(self.out.clone()))?;
        let student = self.common.install(|| {
            let mut prepared = pipeline.prepare()?;
            let teacher = pipeline.teacher(&prepared)?;
            let pseudo = pipeline.pseudo_data(&mut prepared, &teacher)?;
            Ok(pipeline.student(&prepared, &teacher, &pseudo, &pipeline.systems()[0])?)
        })?;
        print(&student.model.display().to_string())
    }
}
