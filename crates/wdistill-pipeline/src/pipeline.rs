//! A plan, carried out: stages in their order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wdistill_base::{FileError, atomic_write};
use wdistill_text::CorpusReport;
use wdistill_train::{Interrupt, Ranks};

use crate::error::PipelineError;
use crate::plan::{Part, Plan, Problems, ResolvedSystem};
use crate::progress::{Display, Progress};
use crate::recipe::Recipe;
use crate::run_folder::RunFolder;
use crate::stage::Stages;

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
    /// The programs that work on this run, of which this is the first; the others [`follow`](crate::follow).
    pub ranks: Arc<dyn Ranks>,
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

/// A plan and a folder.
pub struct Pipeline {
    pub(crate) plan: Plan,
    pub(crate) options: RunOptions,
    pub(crate) stages: Stages,
    pub(crate) folder: RunFolder,
}

impl Pipeline {
    /// Writes the plan, as a recipe, into the folder of its run.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] if the folder that the program is in has a name that no recipe can hold,
    /// [`PipelineError::Format`].
    pub fn new(
        plan: Plan,
        folder: RunFolder,
        options: RunOptions,
    ) -> Result<Pipeline, PipelineError> {
        let progress = Progress::new(options.display, "recipe", 0);
        plan.notes.iter().for_each(|note| progress.warn(note));
        plan.precision_notes().for_each(|note| progress.warn(note));
        // Complete, and with absolute paths: `wdistill run` can carry it out from where it lies.
        let here = std::env::current_dir().map_err(FileError::when("find", Path::new(".")))?;
        let complete = plan.in_folder(&here);
        let mut problems = Problems::default();
        complete.check_paths(&mut problems);
        plan.check_ranks(options.ranks.count(), &mut problems);
        problems.into_result("the recipe", Part::in_recipe)?;
        let path = folder.path().to_path_buf();
        atomic_write(&path.join("recipe.toml"), recipe_text(&complete.to_recipe()).as_bytes())?;
        let stages = Stages::new(path, options.display);
        Ok(Pipeline { plan, options, stages, folder })
    }

    /// The systems of the plan.
    pub fn systems(&self) -> &[ResolvedSystem] {
        &self.plan.systems
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
}

/// A recipe as its file has it.
pub(crate) fn recipe_text(recipe: &Recipe) -> String {
    toml::to_string(recipe).expect("a recipe is plain tables of numbers and strings")
}
