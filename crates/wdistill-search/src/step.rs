//! What a search asks of a model.

/// The target vocabulary, as far as a search needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of words.
    pub size: usize,
    /// Token the decoder reads before the first word.
    pub start: u32,
    /// Token that ends a sentence.
    pub end: u32,
}

/// The live hypotheses of all sentences, one row each: first those of sentence 0, then those of
/// sentence 1, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Last token of each hypothesis, `[rows]`; the start token at the first step.
    pub tokens: &'a [u32],
    /// Row that each hypothesis extends among those of the step before, `[rows]`. A row of the step
    /// before may be extended by many or by none. At the first step row `i` is sentence `i` itself.
    pub parents: &'a [usize],
    /// Number of rows of each sentence, `[sentences]`; 0 once a sentence is done.
    pub rows_of_sentence: &'a [usize],
    /// Number of next words wanted for each row; at most the vocabulary's size.
    pub candidates: usize,
}

/// A next word and its log-probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The word.
    pub token: u32,
    /// Natural logarithm of its probability after the hypothesis.
    pub log_probability: f64,
}

/// What a model answers to a [`Step`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// The best next words of each row, `[rows, candidates]`: by falling log-probability, equal ones
    /// by rising token.
    pub best: Vec<Candidate>,
    /// Log-probability of the end token after each row, `[rows]`, whether or not it is among the best.
    pub end: Vec<f64>,
}

/// A batch of encoded source sentences and a decoder that reads one token of each hypothesis at a time.
pub trait StepModel {
    /// The target vocabulary.
    fn vocabulary(&self) -> Vocabulary;

    /// Reorders what is remembered of each hypothesis by [`Step::parents`], reads one token for each
    /// and scores what may follow.
    fn step(&mut self, step: &Step<'_>) -> Scores;
}
