//! German word order, agreement and compounding.

use crate::grammar::{
    Amount, Clause, ClausePosition, Conjunction, Destination, Determiner, Manner, Nominal,
    NounPhrase, Number, Polarity, Possessor, Predicate, Pronoun, Relative, Sentence, Subject,
    Tense, TimePosition,
};
use crate::lexicon::{Auxiliary, Gender, Inflection, ObjectCase, Place, Preposition, Verb, verbs};
use crate::numbers::german_cardinal;
use crate::text::{Pieces, choose, finish};

/// The four cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Nominative,
    Accusative,
    Dative,
    Genitive,
}

/// Gender in the singular; the plural has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Masculine,
    Feminine,
    Neuter,
    Plural,
}

impl Form {
    fn of(gender: Gender, number: Number) -> Self {
        match (number, gender) {
            (Number::Plural, _) => Form::Plural,
            (Number::Singular, Gender::Masculine) => Form::Masculine,
            (Number::Singular, Gender::Feminine) => Form::Feminine,
            (Number::Singular, Gender::Neuter) => Form::Neuter,
        }
    }
}

/// Where the finite verb stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VerbPlace {
    /// After the subject or a fronted time.
    Second,
    /// After a fronted subordinate clause.
    First,
    /// In a subordinate clause.
    Final,
}

/// The German sentence with its capital and full stop.
pub(crate) fn sentence(sentence: &Sentence) -> String {
    let mut pieces = Pieces::default();
    match sentence {
        Sentence::Simple(clause) => pieces.add(self::clause(clause, VerbPlace::Second)),
        Sentence::Replacement { clause, replaced, adjective, judgement } => {
            let form = Form::of(replaced.nominal.head.gender, replaced.number);
            let ending = weak_ending(form, Case::Nominative);
            let verb = match replaced.number {
                Number::Singular => "ist",
                Number::Plural => "sind",
            };
            pieces.add(self::clause(clause, VerbPlace::Second));
            pieces.add(format!(
                ", weil {} {}{ending} {} {verb}",
                definite_article(form, Case::Nominative),
                adjective.german_stem,
                judgement.german
            ));
        }
        Sentence::Reported { speaker, report, clause } => {
            pieces.add(noun_phrase(speaker, Case::Nominative));
            pieces.add(choose(&report.german, speaker.number));
            pieces.add(", dass");
            pieces.add(self::clause(clause, VerbPlace::Final));
        }
        Sentence::Joined { clause, conjunction, subordinate, position } => {
            let subordinate = format!(
                "{} {}",
                self::conjunction(*conjunction),
                self::clause(subordinate, VerbPlace::Final)
            );
            join(&mut pieces, clause, &subordinate, *position);
        }
        Sentence::Circumstantial { clause, circumstance, position } => {
            join(&mut pieces, clause, circumstance.german, *position);
        }
        Sentence::Price { thing, place, amount } => {
            pieces.add(noun_phrase(thing, Case::Nominative));
            pieces.add(match thing.number {
                Number::Singular => "kostet",
                Number::Plural => "kosten",
            });
            pieces.add(location(place));
            pieces.add(self::amount(*amount));
        }
    }
    finish(pieces)
}

fn join(pieces: &mut Pieces, main: &Clause, subordinate: &str, position: ClausePosition) {
    match position {
        ClausePosition::Front => {
            pieces.add(subordinate);
            pieces.add(",");
            pieces.add(clause(main, VerbPlace::First));
        }
        ClausePosition::Behind => {
            pieces.add(clause(main, VerbPlace::Second));
            pieces.add(",");
            pieces.add(subordinate);
        }
    }
}

fn conjunction(conjunction: Conjunction) -> &'static str {
    match conjunction {
        Conjunction::Because => "weil",
        Conjunction::Although => "obwohl",
        Conjunction::Before => "bevor",
        Conjunction::After => "nachdem",
    }
}

fn clause(clause: &Clause, place: VerbPlace) -> String {
    let subject = match &clause.subject {
        Subject::Phrase(phrase) => noun_phrase(phrase, Case::Nominative),
        Subject::Pronoun(pronoun) => self::pronoun(*pronoun).to_string(),
    };
    let verbs = verb_complex(clause);
    let fronted = clause.time.filter(|_| clause.time_position == TimePosition::Front);
    let mut pieces = Pieces::default();
    match (place, fronted) {
        (VerbPlace::Second, Some(time)) => {
            pieces.add(time.german());
            pieces.add(verbs.finite);
            pieces.add(subject);
        }
        (VerbPlace::Second, None) => {
            pieces.add(subject);
            pieces.add(verbs.finite);
        }
        (VerbPlace::First, _) => {
            pieces.add(verbs.finite);
            pieces.add(subject);
        }
        (VerbPlace::Final, _) => pieces.add(subject),
    }
    let governed = matches!(clause.tense, Tense::Control(_));
    if !governed {
        add_middle_field(&mut pieces, clause);
    }
    pieces.add(match place {
        VerbPlace::Final => verbs.all_final,
        VerbPlace::First | VerbPlace::Second => verbs.closing,
    });
    if governed {
        pieces.add(",");
        add_middle_field(&mut pieces, clause);
        pieces.add(with_zu(verb_of(clause)));
        pieces.add(",");
    }
    pieces.text()
}

/// The verbs of a clause in the places where they may stand.
struct VerbComplex {
    /// The finite verb of a main clause.
    finite: String,
    /// What closes a main clause: prefix, participle or infinitive.
    closing: String,
    /// Everything together, as it closes a subordinate clause.
    all_final: String,
}

fn verb_of(clause: &Clause) -> &'static Verb {
    match &clause.predicate {
        Predicate::Transitive { verb, .. }
        | Predicate::Giving { verb, .. }
        | Predicate::Motion { verb, .. } => verb,
        Predicate::Payment { .. } => &verbs::PAY,
    }
}

fn verb_complex(clause: &Clause) -> VerbComplex {
    let verb = verb_of(clause);
    let number = clause.subject.number();
    let infinitive = format!("{}{}", verb.prefix, verb.infinitive);
    let (finite, closing) = match clause.tense {
        Tense::Present(_) => {
            let finite = match number {
                Number::Singular => verb.third,
                Number::Plural => verb.infinitive,
            };
            return VerbComplex {
                finite: finite.to_string(),
                closing: verb.prefix.to_string(),
                all_final: format!("{}{finite}", verb.prefix),
            };
        }
        Tense::Past(_) => (perfect_auxiliary(verb.auxiliary, number), verb.participle.to_string()),
        Tense::PastPerfect => {
            (pluperfect_auxiliary(verb.auxiliary, number), verb.participle.to_string())
        }
        Tense::Future(_) => match number {
            Number::Singular => ("wird", infinitive),
            Number::Plural => ("werden", infinitive),
        },
        Tense::Modal(modal) => (choose(&modal.german, number), infinitive),
        Tense::Control(control) => {
            (perfect_auxiliary(Auxiliary::Haben, number), control.participle.to_string())
        }
    };
    let all_final = format!("{closing} {finite}");
    VerbComplex { finite: finite.to_string(), closing, all_final }
}

fn perfect_auxiliary(auxiliary: Auxiliary, number: Number) -> &'static str {
    match (auxiliary, number) {
        (Auxiliary::Haben, Number::Singular) => "hat",
        (Auxiliary::Haben, Number::Plural) => "haben",
        (Auxiliary::Sein, Number::Singular) => "ist",
        (Auxiliary::Sein, Number::Plural) => "sind",
    }
}

fn pluperfect_auxiliary(auxiliary: Auxiliary, number: Number) -> &'static str {
    match (auxiliary, number) {
        (Auxiliary::Haben, Number::Singular) => "hatte",
        (Auxiliary::Haben, Number::Plural) => "hatten",
        (Auxiliary::Sein, Number::Singular) => "war",
        (Auxiliary::Sein, Number::Plural) => "waren",
    }
}

/// *zu kaufen*, *abzuholen*.
fn with_zu(verb: &Verb) -> String {
    match verb.prefix {
        "" => format!("zu {}", verb.infinitive),
        prefix => format!("{prefix}zu{}", verb.infinitive),
    }
}

/// Known objects, time, cause, denial, manner, place, new objects, direction.
fn add_middle_field(pieces: &mut Pieces, clause: &Clause) {
    let objects = objects(clause);
    for object in objects.iter().filter(|object| object.known) {
        pieces.add(object.text.clone());
    }
    if clause.time_position == TimePosition::Inside {
        pieces.add_some(clause.time.map(|time| time.german()));
    }
    pieces.add_some(
        clause.cause.as_ref().map(|cause| format!("wegen {}", noun_phrase(cause, Case::Genitive))),
    );
    if clause.tense.polarity() == Polarity::Negated && !objects.iter().any(|object| object.denies) {
        pieces.add("nicht");
    }
    pieces.add_some(clause.manner.as_ref().map(manner));
    pieces.add_some(clause.place.map(location));
    for object in objects.iter().filter(|object| !object.known) {
        pieces.add(object.text.clone());
    }
    if let Predicate::Motion { destination, .. } = &clause.predicate {
        pieces.add(direction(destination));
    }
}

/// An object in its case, and what its place depends on.
struct Object {
    text: String,
    known: bool,
    denies: bool,
}

impl Object {
    fn new(phrase: &NounPhrase, case: Case) -> Self {
        Object {
            text: noun_phrase(phrase, case),
            known: phrase.is_definite(),
            denies: matches!(phrase.determiner, Determiner::Negative),
        }
    }
}

fn objects(clause: &Clause) -> Vec<Object> {
    match &clause.predicate {
        Predicate::Transitive { verb, object } => vec![Object::new(
            object,
            match verb.object_case {
                ObjectCase::Accusative => Case::Accusative,
                ObjectCase::Dative => Case::Dative,
            },
        )],
        Predicate::Giving { recipient, object, .. } => {
            vec![Object::new(recipient, Case::Dative), Object::new(object, Case::Accusative)]
        }
        Predicate::Motion { .. } => Vec::new(),
        Predicate::Payment { amount, object } => vec![Object {
            text: format!(
                "{} für {}",
                self::amount(*amount),
                noun_phrase(object, Case::Accusative)
            ),
            known: false,
            denies: false,
        }],
    }
}

fn manner(manner: &Manner) -> String {
    match manner {
        Manner::With(phrase) => format!("zusammen mit {}", noun_phrase(phrase, Case::Dative)),
        Manner::By(vehicle) => vehicle.german.to_string(),
        Manner::Adverb { german, .. } => (*german).to_string(),
    }
}

/// Where: preposition and article contract (*im*, *am*) except in the feminine and after *auf*.
fn location(place: &Place) -> String {
    let start = match (place.preposition, place.gender) {
        (Preposition::In, Gender::Feminine) => "in der",
        (Preposition::In, _) => "im",
        (Preposition::An, Gender::Feminine) => "an der",
        (Preposition::An, _) => "am",
        (Preposition::Auf, Gender::Feminine) => "auf der",
        (Preposition::Auf, _) => "auf dem",
    };
    format!("{start} {}", place.german)
}

fn direction(destination: &Destination) -> String {
    match destination {
        Destination::City(city) => format!("nach {}", city.german),
        Destination::Place(place) => match place.gender {
            Gender::Feminine => format!("zur {}", place.german),
            Gender::Masculine | Gender::Neuter => format!("zum {}", place.german),
        },
    }
}

fn pronoun(pronoun: Pronoun) -> &'static str {
    match pronoun {
        Pronoun::He => "er",
        Pronoun::She | Pronoun::They => "sie",
        Pronoun::We => "wir",
    }
}

fn possessive_stem(possessor: Possessor) -> &'static str {
    match possessor {
        Possessor::My => "mein",
        Possessor::Our => "unser",
        Possessor::His => "sein",
        Possessor::Her | Possessor::Their => "ihr",
    }
}

/// The noun phrase in this case.
pub(crate) fn noun_phrase(phrase: &NounPhrase, case: Case) -> String {
    let form = Form::of(phrase.nominal.head.gender, phrase.number);
    let (determiner, ending) = determiner(phrase.determiner, form, case);
    let mut pieces = Pieces::default();
    pieces.add(determiner);
    pieces.add_some(phrase.adjective.map(|adjective| format!("{}{ending}", adjective.german_stem)));
    pieces.add(nominal(&phrase.nominal, phrase.number, case));
    if let Determiner::Owner(owner) = phrase.determiner {
        let nominal = Nominal { modifier: None, head: owner, content: None };
        let article = definite_article(Form::of(owner.gender, Number::Singular), Case::Genitive);
        pieces.add(article);
        pieces.add(self::nominal(&nominal, Number::Singular, Case::Genitive));
    }
    pieces.add_some(phrase.relative.map(|relative| self::relative(relative, form)));
    pieces.text()
}

/// The determiner and the ending that an adjective takes after it.
fn determiner(determiner: Determiner, form: Form, case: Case) -> (String, &'static str) {
    let weak = weak_ending(form, case);
    let mixed = mixed_ending(form, case);
    let strong = strong_ending(form, case);
    match determiner {
        Determiner::Definite | Determiner::Owner(_) => {
            (definite_article(form, case).to_string(), weak)
        }
        Determiner::This => (format!("dies{}", pronoun_ending(form, case)), weak),
        Determiner::Indefinite => (format!("ein{}", ein_ending(form, case)), mixed),
        Determiner::Negative => (format!("kein{}", ein_ending(form, case)), mixed),
        Determiner::Possessive(possessor) => {
            (format!("{}{}", possessive_stem(possessor), ein_ending(form, case)), mixed)
        }
        Determiner::Count(count) => (german_cardinal(count), strong),
        Determiner::DefiniteCount(count) => {
            (format!("{} {}", definite_article(form, case), german_cardinal(count)), weak)
        }
        Determiner::Several => (format!("mehrer{}", pronoun_ending(form, case)), strong),
        Determiner::Many => (format!("viel{}", pronoun_ending(form, case)), strong),
    }
}

fn definite_article(form: Form, case: Case) -> &'static str {
    match (form, case) {
        (Form::Masculine, Case::Nominative) => "der",
        (Form::Masculine, Case::Accusative) => "den",
        (Form::Masculine | Form::Neuter, Case::Dative) => "dem",
        (Form::Masculine | Form::Neuter, Case::Genitive) => "des",
        (Form::Feminine, Case::Nominative | Case::Accusative) => "die",
        (Form::Feminine, Case::Dative | Case::Genitive) => "der",
        (Form::Neuter, Case::Nominative | Case::Accusative) => "das",
        (Form::Plural, Case::Nominative | Case::Accusative) => "die",
        (Form::Plural, Case::Dative) => "den",
        (Form::Plural, Case::Genitive) => "der",
    }
}

/// Endings of *dieser*: those of the definite article.
fn pronoun_ending(form: Form, case: Case) -> &'static str {
    match (form, case) {
        (Form::Masculine, Case::Nominative) => "er",
        (Form::Masculine, Case::Accusative) => "en",
        (Form::Masculine | Form::Neuter, Case::Dative) => "em",
        (Form::Masculine | Form::Neuter, Case::Genitive) => "es",
        (Form::Feminine | Form::Plural, Case::Nominative | Case::Accusative) => "e",
        (Form::Feminine, Case::Dative | Case::Genitive) => "er",
        (Form::Neuter, Case::Nominative | Case::Accusative) => "es",
        (Form::Plural, Case::Dative) => "en",
        (Form::Plural, Case::Genitive) => "er",
    }
}

/// Endings of *ein*, *kein*, *mein*: those of *dieser*, but bare in three places.
fn ein_ending(form: Form, case: Case) -> &'static str {
    match (form, case) {
        (Form::Masculine, Case::Nominative)
        | (Form::Neuter, Case::Nominative | Case::Accusative) => "",
        _ => pronoun_ending(form, case),
    }
}

/// Adjective after *der* or *dieser*.
fn weak_ending(form: Form, case: Case) -> &'static str {
    match (form, case) {
        (Form::Masculine | Form::Feminine | Form::Neuter, Case::Nominative)
        | (Form::Feminine | Form::Neuter, Case::Accusative) => "e",
        _ => "en",
    }
}

/// Adjective after *ein*: it shows the gender where *ein* is bare.
fn mixed_ending(form: Form, case: Case) -> &'static str {
    match (form, case) {
        (Form::Masculine, Case::Nominative) => "er",
        (Form::Neuter, Case::Nominative | Case::Accusative) => "es",
        _ => weak_ending(form, case),
    }
}

/// Adjective with no article before it: the endings of *dieser*, but *en* in two genitives.
fn strong_ending(form: Form, case: Case) -> &'static str {
    match (form, case) {
        (Form::Masculine | Form::Neuter, Case::Genitive) => "en",
        _ => pronoun_ending(form, case),
    }
}

/// The noun in its case, compounded with its modifier and followed by what it holds.
fn nominal(nominal: &Nominal, number: Number, case: Case) -> String {
    let head = match number {
        Number::Singular => singular(nominal.head.german, nominal.head.inflection, case),
        Number::Plural => plural(nominal, case),
    };
    let word = match nominal.modifier {
        Some(modifier) => format!("{}{}", modifier.german, head.to_lowercase()),
        None => head,
    };
    match nominal.content {
        Some(content) => format!("{word} {}", content.german),
        None => word,
    }
}

fn singular(word: &str, inflection: Inflection, case: Case) -> String {
    match (inflection, case) {
        (Inflection::Strong(ending), Case::Genitive) => format!("{word}{ending}"),
        (Inflection::Weak(ending), Case::Accusative | Case::Dative | Case::Genitive) => {
            format!("{word}{ending}")
        }
        _ => word.to_string(),
    }
}

/// The dative plural adds *n*, but not to *n* or *s*, and not to measures (*drei Kilo*).
fn plural(nominal: &Nominal, case: Case) -> String {
    let word = nominal.head.german_plural;
    let measure = nominal.content.is_some() && word == nominal.head.german;
    if case == Case::Dative && !measure && !word.ends_with(['n', 's']) {
        format!("{word}n")
    } else {
        word.to_string()
    }
}

/// A relative clause about the subject: relative pronoun in the nominative, verb last.
fn relative(relative: Relative, form: Form) -> String {
    let verb = |singular: &'static str, plural: &'static str| match form {
        Form::Plural => plural,
        _ => singular,
    };
    let rest = match relative {
        Relative::Lives(city) => format!("in {} {}", city.german, verb("wohnt", "wohnen")),
        Relative::Comes(city) => format!("aus {} {}", city.german, verb("kommt", "kommen")),
        Relative::Works(place) => {
            format!("{} {}", location(place), verb("arbeitet", "arbeiten"))
        }
    };
    format!(", {} {rest},", definite_article(form, Case::Nominative))
}

/// Units of money stay in the singular; figures swap point and comma.
fn amount(amount: Amount) -> String {
    match amount {
        Amount::Words { euros, cents: 0 } => format!("{} Euro", german_cardinal(euros)),
        Amount::Words { euros, cents } => {
            format!("{} Euro und {} Cent", german_cardinal(euros), german_cardinal(cents))
        }
        Amount::Figures { euros, cents } if euros >= 1000 => {
            format!("{}.{:03},{cents:02} Euro", euros / 1000, euros % 1000)
        }
        Amount::Figures { euros, cents } => format!("{euros},{cents:02} Euro"),
    }
}
