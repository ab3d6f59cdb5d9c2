//! A plan as a recipe, for its folder and its report.

use std::path::{Path, PathBuf};

use toml::Table;

use super::{Plan, ResolvedSystem, ResolvedTeacher, StudentBase, VocabularyOrigin};
use crate::recipe::{
    ModelRecipe, Recipe, SystemRecipe, TeacherRecipe, VocabularyRecipe, changes::table,
};

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
            pseudo_data: self.pseudo_data.clone(),
            decoding: self.decoding.clone(),
            benchmark: self.benchmark,
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
            start: system.generator.is_some().then_some(system.start),
            pairs: Some(system.pairs),
            seed: Some(system.seed),
            architecture,
            generator: system.generator.as_ref().map(table).unwrap_or_default(),
            training,
        }
    }

    /// All paths that it names.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let data = &mut self.data;
        let pairs = [Some(&mut data.train), Some(&mut data.validation), data.test.as_mut()];
        let texts =
            pairs.into_iter().flatten().flat_map(|pair| [&mut pair.source, &mut pair.target]);
        let folders = [Some(&mut data.folder)].into_iter().flatten();
        let models = self.teacher.path().into_iter().chain(self.vocabulary.paths());
        texts.chain(folders).chain(models).collect()
    }

    /// The same plan for a document that leaves this machine: without its folders.
    pub(crate) fn without_folders(&self) -> Plan {
        let mut plan = self.clone();
        plan.data.folder = PathBuf::new();
        for path in plan.teacher.path().into_iter().chain(plan.vocabulary.paths()) {
            *path = path.file_name().map(PathBuf::from).unwrap_or_default();
        }
        plan
    }

    /// The same plan, which can be carried out from any folder.
    pub(crate) fn in_folder(&self, here: &Path) -> Plan {
        let mut plan = self.clone();
        plan.data.folder = here.join(&plan.data.folder);
        for path in plan.teacher.path().into_iter().chain(plan.vocabulary.paths()) {
            *path = here.join(&*path);
        }
        plan
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
                model: None,
                preset: None,
                architecture: table(architecture),
                training: table(training),
            },
            ResolvedTeacher::Given(folder, _) => TeacherRecipe::given(folder.clone()),
        }
    }

    fn path(&mut self) -> Option<&mut PathBuf> {
        match self {
            ResolvedTeacher::Trained(..) => None,
            ResolvedTeacher::Given(folder, _) => Some(folder),
        }
    }
}

impl VocabularyOrigin {
    /// As a recipe has it.
    pub(crate) fn to_recipe(&self) -> VocabularyRecipe {
        match self {
            VocabularyOrigin::Learned(settings, sharing) => VocabularyRecipe {
                model: settings.model,
                size: Some(settings.size),
                normalisation: Some(settings.normalisation),
                sharing: *sharing,
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

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            VocabularyOrigin::Learned(..) => Vec::new(),
            VocabularyOrigin::Files(source, target) => vec![source, target],
            VocabularyOrigin::Teacher(folder) => vec![folder],
        }
    }
}
