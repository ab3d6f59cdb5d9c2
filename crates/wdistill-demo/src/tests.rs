//! Tests of whole sentences and of the task; expected German is written by hand.

use crate::calendar::{Clock, Day, Minutes, Time};
use crate::german::Case;
use crate::grammar::*;
use crate::lexicon::{Noun, adjectives, nouns, places, times, verbs};
use crate::{Error, LONGEST, Pair, SHORTEST, Sizes, Task, divide, english, generate, german};
use std::collections::HashSet;

const SIZES: Sizes = Sizes { train: 20_000, validation: 500, test: 500 };

fn noun(english: &str) -> &'static Noun {
    [
        nouns::ADULTS,
        nouns::CHILDREN,
        nouns::FURNITURE,
        nouns::VEHICLES,
        nouns::DOCUMENTS,
        nouns::FOOD,
        nouns::DRINK_CONTAINERS,
        nouns::PROVISION_CONTAINERS,
    ]
    .into_iter()
    .flatten()
    .find(|noun| noun.english == english)
    .expect("a noun of the lexicon")
}

fn phrase(determiner: Determiner, adjective: &str, noun_english: &str) -> NounPhrase {
    let number = match determiner {
        Determiner::Count(_)
        | Determiner::DefiniteCount(_)
        | Determiner::Several
        | Determiner::Many => Number::Plural,
        _ => Number::Singular,
    };
    let adjective = (!adjective.is_empty()).then(|| {
        [adjectives::OF_THINGS, adjectives::OF_PEOPLE, adjectives::OF_FOOD]
            .into_iter()
            .flatten()
            .find(|entry| entry.english == adjective)
            .expect("an adjective of the lexicon")
    });
    let nominal = Nominal { modifier: None, head: noun(noun_english), content: None };
    NounPhrase { determiner, number, adjective, nominal, relative: None }
}

fn plural(phrase: NounPhrase) -> NounPhrase {
    NounPhrase { number: Number::Plural, ..phrase }
}

fn the(noun: &str) -> NounPhrase {
    phrase(Determiner::Definite, "", noun)
}

fn kitchen(mut phrase: NounPhrase) -> NounPhrase {
    phrase.nominal.modifier = nouns::ROOM_MODIFIERS.iter().find(|entry| entry.english == "kitchen");
    phrase
}

fn of(mut phrase: NounPhrase, content: &str) -> NounPhrase {
    phrase.nominal.content =
        nouns::DRINKS.iter().chain(nouns::PROVISIONS).find(|entry| entry.english == content);
    assert!(phrase.nominal.content.is_some());
    phrase
}

fn verb(base: &str) -> &'static crate::lexicon::Verb {
    [
        verbs::ON_THINGS,
        verbs::ON_PEOPLE,
        verbs::GIVING,
        verbs::WALKING,
        verbs::TRAVELLING,
        verbs::MOVING,
    ]
    .into_iter()
    .flatten()
    .find(|verb| verb.english_base == base)
    .expect("a verb of the lexicon")
}

fn transitive(base: &str, object: NounPhrase) -> Predicate {
    Predicate::Transitive { verb: verb(base), object }
}

fn place(english: &str) -> &'static crate::lexicon::Place {
    places::PLACES.iter().find(|place| place.english == english).expect("a place of the lexicon")
}

fn clause(subject: NounPhrase, tense: Tense, predicate: Predicate) -> Clause {
    Clause {
        subject: Subject::Phrase(subject),
        predicate,
        tense,
        time: None,
        time_position: TimePosition::Inside,
        cause: None,
        manner: None,
        place: None,
    }
}

fn on(weekday: usize) -> Option<Time> {
    Some(Time { day: Day::Weekday(weekday), clock: None })
}

const PAST: Tense = Tense::Past(Polarity::Positive);
const PRESENT: Tense = Tense::Present(Polarity::Positive);
const FUTURE: Tense = Tense::Future(Polarity::Positive);

#[track_caller]
fn translates(sentence: &Sentence, english: &str, german: &str) {
    assert_eq!(english::sentence(sentence), english);
    assert_eq!(german::sentence(sentence), german);
}

#[test]
fn verb_bracket_time_before_object_and_agreement_across_clauses() {
    let tables = kitchen(phrase(Determiner::Count(3), "", "table"));
    let clock = Some(Clock { hour: 4, minutes: Minutes::Half, part: None });
    let sentence = Sentence::Replacement {
        clause: Clause {
            time: Some(Time { day: Day::Weekday(0), clock }),
            ..clause(the("teacher"), FUTURE, transitive("buy", tables))
        },
        replaced: tables,
        adjective: &adjectives::OF_THE_REPLACED[0],
        judgement: &adjectives::JUDGEMENTS[0],
    };
    translates(
        &sentence,
        "The teacher will buy three kitchen tables on Monday at half past four because the old \
         ones are broken.",
        "Die Lehrerin wird am Montag um halb fünf drei Küchentische kaufen, weil die alten kaputt \
         sind.",
    );
}

#[test]
fn the_old_one_takes_the_gender_of_its_antecedent() {
    for (thing, german) in [
        ("chair", "Der Arzt hat einen Stuhl gekauft, weil der alte kaputt ist."),
        ("lamp", "Der Arzt hat eine Lampe gekauft, weil die alte kaputt ist."),
        ("shelf", "Der Arzt hat ein Regal gekauft, weil das alte kaputt ist."),
    ] {
        let object = phrase(Determiner::Indefinite, "", thing);
        let sentence = Sentence::Replacement {
            clause: clause(the("doctor"), PAST, transitive("buy", object)),
            replaced: object,
            adjective: &adjectives::OF_THE_REPLACED[0],
            judgement: &adjectives::JUDGEMENTS[0],
        };
        assert_eq!(german::sentence(&sentence), german);
    }
}

#[test]
fn separable_verbs_in_every_position() {
    let letter = || transitive("pick up", the("letter"));
    let on_monday = |clause: Clause| Clause { time: on(0), ..clause };
    let simple = |tense| Sentence::Simple(on_monday(clause(the("doctor"), tense, letter())));
    translates(
        &simple(PRESENT),
        "The doctor picks up the letter on Monday.",
        "Der Arzt holt den Brief am Montag ab.",
    );
    translates(
        &simple(PAST),
        "The doctor picked up the letter on Monday.",
        "Der Arzt hat den Brief am Montag abgeholt.",
    );
    translates(
        &simple(Tense::Modal(&verbs::MODALS[2])),
        "The doctor must pick up the letter on Monday.",
        "Der Arzt muss den Brief am Montag abholen.",
    );
    let reported = |tense| Sentence::Reported {
        speaker: plural(the("neighbour")),
        report: &verbs::REPORTS[0],
        clause: clause(the("doctor"), tense, letter()),
    };
    translates(
        &reported(PRESENT),
        "The neighbours say that the doctor picks up the letter.",
        "Die Nachbarn sagen, dass der Arzt den Brief abholt.",
    );
    translates(
        &reported(Tense::Control(&verbs::CONTROLS[0])),
        "The neighbours say that the doctor forgot to pick up the letter.",
        "Die Nachbarn sagen, dass der Arzt vergessen hat, den Brief abzuholen.",
    );
    let mut controlled = clause(the("doctor"), Tense::Control(&verbs::CONTROLS[1]), letter());
    controlled.predicate = transitive("buy", phrase(Determiner::Indefinite, "new", "car"));
    controlled.time = on(0);
    controlled.time_position = TimePosition::Front;
    translates(
        &Sentence::Simple(controlled),
        "On Monday the doctor tried to buy a new car.",
        "Am Montag hat der Arzt versucht, ein neues Auto zu kaufen.",
    );
}

#[test]
fn fronting_inverts_subject_and_verb() {
    let mut main = clause(
        the("lawyer"),
        PAST,
        Predicate::Motion {
            verb: verb("travel"),
            destination: Destination::City(&places::CITIES[2]),
        },
    );
    main.manner = Some(Manner::By(&places::VEHICLES[0]));
    main.time = Some(Time {
        day: Day::FullDate { weekday: 1, day: 23, month: 2, year: 1987 },
        clock: None,
    });
    main.time_position = TimePosition::Front;
    translates(
        &Sentence::Simple(main),
        "On Tuesday, the 23rd of March 1987, the lawyer travelled to Munich by train.",
        "Am Dienstag, dem 23. März 1987, ist die Anwältin mit dem Zug nach München gefahren.",
    );
    main.time_position = TimePosition::Inside;
    translates(
        &Sentence::Simple(main),
        "The lawyer travelled to Munich by train on Tuesday, the 23rd of March 1987.",
        "Die Anwältin ist am Dienstag, dem 23. März 1987, mit dem Zug nach München gefahren.",
    );
    main.time = on(4);
    translates(
        &Sentence::Circumstantial {
            clause: main,
            circumstance: &verbs::CIRCUMSTANCES[0],
            position: ClausePosition::Front,
        },
        "Although it rained the whole day, the lawyer travelled to Munich by train on Friday.",
        "Obwohl es den ganzen Tag geregnet hat, ist die Anwältin am Freitag mit dem Zug nach \
         München gefahren.",
    );
}

#[test]
fn joined_clauses_end_with_their_verbs() {
    let second = Clause {
        subject: Subject::Pronoun(Pronoun::She),
        ..clause(
            the("teacher"),
            Tense::PastPerfect,
            transitive("eat", phrase(Determiner::Count(2), "sour", "apple")),
        )
    };
    let first = clause(
        the("teacher"),
        PAST,
        Predicate::Motion { verb: verb("go"), destination: Destination::Place(place("library")) },
    );
    let joined = |conjunction, position| Sentence::Joined {
        clause: first,
        conjunction,
        subordinate: Box::new(second),
        position,
    };
    translates(
        &joined(Conjunction::After, ClausePosition::Behind),
        "The teacher went to the library after she had eaten two sour apples.",
        "Die Lehrerin ist zur Bibliothek gegangen, nachdem sie zwei saure Äpfel gegessen hatte.",
    );
    translates(
        &joined(Conjunction::After, ClausePosition::Front),
        "After she had eaten two sour apples, the teacher went to the library.",
        "Nachdem sie zwei saure Äpfel gegessen hatte, ist die Lehrerin zur Bibliothek gegangen.",
    );
}

#[test]
fn negation_is_kein_or_nicht() {
    let negated = Tense::Past(Polarity::Negated);
    let no = phrase(Determiner::Negative, "new", "car");
    for (object, english, german) in [
        (
            no,
            "The doctor did not buy a new car on Monday.",
            "Der Arzt hat am Montag kein neues Auto gekauft.",
        ),
        (
            plural(no),
            "The doctor did not buy any new cars on Monday.",
            "Der Arzt hat am Montag keine neuen Autos gekauft.",
        ),
        (
            the("car"),
            "The doctor did not buy the car on Monday.",
            "Der Arzt hat das Auto am Montag nicht gekauft.",
        ),
    ] {
        let clause =
            Clause { time: on(0), ..clause(the("doctor"), negated, transitive("buy", object)) };
        translates(&Sentence::Simple(clause), english, german);
    }
}

#[test]
fn recipients_and_dative_verbs() {
    let giving =
        |base, recipient, object| Predicate::Giving { verb: verb(base), recipient, object };
    let apple = phrase(Determiner::Indefinite, "fresh", "apple");
    let mut gave = clause(the("woman"), PAST, giving("give", the("boy"), apple));
    gave.time = on(0);
    translates(
        &Sentence::Simple(gave),
        "The woman gave the boy a fresh apple on Monday.",
        "Die Frau hat dem Jungen am Montag einen frischen Apfel gegeben.",
    );
    let novel = phrase(Determiner::This, "", "novel");
    translates(
        &Sentence::Simple(clause(
            the("woman"),
            PRESENT,
            giving("recommend", plural(the("child")), novel),
        )),
        "The woman recommends this novel to the children.",
        "Die Frau empfiehlt den Kindern diesen Roman.",
    );
    translates(
        &Sentence::Simple(clause(
            the("woman"),
            PAST,
            transitive("help", phrase(Determiner::Possessive(Possessor::Her), "old", "uncle")),
        )),
        "The woman helped her old uncle.",
        "Die Frau hat ihrem alten Onkel geholfen.",
    );
}

#[test]
fn owners_causes_and_relative_clauses() {
    let mut subject = the("student");
    subject.relative = Some(Relative::Lives(&places::CITIES[3]));
    let object = phrase(Determiner::Owner(noun("doctor")), "old", "car");
    let mut sold = clause(subject, PAST, transitive("sell", object));
    sold.place = Some(place("market"));
    translates(
        &Sentence::Simple(sold),
        "The student who lives in Vienna sold the doctor's old car at the market.",
        "Der Student, der in Wien wohnt, hat das alte Auto des Arztes auf dem Markt verkauft.",
    );
    let mut hurried = clause(
        the("nurse"),
        PAST,
        Predicate::Motion {
            verb: verb("hurry"),
            destination: Destination::Place(place("station")),
        },
    );
    hurried.cause = Some(phrase(Determiner::Definite, "heavy", "letter"));
    hurried.manner = Some(Manner::With(plural(phrase(Determiner::Definite, "young", "guest"))));
    translates(
        &Sentence::Simple(hurried),
        "The nurse hurried to the station together with the young guests because of the heavy letter.",
        "Die Krankenschwester ist wegen des schweren Briefes zusammen mit den jungen Gästen zum \
         Bahnhof geeilt.",
    );
}

#[test]
fn amounts_and_quantities() {
    let bottles = of(phrase(Determiner::Count(4), "", "bottle"), "red wine");
    let mut paid = clause(
        the("cook"),
        PAST,
        Predicate::Payment { amount: Amount::Words { euros: 245, cents: 50 }, object: bottles },
    );
    paid.time = on(0);
    translates(
        &Sentence::Simple(paid),
        "The cook paid two hundred and forty-five euros and fifty cents for four bottles of red \
         wine on Monday.",
        "Der Koch hat am Montag zweihundertfünfundvierzig Euro und fünfzig Cent für vier Flaschen \
         Rotwein bezahlt.",
    );
    translates(
        &Sentence::Price {
            thing: of(phrase(Determiner::DefiniteCount(3), "", "kilogram"), "potatoes"),
            place: place("bakery"),
            amount: Amount::Figures { euros: 1245, cents: 5 },
        },
        "The three kilograms of potatoes cost 1,245.05 euros in the bakery.",
        "Die drei Kilo Kartoffeln kosten in der Bäckerei 1.245,05 Euro.",
    );
    let kilos = of(phrase(Determiner::Several, "", "kilogram"), "rice");
    assert_eq!(german::noun_phrase(&kilos, Case::Dative), "mehreren Kilo Reis");
}

/// Every ending: four cases of masculine, feminine, neuter and plural after the three kinds of
/// determiner.
#[test]
fn declension_tables() {
    let cases = [Case::Nominative, Case::Accusative, Case::Dative, Case::Genitive];
    let mine = Determiner::Possessive(Possessor::My);
    let table = |determiner, noun| phrase(determiner, "old", noun);
    for (phrase, expected) in [
        (
            table(Determiner::Definite, "table"),
            ["der alte Tisch", "den alten Tisch", "dem alten Tisch", "des alten Tisches"],
        ),
        (
            table(Determiner::Definite, "lamp"),
            ["die alte Lampe", "die alte Lampe", "der alten Lampe", "der alten Lampe"],
        ),
        (
            table(Determiner::Definite, "book"),
            ["das alte Buch", "das alte Buch", "dem alten Buch", "des alten Buches"],
        ),
        (
            plural(table(Determiner::Definite, "book")),
            ["die alten Bücher", "die alten Bücher", "den alten Büchern", "der alten Bücher"],
        ),
        (
            table(Determiner::This, "table"),
            [
                "dieser alte Tisch",
                "diesen alten Tisch",
                "diesem alten Tisch",
                "dieses alten Tisches",
            ],
        ),
        (
            table(Determiner::This, "lamp"),
            ["diese alte Lampe", "diese alte Lampe", "dieser alten Lampe", "dieser alten Lampe"],
        ),
        (
            table(mine, "table"),
            [
                "mein alter Tisch",
                "meinen alten Tisch",
                "meinem alten Tisch",
                "meines alten Tisches",
            ],
        ),
        (
            table(mine, "lamp"),
            ["meine alte Lampe", "meine alte Lampe", "meiner alten Lampe", "meiner alten Lampe"],
        ),
        (
            table(mine, "book"),
            ["mein altes Buch", "mein altes Buch", "meinem alten Buch", "meines alten Buches"],
        ),
        (
            plural(table(mine, "lamp")),
            [
                "meine alten Lampen",
                "meine alten Lampen",
                "meinen alten Lampen",
                "meiner alten Lampen",
            ],
        ),
        (
            table(Determiner::Several, "table"),
            [
                "mehrere alte Tische",
                "mehrere alte Tische",
                "mehreren alten Tischen",
                "mehrerer alter Tische",
            ],
        ),
        (
            table(Determiner::Count(23), "sofa"),
            [
                "dreiundzwanzig alte Sofas",
                "dreiundzwanzig alte Sofas",
                "dreiundzwanzig alten Sofas",
                "dreiundzwanzig alter Sofas",
            ],
        ),
        (
            table(Determiner::DefiniteCount(2), "boy"),
            [
                "die zwei alten Jungen",
                "die zwei alten Jungen",
                "den zwei alten Jungen",
                "der zwei alten Jungen",
            ],
        ),
        (
            table(Determiner::Definite, "neighbour"),
            ["der alte Nachbar", "den alten Nachbarn", "dem alten Nachbarn", "des alten Nachbarn"],
        ),
    ] {
        for (case, expected) in cases.into_iter().zip(expected) {
            assert_eq!(german::noun_phrase(&phrase, case), expected);
        }
    }
}

#[test]
fn english_articles_follow_the_sound() {
    for (adjective, noun, expected) in [
        ("old", "car", "an old car"),
        ("used", "car", "a used car"),
        ("", "apple", "an apple"),
        ("", "uncle", "an uncle"),
        ("new", "apple", "a new apple"),
    ] {
        let phrase = phrase(Determiner::Indefinite, adjective, noun);
        assert_eq!(english::noun_phrase(&phrase), expected);
    }
}

fn parts(task: &Task) -> impl Iterator<Item = &Pair> {
    task.train.iter().chain(&task.validation).chain(&task.test)
}

#[test]
fn parts_are_disjoint_and_free_of_duplicates_on_both_sides() {
    let task = generate(1, SIZES).expect("the grammar is large enough");
    let total = SIZES.train + SIZES.validation + SIZES.test;
    let sizes = (task.train.len(), task.validation.len(), task.test.len());
    assert_eq!(sizes, (SIZES.train, SIZES.validation, SIZES.test));
    let sources: HashSet<&str> = parts(&task).map(|pair| pair.source.as_str()).collect();
    let targets: HashSet<&str> = parts(&task).map(|pair| pair.target.as_str()).collect();
    assert_eq!((sources.len(), targets.len()), (total, total));
}

#[test]
fn the_seed_decides_everything() {
    let sizes = Sizes { train: 300, validation: 50, test: 50 };
    assert_eq!(generate(7, sizes), generate(7, sizes));
    assert_ne!(generate(7, sizes), generate(8, sizes));
}

#[test]
fn test_and_validation_do_not_depend_on_the_amount_of_training_data() {
    let small = generate(7, Sizes { train: 10, validation: 50, test: 50 }).expect("small task");
    let large = generate(7, Sizes { train: 900, validation: 50, test: 50 }).expect("small task");
    assert_eq!((&small.test, &small.validation), (&large.test, &large.validation));
    assert_eq!(small.train[..], large.train[..10]);
}

#[test]
fn an_exhausted_grammar_is_an_error_with_both_numbers() {
    let mut count = 0;
    let seven = || {
        count += 1;
        Pair { source: format!("source {}", count % 7), target: format!("target {}", count % 7) }
    };
    let error = divide(Sizes { train: 5, validation: 2, test: 1 }, seven);
    assert_eq!(error, Err(Error::Exhausted { requested: 8, found: 7, attempts: 10_000 }));
}

#[test]
fn a_pair_with_one_known_side_is_not_new() {
    let mut count = 0;
    let same_target = || {
        count += 1;
        Pair { source: format!("source {count}"), target: "target".to_string() }
    };
    let error = divide(Sizes { train: 2, validation: 0, test: 0 }, same_target);
    assert_eq!(error, Err(Error::Exhausted { requested: 2, found: 1, attempts: 10_000 }));
}

#[test]
fn sizes_that_overflow_are_refused() {
    let sizes = Sizes { train: usize::MAX, validation: 1, test: 0 };
    assert_eq!(
        generate(1, sizes),
        Err(Error::TooLarge { train: usize::MAX, validation: 1, test: 0 })
    );
}

/// By the birthday bound, `n` draws from `m` equally likely sentences collide about `n² / 2m`
/// times, and more often when they are not equally likely. No more than 10 collisions among
/// 20,000 draws therefore speak for at least 20 million sentences.
#[test]
fn there_are_millions_of_sentences() {
    let mut random = crate::random::Random::new(11);
    let drawn: HashSet<String> = (0..20_000).map(|_| crate::draw(&mut random).source).collect();
    assert!(drawn.len() >= 19_990, "{} different sentences", drawn.len());
}

#[test]
fn lengths_stay_in_range() {
    let task = generate(2, SIZES).expect("the grammar is large enough");
    let words = |text: &str| text.split(' ').count();
    assert!(parts(&task).all(|pair| (SHORTEST..=LONGEST).contains(&words(&pair.source))));
    let mean = |side: fn(&Pair) -> &str| {
        parts(&task).map(|pair| words(side(pair))).sum::<usize>() as f64 / 21_000.0
    };
    let (source, target) = (mean(|pair| &pair.source), mean(|pair| &pair.target));
    assert!((12.0..16.0).contains(&source), "source {source}");
    assert!((11.0..15.0).contains(&target), "target {target}");
}

#[test]
fn sentences_are_well_formed_text() {
    let task = generate(3, SIZES).expect("the grammar is large enough");
    for text in parts(&task).flat_map(|pair| [&pair.source, &pair.target]) {
        assert!(
            text.ends_with('.') && text.chars().next().is_some_and(char::is_uppercase),
            "{text}"
        );
        for flaw in ["  ", " ,", ",,", ",.", " ."] {
            assert!(!text.contains(flaw), "{flaw:?} in {text}");
        }
    }
}

/// Words whose translations are known whatever the sentence: pairs of English and German words.
fn anchors() -> Vec<(&'static str, &'static str)> {
    let days = times::WEEKDAYS.iter().copied();
    let cities = places::CITIES.iter().map(|city| (city.english, city.german));
    let grounds = places::PLACES.iter().map(|place| (place.english, place.german));
    let things = [nouns::ADULTS, nouns::DEVICES, nouns::VEHICLES, nouns::DOCUMENTS];
    let plurals =
        things.into_iter().flatten().map(|noun| (noun.english_plural, noun.german_plural));
    let deeds = verbs::ON_THINGS.iter().map(|verb| (verb.english_past, verb.participle));
    days.chain(cities).chain(grounds).chain(plurals).chain(deeds).collect()
}

/// Position of a word or phrase in a text, between spaces or marks.
fn position(text: &str, phrase: &str) -> Option<usize> {
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b' ' | b',' | b'.'));
    let start = text.find(phrase)?;
    let end = start + phrase.len();
    let bytes = text.as_bytes();
    let before = start.checked_sub(1).map(|index| &bytes[index]);
    (edge(before) && edge(bytes.get(end))).then_some(start)
}

/// Inverted and all pairs of anchors in these sentences.
fn inversions(pairs: &[Pair]) -> (usize, usize) {
    let anchors = anchors();
    let (mut inverted, mut all) = (0, 0);
    for pair in pairs {
        let found: Vec<(usize, usize)> = anchors
            .iter()
            .filter_map(|(english, german)| {
                Some((position(&pair.source, english)?, position(&pair.target, german)?))
            })
            .collect();
        for (index, one) in found.iter().enumerate() {
            for other in &found[index + 1..] {
                all += 1;
                inverted += usize::from((one.0 < other.0) != (one.1 < other.1));
            }
        }
    }
    (inverted, all)
}

/// Kendall's statistic over known words: a word-by-word task has no inversions.
#[test]
fn the_task_is_not_word_by_word() {
    let task = generate(4, SIZES).expect("the grammar is large enough");
    let (inverted, all) = inversions(&task.train);
    assert!(all > 5_000, "{all} pairs of anchors");
    let share = inverted as f64 / all as f64;
    assert!(share > 0.25, "{inverted} of {all} pairs change their order");

    let in_order = [Pair {
        source: "the doctors bought cars on Monday.".to_string(),
        target: "die Ärzte gekauft Autos am Montag.".to_string(),
    }];
    assert_eq!(inversions(&in_order), (0, 6));
}

#[test]
fn the_lexicon_has_several_hundred_entries() {
    let task = generate(5, SIZES).expect("the grammar is large enough");
    let words = |side: fn(&Pair) -> &str| {
        let all = parts(&task).flat_map(|pair| side(pair).split([' ', ',', '.']));
        all.filter(|word| word.chars().all(char::is_alphabetic)).collect::<HashSet<_>>().len()
    };
    let (source, target) = (words(|pair| &pair.source), words(|pair| &pair.target));
    assert!(source > 600, "{source} English words");
    assert!(target > 2_000, "{target} German words");
}
