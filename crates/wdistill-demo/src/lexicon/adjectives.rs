//! Adjectives: the stem that takes endings may differ from the bare form (*teuer*, *teur-*).

/// One adjective in both languages.
#[derive(Debug)]
pub(crate) struct Adjective {
    pub english: &'static str,
    /// Stem before an ending.
    pub german_stem: &'static str,
}

/// What is said of the ones that must be replaced: *broken*, *kaputt*.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub english: &'static str,
    pub german: &'static str,
}

const fn adjective(english: &'static str, german_stem: &'static str) -> Adjective {
    Adjective { english, german_stem }
}

const fn judgement(english: &'static str, german: &'static str) -> Judgement {
    Judgement { english, german }
}

pub(crate) static OF_THINGS: &[Adjective] = &[
    adjective("new", "neu"),
    adjective("old", "alt"),
    adjective("red", "rot"),
    adjective("blue", "blau"),
    adjective("green", "grün"),
    adjective("yellow", "gelb"),
    adjective("black", "schwarz"),
    adjective("white", "weiß"),
    adjective("brown", "braun"),
    adjective("grey", "grau"),
    adjective("small", "klein"),
    adjective("large", "groß"),
    adjective("beautiful", "schön"),
    adjective("ugly", "hässlich"),
    adjective("expensive", "teur"),
    adjective("cheap", "billig"),
    adjective("heavy", "schwer"),
    adjective("modern", "modern"),
    adjective("dirty", "schmutzig"),
    adjective("dark", "dunkl"),
    adjective("valuable", "wertvoll"),
    adjective("rare", "selten"),
    adjective("strange", "seltsam"),
    adjective("elegant", "elegant"),
    adjective("wonderful", "wunderbar"),
    adjective("used", "gebraucht"),
    adjective("simple", "einfach"),
];

pub(crate) static OF_PEOPLE: &[Adjective] = &[
    adjective("old", "alt"),
    adjective("young", "jung"),
    adjective("friendly", "freundlich"),
    adjective("tired", "müd"),
    adjective("tall", "groß"),
    adjective("famous", "berühmt"),
    adjective("kind", "nett"),
    adjective("clever", "klug"),
    adjective("strict", "streng"),
    adjective("patient", "geduldig"),
    adjective("polite", "höflich"),
    adjective("brave", "mutig"),
    adjective("rich", "reich"),
    adjective("lazy", "faul"),
    adjective("hard-working", "fleißig"),
    adjective("happy", "glücklich"),
    adjective("sad", "traurig"),
    adjective("curious", "neugierig"),
    adjective("shy", "schüchtern"),
    adjective("funny", "lustig"),
];

pub(crate) static OF_FOOD: &[Adjective] = &[
    adjective("fresh", "frisch"),
    adjective("sweet", "süß"),
    adjective("sour", "saur"),
    adjective("large", "groß"),
    adjective("small", "klein"),
    adjective("cold", "kalt"),
    adjective("warm", "warm"),
    adjective("delicious", "lecker"),
    adjective("healthy", "gesund"),
    adjective("salty", "salzig"),
];

/// Which of the replaced things is meant: *the old ones*, *the other one*.
pub(crate) static OF_THE_REPLACED: &[Adjective] = &[
    adjective("old", "alt"),
    adjective("other", "ander"),
    adjective("last", "letzt"),
    adjective("cheap", "billig"),
    adjective("small", "klein"),
];

pub(crate) static JUDGEMENTS: &[Judgement] = &[
    judgement("broken", "kaputt"),
    judgement("too small", "zu klein"),
    judgement("too large", "zu groß"),
    judgement("too expensive", "zu teuer"),
    judgement("too heavy", "zu schwer"),
    judgement("dirty", "schmutzig"),
    judgement("ugly", "hässlich"),
    judgement("not good enough", "nicht gut genug"),
    judgement("already sold", "schon verkauft"),
    judgement("no longer available", "nicht mehr verfügbar"),
];
