//! A recipe: everything about a run, in one TOML file.

pub(crate) mod changes;
mod lines;
mod resolve;
mod schema;
mod write;

pub use changes::{Settings, with_changes};
use lines::Lines;
pub(crate) use resolve::{given_teacher, rest_of, tuned_teacher};
use schema::Unknown;
pub use schema::{Choice, Key, KeyTable, RECIPE, key_tables, renamed};

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Table;
use wdistill_base::{FileError, Problem};
use wdistill_generator::Start;
use wdistill_model::Architecture;
use wdistill_runtime::DecodingOptions;
use wdistill_text::{Normalisation, Sharing, SubwordModel};
use wdistill_train::TrainingRecipe;

use crate::error::PipelineError;
use crate::methods::Method;
use crate::names::{IMPORTED_BACK_TRANSLATION, IMPORTED_SCORES, IMPORTED_TEACHER};
use crate::settings::{
    BackTranslationRecipe, BenchmarkRecipe, Cycle, DataRecipe, Pairs, PseudoDataRecipe,
    ScoreRecipe, TeacherDecoder,
};

/// Subwords: to be learned, with `size`, or from files, with `source` and `target`; neither for a teacher
/// that is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VocabularyRecipe {
    /// Kind of subwords to learn.
    #[serde(default = "default_model")]
    pub model: SubwordModel,
    /// Number of tokens wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// What becomes of blanks and look-alikes before lines are cut; `nmt-nfkc` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// Learn one vocabulary or two.
    #[serde(default)]
    pub sharing: Sharing,
    /// Most pairs to learn from; of more so many, evenly spaced.
    #[serde(default = "default_sample_pairs", skip_serializing_if = "is_default_sample")]
    pub sample_pairs: u64,
    /// A file that `wdistill vocab` wrote, or a SentencePiece model; relative to the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// The target side's; may be the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
}

impl Default for VocabularyRecipe {
    fn default() -> Self {
        VocabularyRecipe {
            model: default_model(),
            size: None,
            normalisation: None,
            sharing: Sharing::default(),
            sample_pairs: default_sample_pairs(),
            source: None,
            target: None,
        }
    }
}

/// More pairs hardly change what is learned, and the words of all of them are in memory.
fn default_sample_pairs() -> u64 {
    1_000_000
}

fn is_default_sample(pairs: &u64) -> bool {
    *pairs == default_sample_pairs()
}

fn default_model() -> SubwordModel {
    SubwordModel::Bpe
}

/// A model to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// Name of a preset architecture to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Changes to the preset, or a whole architecture.
    #[serde(default)]
    #[schemars(with = "Architecture")]
    pub architecture: Table,
    /// Changes to the default training settings.
    #[serde(default)]
    #[schemars(with = "TrainingRecipe")]
    pub training: Table,
}

/// The teacher: trained here, from random numbers or from a finished model, or given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherRecipe {
    /// Folder of a model to use as it is, relative to the recipe; the command `wdistill run` imports one of
    /// another toolkit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Folder of a finished model to begin with, relative to the recipe, in place of random numbers: fine-tuning. Shape and
    /// vocabularies are the model's; of `architecture` only `dropout` may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Name of a preset architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Changes to the preset, or a whole architecture.
    #[serde(default)]
    #[schemars(with = "Architecture")]
    pub architecture: Table,
    /// Changes to the default training settings.
    #[serde(default)]
    #[schemars(with = "TrainingRecipe")]
    pub training: Table,
}

/// A student to be trained and compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemRecipe {
    /// Name in the table; the method's by default.
    #[serde(default)]
    pub name: String,
    /// Where its weights come from.
    pub method: Method,
    /// What a student, or its generator's factors, begin with, for a method that leaves a choice; `xavier`, the paper's, for
    /// `wd`, and `cut` for `cut`, `cut-twice` and `encoder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Name of an earlier system whose student its weights are made of, in place of the teacher's: a step on the way to a
    /// smaller one. The pseudo text and the words that are learned stay the teacher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whose decoder layers its weights are made of, for a method that uses the teacher's.
    #[serde(default, skip_serializing_if = "is_real")]
    pub teacher_decoder: TeacherDecoder,
    /// Which pairs it learns from; by default the pseudo pairs too, except for `scratch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Pairs>,
    /// Seed of its training, in place of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Seeds of its training, in place of the recipe's `seeds`: a student for each, whose scores are one row of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Learning rates to be tried, in place of the recipe's `learning_rates`: the one whose student, of the first seed, has
    /// the lowest validation loss is the system's. It is that of the first phase; a second one keeps its proportion to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<f64>,
    /// Changes to the students' architecture, for this system.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    #[schemars(with = "Architecture")]
    pub architecture: Table,
    /// Phase 1 of a method that has two (`wd`, `cut-twice`): changes to the student's training settings; its `updates` are
    /// part of the student's, not added to them.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    #[schemars(with = "TrainingRecipe")]
    pub generator: Table,
    /// When the schedule comes to its end, for a method with two phases.
    #[serde(default, skip_serializing_if = "ends_with_each_phase")]
    pub cycle: Cycle,
    /// Changes to the student's training settings, for this system (phase 2, if there are two).
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    #[schemars(with = "TrainingRecipe")]
    pub training: Table,
}

fn ends_with_each_phase(cycle: &Cycle) -> bool {
    *cycle == Cycle::EachPhase
}

fn is_real(decoder: &TeacherDecoder) -> bool {
    *decoder == TeacherDecoder::Real
}

/// Everything about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Title of the report.
    pub title: String,
    /// Every random choice flows from it.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Texts.
    pub data: DataRecipe,
    /// Subwords.
    #[serde(default)]
    pub vocabulary: VocabularyRecipe,
    /// Teacher.
    pub teacher: TeacherRecipe,
    /// Shape of the students, and the settings that all of them share; needed if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<ModelRecipe>,
    /// Pairs whose sources are made of texts of the target language, learned from with the training text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_translation: Option<BackTranslationRecipe>,
    /// How the teacher translates the training text.
    #[serde(default, deserialize_with = "changes_of_pseudo_data")]
    pub pseudo_data: PseudoDataRecipe,
    /// How systems are validated, tested and timed.
    #[serde(default)]
    pub decoding: DecodingOptions,
    /// Speed.
    #[serde(default)]
    pub benchmark: BenchmarkRecipe,
    /// Seeds of all systems that do not name their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Learning rates that are tried for all systems that do not name their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<f64>,
    /// Students.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<SystemRecipe>,
    /// What a user should know of the recipe, and is said when it is carried out.
    #[serde(skip)]
    pub notes: Vec<String>,
}

fn default_seed() -> u64 {
    1
}

/// A table that leaves out a key leaves it as it is for pseudo data, not as it is for tests.
fn changes_of_pseudo_data<'d, D: Deserializer<'d>>(
    deserializer: D,
) -> Result<PseudoDataRecipe, D::Error> {
    let changes = Table::deserialize(deserializer)?;
    with_changes(&PseudoDataRecipe::default(), &changes)
        .map_err(|problem| D::Error::custom(problem.in_lines()))
}

impl TeacherRecipe {
    /// A teacher that is there already.
    pub fn given(folder: PathBuf) -> TeacherRecipe {
        let (architecture, training) = (Table::new(), Table::new());
        TeacherRecipe { model: Some(folder), from: None, preset: None, architecture, training }
    }
}

impl Recipe {
    /// The finished models that it names, each with its key and the folder of a run for one that came from another toolkit.
    pub fn models_mut(&mut self) -> Vec<(String, String, &mut PathBuf)> {
        let mut models = Vec::new();
        if let Some(model) = &mut self.teacher.model {
            models.push(("teacher.model".to_string(), IMPORTED_TEACHER.to_string(), model));
        }
        if let Some(BackTranslationRecipe { model, .. }) = &mut self.back_translation {
            let folder = IMPORTED_BACK_TRANSLATION.to_string();
            models.push(("back_translation.model".to_string(), folder, model));
        }
        let scoring = self.data.scores_mut().flat_map(ScoreRecipe::models_mut);
        for (number, model) in (1..).zip(scoring) {
            let folder = format!("{IMPORTED_SCORES}/{number}");
            models.push(("data.filters.scores".to_string(), folder, model));
        }
        models
    }

    /// Reads a recipe; its relative paths are taken from its own folder, or from `data` if that is given.
    ///
    /// # Errors
    /// [`PipelineError::Io`], or [`PipelineError::Recipe`] with line, expected keys and the nearest one.
    pub fn read(path: &Path, data: Option<&Path>) -> Result<Recipe, PipelineError> {
        let text = std::fs::read_to_string(path).map_err(FileError::when("read", path))?;
        Recipe::parse(&text, path, data)
    }

    /// The same for a text that stands, or could stand, in the file of that path.
    ///
    /// # Errors
    /// [`PipelineError::Recipe`].
    pub fn parse(text: &str, path: &Path, data: Option<&Path>) -> Result<Recipe, PipelineError> {
        let mut recipe: Recipe = parse(text).map_err(|problem| {
            let path = path.to_path_buf();
            PipelineError::Recipe { path, problem }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        recipe.data.folder = match data {
            Some(data) => data.to_path_buf(),
            None => folder.join(&recipe.data.folder),
        };
        for (_, _, model) in recipe.models_mut() {
            *model = folder.join(&*model);
        }
        let VocabularyRecipe { source, target, .. } = &mut recipe.vocabulary;
        for path in [&mut recipe.teacher.from, source, target].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        Ok(recipe)
    }
}

/// Reads TOML; every name that is unknown is named with its line.
fn parse(text: &str) -> Result<Recipe, Problem> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut unknown = schema::unknown(&schema::RECIPE, &table);
    if !unknown.is_empty() {
        let lines = Lines::of(text);
        unknown.sort_by_key(|unknown| lines.line(&unknown.place));
        let problem = |Unknown { place, fact, hint }| {
            let problem = Problem::with_hint(fact, hint);
            match lines.line(&place) {
                Some(line) => problem.at(format!("line {line}")),
                None => problem,
            }
        };
        return Err(Problem::together(unknown.into_iter().map(problem).collect()));
    }
    let mut recipe: Recipe = toml::from_str(text).map_err(|error| error.to_string())?;
    recipe.notes = schema::renamed(&table);
    Ok(recipe)
}
