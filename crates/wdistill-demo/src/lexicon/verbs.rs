//! Verbs, modal and control verbs, verbs of saying, and ready-made circumstances.

use super::Class;

/// A form for one subject and a form for several.
#[derive(Debug)]
pub(crate) struct ManyForms {
    pub singular: &'static str,
    pub plural: &'static str,
}

/// Auxiliary of the German perfect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auxiliary {
    Haben,
    Sein,
}

/// Case that a German verb asks of its one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectCase {
    Accusative,
    Dative,
}

/// Whether English may say *gave the boy an apple* or only *recommended an apple to the boy*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DativeShift {
    Shifted,
    WithTo,
}

/// One verb in both languages.
#[derive(Debug)]
pub(crate) struct Verb {
    pub english_base: &'static str,
    pub english_third: &'static str,
    pub english_past: &'static str,
    pub english_participle: &'static str,
    /// Separable prefix, empty for verbs without one.
    pub prefix: &'static str,
    /// Infinitive without the separable prefix.
    pub infinitive: &'static str,
    /// Third person singular without the separable prefix.
    pub third: &'static str,
    /// Past participle with everything.
    pub participle: &'static str,
    pub auxiliary: Auxiliary,
    pub object_case: ObjectCase,
    /// Things the verb may act on; empty for verbs of people and of motion.
    pub classes: &'static [Class],
    pub shift: DativeShift,
}

/// *wants to*, *will*.
#[derive(Debug)]
pub(crate) struct Modal {
    pub english: ManyForms,
    pub german: ManyForms,
}

/// A verb that governs an infinitive: *forgot to*, *hat vergessen, … zu*.
#[derive(Debug)]
pub(crate) struct Control {
    pub english: &'static str,
    pub participle: &'static str,
}

/// A verb that reports a fact: *says that*, *sagt, dass*.
#[derive(Debug)]
pub(crate) struct Report {
    pub english: ManyForms,
    pub german: ManyForms,
}

/// The time of the main clause that a circumstance fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Past,
    Future,
}

/// A subordinate clause learnt whole.
#[derive(Debug)]
pub(crate) struct Circumstance {
    pub english: &'static str,
    pub german: &'static str,
    pub period: Period,
}

const EVERYTHING: &[Class] = &[
    Class::Furniture,
    Class::Clothing,
    Class::Device,
    Class::Vehicle,
    Class::Instrument,
    Class::Document,
    Class::Ticket,
    Class::Food,
    Class::Drink,
    Class::HotDrink,
    Class::Provisions,
];
const GOODS: &[Class] = &[
    Class::Furniture,
    Class::Clothing,
    Class::Device,
    Class::Vehicle,
    Class::Instrument,
    Class::Document,
    Class::Ticket,
    Class::Food,
    Class::Drink,
    Class::Provisions,
];
const BELONGINGS: &[Class] =
    &[Class::Clothing, Class::Document, Class::Ticket, Class::Instrument, Class::Device];
const FURNITURE: &[Class] = &[Class::Furniture];
const CLOTHING: &[Class] = &[Class::Clothing];
const DEVICES: &[Class] = &[Class::Device];
const DOCUMENTS: &[Class] = &[Class::Document];
const FOOD: &[Class] = &[Class::Food];
const DRINKS: &[Class] = &[Class::Drink, Class::HotDrink];
const MACHINES: &[Class] = &[Class::Device, Class::Vehicle, Class::Furniture];
const LENT: &[Class] =
    &[Class::Vehicle, Class::Document, Class::Clothing, Class::Instrument, Class::Device];
const SEEN: &[Class] =
    &[Class::Furniture, Class::Clothing, Class::Vehicle, Class::Instrument, Class::Document];

const fn verb(
    english: [&'static str; 4],
    prefix: &'static str,
    german: [&'static str; 3],
    classes: &'static [Class],
) -> Verb {
    let [english_base, english_third, english_past, english_participle] = english;
    let [infinitive, third, participle] = german;
    Verb {
        english_base,
        english_third,
        english_past,
        english_participle,
        prefix,
        infinitive,
        third,
        participle,
        auxiliary: Auxiliary::Haben,
        object_case: ObjectCase::Accusative,
        classes,
        shift: DativeShift::Shifted,
    }
}

const fn dative(verb: Verb) -> Verb {
    Verb { object_case: ObjectCase::Dative, ..verb }
}

const fn with_sein(verb: Verb) -> Verb {
    Verb { auxiliary: Auxiliary::Sein, ..verb }
}

const fn with_to(verb: Verb) -> Verb {
    Verb { shift: DativeShift::WithTo, ..verb }
}

/// Verbs that act on things.
#[rustfmt::skip]
pub(crate) static ON_THINGS: &[Verb] = &[
    verb(["buy", "buys", "bought", "bought"], "", ["kaufen", "kauft", "gekauft"], GOODS),
    verb(["sell", "sells", "sold", "sold"], "", ["verkaufen", "verkauft", "verkauft"], GOODS),
    verb(["order", "orders", "ordered", "ordered"], "", ["bestellen", "bestellt", "bestellt"], EVERYTHING),
    verb(["pick up", "picks up", "picked up", "picked up"], "ab", ["holen", "holt", "abgeholt"], GOODS),
    verb(["bring along", "brings along", "brought along", "brought along"], "mit", ["bringen", "bringt", "mitgebracht"], EVERYTHING),
    verb(["find", "finds", "found", "found"], "", ["finden", "findet", "gefunden"], SEEN),
    verb(["look for", "looks for", "looked for", "looked for"], "", ["suchen", "sucht", "gesucht"], BELONGINGS),
    verb(["hide", "hides", "hid", "hidden"], "", ["verstecken", "versteckt", "versteckt"], BELONGINGS),
    verb(["pack", "packs", "packed", "packed"], "ein", ["packen", "packt", "eingepackt"], BELONGINGS),
    verb(["unpack", "unpacks", "unpacked", "unpacked"], "aus", ["packen", "packt", "ausgepackt"], GOODS),
    verb(["throw away", "throws away", "threw away", "thrown away"], "weg", ["werfen", "wirft", "weggeworfen"], SEEN),
    verb(["read", "reads", "read", "read"], "", ["lesen", "liest", "gelesen"], DOCUMENTS),
    verb(["print", "prints", "printed", "printed"], "aus", ["drucken", "druckt", "ausgedruckt"], DOCUMENTS),
    verb(["translate", "translates", "translated", "translated"], "", ["übersetzen", "übersetzt", "übersetzt"], DOCUMENTS),
    verb(["tear up", "tears up", "tore up", "torn up"], "", ["zerreißen", "zerreißt", "zerrissen"], DOCUMENTS),
    verb(["eat", "eats", "ate", "eaten"], "", ["essen", "isst", "gegessen"], FOOD),
    verb(["prepare", "prepares", "prepared", "prepared"], "zu", ["bereiten", "bereitet", "zubereitet"], FOOD),
    verb(["drink", "drinks", "drank", "drunk"], "", ["trinken", "trinkt", "getrunken"], DRINKS),
    verb(["repair", "repairs", "repaired", "repaired"], "", ["reparieren", "repariert", "repariert"], MACHINES),
    verb(["clean", "cleans", "cleaned", "cleaned"], "", ["putzen", "putzt", "geputzt"], MACHINES),
    verb(["paint", "paints", "painted", "painted"], "an", ["streichen", "streicht", "angestrichen"], FURNITURE),
    verb(["assemble", "assembles", "assembled", "assembled"], "zusammen", ["bauen", "baut", "zusammengebaut"], FURNITURE),
    verb(["set up", "sets up", "set up", "set up"], "auf", ["stellen", "stellt", "aufgestellt"], FURNITURE),
    verb(["wash", "washes", "washed", "washed"], "", ["waschen", "wäscht", "gewaschen"], CLOTHING),
    verb(["try on", "tries on", "tried on", "tried on"], "an", ["probieren", "probiert", "anprobiert"], CLOTHING),
    verb(["put on", "puts on", "put on", "put on"], "an", ["ziehen", "zieht", "angezogen"], CLOTHING),
    verb(["turn on", "turns on", "turned on", "turned on"], "ein", ["schalten", "schaltet", "eingeschaltet"], DEVICES),
    verb(["turn off", "turns off", "turned off", "turned off"], "aus", ["schalten", "schaltet", "ausgeschaltet"], DEVICES),
    verb(["borrow", "borrows", "borrowed", "borrowed"], "aus", ["leihen", "leiht", "ausgeliehen"], LENT),
    verb(["give back", "gives back", "gave back", "given back"], "zurück", ["geben", "gibt", "zurückgegeben"], LENT),
    verb(["admire", "admires", "admired", "admired"], "", ["bewundern", "bewundert", "bewundert"], SEEN),
    verb(["draw", "draws", "drew", "drawn"], "", ["zeichnen", "zeichnet", "gezeichnet"], SEEN),
    verb(["forget", "forgets", "forgot", "forgotten"], "", ["vergessen", "vergisst", "vergessen"], BELONGINGS),
    verb(["lose", "loses", "lost", "lost"], "", ["verlieren", "verliert", "verloren"], BELONGINGS),
];

/// Verbs that act on people, some with the dative.
#[rustfmt::skip]
pub(crate) static ON_PEOPLE: &[Verb] = &[
    verb(["visit", "visits", "visited", "visited"], "", ["besuchen", "besucht", "besucht"], &[]),
    verb(["call", "calls", "called", "called"], "an", ["rufen", "ruft", "angerufen"], &[]),
    verb(["invite", "invites", "invited", "invited"], "ein", ["laden", "lädt", "eingeladen"], &[]),
    verb(["meet", "meets", "met", "met"], "", ["treffen", "trifft", "getroffen"], &[]),
    verb(["see", "sees", "saw", "seen"], "", ["sehen", "sieht", "gesehen"], &[]),
    verb(["greet", "greets", "greeted", "greeted"], "", ["begrüßen", "begrüßt", "begrüßt"], &[]),
    verb(["wake up", "wakes up", "woke up", "woken up"], "auf", ["wecken", "weckt", "aufgeweckt"], &[]),
    verb(["warn", "warns", "warned", "warned"], "", ["warnen", "warnt", "gewarnt"], &[]),
    dative(verb(["help", "helps", "helped", "helped"], "", ["helfen", "hilft", "geholfen"], &[])),
    dative(verb(["thank", "thanks", "thanked", "thanked"], "", ["danken", "dankt", "gedankt"], &[])),
    dative(verb(["congratulate", "congratulates", "congratulated", "congratulated"], "", ["gratulieren", "gratuliert", "gratuliert"], &[])),
    dative(verb(["listen to", "listens to", "listened to", "listened to"], "zu", ["hören", "hört", "zugehört"], &[])),
];

/// Verbs with a recipient in the dative and a thing in the accusative.
#[rustfmt::skip]
pub(crate) static GIVING: &[Verb] = &[
    verb(["give", "gives", "gave", "given"], "", ["geben", "gibt", "gegeben"], GOODS),
    verb(["show", "shows", "showed", "shown"], "", ["zeigen", "zeigt", "gezeigt"], SEEN),
    verb(["send", "sends", "sent", "sent"], "", ["schicken", "schickt", "geschickt"], BELONGINGS),
    verb(["lend", "lends", "lent", "lent"], "", ["leihen", "leiht", "geliehen"], LENT),
    verb(["offer", "offers", "offered", "offered"], "an", ["bieten", "bietet", "angeboten"], GOODS),
    verb(["promise", "promises", "promised", "promised"], "", ["versprechen", "verspricht", "versprochen"], GOODS),
    with_to(verb(["recommend", "recommends", "recommended", "recommended"], "", ["empfehlen", "empfiehlt", "empfohlen"], GOODS)),
    with_to(verb(["describe", "describes", "described", "described"], "", ["beschreiben", "beschreibt", "beschrieben"], SEEN)),
    with_to(verb(["return", "returns", "returned", "returned"], "zurück", ["geben", "gibt", "zurückgegeben"], LENT)),
];

/// Motion on one's own feet, to places.
#[rustfmt::skip]
pub(crate) static WALKING: &[Verb] = &[
    with_sein(verb(["go", "goes", "went", "gone"], "", ["gehen", "geht", "gegangen"], &[])),
    with_sein(verb(["run", "runs", "ran", "run"], "", ["laufen", "läuft", "gelaufen"], &[])),
    with_sein(verb(["hurry", "hurries", "hurried", "hurried"], "", ["eilen", "eilt", "geeilt"], &[])),
];

/// Motion by vehicle, to places and cities.
#[rustfmt::skip]
pub(crate) static TRAVELLING: &[Verb] = &[
    with_sein(verb(["travel", "travels", "travelled", "travelled"], "", ["fahren", "fährt", "gefahren"], &[])),
    with_sein(verb(["travel back", "travels back", "travelled back", "travelled back"], "zurück", ["fahren", "fährt", "zurückgefahren"], &[])),
];

/// Motion that takes no vehicle phrase, to cities.
#[rustfmt::skip]
pub(crate) static MOVING: &[Verb] = &[
    with_sein(verb(["fly", "flies", "flew", "flown"], "", ["fliegen", "fliegt", "geflogen"], &[])),
    with_sein(verb(["move", "moves", "moved", "moved"], "um", ["ziehen", "zieht", "umgezogen"], &[])),
    with_sein(verb(["fly back", "flies back", "flew back", "flown back"], "zurück", ["fliegen", "fliegt", "zurückgeflogen"], &[])),
];

/// *pay … for*, *für … bezahlen*.
pub(crate) static PAY: Verb =
    verb(["pay", "pays", "paid", "paid"], "", ["bezahlen", "bezahlt", "bezahlt"], &[]);

const fn forms(singular: &'static str, plural: &'static str) -> ManyForms {
    ManyForms { singular, plural }
}

#[rustfmt::skip]
pub(crate) static MODALS: &[Modal] = &[
    Modal { english: forms("wants to", "want to"), german: forms("will", "wollen") },
    Modal { english: forms("would like to", "would like to"), german: forms("möchte", "möchten") },
    Modal { english: forms("must", "must"), german: forms("muss", "müssen") },
    Modal { english: forms("can", "can"), german: forms("kann", "können") },
    Modal { english: forms("should", "should"), german: forms("sollte", "sollten") },
    Modal { english: forms("is allowed to", "are allowed to"), german: forms("darf", "dürfen") },
];

pub(crate) static CONTROLS: &[Control] = &[
    Control { english: "forgot to", participle: "vergessen" },
    Control { english: "tried to", participle: "versucht" },
    Control { english: "decided to", participle: "beschlossen" },
    Control { english: "promised to", participle: "versprochen" },
    Control { english: "hoped to", participle: "gehofft" },
];

#[rustfmt::skip]
pub(crate) static REPORTS: &[Report] = &[
    Report { english: forms("says", "say"), german: forms("sagt", "sagen") },
    Report { english: forms("believes", "believe"), german: forms("glaubt", "glauben") },
    Report { english: forms("knows", "know"), german: forms("weiß", "wissen") },
    Report { english: forms("hopes", "hope"), german: forms("hofft", "hoffen") },
    Report { english: forms("writes", "write"), german: forms("schreibt", "schreiben") },
    Report { english: forms("claims", "claim"), german: forms("behauptet", "behaupten") },
];

const fn past(english: &'static str, german: &'static str) -> Circumstance {
    Circumstance { english, german, period: Period::Past }
}

const fn future(english: &'static str, german: &'static str) -> Circumstance {
    Circumstance { english, german, period: Period::Future }
}

pub(crate) static CIRCUMSTANCES: &[Circumstance] = &[
    past("although it rained the whole day", "obwohl es den ganzen Tag geregnet hat"),
    past("although the weather was bad", "obwohl das Wetter schlecht war"),
    past("because the sun was shining", "weil die Sonne schien"),
    past("although it was already dark", "obwohl es schon dunkel war"),
    past("because the shops were closed", "weil die Geschäfte geschlossen waren"),
    past("although the trains were late", "obwohl die Züge Verspätung hatten"),
    past("because there was no other way", "weil es keinen anderen Weg gab"),
    past("before the guests arrived", "bevor die Gäste ankamen"),
    past("while the children were playing", "während die Kinder spielten"),
    future("if the weather is good", "wenn das Wetter gut ist"),
    future("if it does not rain", "wenn es nicht regnet"),
    future("as soon as the holidays begin", "sobald die Ferien beginnen"),
    future("although there is not much time", "obwohl es nicht viel Zeit gibt"),
    future("because the guests arrive soon", "weil die Gäste bald ankommen"),
    future("before the shops close", "bevor die Geschäfte schließen"),
    future("as long as the sun is shining", "solange die Sonne scheint"),
];

/// Adverbs of manner, English and German.
pub(crate) static ADVERBS: &[(&str, &str)] = &[
    ("secretly", "heimlich"),
    ("quickly", "schnell"),
    ("by chance", "zufällig"),
    ("alone", "allein"),
    ("without help", "ohne Hilfe"),
    ("spontaneously", "spontan"),
    ("with great joy", "mit großer Freude"),
    ("at the last moment", "im letzten Moment"),
    ("very carefully", "sehr sorgfältig"),
];
