//! Sampling: every hypothesis goes on with a word of its own, which is drawn.

use std::ops::Range;

use wdistill_base::Random;

use crate::beam::{Continuation, Ending, Live, Round, SearchError, Sentence, extend};
use crate::settings::Sampling;
use crate::step::Candidate;

impl Round<'_> {
    /// Draws the next word of each sample of a sentence, which own `rows` of the scores. At the first step all samples go on
    /// from one row.
    pub(crate) fn draw(
        &self,
        sampling: Sampling,
        index: usize,
        sentence: &mut Sentence,
        rows: Range<usize>,
    ) -> Result<(), SearchError> {
        let going_on: Vec<(usize, u64)> = match self.words {
            0 => (0..self.settings.options().beam_size).map(|sample| (0, sample as u64)).collect(),
            _ => sentence.live.iter().map(|live| live.sample).enumerate().collect(),
        };
        let mut next = Vec::with_capacity(going_on.len());
        for (hypothesis, sample) in going_on {
            let drawn = self.draw_word(sampling, sentence.seed, sample, rows.start + hypothesis);
            let Some(drawn) = drawn else {
                return Err(SearchError::DeadEnd { sentence: index, position: self.words });
            };
            let before = sentence.live[hypothesis].log_probability;
            let log_probability = before + drawn.log_probability;
            let word = Continuation { hypothesis, token: drawn.token, log_probability };
            if drawn.token == self.end {
                self.finish(sentence, &word, Ending::EndToken);
            } else {
                let mut extended = Live::of_sample(sample);
                extend(&mut extended, &sentence.live[hypothesis], &word, rows.start);
                next.push(extended);
            }
        }
        sentence.live = next;
        Ok(())
    }

    /// The next word of a sample; none if no word may follow.
    ///
    /// Every choice has random numbers of its own, so that none depends on how many others there are.
    fn draw_word(
        &self,
        sampling: Sampling,
        seed: u64,
        sample: u64,
        row: usize,
    ) -> Option<Candidate> {
        let most = if sampling.top_k == 0 { usize::MAX } else { sampling.top_k };
        let among: Vec<Candidate> = self.allowed(row).take(most).copied().collect();
        let best = among.first()?.log_probability;
        let weight = |candidate: &Candidate| {
            ((candidate.log_probability - best) / sampling.temperature).exp()
        };
        let sum: f64 = among.iter().map(weight).sum();
        let stream = sample << 32 | self.words as u64;
        let mut left = Random::for_stream(seed, stream).uniform() * sum;
        let drawn = among.iter().find(|candidate| {
            left -= weight(candidate);
            left < 0.0
        });
        // What rounding leaves over falls to the last one.
        drawn.or(among.last()).copied()
    }
}
