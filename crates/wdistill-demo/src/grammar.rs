//! The abstract sentence: what is said, before either language decides how.

use crate::calendar::Time;
use crate::lexicon::adjectives::Judgement;
use crate::lexicon::{
    Adjective, Circumstance, City, Control, Gender, Modal, Modifier, Noun, Place, Report,
    Substance, Vehicle, Verb,
};

/// Grammatical number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Singular,
    Plural,
}

/// Whose a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Possessor {
    My,
    Our,
    His,
    Her,
    Their,
}

/// A subject that is only a pronoun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pronoun {
    He,
    She,
    We,
    They,
}

/// What stands before the noun; it settles the ending of the German adjective.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Determiner {
    /// *the*
    Definite,
    /// *this*
    This,
    /// *a*
    Indefinite,
    /// *not … a*, *not … any*; German *kein*
    Negative,
    /// *my*
    Possessive(Possessor),
    /// *the doctor's*; German puts the owner behind, in the genitive
    Owner(&'static Noun),
    /// *three*
    Count(u16),
    /// *the three*
    DefiniteCount(u16),
    /// *several*
    Several,
    /// *many*
    Many,
}

/// A noun, its compound modifier and, for containers, what they hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nominal {
    pub modifier: Option<&'static Modifier>,
    pub head: &'static Noun,
    pub content: Option<&'static Substance>,
}

/// A relative clause about a person.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Relative {
    /// *who lives in Berlin*
    Lives(&'static City),
    /// *who comes from Berlin*
    Comes(&'static City),
    /// *who works at the market*
    Works(&'static Place),
}

/// A noun phrase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NounPhrase {
    pub determiner: Determiner,
    pub number: Number,
    pub adjective: Option<&'static Adjective>,
    pub nominal: Nominal,
    pub relative: Option<Relative>,
}

impl NounPhrase {
    /// Known things go early in the German middle field, new ones late.
    pub(crate) fn is_definite(&self) -> bool {
        !matches!(
            self.determiner,
            Determiner::Indefinite
                | Determiner::Negative
                | Determiner::Count(_)
                | Determiner::Several
                | Determiner::Many
        )
    }
}

/// The subject of a clause.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    Phrase(NounPhrase),
    Pronoun(Pronoun),
}

impl Subject {
    pub(crate) fn number(&self) -> Number {
        match self {
            Subject::Phrase(phrase) => phrase.number,
            Subject::Pronoun(Pronoun::He | Pronoun::She) => Number::Singular,
            Subject::Pronoun(Pronoun::We | Pronoun::They) => Number::Plural,
        }
    }

    /// The pronoun that stands for this subject in a later clause.
    pub(crate) fn pronoun(&self) -> Pronoun {
        match self {
            Subject::Pronoun(pronoun) => *pronoun,
            Subject::Phrase(NounPhrase { number: Number::Plural, .. }) => Pronoun::They,
            Subject::Phrase(phrase) => match phrase.nominal.head.gender {
                Gender::Feminine => Pronoun::She,
                Gender::Masculine | Gender::Neuter => Pronoun::He,
            },
        }
    }
}

impl Pronoun {
    pub(crate) fn possessor(self) -> Possessor {
        match self {
            Pronoun::He => Possessor::His,
            Pronoun::She => Possessor::Her,
            Pronoun::We => Possessor::Our,
            Pronoun::They => Possessor::Their,
        }
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// *forty-five euros and fifty cents*; no cents when zero
    Words { euros: u16, cents: u16 },
    /// *1,245.50 euros*
    Figures { euros: u16, cents: u16 },
}

/// Where somebody goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Destination {
    City(&'static City),
    Place(&'static Place),
}

/// Verb and objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Predicate {
    Transitive { verb: &'static Verb, object: NounPhrase },
    Giving { verb: &'static Verb, recipient: NounPhrase, object: NounPhrase },
    Motion { verb: &'static Verb, destination: Destination },
    Payment { amount: Amount, object: NounPhrase },
}

/// Tense of a clause, with the verbs that need an infinitive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tense {
    Present(Polarity),
    /// English past, German perfect.
    Past(Polarity),
    PastPerfect,
    Future(Polarity),
    Modal(&'static Modal),
    Control(&'static Control),
}

impl Tense {
    pub(crate) fn polarity(self) -> Polarity {
        match self {
            Tense::Present(polarity) | Tense::Past(polarity) | Tense::Future(polarity) => polarity,
            Tense::PastPerfect | Tense::Modal(_) | Tense::Control(_) => Polarity::Positive,
        }
    }
}

/// Whether the clause denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polarity {
    Positive,
    Negated,
}

/// With whom, how, or by what means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    With(NounPhrase),
    By(&'static Vehicle),
    Adverb { english: &'static str, german: &'static str },
}

/// Where the time stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimePosition {
    /// First: German puts the subject behind the verb.
    Front,
    /// English: last; German: middle field.
    Inside,
}

/// One clause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clause {
    pub subject: Subject,
    pub predicate: Predicate,
    pub tense: Tense,
    pub time: Option<Time>,
    pub time_position: TimePosition,
    pub cause: Option<NounPhrase>,
    pub manner: Option<Manner>,
    pub place: Option<&'static Place>,
}

/// Conjunctions of full subordinate clauses, all verb-final in German.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conjunction {
    Because,
    Although,
    Before,
    After,
}

/// Where a subordinate clause stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClausePosition {
    Front,
    Behind,
}

/// A sentence.
#[derive(Clone, Debug)]
pub(crate) enum Sentence {
    Simple(Clause),
    /// *… because the old ones are broken*; `replaced` is the object of the clause.
    Replacement {
        clause: Clause,
        replaced: NounPhrase,
        adjective: &'static Adjective,
        judgement: &'static Judgement,
    },
    /// *The neighbour says that …*
    Reported {
        speaker: NounPhrase,
        report: &'static Report,
        clause: Clause,
    },
    /// Two full clauses.
    Joined {
        clause: Clause,
        conjunction: Conjunction,
        subordinate: Box<Clause>,
        position: ClausePosition,
    },
    /// A clause and a ready-made circumstance.
    Circumstantial {
        clause: Clause,
        circumstance: &'static Circumstance,
        position: ClausePosition,
    },
    /// *The doctor's new car costs …*
    Price {
        thing: NounPhrase,
        place: &'static Place,
        amount: Amount,
    },
}
