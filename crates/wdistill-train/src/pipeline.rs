//! A recipe, carried out.

mod report;
mod validation;

pub use validation::{Standing, SystemValidation};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Random, atomic_write, hash_file};
use wdistill_formats::{load_vocabularies, native};
use wdistill_generator::{ParameterGenerator, Saturation, Start, cut};
use wdistill_metrics::{Bleu, Chrf, CorpusMetric};
use wdistill_model::{Architecture, Config, Dense, Model, Vocabularies};
use wdistill_report::Report;
use wdistill_runtime::{DecodingOptions, TokenTranslator, Translator};
use wdistill_text::{
    CorpusLimits, CorpusReport, CorpusRole, EncodedCorpus, FindingKind, ParallelText, SOURCE_FILE,
    TARGET_FILE, VocabularyPair, read_lines,
};

use crate::benchmark::{Speed, benchmark};
use crate::data::{TextSet, conventions, encode, hashes, limits, read_pair};
use crate::error::TrainError;
use crate::interrupt::Interrupt;
use crate::log::{Display, Progress};
use crate::pseudo::{PseudoReport, SOURCE, TARGET, translate_corpus};
use crate::recipe::{
    Method, Pairs, Recipe, Resolved, ResolvedSystem, ResolvedTeacher, TEACHER, TextPair,
    VocabularyOrigin, VocabularyRecipe,
};
use crate::run_folder::RunFolder;
use crate::selection::Selected;
use crate::settings::TrainingSettings;
use crate::stage::{Fingerprint, Stages};
use crate::trainable::{DenseModel, GeneratedStudent, Trainable};
use crate::trainer::{Ended, Run};
use crate::validation::{Decoded, Validator, line_by_line};

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
    recipe: Recipe,
    resolved: Resolved,
    options: RunOptions,
    stages: Stages,
    folder: RunFolder,
}

/// Texts and vocabularies, ready for training.
pub struct Prepared {
    /// Vocabularies of both sides.
    pub vocabularies: Arc<VocabularyPair>,
    /// Text to learn from; [`Pipeline::pseudo_data`] appends the teacher's translations to its pairs.
    pub training: TextSet,
    /// Text to judge a run by while it trains.
    pub validation: TextSet,
    /// Text to judge the finished systems by.
    pub test: Option<TextSet>,
    /// Of texts, limits and vocabularies.
    pub fingerprint: Fingerprint,
    /// What was found, for people.
    pub notes: Vec<String>,
}

/// A trained model in the run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Name in the table.
    pub name: String,
    /// What it is, in a few words.
    pub description: String,
    /// Folder with its weights, configuration and vocabularies.
    pub model: PathBuf,
    /// Of everything that decided it.
    pub fingerprint: Fingerprint,
    /// Hashes of its configuration and its weights, as they were when it was finished or first read.
    pub hashes: [String; 2],
    /// Stages that trained it, in order: folder and result.
    pub stages: Vec<(String, TrainingResult)>,
}

/// A trained and evaluated model.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The model.
    pub trained: Trained,
    /// Its scores.
    pub evaluation: Evaluation,
}

/// Result of one training stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
    /// Updates done.
    pub updates: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Whether it ran out of patience.
    pub early: bool,
    /// Which weights were handed on; absent in results of earlier versions.
    #[serde(default)]
    pub selected: Option<Selected>,
}

/// Scores of a finished system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// BLEU on the validation text.
    pub bleu_validation: f64,
    /// BLEU on the test text.
    pub bleu_test: f64,
    /// chrF on the test text.
    pub chrf_test: f64,
    /// Signature of BLEU.
    pub bleu_signature: String,
    /// Signature of chrF.
    pub chrf_signature: String,
    /// Translations cut at the maximum length, of validation and test text.
    pub cut_translations: [usize; 2],
    /// Translations in which a line break was written as a space, of validation and test text.
    pub joined_lines: [usize; 2],
}

/// Everything that decides a training stage.
#[derive(Serialize)]
struct TrainingInputs<'a> {
    stage: &'a str,
    architecture: &'a Architecture,
    conventions: &'a Vocabularies,
    settings: TrainingSettings,
    /// Only if it can decide which weights come out.
    decoding: Option<&'a DecodingOptions>,
    seed: u64,
    data: &'a Fingerprint,
    from: Option<&'a Fingerprint>,
}

/// One training stage.
#[derive(Clone, Copy)]
struct TrainingStage<'a> {
    name: &'a str,
    architecture: &'a Architecture,
    settings: &'a TrainingSettings,
    pairs: Pairs,
    data: &'a Fingerprint,
    from: Option<&'a Fingerprint>,
    /// The teacher, for word-level distillation.
    teacher: Option<&'a Trained>,
    /// Decides its random choices, together with its name.
    seed: u64,
}

impl Prepared {
    /// The test text.
    ///
    /// # Panics
    /// If the recipe names none; a whole run refuses such a recipe.
    fn test(&self) -> &TextSet {
        self.test.as_ref().expect("a whole run has a test text")
    }
}

impl Pipeline {
    /// Works out the recipe and writes it into the folder of its run.
    ///
    /// # Errors
    /// [`TrainError::Settings`], [`TrainError::Format`].
    pub fn new(
        recipe: Recipe,
        folder: RunFolder,
        options: RunOptions,
    ) -> Result<Pipeline, TrainError> {
        let resolved = recipe.resolve()?;
        // Complete, and with absolute paths: `wdistill run` can carry it out from where it lies.
        let here = std::env::current_dir().map_err(FileError::when("find", Path::new(".")))?;
        let mut complete = recipe.spelled_out(&resolved);
        let VocabularyRecipe { source, target, .. } = &mut complete.vocabulary;
        let models = [&mut complete.teacher.model, source, target].into_iter().flatten();
        models.chain([&mut complete.data.folder]).for_each(|path| *path = here.join(&*path));
        // The folder that the program is in belongs to its paths now.
        let problems = complete.path_problems();
        if !problems.is_empty() {
            return Err(TrainError::Settings { place: "the recipe".to_string(), problems });
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn say(&self, stage: &str, text: &str) {
        Progress::new(self.options.display, stage, 0).say(text);
    }

    fn tell(&self, stage: &str, report: &CorpusReport) {
        self.say(stage, report.to_string().trim_end());
    }

    /// All stages, and the report, which is also written as `report.json` and `report.html`.
    ///
    /// # Errors
    /// The first error of a stage; run again, the pipeline goes on there.
    pub fn run(&self) -> Result<Report, TrainError> {
        if self.recipe.data.test.is_none() {
            return Err(TrainError::Settings {
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

    fn finished(&self, prepared: &Prepared, trained: Trained) -> Result<Finished, TrainError> {
        let evaluation = self.evaluate(prepared, prepared.test(), &trained)?;
        Ok(Finished { trained, evaluation })
    }

    /// Checks the texts, learns or reads the vocabularies, encodes. Every file is read before anything
    /// is done with one of them.
    ///
    /// # Errors
    /// [`TrainError::Text`].
    pub fn prepare(&self) -> Result<Prepared, TrainError> {
        let data = &self.recipe.data;
        let read = |pair: &TextPair| read_pair(&data.folder, pair);
        let (training, validation) = (read(&data.train)?, read(&data.validation)?);
        let test = data.test.as_ref().map(read).transpose()?;
        let train = Fingerprint::of(&hashes(&training));
        let held_out = Fingerprint::of(&hashes(&validation));
        let (vocabularies, notes) = self.vocabularies(&training, &train)?;
        let training = encode("training", training, &vocabularies, &limits(data))?;
        self.tell("training", &training.report);
        self.check_identical(&training.report)?;
        let validation = self.held_out("validation", validation, &vocabularies)?;
        let test = test.map(|text| self.held_out("test", text, &vocabularies)).transpose()?;
        for held_out in [Some(&validation), test.as_ref()].into_iter().flatten() {
            self.check_identical(&held_out.report)?;
        }
        let folder = self.path("vocabulary");
        let hashes = [hash_file(&folder.join(SOURCE_FILE))?, hash_file(&folder.join(TARGET_FILE))?];
        self.check_tied(&vocabularies)?;
        let limits = (data.max_sentence_tokens, data.max_length_ratio, data.duplicates);
        let fingerprint = Fingerprint::of(&(train, held_out, hashes, limits));
        let sets = [Some(&training), Some(&validation), test.as_ref()];
        self.write_data_report("data.txt", sets.into_iter().flatten())?;
        let vocabularies = Arc::new(vocabularies);
        Ok(Prepared { vocabularies, training, validation, test, fingerprint, notes })
    }

    /// A text whose sides are the same is one file given twice, or a copy in place of a translation.
    fn check_identical(&self, report: &CorpusReport) -> Result<(), TrainError> {
        let identical = report.finding(FindingKind::IdenticalSides).map_or(0, |found| found.count);
        if identical * 10 < report.pairs * 9 {
            return Ok(());
        }
        self.suspect(
            format!(
                "{}, {}: of {} pairs {identical} have the same text on both sides",
                report.source.display(),
                report.target.display(),
                report.pairs
            ),
            "is the target file the translation?",
        )
    }

    /// Refuses one table of embeddings for two lists of words, of equal size by chance. Both sides may divide
    /// a text differently, as OPUS-MT's models do, as long as words have the same numbers.
    fn check_tied(&self, vocabularies: &VocabularyPair) -> Result<(), TrainError> {
        let same_words = vocabularies.source.tokens() == vocabularies.target.tokens();
        if same_words || !self.resolved.any_all_tied() {
            return Ok(());
        }
        Err(TrainError::Settings {
            place: "architecture".to_string(),
            problems: vec![
                "embeddings = \"all-tied\" needs one vocabulary for both sides, and there are two; hint: \
                 \"decoder-tied\", or a joint vocabulary"
                    .to_string(),
            ],
        })
    }

    /// Learns the vocabularies from the training text, or takes the teacher's; says what was obtained.
    fn vocabularies(
        &self,
        text: &ParallelText,
        text_fingerprint: &Fingerprint,
    ) -> Result<(VocabularyPair, Vec<String>), TrainError> {
        let origin = &self.resolved.vocabulary;
        let given = match origin {
            VocabularyOrigin::Teacher(folder) => {
                Some(load_vocabularies(folder, &native::load_config(folder)?)?)
            }
            VocabularyOrigin::Files(source, target) => Some(VocabularyPair::open(source, target)?),
            VocabularyOrigin::Learned(..) => None,
        };
        let inputs = match &given {
            Some(VocabularyPair { source, target }) => {
                Fingerprint::of(&[source.content_hash(), target.content_hash()])
            }
            None => Fingerprint::of(&(text_fingerprint, &self.recipe.vocabulary)),
        };
        let notes =
            self.stages.run("vocabulary", &inputs, &[SOURCE_FILE, TARGET_FILE], |folder| {
                let (vocabularies, notes) = match (given, origin) {
                    (None, VocabularyOrigin::Learned(settings, sharing)) => {
                        let doing = "learning subwords";
                        let busy = Progress::busy(self.options.display, "vocabulary", doing);
                        let learned = VocabularyPair::train(text, settings, *sharing)?;
                        busy.finish();
                        learned
                    }
                    (Some(given), VocabularyOrigin::Teacher(_)) => {
                        (given, vec!["the vocabularies are the teacher's own".to_string()])
                    }
                    (Some(given), _) => (given, vec!["the vocabularies are given".to_string()]),
                    (None, _) => unreachable!("vocabularies that are not learned were loaded"),
                };
                vocabularies.save(folder)?;
                Ok(notes)
            })?;
        notes.iter().for_each(|note| self.say("vocabulary", note));
        Ok((VocabularyPair::load(&self.path("vocabulary"))?, notes))
    }

    /// What the checks found, as a file of the run.
    fn write_data_report<'s>(
        &self,
        name: &str,
        sets: impl Iterator<Item = &'s TextSet>,
    ) -> Result<(), TrainError> {
        let text: String = sets.map(|set| format!("{}: {}\n", set.role, set.report)).collect();
        Ok(atomic_write(&self.path(name), text.as_bytes())?)
    }

    /// A text from which nothing may be left out.
    fn held_out(
        &self,
        role: &'static str,
        text: ParallelText,
        vocabularies: &VocabularyPair,
    ) -> Result<TextSet, TrainError> {
        let limits = CorpusLimits { role: CorpusRole::Evaluation, ..limits(&self.recipe.data) };
        let set = encode(role, text, vocabularies, &limits)?;
        self.tell(role, &set.report);
        Ok(set)
    }

    /// Trains the teacher, or takes the one that the recipe names.
    ///
    /// # Errors
    /// What [`Run::train`] brings, or [`TrainError::Format`] for a model that cannot be read.
    pub fn teacher(&self, prepared: &Prepared) -> Result<Trained, TrainError> {
        let trained = |model: PathBuf, hashes, fingerprint, stages| Trained {
            name: TEACHER.to_string(),
            description: "the large model".to_string(),
            model,
            fingerprint,
            hashes,
            stages,
        };
        let (architecture, settings) = match &self.resolved.teacher {
            ResolvedTeacher::Trained(architecture, settings) => (architecture, settings),
            ResolvedTeacher::Given(folder, _) => {
                let hashes = model_hashes(folder)?;
                let fingerprint = Fingerprint::of(&hashes);
                return Ok(trained(folder.clone(), hashes, fingerprint, Vec::new()));
            }
        };
        let stage = TrainingStage {
            name: TEACHER,
            architecture,
            settings,
            pairs: Pairs::Original,
            data: &prepared.fingerprint,
            from: None,
            teacher: None,
            seed: self.recipe.seed,
        };
        let (result, fingerprint) = self.train(prepared, &stage, |config, seed| {
            Ok(Box::new(DenseModel(Model::initialise(config, seed))))
        })?;
        let stages = vec![(TEACHER.to_string(), result)];
        let model = self.path("teacher/model");
        let hashes = model_hashes(&model)?;
        Ok(trained(model, hashes, fingerprint, stages))
    }

    /// Sizes of the vocabularies and special tokens of every model: those of a teacher that is given.
    fn conventions(&self, prepared: &Prepared) -> Vocabularies {
        match &self.resolved.teacher {
            ResolvedTeacher::Given(_, config) => config.vocabularies,
            ResolvedTeacher::Trained(..) => conventions(&prepared.vocabularies),
        }
    }

    fn train(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        start: impl FnOnce(Config, u64) -> Result<Box<dyn Trainable>, TrainError>,
    ) -> Result<(TrainingResult, Fingerprint), TrainError> {
        let &TrainingStage { name, architecture, settings, pairs, data, from, teacher, seed } =
            stage;
        // Stages draw apart: phase 2 must not see the batches and masks of phase 1 again, nor a student
        // start from the teacher's own numbers.
        let seed = Random::named(seed, name).bits();
        let inputs = TrainingInputs {
            stage: name,
            architecture,
            conventions: &self.conventions(prepared),
            settings: settings.decisive(),
            decoding: settings.is_steered_by_decoding().then_some(&self.recipe.decoding),
            seed,
            data,
            from,
        };
        let fingerprint = Fingerprint::of(&inputs);
        let corpus = &prepared.training.corpus;
        let model_file = |file: &str| format!("model/{file}");
        let products =
            [native::CONFIG_FILE, native::WEIGHTS_FILE, SOURCE_FILE, TARGET_FILE].map(model_file);
        let products = products.each_ref().map(String::as_str);
        let result = self.stages.run(name, &fingerprint, &products, |folder| {
            let config = Config::new(architecture.clone(), self.conventions(prepared))?;
            let mut trainable = start(config, seed)?;
            let translator = line_by_line(&self.recipe.decoding, self.options.threads);
            let validator = Validator {
                corpus: &prepared.validation.corpus,
                references: &prepared.validation.references,
                vocabularies: &prepared.vocabularies,
                translator: &translator,
            };
            let teacher = match teacher {
                Some(teacher) if settings.word_distillation > 0.0 => Some(self.load(teacher)?),
                _ => None,
            };
            // Where no student is made, the model is nobody's teacher.
            let is_alone = name == TEACHER && self.recipe.systems.is_empty();
            let run = Run {
                name: if is_alone { "model" } else { name },
                teacher: teacher.as_ref(),
                corpus,
                pairs: match pairs {
                    Pairs::Original => corpus.part_sizes()[0],
                    Pairs::OriginalAndPseudo => corpus.len(),
                },
                validator: &validator,
                settings,
                seed,
                inputs: &fingerprint.0,
                folder,
                display: self.options.display,
                interrupt: &self.options.interrupt,
                save_model: &|model, folder| self.save_model(prepared, model, folder),
            };
            let outcome = run.train(&mut *trainable)?;
            self.save_model(prepared, &outcome.model, &folder.join("model"))?;
            let early = outcome.ended == Ended::OutOfPatience;
            let selected = Some(outcome.selected);
            let (updates, seconds) = (outcome.updates, outcome.seconds);
            Ok(TrainingResult { updates, seconds, early, selected })
        })?;
        Ok((result, fingerprint))
    }

    fn save_model(
        &self,
        prepared: &Prepared,
        model: &Model<Dense<f32>>,
        folder: &Path,
    ) -> Result<(), TrainError> {
        native::save(model, folder)?;
        Ok(prepared.vocabularies.save(folder)?)
    }

    /// Appends the teacher's translations of the training text's sources, as pairs, to the training text;
    /// lines that the checks left out are not translated.
    ///
    /// # Errors
    /// [`TrainError::PseudoData`], [`TrainError::Translate`], [`TrainError::Text`].
    pub fn pseudo_data(
        &self,
        prepared: &mut Prepared,
        teacher: &Trained,
    ) -> Result<Fingerprint, TrainError> {
        let settings = &self.recipe.pseudo_data;
        let inputs = Fingerprint::of(&(&prepared.fingerprint, &teacher.fingerprint, settings));
        let training = &prepared.training;
        let report: PseudoReport =
            self.stages.run("pseudo", &inputs, &[SOURCE, TARGET], |folder| {
                let model = self.load(teacher)?;
                let options = line_by_line(settings, self.options.threads);
                let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
                let all = self.unchanged_lines(training)?;
                let kept: Vec<String> =
                    training.lines.iter().map(|line| all[line - 1].clone()).collect();
                drop(all);
                let RunOptions { display, interrupt, .. } = &self.options;
                translate_corpus(&translator, &kept, folder, *display, interrupt)
            })?;
        let summary = pseudo_summary(&report);
        self.say("pseudo data", &summary);
        let folder = self.path("pseudo");
        let files = TextPair { source: folder.join(SOURCE), target: folder.join(TARGET) };
        let text = read_pair(Path::new(""), &files)?;
        let set = encode("pseudo data", text, &prepared.vocabularies, &limits(&self.recipe.data))?;
        self.tell("pseudo data", &set.report);
        self.write_data_report("pseudo/data.txt", std::iter::once(&set))?;
        let pseudo = set.report.without_folders().to_string();
        prepared.notes.push(format!("pseudo data: {summary}"));
        prepared.notes.extend(pseudo.lines().map(|line| format!("pseudo data: {line}")));
        let original =
            std::mem::replace(&mut prepared.training.corpus, EncodedCorpus::concatenate([]));
        prepared.training.corpus = EncodedCorpus::concatenate([&original, &set.corpus]);
        Ok(inputs)
    }

    /// Trains a student by the system's method.
    ///
    /// # Errors
    /// [`TrainError::Grow`] if teacher and student do not fit, and what [`Run::train`] brings.
    pub fn student(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
        pseudo: &Fingerprint,
        system: &ResolvedSystem,
    ) -> Result<Trained, TrainError> {
        let word_teacher = (system.method != Method::Scratch).then_some(teacher);
        let data = match system.pairs {
            Pairs::Original => &prepared.fingerprint,
            Pairs::OriginalAndPseudo => pseudo,
        };
        let name = format!("{}/student", system.name);
        let stage = TrainingStage {
            name: &name,
            architecture: &system.architecture,
            settings: &system.training,
            pairs: system.pairs,
            data,
            from: None,
            teacher: word_teacher,
            seed: system.seed,
        };
        let mut stages = Vec::new();
        let mut from = word_teacher.map(|_| teacher.fingerprint.clone());
        let generator_name = format!("{}/generator", system.name);
        if let Some(settings) = &system.generator {
            let from_start = Fingerprint::of(&(system.start, &from));
            let from_start = Some(&from_start);
            let stage =
                TrainingStage { name: &generator_name, settings, from: from_start, ..stage };
            let (result, fingerprint) = self.train(prepared, &stage, |config, seed| {
                let teacher = self.load(teacher)?;
                self.warn_of_saturation(&teacher, system.start);
                let generator = ParameterGenerator::grow(&teacher, &config, system.start, seed)?;
                Ok(Box::new(GeneratedStudent::new(generator)))
            })?;
            stages.push((generator_name.clone(), result));
            from = Some(fingerprint);
        }
        let stage = TrainingStage { from: from.as_ref(), ..stage };
        let (result, fingerprint) = self.train(prepared, &stage, |config, seed| {
            let model = match system.method {
                Method::Scratch | Method::Kd => Model::initialise(config, seed),
                Method::Cut => cut(&self.load(teacher)?, &config)?,
                Method::Wd => native::load(&self.path(&generator_name).join("model"))?,
            };
            Ok(Box::new(DenseModel(model)))
        })?;
        let model = self.path(&name).join("model");
        stages.push((name, result));
        Ok(Trained {
            name: system.name.clone(),
            description: description(system),
            hashes: model_hashes(&model)?,
            model,
            fingerprint,
            stages,
        })
    }

    /// A finished model, if it is still what it was.
    fn load(&self, trained: &Trained) -> Result<Model<Dense<f32>>, TrainError> {
        match model_hashes(&trained.model)? == trained.hashes {
            true => Ok(native::load(&trained.model)?),
            false => Err(TrainError::Changed { path: trained.model.clone() }),
        }
    }

    /// The source lines of a text, which were not kept in memory.
    fn unchanged_lines(&self, set: &TextSet) -> Result<Vec<String>, TrainError> {
        let text = read_lines(&set.report.source)?;
        match text.hash == set.hashes[0] {
            true => Ok(text.lines),
            false => Err(TrainError::Changed { path: text.path }),
        }
    }

    fn warn_of_saturation(&self, teacher: &Model<Dense<f32>>, start: Start) {
        let Saturation { outside, all } = Saturation::of(&teacher.weights);
        if start == Start::Xavier && outside > 0 {
            let share = 100.0 * outside as f64 / all as f64;
            self.say(
                "generator",
                &format!(
                    "{outside} of the teacher's {all} weights ({share:.2}%) lie outside [-1, 1]; \
                     a tanh with a scale of 1 cannot reach them at first"
                ),
            );
        }
    }

    /// Decodes validation and test text and scores them; the translations are kept.
    ///
    /// # Errors
    /// [`TrainError::Translate`], [`TrainError::Metrics`].
    pub fn evaluate(
        &self,
        prepared: &Prepared,
        test: &TextSet,
        system: &Trained,
    ) -> Result<Evaluation, TrainError> {
        let decoding = &self.recipe.decoding;
        let texts = [&prepared.validation, test];
        let files = texts.map(|set| &set.hashes);
        let inputs = Fingerprint::of(&(&system.fingerprint, files, decoding));
        let name = format!("evaluation/{}", system.name);
        let products = texts.map(|set| format!("{}.txt", set.role));
        let products = products.each_ref().map(String::as_str);
        self.stages.run(&name, &inputs, &products, |folder| {
            let busy = Progress::busy(self.options.display, &name, "translating");
            let model = self.load(system)?;
            let options = line_by_line(decoding, self.options.threads);
            let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
            let mut decoded = Vec::new();
            for set in texts {
                let decoded_set = Decoded::of(translator.translate_ids(sources(&set.corpus))?);
                let path = folder.join(format!("{}.txt", set.role));
                atomic_write(&path, (decoded_set.lines.join("\n") + "\n").as_bytes())?;
                decoded.push(decoded_set);
            }
            busy.finish();
            let references = texts.map(|set| [set.references.as_slice()]);
            let (bleu, chrf) = (Bleu::default(), Chrf::default());
            let [validation, test] = &decoded[..] else { unreachable!("two texts were decoded") };
            let evaluation = Evaluation {
                bleu_validation: bleu.corpus_score(&validation.lines, &references[0])?.score,
                bleu_test: bleu.corpus_score(&test.lines, &references[1])?.score,
                chrf_test: chrf.corpus_score(&test.lines, &references[1])?.score,
                bleu_signature: bleu.signature(1).to_string(),
                chrf_signature: chrf.signature(1).to_string(),
                cut_translations: [validation.cut, test.cut],
                joined_lines: [validation.joined, test.joined],
            };
            let Evaluation { bleu_validation, bleu_test, chrf_test, .. } = &evaluation;
            self.say(
                &name,
                &format!(
                    "BLEU validation {bleu_validation:.2}  test {bleu_test:.2}  chrF {chrf_test:.2}"
                ),
            );
            Ok(evaluation)
        })
    }

    /// Decoding speed of systems, in turn on the same sentences, the first of a text.
    ///
    /// # Errors
    /// [`TrainError::Translate`].
    pub fn speeds(&self, text: &TextSet, systems: &[&Trained]) -> Result<Vec<Speed>, TrainError> {
        let settings = self.recipe.benchmark;
        let decoding = &self.recipe.decoding;
        let models: Vec<_> = systems.iter().map(|system| &system.fingerprint).collect();
        let [source, _] = &text.hashes;
        let threads = self.options.threads;
        let inputs = Fingerprint::of(&(models, source, settings, decoding, threads));
        self.stages.run("speed", &inputs, &[], |_| {
            let translators = systems
                .iter()
                .map(|system| {
                    let model = self.load(system)?;
                    Ok(TokenTranslator::new(&model, threads, decoding.clone(), None)?)
                })
                .collect::<Result<Vec<_>, TrainError>>()?;
            let named: Vec<_> =
                systems.iter().map(|system| system.name.clone()).zip(&translators).collect();
            let mut sentences = sources(&text.corpus);
            sentences.truncate(settings.sentences);
            let sources = vec![sentences; systems.len()];
            let progress = Progress::new(self.options.display, "speed", settings.rounds as u64);
            let speeds = benchmark(&named, &sources, settings.rounds, &mut |round| {
                progress.update(round as u64, String::new);
            })?;
            progress.finish();
            Ok(speeds)
        })
    }
}

/// What a system is, in a few words.
fn description(system: &ResolvedSystem) -> String {
    let mut parts = vec![match (system.method, system.start) {
        (Method::Wd, Start::Cut) => "weight distillation, cut start",
        (method, _) => method.description(),
    }];
    if system.method != Method::Scratch {
        let sequence_level = system.pairs == Pairs::OriginalAndPseudo;
        parts.extend(sequence_level.then_some("sequence-level distillation"));
        let phases = [Some(&system.training), system.generator.as_ref()];
        let learns_words = |settings: &TrainingSettings| settings.word_distillation > 0.0;
        let word_level = phases.into_iter().flatten().any(learns_words);
        parts.extend(word_level.then_some("word-level distillation"));
    }
    parts.join(", ")
}

/// Hashes of a model's configuration and weights.
fn model_hashes(folder: &Path) -> Result<[String; 2], TrainError> {
    let hash = |file: &str| hash_file(&folder.join(file));
    Ok([hash(native::CONFIG_FILE)?, hash(native::WEIGHTS_FILE)?])
}

fn sources(corpus: &EncodedCorpus) -> Vec<Vec<u32>> {
    (0..corpus.len()).map(|pair| corpus.pair(pair).0.to_vec()).collect()
}

fn recipe_text(recipe: &Recipe) -> String {
    toml::to_string(recipe).expect("a recipe is plain tables of numbers and strings")
}

fn pseudo_summary(report: &PseudoReport) -> String {
    let PseudoReport { lines, empty, cut, joined, tokens, seconds, .. } = report;
    let speed = *tokens as f64 / seconds;
    format!(
        "{lines} lines, {tokens} target tokens, {speed:.0} tokens/s; {empty} empty, {cut} cut at the \
         maximum length, {joined} with a line break written as a space"
    )
}
