//! English word order and forms.

use crate::grammar::{
    Amount, Clause, ClausePosition, Conjunction, Destination, Determiner, Manner, Nominal,
    NounPhrase, Number, Polarity, Possessor, Predicate, Pronoun, Relative, Sentence, Subject,
    Tense, TimePosition,
};
use crate::lexicon::{DativeShift, Place, Verb, verbs};
use crate::numbers::english_cardinal;
use crate::text::{Pieces, choose, finish};

/// The English sentence with its capital and full stop.
pub(crate) fn sentence(sentence: &Sentence) -> String {
    let mut pieces = Pieces::default();
    match sentence {
        Sentence::Simple(clause) => pieces.add(self::clause(clause)),
        Sentence::Replacement { clause, replaced, adjective, judgement } => {
            let rest = match replaced.number {
                Number::Singular => format!("{} one is", adjective.english),
                Number::Plural => format!("{} ones are", adjective.english),
            };
            pieces.add(self::clause(clause));
            pieces.add(format!("because the {rest} {}", judgement.english));
        }
        Sentence::Reported { speaker, report, clause } => {
            pieces.add(noun_phrase(speaker));
            pieces.add(choose(&report.english, speaker.number));
            pieces.add("that");
            pieces.add(self::clause(clause));
        }
        Sentence::Joined { clause, conjunction, subordinate, position } => {
            let subordinate =
                format!("{} {}", self::conjunction(*conjunction), self::clause(subordinate));
            join(&mut pieces, self::clause(clause), subordinate, *position);
        }
        Sentence::Circumstantial { clause, circumstance, position } => {
            join(&mut pieces, self::clause(clause), circumstance.english.to_string(), *position);
        }
        Sentence::Price { thing, place, amount } => {
            pieces.add(noun_phrase(thing));
            pieces.add(match thing.number {
                Number::Singular => "costs",
                Number::Plural => "cost",
            });
            pieces.add(self::amount(*amount));
            pieces.add(location(place));
        }
    }
    finish(pieces)
}

fn join(pieces: &mut Pieces, main: String, subordinate: String, position: ClausePosition) {
    match position {
        ClausePosition::Front => {
            pieces.add(subordinate);
            pieces.add(",");
            pieces.add(main);
        }
        ClausePosition::Behind => {
            pieces.add(main);
            pieces.add(subordinate);
        }
    }
}

fn conjunction(conjunction: Conjunction) -> &'static str {
    match conjunction {
        Conjunction::Because => "because",
        Conjunction::Although => "although",
        Conjunction::Before => "before",
        Conjunction::After => "after",
    }
}

/// Subject, verb, objects, manner, place, cause, time.
fn clause(clause: &Clause) -> String {
    let mut pieces = Pieces::default();
    let time = clause.time.map(|time| time.english());
    if clause.time_position == TimePosition::Front {
        pieces.add_some(time.clone());
    }
    pieces.add(match &clause.subject {
        Subject::Phrase(phrase) => noun_phrase(phrase),
        Subject::Pronoun(pronoun) => self::pronoun(*pronoun).to_string(),
    });
    add_predicate(&mut pieces, clause);
    pieces.add_some(clause.manner.as_ref().map(manner));
    pieces.add_some(clause.place.map(location));
    pieces
        .add_some(clause.cause.as_ref().map(|cause| format!("because of {}", noun_phrase(cause))));
    if clause.time_position == TimePosition::Inside {
        pieces.add_some(time);
    }
    pieces.text()
}

fn add_predicate(pieces: &mut Pieces, clause: &Clause) {
    match &clause.predicate {
        Predicate::Transitive { verb, object } => {
            pieces.add(verb_complex(verb, clause));
            pieces.add(noun_phrase(object));
        }
        Predicate::Giving { verb, recipient, object } => {
            pieces.add(verb_complex(verb, clause));
            match verb.shift {
                DativeShift::Shifted => {
                    pieces.add(noun_phrase(recipient));
                    pieces.add(noun_phrase(object));
                }
                DativeShift::WithTo => {
                    pieces.add(noun_phrase(object));
                    pieces.add("to");
                    pieces.add(noun_phrase(recipient));
                }
            }
        }
        Predicate::Motion { verb, destination } => {
            pieces.add(verb_complex(verb, clause));
            pieces.add("to");
            pieces.add(match destination {
                Destination::City(city) => city.english.to_string(),
                Destination::Place(place) => format!("the {}", place.english),
            });
        }
        Predicate::Payment { amount, object } => {
            pieces.add(verb_complex(&verbs::PAY, clause));
            pieces.add(self::amount(*amount));
            pieces.add("for");
            pieces.add(noun_phrase(object));
        }
    }
}

fn verb_complex(verb: &Verb, clause: &Clause) -> String {
    let number = clause.subject.number();
    let base = verb.english_base;
    match clause.tense {
        Tense::Present(Polarity::Positive) => match number {
            Number::Singular => verb.english_third.to_string(),
            Number::Plural => base.to_string(),
        },
        Tense::Present(Polarity::Negated) => match number {
            Number::Singular => format!("does not {base}"),
            Number::Plural => format!("do not {base}"),
        },
        Tense::Past(Polarity::Positive) => verb.english_past.to_string(),
        Tense::Past(Polarity::Negated) => format!("did not {base}"),
        Tense::PastPerfect => format!("had {}", verb.english_participle),
        Tense::Future(Polarity::Positive) => format!("will {base}"),
        Tense::Future(Polarity::Negated) => format!("will not {base}"),
        Tense::Modal(modal) => format!("{} {base}", choose(&modal.english, number)),
        Tense::Control(control) => format!("{} {base}", control.english),
    }
}

fn manner(manner: &Manner) -> String {
    match manner {
        Manner::With(phrase) => format!("together with {}", noun_phrase(phrase)),
        Manner::By(vehicle) => vehicle.english.to_string(),
        Manner::Adverb { english, .. } => (*english).to_string(),
    }
}

fn location(place: &Place) -> String {
    format!("{} the {}", place.english_preposition, place.english)
}

fn pronoun(pronoun: Pronoun) -> &'static str {
    match pronoun {
        Pronoun::He => "he",
        Pronoun::She => "she",
        Pronoun::We => "we",
        Pronoun::They => "they",
    }
}

fn possessive(possessor: Possessor) -> &'static str {
    match possessor {
        Possessor::My => "my",
        Possessor::Our => "our",
        Possessor::His => "his",
        Possessor::Her => "her",
        Possessor::Their => "their",
    }
}

/// The noun phrase; English does not mark case.
pub(crate) fn noun_phrase(phrase: &NounPhrase) -> String {
    let mut described = Pieces::default();
    described.add_some(phrase.adjective.map(|adjective| adjective.english));
    described.add(nominal(&phrase.nominal, phrase.number));
    let described = described.text();
    let mut pieces = Pieces::default();
    pieces.add(match phrase.determiner {
        Determiner::Definite => "the".to_string(),
        Determiner::This => match phrase.number {
            Number::Singular => "this".to_string(),
            Number::Plural => "these".to_string(),
        },
        Determiner::Indefinite => article(&described).to_string(),
        Determiner::Negative => match phrase.number {
            Number::Singular => article(&described).to_string(),
            Number::Plural => "any".to_string(),
        },
        Determiner::Possessive(possessor) => possessive(possessor).to_string(),
        Determiner::Owner(owner) => format!("the {}'s", owner.english),
        Determiner::Count(count) => english_cardinal(count),
        Determiner::DefiniteCount(count) => format!("the {}", english_cardinal(count)),
        Determiner::Several => "several".to_string(),
        Determiner::Many => "many".to_string(),
    });
    pieces.add(described);
    pieces.add_some(phrase.relative.map(|relative| self::relative(relative, phrase.number)));
    pieces.text()
}

fn nominal(nominal: &Nominal, number: Number) -> String {
    let mut pieces = Pieces::default();
    pieces.add_some(nominal.modifier.map(|modifier| modifier.english));
    pieces.add(match number {
        Number::Singular => nominal.head.english,
        Number::Plural => nominal.head.english_plural,
    });
    pieces.add_some(nominal.content.map(|content| format!("of {}", content.english)));
    pieces.text()
}

fn relative(relative: Relative, number: Number) -> String {
    let verb = |singular: &'static str, plural: &'static str| match number {
        Number::Singular => singular,
        Number::Plural => plural,
    };
    match relative {
        Relative::Lives(city) => format!("who {} in {}", verb("lives", "live"), city.english),
        Relative::Comes(city) => format!("who {} from {}", verb("comes", "come"), city.english),
        Relative::Works(place) => format!("who {} {}", verb("works", "work"), location(place)),
    }
}

/// *an* before a vowel sound; *used* and *university* begin with a consonant sound.
fn article(following: &str) -> &'static str {
    let vowel = following.starts_with(['a', 'e', 'i', 'o', 'u']);
    if vowel && !following.starts_with("use") && !following.starts_with("uni") { "an" } else { "a" }
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Words { euros, cents: 0 } => format!("{} euros", english_cardinal(euros)),
        Amount::Words { euros, cents } => {
            format!("{} euros and {} cents", english_cardinal(euros), english_cardinal(cents))
        }
        Amount::Figures { euros, cents } if euros >= 1000 => {
            format!("{},{:03}.{cents:02} euros", euros / 1000, euros % 1000)
        }
        Amount::Figures { euros, cents } => format!("{euros}.{cents:02} euros"),
    }
}
