//! Beam search; greedy search is a beam of one.

use std::cmp::Ordering;
use std::ops::Range;

use wdistill_base::Hinted;

use crate::settings::{SearchSettings, Stopping};
use crate::step::{Scores, Step, StepModel, Vocabulary};

/// Why a translation ended where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The model wrote the end token.
    EndToken,
    /// The maximum length was reached and the end token was not the most probable next word: the
    /// translation is cut.
    MaximumLength,
}

/// A finished translation.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its words, without start and end token.
    pub tokens: Vec<u32>,
    /// `log_probability / (words + 1)^length_penalty`, see [`SearchSettings::score`].
    pub score: f64,
    /// Sum of the log-probabilities of its words and of the end token.
    pub log_probability: f64,
    /// Why it ended.
    pub ending: Ending,
}

/// Why a search could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// No translation could ever end.
    #[error("token {0} ends a sentence and is forbidden")]
    EndForbidden(u32),
    /// Not a word.
    #[error("token {token} is forbidden, but the vocabulary has {size} words")]
    ForbiddenOutside {
        /// The token.
        token: u32,
        /// Words of the vocabulary.
        size: usize,
    },
    /// A log-probability is not a number, or infinite upwards.
    #[error(
        "sentence {sentence} of the batch, word {position}: the model's log-probability is {log_probability}"
    )]
    NotANumber {
        /// Number of the sentence in the batch, from 0.
        sentence: usize,
        /// Number of the target word, from 0.
        position: usize,
        /// What it is, in words.
        log_probability: String,
    },
    /// The model allows no next word and no end.
    #[error("sentence {sentence} of the batch, word {position}: no word may follow and no end")]
    DeadEnd {
        /// Number of the sentence in the batch, from 0.
        sentence: usize,
        /// Number of the target word, from 0.
        position: usize,
    },
}

impl Hinted for SearchError {
    fn hint(&self) -> Option<String> {
        match self {
            SearchError::NotANumber { .. } => Some("look for NaN in its weights".to_string()),
            _ => None,
        }
    }
}

/// A sentence to translate, as far as a search needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSentence {
    /// Its words, without its end token.
    pub words: usize,
    /// Decides what is drawn by chance, if anything is.
    pub seed: u64,
}

impl From<usize> for SourceSentence {
    /// For a search that draws nothing.
    fn from(words: usize) -> SourceSentence {
        SourceSentence { words, seed: 0 }
    }
}

/// Translates a batch: up to `n_best` hypotheses for each sentence (at least one), by falling score;
/// of two equal ones, first the one that finished first.
///
/// At each step every sentence's continuations are ranked by log-probability (equal ones by the rank of
/// the hypothesis, then by token). The end token finishes its hypothesis if it ranks among the first
/// `beam`; the first `beam` other continuations live on. At the maximum length every hypothesis is
/// ended, at the end token's true log-probability. This is fairseq's search (`sequence_generator.py`),
/// apart from [`Stopping::NoneBetter`]. A beam of one is greedy search: always the most probable word. With
/// [`SearchOptions::sampling`](crate::SearchOptions::sampling) there is no rank: every hypothesis goes on with a word of its
/// own, which is drawn.
///
/// # Errors
/// [`SearchError`], when the settings do not suit the vocabulary or the model's scores make no sense.
///
/// # Panics
/// If the model answers with other than `[rows, candidates]` scores.
pub fn search<M: StepModel>(
    model: &mut M,
    sources: &[SourceSentence],
    settings: &SearchSettings,
) -> Result<Vec<Vec<Hypothesis>>, SearchError> {
    let vocabulary = model.vocabulary();
    check_forbidden(settings, &vocabulary)?;
    let new = sources.iter().enumerate().map(|(row, source)| {
        Sentence::new(settings.maximum_length(source.words), row, vocabulary.start, source.seed)
    });
    let mut sentences: Vec<Sentence> = new.collect();
    let candidates = settings.candidates(vocabulary.size);
    let (mut rows_of_sentence, mut tokens, mut parents) = (Vec::new(), Vec::new(), Vec::new());
    let mut reused = Reused::default();
    for words in 0.. {
        let live = || sentences.iter().flat_map(|sentence| &sentence.live);
        refill(&mut rows_of_sentence, sentences.iter().map(|sentence| sentence.live.len()));
        refill(&mut tokens, live().map(|hypothesis| hypothesis.last));
        refill(&mut parents, live().map(|hypothesis| hypothesis.parent));
        if tokens.is_empty() {
            break;
        }
        let step = Step {
            tokens: &tokens,
            parents: &parents,
            rows_of_sentence: &rows_of_sentence,
            candidates,
        };
        let scores = model.step(&step);
        assert_eq!(scores.best.len(), tokens.len() * candidates, "candidates of all rows");
        assert_eq!(scores.end.len(), tokens.len(), "end scores of all rows");
        let round = Round { settings, end: vocabulary.end, scores: &scores, candidates, words };
        let mut first = 0;
        for (index, sentence) in sentences.iter_mut().enumerate() {
            let rows = first..first + sentence.live.len();
            first = rows.end;
            if !rows.is_empty() {
                round.advance(index, sentence, rows, &mut reused)?;
            }
        }
    }
    Ok(sentences.into_iter().map(|sentence| sentence.best(settings.options().n_best)).collect())
}

fn refill<T>(list: &mut Vec<T>, values: impl Iterator<Item = T>) {
    list.clear();
    list.extend(values);
}

fn check_forbidden(settings: &SearchSettings, vocabulary: &Vocabulary) -> Result<(), SearchError> {
    if settings.is_forbidden(vocabulary.end) {
        return Err(SearchError::EndForbidden(vocabulary.end));
    }
    let size = vocabulary.size;
    match settings.options().forbidden.iter().find(|token| **token as usize >= size) {
        Some(token) => Err(SearchError::ForbiddenOutside { token: *token, size }),
        None => Ok(()),
    }
}

/// A hypothesis that may go on.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) tokens: Vec<u32>,
    /// Last of `tokens`, or the start token.
    last: u32,
    pub(crate) log_probability: f64,
    /// Its number among the samples of its sentence.
    pub(crate) sample: u64,
    /// Row of the step before that it extends.
    parent: usize,
}

impl Live {
    /// One that a word of a sample will be put to.
    pub(crate) fn of_sample(sample: u64) -> Live {
        Live { sample, ..Live::default() }
    }
}

/// Memory that sentences and steps share, so that a step takes hardly any of its own.
#[derive(Default)]
struct Reused {
    ranked: Vec<Continuation>,
    /// Empty.
    next: Vec<Live>,
    /// Hypotheses that have been extended or left.
    old: Vec<Live>,
}

/// What became of one source sentence so far.
pub(crate) struct Sentence {
    /// By falling log-probability; samples by their numbers.
    pub(crate) live: Vec<Live>,
    /// In the order in which they finished.
    pub(crate) finished: Vec<Hypothesis>,
    /// Most words of its translation.
    maximum: usize,
    /// Of what is drawn.
    pub(crate) seed: u64,
}

impl Sentence {
    fn new(maximum: usize, row: usize, start: u32, seed: u64) -> Sentence {
        let first = Live { last: start, parent: row, ..Live::default() };
        Sentence { live: vec![first], finished: Vec::new(), maximum, seed }
    }

    fn best(mut self, n_best: usize) -> Vec<Hypothesis> {
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.finished.truncate(n_best);
        self.finished
    }
}

/// A word that may follow one of a sentence's hypotheses.
pub(crate) struct Continuation {
    /// Number of the hypothesis among the sentence's live ones.
    pub(crate) hypothesis: usize,
    pub(crate) token: u32,
    /// Of hypothesis and word together.
    pub(crate) log_probability: f64,
}

impl Continuation {
    /// Better ones first.
    fn rank(&self, other: &Continuation) -> Ordering {
        let order = other.log_probability.total_cmp(&self.log_probability);
        order.then(self.hypothesis.cmp(&other.hypothesis)).then(self.token.cmp(&other.token))
    }
}

/// One step of all sentences.
pub(crate) struct Round<'a> {
    pub(crate) settings: &'a SearchSettings,
    pub(crate) end: u32,
    scores: &'a Scores,
    candidates: usize,
    /// Words that every live hypothesis has.
    pub(crate) words: usize,
}

impl Round<'_> {
    /// Extends and finishes the hypotheses of one sentence, which own `rows` of the scores.
    fn advance(
        &self,
        index: usize,
        sentence: &mut Sentence,
        rows: Range<usize>,
        reused: &mut Reused,
    ) -> Result<(), SearchError> {
        self.check_numbers(index, rows.clone())?;
        if self.words == sentence.maximum {
            self.end_all(sentence, rows);
            return Ok(());
        }
        if let Some(sampling) = self.settings.options().sampling {
            return self.draw(sampling, index, sentence, rows);
        }
        let beam = self.settings.options().beam_size;
        let Reused { ranked, next: live, old } = reused;
        self.rank(ranked, sentence, rows.clone());
        for (rank, next) in ranked.iter().enumerate() {
            if next.token == self.end && rank < beam {
                self.finish(sentence, next, Ending::EndToken);
            } else if next.token != self.end && live.len() < beam {
                let mut extended = old.pop().unwrap_or_default();
                extend(&mut extended, &sentence.live[next.hypothesis], next, rows.start);
                live.push(extended);
            }
        }
        if live.is_empty() && sentence.finished.is_empty() {
            return Err(SearchError::DeadEnd { sentence: index, position: self.words });
        }
        std::mem::swap(&mut sentence.live, live);
        old.append(live);
        if self.is_done(sentence) {
            old.append(&mut sentence.live);
        }
        Ok(())
    }

    /// The candidates of one row.
    fn row(&self, row: usize) -> &[crate::Candidate] {
        &self.scores.best[row * self.candidates..][..self.candidates]
    }

    fn check_numbers(&self, sentence: usize, rows: Range<usize>) -> Result<(), SearchError> {
        let best = rows.clone().flat_map(|row| self.row(row)).map(|c| c.log_probability);
        let end = self.scores.end[rows].iter().copied();
        match best.chain(end).find(|value| value.is_nan() || *value == f64::INFINITY) {
            None => Ok(()),
            Some(value) => Err(SearchError::NotANumber {
                sentence,
                position: self.words,
                log_probability: value.to_string(),
            }),
        }
    }

    /// The candidates of one row that are allowed to follow it, best first.
    pub(crate) fn allowed(&self, row: usize) -> impl Iterator<Item = &crate::Candidate> {
        let end_allowed = self.words >= self.settings.options().min_length;
        self.row(row).iter().filter(move |candidate| {
            candidate.log_probability > f64::NEG_INFINITY
                && !self.settings.is_forbidden(candidate.token)
                && (end_allowed || candidate.token != self.end)
        })
    }

    /// Everything that is allowed to follow, best first.
    fn rank(&self, ranked: &mut Vec<Continuation>, sentence: &Sentence, rows: Range<usize>) {
        let of_row = |(hypothesis, row): (usize, usize)| {
            let before = sentence.live[hypothesis].log_probability;
            self.allowed(row).map(move |candidate| Continuation {
                hypothesis,
                token: candidate.token,
                log_probability: before + candidate.log_probability,
            })
        };
        refill(ranked, rows.enumerate().flat_map(of_row));
        ranked.sort_by(Continuation::rank);
    }

    /// Ends every hypothesis at the maximum length.
    fn end_all(&self, sentence: &mut Sentence, rows: Range<usize>) {
        let ends = rows.clone().enumerate().map(|(hypothesis, row)| Continuation {
            hypothesis,
            token: self.end,
            log_probability: sentence.live[hypothesis].log_probability + self.scores.end[row],
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort_by(Continuation::rank);
        for end in ends {
            let mut allowed = self.row(rows.start + end.hypothesis).iter();
            let best = allowed.find(|candidate| !self.settings.is_forbidden(candidate.token));
            let ending = if best.is_some_and(|best| best.token == self.end) {
                Ending::EndToken
            } else {
                Ending::MaximumLength
            };
            self.finish(sentence, &end, ending);
        }
        sentence.live.clear();
    }

    /// Adds a finished hypothesis, unless the beam is full of them and that was to be the end.
    pub(crate) fn finish(&self, sentence: &mut Sentence, end: &Continuation, ending: Ending) {
        let options = self.settings.options();
        if options.stopping == Stopping::BeamFinished
            && sentence.finished.len() == options.beam_size
        {
            return;
        }
        let tokens = sentence.live[end.hypothesis].tokens.clone();
        sentence.finished.push(Hypothesis {
            score: self.settings.score(end.log_probability, tokens.len()),
            tokens,
            log_probability: end.log_probability,
            ending,
        });
    }

    fn is_done(&self, sentence: &Sentence) -> bool {
        let options = self.settings.options();
        match options.stopping {
            // Greedy search never looks past the end.
            _ if options.beam_size == 1 => !sentence.finished.is_empty(),
            Stopping::BeamFinished => sentence.finished.len() == options.beam_size,
            Stopping::NoneBetter => {
                let mut scores: Vec<f64> = sentence.finished.iter().map(|h| h.score).collect();
                scores.sort_by(|a, b| b.total_cmp(a));
                let worst = scores.get(options.n_best - 1);
                let best_length = |live: &Live| {
                    if options.length_penalty >= 0.0 { sentence.maximum } else { live.tokens.len() }
                };
                let hope = sentence
                    .live
                    .first()
                    .map(|best| self.settings.score(best.log_probability, best_length(best)));
                worst.is_some_and(|worst| hope.is_none_or(|hope| hope <= *worst))
            }
        }
    }
}

pub(crate) fn extend(
    extended: &mut Live,
    hypothesis: &Live,
    next: &Continuation,
    first_row: usize,
) {
    refill(&mut extended.tokens, hypothesis.tokens.iter().copied().chain([next.token]));
    extended.last = next.token;
    extended.log_probability = next.log_probability;
    extended.parent = first_row + next.hypothesis;
}
