//! A recipe, carried out: stages in their order.

use std::path::{Path, PathBuf};

use wdistill_base::{FileError, atomic_write};
use wdistill_report::Report;
use wdistill_text::CorpusReport;
use wdistill_train::Interrupt;

use crate::error::PipelineError;
use crate::progress::{Display, Progress};
use crate::recipe::{Pairs, Recipe, Resolved, ResolvedSystem, VocabularyRecipe};
use crate::run_folder::RunFolder;
use crate::stages::{Stages, Trained};

/// What a run is told besides its recipe.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Threads for training and decoding.
    pub threads: usize,
    /// Where progress is shown.
    pub display: Display,
    /// Commit of this program, for the report.
    pub commit: Option<String>,
    /// What to do with texts and teachers that cannot be what was meant.
    pub caution: Caution,
    /// May ask for the end.
    pub interrupt: Interrupt,
}

/// What to do with texts and teachers that cannot be what was meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caution {
    /// Stop, and say why.
    #[default]
    Stop,
    /// Say why, and go on.
    GoOn,
}

/// A recipe and a folder.
pub struct Pipeline {
    pub(crate) recipe: Recipe,
    pub(crate) resolved: Resolved,
    pub(crate) options: RunOptions,
    pub(crate) stages: Stages,
    folder: RunFolder,
}

impl Pipeline {
    /// Works out the recipe and writes it into the folder of its run.
    ///
    /// # Errors
    /// [`PipelineError::Settings`], [`PipelineError::Format`].
    pub fn new(
        recipe: Recipe,
        folder: RunFolder,
        options: RunOptions,
    ) -> Result<Pipeline, PipelineError> {
        let resolved = recipe.resolve()?;
        let notes = Progress::new(options.display, "recipe", 0);
        recipe.notes.iter().for_each(|note| notes.warn(note));
        // Complete, and with absolute paths: `wdistill run` can carry it out from where it lies.
        let here = std::env::current_dir().map_err(FileError::when("find", Path::new(".")))?;
        let mut complete = recipe.spelled_out(&resolved);
        let VocabularyRecipe { source, target, .. } = &mut complete.vocabulary;
        let models = [&mut complete.teacher.model, source, target].into_iter().flatten();
        models.chain([&mut complete.data.folder]).for_each(|path| *path = here.join(&*path));
        // The folder that the program is in belongs to its paths now.
        let problems = complete.path_problems();
        if !problems.is_empty() {
            return Err(PipelineError::Settings { place: "the recipe".to_string(), problems });
        }
        let path = folder.path().to_path_buf();
        atomic_write(&path.join("recipe.toml"), recipe_text(&complete).as_bytes())?;
        let stages = Stages::new(path, options.display);
        Ok(Pipeline { recipe, resolved, options, stages, folder })
    }

    /// The systems of the recipe, worked out.
    pub fn systems(&self) -> &[ResolvedSystem] {
        &self.resolved.systems
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn say(&self, stage: &str, text: &str) {
        Progress::new(self.options.display, stage, 0).say(text);
    }

    pub(crate) fn tell(&self, stage: &str, report: &CorpusReport) {
        self.say(stage, report.to_string().trim_end());
    }

    /// All stages, and the report, which is also written as `report.json` and `report.html`.
    ///
    /// # Errors
    /// The first error of a stage; run again, the pipeline goes on there.
    pub fn run(&self) -> Result<Report, PipelineError> {
        if self.recipe.data.test.is_none() {
            return Err(PipelineError::Settings {
                place: "the recipe".to_string(),
                problems: vec!["a whole run needs data.test".to_string()],
            });
        }
        let mut prepared = self.prepare()?;
        let teacher = self.teacher(&prepared)?;
        self.check_teacher(&mut prepared, &teacher)?;
        let mut finished = vec![self.finished(&prepared, teacher.clone())?];
        let learns_from_it = |system: &ResolvedSystem| system.pairs == Pairs::OriginalAndPseudo;
        let pseudo = match self.resolved.systems.iter().any(learns_from_it) {
            true => self.pseudo_data(&mut prepared, &teacher)?,
            false => prepared.fingerprint.clone(),
        };
        for system in &self.resolved.systems {
            let done = self.stages.done();
            let student = self.student(&prepared, &teacher, &pseudo, system)?;
            finished.push(self.finished(&prepared, student)?);
            if self.stages.done() > done {
                // What there is so far, for those who watch a long run; speeds come last.
                self.report(&prepared, &finished, &[])?;
            }
        }
        let systems: Vec<&Trained> = finished.iter().map(|system| &system.trained).collect();
        let speeds = self.speeds(prepared.test(), &systems)?;
        self.report(&prepared, &finished, &speeds)
    }
}

/// A recipe as its file has it.
pub(crate) fn recipe_text(recipe: &Recipe) -> String {
    toml::to_string(recipe).expect("a recipe is plain tables of numbers and strings")
}
