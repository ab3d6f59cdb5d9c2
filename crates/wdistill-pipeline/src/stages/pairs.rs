//! Texts to learn from: looked through, checked, encoded, on disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_base::hash_file;
use wdistill_corpus::{
    ALIGNMENTS_FILE, Census, Checks, Corpus, INDEX_FILE, LEFT_OUT, PAIRS_FILE, PairFiles,
    PairScores, PairStore, REPEATS_FILE, Repeats, SOURCE_TEXT, Survey, TARGET_TEXT, survey,
    write_pairs,
};
use wdistill_text::{CorpusReport, VocabularyPair};

use crate::corpora::Filters;
use crate::data::{StoredText, limits};
use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::progress::Progress;
use crate::settings::FilterRecipe;
use crate::stage::Fingerprint;
use crate::stages::scores::Judged;

/// A text that was looked through.
pub(crate) struct Surveyed {
    /// Its corpora.
    pub(crate) corpora: Vec<Corpus>,
    /// What there is in them.
    pub(crate) survey: Survey,
    /// Hashes of their files, as they were when this began.
    pub(crate) hashes: Vec<Vec<String>>,
    /// Of its files and what is made of them.
    pub(crate) fingerprint: Fingerprint,
}

impl Surveyed {
    /// Refuses files that are not any more what they were: each is read several times.
    pub(crate) fn check_unchanged(&self) -> Result<(), PipelineError> {
        check_unchanged(&self.corpora, &self.hashes)
    }
}

fn check_unchanged(corpora: &[Corpus], hashes: &[Vec<String>]) -> Result<(), PipelineError> {
    for (corpus, expected) in corpora.iter().zip(hashes) {
        let found = corpus.hashes()?;
        let paths = corpus.all_files();
        if let Some(changed) = (0..found.len()).find(|&file| found[file] != expected[file]) {
            return Err(PipelineError::Changed { path: paths[changed].to_path_buf() });
        }
    }
    Ok(())
}

/// What decides which pairs of a text are kept, besides the limits of the recipe.
#[derive(Clone, Copy)]
pub(crate) struct PairChecks<'c> {
    /// Both sides' vocabularies.
    pub(crate) vocabularies: &'c VocabularyPair,
    /// Checks of each corpus; none at all for the teacher's translations.
    pub(crate) filters: &'c [Filters],
    /// What models find of the pairs of each corpus; none at all, or one for each.
    pub(crate) scores: &'c [Option<Judged>],
    /// How many neighbours are alternatives, of which an epoch has one.
    pub(crate) alternatives: usize,
}

/// What the stage of pairs finds.
#[derive(Serialize, Deserialize)]
struct Found {
    reports: Vec<CorpusReport>,
    /// Hashes of the sources and targets that were kept, as text.
    texts: [String; 2],
}

impl Pipeline {
    /// Looks through corpora, in the stage `survey/NAME`.
    ///
    /// # Errors
    /// [`PipelineError::Corpus`].
    pub(crate) fn survey(
        &self,
        name: &str,
        corpora: Vec<Corpus>,
    ) -> Result<Surveyed, PipelineError> {
        let hashes: Vec<Vec<String>> =
            corpora.iter().map(Corpus::hashes).collect::<Result<_, _>>()?;
        let fingerprint = match (&corpora[..], &hashes[..]) {
            // Two files under no name are what they hold, wherever they lie.
            ([Corpus { tag: None, .. }], [hashes]) if hashes.len() == 2 => Fingerprint::of(hashes),
            _ => {
                let named = corpora.iter().map(|corpus| (&corpus.name, &corpus.tag));
                Fingerprint::of(&(named.collect::<Vec<_>>(), &hashes))
            }
        };
        let stage = format!("survey/{name}");
        let survey = self.stages.run(&stage, &fingerprint, &[REPEATS_FILE], |folder| {
            let progress = Progress::busy(self.options.display, &stage, "reading");
            let _willing = self.options.interrupt.willing();
            let found = survey(&corpora, folder, |_| {
                self.options.interrupt.check().map_err(PipelineError::from)
            })?;
            progress.finish();
            check_unchanged(&corpora, &hashes)?;
            Ok(found)
        })?;
        for (corpus, census) in corpora.iter().zip(&survey.corpora) {
            self.check_identical(corpus, census)?;
        }
        Ok(Surveyed { corpora, survey, hashes, fingerprint })
    }

    /// A text whose sides are the same is one file given twice, or a copy in place of a translation. All lines count, also
    /// those that are left out for another reason.
    fn check_identical(&self, corpus: &Corpus, census: &Census) -> Result<(), PipelineError> {
        let Census { filled, identical, .. } = census;
        let [source, target] = corpus.paths();
        self.check_same_text([&source, &target], *filled as usize, *identical as usize)
    }

    /// Checks and encodes a text, in the stage `pairs/NAME`.
    ///
    /// # Errors
    /// [`PipelineError::Corpus`].
    pub(crate) fn pairs(
        &self,
        role: &str,
        name: &str,
        text: &Surveyed,
        checks: PairChecks<'_>,
    ) -> Result<StoredText, PipelineError> {
        let PairChecks { vocabularies, filters, scores, alternatives } = checks;
        let Surveyed { corpora, survey, fingerprint, .. } = text;
        let limits = limits(&self.plan.data);
        let hashes = [vocabularies.source.content_hash(), vocabularies.target.content_hash()];
        let data = &self.plan.data;
        // What models find is known by what it was made from, not by the models' folders.
        let by_text = |filters: &FilterRecipe| FilterRecipe { scores: None, ..filters.clone() };
        let of_corpora = data.train.iter().map(|corpus| by_text(data.filters_of(corpus)));
        let recipe = (!filters.is_empty()).then(|| of_corpora.collect::<Vec<_>>());
        let inputs = Fingerprint::of(&(fingerprint, hashes, &limits, recipe, alternatives));
        let judged = scores.iter().flatten().map(|found| (&found.inputs, found.scores.highest));
        let judged: Vec<_> = judged.collect();
        let inputs = match judged.is_empty() {
            true => inputs,
            false => Fingerprint::of(&(inputs, judged)),
        };
        let scores: Vec<Option<PairScores>> =
            scores.iter().map(|found| Some(found.as_ref()?.scores.clone())).collect();
        let stage = format!("pairs/{name}");
        let mut products = vec![INDEX_FILE, PAIRS_FILE, SOURCE_TEXT, TARGET_TEXT, LEFT_OUT];
        let files = corpora.iter().flat_map(|corpus| &corpus.files);
        products.extend(files.filter_map(PairFiles::alignments).map(|_| ALIGNMENTS_FILE).next());
        let Found { reports, texts } = self.stages.run(&stage, &inputs, &products, |folder| {
            let progress = Progress::new(self.options.display, &stage, survey.pairs());
            let _willing = self.options.interrupt.willing();
            let repeats = Repeats::read(&self.path(&format!("survey/{name}")), survey, corpora)?;
            let none: Vec<Filters> = corpora.iter().map(|_| Vec::new()).collect();
            let filters = if filters.is_empty() { &none } else { filters };
            let checks = Checks {
                vocabularies,
                limits: &limits,
                filters,
                scores: &scores,
                repeats: &repeats,
                alternatives,
            };
            let reports = write_pairs(corpora, &checks, folder, |pairs| {
                progress.update(pairs, String::new);
                self.options.interrupt.check().map_err(PipelineError::from)
            })?;
            progress.finish();
            text.check_unchanged()?;
            let texts = [SOURCE_TEXT, TARGET_TEXT].map(|text| hash_file(&folder.join(text)));
            let [source, target] = texts;
            Ok(Found { reports, texts: [source?, target?] })
        })?;
        let folder = self.path(&stage);
        let store = Arc::new(PairStore::open(&folder)?);
        let role = role.to_string();
        let stored = StoredText { role, folder, store, texts, reports };
        stored.named_reports().for_each(|(name, report)| self.tell(&name, report));
        Ok(stored)
    }
}
