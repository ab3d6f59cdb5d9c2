//! Random choice of an abstract sentence.

use crate::calendar::{Clock, Day, DayPart, Direction, Minutes, Round, Time};
use crate::grammar::{
    Amount, Clause, ClausePosition, Conjunction, Destination, Determiner, Manner, Nominal,
    NounPhrase, Number, Polarity, Predicate, Pronoun, Relative, Sentence, Subject, Tense,
    TimePosition,
};
use crate::lexicon::times::{MONTHS, SPANS, WEEKDAYS};
use crate::lexicon::{
    Adjective, Class, Modifier, Noun, Period, Verb, adjectives, nouns, places, verbs,
};
use crate::random::Random;

/// How many adverbials a clause may carry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fullness {
    /// The only clause of its sentence.
    Full,
    /// One of two clauses.
    Lean,
}

/// Draws one sentence.
pub(crate) fn sentence(random: &mut Random) -> Sentence {
    match random.below(100) {
        0..28 => Sentence::Simple(main_clause(random, Fullness::Full)),
        28..46 => replacement(random),
        46..63 => reported(random),
        63..79 => joined(random),
        79..92 => circumstantial(random),
        _ => price(random),
    }
}

fn main_clause(random: &mut Random, fullness: Fullness) -> Clause {
    let subject = subject(random);
    let tense = tense(random);
    let position = if random.percent(35) { TimePosition::Front } else { TimePosition::Inside };
    clause(random, subject, tense, fullness, position)
}

fn replacement(random: &mut Random) -> Sentence {
    let mut clause = main_clause(random, Fullness::Lean);
    clause.tense = match random.below(3) {
        0 => Tense::Past(Polarity::Positive),
        1 => Tense::Future(Polarity::Positive),
        _ => Tense::Modal(random.choose(verbs::MODALS)),
    };
    clause.time = Some(time(random, clause.tense));
    clause.cause = None;
    let verb = random.choose(&verbs::ON_THINGS[..5]);
    let class = *random.choose(&[Class::Furniture, Class::Clothing, Class::Device, Class::Vehicle]);
    let (determiner, number) = new_determiner(random);
    let object = thing(random, class, determiner, number);
    clause.predicate = Predicate::Transitive { verb, object };
    clause.place = random.percent(40).then(|| random.choose(places::PLACES));
    clause.manner = random.percent(15).then(|| manner(random, &clause.subject));
    let adjective = other_adjective(random, adjectives::OF_THE_REPLACED, object.adjective);
    let judgement = random.choose(adjectives::JUDGEMENTS);
    Sentence::Replacement { clause, replaced: object, adjective, judgement }
}

fn reported(random: &mut Random) -> Sentence {
    let speaker = adult(random, None);
    let tense = tense(random);
    let subject = match random.below(3) {
        0 => Subject::Pronoun(Subject::Phrase(speaker).pronoun()),
        _ => Subject::Phrase(adult(random, Some(speaker.nominal.head))),
    };
    let clause = clause(random, subject, tense, Fullness::Full, TimePosition::Inside);
    Sentence::Reported { speaker, report: random.choose(verbs::REPORTS), clause }
}

fn joined(random: &mut Random) -> Sentence {
    let first = subject(random);
    let second = Subject::Pronoun(first.pronoun());
    let past = Tense::Past(Polarity::Positive);
    let (conjunction, tense, second_tense) = match random.below(4) {
        0 => (Conjunction::After, past, Tense::PastPerfect),
        1 => (Conjunction::Before, past, past),
        2 => {
            let modal = Tense::Modal(random.choose(verbs::MODALS));
            (Conjunction::Because, Tense::Future(polarity(random)), modal)
        }
        _ => (Conjunction::Although, Tense::Past(polarity(random)), Tense::Past(polarity(random))),
    };
    let position = clause_position(random);
    let time_position = match position {
        ClausePosition::Behind if random.percent(35) => TimePosition::Front,
        _ => TimePosition::Inside,
    };
    let clause = self::clause(random, first, tense, Fullness::Lean, time_position);
    let mut subordinate =
        self::clause(random, second, second_tense, Fullness::Lean, TimePosition::Inside);
    if matches!(conjunction, Conjunction::Before | Conjunction::After) {
        // The conjunction says when; a second time would contradict it.
        subordinate.time = None;
    }
    Sentence::Joined { clause, conjunction, subordinate: Box::new(subordinate), position }
}

fn circumstantial(random: &mut Random) -> Sentence {
    let circumstance = random.choose(verbs::CIRCUMSTANCES);
    let tense = match circumstance.period {
        Period::Past => Tense::Past(polarity(random)),
        Period::Future => Tense::Future(polarity(random)),
    };
    let subject = subject(random);
    let position = clause_position(random);
    let clause = clause(random, subject, tense, Fullness::Lean, TimePosition::Inside);
    Sentence::Circumstantial { clause, circumstance, position }
}

fn price(random: &mut Random) -> Sentence {
    let class = class(random, &verbs::ON_THINGS[0]);
    let (determiner, number) = match random.below(4) {
        0 => new_determiner(random),
        _ => known_determiner(random, None),
    };
    let thing = thing(random, class, determiner, number);
    Sentence::Price { thing, place: random.choose(places::PLACES), amount: amount(random) }
}

fn clause_position(random: &mut Random) -> ClausePosition {
    if random.percent(35) { ClausePosition::Front } else { ClausePosition::Behind }
}

fn polarity(random: &mut Random) -> Polarity {
    if random.percent(15) { Polarity::Negated } else { Polarity::Positive }
}

fn tense(random: &mut Random) -> Tense {
    match random.below(100) {
        0..40 => Tense::Past(polarity(random)),
        40..60 => Tense::Future(polarity(random)),
        60..78 => Tense::Modal(random.choose(verbs::MODALS)),
        78..92 => Tense::Present(polarity(random)),
        _ => Tense::Control(random.choose(verbs::CONTROLS)),
    }
}

fn clause(
    random: &mut Random,
    subject: Subject,
    tense: Tense,
    fullness: Fullness,
    time_position: TimePosition,
) -> Clause {
    let predicate = predicate(random, &subject, tense.polarity());
    let (time_chance, other_chance) = match fullness {
        Fullness::Full => (75, 40),
        Fullness::Lean => (35, 20),
    };
    // Without *every Monday*, *they read the book* could be past as well as present.
    let time_chance = if matches!(tense, Tense::Present(_)) { 100 } else { time_chance };
    let may_have_time = !matches!(tense, Tense::Control(_)) || time_position == TimePosition::Front;
    let mut clause = Clause {
        subject,
        predicate,
        tense,
        time: (may_have_time && random.percent(time_chance)).then(|| time(random, tense)),
        time_position,
        cause: None,
        manner: random.percent(other_chance).then(|| manner(random, &subject)),
        place: None,
    };
    match predicate {
        Predicate::Motion { verb, .. } => {
            let by_vehicle = verbs::TRAVELLING.iter().any(|other| std::ptr::eq(other, verb));
            clause.manner = match by_vehicle && random.percent(70) {
                true => Some(Manner::By(random.choose(places::VEHICLES))),
                false => clause.manner,
            };
            clause.cause = random.percent(other_chance / 2).then(|| cause(random));
        }
        _ => clause.place = random.percent(other_chance).then(|| random.choose(places::PLACES)),
    }
    clause
}

fn predicate(random: &mut Random, subject: &Subject, polarity: Polarity) -> Predicate {
    match random.below(100) {
        0..45 => {
            let verb = random.choose(verbs::ON_THINGS);
            Predicate::Transitive { verb, object: object(random, verb, polarity, subject) }
        }
        45..60 => {
            let object = person(random, subject);
            Predicate::Transitive { verb: random.choose(verbs::ON_PEOPLE), object }
        }
        60..76 => {
            let verb = random.choose(verbs::GIVING);
            let recipient = person(random, subject);
            let object = object(random, verb, polarity, subject);
            Predicate::Giving { verb, recipient, object }
        }
        76..93 => motion(random),
        _ => {
            let class = class(random, &verbs::ON_THINGS[0]);
            let (determiner, number) = new_determiner(random);
            let object = thing(random, class, determiner, number);
            Predicate::Payment { amount: amount(random), object }
        }
    }
}

fn motion(random: &mut Random) -> Predicate {
    let (table, to_city) = match random.below(5) {
        0 | 1 => (verbs::WALKING, false),
        2 | 3 => (verbs::TRAVELLING, random.percent(70)),
        _ => (verbs::MOVING, true),
    };
    let destination = match to_city {
        true => Destination::City(random.choose(places::CITIES)),
        false => Destination::Place(random.choose(places::PLACES)),
    };
    Predicate::Motion { verb: random.choose(table), destination }
}

/// Subjects: mostly a person, sometimes a pronoun.
fn subject(random: &mut Random) -> Subject {
    if random.percent(20) {
        let pronouns = [Pronoun::He, Pronoun::She, Pronoun::We, Pronoun::They];
        Subject::Pronoun(*random.choose(&pronouns))
    } else {
        Subject::Phrase(adult(random, None))
    }
}

/// A person who may be a subject, perhaps with a relative clause, and not `other`.
fn adult(random: &mut Random, other: Option<&Noun>) -> NounPhrase {
    let head = loop {
        let head = random.choose(nouns::ADULTS);
        if other.is_none_or(|other| !std::ptr::eq(head, other)) {
            break head;
        }
    };
    let (determiner, number) = known_determiner(random, None);
    let relative = random.percent(10).then(|| relative(random));
    NounPhrase {
        determiner,
        number,
        adjective: random.percent(30).then(|| random.choose(adjectives::OF_PEOPLE)),
        nominal: Nominal { modifier: None, head, content: None },
        relative,
    }
}

fn relative(random: &mut Random) -> Relative {
    match random.below(3) {
        0 => Relative::Lives(random.choose(places::CITIES)),
        1 => Relative::Comes(random.choose(places::CITIES)),
        _ => Relative::Works(random.choose(places::PLACES)),
    }
}

/// A person as an object: not the subject, no relative clause, children too.
fn person(random: &mut Random, subject: &Subject) -> NounPhrase {
    let head = match subject {
        Subject::Phrase(phrase) => Some(phrase.nominal.head),
        Subject::Pronoun(_) => None,
    };
    let mut person = adult(random, head);
    person.relative = None;
    if random.percent(15) {
        person.nominal.head = random.choose(nouns::CHILDREN);
    }
    (person.determiner, person.number) = known_determiner(random, Some(subject));
    person
}

fn object(random: &mut Random, verb: &Verb, polarity: Polarity, subject: &Subject) -> NounPhrase {
    let class = class(random, verb);
    let (determiner, number) = match (polarity, random.percent(55)) {
        (Polarity::Negated, true) => (Determiner::Negative, number(random)),
        (Polarity::Positive, true) => new_determiner(random),
        (_, false) => known_determiner(random, Some(subject)),
    };
    thing(random, class, determiner, number)
}

fn class(random: &mut Random, verb: &Verb) -> Class {
    *random.choose(verb.classes)
}

fn number(random: &mut Random) -> Number {
    if random.percent(50) { Number::Plural } else { Number::Singular }
}

fn new_determiner(random: &mut Random) -> (Determiner, Number) {
    match random.below(10) {
        0..4 => (Determiner::Indefinite, Number::Singular),
        4..8 => (Determiner::Count(count(random)), Number::Plural),
        8 => (Determiner::Several, Number::Plural),
        _ => (Determiner::Many, Number::Plural),
    }
}

fn known_determiner(random: &mut Random, subject: Option<&Subject>) -> (Determiner, Number) {
    match random.below(20) {
        0..9 => (Determiner::Definite, number_mostly_singular(random)),
        9 | 10 => (Determiner::This, number(random)),
        11 | 12 => (Determiner::DefiniteCount(random.between(2, 12)), Number::Plural),
        13..16 => (Determiner::Owner(random.choose(nouns::ADULTS)), number_mostly_singular(random)),
        _ => {
            let possessor = match subject {
                Some(subject) => subject.pronoun().possessor(),
                None if random.percent(50) => crate::grammar::Possessor::My,
                None => crate::grammar::Possessor::Our,
            };
            (Determiner::Possessive(possessor), number_mostly_singular(random))
        }
    }
}

fn number_mostly_singular(random: &mut Random) -> Number {
    if random.percent(70) { Number::Singular } else { Number::Plural }
}

/// Counts from two, never ending in *one hundred and one*, whose German *eins* would inflect.
fn count(random: &mut Random) -> u16 {
    match random.below(10) {
        0..6 => random.between(2, 12),
        6..9 => random.between(13, 99),
        _ => loop {
            let count = random.between(100, 999);
            if count % 100 != 1 {
                break count;
            }
        },
    }
}

fn amount(random: &mut Random) -> Amount {
    match random.below(10) {
        0..3 => Amount::Words { euros: count(random), cents: 5 * random.between(1, 19) },
        3..7 => Amount::Words { euros: count(random), cents: 0 },
        _ => Amount::Figures { euros: random.between(2, 2999), cents: 5 * random.between(0, 19) },
    }
}

fn thing(random: &mut Random, class: Class, determiner: Determiner, number: Number) -> NounPhrase {
    let nominal = nominal(random, class);
    let adjectives = match class {
        Class::Food => Some(adjectives::OF_FOOD),
        Class::Drink | Class::HotDrink | Class::Provisions => None,
        _ => Some(adjectives::OF_THINGS),
    };
    let adjective = adjectives.filter(|_| random.percent(45)).map(|table| random.choose(table));
    NounPhrase { determiner, number, adjective, nominal, relative: None }
}

fn nominal(random: &mut Random, class: Class) -> Nominal {
    match class {
        Class::Furniture => perhaps_compound(random, nouns::ROOM_MODIFIERS, nouns::FURNITURE),
        Class::Clothing => perhaps_compound(random, nouns::CLOTHING_MODIFIERS, nouns::CLOTHING),
        Class::Device => plain(random, nouns::DEVICES),
        Class::Vehicle => plain(random, nouns::VEHICLES),
        Class::Instrument => plain(random, nouns::INSTRUMENTS),
        Class::Document => plain(random, nouns::DOCUMENTS),
        Class::Ticket => compound(random, nouns::TICKET_MODIFIERS, nouns::TICKETS),
        Class::Food => match random.below(3) {
            0 => plain(random, nouns::FOOD),
            1 => compound(random, nouns::SAVOURY_MODIFIERS, nouns::SAVOURY_DISHES),
            _ => compound(random, nouns::SWEET_MODIFIERS, nouns::SWEET_DISHES),
        },
        Class::Drink => quantity(random, nouns::DRINK_CONTAINERS, nouns::DRINKS),
        Class::HotDrink => quantity(random, nouns::HOT_DRINK_CONTAINERS, nouns::HOT_DRINKS),
        Class::Provisions => quantity(random, nouns::PROVISION_CONTAINERS, nouns::PROVISIONS),
    }
}

fn plain(random: &mut Random, heads: &'static [Noun]) -> Nominal {
    Nominal { modifier: None, head: random.choose(heads), content: None }
}

fn compound(
    random: &mut Random,
    modifiers: &'static [Modifier],
    heads: &'static [Noun],
) -> Nominal {
    Nominal { modifier: Some(random.choose(modifiers)), ..plain(random, heads) }
}

fn perhaps_compound(
    random: &mut Random,
    modifiers: &'static [Modifier],
    heads: &'static [Noun],
) -> Nominal {
    if random.percent(60) { compound(random, modifiers, heads) } else { plain(random, heads) }
}

fn quantity(
    random: &mut Random,
    containers: &'static [Noun],
    contents: &'static [nouns::Substance],
) -> Nominal {
    Nominal { content: Some(random.choose(contents)), ..plain(random, containers) }
}

/// An adjective that is not `taken`, so that the old ones do not replace old ones.
fn other_adjective(
    random: &mut Random,
    table: &'static [Adjective],
    taken: Option<&Adjective>,
) -> &'static Adjective {
    loop {
        let adjective = random.choose(table);
        if taken.is_none_or(|taken| taken.english != adjective.english) {
            return adjective;
        }
    }
}

fn cause(random: &mut Random) -> NounPhrase {
    let class = *random.choose(&[
        Class::Furniture,
        Class::Device,
        Class::Vehicle,
        Class::Document,
        Class::Ticket,
    ]);
    let (determiner, number) = match random.below(3) {
        0 => (Determiner::This, number_mostly_singular(random)),
        _ => (Determiner::Definite, number_mostly_singular(random)),
    };
    thing(random, class, determiner, number)
}

fn manner(random: &mut Random, subject: &Subject) -> Manner {
    if random.percent(60) {
        Manner::With(person(random, subject))
    } else {
        let &(english, german) = random.choose(verbs::ADVERBS);
        Manner::Adverb { english, german }
    }
}

fn time(random: &mut Random, tense: Tense) -> Time {
    let day = match tense {
        Tense::Present(_) => Day::EveryWeekday(weekday(random)),
        Tense::Past(_) | Tense::PastPerfect | Tense::Control(_) => past_day(random),
        Tense::Future(_) | Tense::Modal(_) => coming_day(random),
    };
    let clock = match day {
        Day::WeekdayPart(..) | Day::Year(_) | Day::Month(_) | Day::Span { .. } => None,
        Day::FullDate { .. } | Day::DateInWords { .. } => {
            random.percent(20).then(|| clock(random, day))
        }
        _ => random.percent(45).then(|| clock(random, day)),
    };
    Time { day, clock }
}

fn weekday(random: &mut Random) -> usize {
    random.below(WEEKDAYS.len() as u64) as usize
}

fn month(random: &mut Random) -> usize {
    random.below(MONTHS.len() as u64) as usize
}

fn past_day(random: &mut Random) -> Day {
    match random.below(10) {
        0 => full_date(random, 1900, 2024),
        1 => Day::Year(random.between(1850, 1999)),
        2 => Day::LastWeekday(weekday(random)),
        3 => Day::Yesterday,
        4 => span(random, Direction::Ago),
        _ => any_day(random),
    }
}

fn coming_day(random: &mut Random) -> Day {
    match random.below(10) {
        0 => full_date(random, 2027, 2059),
        1 | 2 => Day::NextWeekday(weekday(random)),
        3 => Day::Tomorrow,
        4 => span(random, Direction::Ahead),
        _ => any_day(random),
    }
}

fn any_day(random: &mut Random) -> Day {
    match random.below(10) {
        0..4 => Day::Weekday(weekday(random)),
        4..7 => {
            let parts = [DayPart::Morning, DayPart::Afternoon, DayPart::Evening, DayPart::Night];
            Day::WeekdayPart(weekday(random), *random.choose(&parts))
        }
        7 | 8 => {
            let month = month(random);
            Day::DateInWords { day: random.between(1, MONTHS[month].2), month }
        }
        _ => Day::Month(month(random)),
    }
}

fn full_date(random: &mut Random, first: u16, last: u16) -> Day {
    let month = month(random);
    Day::FullDate {
        weekday: weekday(random),
        day: random.between(1, MONTHS[month].2),
        month,
        year: random.between(first, last),
    }
}

fn span(random: &mut Random, direction: Direction) -> Day {
    let span = random.below(SPANS.len() as u64) as usize;
    Day::Span { count: random.between(1, 12), span, direction }
}

fn clock(random: &mut Random, day: Day) -> Clock {
    let hour = random.between(1, 12);
    let minutes = match random.below(12) {
        0..3 => Minutes::Full,
        3 => Minutes::QuarterPast,
        4 => Minutes::QuarterTo,
        5..8 => Minutes::Half,
        8 => Minutes::Past(*random.choose(&[5, 10, 20])),
        9 => Minutes::To(*random.choose(&[5, 10, 20])),
        10 => Minutes::TwentyFivePast,
        _ => Minutes::TwentyFiveTo,
    };
    let round = if random.percent(50) { Round::BeforeNoon } else { Round::AfterNoon };
    // *gestern* and *morgen* do not go well with *morgens* and its kind.
    let adverbs_fit = !matches!(day, Day::Yesterday | Day::Tomorrow);
    let named = adverbs_fit && random.percent(35);
    let part = if named { DayPart::of_hour(hour, round) } else { None };
    Clock { hour, minutes, part }
}
