//! A plan as a recipe, for its folder and its report.

use toml::{Table, Value};

use super::changes::table;
use super::{ModelRecipe, Recipe, SystemRecipe, TeacherRecipe, VocabularyRecipe};
use crate::plan::{Plan, ResolvedSystem, ResolvedTeacher, StudentBase, VocabularyOrigin};
use crate::settings::Cycle;

impl Plan {
    /// The recipe that makes this plan, with every preset and default spelled out.
    pub fn to_recipe(&self) -> Recipe {
        Recipe {
            title: self.title.clone(),
            seed: self.seed,
            data: self.data.clone(),
            vocabulary: self.vocabulary.to_recipe(),
            teacher: self.teacher.to_recipe(),
            student: self.student.as_ref().map(StudentBase::to_recipe),
            back_translation: self.back_translation.clone(),
            pseudo_data: self.pseudo_data.clone(),
            decoding: self.decoding.clone(),
            benchmark: self.benchmark,
            seeds: Vec::new(),
            learning_rates: Vec::new(),
            systems: self.systems.iter().map(|system| self.system_recipe(system)).collect(),
            notes: Vec::new(),
        }
    }

    fn system_recipe(&self, system: &ResolvedSystem) -> SystemRecipe {
        let shared = self.student.as_ref().map(|student| &student.architecture);
        let architecture = match shared == Some(&system.architecture) {
            true => Table::new(),
            false => table(&system.architecture),
        };
        let mut training = table(&system.training);
        // Phase 2 has what phase 1 leaves of the students' updates.
        training.remove("updates");
        SystemRecipe {
            name: system.name.clone(),
            method: system.method,
            start: system.start,
            from: system.from.clone(),
            teacher_decoder: system.teacher_decoder,
            pairs: Some(system.pairs),
            seed: None,
            seeds: system.all_seeds(),
            learning_rates: system.learning_rates.clone(),
            // What it changed is spelled out.
            cycle: Cycle::EachPhase,
            architecture,
            generator: system.generator.as_ref().map(table).unwrap_or_default(),
            training,
        }
    }
}

impl StudentBase {
    fn to_recipe(&self) -> ModelRecipe {
        ModelRecipe {
            preset: None,
            architecture: table(&self.architecture),
            training: table(&self.training),
        }
    }
}

impl ResolvedTeacher {
    fn to_recipe(&self) -> TeacherRecipe {
        match self {
            ResolvedTeacher::Trained(architecture, training) => TeacherRecipe {
                from: None,
                model: None,
                preset: None,
                architecture: table(architecture),
                training: table(training),
            },
            ResolvedTeacher::Tuned(folder, config, training) => TeacherRecipe {
                from: Some(folder.clone()),
                model: None,
                preset: None,
                architecture: Table::from_iter([(
                    "dropout".to_string(),
                    Value::Table(table(&config.architecture.dropout)),
                )]),
                training: table(training),
            },
            ResolvedTeacher::Given(folder, _) => TeacherRecipe::given(folder.clone()),
        }
    }
}

impl VocabularyOrigin {
    /// As a recipe has it.
    pub(crate) fn to_recipe(&self) -> VocabularyRecipe {
        match self {
            VocabularyOrigin::Learned { settings, sharing, sample_pairs } => VocabularyRecipe {
                model: settings.model,
                size: Some(settings.size),
                normalisation: Some(settings.normalisation),
                sharing: *sharing,
                sample_pairs: *sample_pairs,
                ..VocabularyRecipe::default()
            },
            VocabularyOrigin::Files(source, target) => VocabularyRecipe {
                source: Some(source.clone()),
                target: Some(target.clone()),
                ..VocabularyRecipe::default()
            },
            VocabularyOrigin::Teacher(_) => VocabularyRecipe::default(),
        }
    }
}
