//! Texts and vocabularies: checked, learned, encoded.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use wdistill_base::{Problem, atomic_write, hash_file};
use wdistill_corpus::{Part, SampledLines};
use wdistill_formats::{load_vocabularies, native};
use wdistill_report::{DataSet, Judges};
use wdistill_runtime::TranslatorOptions;
use wdistill_text::{
    CorpusReport, ParallelText, SOURCE_FILE, Sharing, TARGET_FILE, VocabularyPair,
    VocabularySettings,
};
use wdistill_train::Validator;

use crate::data::{HeldOut, StoredText, TextSet, encode};
use crate::error::PipelineError;
use crate::names::TRAINING;
use crate::pipeline::Pipeline;
use crate::plan::VocabularyOrigin;
use crate::progress::Progress;
use crate::settings::Pairs;
use crate::stage::Fingerprint;
use crate::stages::pairs::{PairChecks, Surveyed};

/// Texts and vocabularies, ready for training.
pub struct Prepared {
    /// Vocabularies of both sides.
    pub vocabularies: Arc<VocabularyPair>,
    /// Text to learn from.
    pub training: StoredText,
    /// Pairs whose sources a model wrote, and how often an epoch has each, if the recipe has them.
    pub back_translation: Option<(StoredText, f64)>,
    /// The teacher's translations of its sources, once [`Pipeline::pseudo_data`] has made them.
    pub pseudo: Option<StoredText>,
    /// Text to judge a run by while it trains.
    pub validation: TextSet,
    /// More texts that its validations tell of.
    pub other_validations: Vec<TextSet>,
    /// Texts to judge the finished systems by: none, or `test` and then the others.
    pub tests: Vec<TextSet>,
    /// Of texts, limits and vocabularies.
    pub fingerprint: Fingerprint,
    /// What was found, for people.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The texts that judge finished systems: the validation text, then the tests.
    pub fn held_out(&self) -> impl Iterator<Item = &TextSet> {
        [&self.validation].into_iter().chain(&self.tests)
    }

    /// Lines of the report's table of data: what is learned from, then everything that judges.
    pub(crate) fn summaries(&self) -> Vec<DataSet> {
        let validations = [&self.validation].into_iter().chain(&self.other_validations);
        let validations = validations.map(|set| set.summary(Judges::Training));
        let tests = self.tests.iter().map(|set| set.summary(Judges::Finished));
        let judging = validations.chain(tests);
        let back = self.back_translation.iter().flat_map(|(text, _)| text.summaries());
        self.training.summaries().into_iter().chain(back).chain(judging).collect()
    }

    /// What judges a model by a text, decoded so.
    pub(crate) fn validator<'p>(
        &'p self,
        set: &'p TextSet,
        translator: &'p TranslatorOptions,
    ) -> Validator<'p> {
        Validator {
            name: &set.role,
            corpus: &set.corpus,
            references: &set.references,
            vocabularies: &self.vocabularies,
            translator,
        }
    }

    /// What a system with these pairs learns from.
    pub(crate) fn parts(&self, pairs: Pairs) -> Vec<Part> {
        let (originals, pseudo) = match pairs {
            Pairs::Original => (true, false),
            Pairs::OriginalAndPseudo => (true, true),
            Pairs::Pseudo => (false, true),
        };
        let training = originals.then_some(&self.training);
        let back = self.back_translation.as_ref().filter(|_| originals);
        let back = back.into_iter().flat_map(|(text, weight)| {
            text.store.mixed().into_iter().map(|part| Part { weight: *weight, ..part })
        });
        let pseudo = self.pseudo.as_ref().filter(|_| pseudo);
        let mixed = |text: &StoredText| text.store.mixed();
        training
            .into_iter()
            .flat_map(mixed)
            .chain(back)
            .chain(pseudo.into_iter().flat_map(mixed))
            .collect()
    }
}

impl Pipeline {
    /// Checks the texts, learns or reads the vocabularies, encodes, and translates back what the recipe says. Every file is
    /// read before anything is done with one of them.
    ///
    /// # Errors
    /// [`PipelineError::Text`], [`PipelineError::Corpus`], and what [`Pipeline::pseudo_data`] brings.
    pub fn prepare(&self) -> Result<Prepared, PipelineError> {
        let mut prepared = self.texts()?;
        self.back_translation(&mut prepared)?;
        Ok(prepared)
    }

    /// The texts and vocabularies, without what is made of them.
    pub(crate) fn texts(&self) -> Result<Prepared, PipelineError> {
        let data = &self.plan.data;
        let read = |(name, pair)| Ok((name, HeldOut::read(&data.folder, pair)?));
        let held_out = data.held_out().map(read).collect::<Result<Vec<_>, PipelineError>>()?;
        let others = data.other_validations.iter().map(|(name, pair)| (name.as_str(), pair));
        let others = others.map(read).collect::<Result<Vec<_>, PipelineError>>()?;
        let (corpora, filters) = (data.corpora()?, data.filters()?);
        let training = self.survey(TRAINING, corpora)?;
        let all_held_out = held_out.iter().chain(&others);
        all_held_out.into_iter().try_for_each(|(_, read)| self.check_sides(&read.text))?;
        // What judges finished systems decides nothing of their training.
        let judge = Fingerprint::of(&held_out[0].1.hashes());
        let (vocabularies, notes) = self.vocabularies(&training)?;
        let train = training.fingerprint.clone();
        let scores = self.scores(&training)?;
        let checks = PairChecks {
            vocabularies: &vocabularies,
            filters: &filters,
            scores: &scores,
            alternatives: 1,
        };
        let training = self.pairs("training", TRAINING, &training, checks)?;
        let encoded = |(name, read)| self.held_out(name, read, &vocabularies);
        let mut tests = held_out.into_iter().map(encoded).collect::<Result<Vec<_>, _>>()?;
        let validation = tests.remove(0);
        let other_validations = others.into_iter().map(encoded).collect::<Result<Vec<_>, _>>()?;
        let folder = self.path("vocabulary");
        let hashes = [hash_file(&folder.join(SOURCE_FILE))?, hash_file(&folder.join(TARGET_FILE))?];
        self.check_tied(&vocabularies)?;
        let limits = (data.max_sentence_tokens, data.max_length_ratio, data.duplicates);
        let fingerprint = Fingerprint::of(&(train, judge, hashes, limits));
        // What checks leave is known by the text that they left.
        let fingerprint = match data.is_filtered() {
            true => Fingerprint::of(&(fingerprint, &training.texts)),
            false => fingerprint,
        };
        let held_out = [&validation].into_iter().chain(&other_validations).chain(&tests);
        let held_out = held_out.map(|set| (set.role.clone(), &set.report));
        let reports = training.named_reports().chain(held_out);
        self.write_data_report("data.txt", reports)?;
        let vocabularies = Arc::new(vocabularies);
        Ok(Prepared {
            vocabularies,
            training,
            back_translation: None,
            pseudo: None,
            validation,
            other_validations,
            tests,
            fingerprint,
            notes,
        })
    }

    /// As [`Self::check_same_text`], of a text in memory.
    fn check_sides(&self, text: &ParallelText) -> Result<(), PipelineError> {
        let lines = text.source.lines.iter().zip(&text.target.lines);
        let filled = lines.filter(|(source, target)| !(source.is_empty() && target.is_empty()));
        let (mut pairs, mut identical) = (0, 0);
        for (source, target) in filled {
            pairs += 1;
            identical += usize::from(source == target);
        }
        self.check_same_text([&text.source.path, &text.target.path], pairs, identical)
    }

    /// Refuses a text of whose pairs nearly all have the same text on both sides.
    pub(crate) fn check_same_text(
        &self,
        [source, target]: [&Path; 2],
        pairs: usize,
        identical: usize,
    ) -> Result<(), PipelineError> {
        if identical * 10 < pairs * 9 {
            return Ok(());
        }
        self.suspect(
            format!(
                "{}, {}: of {pairs} pairs {identical} have the same text on both sides",
                source.display(),
                target.display(),
            ),
            "is the target file the translation?",
        )
    }

    /// Refuses one table of embeddings for two lists of words, of equal size by chance. Both sides may divide
    /// a text differently, as OPUS-MT's models do, as long as words have the same numbers.
    fn check_tied(&self, vocabularies: &VocabularyPair) -> Result<(), PipelineError> {
        let same_words = vocabularies.source.tokens() == vocabularies.target.tokens();
        if same_words || !self.plan.any_all_tied() {
            return Ok(());
        }
        Err(PipelineError::Settings {
            place: "architecture".to_string(),
            problems: vec![Problem::with_hint(
                "embeddings = \"all-tied\" needs one vocabulary for both sides, and there are two",
                "\"decoder-tied\", or a joint vocabulary",
            )],
        })
    }

    /// Learns the vocabularies from the training text, or takes the teacher's; says what was obtained.
    fn vocabularies(
        &self,
        text: &Surveyed,
    ) -> Result<(VocabularyPair, Vec<String>), PipelineError> {
        let origin = &self.plan.vocabulary;
        let given = match origin {
            VocabularyOrigin::Teacher(folder) => {
                Some(load_vocabularies(folder, &native::load_config(folder)?)?)
            }
            VocabularyOrigin::Files(source, target) => Some(VocabularyPair::open(source, target)?),
            VocabularyOrigin::Learned { .. } => None,
        };
        let inputs = match &given {
            Some(VocabularyPair { source, target }) => {
                Fingerprint::of(&[source.content_hash(), target.content_hash()])
            }
            None => Fingerprint::of(&(&text.fingerprint, origin.to_recipe())),
        };
        let notes =
            self.stages.run("vocabulary", &inputs, &[SOURCE_FILE, TARGET_FILE], |folder| {
                let (vocabularies, notes) = match (given, origin) {
                    (None, VocabularyOrigin::Learned { settings, sharing, sample_pairs }) => {
                        self.learned(text, settings, *sharing, *sample_pairs)?
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

    fn learned(
        &self,
        text: &Surveyed,
        settings: &VocabularySettings,
        sharing: Sharing,
        sample: u64,
    ) -> Result<(VocabularyPair, Vec<String>), PipelineError> {
        let busy = Progress::busy(self.options.display, "vocabulary", "learning subwords");
        let (failure, pairs) = (RefCell::new(None), text.survey.pairs());
        let lines = |sides| SampledLines::new(&text.corpora, sides, sample, pairs, &failure);
        let learned = VocabularyPair::train(lines, settings, sharing);
        busy.finish();
        if let Some(error) = failure.take() {
            return Err(error.into());
        }
        text.check_unchanged()?;
        let (vocabularies, mut notes) = learned?;
        if sample < pairs {
            notes.push(format!("learned from {sample} of {pairs} pairs, evenly spaced"));
        }
        Ok((vocabularies, notes))
    }

    /// What the checks found, as a file of the run.
    pub(crate) fn write_data_report<'s>(
        &self,
        name: &str,
        reports: impl Iterator<Item = (String, &'s CorpusReport)>,
    ) -> Result<(), PipelineError> {
        let text: String = reports.map(|(role, report)| format!("{role}: {report}\n")).collect();
        Ok(atomic_write(&self.path(name), text.as_bytes())?)
    }

    /// A text from which nothing may be left out.
    fn held_out(
        &self,
        role: &str,
        text: HeldOut,
        vocabularies: &VocabularyPair,
    ) -> Result<TextSet, PipelineError> {
        let set = encode(role, text, vocabularies, &self.plan.data)?;
        self.tell(role, &set.report);
        Ok(set)
    }
}
