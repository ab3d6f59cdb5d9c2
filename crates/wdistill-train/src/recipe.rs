//! A recipe: everything about a run, in one TOML file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use wdistill_generator::Start;
use wdistill_model::Architecture;
use wdistill_text::SubwordModel;

use crate::error::TrainError;
use crate::settings::TrainingSettings;

/// Two files that are aligned line by line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextPair {
    /// Source side, relative to the data folder.
    pub source: PathBuf,
    /// Target side, relative to the data folder.
    pub target: PathBuf,
}

/// What to do with pairs that stand in the training text more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// They stay, and are reported.
    #[default]
    Keep,
    /// All but the first are left out, and reported.
    Drop,
}

/// Texts and their limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Where the texts are; relative to the recipe.
    #[serde(default)]
    pub folder: PathBuf,
    /// What the data is, in a sentence, for the report.
    #[serde(default)]
    pub description: String,
    /// Text to learn from.
    pub train: TextPair,
    /// Text to judge a run by while it trains.
    pub validation: TextPair,
    /// Text to judge the finished systems by; a whole run needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TextPair>,
    /// Longer training sentences are left out, and reported.
    #[serde(default = "default_sentence_tokens")]
    pub max_sentence_tokens: usize,
    /// Training pairs whose sides differ more than this in tokens are left out, and reported.
    #[serde(default = "default_length_ratio")]
    pub max_length_ratio: f64,
    /// Repeated training pairs.
    #[serde(default)]
    pub duplicates: Duplicates,
}

fn default_sentence_tokens() -> usize {
    200
}

fn default_length_ratio() -> f64 {
    9.0
}

/// Whether source and target share a vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// One vocabulary, learned from both sides.
    #[default]
    Joint,
    /// Two vocabularies of the given size.
    Separate,
}

/// Subwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocabularyRecipe {
    /// Kind of subwords.
    #[serde(default = "default_model")]
    pub model: SubwordModel,
    /// Number of tokens wanted.
    pub size: usize,
    /// One vocabulary or two.
    #[serde(default)]
    pub sharing: Sharing,
}

fn default_model() -> SubwordModel {
    SubwordModel::Bpe
}

/// A model to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// Name of a preset architecture to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Changes to the preset, or a whole architecture.
    #[serde(default)]
    pub architecture: Table,
    /// Changes to the default training settings.
    #[serde(default)]
    pub training: Table,
}

/// The teacher: trained here, or given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherRecipe {
    /// Folder of a model to use as it is; relative to the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Name of a preset architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Changes to the preset, or a whole architecture.
    #[serde(default)]
    pub architecture: Table,
    /// Changes to the default training settings.
    #[serde(default)]
    pub training: Table,
}

/// A search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodingRecipe {
    /// Hypotheses kept at each step.
    pub beam: usize,
    /// Exponent of the length in a hypothesis' score.
    pub length_penalty: f64,
    /// Longest translation in target words for each source word, plus 20.
    pub max_length_ratio: f64,
    /// Source tokens of a batch, each counted `beam` times.
    pub batch_tokens: usize,
}

impl Default for DecodingRecipe {
    fn default() -> Self {
        DecodingRecipe { beam: 4, length_penalty: 1.0, max_length_ratio: 2.0, batch_tokens: 4096 }
    }
}

/// How a student comes by its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Random start, original pairs only: no teacher.
    Scratch,
    /// Random start, original and pseudo pairs: sequence-level knowledge distillation.
    Kd,
    /// The teacher cut down, then as `kd`.
    Cut,
    /// Weight distillation: a generator trained through the student, then the student itself.
    Wd,
}

impl Method {
    /// In a few words, for the report.
    pub fn description(self) -> &'static str {
        match self {
            Method::Scratch => "random start, original pairs",
            Method::Kd => "random start, sequence-level distillation",
            Method::Cut => "teacher cut down, sequence-level distillation",
            Method::Wd => "weight distillation",
        }
    }
}

/// A student to be trained and compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemRecipe {
    /// Name in the table; the method's by default.
    #[serde(default)]
    pub name: String,
    /// Where its weights come from.
    pub method: Method,
    /// Start of the generator's factors.
    #[serde(default)]
    pub start: Start,
    /// Phase 1 of `wd`: changes to the student's training settings; its `updates` are part of the
    /// student's, not added to them.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub generator: Table,
    /// Changes to the student's training settings, for this system (phase 2 of `wd`).
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub training: Table,
}

/// How speed is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BenchmarkRecipe {
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Sentences of the test set, from its start.
    pub sentences: usize,
}

impl Default for BenchmarkRecipe {
    fn default() -> Self {
        BenchmarkRecipe { rounds: 5, sentences: 200 }
    }
}

/// Everything about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub vocabulary: VocabularyRecipe,
    /// Teacher.
    pub teacher: TeacherRecipe,
    /// Shape of the students, and the settings that all of them share.
    pub student: ModelRecipe,
    /// How the teacher translates the training text.
    #[serde(default = "DecodingRecipe::for_pseudo_data")]
    pub pseudo_data: DecodingRecipe,
    /// How systems are validated, tested and timed.
    #[serde(default)]
    pub decoding: DecodingRecipe,
    /// Speed.
    #[serde(default)]
    pub benchmark: BenchmarkRecipe,
    /// Students.
    pub systems: Vec<SystemRecipe>,
}

fn default_seed() -> u64 {
    1
}

impl DecodingRecipe {
    /// The paper's: beam 6.
    pub fn for_pseudo_data() -> DecodingRecipe {
        DecodingRecipe { beam: 6, ..DecodingRecipe::default() }
    }
}

impl DataRecipe {
    /// Texts by their paths, with the usual limits and no test text.
    pub fn new(train: TextPair, validation: TextPair) -> DataRecipe {
        DataRecipe {
            folder: PathBuf::new(),
            description: String::new(),
            train,
            validation,
            test: None,
            max_sentence_tokens: default_sentence_tokens(),
            max_length_ratio: default_length_ratio(),
            duplicates: Duplicates::Keep,
        }
    }
}

impl VocabularyRecipe {
    /// For a teacher that is given: its own vocabularies are used, and none is learned.
    pub fn of_the_teacher() -> VocabularyRecipe {
        VocabularyRecipe { model: SubwordModel::Bpe, size: 0, sharing: Sharing::Joint }
    }
}

/// A system with all settings worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSystem {
    /// Name in the table.
    pub name: String,
    /// Where its weights come from.
    pub method: Method,
    /// Start of the generator's factors.
    pub start: Start,
    /// Phase 1 of `wd`.
    pub generator: Option<TrainingSettings>,
    /// Its own training; with phase 1 it has the updates that all systems have.
    pub training: TrainingSettings,
}

/// Architectures and settings worked out from a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The teacher's architecture and settings, if it is trained here.
    pub teacher: Option<(Architecture, TrainingSettings)>,
    /// The students' architecture.
    pub student: Architecture,
    /// Students.
    pub systems: Vec<ResolvedSystem>,
}

impl Recipe {
    /// Reads a recipe; its relative paths are taken from its own folder, or from `data` if that is given.
    ///
    /// # Errors
    /// [`TrainError::Io`], or [`TrainError::Recipe`] with line, expected keys and the nearest one.
    pub fn read(path: &Path, data: Option<&Path>) -> Result<Recipe, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let mut recipe: Recipe = parse(&text).map_err(|problem| {
            let path = path.to_path_buf();
            TrainError::Recipe { path, problem }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        recipe.data.folder = match data {
            Some(data) => data.to_path_buf(),
            None => folder.join(&recipe.data.folder),
        };
        if let Some(model) = &mut recipe.teacher.model {
            *model = folder.join(&*model);
        }
        Ok(recipe)
    }

    /// Works out architectures and settings.
    ///
    /// # Errors
    /// [`TrainError::Settings`] with every problem found.
    pub fn resolve(&self) -> Result<Resolved, TrainError> {
        let mut problems = Vec::new();
        let mut ok = |place: &str, result: Result<(), String>| {
            if let Err(problem) = result {
                problems.push(format!("{place}: {problem}"));
            }
        };
        let teacher = &self.teacher;
        let teacher_parts = teacher.model.is_none().then(|| {
            (
                architecture(teacher.preset.as_deref(), &teacher.architecture),
                changed(&Table::new(), &teacher.training),
            )
        });
        let student = architecture(self.student.preset.as_deref(), &self.student.architecture);
        let base = changed::<TrainingSettings>(&Table::new(), &self.student.training);
        if let Some((architecture, training)) = &teacher_parts {
            ok("teacher.architecture", architecture.as_ref().map(drop).map_err(Clone::clone));
            ok("teacher.training", checked(training));
        }
        ok("student.architecture", student.as_ref().map(drop).map_err(Clone::clone));
        ok("student.training", checked(&base));
        let mut names = BTreeSet::new();
        let mut systems = Vec::new();
        for (index, system) in self.systems.iter().enumerate() {
            let resolved = self.resolve_system(system);
            let place = format!("systems[{index}]");
            match resolved {
                Ok(resolved) => {
                    if !names.insert(resolved.name.clone()) || resolved.name == TEACHER {
                        ok(&place, Err(format!("the name {:?} is taken", resolved.name)));
                    }
                    systems.push(resolved);
                }
                Err(problem) => ok(&place, Err(problem)),
            }
        }
        if !problems.is_empty() {
            return Err(TrainError::Settings { place: "the recipe".to_string(), problems });
        }
        let teacher = teacher_parts.and_then(|(a, t)| Some((a.ok()?, t.ok()?)));
        let student = student.expect("checked above");
        Ok(Resolved { teacher, student, systems })
    }

    fn resolve_system(&self, system: &SystemRecipe) -> Result<ResolvedSystem, String> {
        let base: TrainingSettings = changed(&self.student.training, &system.training)?;
        let name = match system.name.as_str() {
            "" => format!("{:?}", system.method).to_lowercase(),
            name => name.to_string(),
        };
        if !name.chars().all(|c| c.is_alphanumeric() || "-_+. ".contains(c))
            || name.starts_with('.')
        {
            return Err(format!("the name {name:?} cannot be a folder's"));
        }
        let total = changed::<TrainingSettings>(&Table::new(), &self.student.training)?.updates;
        if base.updates != total {
            return Err(format!(
                "training.updates is {}, but every system has the student's {total}; hint: phase 1 \
                 of wd takes its share by generator.updates",
                base.updates
            ));
        }
        let generator = match (system.method, system.generator.contains_key("updates")) {
            (Method::Wd, true) => {
                let settings: TrainingSettings =
                    changed(&self.student.training, &system.generator)?;
                if settings.updates >= total {
                    return Err(format!(
                        "generator.updates is {}, which leaves none of the student's {total} \
                         updates for phase 2",
                        settings.updates
                    ));
                }
                Some(settings)
            }
            (Method::Wd, false) => {
                return Err("wd needs generator.updates, its share of the updates".to_string());
            }
            (_, _) if !system.generator.is_empty() => {
                return Err("only wd has a generator".to_string());
            }
            (_, _) => None,
        };
        let phase_1 = generator.as_ref().map_or(0, |settings| settings.updates);
        let training = TrainingSettings { updates: total - phase_1, ..base };
        for (place, settings) in [("generator", generator.as_ref()), ("training", Some(&training))]
        {
            let problems = settings.map(TrainingSettings::problems).unwrap_or_default();
            if !problems.is_empty() {
                return Err(format!("{place}: {}", problems.join("; ")));
            }
        }
        Ok(ResolvedSystem { name, method: system.method, start: system.start, generator, training })
    }
}

/// Name of the teacher in tables; no student may have it.
pub const TEACHER: &str = "teacher";

fn checked(settings: &Result<TrainingSettings, String>) -> Result<(), String> {
    let problems = settings.as_ref().map_err(Clone::clone)?.problems();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("; ")),
    }
}

/// A preset with changes, or an architecture written out.
///
/// # Errors
/// The problem, in words.
pub fn architecture(preset: Option<&str>, changes: &Table) -> Result<Architecture, String> {
    let base = match preset {
        Some(name) => {
            let preset = Architecture::preset(name).map_err(|error| error.to_string())?;
            Table::try_from(preset).map_err(|error| error.to_string())?
        }
        None => Table::new(),
    };
    changed(&base, changes)
}

/// A table with changes, table by table, read as settings.
fn changed<T: DeserializeOwned>(base: &Table, changes: &Table) -> Result<T, String> {
    let mut table = base.clone();
    merge(&mut table, changes);
    table.try_into().map_err(|error: toml::de::Error| with_nearest(error.message()))
}

fn merge(base: &mut Table, changes: &Table) {
    for (key, change) in changes {
        match (base.get_mut(key), change) {
            (Some(Value::Table(base)), Value::Table(change)) => merge(base, change),
            _ => {
                base.insert(key.clone(), change.clone());
            }
        }
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| with_nearest(&error.to_string()))
}

/// Adds the nearest of the expected names to serde's message about an unknown one.
fn with_nearest(message: &str) -> String {
    let message = message.trim_end();
    let Some(start) = message.find("unknown ") else { return message.to_string() };
    let mut names = message[start..].split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else { return message.to_string() };
    let nearest = names.min_by_key(|name| edit_distance(unknown, name));
    match nearest {
        Some(nearest) => format!("{message}\nhint: did you mean `{nearest}`?"),
        None => message.to_string(),
    }
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = r#"
        title = "Test"
        [data]
        train = { source = "a", target = "b" }
        validation = { source = "a", target = "b" }
        test = { source = "a", target = "b" }
        [vocabulary]
        size = 300
        [teacher]
        preset = "transformer-nano"
        training = { updates = 10 }
        [student]
        preset = "transformer-nano"
        architecture = { decoder = { layers = 1 } }
        training = { updates = 100, warm_up = 7 }
        [[systems]]
        method = "kd"
        [[systems]]
        method = "wd"
        start = "cut"
        generator = { updates = 40, warm_up = 5 }
        training = { learning_rate = 0.5 }
    "#;

    fn resolve(text: &str) -> Result<Resolved, String> {
        parse::<Recipe>(text)?.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn presets_are_changed_and_phases_share_the_updates() {
        let resolved = resolve(RECIPE).unwrap();
        assert_eq!(resolved.student.summary(), "2x16/32 + 1x16/32");
        let [kd, wd] = &resolved.systems[..] else { panic!() };
        assert_eq!((kd.name.as_str(), kd.training.updates, kd.training.warm_up), ("kd", 100, 7));
        let generator = wd.generator.as_ref().unwrap();
        assert_eq!((generator.updates, generator.warm_up), (40, 5));
        assert_eq!((wd.training.updates, wd.training.warm_up), (60, 7));
        assert_eq!((wd.training.learning_rate, generator.learning_rate), (0.5, 7e-4));
        assert_eq!(wd.start, Start::Cut);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let error = resolve(&RECIPE.replace("[vocabulary]", "[vocabulry]")).unwrap_err();
        assert!(error.contains("did you mean `vocabulary`?"), "{error}");
        let error = resolve(&RECIPE.replace("warm_up = 7", "warmup = 7")).unwrap_err();
        assert!(error.contains("student.training"), "{error}");
        assert!(error.contains("did you mean `warm_up`?"), "{error}");
        let error = resolve(&RECIPE.replace("\"kd\"", "\"dk\"")).unwrap_err();
        assert!(error.contains("did you mean `kd`?"), "{error}");
    }

    #[test]
    fn unfair_and_impossible_systems_are_refused() {
        let more = RECIPE.replace("learning_rate = 0.5", "updates = 200");
        assert!(resolve(&more).unwrap_err().contains("every system has the student's 100"));
        let all = RECIPE.replace("updates = 40", "updates = 100");
        assert!(resolve(&all).unwrap_err().contains("leaves none"));
        let twice = RECIPE.replace("method = \"wd\"", "name = \"kd\"\nmethod = \"wd\"");
        assert!(resolve(&twice).unwrap_err().contains("\"kd\" is taken"));
    }

    #[test]
    fn edit_distances_by_hand() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }
}
