//! A plan: everything that a run does, worked out and checked. A recipe makes one, and so do the single jobs of `train` and
//! `distill`; the stages read nothing else.

mod check;
mod paths;
mod trials;

use std::path::PathBuf;

use wdistill_base::Problem;
use wdistill_generator::Start;
use wdistill_model::{Architecture, Config, Conventions, Embeddings};
use wdistill_runtime::DecodingOptions;
use wdistill_text::{Sharing, VocabularySettings};
use wdistill_train::{Length, TrainingRecipe};

use crate::error::PipelineError;
use crate::methods::Method;
use crate::names::{BACK_TRANSLATION, PSEUDO_DATA};
use crate::settings::{
    BackTranslationRecipe, BenchmarkRecipe, CorpusRecipe, DataRecipe, Pairs, PseudoDataRecipe,
    TeacherDecoder,
};

/// Everything that a run does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Title of the report.
    pub title: String,
    /// Every random choice flows from it.
    pub seed: u64,
    /// Texts.
    pub data: DataRecipe,
    /// Vocabularies.
    pub vocabulary: VocabularyOrigin,
    /// The teacher.
    pub teacher: ResolvedTeacher,
    /// What students share; none if there are no students.
    pub student: Option<StudentBase>,
    /// Students.
    pub systems: Vec<ResolvedSystem>,
    /// Pairs whose sources are made of texts of the target language.
    pub back_translation: Option<BackTranslationRecipe>,
    /// How the teacher translates the training text.
    pub pseudo_data: PseudoDataRecipe,
    /// How systems are validated, tested and timed.
    pub decoding: DecodingOptions,
    /// How speed is measured.
    pub benchmark: BenchmarkRecipe,
    /// What a user should know of the plan.
    pub notes: Vec<String>,
}

/// How often an epoch has each pair.
pub(crate) struct StageWeights {
    /// Of each corpus; one with a share has that as its weight, which tells whether there is anything of it.
    pub(crate) corpora: Vec<f64>,
    /// Of what was translated back; 0 without such pairs.
    pub(crate) back_translation: f64,
    /// Of the teacher's translations.
    pub(crate) pseudo_data: f64,
}

/// Where the vocabularies come from.
#[derive(Clone, Debug, PartialEq)]
pub enum VocabularyOrigin {
    /// Learned from the training text.
    Learned {
        /// What is learned.
        settings: VocabularySettings,
        /// One or two.
        sharing: Sharing,
        /// From how many pairs at most.
        sample_pairs: u64,
    },
    /// Files, source and target side.
    Files(PathBuf, PathBuf),
    /// The folder of the teacher that is given.
    Teacher(PathBuf),
}

/// Where the teacher comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ResolvedTeacher {
    /// It is trained here.
    Trained(Architecture, TrainingRecipe),
    /// It is given: its folder and its configuration.
    Given(PathBuf, Config),
    /// It is a finished model that is trained on here: the model's folder, its configuration, perhaps with another dropout,
    /// and the settings.
    Tuned(PathBuf, Config, TrainingRecipe),
}

/// What students share, where a system does not say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentBase {
    /// Their shape.
    pub architecture: Architecture,
    /// Their settings, with the updates that each has in all phases together.
    pub training: TrainingRecipe,
}

/// A system with all settings worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSystem {
    /// Name in the table.
    pub name: String,
    /// Where its weights come from.
    pub method: Method,
    /// What it begins with, for a method that leaves a choice.
    pub start: Option<Start>,
    /// The earlier system of whose student its weights are made, if it is not the teacher's.
    pub from: Option<String>,
    /// Whose decoder layers its weights are made of.
    pub teacher_decoder: TeacherDecoder,
    /// Which pairs it learns from.
    pub pairs: Pairs,
    /// Decides its random choices.
    pub seed: u64,
    /// Seeds of more students like it.
    pub other_seeds: Vec<u64>,
    /// Learning rates that are tried; none if its settings say it.
    pub learning_rates: Vec<f64>,
    /// Its shape.
    pub architecture: Architecture,
    /// Phase 1 of a method that has two.
    pub generator: Option<TrainingRecipe>,
    /// Its own training; with phase 1 it has the updates that all systems have.
    pub training: TrainingRecipe,
}

/// A part of a plan, which recipes and commands call by different names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Texts.
    Data,
    /// Vocabularies.
    Vocabulary,
    /// The folder of a given teacher.
    TeacherModel,
    /// A teacher's shape.
    TeacherArchitecture,
    /// A teacher's training.
    TeacherTraining,
    /// The shape that students share.
    StudentArchitecture,
    /// The settings that students share.
    StudentTraining,
    /// Texts that are translated back.
    BackTranslation,
    /// How the teacher translates.
    PseudoData,
    /// How systems are tested.
    Decoding,
    /// How speed is measured.
    Benchmark,
    /// A system, counted from 0.
    System(usize),
    /// Its shape.
    SystemArchitecture(usize),
    /// Its phase 1.
    SystemGenerator(usize),
    /// Its training.
    SystemTraining(usize),
}

/// Problems as they are found, each with its part.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<(Part, Problem)>);

impl Problems {
    pub(crate) fn add(&mut self, part: Part, problem: impl Into<Problem>) {
        self.0.push((part, problem.into()));
    }

    pub(crate) fn extend<P: Into<Problem>>(
        &mut self,
        part: Part,
        problems: impl IntoIterator<Item = P>,
    ) {
        problems.into_iter().for_each(|problem| self.add(part, problem));
    }

    /// The value; or nothing, and a note of what is wrong with it.
    pub(crate) fn take<T, E: Into<Problem>>(
        &mut self,
        part: Part,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|problem| self.add(part, problem)).ok()
    }

    /// Nothing, or all problems, in the words of whoever made the plan.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] of `whole`, each part called as `name` calls it.
    pub(crate) fn into_result(
        self,
        whole: &str,
        name: impl Fn(Part) -> String,
    ) -> Result<(), PipelineError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let problems = self.0.into_iter().map(|(part, problem)| problem.at(name(part))).collect();
        Err(PipelineError::Settings { place: whole.to_string(), problems })
    }
}

impl ResolvedTeacher {
    /// Its shape.
    pub fn architecture(&self) -> &Architecture {
        match self {
            ResolvedTeacher::Trained(architecture, _) => architecture,
            ResolvedTeacher::Given(_, config) | ResolvedTeacher::Tuned(_, config, _) => {
                &config.architecture
            }
        }
    }

    /// Its settings, if it is trained here.
    pub(crate) fn training(&self) -> Option<&TrainingRecipe> {
        match self {
            ResolvedTeacher::Given(..) => None,
            ResolvedTeacher::Trained(_, settings) | ResolvedTeacher::Tuned(_, _, settings) => {
                Some(settings)
            }
        }
    }

    /// The configuration of the finished model that it is, or begins as.
    pub(crate) fn known_config(&self) -> Option<&Config> {
        match self {
            ResolvedTeacher::Trained(..) => None,
            ResolvedTeacher::Given(_, config) | ResolvedTeacher::Tuned(_, config, _) => {
                Some(config)
            }
        }
    }

    /// What a student has in common with it: the method maps weights only onto a student of the same conventions.
    pub(crate) fn conventions(&self) -> Conventions {
        self.architecture().conventions()
    }
}

impl ResolvedSystem {
    /// Its trainings, in order.
    pub fn phases(&self) -> impl Iterator<Item = &TrainingRecipe> {
        self.generator.iter().chain([&self.training])
    }

    /// How long all phases are together; none if their lengths have different units.
    pub fn updates(&self) -> Option<Length> {
        let mut lengths = self.phases().map(|phase| phase.updates);
        let first = lengths.next()?;
        lengths.try_fold(first, Length::plus)
    }

    /// Whether a phase of it learns more of the teacher than its translations.
    pub fn learns_of_teacher(&self) -> bool {
        self.phases().any(TrainingRecipe::learns_of_teacher)
    }

    /// Whether a phase of it learns the teacher's distribution over words.
    pub fn learns_words(&self) -> bool {
        self.phases().any(|phase| phase.word_distillation > 0.0)
    }

    /// What more than translations a phase of it learns, each in words.
    pub fn learned_of_teacher(&self) -> impl Iterator<Item = &'static str> {
        let weighs =
            |weight: fn(&TrainingRecipe) -> f64| self.phases().any(|phase| weight(phase) > 0.0);
        let all = [
            (self.learns_words(), "word-level distillation"),
            (weighs(|phase| phase.state_distillation), "distillation of states"),
            (weighs(|phase| phase.relation_distillation), "distillation of relations"),
        ];
        all.into_iter().filter(|(weighs, _)| *weighs).map(|(_, name)| name)
    }
}

impl Plan {
    /// Whether a model that is to be trained has one table of embeddings for both sides.
    pub fn any_all_tied(&self) -> bool {
        let teacher = match &self.teacher {
            ResolvedTeacher::Trained(architecture, _) => Some(architecture),
            ResolvedTeacher::Given(..) | ResolvedTeacher::Tuned(..) => None,
        };
        let mut all = self.systems.iter().map(|system| &system.architecture).chain(teacher);
        all.any(|architecture| architecture.embeddings == Embeddings::AllTied)
    }

    /// What is to be said if a training or the decoder wants a precision that this processor has not.
    pub(crate) fn precision_notes(&self) -> impl Iterator<Item = Problem> {
        let is_missing = |one: &&TrainingRecipe| one.available_precision() != one.precision;
        let missing = self.trainings().find(is_missing).map(|training| {
            let name = training.precision.name();
            Problem::with_hint(
                format!(
                    "this processor has no AVX-512 BF16: training in {name} stays float32 on it"
                ),
                "the numbers are float32's then, and so is the speed",
            )
        });
        missing.into_iter().chain(self.decoding.precision.note())
    }

    /// How often an epoch has each pair in a stage of the mixture, from 0.
    pub(crate) fn weights_in(&self, stage: usize) -> StageWeights {
        let of_stage = |name: &str| self.data.stages.get(stage)?.weights.get(name).copied();
        let of_corpus = |corpus: &CorpusRecipe| {
            let own = corpus.weight.or(corpus.share).unwrap_or(1.0);
            of_stage(corpus.name_or_only()).unwrap_or(own)
        };
        let back = self.back_translation.as_ref();
        let back = back.map(|recipe| of_stage(BACK_TRANSLATION).unwrap_or(recipe.weight));
        StageWeights {
            corpora: self.data.train.iter().map(of_corpus).collect(),
            back_translation: back.unwrap_or(0.0),
            pseudo_data: of_stage(PSEUDO_DATA).unwrap_or(1.0),
        }
    }

    /// The settings of all trainings.
    fn trainings(&self) -> impl Iterator<Item = &TrainingRecipe> {
        self.systems.iter().flat_map(ResolvedSystem::phases).chain(self.teacher.training())
    }
}
