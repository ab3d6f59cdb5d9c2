//! Everything that can be known to be wrong before anything runs.

use std::collections::BTreeSet;
use std::path::Path;

use wdistill_base::Problem;
use wdistill_formats::native;
use wdistill_model::{Architecture, Config, ConfigError, Languages, Transformer, Vocabularies};
use wdistill_search::{SearchOptions, SearchSettings};
use wdistill_text::{MOST_LINKED_TOKENS, Sharing};
use wdistill_train::{Length, TrainingRecipe, check_inside, count_problem, freezing_problems};

use super::{
    Part, Plan, Problems, ResolvedSystem, ResolvedTeacher, StageWeights, VocabularyOrigin,
};
use crate::machine::total_memory;
use crate::methods::LearnsFrom;
use crate::names::{BACK_TRANSLATION, RESERVED_NAMES, TEST, VALIDATION, is_a_folders};
use crate::settings::{BackTranslationRecipe, Keep, Pairs, PseudoDataRecipe, ScoreRecipe};

/// Bytes that training keeps for every weight at least: it, its gradient and Adam's two moments, in float32.
const BYTES_OF_A_WEIGHT: f64 = 16.0;

/// Which way a model translates, by the recipe's languages.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

impl Plan {
    /// Numbers of programs that cannot work on these trainings together.
    pub(crate) fn check_ranks(&self, ranks: usize, problems: &mut Problems) {
        let found = |settings: &TrainingRecipe| count_problem(ranks, settings.shares);
        if let ResolvedTeacher::Trained(_, settings) = &self.teacher {
            problems.extend(Part::TeacherTraining, found(settings));
        }
        for (index, system) in self.systems.iter().enumerate() {
            problems
                .extend(Part::SystemGenerator(index), system.generator.as_ref().and_then(found));
            problems.extend(Part::SystemTraining(index), found(&system.training));
        }
    }

    /// All problems of the plan that can be known without its texts.
    pub(crate) fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        self.check_paths(&mut problems);
        let teacher = self.check_teacher(&mut problems);
        if let Some(student) = &self.student {
            check_architecture(Part::StudentArchitecture, &student.architecture, &mut problems);
            problems.extend(Part::StudentTraining, student.training.problems());
        }
        // What is wrong with what they share is said once.
        if problems.0.is_empty() {
            self.check_systems(teacher.as_ref(), &mut problems);
        }
        self.check_decoding(&mut problems);
        self.check_back_translation(&mut problems);
        self.check_scores(&mut problems);
        self.check_data(&mut problems);
        let separate =
            matches!(self.vocabulary, VocabularyOrigin::Learned { sharing: Sharing::Separate, .. });
        if separate && self.any_all_tied() {
            problems.add(
                Part::Vocabulary,
                "separate vocabularies contradict embeddings = \"all-tied\"",
            );
        }
        problems
    }

    /// Paths that no recipe can hold, since it is a text.
    pub(crate) fn check_paths(&self, problems: &mut Problems) {
        for path in self.paths().into_iter().filter(|path| path.to_str().is_none()) {
            let fact = format!("the path {path:?} is not UTF-8");
            problems.add(Part::Data, Problem::with_hint(fact, "rename it"));
        }
    }

    /// The teacher's configuration; with vocabularies of any size, if there are none yet.
    fn check_teacher(&self, problems: &mut Problems) -> Option<Config> {
        let (architecture, training) = match &self.teacher {
            ResolvedTeacher::Given(_, config) => return Some(config.clone()),
            ResolvedTeacher::Trained(architecture, training) => (architecture, training),
            ResolvedTeacher::Tuned(_, config, training) => (&config.architecture, training),
        };
        problems.extend(Part::TeacherTraining, training.problems());
        if training.learns_of_teacher() {
            let problem = "word_distillation, state_distillation and relation_distillation need a teacher, and it has none";
            problems.add(Part::TeacherTraining, problem);
        }
        if let Some(stage) = self.stage_without_pairs(Pairs::Original) {
            let fact = format!("stage {stage} of data.stages leaves it no pairs to learn from");
            problems.add(Part::TeacherTraining, Problem::with_hint(fact, "weights are 0 there"));
        }
        let config = check_architecture(Part::TeacherArchitecture, architecture, problems)?;
        check_freezing(Part::TeacherTraining, &training.freeze, &config, problems);
        Some(self.teacher.known_config().cloned().unwrap_or(config))
    }

    fn check_systems(&self, teacher: Option<&Config>, problems: &mut Problems) {
        let mut names = BTreeSet::new();
        for (index, system) in self.systems.iter().enumerate() {
            if !is_a_folders(&system.name) {
                let problem = format!("the name {:?} cannot be a folder's", system.name);
                problems.add(Part::System(index), problem);
            }
            for name in system.folder_names() {
                let folder = name.to_lowercase();
                if RESERVED_NAMES.contains(&folder.as_str()) || !names.insert(folder) {
                    problems.add(Part::System(index), format!("the name {name:?} is taken"));
                }
            }
            check_trials(index, system, problems);
            self.check_trainings(index, system, problems);
            match self.weights_of(index, teacher) {
                Ok(source) => check_shape(index, system, source.as_ref(), problems),
                Err(problem) => problems.add(Part::System(index), problem),
            }
            if let Some(teacher) = teacher {
                check_inside_teacher(index, system, teacher, problems);
            }
        }
    }

    /// The configuration of the model that a system's weights are made of, if it is known.
    fn weights_of(
        &self,
        index: usize,
        teacher: Option<&Config>,
    ) -> Result<Option<Config>, Problem> {
        let Some(from) = &self.systems[index].from else { return Ok(teacher.cloned()) };
        let Some(source) = self.systems[..index].iter().find(|system| system.name == *from) else {
            let fact = format!("from is {from:?}, which is no system before it");
            return Err(Problem::with_hint(fact, "a step comes before what is made of it"));
        };
        // What is wrong with it is said once.
        let config = |teacher: &Config| teacher.with_architecture(source.architecture.clone()).ok();
        Ok(teacher.and_then(config))
    }

    fn check_trainings(&self, index: usize, system: &ResolvedSystem, problems: &mut Problems) {
        if let Some(generator) = &system.generator {
            problems.extend(Part::SystemGenerator(index), generator.problems());
        }
        problems.extend(Part::SystemTraining(index), system.training.problems());
        let all = self.student.as_ref().map(|student| student.training.updates);
        if let Some(all) =
            all.filter(|all| !system.updates().is_some_and(|found| found.is_as_long(*all)))
        {
            let found = system.phases().map(|phase| phase.updates.to_string());
            let found = found.collect::<Vec<_>>().join(" + ");
            let fact = format!(
                "updates is {found}, expected the {all} that students have in all phases together"
            );
            let hint = "phase 1 takes its share by generator.updates";
            problems.add(Part::SystemTraining(index), Problem::with_hint(fact, hint));
        }
        if let Some(stage) = self.stage_without_pairs(system.pairs) {
            let fact = format!("stage {stage} of data.stages leaves it no pairs to learn from");
            problems.add(Part::System(index), Problem::with_hint(fact, "weights are 0 there"));
        }
        let has_epochs = system.phases().any(|phase| matches!(phase.updates, Length::Epochs(_)));
        if has_epochs && self.systems.iter().any(|other| other.pairs != system.pairs) {
            let fact = "updates is in epochs, and the systems learn from different pairs: their epochs differ";
            let hint = "updates or tokens are the same for all";
            problems.add(Part::SystemTraining(index), Problem::with_hint(fact, hint));
        }
        let wants_teacher = system.pairs != Pairs::Original || system.learns_of_teacher();
        if system.method.learns_from == LearnsFrom::Text && wants_teacher {
            let fact = format!("{} learns nothing from a teacher", system.method.name);
            problems.add(Part::System(index), Problem::with_hint(fact, "method = \"kd\" does"));
        }
    }

    /// The first stage of the mixture, from 1, in which what learns from these pairs has none.
    fn stage_without_pairs(&self, pairs: Pairs) -> Option<usize> {
        let is_without = |stage: &usize| {
            let StageWeights { corpora, back_translation, pseudo_data } = self.weights_in(*stage);
            let originals = corpora.iter().sum::<f64>() + back_translation;
            match pairs {
                Pairs::Original => originals == 0.0,
                Pairs::OriginalAndPseudo => originals + pseudo_data == 0.0,
                Pairs::Pseudo => pseudo_data == 0.0,
            }
        };
        (0..self.data.stages.len()).find(is_without).map(|stage| stage + 1)
    }

    fn check_decoding(&self, problems: &mut Problems) {
        let PseudoDataRecipe { keep, sources, .. } = &self.pseudo_data;
        if *keep == Keep::Nearest && !sources.is_empty() {
            let fact =
                "keep is \"nearest\", and the texts of sources have no translations to be near to";
            problems.add(Part::PseudoData, Problem::with_hint(fact, "\"consensus\" needs none"));
        }
        let back = self.back_translation.as_ref();
        let back = back.map(|recipe| (Part::BackTranslation, &recipe.decoding));
        let decodings =
            [(Part::PseudoData, &self.pseudo_data.decoding), (Part::Decoding, &self.decoding)];
        self.check_sampling(problems);
        for (part, decoding) in decodings.into_iter().chain(back) {
            if let Err(error) = SearchSettings::new(decoding.search.clone()) {
                problems.extend(part, error.0);
            }
            if decoding.batch_tokens == 0 {
                problems.add(part, "batch_tokens is 0, expected at least 1");
            }
        }
        let sizes = [("rounds", self.benchmark.rounds), ("sentences", self.benchmark.sentences)];
        for (name, _) in sizes.iter().filter(|(_, size)| *size == 0) {
            problems.add(Part::Benchmark, format!("{name} is 0, expected at least 1"));
        }
    }

    /// That what is drawn by chance is used as it is.
    fn check_sampling(&self, problems: &mut Problems) {
        if self.decoding.search.sampling.is_some() {
            let fact = "sampling: systems are judged by what they find, not by what they draw";
            let hint = "[pseudo_data] and [back_translation] may draw words";
            problems.add(Part::Decoding, Problem::with_hint(fact, hint));
        }
        let keeps_best = self.pseudo_data.keep == Keep::Best;
        let pseudo = keeps_best.then_some((Part::PseudoData, &self.pseudo_data.decoding));
        let back = self.back_translation.as_ref();
        let back = back.map(|recipe| (Part::BackTranslation, &recipe.decoding));
        for (part, decoding) in pseudo.into_iter().chain(back) {
            let SearchOptions { beam_size, sampling, .. } = &decoding.search;
            if sampling.is_some() && *beam_size > 1 {
                let fact = format!(
                    "of {beam_size} samples only the most probable would be kept, which is hardly a sample"
                );
                let hint = match part {
                    Part::PseudoData => "beam_size = 1, or keep = \"all\"",
                    _ => "beam_size = 1",
                };
                problems.add(part, Problem::with_hint(fact, hint));
            }
        }
    }

    /// What is wrong with texts that are translated back, without a look at them.
    fn check_back_translation(&self, problems: &mut Problems) {
        let Some(BackTranslationRecipe { model, sources, weight, .. }) = &self.back_translation
        else {
            return;
        };
        let part = Part::BackTranslation;
        if sources.is_empty() {
            problems.add(part, "sources is empty, expected texts of the target language");
        }
        if !(*weight >= 0.0 && weight.is_finite()) {
            problems.add(part, format!("weight is {weight}, expected 0 or more"));
        }
        problems.extend(part, self.direction_problem(model, Direction::Backward));
    }

    /// What is wrong with the models that score pairs.
    fn check_scores(&self, problems: &mut Problems) {
        let of_corpora = self.data.train.iter().filter_map(|corpus| corpus.filters.as_ref());
        let scores = [&self.data.filters].into_iter().chain(of_corpora);
        for ScoreRecipe { model, reverse_model, .. } in scores.filter_map(|f| f.scores.as_ref()) {
            let models =
                [(Some(model), Direction::Forward), (reverse_model.as_ref(), Direction::Backward)];
            for (model, direction) in models {
                let found = model.and_then(|model| self.direction_problem(model, direction));
                problems.extend(Part::Data, found.map(|problem| problem.at("scores")));
            }
        }
    }

    /// That a model cannot be read, or is known to translate another way.
    fn direction_problem(&self, model: &Path, direction: Direction) -> Option<Problem> {
        let config = match native::load_config(model) {
            Ok(config) => config,
            Err(error) => return Some(Problem::of(&error)),
        };
        let (Some(data), Some(found)) = (&self.data.languages, &config.languages) else {
            return None;
        };
        let [from, to] = match direction {
            Direction::Forward => [&data.source, &data.target],
            Direction::Backward => [&data.target, &data.source],
        };
        let Languages { source, target } = found;
        ([source, target] != [from, to]).then(|| {
            let model = model.display();
            format!("{model} translates from {source} to {target}, expected from {from} to {to}")
                .into()
        })
    }

    fn check_data(&self, problems: &mut Problems) {
        let back = self.back_translation.as_ref().map(|_| BACK_TRANSLATION);
        problems.extend(Part::Data, self.data.corpora_problems(back));
        let validation = self.data.validation.reference_count();
        for (name, text) in self.data.held_out() {
            let count = text.reference_count();
            if count != validation {
                let fact =
                    format!("{name} has {count} references, and validation has {validation}");
                let hint = "the scores of a table are against equally many";
                problems.add(Part::Data, Problem::with_hint(fact, hint));
            }
        }
        if let Some(Err(problem)) = self.data.languages.as_ref().map(Languages::check) {
            problems.add(Part::Data, problem.at("languages"));
        }
        if self.data.test.is_none() && !self.data.other_tests.is_empty() {
            problems.add(Part::Data, "other_tests come beside test, and there is none");
        }
        let others = [
            ("other_tests", &self.data.other_tests),
            ("other_validations", &self.data.other_validations),
        ];
        for (key, texts) in others {
            for name in texts.keys() {
                if !is_a_folders(name) || [TEST, VALIDATION].contains(&name.as_str()) {
                    let problem = format!("{key}: {name:?} cannot be the name of a text");
                    problems.add(Part::Data, problem);
                }
            }
        }
        let longest = self.data.max_sentence_tokens;
        if longest < 2 {
            let expected = "expected at least 2: a word and the end token";
            problems.add(Part::Data, format!("max_sentence_tokens is {longest}, {expected}"));
        }
        if self.data.train.iter().any(|corpus| corpus.alignments.is_some()) {
            problems.extend(Part::Data, self.alignment_problem());
        }
        let held_out = self.data.max_held_out_tokens;
        if held_out < longest {
            let expected = format!("expected at least max_sentence_tokens = {longest}");
            problems.add(Part::Data, format!("max_held_out_tokens is {held_out}, {expected}"));
        }
        let ratio = self.data.max_length_ratio;
        if !(ratio >= 1.0 && ratio.is_finite()) {
            problems.add(Part::Data, format!("max_length_ratio is {ratio}, expected at least 1"));
        }
        let smallest = self.trainings().map(|settings| settings.max_tokens).min();
        if let Some(smallest) = smallest.filter(|smallest| *smallest < longest) {
            let fact = format!(
                "max_sentence_tokens is {longest}, but a batch holds max_tokens = {smallest}"
            );
            let hint = "lower the first or raise the second";
            problems.add(Part::Data, Problem::with_hint(fact, hint));
        }
    }
}

impl Plan {
    /// Why word alignments that a corpus names cannot be learned from, if they cannot.
    fn alignment_problem(&self) -> Option<Problem> {
        let longest = self.data.max_sentence_tokens;
        if longest > MOST_LINKED_TOKENS {
            let fact = format!("max_sentence_tokens is {longest}, and a corpus has alignments");
            let hint =
                format!("alignments are of sentences of at most {MOST_LINKED_TOKENS} tokens");
            return Some(Problem::with_hint(fact, hint));
        }
        let nobody = self.trainings().all(|settings| settings.guided_alignment == 0.0);
        let fact = "a corpus has alignments, and no training has guided_alignment";
        nobody.then(|| {
            Problem::with_hint(fact, "guided_alignment = 0.1 in a training gives them a weight")
        })
    }
}

/// That every rate is a rate, and every seed and rate is there once.
fn check_trials(index: usize, system: &ResolvedSystem, problems: &mut Problems) {
    let part = Part::System(index);
    let rates = &system.learning_rates;
    for rate in rates.iter().filter(|rate| !(**rate > 0.0 && rate.is_finite())) {
        problems.add(part, format!("learning_rates holds {rate}, expected more than 0"));
    }
    let seeds = system.all_seeds();
    for (number, seed) in seeds.iter().enumerate().filter(|(n, seed)| seeds[..*n].contains(seed)) {
        problems.add(part, format!("seeds holds {seed} again, at place {}", number + 1));
    }
}

/// The configuration of an architecture that holds together and that this machine can train. Sizes of vocabularies are not
/// known yet; equal ones contradict nothing.
fn check_architecture(
    part: Part,
    architecture: &Architecture,
    problems: &mut Problems,
) -> Option<Config> {
    let config = match Config::new(architecture.clone(), Vocabularies::shared(1)) {
        Ok(config) => config,
        Err(ConfigError::Invalid(found)) => {
            problems.extend(part, found);
            return None;
        }
        Err(other) => {
            problems.add(part, Problem::of(&other));
            return None;
        }
    };
    problems.take(part, fits_memory(&config))?;
    Some(config)
}

/// That what is to be frozen is there. What a generator freezes is known when it has grown.
fn check_freezing(part: Part, patterns: &[String], config: &Config, problems: &mut Problems) {
    let names: Vec<String> =
        Transformer::list(config).iter().map(|slot| slot.slot.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    problems.extend(part, freezing_problems(patterns, &names));
}

/// Whether a system's shape holds together, and fits its teacher where its weights come from there.
fn check_shape(
    index: usize,
    system: &ResolvedSystem,
    teacher: Option<&Config>,
    problems: &mut Problems,
) {
    let part = Part::SystemArchitecture(index);
    let Some(own) = check_architecture(part, &system.architecture, problems) else { return };
    let Some(teacher) = teacher else { return };
    let config = match teacher.with_architecture(own.architecture) {
        Ok(config) => config,
        Err(error) => return problems.add(part, Problem::of(&error)),
    };
    check_freezing(Part::SystemTraining(index), &system.training.freeze, &config, problems);
    let choice = system.method.choice(system.start);
    if let Err(error) = (system.method.fits)(choice, teacher, &config) {
        problems.extend(part, error.each().iter().map(Problem::of));
    }
}

/// Whether what a student is to learn inside the teacher can be compared; what is wrong with its shape is said elsewhere.
fn check_inside_teacher(
    index: usize,
    system: &ResolvedSystem,
    teacher: &Config,
    problems: &mut Problems,
) {
    let Ok(config) = teacher.with_architecture(system.architecture.clone()) else { return };
    let phases = [
        (Part::SystemGenerator(index), system.generator.as_ref()),
        (Part::SystemTraining(index), Some(&system.training)),
    ];
    for (part, settings) in phases {
        let checked = settings.map(|settings| check_inside(settings, teacher, &config));
        if let Some(Err(problem)) = checked {
            problems.add(part, problem);
        }
    }
}

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
