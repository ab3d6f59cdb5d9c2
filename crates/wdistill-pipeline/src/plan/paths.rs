//! The paths that a plan names.

use std::path::{Path, PathBuf};

use super::{Plan, ResolvedTeacher, VocabularyOrigin};
use crate::settings::{BackTranslationRecipe, CorpusRecipe, ScoreRecipe, TextPair};

impl Plan {
    /// All paths that it names.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths: Vec<&mut PathBuf> = Vec::new();
        let data = &mut self.data;
        paths.push(&mut data.folder);
        let pairs = [Some(&mut data.validation), data.test.as_mut()].into_iter().flatten();
        let pairs = pairs.chain(data.other_validations.values_mut());
        let pairs = pairs.chain(data.other_tests.values_mut());
        paths.extend(pairs.flat_map(TextPair::paths_mut));
        paths.extend(data.train.iter_mut().flat_map(CorpusRecipe::paths_mut));
        paths.extend(data.filters.scores.iter_mut().flat_map(ScoreRecipe::models_mut));
        paths.extend(self.pseudo_data.sources.iter_mut().map(|source| &mut source.file));
        if let Some(BackTranslationRecipe { sources, model, .. }) = &mut self.back_translation {
            paths.extend(sources.iter_mut().map(|source| &mut source.file));
            paths.push(model);
        }
        paths.extend(self.teacher.path());
        paths.extend(self.vocabulary.paths());
        paths
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
