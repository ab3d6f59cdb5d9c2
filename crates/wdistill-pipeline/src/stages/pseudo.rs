//! Pseudo data: the teacher's translations of the training source (sequence-level knowledge distillation,
//! Kim and Rush, 2016).

use std::path::Path;

use wdistill_corpus::{Corpus, PairFiles};
use wdistill_runtime::Translator;
use wdistill_train::{Interrupt, Ranks, answer, ask, line_by_line};

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
/// shard are checked. All of the ranks translate; the others have the same translator.
///
/// # Errors
/// [`PipelineError::PseudoData`] for a shard of other text, [`PipelineError::Train`] if it was interrupted, and what
/// translating and writing can bring.
pub fn translate_corpus(
    translator: &Translator,
    ranks: &dyn Ranks,
    text: Untranslated<'_>,
    folder: &Path,
    display: Display,
    interrupt: &Interrupt,
) -> Result<PseudoReport, PipelineError> {
    let per_line = text.keep.per_line(translator.options().decoding.search.n_best);
    let shards = Shards { folder, text, per_line };
    make(&shards, translator, ranks, Part::WHOLE, display, interrupt)?;
    shards.join()
}

/// Makes the shards of a part of the work that are missing.
fn make(
    shards: &Shards<'_>,
    translator: &Translator,
    ranks: &dyn Ranks,
    part: Part,
    display: Display,
    interrupt: &Interrupt,
) -> Result<(), PipelineError> {
    let _willing = interrupt.willing();
    let all = shards.text.lines.lines();
    let progress = Progress::new(display, "pseudo data", all as u64);
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
        let sources = self.source_lines(prepared)?;
        let (settings, inputs) = self.pseudo_inputs(prepared, teacher, &sources);
        let report: PseudoReport =
            self.stages.run_shared("pseudo", &inputs, &[SOURCE, TARGET], |folder| {
                self.with_translator(prepared, teacher, &sources, |translator, text| {
                    let RunOptions { display, interrupt, ranks, .. } = &self.options;
                    translate_corpus(translator, &**ranks, text, folder, *display, interrupt)
                })
            })?;
        let summary = pseudo_summary(&report);
        self.say("pseudo data", &summary);
        let folder = self.path("pseudo");
        let files = PairFiles::Aligned {
            source: folder.join(SOURCE),
            target: folder.join(TARGET),
            alignments: None,
        };
        let name = PSEUDO_DATA.to_string();
        let text =
            self.survey(PSEUDO_DATA, vec![Corpus { name, files: vec![files], tag: None }])?;
        let per_line = settings.keep.per_line(settings.decoding.search.beam_size);
        let vocabularies = &prepared.vocabularies;
        let checks = PairChecks { vocabularies, filters: &[], alternatives: per_line };
        let pairs = self.pairs("pseudo data", PSEUDO_DATA, &text, checks)?;
        self.write_data_report("pseudo/data.txt", pairs.named_reports())?;
        prepared.notes.push(format!("pseudo data: {summary}"));
        for report in &pairs.reports {
            let report = report.without_folders().to_string();
            prepared.notes.extend(report.lines().map(|line| format!("pseudo data: {line}")));
        }
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
        let sources = self.source_lines(prepared)?;
        let (_, inputs) = self.pseudo_inputs(prepared, teacher, &sources);
        let Some(folder) = self.stages.open("pseudo", &inputs)? else {
            self.say("pseudo data", "is finished already");
            return Ok(());
        };
        self.folder.give_up()?;
        self.with_translator(prepared, teacher, &sources, |translator, text| {
            let per_line = text.keep.per_line(translator.options().decoding.search.n_best);
            let shards = Shards { folder: &folder, text, per_line };
            let RunOptions { display, interrupt, ranks, .. } = &self.options;
            make(&shards, translator, &**ranks, part, *display, interrupt)
        })
    }

    /// How the teacher translates, and everything that decides what it writes.
    fn pseudo_inputs(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
        sources: &SourceLines,
    ) -> (PseudoDataRecipe, Fingerprint) {
        let mut settings = self.plan.pseudo_data.clone();
        let search = &mut settings.decoding.search;
        search.n_best = settings.keep.n_best(search.beam_size);
        let text = sources.fingerprint.as_ref().unwrap_or(&prepared.fingerprint);
        let inputs = Fingerprint::of(&(text, &teacher.fingerprint, &settings));
        (settings, inputs)
    }

    /// Does something with the teacher, which all ranks have then, and with what it is to translate.
    fn with_translator<T>(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
        sources: &SourceLines,
        work: impl FnOnce(&Translator, Untranslated<'_>) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let (settings, _) = self.pseudo_inputs(prepared, teacher, sources);
        let PseudoDataRecipe { decoding, keep, .. } = settings;
        let model = self.load(teacher)?;
        let ranks = &*self.options.ranks;
        for other in 1..ranks.count() {
            ask(ranks, other, &ask_to_have(&model, &prepared.vocabularies, &decoding))?;
        }
        let options = line_by_line(&decoding, self.options.threads);
        let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
        (1..ranks.count()).try_for_each(|other| answer(ranks, other).map(|_| ()))?;
        let training = &prepared.training;
        let references = match keep {
            Keep::Nearest => Some(training.targets(SHARD)?),
            Keep::Best | Keep::All | Keep::Consensus => None,
        };
        let references = references.as_ref();
        work(&translator, Untranslated { lines: &sources.lines, references, keep })
    }
}

fn pseudo_summary(report: &PseudoReport) -> String {
    let PseudoReport { lines, empty, cut, joined, tokens, seconds, .. } = report;
    let speed = *tokens as f64 / seconds;
    format!(
        "{lines} lines, {tokens} target tokens, {speed:.0} tokens/s; {empty} empty, {cut} cut at the \
         maximum length, {joined} with a line break written as a space"
    )
}
