//! `wdistill distill`: a student of a given teacher.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use toml::Table;
use wdistill_formats::native;
use wdistill_generator::Start;
use wdistill_model::Architecture;
use wdistill_train::{
    Method, ModelRecipe, Pipeline, SystemRecipe, TeacherRecipe, TrainingSettings, VocabularyRecipe,
    with_changes,
};

use crate::commands::print;
use crate::settings::{Common, Corpus, changes, presets, take};

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
    /// Preset architecture of the student [default: the teacher's encoder, and one decoder layer at half
    /// the teacher's width]
    #[arg(long, value_name = "NAME", value_parser = presets())]
    preset: Option<String>,
    /// Change of a setting: architecture.KEY; training.KEY of both phases, generator.KEY of phase 1,
    /// student.KEY of phase 2; or any of a recipe, such as training.updates=20000,
    /// student.warm_up=1000, pseudo_data.beam=4, data.max_sentence_tokens=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Updates of phase 1, in which the generator is trained; part of training.updates [default: half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    generator_updates: Option<u32>,
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
        let mut changes = changes(&self.changes)?;
        let student = ModelRecipe {
            preset: None,
            architecture: self.architecture(&take(&mut changes, "architecture")?)?,
            training: take(&mut changes, "training")?,
        };
        let teacher = TeacherRecipe {
            model: Some(self.teacher.clone()),
            preset: None,
            architecture: Table::new(),
            training: Table::new(),
        };
        let system = SystemRecipe {
            name: "wd".to_string(),
            method: Method::Wd,
            start: Some(match self.start {
                FactorStart::Xavier => Start::Xavier,
                FactorStart::Cut => Start::Cut,
            }),
            pairs: None,
            seed: None,
            architecture: Table::new(),
            generator: self.generator(take(&mut changes, "generator")?, &student.training)?,
            training: take(&mut changes, "student")?,
        };
        let vocabulary = VocabularyRecipe::default();
        let recipe =
            self.corpus.recipe("distill", vocabulary, teacher, student, vec![system], &changes)?;
        let pipeline = Pipeline::new(recipe, self.common.run_options(self.out.clone()))?;
        let student = self.common.install(|| {
            let mut prepared = pipeline.prepare()?;
            let teacher = pipeline.teacher(&prepared)?;
            let pseudo = pipeline.pseudo_data(&mut prepared, &teacher)?;
            Ok(pipeline.student(&prepared, &teacher, &pseudo, &pipeline.systems()[0])?)
        })?;
        print(&student.model.display().to_string())
    }

    /// The student's architecture, whole.
    fn architecture(&self, changes: &Table) -> anyhow::Result<Table> {
        let base = match &self.preset {
            Some(preset) => Architecture::preset(preset)?,
            None => native::load_config(&self.teacher)?.architecture.with_tiny_decoder(),
        };
        let changed =
            with_changes(&base, changes).map_err(|problem| anyhow!("--set: {problem}"))?;
        Ok(Table::try_from(changed)?)
    }

    /// What phase 1 has of its own: at least its number of updates.
    fn generator(&self, mut changes: Table, training: &Table) -> anyhow::Result<Table> {
        let all = with_changes(&TrainingSettings::default(), training)
            .map_err(|problem| anyhow!("--set: {problem}"))?
            .updates;
        let updates = self.generator_updates.map_or(all / 2, u64::from);
        let updates = toml::Value::Integer(updates.try_into()?);
        changes.entry("updates").or_insert(updates);
        Ok(changes)
    }
}
