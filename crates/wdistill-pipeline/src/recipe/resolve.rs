//! A recipe worked out: presets and defaults filled in, and everything checked that can be checked before
//! anything runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};
use wdistill_formats::native;
use wdistill_generator::{Start, check_fit};
use wdistill_model::{
    Architecture, Config, ConfigError, Conventions, Embeddings, Transformer, Vocabularies,
};
use wdistill_search::SearchSettings;
use wdistill_text::{Sharing, VocabularySettings};

use super::{
    DataRecipe, Pairs, RESERVED_NAMES, Recipe, SystemRecipe, VocabularyRecipe, with_nearest,
};
use crate::error::PipelineError;
use crate::machine::total_memory;
use crate::methods::{LearnsFrom, METHODS, Method, Origin};
use wdistill_train::TrainingSettings;

/// Where the vocabularies come from.
#[derive(Clone, Debug, PartialEq)]
pub enum VocabularyOrigin {
    /// Learned from the training text.
    Learned(VocabularySettings, Sharing),
    /// Files, source and target side.
    Files(PathBuf, PathBuf),
    /// The folder of the teacher that is given.
    Teacher(PathBuf),
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
    /// Which pairs it learns from.
    pub pairs: Pairs,
    /// Decides its random choices.
    pub seed: u64,
    /// Its shape.
    pub architecture: Architecture,
    /// Phase 1 of `wd`.
    pub generator: Option<TrainingSettings>,
    /// Its own training; with phase 1 it has the updates that all systems have.
    pub training: TrainingSettings,
}

impl ResolvedSystem {
    /// Whether a phase of it learns the teacher's distribution over words.
    pub fn learns_words(&self) -> bool {
        let phases = [Some(&self.training), self.generator.as_ref()];
        phases.into_iter().flatten().any(|phase| phase.word_distillation > 0.0)
    }
}

/// Where the teacher comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ResolvedTeacher {
    /// It is trained here.
    Trained(Architecture, TrainingSettings),
    /// It is given: its folder and its configuration.
    Given(PathBuf, Config),
}

impl ResolvedTeacher {
    /// Its configuration; with vocabularies of any size, if there are none yet.
    fn config(&self) -> Result<Config, ConfigError> {
        match self {
            ResolvedTeacher::Trained(architecture, _) => {
                Config::new(architecture.clone(), Vocabularies::shared(1))
            }
            ResolvedTeacher::Given(_, config) => Ok(config.clone()),
        }
    }

    fn architecture(&self) -> &Architecture {
        match self {
            ResolvedTeacher::Trained(architecture, _) => architecture,
            ResolvedTeacher::Given(_, config) => &config.architecture,
        }
    }
}

/// Whether a model that is to be trained has one table of embeddings for both sides.
fn any_all_tied(teacher: Option<&ResolvedTeacher>, systems: &[ResolvedSystem]) -> bool {
    let teacher = match teacher {
        Some(ResolvedTeacher::Trained(architecture, _)) => Some(architecture),
        _ => None,
    };
    let mut all = systems.iter().map(|system| &system.architecture).chain(teacher);
    all.any(|architecture| architecture.embeddings == Embeddings::AllTied)
}

impl Resolved {
    /// Whether a model that is to be trained has one table of embeddings for both sides.
    pub fn any_all_tied(&self) -> bool {
        any_all_tied(Some(&self.teacher), &self.systems)
    }
}

/// Architectures and settings worked out from a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Vocabularies.
    pub vocabulary: VocabularyOrigin,
    /// The teacher.
    pub teacher: ResolvedTeacher,
    /// The students' architecture.
    pub student: Architecture,
    /// The settings that students share.
    pub training: TrainingSettings,
    /// Students.
    pub systems: Vec<ResolvedSystem>,
}

/// What is wrong with a system: keys below its own, such as `.training`, and problems.
type SystemProblems = Vec<(&'static str, String)>;

/// What systems have in common.
struct Base<'a> {
    /// Updates of every student, in all phases together.
    total: u64,
    student: &'a Architecture,
    /// None if something is wrong with it.
    teacher: Option<&'a Config>,
}

/// Problems as they are found, each with its place in the recipe.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, place: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("{place}: {problem}"));
    }

    fn extend(&mut self, place: &str, problems: Vec<String>) {
        problems.iter().for_each(|problem| self.add(place, problem));
    }

    /// The value; or nothing, and a note of what is wrong with it.
    fn take<T, E: std::fmt::Display>(&mut self, place: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.add(place, problem)).ok()
    }
}

impl Recipe {
    /// Works out architectures and settings, and checks everything that can be checked without the texts.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] with every problem found.
    pub fn resolve(&self) -> Result<Resolved, PipelineError> {
        let mut problems = Problems::default();
        problems.0.extend(self.path_problems());
        let vocabulary = self.resolve_vocabulary(&mut problems);
        let teacher = self.resolve_teacher(&mut problems);
        // The method maps a teacher's weights only onto a student with the same conventions.
        let conventions = teacher
            .as_ref()
            .map(|teacher| teacher.architecture().conventions())
            .unwrap_or_default();
        let (preset, changes) = (self.student.preset.as_deref(), &self.student.architecture);
        let student = resolve_architecture("student", preset, conventions, changes, &mut problems);
        let training = resolve_training("student", &self.student.training, &mut problems);
        let systems = match (&training, &student) {
            (Some(training), Some(student)) => {
                let teacher = teacher.as_ref().and_then(|teacher| teacher.config().ok());
                let base = Base { total: training.updates, student, teacher: teacher.as_ref() };
                self.resolve_systems(&base, &mut problems)
            }
            _ => Vec::new(),
        };
        self.check_decoding(&mut problems);
        let trained =
            systems.iter().flat_map(|system| [Some(&system.training), system.generator.as_ref()]);
        let trained: Vec<&TrainingSettings> = match &teacher {
            Some(ResolvedTeacher::Trained(_, settings)) => {
                trained.flatten().chain([settings]).collect()
            }
            _ => trained.flatten().collect(),
        };
        self.check_data(&trained, &mut problems);
        let separate = matches!(vocabulary, Some(VocabularyOrigin::Learned(_, Sharing::Separate)));
        if separate && any_all_tied(teacher.as_ref(), &systems) {
            problems
                .add("vocabulary", "separate vocabularies contradict embeddings = \"all-tied\"");
        }
        match (vocabulary, teacher, student, training) {
            (Some(vocabulary), Some(teacher), Some(student), Some(training))
                if problems.0.is_empty() =>
            {
                Ok(Resolved { vocabulary, teacher, student, training, systems })
            }
            _ => Err(PipelineError::Settings {
                place: "the recipe".to_string(),
                problems: problems.0,
            }),
        }
    }

    fn resolve_vocabulary(&self, problems: &mut Problems) -> Option<VocabularyOrigin> {
        let VocabularyRecipe { model, size, normalisation, sharing, source, target } =
            &self.vocabulary;
        if let Some(folder) = &self.teacher.model {
            if self.vocabulary != VocabularyRecipe::default() {
                problems
                    .add("vocabulary", "the vocabularies are those of teacher.model; leave it out");
            }
            return Some(VocabularyOrigin::Teacher(folder.clone()));
        }
        match (size, source, target) {
            (Some(size), None, None) => {
                let mut settings = VocabularySettings::new(*model, *size);
                settings.normalisation = normalisation.unwrap_or_default();
                Some(VocabularyOrigin::Learned(settings, *sharing))
            }
            (None, Some(source), Some(target)) => {
                if normalisation.is_some() {
                    problems
                        .add("vocabulary.normalisation", "the files have their own; leave it out");
                }
                Some(VocabularyOrigin::Files(source.clone(), target.clone()))
            }
            _ => {
                problems.add("vocabulary", "expected either size, or source and target, two files");
                None
            }
        }
    }

    fn resolve_teacher(&self, problems: &mut Problems) -> Option<ResolvedTeacher> {
        let teacher = &self.teacher;
        let Some(folder) = &teacher.model else {
            let (preset, changes) = (teacher.preset.as_deref(), &teacher.architecture);
            let conventions = Conventions::default();
            let architecture =
                resolve_architecture("teacher", preset, conventions, changes, problems);
            let training = resolve_training("teacher", &teacher.training, problems);
            if training.as_ref().is_some_and(|settings| settings.word_distillation > 0.0) {
                problems
                    .add("teacher.training", "word_distillation needs a teacher, and it has none");
            }
            return Some(ResolvedTeacher::Trained(architecture?, training?));
        };
        let ignored = [
            ("preset", teacher.preset.is_some()),
            ("architecture", !teacher.architecture.is_empty()),
            ("training", !teacher.training.is_empty()),
        ];
        for (key, _) in ignored.iter().filter(|(_, is_there)| *is_there) {
            problems
                .add("teacher", format!("{key} has no use beside model: leave one of them out"));
        }
        let config = problems.take("teacher.model", native::load_config(folder))?;
        Some(ResolvedTeacher::Given(folder.clone(), config))
    }

    fn resolve_systems(&self, base: &Base<'_>, problems: &mut Problems) -> Vec<ResolvedSystem> {
        let mut names = BTreeSet::new();
        let mut systems = Vec::new();
        for (index, system) in self.systems.iter().enumerate() {
            let place = format!("systems[{index}]");
            let resolved = match self.resolve_system(system, base) {
                Ok(resolved) => resolved,
                Err(found) => {
                    for (key, problem) in found {
                        problems.add(&format!("{place}{key}"), problem);
                    }
                    continue;
                }
            };
            let name = resolved.name.to_lowercase();
            if RESERVED_NAMES.contains(&name.as_str()) || !names.insert(name) {
                problems.add(&place, format!("the name {:?} is taken", resolved.name));
            }
            systems.push(resolved);
        }
        systems
    }

    fn resolve_system(
        &self,
        system: &SystemRecipe,
        &Base { total, student, teacher }: &Base<'_>,
    ) -> Result<ResolvedSystem, SystemProblems> {
        let here = |key: &'static str| move |problem| vec![(key, problem)];
        let base: TrainingSettings =
            changed(&self.student.training, &system.training).map_err(here(".training"))?;
        let name = match system.name.as_str() {
            "" => system.method.name.to_string(),
            name => name.to_string(),
        };
        if !name.chars().all(|c| c.is_alphanumeric() || "-_+. ".contains(c))
            || name.starts_with('.')
            || name.trim() != name
        {
            return Err(vec![(".name", format!("{name:?} cannot be a folder's"))]);
        }
        if base.updates != total {
            let problem = format!(
                "updates is {}, expected the {total} that students have in all phases together; hint: \
                 phase 1 of wd takes its share by generator.updates",
                base.updates
            );
            return Err(vec![(".training", problem)]);
        }
        let method = system.method;
        let has_generator = method.origin == Origin::Generator;
        if !has_generator && (system.start.is_some() || !system.generator.is_empty()) {
            let problem = format!(
                "{} has no start and no generator; only {} has",
                method.name,
                with_generator()
            );
            return Err(vec![("", problem)]);
        }
        let generator = match has_generator {
            true => Some(self.resolve_generator(system, total).map_err(here(".generator"))?),
            false => None,
        };
        let phase_1 = generator.as_ref().map_or(0, |settings| settings.updates);
        let training = TrainingSettings { updates: total - phase_1, ..base };
        let of_generator = generator.as_ref().map(TrainingSettings::problems).unwrap_or_default();
        let of_training = training.problems().into_iter().map(|problem| (".training", problem));
        let problems: SystemProblems = of_generator
            .into_iter()
            .map(|problem| (".generator", problem))
            .chain(of_training)
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let start = system.start.unwrap_or_default();
        let pairs = system.pairs.unwrap_or(match method.learns_from {
            LearnsFrom::Text => Pairs::Original,
            LearnsFrom::Teacher => Pairs::OriginalAndPseudo,
        });
        let wants_teacher = pairs != Pairs::Original || training.word_distillation > 0.0;
        if method.learns_from == LearnsFrom::Text && wants_teacher {
            let problem =
                format!("{} learns nothing from a teacher; hint: method = \"kd\"", method.name);
            return Err(vec![("", problem)]);
        }
        let architecture =
            with_changes(student, &system.architecture).map_err(here(".architecture"))?;
        // Sizes of vocabularies may not be known yet; equal ones contradict nothing.
        let vocabularies = teacher.map_or(Vocabularies::shared(1), |teacher| teacher.vocabularies);
        let config = Config::new(architecture.clone(), vocabularies)
            .map_err(|error| vec![(".architecture", error.to_string())])?;
        fits_memory(&config).map_err(here(".architecture"))?;
        if let (Origin::Teacher | Origin::Generator, Some(teacher)) = (method.origin, teacher) {
            check_fit(teacher, &config).map_err(|error| {
                let problems = error.each().iter();
                problems.map(|problem| (".architecture", problem.to_string())).collect::<Vec<_>>()
            })?;
        }
        let seed = system.seed.unwrap_or(self.seed);
        Ok(ResolvedSystem { name, method, start, pairs, seed, architecture, generator, training })
    }

    fn resolve_generator(
        &self,
        system: &SystemRecipe,
        total: u64,
    ) -> Result<TrainingSettings, String> {
        if !system.generator.contains_key("updates") {
            return Err(format!(
                "{} needs updates here, its share of the student's",
                system.method.name
            ));
        }
        let settings: TrainingSettings = changed(&self.student.training, &system.generator)?;
        match settings.updates < total {
            true => Ok(settings),
            false => Err(format!(
                "updates is {}, which leaves none of the student's {total} updates for \
                 phase 2",
                settings.updates
            )),
        }
    }

    fn check_decoding(&self, problems: &mut Problems) {
        for (place, decoding) in [("pseudo_data", &self.pseudo_data), ("decoding", &self.decoding)]
        {
            if let Err(error) = SearchSettings::new(decoding.search.clone()) {
                problems.extend(place, error.0);
            }
            if decoding.batch_tokens == 0 {
                problems.add(place, "batch_tokens is 0, expected at least 1");
            }
        }
        let sizes = [("rounds", self.benchmark.rounds), ("sentences", self.benchmark.sentences)];
        for (name, _) in sizes.iter().filter(|(_, size)| *size == 0) {
            problems.add("benchmark", format!("{name} is 0, expected at least 1"));
        }
    }

    fn check_data(&self, trained: &[&TrainingSettings], problems: &mut Problems) {
        let longest = self.data.max_sentence_tokens;
        if longest < 2 {
            let expected = "expected at least 2: a word and the end token";
            problems.add("data", format!("max_sentence_tokens is {longest}, {expected}"));
        }
        let held_out = self.data.max_held_out_tokens;
        if held_out < longest {
            let expected = format!("expected at least max_sentence_tokens = {longest}");
            problems.add("data", format!("max_held_out_tokens is {held_out}, {expected}"));
        }
        let ratio = self.data.max_length_ratio;
        if !(ratio >= 1.0 && ratio.is_finite()) {
            problems.add("data", format!("max_length_ratio is {ratio}, expected at least 1"));
        }
        if let Some(smallest) = trained.iter().map(|settings| settings.max_tokens).min()
            && smallest < longest
        {
            problems.add(
                "data",
                format!(
                    "max_sentence_tokens is {longest}, but a batch holds max_tokens = {smallest}; \
                     hint: lower the first or raise the second"
                ),
            );
        }
    }

    /// Paths that no recipe can hold, since it is a text.
    pub fn path_problems(&self) -> Vec<String> {
        let DataRecipe { folder, train, validation, test, .. } = &self.data;
        let pairs = [Some(train), Some(validation), test.as_ref()].into_iter().flatten();
        let texts = pairs.flat_map(|pair| [&pair.source, &pair.target]);
        let VocabularyRecipe { source, target, .. } = &self.vocabulary;
        let others = [Some(folder), self.teacher.model.as_ref(), source.as_ref(), target.as_ref()];
        let paths = texts.chain(others.into_iter().flatten());
        let unwritable = paths.filter(|path| path.to_str().is_none());
        unwritable.map(|path| format!("the path {path:?} is not UTF-8; hint: rename it")).collect()
    }

    /// The same recipe with every preset and default spelled out.
    pub fn spelled_out(&self, resolved: &Resolved) -> Recipe {
        let mut recipe = self.clone();
        if let ResolvedTeacher::Trained(architecture, training) = &resolved.teacher {
            recipe.teacher.preset = None;
            recipe.teacher.architecture = table(architecture);
            recipe.teacher.training = table(training);
        }
        recipe.student.preset = None;
        recipe.student.architecture = table(&resolved.student);
        recipe.student.training = table(&resolved.training);
        for (system, resolved) in recipe.systems.iter_mut().zip(&resolved.systems) {
            system.name = resolved.name.clone();
            system.pairs = Some(resolved.pairs);
            system.seed = Some(resolved.seed);
            system.training = table(&resolved.training);
            // Phase 2 has what phase 1 leaves of the students' updates.
            system.training.remove("updates");
            if let Some(generator) = &resolved.generator {
                system.start = Some(resolved.start);
                system.generator = table(generator);
            }
        }
        recipe
    }
}

/// Names of the methods that have a generator.
fn with_generator() -> String {
    let have = METHODS.into_iter().filter(|method| method.origin == Origin::Generator);
    have.map(|method| method.name).collect::<Vec<_>>().join(", ")
}

fn table(settings: &impl Serialize) -> Table {
    Table::try_from(settings).expect("settings are plain tables of numbers and strings")
}

fn resolve_training(
    place: &str,
    changes: &Table,
    problems: &mut Problems,
) -> Option<TrainingSettings> {
    let place = format!("{place}.training");
    let settings: TrainingSettings = problems.take(&place, changed(&Table::new(), changes))?;
    let found = settings.problems();
    let valid = found.is_empty();
    problems.extend(&place, found);
    valid.then_some(settings)
}

fn resolve_architecture(
    place: &str,
    preset: Option<&str>,
    conventions: Conventions,
    changes: &Table,
    problems: &mut Problems,
) -> Option<Architecture> {
    let place = format!("{place}.architecture");
    let architecture = problems.take(&place, architecture(preset, conventions, changes))?;
    // Sizes of vocabularies are not known yet; equal ones contradict nothing.
    match Config::new(architecture.clone(), Vocabularies::shared(1)) {
        Ok(config) => problems.take(&place, fits_memory(&config)).map(|()| architecture),
        Err(ConfigError::Invalid(found)) => {
            problems.extend(&place, found);
            None
        }
        Err(other) => problems.take(&place, Err(other)),
    }
}

/// Bytes that training keeps for every weight at least: it, its gradient and Adam's two moments, in float32.
const BYTES_OF_A_WEIGHT: f64 = 16.0;

/// Refuses a model that this machine has no memory to train, before it is tried.
fn fits_memory(config: &Config) -> Result<(), String> {
    let Some(memory) = total_memory() else { return Ok(()) };
    let slots = Transformer::list(config);
    let weights = |shape: &[usize]| shape.iter().map(|size| *size as f64).product::<f64>();
    let needed = slots.iter().map(|slot| weights(&slot.shape)).sum::<f64>() * BYTES_OF_A_WEIGHT;
    match needed > memory as f64 {
        true => Err(format!(
            "training it takes {:.0} GB of memory at least, and this machine has {:.0} GB",
            needed / 1e9,
            memory as f64 / 1e9
        )),
        false => Ok(()),
    }
}

/// A preset with changes, or an architecture written out; `conventions` where the changes name none.
fn architecture(
    preset: Option<&str>,
    conventions: Conventions,
    changes: &Table,
) -> Result<Architecture, String> {
    let mut base = match preset {
        Some(name) => table(&Architecture::preset(name).map_err(|error| error.to_string())?),
        None => Table::new(),
    };
    merge(&mut base, &table(&conventions));
    changed(&base, changes)
}

/// Plain settings with changes, table by table.
///
/// # Errors
/// The problem, in words, with the nearest name to one that is unknown.
pub fn with_changes<T: Serialize + DeserializeOwned>(
    base: &T,
    changes: &Table,
) -> Result<T, String> {
    let base = Table::try_from(base).map_err(|error| error.to_string())?;
    changed(&base, changes)
}

/// A table with changes, table by table, read as settings.
fn changed<T: DeserializeOwned>(base: &Table, changes: &Table) -> Result<T, String> {
    let mut table = base.clone();
    merge(&mut table, changes);
    table.try_into().map_err(|error: toml::de::Error| with_nearest(error.message()))
}

/// Earlier names of keys, and today's.
const RENAMED: [(&str, &str); 1] = [("beam", "beam_size")];

fn merge(base: &mut Table, changes: &Table) {
    for (key, change) in changes {
        let renamed = RENAMED.iter().find(|(earlier, _)| earlier == key);
        let key = renamed.map_or(key.as_str(), |(_, today)| today);
        match (base.get_mut(key), change) {
            (Some(Value::Table(base)), Value::Table(change)) => merge(base, change),
            _ => {
                base.insert(key.to_string(), change.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wdistill_model::PositionTable;

    use super::super::parse;
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
    fn a_student_has_the_position_table_of_its_teacher() {
        let positions = |text: &str| {
            let Resolved { teacher, systems, .. } = resolve(text).unwrap();
            systems.iter().for_each(|system| {
                assert_eq!(system.architecture.positions, teacher.architecture().positions);
            });
            teacher.architecture().positions
        };
        assert_eq!(positions(RECIPE), PositionTable::Tensor2tensor);
        let preset = "preset = \"transformer-nano\"\n        training = { updates = 10 }";
        let marian = format!("{preset}\n        architecture = {{ positions = \"marian\" }}");
        assert!(RECIPE.contains(preset));
        assert_eq!(positions(&RECIPE.replace(preset, &marian)), PositionTable::Marian);

        // Written out, without a table.
        let mut recipe: Table = RECIPE.parse().unwrap();
        let mut written = table(&resolve(RECIPE).unwrap().student);
        written.remove("positions");
        let student = recipe["student"].as_table_mut().unwrap();
        student.remove("preset");
        student.insert("architecture".to_string(), Value::Table(written));
        assert_eq!(positions(&recipe.to_string()), PositionTable::Tensor2tensor);
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
        assert!(resolve(&more).unwrap_err().contains("expected the 100 that students have"));
        let all = RECIPE.replace("updates = 40", "updates = 100");
        assert!(resolve(&all).unwrap_err().contains("leaves none"));
        let twice = RECIPE.replace("method = \"wd\"", "name = \"kd\"\nmethod = \"wd\"");
        assert!(resolve(&twice).unwrap_err().contains("\"kd\" is taken"));
    }

    #[test]
    fn everything_that_can_be_known_is_checked_before_anything_runs() {
        let refused = |from: &str, to: &str, expected: &str| {
            assert!(RECIPE.contains(from), "{from}");
            let error = resolve(&RECIPE.replace(from, to)).unwrap_err();
            assert!(
                error.contains(expected),
                "{expected:?} in:
{error}"
            );
        };
        let layers = "decoder = { layers = 1 }";
        let own = "method = \"cut\"\narchitecture = { decoder = { layers = 3 } }";
        refused(
            "method = \"kd\"",
            own,
            "systems[0].architecture: the teacher's decoder has 2 layers",
        );
        refused(layers, "decoder = { heads = 5 }", "decoder.heads is 5");
        refused(layers, "decoder = { layers = 3 }", "the teacher's decoder has 2 layers");
        refused(layers, "activation = \"gelu\"", "must agree in activation");
        refused(
            "[vocabulary]",
            "[decoding]
beam_size = 0
[vocabulary]",
            "decoding: beam_size is 0",
        );
        refused(
            "[vocabulary]",
            "[benchmark]
rounds = 0
[vocabulary]",
            "rounds is 0",
        );
        refused("warm_up = 7", "max_tokens = 100", "a batch holds max_tokens = 100");
        let scratch = "method = \"scratch\"\npairs = \"original-and-pseudo\"";
        refused("method = \"kd\"", scratch, "scratch learns nothing from a teacher");
        let learned = "updates = 10, word_distillation = 0.5";
        refused("updates = 10 ", &format!("{learned} "), "word_distillation needs a teacher");
        let tied = "architecture = { embeddings = \"all-tied\", decoder";
        let separate = RECIPE.replace("size = 300", "size = 300\nsharing = \"separate\"");
        let error = resolve(&separate.replace("architecture = { decoder", tied)).unwrap_err();
        assert!(error.to_string().contains("contradict embeddings"), "{error}");
        refused("size = 300", "", "expected either size, or source and target");
        refused(
            "method = \"kd\"",
            "method = \"kd\"
name = \"pseudo\"",
            "is taken",
        );
        refused(
            "method = \"kd\"",
            "method = \"kd\"
start = \"cut\"",
            "kd has no start and no generator; only wd has",
        );
        refused("method = \"kd\"", "method = \"kd\"\nname = \"Report.json\"", "is taken");
        let teacher = "model = \"nowhere\"
preset";
        refused(
            "[teacher]
        preset",
            &format!(
                "[teacher]
{teacher}"
            ),
            "nowhere",
        );
        refused(
            "[teacher]
        preset",
            &format!(
                "[teacher]
{teacher}"
            ),
            "preset has no use",
        );
    }

    /// Only a student that is made of the teacher has to divide its layers.
    #[test]
    fn a_student_with_a_random_start_may_have_any_depth() {
        let wd = RECIPE
            .find(
                "[[systems]]
        method = \"wd\"",
            )
            .unwrap();
        let kd = RECIPE[..wd].replace("layers = 1", "layers = 3");
        assert_eq!(resolve(&kd).unwrap().student.decoder.layers, 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_no_machine_can_train_and_no_recipe_can_name_is_refused() {
        let wide = RECIPE.replace("decoder = { layers = 1 }", "decoder = { width = 1000000 }");
        let error = resolve(&wide).unwrap_err();
        assert!(error.contains("student.architecture: training it takes"), "{error}");
        use std::os::unix::ffi::OsStrExt;
        let mut recipe: Recipe = parse(RECIPE).unwrap();
        recipe.data.train.source = std::ffi::OsStr::from_bytes(b"x\xff").into();
        let error = recipe.resolve().unwrap_err().to_string();
        assert!(error.contains("the path \"x\\xFF\" is not UTF-8"), "{error}");
    }

    #[test]
    fn a_recipe_spelled_out_is_the_same_recipe() {
        let recipe: Recipe = parse(RECIPE).unwrap();
        let resolved = recipe.resolve().unwrap();
        let text = toml::to_string(&recipe.spelled_out(&resolved)).unwrap();
        assert!(text.contains("label_smoothing = 0.1") && !text.contains("preset"), "{text}");
        assert_eq!(parse::<Recipe>(&text).unwrap().resolve().unwrap(), resolved);
    }

    #[test]
    fn the_recipes_that_come_with_the_project_resolve() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            Recipe::read(&path, None).unwrap().resolve().unwrap_or_else(|e| panic!("{e}"));
            count += 1;
        }
        assert!(count >= 3, "{count} recipes");
        let demo = std::path::Path::new("demo.toml");
        Recipe::parse(wdistill_demo::RECIPE, demo, None).unwrap().resolve().unwrap();
    }
}
