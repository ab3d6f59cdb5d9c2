//! Pseudo data: the teacher's translations of the training source (sequence-level knowledge distillation,
//! Kim and Rush, 2016).

use std::path::Path;
use std::sync::Arc;

use wdistill_base::Random;
use wdistill_corpus::{Corpus, PairFiles};
use wdistill_runtime::{DecodingOptions, Translator};
use wdistill_text::VocabularyPair;
use wdistill_train::{Interrupt, Ranks, answer, ask, line_by_line};

use crate::data::StoredText;
use crate::error::PipelineError;
use crate::names::PSEUDO_DATA;
use crate::pipeline::{Pipeline, RunOptions};
use crate::progress::{Display, Progress};
use crate::settings::{Keep, PseudoDataRecipe};
use crate::shards::{Part, PseudoReport, SHARD, SOURCE, Shards, TARGET};
use crate::stage::Fingerprint;
use crate::stages::pairs::PairChecks;
use crate::stages::prepare::Prepared;
use crate::stages::sources::SourceLines;
use crate::stages::train::Trained;
use crate::translating::{
    Untranslated, ask_to_have, ask_to_translate, read_translations, translate,
};

/// Translates lines, kept as `folder/source.txt`, into `folder/target.txt`, shard by shard; shards that
/// are there are not made again. Line N of one file translates line N of the other: counts and hashes of every
/// shard are checked. All of the ranks translate; the others have the same translator. `name` is what progress calls it.
///
/// # Errors
/// [`PipelineError::PseudoData`] for a shard of other text, [`PipelineError::Train`] if it was interrupted, and what
/// translating and writing can bring.
pub fn translate_corpus(
    translator: &Translator,
    ranks: &dyn Ranks,
    text: Untranslated<'_>,
    folder: &Path,
    (name, display): (&str, Display),
    interrupt: &Interrupt,
) -> Result<PseudoReport, PipelineError> {
    let per_line = text.keep.per_line(translator.options().decoding.search.n_best);
    let shards = Shards { folder, text, per_line };
    make(&shards, translator, ranks, Part::WHOLE, (name, display), interrupt)?;
    shards.join()
}

/// Makes the shards of a part of the work that are missing.
fn make(
    shards: &Shards<'_>,
    translator: &Translator,
    ranks: &dyn Ranks,
    part: Part,
    (name, display): (&str, Display),
    interrupt: &Interrupt,
) -> Result<(), PipelineError> {
    let _willing = interrupt.willing();
    let all = shards.text.lines.lines();
    let progress = Progress::new(display, name, all as u64);
    let mut report = shards.so_far()?;
    for round in shards.missing(part)?.chunks(ranks.count()) {
        for (other, shard) in round.iter().enumerate().skip(1) {
            ask(ranks, other, &ask_to_translate(shards.part(*shard)?))?;
        }
        let own = translate(translator, &shards.part(round[0])?)?;
        shards.keep(round[0], &own, &mut report)?;
        for (other, shard) in round.iter().enumerate().skip(1) {
            let translated = read_translations(&answer(ranks, other)?);
            shards.keep(*shard, &translated, &mut report)?;
        }
        let PseudoReport { lines, tokens, seconds, .. } = report;
        let speed = tokens as f64 / seconds;
        progress.update(lines as u64, || format!("{speed:.0} tokens/s"));
        progress.log(&format!("{lines}/{all} lines, {speed:.0} tokens/s"));
        interrupt.check()?;
    }
    progress.finish();
    Ok(())
}

/// A text that a model translates, in a stage.
pub(crate) struct Translating<'a> {
    /// The stage.
    pub(crate) stage: &'a str,
    /// What comes of it, in words.
    pub(crate) name: &'a str,
    /// Who translates.
    pub(crate) model: &'a Trained,
    pub(crate) vocabularies: &'a Arc<VocabularyPair>,
    /// How.
    pub(crate) decoding: &'a DecodingOptions,
    /// What.
    pub(crate) text: Untranslated<'a>,
    /// Everything that decides what is written.
    pub(crate) inputs: &'a Fingerprint,
}

impl Pipeline {
    /// Appends the teacher's translations of the training text's sources, as pairs, to the training text;
    /// lines that the checks left out are not translated.
    ///
    /// # Errors
    /// [`PipelineError::PseudoData`], [`PipelineError::Translate`], [`PipelineError::Text`].
    pub fn pseudo_data(
        &self,
        prepared: &mut Prepared,
        teacher: &Trained,
    ) -> Result<Fingerprint, PipelineError> {
        let (inputs, summary) = self.with_pseudo_data(prepared, teacher, |translating| {
            Ok((translating.inputs.clone(), self.translated(translating)?))
        })?;
        prepared.notes.push(format!("pseudo data: {summary}"));
        let folder = self.path(PSEUDO);
        let files = PairFiles::Aligned {
            source: folder.join(SOURCE),
            target: folder.join(TARGET),
            alignments: None,
        };
        let PseudoDataRecipe { decoding, keep, .. } = &self.plan.pseudo_data;
        let alternatives = keep.per_line(decoding.search.beam_size);
        let pairs = self.made_pairs(prepared, PSEUDO_DATA, files, None, alternatives)?;
        self.write_data_report("pseudo/data.txt", pairs.named_reports())?;
        prepared.pseudo = Some(pairs);
        Ok(inputs)
    }

    /// Makes the shards of a part of the work, without joining them; others may make theirs at the same time, and the run's
    /// folder is given up for them. Whoever carries out the recipe joins what is there, and makes what is missing.
    ///
    /// # Errors
    /// As [`Pipeline::pseudo_data`].
    pub fn pseudo_part(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
        part: Part,
    ) -> Result<(), PipelineError> {
        self.with_pseudo_data(prepared, teacher, |translating| {
            self.translated_part(translating, part)
        })
    }

    /// Does something with what the teacher is to translate.
    fn with_pseudo_data<T>(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
        work: impl FnOnce(&Translating<'_>) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let SourceLines { lines, fingerprint } = self.source_lines(prepared)?;
        let mut settings = self.plan.pseudo_data.clone();
        let search = &mut settings.decoding.search;
        search.n_best = settings.keep.n_best(search.beam_size);
        settings.decoding = self.seeded(&settings.decoding, PSEUDO);
        let inputs = Fingerprint::of(&(&fingerprint, &teacher.fingerprint, &settings));
        let PseudoDataRecipe { decoding, keep, .. } = &settings;
        let references = match keep {
            Keep::Nearest => Some(prepared.training.targets(SHARD)?),
            Keep::Best | Keep::All | Keep::Consensus => None,
        };
        work(&Translating {
            stage: PSEUDO,
            name: "pseudo data",
            model: teacher,
            vocabularies: &prepared.vocabularies,
            decoding,
            text: Untranslated { lines: &lines, references: references.as_ref(), keep: *keep },
            inputs: &inputs,
        })
    }

    /// The same decoding; what is drawn by chance follows from the run's seed too.
    pub(crate) fn seeded(&self, decoding: &DecodingOptions, stage: &str) -> DecodingOptions {
        let mut decoding = decoding.clone();
        if let Some(sampling) = &mut decoding.search.sampling {
            let stream = format!("{stage}, samples {}", sampling.seed);
            sampling.seed = Random::named(self.plan.seed, &stream).bits();
        }
        decoding
    }

    /// Translates a text, says what came of it, and gives that back.
    pub(crate) fn translated(
        &self,
        translating: &Translating<'_>,
    ) -> Result<String, PipelineError> {
        let Translating { stage, name, text, inputs, .. } = translating;
        let report: PseudoReport =
            self.stages.run_shared(stage, inputs, &[SOURCE, TARGET], |folder| {
                self.with_translator(translating, |translator| {
                    let RunOptions { display, interrupt, ranks, .. } = &self.options;
                    translate_corpus(
                        translator,
                        &**ranks,
                        *text,
                        folder,
                        (name, *display),
                        interrupt,
                    )
                })
            })?;
        let summary = summary(&report);
        self.say(name, &summary);
        Ok(summary)
    }

    /// Translates a part of a text.
    pub(crate) fn translated_part(
        &self,
        translating: &Translating<'_>,
        part: Part,
    ) -> Result<(), PipelineError> {
        let &Translating { stage, name, text, inputs, .. } = translating;
        let Some(folder) = self.stages.open(stage, inputs)? else {
            self.say(name, "is finished already");
            return Ok(());
        };
        self.folder.give_up()?;
        self.with_translator(translating, |translator| {
            let per_line = text.keep.per_line(translator.options().decoding.search.n_best);
            let shards = Shards { folder: &folder, text, per_line };
            let RunOptions { display, interrupt, ranks, .. } = &self.options;
            make(&shards, translator, &**ranks, part, (name, *display), interrupt)
        })
    }

    /// Does something with a translator that all ranks have then.
    fn with_translator<T>(
        &self,
        translating: &Translating<'_>,
        work: impl FnOnce(&Translator) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let &Translating { model, vocabularies, decoding, .. } = translating;
        let model = self.load(model)?;
        let ranks = &*self.options.ranks;
        for other in 1..ranks.count() {
            ask(ranks, other, &ask_to_have(&model, vocabularies, decoding))?;
        }
        let options = line_by_line(decoding, self.options.threads);
        let translator = Translator::new(&model, vocabularies.clone(), options)?;
        (1..ranks.count()).try_for_each(|other| answer(ranks, other).map(|_| ()))?;
        work(&translator)
    }

    /// Pairs of which a model wrote one side, checked and encoded, with what was found in the notes.
    pub(crate) fn made_pairs(
        &self,
        prepared: &mut Prepared,
        name: &str,
        files: PairFiles,
        tag: Option<&str>,
        alternatives: usize,
    ) -> Result<StoredText, PipelineError> {
        let tag = tag.map(str::to_string);
        let corpus = Corpus { name: name.to_string(), files: vec![files], tag };
        let text = self.survey(name, vec![corpus])?;
        let vocabularies = &prepared.vocabularies;
        let checks = PairChecks { vocabularies, filters: &[], scores: &[], alternatives };
        let role = name.replace('-', " ");
        let pairs = self.pairs(&role, name, &text, checks)?;
        for report in &pairs.reports {
            let report = report.without_folders().to_string();
            prepared.notes.extend(report.lines().map(|line| format!("{role}: {line}")));
        }
        Ok(pairs)
    }
}

/// The stage of the teacher's translations.
const PSEUDO: &str = "pseudo";

fn summary(report: &PseudoReport) -> String {
    let PseudoReport { lines, empty, cut, joined, tokens, seconds, .. } = report;
    let speed = *tokens as f64 / seconds;
    format!(
        "{lines} lines, {tokens} target tokens, {speed:.0} tokens/s; {empty} empty, {cut} cut at the \
         maximum length, {joined} with a line break written as a space"
    )
}
