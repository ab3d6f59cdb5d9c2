//! The paths that a plan names.

use std::path::{Path, PathBuf};

use super::{Plan, ResolvedTeacher, VocabularyOrigin};
use crate::settings::{CorpusRecipe, ScoreRecipe, TextPair};

impl Plan {
    /// All paths that it names.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut plan = self.clone();
        let mut paths: Vec<PathBuf> = plan.models().map(|path| path.clone()).collect();
        paths.extend(plan.texts().cloned());
        paths.push(plan.data.folder);
        paths
    }

    /// Texts that it names.
    fn texts(&self) -> impl Iterator<Item = &PathBuf> {
        let data = &self.data;
        let judging = [&data.validation].into_iter().chain(&data.test);
        let judging = judging.chain(data.other_validations.values());
        let judging = judging.chain(data.other_tests.values()).flat_map(TextPair::paths);
        let back = self.back_translation.iter().flat_map(|recipe| &recipe.sources);
        let of_one_language = self.pseudo_data.sources.iter().chain(back);
        let of_one_language = of_one_language.map(|source| &source.file);
        judging.chain(data.train.iter().flat_map(CorpusRecipe::paths)).chain(of_one_language)
    }

    /// The same plan for a document that leaves this machine: without its folders.
    pub(crate) fn without_folders(&self) -> Plan {
        let mut plan = self.clone();
        plan.data.folder = PathBuf::new();
        for path in plan.models() {
            *path = path.file_name().map(PathBuf::from).unwrap_or_default();
        }
        plan
    }

    /// The same plan, which can be carried out from any folder.
    pub(crate) fn in_folder(&self, here: &Path) -> Plan {
        let mut plan = self.clone();
        plan.data.folder = here.join(&plan.data.folder);
        for path in plan.models() {
            *path = here.join(&*path);
        }
        plan
    }

    /// Models and vocabularies that it names.
    fn models(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let back = self.back_translation.as_mut().map(|recipe| &mut recipe.model);
        let scores = self.data.scores_mut().flat_map(ScoreRecipe::models_mut);
        let models = self.teacher.path().into_iter().chain(self.vocabulary.paths());
        models.chain(back).chain(scores)
    }
}

impl ResolvedTeacher {
    fn path(&mut self) -> Option<&mut PathBuf> {
        match self {
            ResolvedTeacher::Trained(..) => None,
            ResolvedTeacher::Given(folder, _) | ResolvedTeacher::Tuned(folder, ..) => Some(folder),
        }
    }
}

impl VocabularyOrigin {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            VocabularyOrigin::Learned { .. } => Vec::new(),
            VocabularyOrigin::Files(source, target) => vec![source, target],
            VocabularyOrigin::Teacher(folder) => vec![folder],
        }
    }
}
