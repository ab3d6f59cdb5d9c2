//! A recipe worked out: presets and defaults filled in.

use toml::Table;
use wdistill_base::Problem;
use wdistill_formats::native;
use wdistill_generator::Start;
use wdistill_model::{Architecture, Config, Conventions};
use wdistill_text::VocabularySettings;
use wdistill_train::{Length, Schedule, TrainingRecipe};

use super::changes::{changed, merge, table};
use super::{ModelRecipe, Recipe, SystemRecipe, TeacherRecipe, VocabularyRecipe};
use crate::error::PipelineError;
use crate::methods::{LearnsFrom, METHODS, Method, Origin, Phases};
use crate::plan::{
    Part, Plan, Problems, ResolvedSystem, ResolvedTeacher, StudentBase, VocabularyOrigin,
};
use crate::settings::{Cycle, Pairs, TeacherDecoder};

impl Recipe {
    /// Works out architectures and settings, and checks everything that can be checked without the texts.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] with every problem found.
    pub fn plan(&self) -> Result<Plan, PipelineError> {
        let whole = "the recipe";
        let mut problems = Problems::default();
        let vocabulary = self.resolve_vocabulary(&mut problems);
        let teacher = resolve_teacher(&self.teacher, &mut problems);
        let conventions = teacher.as_ref().map(ResolvedTeacher::conventions).unwrap_or_default();
        let student = self.student.as_ref().map(|student| {
            let architecture =
                architecture(student.preset.as_deref(), conventions, &student.architecture);
            let training = changed(&Table::new(), &student.training);
            let architecture = problems.take(Part::StudentArchitecture, architecture);
            let training = problems.take(Part::StudentTraining, training);
            Some(StudentBase { architecture: architecture?, training: training? })
        });
        let systems = match (&self.student, &student) {
            (Some(recipe), Some(Some(base))) => self.resolve_systems(recipe, base, &mut problems),
            (None, _) if !self.systems.is_empty() => {
                let hint = "[student] names a preset, or an architecture, for all of them";
                let fact = "there are systems, but no student that says what they share";
                problems.add(Part::System(0), Problem::with_hint(fact, hint));
                Vec::new()
            }
            _ => Vec::new(),
        };
        problems.into_result(whole, Part::in_recipe)?;
        let plan = Plan {
            title: self.title.clone(),
            seed: self.seed,
            data: self.data.clone(),
            vocabulary: vocabulary.expect("without problems"),
            teacher: teacher.expect("without problems"),
            student: student.flatten(),
            systems,
            back_translation: self.back_translation.clone(),
            pseudo_data: self.pseudo_data.clone(),
            decoding: self.decoding.clone(),
            benchmark: self.benchmark,
            notes: self.notes.clone(),
        };
        plan.problems().into_result(whole, Part::in_recipe)?;
        Ok(plan)
    }

    fn resolve_vocabulary(&self, problems: &mut Problems) -> Option<VocabularyOrigin> {
        let models = [("model", &self.teacher.model), ("from", &self.teacher.from)];
        let given = models.into_iter().find_map(|(key, folder)| Some((key, folder.as_ref()?)));
        if let Some((key, folder)) = given {
            if self.vocabulary != VocabularyRecipe::default() {
                let problem = format!("the vocabularies are those of teacher.{key}; leave it out");
                problems.add(Part::Vocabulary, problem);
            }
            return Some(VocabularyOrigin::Teacher(folder.clone()));
        }
        problems.take(Part::Vocabulary, self.vocabulary.origin())
    }

    fn resolve_systems(
        &self,
        student: &ModelRecipe,
        base: &StudentBase,
        problems: &mut Problems,
    ) -> Vec<ResolvedSystem> {
        let resolve = |(index, system): (usize, &SystemRecipe)| {
            let resolved = resolve_system(system, self, student, base);
            resolved.map_err(|(part, problem)| problems.add(part(index), problem)).ok()
        };
        self.systems.iter().enumerate().filter_map(resolve).collect()
    }
}

impl VocabularyRecipe {
    /// Where the vocabularies come from, if not from a teacher.
    ///
    /// # Errors
    /// Neither a size nor two files, or both.
    pub fn origin(&self) -> Result<VocabularyOrigin, Problem> {
        let VocabularyRecipe { model, size, normalisation, sharing, sample_pairs, .. } = self;
        let (sharing, sample_pairs) = (*sharing, *sample_pairs);
        if sample_pairs == 0 {
            return Err("sample_pairs is 0, expected at least 1".into());
        }
        match (size, &self.source, &self.target) {
            (Some(size), None, None) => {
                let mut settings = VocabularySettings::new(*model, *size);
                settings.normalisation = normalisation.unwrap_or_default();
                Ok(VocabularyOrigin::Learned { settings, sharing, sample_pairs })
            }
            (None, Some(_), Some(_)) if normalisation.is_some() => {
                Err("normalisation: the files have their own; leave it out".into())
            }
            (None, Some(source), Some(target)) => {
                Ok(VocabularyOrigin::Files(source.clone(), target.clone()))
            }
            _ => Err("expected either size, or source and target, two files".into()),
        }
    }
}

fn resolve_teacher(teacher: &TeacherRecipe, problems: &mut Problems) -> Option<ResolvedTeacher> {
    let TeacherRecipe { model, from, preset, architecture: changes, training } = teacher;
    if let (Some(from), None) = (from, model) {
        if preset.is_some() {
            problems
                .add(Part::TeacherModel, "preset has no use beside from: leave one of them out");
        }
        let training = problems.take(Part::TeacherTraining, changed(&Table::new(), training));
        return problems.take(Part::TeacherArchitecture, tuned_teacher(from, changes, training?));
    }
    let Some(folder) = model else {
        let architecture = architecture(preset.as_deref(), Conventions::default(), changes);
        let architecture = problems.take(Part::TeacherArchitecture, architecture);
        let training = problems.take(Part::TeacherTraining, changed(&Table::new(), training));
        return Some(ResolvedTeacher::Trained(architecture?, training?));
    };
    let ignored = [
        ("from", from.is_some()),
        ("preset", preset.is_some()),
        ("architecture", !changes.is_empty()),
        ("training", !training.is_empty()),
    ];
    for (key, _) in ignored.iter().filter(|(_, is_there)| *is_there) {
        let problem = format!("{key} has no use beside model: leave one of them out");
        problems.add(Part::TeacherModel, problem);
    }
    problems.take(Part::TeacherModel, given_teacher(folder))
}

/// A teacher that is there already.
///
/// # Errors
/// That its configuration cannot be read.
pub(crate) fn given_teacher(folder: &std::path::Path) -> Result<ResolvedTeacher, Problem> {
    let config = native::load_config(folder).map_err(|error| Problem::of(&error))?;
    Ok(ResolvedTeacher::Given(folder.to_path_buf(), config))
}

/// A finished model that is trained on.
///
/// # Errors
/// That its configuration cannot be read, or a change of its architecture that is more than another dropout.
pub(crate) fn tuned_teacher(
    folder: &std::path::Path,
    changes: &Table,
    training: TrainingRecipe,
) -> Result<ResolvedTeacher, Problem> {
    let config = native::load_config(folder).map_err(|error| Problem::of(&error))?;
    let wanted: Architecture = changed(&table(&config.architecture), changes)?;
    let architecture = Architecture { dropout: wanted.dropout, ..config.architecture.clone() };
    if architecture != wanted {
        let (found, is) = (wanted.summary(), config.architecture.summary());
        let fact = format!("{found} is not the shape of the model that it begins with, {is}");
        return Err(Problem::with_hint(fact, "of the architecture only dropout may change"));
    }
    let config = Config { architecture, ..config };
    Ok(ResolvedTeacher::Tuned(folder.to_path_buf(), config, training))
}

/// A part of a system, and what is wrong with it.
type SystemProblem = (fn(usize) -> Part, Problem);

fn resolve_system(
    system: &SystemRecipe,
    recipe: &Recipe,
    student: &ModelRecipe,
    base: &StudentBase,
) -> Result<ResolvedSystem, SystemProblem> {
    let of = |part: fn(usize) -> Part| move |problem: Problem| (part, problem);
    let method = system.method;
    check_choices(system).map_err(of(Part::System))?;
    let all: TrainingRecipe =
        changed(&student.training, &system.training).map_err(of(Part::SystemTraining))?;
    let mut generator = match method.phases {
        Phases::Two => Some(resolve_generator(system, student).map_err(of(Part::SystemGenerator))?),
        Phases::One => None,
    };
    let (seed, other_seeds) = seeds(system, recipe).map_err(of(Part::System))?;
    let mut training = match &generator {
        Some(first) => rest_of(all, first.updates).map_err(of(Part::SystemGenerator))?,
        None => all,
    };
    if system.cycle == Cycle::Whole {
        join_schedules(generator.as_mut(), &mut training).map_err(of(Part::System))?;
    }
    let architecture = changed(&table(&base.architecture), &system.architecture)
        .map_err(of(Part::SystemArchitecture))?;
    Ok(ResolvedSystem {
        name: if system.name.is_empty() { method.name.to_string() } else { system.name.clone() },
        method,
        start: method.start(system.start),
        from: system.from.clone(),
        teacher_decoder: system.teacher_decoder,
        pairs: system.pairs.unwrap_or(match method.learns_from {
            LearnsFrom::Text => Pairs::Original,
            LearnsFrom::Teacher => Pairs::OriginalAndPseudo,
        }),
        seed,
        other_seeds,
        learning_rates: first_filled(&system.learning_rates, &recipe.learning_rates).to_vec(),
        architecture,
        generator,
        training,
    })
}

/// Makes one linear schedule of those of two phases: the first one's is as long as both, and the second one begins where the
/// first one ended.
fn join_schedules(
    first: Option<&mut TrainingRecipe>,
    second: &mut TrainingRecipe,
) -> Result<(), Problem> {
    let Some(first) = first else {
        return Err("cycle = \"whole\" needs two phases, and there is one".into());
    };
    if [first.schedule, second.schedule] != [Schedule::Linear; 2] {
        let fact = "cycle = \"whole\" needs a linear schedule in both phases";
        return Err(Problem::with_hint(fact, "training = { schedule = \"linear\" } in [student]"));
    }
    let both = first.updates.plus(second.updates).filter(|_| first.is_in_updates());
    let Some(both) = both else {
        return Err("cycle = \"whole\" needs the lengths of phase 1 in updates".into());
    };
    first.schedule_updates = both;
    let first = first.in_updates(None);
    second.learning_rate = first.learning_rate_at(first.updates);
    Ok(())
}

/// A system's seeds: the first, and the others.
fn seeds(system: &SystemRecipe, recipe: &Recipe) -> Result<(u64, Vec<u64>), Problem> {
    match (system.seed, &system.seeds[..]) {
        (Some(_), [_, ..]) => Err("seed and seeds are the same setting; give one of them".into()),
        (Some(seed), []) => Ok((seed, Vec::new())),
        (None, own) => match first_filled(own, &recipe.seeds) {
            [] => Ok((recipe.seed, Vec::new())),
            [first, others @ ..] => Ok((*first, others.to_vec())),
        },
    }
}

/// What a system says for itself, or what the recipe says for all.
fn first_filled<'a, T>(own: &'a [T], all: &'a [T]) -> &'a [T] {
    if own.is_empty() { all } else { own }
}

fn resolve_generator(
    system: &SystemRecipe,
    student: &ModelRecipe,
) -> Result<TrainingRecipe, Problem> {
    if !system.generator.contains_key("updates") {
        let name = system.method.name;
        return Err(format!("{name} needs updates here, its share of the student's").into());
    }
    changed(&student.training, &system.generator)
}

/// What is left of a training after a first phase.
///
/// # Errors
/// If nothing is left, or the lengths have different units.
pub(crate) fn rest_of(all: TrainingRecipe, phase_1: Length) -> Result<TrainingRecipe, Problem> {
    let whole = all.updates;
    match (whole.is_longer(phase_1), whole.minus(phase_1)) {
        (Some(true), Some(updates)) => Ok(TrainingRecipe { updates, ..all }),
        (None, _) => Err(Problem::with_hint(
            format!("updates is \"{phase_1}\", and \"{whole}\" of all phases"),
            "both lengths need one unit",
        )),
        _ => Err(format!(
            "updates is {phase_1}, which leaves none of the student's {whole} for phase 2"
        )
        .into()),
    }
}

/// That a method has what a system chooses.
fn check_choices(system: &SystemRecipe) -> Result<(), Problem> {
    let method = system.method;
    let name = method.name;
    if let Some(start) = system.start.filter(|start| !method.starts.contains(start)) {
        let spelled = |start: &Start| toml::Value::try_from(start).map(|name| name.to_string());
        let known: Vec<String> = method.starts.iter().flat_map(spelled).collect();
        return Err(match known.is_empty() {
            true => format!("{name} leaves no choice of a start; {} do", with_starts()).into(),
            false => {
                let found = spelled(&start).unwrap_or_default();
                format!("start is {found}, but {name} has only {}", known.join(", ")).into()
            }
        });
    }
    if method.phases == Phases::One && !system.generator.is_empty() {
        let two = methods(|method| method.phases == Phases::Two);
        return Err(format!("{name} has no phase 1, which generator would be; {two} have").into());
    }
    if method.origin == Origin::Random && system.from.is_some() {
        return Err(format!("{name} is made of no other model, and from names one").into());
    }
    if method.origin == Origin::Random && system.teacher_decoder == TeacherDecoder::Blank {
        return Err(format!("{name} uses none of the teacher's weights, blank or not").into());
    }
    Ok(())
}

/// Names of the methods that leave a choice of a start.
fn with_starts() -> String {
    methods(|method| !method.starts.is_empty())
}

/// Names of some methods.
fn methods(which: impl Fn(&Method) -> bool) -> String {
    let names: Vec<&str> = METHODS.iter().filter(|m| which(m)).map(|m| m.name).collect();
    names.join(", ")
}

/// A preset with changes, or an architecture written out; `conventions` where the changes name none.
pub(crate) fn architecture(
    preset: Option<&str>,
    conventions: Conventions,
    changes: &Table,
) -> Result<Architecture, Problem> {
    let mut base = match preset {
        Some(name) => table(&Architecture::preset(name).map_err(|error| Problem::of(&error))?),
        None => Table::new(),
    };
    merge(&mut base, &table(&conventions));
    changed(&base, changes)
}

impl Part {
    /// As recipes call it.
    pub(crate) fn in_recipe(self) -> String {
        match self {
            Part::Data => "data".to_string(),
            Part::Vocabulary => "vocabulary".to_string(),
            Part::TeacherModel => "teacher.model".to_string(),
            Part::TeacherArchitecture => "teacher.architecture".to_string(),
            Part::TeacherTraining => "teacher.training".to_string(),
            Part::StudentArchitecture => "student.architecture".to_string(),
            Part::StudentTraining => "student.training".to_string(),
            Part::PseudoData => "pseudo_data".to_string(),
            Part::BackTranslation => "back_translation".to_string(),
            Part::Decoding => "decoding".to_string(),
            Part::Benchmark => "benchmark".to_string(),
            Part::System(index) => format!("systems[{index}]"),
            Part::SystemArchitecture(index) => format!("systems[{index}].architecture"),
            Part::SystemGenerator(index) => format!("systems[{index}].generator"),
            Part::SystemTraining(index) => format!("systems[{index}].training"),
        }
    }
}

#[cfg(test)]
mod tests {
    use toml::Value;
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

    fn plan(text: &str) -> Result<Plan, String> {
        let recipe = parse(text).map_err(|problem| problem.in_lines())?;
        recipe.plan().map_err(|error| Problem::of(&error).in_lines())
    }

    #[test]
    fn presets_are_changed_and_phases_share_the_updates() {
        let resolved = plan(RECIPE).unwrap();
        assert_eq!(resolved.student.as_ref().unwrap().architecture.summary(), "2x16/32 + 1x16/32");
        let [kd, wd] = &resolved.systems[..] else { panic!() };
        let lengths = |settings: &TrainingRecipe| [settings.updates, settings.warm_up];
        let updates = |counts: [u64; 2]| counts.map(Length::Updates);
        assert_eq!((kd.name.as_str(), lengths(&kd.training)), ("kd", updates([100, 7])));
        let generator = wd.generator.as_ref().unwrap();
        assert_eq!(lengths(generator), updates([40, 5]));
        assert_eq!(lengths(&wd.training), updates([60, 7]));
        assert_eq!((wd.training.learning_rate, generator.learning_rate), (0.5, 7e-4));
        assert_eq!((kd.start, wd.start), (None, Some(Start::Cut)));
    }

    #[test]
    fn phases_share_epochs_as_they_share_updates() {
        let in_epochs = RECIPE.replace("updates = 100", "updates = \"10 epochs\"");
        let phase_1 = |updates: &str| in_epochs.replace("updates = 40", updates);
        let resolved = plan(&phase_1("updates = \"4 epochs\"")).unwrap();
        let system = &resolved.systems[1];
        assert_eq!(system.generator.as_ref().unwrap().updates, Length::Epochs(4.0));
        assert_eq!(system.training.updates, Length::Epochs(6.0));
        let said = plan(&phase_1("updates = 40")).unwrap_err();
        assert!(said.contains("updates is \"40\", and \"10 epochs\" of all phases"), "{said}");
        let said = plan(&phase_1("updates = \"10 epochs\"")).unwrap_err();
        assert!(said.contains("leaves none of the student's 10 epochs"), "{said}");
    }

    /// 40 of 100 updates are phase 1; its warm-up is 5.
    #[test]
    fn one_cycle_falls_through_both_phases() {
        let base = RECIPE.replace("warm_up = 7", "warm_up = 7, schedule = \"linear\"");
        let whole = base.replace("start = \"cut\"", "start = \"cut\"\ncycle = \"whole\"");
        let whole = whole.replace("training = { learning_rate = 0.5 }", "");
        let plan_of = |text: &str| plan(text).unwrap().systems[1].clone();
        let system = plan_of(&whole);
        let (first, second) = (system.generator.clone().unwrap(), &system.training);
        let rate = |update: f64| 7e-4 * (100.0 - update + 1.0) / 95.0;
        let first = first.in_updates(None);
        assert!((first.learning_rate_at(40) - rate(40.0)).abs() < 1e-12);
        assert!((second.learning_rate - rate(40.0)).abs() < 1e-12);
        assert_eq!((first.schedule_updates, second.schedule_updates), (100, Length::Updates(0)));
        // Rates that are tried keep the proportion.
        let tried = whole.replace("cycle =", "learning_rates = [7e-3]\ncycle =");
        let candidate = plan_of(&tried).candidates()[0].clone();
        assert_eq!(candidate.generator.unwrap().learning_rate, 7e-3);
        assert!((candidate.training.learning_rate - 10.0 * rate(40.0)).abs() < 1e-12);

        let refused = |text: &str, expected: &str| {
            let error = plan(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        refused(
            &whole.replace("schedule = \"linear\"", "schedule = \"cosine\""),
            "a linear schedule",
        );
        let kd = base.replace("method = \"kd\"", "method = \"kd\"\ncycle = \"whole\"");
        refused(&kd, "needs two phases");
    }

    #[test]
    fn a_student_has_the_position_table_of_its_teacher() {
        let positions = |text: &str| {
            let Plan { teacher, systems, .. } = plan(text).unwrap();
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
        let mut written = table(&plan(RECIPE).unwrap().student.unwrap().architecture);
        written.remove("positions");
        let student = recipe["student"].as_table_mut().unwrap();
        student.remove("preset");
        student.insert("architecture".to_string(), Value::Table(written));
        assert_eq!(positions(&recipe.to_string()), PositionTable::Tensor2tensor);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let error = plan(&RECIPE.replace("[vocabulary]", "[vocabulry]")).unwrap_err();
        assert!(error.contains("did you mean `vocabulary`?"), "{error}");
        let error = plan(&RECIPE.replace("warm_up = 7", "warmup = 7")).unwrap_err();
        assert!(error.contains("student.training"), "{error}");
        assert!(error.contains("did you mean `warm_up`?"), "{error}");
        let error = plan(&RECIPE.replace("\"kd\"", "\"dk\"")).unwrap_err();
        assert!(error.contains("did you mean `kd`?"), "{error}");
    }

    #[test]
    fn a_table_of_pseudo_data_changes_what_it_names() {
        let beam = |table: &str| {
            let recipe = parse(&RECIPE.replace("[teacher]", &format!("{table}\n[teacher]")));
            let options = recipe.unwrap().pseudo_data.decoding;
            (options.search.beam_size, options.search.max_length)
        };
        assert_eq!(beam(""), (6, 512));
        assert_eq!(beam("[pseudo_data]\nmax_length = 9"), (6, 9));
        assert_eq!(beam("[pseudo_data]\nbeam = 2"), (2, 512));
    }

    #[test]
    fn unfair_and_impossible_systems_are_refused() {
        let more = RECIPE.replace("learning_rate = 0.5", "updates = 200");
        assert!(plan(&more).unwrap_err().contains("expected the 100 that students have"));
        let all = RECIPE.replace("updates = 40", "updates = 100");
        assert!(plan(&all).unwrap_err().contains("leaves none"));
        let twice = RECIPE.replace("method = \"wd\"", "name = \"kd\"\nmethod = \"wd\"");
        assert!(plan(&twice).unwrap_err().contains("\"kd\" is taken"));
    }

    #[test]
    fn everything_that_can_be_known_is_checked_before_anything_runs() {
        let refused = |from: &str, to: &str, expected: &str| {
            assert!(RECIPE.contains(from), "{from}");
            let error = plan(&RECIPE.replace(from, to)).unwrap_err();
            assert!(
                error.contains(expected),
                "{expected:?} in:
{error}"
            );
        };
        let layers = "decoder = { layers = 1 }";
        let own = "method = \"layer-copy\"\narchitecture = { decoder = { layers = 3 } }";
        refused(
            "method = \"kd\"",
            own,
            "systems[0].architecture: the teacher's decoder has 2 layers",
        );
        refused(layers, "decoder = { heads = 5 }", "decoder.heads is 5");
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
        refused("updates = 10 ", &format!("{learned} "), "need a teacher");
        let narrow = RECIPE
            .replace("layers = 1 }", "layers = 1, width = 8 }")
            .replace("warm_up = 7 }", "warm_up = 7, state_distillation = 1.0 }");
        let error = plan(&narrow).unwrap_err();
        assert!(error.contains("decoder has a width of 8, the teacher's 16"), "{error}");
        let tied = "architecture = { embeddings = \"all-tied\", decoder";
        let separate = RECIPE.replace("size = 300", "size = 300\nsharing = \"separate\"");
        let error = plan(&separate.replace("architecture = { decoder", tied)).unwrap_err();
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
            "kd leaves no choice of a start; encoder, cut, cut-twice, wd do",
        );
        let own = |keys: &str| format!("method = \"kd\"\n{keys}");
        refused("method = \"kd\"", &own("generator = { updates = 3 }"), "kd has no phase 1");
        refused("method = \"kd\"", &own("teacher_decoder = \"blank\""), "kd uses none");
        refused("method = \"kd\"", &own("from = \"wd\""), "kd is made of no other model");
        let later = "name = \"first\"\nmethod = \"cut\"\nfrom = \"wd\"";
        refused("method = \"kd\"", later, "from is \"wd\", which is no system before it");
        let cut = "method = \"cut\"\nstart = \"xavier\"";
        refused(
            "method = \"kd\"",
            cut,
            "start is \"xavier\", but cut has only \"cut\", \"strided\", \"concatenated\"",
        );
        refused("method = \"kd\"", &own("name = \"Report.json\""), "is taken");
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
        let preset = "preset = \"transformer-nano\"\n        training";
        let three = "preset = \"transformer-nano\"\n        architecture = { decoder = { layers = 3 } }\n        training";
        let uneven = RECIPE.replacen(preset, three, 1).replace("{ layers = 1 }", "{ layers = 2 }");
        let error = plan(&uneven).unwrap_err();
        assert!(error.contains("3 layers cannot be divided into 2 equal groups"), "{error}");
        let wd = uneven.rfind("[[systems]]").unwrap();
        let kd = plan(&uneven[..wd]).unwrap();
        assert_eq!(kd.student.unwrap().architecture.decoder.layers, 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_no_machine_can_train_and_no_recipe_can_name_is_refused() {
        let wide = RECIPE.replace("decoder = { layers = 1 }", "decoder = { width = 1000000 }");
        let error = plan(&wide).unwrap_err();
        assert!(error.contains("student.architecture: training it takes"), "{error}");
        use std::os::unix::ffi::OsStrExt;
        let mut recipe: Recipe = parse(RECIPE).unwrap();
        recipe.data.train[0].source = Some(std::ffi::OsStr::from_bytes(b"x\xff").into());
        let error = recipe.plan().unwrap_err().to_string();
        assert!(error.contains("the path \"x\\xFF\" is not UTF-8"), "{error}");
    }

    #[test]
    fn a_recipe_spelled_out_is_the_same_recipe() {
        let recipe: Recipe = parse(RECIPE).unwrap();
        let resolved = recipe.plan().unwrap();
        let text = toml::to_string(&resolved.to_recipe()).unwrap();
        assert!(text.contains("label_smoothing = 0.1") && !text.contains("preset"), "{text}");
        assert_eq!(parse(&text).unwrap().plan().unwrap(), resolved);
    }

    #[test]
    fn the_recipes_that_come_with_the_project_resolve() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            Recipe::read(&path, None).unwrap().plan().unwrap_or_else(|e| panic!("{e}"));
            count += 1;
        }
        assert!(count >= 3, "{count} recipes");
        let demo = std::path::Path::new("demo.toml");
        Recipe::parse(wdistill_demo::RECIPE, demo, None).unwrap().plan().unwrap();
    }
}
