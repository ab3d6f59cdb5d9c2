//! Changes of pairs while they are learned from, so that a model knows text in capitals, with slips of the keyboard, with
//! placeholders. Which pairs, and how, follows from the seed, the epoch and the pair: the same after a resume.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_base::Random;
use wdistill_text::{SubwordSampling, VocabularyPair};

/// Letters for each slip.
const LETTERS_OF_A_SLIP: usize = 25;

/// A way to change a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modification {
    /// Both sides in capitals.
    UpperCase,
    /// Every word of both sides with a capital.
    TitleCase,
    /// Letters of the source that are swapped, left out, doubled or exchanged.
    Typos,
    /// Marks of punctuation of the source that are left out, doubled, or have a space in front.
    Punctuation,
    /// A placeholder at the same end of both sides.
    Placeholders,
    /// Words cut into smaller subwords now and then.
    SubwordSampling,
}

impl Modification {
    /// What was done, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Modification::UpperCase => "written in capitals",
            Modification::TitleCase => "given a capital for every word",
            Modification::Typos => "given slips of the keyboard",
            Modification::Punctuation => "given other punctuation",
            Modification::Placeholders => "given a placeholder",
            Modification::SubwordSampling => "cut into other subwords",
        }
    }

    /// All, in the order in which they are done.
    pub const ALL: [Modification; 6] = [
        Modification::UpperCase,
        Modification::TitleCase,
        Modification::Typos,
        Modification::Punctuation,
        Modification::Placeholders,
        Modification::SubwordSampling,
    ];
}

/// The share of pairs, from 0 to 1, that is changed in each way; what is not there is never done.
pub type Probabilities = BTreeMap<Modification, f64>;

/// Changes the pairs of a corpus.
#[derive(Clone)]
pub struct Modifiers {
    probabilities: Probabilities,
    vocabularies: Arc<VocabularyPair>,
    /// Most tokens of a side, with the end: a pair that a change makes longer stays as it is.
    max_tokens: usize,
}

/// A pair that was changed: ids without ends, and in which ways.
pub(crate) struct Modified {
    pub(crate) source: Vec<u32>,
    pub(crate) target: Vec<u32>,
    pub(crate) ways: Vec<Modification>,
}

impl Modifiers {
    /// Changes pairs in these ways. None if subwords are to be sampled, and a vocabulary is a list of words, which have no
    /// parts.
    pub fn new(
        probabilities: Probabilities,
        vocabularies: Arc<VocabularyPair>,
        max_tokens: usize,
    ) -> Option<Modifiers> {
        let samples = probabilities.get(&Modification::SubwordSampling).is_some_and(|p| *p > 0.0);
        let can_sample = vocabularies.source.can_sample() && vocabularies.target.can_sample();
        (!samples || can_sample).then_some(Modifiers { probabilities, vocabularies, max_tokens })
    }

    /// A pair as it is this time; none if it stays as it is.
    pub(crate) fn modify(
        &self,
        source: &str,
        target: &str,
        mut random: Random,
    ) -> Option<Modified> {
        let drawn = |way: &Modification| {
            // Always a number for each, so that one probability changes nothing of the others.
            let number = random.uniform();
            self.probabilities.get(way).is_some_and(|probability| number < *probability)
        };
        let ways: Vec<Modification> = Modification::ALL.into_iter().filter(drawn).collect();
        if ways.is_empty() {
            return None;
        }
        let mut sides = [source.to_string(), target.to_string()];
        for way in &ways {
            change(*way, &mut sides, &mut random);
        }
        let samples = ways.contains(&Modification::SubwordSampling);
        let VocabularyPair { source, target } = &*self.vocabularies;
        let [source, target] = [(source, &sides[0]), (target, &sides[1])].map(|(side, line)| {
            let mut sample = || side.sample(line, SubwordSampling::default(), &mut random);
            samples.then(&mut sample).flatten().unwrap_or_else(|| side.encode(line))
        });
        let fits = source.len().max(target.len()) < self.max_tokens;
        fits.then_some(Modified { source, target, ways })
    }
}

fn change(way: Modification, sides: &mut [String; 2], random: &mut Random) {
    match way {
        Modification::UpperCase => sides.iter_mut().for_each(|side| *side = side.to_uppercase()),
        Modification::TitleCase => sides.iter_mut().for_each(|side| *side = in_title_case(side)),
        Modification::Typos => sides[0] = with_typos(&sides[0], random),
        Modification::Punctuation => sides[0] = with_other_punctuation(&sides[0], random),
        Modification::Placeholders => add_placeholder(sides, random),
        Modification::SubwordSampling => {}
    }
}

fn in_title_case(line: &str) -> String {
    let mut begins = true;
    let mut changed = String::with_capacity(line.len());
    for character in line.chars() {
        match begins && character.is_alphabetic() {
            true => changed.extend(character.to_uppercase()),
            false => changed.push(character),
        }
        begins = !character.is_alphanumeric() && character != '\'' && character != '’';
    }
    changed
}

/// One slip for every 25 letters, at least one: two neighbours swapped, a letter left out, doubled, or exchanged for another
/// one of the line.
fn with_typos(line: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let letters = characters.iter().filter(|character| character.is_alphabetic()).count();
    for _ in 0..letters.div_ceil(LETTERS_OF_A_SLIP) {
        let places: Vec<usize> =
            (0..characters.len()).filter(|&place| characters[place].is_alphabetic()).collect();
        if places.is_empty() {
            break;
        }
        let mut draw = || places[random.below(places.len() as u64) as usize];
        let (place, other) = (draw(), draw());
        match random.below(4) {
            0 if place + 1 < characters.len() => characters.swap(place, place + 1),
            1 => drop(characters.remove(place)),
            2 => characters.insert(place, characters[place]),
            _ => characters[place] = characters[other],
        }
    }
    characters.into_iter().collect()
}

/// Each mark is left out, doubled, given a space in front, or kept, equally often.
fn with_other_punctuation(line: &str, random: &mut Random) -> String {
    let mut changed = String::with_capacity(line.len() + 8);
    for character in line.chars() {
        if !matches!(character, '.' | ',' | ';' | ':' | '!' | '?' | '。' | '、' | '，' | '؟' | '،')
        {
            changed.push(character);
            continue;
        }
        match random.below(4) {
            0 => {}
            1 => changed.extend([character, character]),
            2 => changed.extend([' ', character]),
            _ => changed.push(character),
        }
    }
    changed
}

/// The same words, which are never translated, in front or at the end of both sides.
fn add_placeholder(sides: &mut [String; 2], random: &mut Random) {
    let number = random.below(100);
    let placeholder = match random.below(4) {
        0 => format!("{{{number}}}"),
        1 => format!("%{number}$s"),
        2 => format!("<x{number}>"),
        _ => format!("__{number}__"),
    };
    match random.below(2) {
        0 => sides.iter_mut().for_each(|side| side.insert_str(0, &format!("{placeholder} "))),
        _ => sides.iter_mut().for_each(|side| side.push_str(&format!(" {placeholder}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wdistill_text::{SubwordModel, TokenList, Vocabulary, VocabularySettings};

    const SOURCE: &str = "The captain's ship, the old one, sails at 5.";
    const TARGET: &str = "Das Schiff des Kapitäns, das alte, segelt um 5.";

    fn vocabularies(model: SubwordModel) -> Arc<VocabularyPair> {
        let learned = Vocabulary::train(
            [SOURCE, TARGET, "ship sails captain"],
            &VocabularySettings::new(model, 310),
        );
        let vocabulary = learned.unwrap().vocabulary;
        Arc::new(VocabularyPair { source: vocabulary.clone(), target: vocabulary })
    }

    /// The text of a pair that is changed in one way for certain.
    fn changed(way: Modification, seed: u64) -> (String, String, Vec<u32>) {
        changed_by(SubwordModel::Bpe, way, seed)
    }

    fn changed_by(model: SubwordModel, way: Modification, seed: u64) -> (String, String, Vec<u32>) {
        let vocabularies = vocabularies(model);
        let probabilities = Probabilities::from([(way, 1.0)]);
        let modifiers = Modifiers::new(probabilities, vocabularies.clone(), 500).unwrap();
        let found = modifiers.modify(SOURCE, TARGET, Random::new(seed)).unwrap();
        assert_eq!(found.ways, [way]);
        let text = |ids: &[u32]| vocabularies.source.decode(ids).unwrap();
        (text(&found.source), text(&found.target), found.source)
    }

    #[test]
    fn capitals_are_those_of_both_sides() {
        let (source, target, _) = changed(Modification::UpperCase, 1);
        assert_eq!(source, "THE CAPTAIN'S SHIP, THE OLD ONE, SAILS AT 5.");
        assert_eq!(target, "DAS SCHIFF DES KAPITÄNS, DAS ALTE, SEGELT UM 5.");
        let (source, target, _) = changed(Modification::TitleCase, 1);
        assert_eq!(source, "The Captain's Ship, The Old One, Sails At 5.");
        assert_eq!(target, "Das Schiff Des Kapitäns, Das Alte, Segelt Um 5.");
    }

    #[test]
    fn slips_and_marks_change_the_source_alone() {
        for way in [Modification::Typos, Modification::Punctuation] {
            let found: Vec<_> = (0..20).map(|seed| changed(way, seed)).collect();
            assert!(found.iter().all(|(_, target, _)| target == TARGET));
            let other = found.iter().filter(|(source, ..)| source != SOURCE).count();
            assert!(other > 15, "{way:?}: {other} of 20");
            let (length, expected) = (found[3].0.chars().count(), SOURCE.chars().count());
            assert!(length.abs_diff(expected) <= 6, "{}", found[3].0);
        }
    }

    #[test]
    fn a_placeholder_stands_at_the_same_end_of_both_sides() {
        for seed in 0..20 {
            let (source, target, _) = changed(Modification::Placeholders, seed);
            let front = source.strip_suffix(SOURCE).zip(target.strip_suffix(TARGET));
            let end = source.strip_prefix(SOURCE).zip(target.strip_prefix(TARGET));
            let (one, other) = front.or(end).unwrap();
            assert!(one == other && one.trim().chars().count() >= 3, "{source}");
        }
    }

    #[test]
    fn sampled_subwords_are_others_of_the_same_text() {
        for model in [SubwordModel::Bpe, SubwordModel::Unigram] {
            let way = Modification::SubwordSampling;
            let (source, target, ids) = changed_by(model, way, 1);
            assert_eq!((&*source, &*target), (SOURCE, TARGET));
            let usual = vocabularies(model).source.encode(SOURCE);
            assert!(ids.len() > usual.len(), "{} and {}", ids.len(), usual.len());
            assert_eq!(ids, changed_by(model, way, 1).2);
            assert_ne!(ids, changed_by(model, way, 2).2);
        }
        let sampling = Probabilities::from([(Modification::SubwordSampling, 0.1)]);
        let tokens = ["</s>", "<unk>", "ship"].map(str::to_string).into();
        let list = TokenList { tokens, end: 0, unknown: 1, controls: Vec::new() };
        let words = Vocabulary::from_words(list).unwrap();
        let words = Arc::new(VocabularyPair { source: words.clone(), target: words });
        assert!(Modifiers::new(sampling, words, 500).is_none());
    }

    #[test]
    fn each_way_has_its_share_and_what_becomes_too_long_stays() {
        let probabilities =
            Probabilities::from([(Modification::UpperCase, 0.3), (Modification::Typos, 0.1)]);
        let vocabularies = vocabularies(SubwordModel::Bpe);
        let modifiers = Modifiers::new(probabilities.clone(), vocabularies.clone(), 500).unwrap();
        let mut counts = BTreeMap::new();
        for seed in 0..4000 {
            let ways = modifiers.modify(SOURCE, TARGET, Random::for_stream(1, seed));
            for way in ways.into_iter().flat_map(|found| found.ways) {
                *counts.entry(way).or_insert(0) += 1;
            }
        }
        // 1,200 and 400 expected, with deviations of 29 and 19.
        let (upper, typos) = (counts[&Modification::UpperCase], counts[&Modification::Typos]);
        assert!((1050..1350).contains(&upper) && (300..500).contains(&typos), "{counts:?}");
        let short = Modifiers::new(probabilities, vocabularies, 20).unwrap();
        assert!((0..50).all(|seed| short.modify(SOURCE, TARGET, Random::new(seed)).is_none()));
    }
}
