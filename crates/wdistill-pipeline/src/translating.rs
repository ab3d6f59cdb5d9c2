//! Lines and what becomes of their translations, here or by another of the programs that work together.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wdistill_base::Problem;
use wdistill_corpus::LineFile;
use wdistill_metrics::{Chrf, CorpusMetric, MetricsError};
use wdistill_model::{Config, Dense, Model};
use wdistill_runtime::{DecodingOptions, Notice, Scored, Translation, Translator};
use wdistill_text::{Vocabulary, VocabularyPair};
use wdistill_train::line_by_line;

use crate::error::PipelineError;
use crate::settings::Keep;

/// A text to translate, and what becomes of its translations.
#[derive(Clone, Copy)]
pub struct Untranslated<'a> {
    /// Its lines, a stretch for each shard.
    pub lines: &'a LineFile,
    /// Their translations in the training text, for [`Keep::Nearest`].
    pub references: Option<&'a LineFile>,
    /// Which of the translations become pairs.
    pub keep: Keep,
}

impl Untranslated<'_> {
    /// The lines of a shard, with their references if there are any.
    pub(crate) fn stretch(&self, shard: usize) -> Result<Stretch, PipelineError> {
        let read = |file: &LineFile| file.read(shard);
        let references = self.references.map(read).transpose()?.unwrap_or_default();
        Ok(Stretch { lines: read(self.lines)?, references, keep: self.keep })
    }
}

/// Some lines to translate, in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// The lines.
    pub lines: Vec<String>,
    /// Their translations in the training text, or none.
    pub references: Vec<String>,
    /// Which of the translations become pairs.
    pub keep: Keep,
}

/// Translations of some lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Translated {
    /// As many for each source line as are kept, line after line.
    pub lines: Vec<String>,
    /// Those cut at the maximum length.
    pub cut: usize,
    /// Those in which a line break was written as a space.
    pub joined: usize,
    /// Target tokens, as they were written.
    pub tokens: usize,
    /// Seconds of decoding.
    pub seconds: f64,
}

/// Translates some lines.
pub(crate) fn translate(
    translator: &Translator,
    text: &Stretch,
) -> Result<Translated, PipelineError> {
    let per_line = text.keep.per_line(translator.options().decoding.search.n_best);
    let start = Instant::now();
    let found = translator.translate(&text.lines)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut translated = Translated { lines: Vec::new(), cut: 0, joined: 0, tokens: 0, seconds };
    for (number, found) in found.into_iter().enumerate() {
        let all = in_order(found);
        for index in text.keep.choose(&all, text.references.get(number), per_line)? {
            let Scored { text, notices, target_tokens, .. } = &all[index];
            translated.cut += usize::from(notices.contains(&Notice::Cut));
            translated.joined += usize::from(notices.contains(&Notice::LineBreak));
            translated.tokens += target_tokens;
            translated.lines.push(text.clone());
        }
    }
    Ok(translated)
}

/// All translations of a line, the best first.
fn in_order(translation: Translation) -> Vec<Scored> {
    let Translation { text, score, target_tokens, notices, others, .. } = translation;
    let best = Scored { text, score, target_tokens, notices };
    std::iter::once(best).chain(others).collect()
}

impl Keep {
    /// How many pairs a line has, of a beam of so many hypotheses.
    pub fn per_line(self, beam_size: usize) -> usize {
        match self {
            Keep::All => beam_size,
            Keep::Best | Keep::Nearest | Keep::Consensus => 1,
        }
    }

    /// How many hypotheses of a beam have to be known.
    pub(crate) fn n_best(self, beam_size: usize) -> usize {
        match self {
            Keep::Best => 1,
            Keep::All | Keep::Nearest | Keep::Consensus => beam_size,
        }
    }

    /// Which of a line's translations are kept, of which there is at least one, the best first; `reference` is its translation
    /// in the training text.
    fn choose(
        self,
        translations: &[Scored],
        reference: Option<&String>,
        count: usize,
    ) -> Result<Vec<usize>, PipelineError> {
        let best_by = |score: &dyn Fn(usize) -> Result<f64, MetricsError>| {
            let mut best = (0, f64::NEG_INFINITY);
            for index in 0..translations.len() {
                // Of equals the one with the higher score.
                let score = score(index)?;
                best = if score > best.1 { (index, score) } else { best };
            }
            Ok::<_, PipelineError>(vec![best.0])
        };
        let chrf = |index: usize, reference: &String| {
            let score = Chrf::default().sentence_score(&translations[index].text, &[reference])?;
            Ok::<_, MetricsError>(score.score)
        };
        match self {
            Keep::Best => Ok(vec![0]),
            // A beam that ended early has fewer: they are repeated from the best on.
            Keep::All => Ok((0..translations.len()).cycle().take(count).collect()),
            Keep::Nearest => {
                let reference = reference.expect("a training line has a translation");
                best_by(&|index| chrf(index, reference))
            }
            Keep::Consensus => best_by(&|index| {
                let others = (0..translations.len()).filter(|other| *other != index);
                others.map(|other| chrf(index, &translations[other].text)).sum()
            }),
        }
    }
}

/// What another program is told of a translator, before the numbers of its model.
#[derive(Serialize, Deserialize)]
struct Described {
    config: Config,
    /// Source and target.
    vocabularies: [String; 2],
    decoding: DecodingOptions,
}

/// What another program is asked.
#[derive(Serialize, Deserialize)]
enum Question {
    /// To have this translator; the weights of its model follow.
    Have(Box<Described>),
    /// To translate some lines.
    Translate(Stretch),
}

/// What another program has for its work.
pub(crate) struct Assistant {
    threads: usize,
    translator: Option<Translator>,
}

/// The weights follow a line break.
const END: u8 = b'\n';

impl Question {
    fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data")
    }
}

/// The question whether another program has a translator: everything that it is made of.
pub(crate) fn ask_to_have(
    model: &Model<Dense<f32>>,
    vocabularies: &VocabularyPair,
    decoding: &DecodingOptions,
) -> Vec<u8> {
    let VocabularyPair { source, target } = vocabularies;
    let described = Described {
        config: model.config.clone(),
        vocabularies: [source.to_json(), target.to_json()],
        decoding: decoding.clone(),
    };
    let mut question = Question::Have(Box::new(described)).text();
    question.push(END);
    for (_, slice) in model.weights.slices() {
        question.extend(slice.iter().flat_map(|number| number.to_le_bytes()));
    }
    question
}

/// The question for translations of some lines.
pub(crate) fn ask_to_translate(text: Stretch) -> Vec<u8> {
    Question::Translate(text).text()
}

/// The translations in an answer to [`ask_to_translate`].
pub(crate) fn read_translations(answer: &[u8]) -> Translated {
    serde_json::from_slice(answer).expect("of the same program")
}

impl Assistant {
    pub fn new(threads: usize) -> Assistant {
        Assistant { threads, translator: None }
    }

    /// Answers a question.
    pub fn answer(&mut self, question: &[u8]) -> Result<Vec<u8>, Problem> {
        let (text, numbers) = match question.iter().position(|byte| *byte == END) {
            Some(end) => (&question[..end], &question[end + 1..]),
            None => (question, &[][..]),
        };
        match serde_json::from_slice(text).expect("of the same program") {
            Question::Have(described) => {
                let made = self.make(*described, numbers).map_err(|error| Problem::of(&error))?;
                self.translator = Some(made);
                Ok(Vec::new())
            }
            Question::Translate(text) => {
                let translator = self.translator.as_ref().expect("it was sent before");
                let translated =
                    translate(translator, &text).map_err(|error| Problem::of(&error))?;
                Ok(serde_json::to_vec(&translated).expect("plain data"))
            }
        }
    }

    fn make(&self, described: Described, numbers: &[u8]) -> Result<Translator, PipelineError> {
        let Described { config, vocabularies: [source, target], decoding } = described;
        let vocabulary = |json: String| Vocabulary::from_json(json.as_bytes());
        let pair = VocabularyPair { source: vocabulary(source)?, target: vocabulary(target)? };
        let mut model = Model::zeros(config);
        let (numbers, _) = numbers.as_chunks();
        let mut numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
        for (_, slice) in model.weights.slices_mut() {
            slice.iter_mut().zip(&mut numbers).for_each(|(place, number)| *place = number);
        }
        let options = line_by_line(&decoding, self.threads);
        Ok(Translator::new(&model, Arc::new(pair), options)?)
    }
}
