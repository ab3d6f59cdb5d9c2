//! A small translation task made from a grammar: English to German, as many pairs as one asks for.
//!
//! The task exists so that the whole of weight distillation can be tried in minutes and without a
//! corpus: teacher, student, and the loss between them. It is meant to be easy for a Transformer
//! of width 64 to 128 and out of reach of word-by-word replacement.
//!
//! # How it works
//! A sentence is drawn as an abstract tree (`grammar`), and two modules that know nothing of each
//! other put the tree into words (`english`, `german`). All word lists are in `lexicon`; they
//! hold only what a dictionary entry holds, and every form that a rule can build is built.
//!
//! # What German does differently
//! - **Word order.** The finite verb is second in main clauses, first after a fronted subordinate
//!   clause, last in subordinate clauses; participles and infinitives close the clause; separable
//!   prefixes stand at the end (*holt … ab*), join the verb (*dass sie … abholt*) or enclose *zu*
//!   (*abzuholen*). A fronted time sends the subject behind the verb. The middle field holds known
//!   objects, time, cause, *nicht*, manner, place, new objects, direction, in this order, where
//!   English ends with manner, place, cause, time.
//! - **Agreement.** Articles, possessives and adjectives follow gender, number and four cases;
//!   weak nouns (*den Jungen*), the genitive (*des Arztes*) and the dative plural (*den Kindern*)
//!   change the noun. Some verbs ask for the dative (*helfen*), some for the auxiliary *sein*.
//!   *The old ones* take the gender of a noun in the clause before.
//! - **Negation.** *not … a* is *kein*, *not … the* is *nicht*.
//! - **Compounds.** *kitchen table* is *Küchentisch*, *Monday evening* is *Montagabend*, and
//!   *the doctor's car* turns round into *das Auto des Arztes*.
//! - **Numbers.** One word with ones before tens (*dreiundzwanzig*); *half past four* is
//!   *halb fünf*; *1,245.50* is *1.245,50*.
//!
//! # What it is not
//! Weekdays are drawn apart from dates and do not fit the calendar. The word *teacher* is always
//! *Lehrerin* and *doctor* always *Arzt*: one word, one gender, so that a sentence has one
//! translation. Pairs of things and deeds may be unlikely (*tore up the dictionary*).

mod calendar;
mod english;
mod german;
mod grammar;
mod lexicon;
mod numbers;
mod random;
mod sample;
mod text;

#[cfg(test)]
mod tests;

use random::Random;
use std::collections::HashSet;

/// Fewest words (between spaces) of an English sentence.
pub const SHORTEST: usize = 8;
/// Most words (between spaces) of an English sentence.
pub const LONGEST: usize = 22;

/// So many draws in a row without a new pair mean that the grammar is exhausted.
const PATIENCE: u64 = 10_000;

/// How many pairs each part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Pairs to train on.
    pub train: usize,
    /// Pairs to watch during training.
    pub validation: usize,
    /// Pairs to report on.
    pub test: usize,
}

/// One sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The English sentence.
    pub source: String,
    /// The German sentence.
    pub target: String,
}

/// The three parts of the task. No source and no target occurs twice, in one part or across parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Pairs to train on.
    pub train: Vec<Pair>,
    /// Pairs to watch during training.
    pub validation: Vec<Pair>,
    /// Pairs to report on.
    pub test: Vec<Pair>,
}

/// Why no task was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The grammar gave no new pair for a long time.
    #[error(
        "{requested} different pairs were asked for, and the grammar gave only {found}: \
         {attempts} draws in a row brought nothing new; hint: ask for at most {found} pairs"
    )]
    Exhausted {
        /// Pairs asked for, all parts together.
        requested: usize,
        /// Different pairs found.
        found: usize,
        /// Draws in a row that brought nothing new.
        attempts: u64,
    },
    /// The sizes add up to more than this machine can count.
    #[error("the sizes {train} + {validation} + {test} exceed the range of this machine")]
    TooLarge {
        /// Pairs to train on.
        train: usize,
        /// Pairs to watch during training.
        validation: usize,
        /// Pairs to report on.
        test: usize,
    },
}

/// Makes the task that belongs to `seed`.
///
/// Test pairs are drawn first, then validation pairs, then training pairs: with the same seed, the
/// same test and validation parts are kept whatever the number of training pairs.
///
/// # Errors
/// [`Error::Exhausted`] if the grammar has fewer different pairs than asked for, and
/// [`Error::TooLarge`] if the sizes overflow.
pub fn generate(seed: u64, sizes: Sizes) -> Result<Task, Error> {
    let mut random = Random::new(seed);
    divide(sizes, || draw(&mut random))
}

/// Draws sentences until one has an allowed length. Each kind of sentence has allowed lengths, so
/// this ends.
fn draw(random: &mut Random) -> Pair {
    loop {
        let sentence = sample::sentence(random);
        let source = english::sentence(&sentence);
        if (SHORTEST..=LONGEST).contains(&source.split(' ').count()) {
            return Pair { source, target: german::sentence(&sentence) };
        }
    }
}

fn divide(sizes: Sizes, mut draw: impl FnMut() -> Pair) -> Result<Task, Error> {
    let Sizes { train, validation, test } = sizes;
    let requested = train
        .checked_add(validation)
        .and_then(|sum| sum.checked_add(test))
        .ok_or(Error::TooLarge { train, validation, test })?;
    let mut seen = Seen::default();
    let mut part = |size: usize| -> Result<Vec<Pair>, Error> {
        let mut pairs = Vec::new();
        while pairs.len() < size {
            pairs.push(seen.next_new(&mut draw, requested)?);
        }
        Ok(pairs)
    };
    let test = part(test)?;
    let validation = part(validation)?;
    let train = part(train)?;
    Ok(Task { train, validation, test })
}

/// Sentences handed out so far; a pair is new only if both of its sides are.
#[derive(Default)]
struct Seen {
    sources: HashSet<String>,
    targets: HashSet<String>,
}

impl Seen {
    fn next_new(
        &mut self,
        draw: &mut impl FnMut() -> Pair,
        requested: usize,
    ) -> Result<Pair, Error> {
        for _ in 0..PATIENCE {
            let pair = draw();
            if !self.sources.contains(&pair.source) && !self.targets.contains(&pair.target) {
                self.sources.insert(pair.source.clone());
                self.targets.insert(pair.target.clone());
                return Ok(pair);
            }
        }
        Err(Error::Exhausted { requested, found: self.sources.len(), attempts: PATIENCE })
    }
}
