//! Texts and vocabularies: checked, learned, encoded.

use std::sync::Arc;

use wdistill_base::{Problem, atomic_write, hash_file};
use wdistill_formats::{load_vocabularies, native};
use wdistill_text::{
    CorpusLimits, CorpusRole, ParallelText, SOURCE_FILE, TARGET_FILE, VocabularyPair,
};

use crate::data::{TextSet, encode, hashes, limits, read_pair};
use crate::error::PipelineError;
use crate::names::TEST;
use crate::pipeline::Pipeline;
use crate::plan::VocabularyOrigin;
use crate::progress::Progress;
use crate::settings::TextPair;
use crate::stage::Fingerprint;

/// Texts and vocabularies, ready for training.
pub struct Prepared {
    /// Vocabularies of both sides.
    pub vocabularies: Arc<VocabularyPair>,
    /// Text to learn from; [`Pipeline::pseudo_data`] appends the teacher's translations to its pairs.
    pub training: TextSet,
    /// Text to judge a run by while it trains.
    pub validation: TextSet,
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
}

impl Pipeline {
    /// Checks the texts, learns or reads the vocabularies, encodes. Every file is read before anything
    /// is done with one of them.
    ///
    /// # Errors
    /// [`PipelineError::Text`].
    pub fn prepare(&self) -> Result<Prepared, PipelineError> {
        let data = &self.plan.data;
        let read = |pair: &TextPair| read_pair(&data.folder, pair);
        let (training, validation) = (read(&data.train)?, read(&data.validation)?);
        let others = data.other_tests.iter().map(|(name, pair)| (name.as_str(), pair));
        let tests = data.test.iter().map(|pair| (TEST, pair)).chain(others);
        let tests = tests
            .map(|(name, pair)| Ok((name, read(pair)?)))
            .collect::<Result<Vec<_>, PipelineError>>()?;
        for text in [&training, &validation].into_iter().chain(tests.iter().map(|(_, text)| text)) {
            self.check_identical(text)?;
        }
        let train = Fingerprint::of(&hashes(&training));
        let held_out = Fingerprint::of(&hashes(&validation));
        let (vocabularies, notes) = self.vocabularies(&training, &train)?;
        let training = encode("training", training, &vocabularies, &limits(data))?;
        self.tell("training", &training.report);
        let validation = self.held_out("validation", validation, &vocabularies)?;
        let tests = tests
            .into_iter()
            .map(|(name, text)| self.held_out(name, text, &vocabularies))
            .collect::<Result<Vec<_>, _>>()?;
        let folder = self.path("vocabulary");
        let hashes = [hash_file(&folder.join(SOURCE_FILE))?, hash_file(&folder.join(TARGET_FILE))?];
        self.check_tied(&vocabularies)?;
        let limits = (data.max_sentence_tokens, data.max_length_ratio, data.duplicates);
        let fingerprint = Fingerprint::of(&(train, held_out, hashes, limits));
        let sets = [&training, &validation].into_iter().chain(&tests);
        self.write_data_report("data.txt", sets)?;
        let vocabularies = Arc::new(vocabularies);
        Ok(Prepared { vocabularies, training, validation, tests, fingerprint, notes })
    }

    /// A text whose sides are the same is one file given twice, or a copy in place of a translation. All lines count, also
    /// those that are left out for another reason.
    fn check_identical(&self, text: &ParallelText) -> Result<(), PipelineError> {
        let lines = text.source.lines.iter().zip(&text.target.lines);
        let filled = lines.filter(|(source, target)| !(source.is_empty() && target.is_empty()));
        let (mut pairs, mut identical) = (0, 0);
        for (source, target) in filled {
            pairs += 1;
            identical += usize::from(source == target);
        }
        if identical * 10 < pairs * 9 {
            return Ok(());
        }
        self.suspect(
            format!(
                "{}, {}: of {pairs} pairs {identical} have the same text on both sides",
                text.source.path.display(),
                text.target.path.display(),
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
        text: &ParallelText,
        text_fingerprint: &Fingerprint,
    ) -> Result<(VocabularyPair, Vec<String>), PipelineError> {
        let origin = &self.plan.vocabulary;
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
            None => Fingerprint::of(&(text_fingerprint, origin.to_recipe())),
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
    pub(crate) fn write_data_report<'s>(
        &self,
        name: &str,
        sets: impl Iterator<Item = &'s TextSet>,
    ) -> Result<(), PipelineError> {
        let text: String = sets.map(|set| format!("{}: {}\n", set.role, set.report)).collect();
        Ok(atomic_write(&self.path(name), text.as_bytes())?)
    }

    /// A text from which nothing may be left out.
    fn held_out(
        &self,
        role: &str,
        text: ParallelText,
        vocabularies: &VocabularyPair,
    ) -> Result<TextSet, PipelineError> {
        let limits = CorpusLimits { role: CorpusRole::Evaluation, ..limits(&self.plan.data) };
        let set = encode(role, text, vocabularies, &limits)?;
        self.tell(role, &set.report);
        Ok(set)
    }
}
