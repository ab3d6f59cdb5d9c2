//! The door for text: lines in, translations out.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wdistill_base::Folder;
use wdistill_formats::ModelFolder;
use wdistill_formats::native::Stored;
use wdistill_model::{Dense, Model};
use wdistill_search::{Ending, Hypothesis};
use wdistill_text::{SentenceLanguage, TextError, VocabularyPair, sentences};

use crate::alignment::{Alignment, token_spans};
use crate::error::{TooLong, TranslateError, TranslatorError};
use crate::line::{Line, Part, Shortened};
use crate::notice::Notice;
use crate::options::{LineContent, LongText, TranslatorOptions};
use crate::shortlist::Shortlist;
use crate::token_error::TokenError;
use crate::token_translator::TokenTranslator;

/// The translation of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Translation {
    /// The best translation, in one line.
    pub text: String,
    /// Its score: `log_probability / (words + 1)^length_penalty`, over all parts of the line together.
    pub score: f64,
    /// The next best ones, as many as `n_best` asks for, less one. Of a line of several sentences the second is that of all
    /// second best ones, and so on.
    pub others: Vec<Scored>,
    /// Sentences that were translated one by one.
    pub sentences: usize,
    /// Tokens that the model read, with end tokens.
    pub source_tokens: usize,
    /// Tokens of the best translation, with end tokens.
    pub target_tokens: usize,
    /// Their ids, without end tokens.
    pub ids: Vec<u32>,
    /// What the text does not show.
    pub notices: Vec<Notice>,
}

/// A translation and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// In one line.
    pub text: String,
    /// `log_probability / (words + 1)^length_penalty`.
    pub score: f64,
    /// Tokens, with end tokens.
    pub target_tokens: usize,
    /// What the text does not show.
    pub notices: Vec<Notice>,
}

/// A sentence, its translation, and how their tokens belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignedSentence {
    /// As it stands in its line.
    pub source: String,
    /// Bytes of `source` that each of its tokens stands for.
    pub source_spans: Vec<Range<usize>>,
    /// Its best translation.
    pub target: String,
    /// Bytes of `target` that each of its tokens stands for.
    pub target_spans: Vec<Range<usize>>,
    /// How much of each target token comes from each source token.
    pub alignment: Alignment,
}

/// A model and its vocabularies, ready to translate text.
///
/// A line's translation and the bits of its score depend on that line alone: not on its neighbours, nor on threads.
pub struct Translator {
    tokens: TokenTranslator,
    vocabularies: Arc<VocabularyPair>,
    options: TranslatorOptions,
}

impl Translator {
    /// Reads a model folder, with float32 or int8 weights, and makes the model ready.
    ///
    /// # Errors
    /// [`TranslatorError::Format`] for the folder, [`TranslatorError::Text`] for the shortlist, and what
    /// [`Translator::new`] brings.
    pub fn open(
        folder: impl AsRef<Path>,
        options: TranslatorOptions,
    ) -> Result<Translator, TranslatorError> {
        Translator::read(Folder::from(&folder), options)
    }

    /// The same of a folder that may be in memory; the shortlist is then one of its files.
    ///
    /// # Errors
    /// As [`Translator::open`].
    pub fn read(
        folder: Folder<'_>,
        options: TranslatorOptions,
    ) -> Result<Translator, TranslatorError> {
        let ModelFolder { model, vocabularies } = ModelFolder::load_any(folder)?;
        Translator::start(folder, Arc::new(vocabularies), options, |options, shortlist| {
            let (threads, decoding) = (options.threads, options.decoding.clone());
            match &model {
                Stored::Float32(model) => TokenTranslator::new(model, threads, decoding, shortlist),
                Stored::Int8(model) => {
                    TokenTranslator::quantised(model, threads, decoding, shortlist)
                }
            }
        })
    }

    /// Makes a model ready that is in memory, with its vocabularies.
    ///
    /// # Errors
    /// [`TranslatorError::Options`] with every problem found, [`TranslatorError::TooWide`] in int8,
    /// [`TranslatorError::Threads`], [`TranslatorError::Text`] for the shortlist.
    pub fn new(
        model: &Model<Dense<f32>>,
        vocabularies: Arc<VocabularyPair>,
        options: TranslatorOptions,
    ) -> Result<Translator, TranslatorError> {
        // The shortlist, if any, is a file of the disk.
        let folder = Folder::from(".");
        Translator::start(folder, vocabularies, options, |options, shortlist| {
            TokenTranslator::new(model, options.threads, options.decoding.clone(), shortlist)
        })
    }

    fn start(
        folder: Folder<'_>,
        vocabularies: Arc<VocabularyPair>,
        options: TranslatorOptions,
        tokens: impl FnOnce(
            &TranslatorOptions,
            Option<Arc<Shortlist>>,
        ) -> Result<TokenTranslator, TranslatorError>,
    ) -> Result<Translator, TranslatorError> {
        let read = |path| {
            Ok::<_, TextError>(Arc::new(Shortlist::read_beside(folder, path, &vocabularies)?))
        };
        let shortlist = options.shortlist.as_deref().map(read).transpose()?;
        let own = options.problems();
        let tokens = match tokens(&options, shortlist) {
            Err(TranslatorError::Options(more)) => {
                return Err(TranslatorError::Options([own, more].concat()));
            }
            _ if !own.is_empty() => return Err(TranslatorError::Options(own)),
            tokens => tokens?,
        };
        Ok(Translator { tokens, vocabularies, options })
    }

    /// The same at the level of token ids.
    pub fn tokens(&self) -> &TokenTranslator {
        &self.tokens
    }

    /// How it reads and writes text.
    pub fn vocabularies(&self) -> &VocabularyPair {
        &self.vocabularies
    }

    /// The options, as checked.
    pub fn options(&self) -> &TranslatorOptions {
        &self.options
    }

    /// Translates lines. Long lines and lines of several sentences are treated as the options say.
    ///
    /// # Errors
    /// [`TranslateError::Lines`] with every line that is longer than allowed; [`TranslateError::Search`] when the
    /// model's scores make no sense; [`TranslateError::Text`] if a vocabulary cannot spell what the model wrote.
    pub fn translate<T: AsRef<str>>(
        &self,
        lines: &[T],
    ) -> Result<Vec<Translation>, TranslateError> {
        self.translate_divided(&self.divide_all(lines)?)
    }

    /// The same, where a line that is longer than allowed keeps no other from being translated.
    ///
    /// # Errors
    /// As [`Translator::translate`], but for [`TranslateError::Lines`].
    pub fn translate_each<T: AsRef<str>>(
        &self,
        lines: &[T],
    ) -> Result<Vec<Result<Translation, TooLong>>, TranslateError> {
        let (mut divided, mut places) =
            (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        for (number, line) in (1..).zip(lines) {
            places.push(self.divide_numbered(number, line.as_ref()).map(|line| divided.push(line)));
        }
        let mut translations = self.translate_divided(&divided)?.into_iter();
        let mut next = || translations.next().expect("a translation for every line");
        Ok(places.into_iter().map(|place| place.map(|()| next())).collect())
    }

    /// Translates sentences whose ids are known, each **with** its end token, of any length.
    ///
    /// # Errors
    /// As [`Translator::translate`]; [`TranslateError::Tokens`] for ids that are no sentence of the model.
    pub fn translate_ids(
        &self,
        sources: Vec<Vec<u32>>,
    ) -> Result<Vec<Translation>, TranslateError> {
        self.translate_divided(
            &(1..).zip(sources).map(|(number, ids)| Line::of_ids(number, ids)).collect::<Vec<_>>(),
        )
    }

    /// Divides a line into the sentences that are translated one by one: for whoever translates them in an order of his
    /// own, with [`TokenTranslator::translate_here`], and joins them again with [`Translator::join`].
    ///
    /// # Errors
    /// [`TooLong`] if the options refuse lines as long as this.
    pub fn divide(&self, line: &str) -> Result<Line, TooLong> {
        self.divide_numbered(1, line)
    }

    /// A line's translation from the hypotheses of its sentences, each with at least one, the best first. With several
    /// hypotheses of each the line has as many translations: the second is that of all second best ones, and so on.
    ///
    /// # Errors
    /// If the vocabulary cannot spell a hypothesis.
    pub fn join(
        &self,
        line: &Line,
        sentences: &[Vec<Hypothesis>],
    ) -> Result<Translation, TextError> {
        self.translation(line, sentences)
    }

    /// Which words of a line the words of its best translation come from, sentence by sentence; what has no words is left
    /// out. `sentences` are the hypotheses of [`Line::sentences`], `alignments` what
    /// [`TokenTranslator::align_here`] makes of each sentence and its best hypothesis.
    ///
    /// # Errors
    /// If the vocabulary cannot spell a hypothesis.
    pub fn align(
        &self,
        line: &Line,
        sentences: &[Vec<Hypothesis>],
        alignments: &[Alignment],
    ) -> Result<Vec<AlignedSentence>, TextError> {
        let VocabularyPair { source, target } = &*self.vocabularies;
        let parts = line.parts.iter().zip(sentences).zip(alignments);
        let with_words = parts.filter(|(_, alignment)| alignment.rows().len() > 0);
        let aligned = |((part, of_part), alignment): ((&Part, &Vec<Hypothesis>), &Alignment)| {
            let tokens = &of_part[0].tokens;
            let text = one_line(&target.decode(tokens)?).into_owned();
            Ok(AlignedSentence {
                source_spans: token_spans(source, &part.ids[..part.words()], &part.text)?,
                target_spans: token_spans(target, tokens, &text)?,
                source: part.text.clone(),
                target: text,
                alignment: alignment.clone(),
            })
        };
        with_words.map(aligned).collect()
    }

    /// The token ids of a line as one sentence, with the end token: what [`TokenTranslator::translate`] takes.
    ///
    /// # Errors
    /// [`TooLong`] if it is longer than the options allow, whatever they do with long lines.
    pub fn encode(&self, line: &str) -> Result<Vec<u32>, TooLong> {
        let options = TranslatorOptions {
            content: LineContent::Sentence,
            long_text: LongText::Refuse,
            ..self.options.clone()
        };
        let mut line = Line::divide(1, line, &self.vocabularies.source, &options)?;
        Ok(line.parts.swap_remove(0).ids)
    }

    fn divide_numbered(&self, number: usize, line: &str) -> Result<Line, TooLong> {
        Line::divide(number, line, &self.vocabularies.source, &self.options)
    }

    /// Translates lines, and says which of their words the words of their best translations come from.
    ///
    /// # Errors
    /// As [`Translator::translate`].
    pub fn translate_aligned<T: AsRef<str>>(
        &self,
        lines: &[T],
    ) -> Result<Vec<(Translation, Vec<AlignedSentence>)>, TranslateError> {
        let divided = self.divide_all(lines)?;
        let hypotheses = self.hypotheses(&divided)?;
        let sentences = divided.iter().flat_map(Line::sentences).zip(hypotheses.iter().flatten());
        let pairs: Vec<_> = sentences.map(|(source, best)| (source, &*best[0].tokens)).collect();
        let alignments = self.tokens.align(&pairs)?;
        let mut rest = alignments.as_slice();
        divided
            .iter()
            .zip(&hypotheses)
            .map(|(line, hypotheses)| {
                let (own, others) = rest.split_at(hypotheses.len());
                rest = others;
                let translation = self.translation(line, hypotheses)?;
                Ok((translation, self.align(line, hypotheses, own)?))
            })
            .collect()
    }

    /// Divides lines.
    ///
    /// # Errors
    /// [`TranslateError::Lines`] with every line that is longer than allowed.
    fn divide_all<T: AsRef<str>>(&self, lines: &[T]) -> Result<Vec<Line>, TranslateError> {
        let (mut divided, mut problems) = (Vec::with_capacity(lines.len()), Vec::new());
        for (number, line) in (1..).zip(lines) {
            match self.divide_numbered(number, line.as_ref()) {
                Ok(line) => divided.push(line),
                Err(problem) => problems.push((number, problem)),
            }
        }
        if problems.is_empty() { Ok(divided) } else { Err(TranslateError::Lines(problems)) }
    }

    fn translate_divided(&self, lines: &[Line]) -> Result<Vec<Translation>, TranslateError> {
        let hypotheses = self.hypotheses(lines)?;
        let pairs = lines.iter().zip(&hypotheses);
        pairs.map(|(line, hypotheses)| Ok(self.translation(line, hypotheses)?)).collect()
    }

    /// Of each line, of each of its sentences, best first.
    fn hypotheses(&self, lines: &[Line]) -> Result<Vec<Vec<Vec<Hypothesis>>>, TranslateError> {
        let sources: Vec<Vec<u32>> =
            lines.iter().flat_map(Line::sentences).map(<[u32]>::to_vec).collect();
        let translated = self.tokens.translate(&sources).map_err(|error| match error {
            TokenError::Search { sentences, reason } => {
                let of: Vec<usize> = lines
                    .iter()
                    .flat_map(|line| std::iter::repeat_n(line.number, line.parts.len()))
                    .collect();
                let lines = sentences.iter().map(|sentence| of[sentence - 1]).collect();
                TranslateError::Search { lines, reason }
            }
            other => other.into(),
        })?;
        let mut hypotheses = translated.hypotheses.into_iter();
        Ok(lines.iter().map(|line| hypotheses.by_ref().take(line.parts.len()).collect()).collect())
    }

    /// Puts a line's translations together from the hypotheses of its parts, each best first.
    fn translation(
        &self,
        line: &Line,
        parts: &[Vec<Hypothesis>],
    ) -> Result<Translation, TextError> {
        // Where a part has fewer hypotheses than another, its last stands for the missing ones.
        let ranks = parts.iter().map(Vec::len).max().unwrap_or(1);
        let of_rank = |rank: usize| {
            let chosen: Vec<&Hypothesis> =
                parts.iter().map(|part| &part[rank.min(part.len() - 1)]).collect();
            self.scored(line, &chosen)
        };
        let Scored { text, score, target_tokens, notices: of_best } = of_rank(0)?;
        let others = (1..ranks).map(of_rank).collect::<Result<Vec<Scored>, _>>()?;
        let read: usize = line.parts.iter().map(|part| part.words()).sum();
        let written: usize = parts.iter().map(|part| part[0].tokens.len()).sum();
        let shown = line.shown();
        let mut notices = Vec::new();
        match line.shortened {
            Shortened::No => {}
            Shortened::Truncated => {
                notices.push(Notice::Truncated { most: self.options.max_source_length });
            }
            Shortened::Split => notices.push(Notice::Split { parts: parts.len() }),
        }
        if of_best.contains(&Notice::Cut) {
            notices.push(Notice::Cut);
        }
        let breaks = |notices: &[Notice]| notices.contains(&Notice::LineBreak);
        if breaks(&of_best) || others.iter().any(|other| breaks(&other.notices)) {
            notices.push(Notice::LineBreak);
        }
        if self.options.content == LineContent::Sentence
            && line.looks_like > 1
            && is_much_shorter(written, read)
            && sentences(&text, SentenceLanguage::Any).len() < line.looks_like
        {
            notices.push(Notice::Shorter);
        }
        Ok(Translation {
            score,
            text,
            others,
            sentences: line.sentences,
            source_tokens: read + shown,
            target_tokens,
            ids: parts.iter().flat_map(|part| &part[0].tokens).copied().collect(),
            notices,
        })
    }

    /// One translation of a line, of one hypothesis of each part.
    fn scored(&self, line: &Line, parts: &[&Hypothesis]) -> Result<Scored, TextError> {
        let texts = parts
            .iter()
            .map(|part| self.vocabularies.target.decode(&part.tokens))
            .collect::<Result<Vec<String>, _>>()?;
        let lines: Vec<String> = texts.iter().map(|text| one_line(text).into_owned()).collect();
        let cut = parts.iter().any(|part| part.ending == Ending::MaximumLength);
        let notices = [(cut, Notice::Cut), (lines != texts, Notice::LineBreak)];
        let notices = notices.into_iter().filter(|(is_so, _)| *is_so);
        let written: usize = parts.iter().map(|part| part.tokens.len()).sum();
        Ok(Scored {
            text: line.join(&lines),
            score: self.score(parts),
            target_tokens: written + line.shown(),
            notices: notices.map(|(_, notice)| notice).collect(),
        })
    }

    /// The score of hypotheses of all parts, as if they were one.
    fn score(&self, parts: &[&Hypothesis]) -> f64 {
        if let [only] = parts {
            return only.score;
        }
        let log_probability = parts.iter().map(|part| part.log_probability).sum();
        let words: usize = parts.iter().map(|part| part.tokens.len() + 1).sum();
        self.tokens.search_settings().score(log_probability, words.saturating_sub(1))
    }
}

/// Whether a translation is so much shorter than its source that a sentence may be missing.
fn is_much_shorter(target_tokens: usize, source_tokens: usize) -> bool {
    target_tokens * 4 <= source_tokens * 3
}

/// A text with its line breaks written as spaces: a vocabulary with bytes can spell one, and it would
/// shift every later line of a file.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) {
        Cow::Owned(text.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(text)
    }
}
