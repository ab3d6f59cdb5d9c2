//! Model cards, in the folders of a run's models.

use std::fs;
use std::path::Path;

use wdistill_base::atomic_write;
use wdistill_formats::native;
use wdistill_model::{Languages, Transformer};
use wdistill_report::{CARD_FILE, ModelCard, Signatures, TestScores, is_unchanged_card};

use super::rows;
use crate::error::PipelineError;
use crate::machine;
use crate::methods::Origin;
use crate::names::IMPORTED_TEACHER;
use crate::pipeline::Pipeline;
use crate::plan::{ResolvedSystem, ResolvedTeacher};
use crate::settings::Pairs;
use crate::stages::benchmark::Speed;
use crate::stages::evaluate::FinishedSystem;
use crate::stages::prepare::Prepared;
use crate::stages::train::Trained;

/// The folder of a stage's model.
const MODEL: &str = "model";

impl Pipeline {
    /// Writes what is known of a model that was trained here into its folder; a student's system says what it has of its
    /// teacher. A card that somebody changed stays as it is.
    ///
    /// # Errors
    /// [`PipelineError`] if the model's configuration cannot be read, or the card not written.
    pub fn card(
        &self,
        prepared: &Prepared,
        trained: &Trained,
        system: Option<&ResolvedSystem>,
    ) -> Result<(), PipelineError> {
        self.card_with(prepared, (trained, system), Vec::new(), None)
    }

    /// Writes the cards of all models that were trained here, with their scores.
    pub(super) fn cards(
        &self,
        prepared: &Prepared,
        systems: &[FinishedSystem],
        speeds: &[Speed],
    ) -> Result<(), PipelineError> {
        let speeds = speeds.iter().map(Some).chain(std::iter::repeat(None));
        for (FinishedSystem { students, system, .. }, speed) in systems.iter().zip(speeds) {
            // The first one is timed.
            let speeds = std::iter::once(speed).chain(std::iter::repeat(None));
            for (student, speed) in students.iter().zip(speeds) {
                let scores = rows::scores_of_each_test(student)?;
                self.card_with(prepared, (&student.trained, system.as_ref()), scores, speed)?;
            }
        }
        Ok(())
    }

    fn card_with(
        &self,
        prepared: &Prepared,
        (trained, system): (&Trained, Option<&ResolvedSystem>),
        tests: Vec<TestScores>,
        speed: Option<&Speed>,
    ) -> Result<(), PipelineError> {
        // A teacher that is given is somebody else's.
        if trained.seed.is_none() {
            return Ok(());
        }
        let path = trained.model.join(CARD_FILE);
        if let Ok(there) = fs::read_to_string(&path)
            && !is_unchanged_card(&there)
        {
            return Ok(());
        }
        let config = native::load_config(&trained.model)?;
        let has_of_teacher = |system: &ResolvedSystem| {
            system.method.origin != Origin::Random
                || system.pairs != Pairs::Original
                || system.learns_of_teacher()
        };
        let base_model = match &self.plan.teacher {
            ResolvedTeacher::Given(folder, _) if system.is_some_and(has_of_teacher) => {
                name_of(folder)
            }
            ResolvedTeacher::Tuned(folder, ..) if system.is_none_or(has_of_teacher) => {
                name_of(folder)
            }
            ResolvedTeacher::Given(..)
            | ResolvedTeacher::Tuned(..)
            | ResolvedTeacher::Trained(..) => None,
        };
        let card = ModelCard {
            name: trained.name.clone(),
            languages: config.languages.as_ref().map(|languages| {
                let Languages { source, target } = languages.clone();
                [source, target]
            }),
            base_model,
            description: trained.description.clone(),
            shape: config.architecture.summary(),
            parameters: Transformer::parameters(&config) as u64,
            task_description: self.plan.data.description.clone(),
            data: prepared.summaries(),
            seed: trained.seed,
            signatures: match tests.is_empty() {
                true => Signatures::default(),
                false => rows::signatures(self.plan.data.validation.reference_count()),
            },
            tests,
            decoding: self.decoding(),
            speed: speed.map(|speed| (speed.tokens_per_second, speed.speed_up)),
            machine: machine::describe(self.options.threads),
            version: env!("CARGO_PKG_VERSION").to_string(),
        };
        atomic_write(&path, card.to_markdown().as_bytes())?;
        Ok(())
    }
}

/// The name of a model's folder, if it says anything: names that a run gives do not.
fn name_of(folder: &Path) -> Option<String> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| ![IMPORTED_TEACHER, MODEL].contains(&name.as_str()))
}
