//! Lines to learn subwords from.

use std::cell::RefCell;

use wdistill_text::Sides;

use crate::corpus::Corpus;
use crate::error::CorpusError;
use crate::raw::{RawPair, ReadPairs};

/// Lines of some of the pairs of corpora, evenly spaced. An iterator of text has no place for errors: the first one ends the
/// lines, and is kept in `failure`.
pub struct SampledLines<'c> {
    corpora: &'c [Corpus],
    sides: Sides,
    /// How many pairs are wanted, and how many there are.
    wanted: u64,
    pairs: u64,
    /// Pairs read so far.
    number: u64,
    /// The corpus and the files in it that come next.
    next: (usize, usize),
    reader: Option<(&'c Corpus, Box<dyn ReadPairs + 'c>)>,
    pair: RawPair,
    target_waits: bool,
    failure: &'c RefCell<Option<CorpusError>>,
}

impl<'c> SampledLines<'c> {
    /// Lines of so many of all pairs, or of all if there are fewer.
    pub fn new(
        corpora: &'c [Corpus],
        sides: Sides,
        wanted: u64,
        pairs: u64,
        failure: &'c RefCell<Option<CorpusError>>,
    ) -> SampledLines<'c> {
        let (number, next, reader, pair) = (0, (0, 0), None, RawPair::default());
        let wanted = wanted.min(pairs);
        let target_waits = false;
        SampledLines {
            corpora,
            sides,
            wanted,
            pairs,
            number,
            next,
            reader,
            pair,
            target_waits,
            failure,
        }
    }

    /// Reads the next pair that is wanted; whether there is one.
    fn read(&mut self) -> Result<bool, CorpusError> {
        loop {
            let Some((corpus, reader)) = &mut self.reader else {
                let Some(corpus) = self.corpora.get(self.next.0) else { return Ok(false) };
                match corpus.files.get(self.next.1) {
                    Some(files) => {
                        self.reader = Some((corpus, files.open()?));
                        self.next.1 += 1;
                    }
                    None => self.next = (self.next.0 + 1, 0),
                }
                continue;
            };
            if !corpus.read(&mut **reader, &mut self.pair)? {
                self.reader = None;
                continue;
            }
            let share = |number: u64| {
                u128::from(number) * u128::from(self.wanted) / u128::from(self.pairs.max(1))
            };
            self.number += 1;
            if share(self.number) > share(self.number - 1) {
                return Ok(true);
            }
        }
    }
}

impl Iterator for SampledLines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if std::mem::take(&mut self.target_waits) {
            return Some(std::mem::take(&mut self.pair.target));
        }
        match self.read() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                (self.corpora, self.reader) = (&[], None);
                return None;
            }
        }
        self.target_waits = self.sides == Sides::Both;
        Some(match self.sides {
            Sides::Source | Sides::Both => std::mem::take(&mut self.pair.source),
            Sides::Target => std::mem::take(&mut self.pair.target),
        })
    }
}
