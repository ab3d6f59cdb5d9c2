//! The word lists, one module a part of speech. The tables hold only what a dictionary entry
//! holds; every form that a rule can build is built in `crate::german` and `crate::english`.

pub(crate) mod adjectives;
pub(crate) mod nouns;
pub(crate) mod places;
pub(crate) mod times;
pub(crate) mod verbs;

pub(crate) use adjectives::Adjective;
pub(crate) use nouns::{Class, Gender, Inflection, Modifier, Noun, Substance};
pub(crate) use places::{City, Place, Preposition, Vehicle};
pub(crate) use verbs::{
    Auxiliary, Circumstance, Control, DativeShift, ManyForms, Modal, ObjectCase, Period, Report,
    Verb,
};
