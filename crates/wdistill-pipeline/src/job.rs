//! Single jobs: one model on a parallel text, or one student of a teacher that is there. Each makes a [`Plan`] of its own,
//! and speaks of its settings as the command's `--set` does.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;
use wdistill_base::Problem;
use wdistill_generator::Start;
use wdistill_model::Architecture;
use wdistill_runtime::DecodingOptions;
use wdistill_train::{Length, TrainingRecipe};

use crate::error::PipelineError;
use crate::methods::{Method, Phases};
use crate::plan::{
    Part, Plan, Problems, ResolvedSystem, ResolvedTeacher, StudentBase, VocabularyOrigin,
};
use crate::recipe::changes::table;
use crate::recipe::{VocabularyRecipe, given_teacher, rest_of, tuned_teacher, with_changes};
use crate::settings::{BenchmarkRecipe, DataRecipe, Pairs, PseudoDataRecipe, TeacherDecoder};

/// What the settings of a job are, for errors.
const SETTINGS: &str = "settings, which --set KEY=VALUE changes";

/// Updates over which the learning rate of phase 2 rises at most: a student that has weights already needs no more (1,000 in
/// the paper's code, where other runs have 4,000).
const WARM_UP_OF_PHASE_2: Length = Length::Updates(1000);

/// One model on a parallel text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainJob {
    /// Every random choice flows from it.
    pub seed: u64,
    /// Texts; a test text is of no use.
    pub data: DataRecipe,
    /// Subwords.
    pub vocabulary: VocabularyRecipe,
    /// The model's shape.
    pub architecture: Architecture,
    /// How it is trained.
    pub training: TrainingRecipe,
    /// How its validations are decoded.
    pub decoding: DecodingOptions,
}

impl TrainJob {
    /// What is to be done: from random numbers, or from the finished model in a folder, whose vocabularies and shape are
    /// taken, so that only the dropout of the job's architecture counts.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] with every problem found.
    pub fn plan(self, from: Option<&Path>) -> Result<Plan, PipelineError> {
        let mut problems = Problems::default();
        let (vocabulary, model) = match from {
            None => {
                let vocabulary = problems.take(Part::Vocabulary, self.vocabulary.origin());
                let model = ResolvedTeacher::Trained(self.architecture, self.training);
                (vocabulary, Some(model))
            }
            Some(folder) => {
                let changes = table(&self.architecture);
                let model = tuned_teacher(folder, &changes, self.training);
                let model = problems.take(Part::TeacherArchitecture, model);
                (Some(VocabularyOrigin::Teacher(folder.to_path_buf())), model)
            }
        };
        problems.into_result(SETTINGS, TrainJob::name)?;
        let plan = Plan {
            title: "train".to_string(),
            seed: self.seed,
            data: self.data,
            vocabulary: vocabulary.expect("without problems"),
            teacher: model.expect("without problems"),
            student: None,
            systems: Vec::new(),
            back_translation: None,
            pseudo_data: PseudoDataRecipe::default(),
            decoding: self.decoding,
            benchmark: BenchmarkRecipe::default(),
            notes: Vec::new(),
        };
        plan.problems().into_result(SETTINGS, TrainJob::name)?;
        Ok(plan)
    }

    /// The model is the teacher of a run without students.
    fn name(part: Part) -> String {
        match part {
            Part::TeacherArchitecture => "architecture".to_string(),
            Part::TeacherTraining => "training".to_string(),
            other => other.in_recipe(),
        }
    }
}

/// One student of a teacher that is there, by weight distillation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistillJob {
    /// Every random choice flows from it.
    pub seed: u64,
    /// Texts; a test text is of no use.
    pub data: DataRecipe,
    /// The student's shape.
    pub architecture: Architecture,
    /// The settings of both phases, with the updates of both together.
    pub training: TrainingRecipe,
    /// Changes for phase 1; it has half of all updates unless it says otherwise.
    #[schemars(with = "TrainingRecipe")]
    pub generator: Table,
    /// Changes for phase 2; its warm-up is at most 1,000 updates unless it says otherwise.
    #[schemars(with = "TrainingRecipe")]
    pub student: Table,
    /// How the teacher translates the training text.
    pub pseudo_data: PseudoDataRecipe,
    /// How validations are decoded.
    pub decoding: DecodingOptions,
}

impl DistillJob {
    /// What is to be done with the teacher in a folder.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] with every problem found.
    pub fn plan(
        self,
        teacher: &Path,
        method: Method,
        start: Option<Start>,
    ) -> Result<Plan, PipelineError> {
        let mut problems = Problems::default();
        let phases = match method.phases {
            Phases::One => self.one_phase(method, &mut problems),
            Phases::Two => self.phases(&mut problems),
        };
        let start = method.start(start);
        if start.is_some_and(|start| !method.starts.contains(&start)) {
            let fact = format!("--start: {} does not begin so", method.name);
            problems.add(Part::SystemTraining(0), Problem::with_hint(fact, "--method wd does"));
        }
        let given = problems.take(Part::TeacherModel, given_teacher(teacher));
        problems.into_result(SETTINGS, DistillJob::name)?;
        let (generator, training) = phases.expect("without problems");
        let system = ResolvedSystem {
            name: method.name.to_string(),
            method,
            start,
            from: None,
            teacher_decoder: TeacherDecoder::Real,
            pairs: Pairs::OriginalAndPseudo,
            seed: self.seed,
            other_seeds: Vec::new(),
            learning_rates: Vec::new(),
            architecture: self.architecture.clone(),
            generator,
            training,
        };
        let plan = Plan {
            title: "distill".to_string(),
            seed: self.seed,
            data: self.data,
            vocabulary: VocabularyOrigin::Teacher(teacher.to_path_buf()),
            teacher: given.expect("without problems"),
            student: Some(StudentBase { architecture: self.architecture, training: self.training }),
            systems: vec![system],
            back_translation: None,
            pseudo_data: self.pseudo_data,
            decoding: self.decoding,
            benchmark: BenchmarkRecipe::default(),
            notes: Vec::new(),
        };
        plan.problems().into_result(SETTINGS, DistillJob::name)?;
        Ok(plan)
    }

    /// The settings of the only phase.
    fn one_phase(
        &self,
        method: Method,
        problems: &mut Problems,
    ) -> Option<(Option<TrainingRecipe>, TrainingRecipe)> {
        if !self.generator.is_empty() {
            let fact = format!("{} has one phase, and no settings for a first one", method.name);
            problems.add(Part::SystemGenerator(0), Problem::with_hint(fact, "--method wd has two"));
        }
        let training = with_changes(&self.training, &self.student);
        Some((None, problems.take(Part::SystemTraining(0), training)?))
    }

    /// The settings of the two phases.
    fn phases(&self, problems: &mut Problems) -> Option<(Option<TrainingRecipe>, TrainingRecipe)> {
        let all = self.training.updates;
        let half = TrainingRecipe { updates: all.half(), ..self.training.clone() };
        let generator = with_changes(&half, &self.generator);
        let generator = problems.take(Part::SystemGenerator(0), generator);
        let warm_up = match self.training.warm_up.is_longer(WARM_UP_OF_PHASE_2) {
            Some(true) => WARM_UP_OF_PHASE_2,
            Some(false) | None => self.training.warm_up,
        };
        let rest = TrainingRecipe { warm_up, ..self.training.clone() };
        let rest = match &generator {
            Some(first) => problems.take(Part::SystemGenerator(0), rest_of(rest, first.updates))?,
            None => rest,
        };
        let training = problems.take(Part::SystemTraining(0), with_changes(&rest, &self.student));
        Some((Some(generator?), training?))
    }

    fn name(part: Part) -> String {
        match part {
            Part::TeacherModel => "--teacher".to_string(),
            Part::StudentArchitecture | Part::SystemArchitecture(_) => "architecture".to_string(),
            Part::StudentTraining => "training".to_string(),
            Part::SystemGenerator(_) => "generator".to_string(),
            Part::SystemTraining(_) => "student".to_string(),
            other => other.in_recipe(),
        }
    }
}
