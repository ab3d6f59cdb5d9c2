//! Nouns as dictionary entries: English singular and plural, German nominative singular, gender,
//! the class of its singular forms, and nominative plural.

use Inflection::{Strong, Uninflected, Weak};

/// Grammatical gender of a German noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gender {
    Masculine,
    Feminine,
    Neuter,
}

/// How a German noun changes in the singular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inflection {
    /// Feminine nouns: one form for all cases.
    Uninflected,
    /// The genitive takes this ending; the other cases are bare.
    Strong(&'static str),
    /// Every case but the nominative takes this ending (*der Junge, den Jungen*).
    Weak(&'static str),
}

/// One noun in both languages.
#[derive(Debug)]
pub(crate) struct Noun {
    pub english: &'static str,
    pub english_plural: &'static str,
    pub gender: Gender,
    pub german: &'static str,
    pub inflection: Inflection,
    pub german_plural: &'static str,
}

/// First part of a compound: English word, German combining form (*Küchen* in *Küchentisch*).
#[derive(Debug)]
pub(crate) struct Modifier {
    pub english: &'static str,
    pub german: &'static str,
}

/// What a container holds: *of red wine*, *Rotwein*.
#[derive(Debug)]
pub(crate) struct Substance {
    pub english: &'static str,
    pub german: &'static str,
}

/// What kind of thing an object is; verbs select by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Furniture,
    Clothing,
    Device,
    Vehicle,
    Instrument,
    Document,
    Ticket,
    Food,
    Drink,
    HotDrink,
    Provisions,
}

const M: Gender = Gender::Masculine;
const F: Gender = Gender::Feminine;
const N: Gender = Gender::Neuter;
const U: Inflection = Uninflected;
const S: Inflection = Strong("s");
const ES: Inflection = Strong("es");
const WEAK_N: Inflection = Weak("n");
const WEAK_EN: Inflection = Weak("en");

const fn noun(
    english: &'static str,
    english_plural: &'static str,
    gender: Gender,
    german: &'static str,
    inflection: Inflection,
    german_plural: &'static str,
) -> Noun {
    Noun { english, english_plural, gender, german, inflection, german_plural }
}

const fn modifier(english: &'static str, german: &'static str) -> Modifier {
    Modifier { english, german }
}

const fn substance(english: &'static str, german: &'static str) -> Substance {
    Substance { english, german }
}

/// People whose English pronoun follows from the German gender; they may be subjects.
#[rustfmt::skip]
pub(crate) static ADULTS: &[Noun] = &[
    noun("teacher", "teachers", F, "Lehrerin", U, "Lehrerinnen"),
    noun("doctor", "doctors", M, "Arzt", ES, "Ärzte"),
    noun("student", "students", M, "Student", WEAK_EN, "Studenten"),
    noun("neighbour", "neighbours", M, "Nachbar", WEAK_N, "Nachbarn"),
    noun("baker", "bakers", M, "Bäcker", S, "Bäcker"),
    noun("nurse", "nurses", F, "Krankenschwester", U, "Krankenschwestern"),
    noun("engineer", "engineers", M, "Ingenieur", S, "Ingenieure"),
    noun("lawyer", "lawyers", F, "Anwältin", U, "Anwältinnen"),
    noun("journalist", "journalists", M, "Journalist", WEAK_EN, "Journalisten"),
    noun("actress", "actresses", F, "Schauspielerin", U, "Schauspielerinnen"),
    noun("singer", "singers", F, "Sängerin", U, "Sängerinnen"),
    noun("gardener", "gardeners", M, "Gärtner", S, "Gärtner"),
    noun("farmer", "farmers", M, "Bauer", WEAK_N, "Bauern"),
    noun("customer", "customers", M, "Kunde", WEAK_N, "Kunden"),
    noun("colleague", "colleagues", F, "Kollegin", U, "Kolleginnen"),
    noun("boss", "bosses", M, "Chef", S, "Chefs"),
    noun("friend", "friends", M, "Freund", ES, "Freunde"),
    noun("brother", "brothers", M, "Bruder", S, "Brüder"),
    noun("sister", "sisters", F, "Schwester", U, "Schwestern"),
    noun("uncle", "uncles", M, "Onkel", S, "Onkel"),
    noun("aunt", "aunts", F, "Tante", U, "Tanten"),
    noun("grandmother", "grandmothers", F, "Großmutter", U, "Großmütter"),
    noun("grandfather", "grandfathers", M, "Großvater", S, "Großväter"),
    noun("son", "sons", M, "Sohn", ES, "Söhne"),
    noun("daughter", "daughters", F, "Tochter", U, "Töchter"),
    noun("cousin", "cousins", F, "Cousine", U, "Cousinen"),
    noun("boy", "boys", M, "Junge", WEAK_N, "Jungen"),
    noun("woman", "women", F, "Frau", U, "Frauen"),
    noun("man", "men", M, "Mann", ES, "Männer"),
    noun("cook", "cooks", M, "Koch", ES, "Köche"),
    noun("waiter", "waiters", M, "Kellner", S, "Kellner"),
    noun("painter", "painters", F, "Malerin", U, "Malerinnen"),
    noun("butcher", "butchers", M, "Metzger", S, "Metzger"),
    noun("pilot", "pilots", M, "Pilot", WEAK_EN, "Piloten"),
    noun("professor", "professors", F, "Professorin", U, "Professorinnen"),
    noun("secretary", "secretaries", F, "Sekretärin", U, "Sekretärinnen"),
    noun("mechanic", "mechanics", M, "Mechaniker", S, "Mechaniker"),
    noun("tailor", "tailors", M, "Schneider", S, "Schneider"),
    noun("musician", "musicians", M, "Musiker", S, "Musiker"),
    noun("director", "directors", F, "Direktorin", U, "Direktorinnen"),
    noun("tourist", "tourists", M, "Tourist", WEAK_EN, "Touristen"),
    noun("guest", "guests", M, "Gast", ES, "Gäste"),
    noun("artist", "artists", F, "Künstlerin", U, "Künstlerinnen"),
    noun("carpenter", "carpenters", M, "Tischler", S, "Tischler"),
    noun("policeman", "policemen", M, "Polizist", WEAK_EN, "Polizisten"),
    noun("mayor", "mayors", F, "Bürgermeisterin", U, "Bürgermeisterinnen"),
    noun("writer", "writers", M, "Schriftsteller", S, "Schriftsteller"),
    noun("photographer", "photographers", F, "Fotografin", U, "Fotografinnen"),
    noun("bus driver", "bus drivers", M, "Busfahrer", S, "Busfahrer"),
    noun("librarian", "librarians", F, "Bibliothekarin", U, "Bibliothekarinnen"),
    noun("witness", "witnesses", M, "Zeuge", WEAK_N, "Zeugen"),
    noun("expert", "experts", M, "Experte", WEAK_N, "Experten"),
];

/// Neuter people: German says *es*, English *she* or *he*, so they are never subjects.
#[rustfmt::skip]
pub(crate) static CHILDREN: &[Noun] = &[
    noun("girl", "girls", N, "Mädchen", S, "Mädchen"),
    noun("child", "children", N, "Kind", ES, "Kinder"),
    noun("baby", "babies", N, "Baby", S, "Babys"),
];

#[rustfmt::skip]
pub(crate) static FURNITURE: &[Noun] = &[
    noun("table", "tables", M, "Tisch", ES, "Tische"),
    noun("chair", "chairs", M, "Stuhl", ES, "Stühle"),
    noun("cabinet", "cabinets", M, "Schrank", ES, "Schränke"),
    noun("lamp", "lamps", F, "Lampe", U, "Lampen"),
    noun("shelf", "shelves", N, "Regal", S, "Regale"),
    noun("door", "doors", F, "Tür", U, "Türen"),
    noun("window", "windows", N, "Fenster", S, "Fenster"),
    noun("clock", "clocks", F, "Uhr", U, "Uhren"),
    noun("curtain", "curtains", M, "Vorhang", S, "Vorhänge"),
    noun("mirror", "mirrors", M, "Spiegel", S, "Spiegel"),
    noun("bench", "benches", F, "Bank", U, "Bänke"),
    noun("carpet", "carpets", M, "Teppich", S, "Teppiche"),
    noun("stool", "stools", M, "Hocker", S, "Hocker"),
    noun("picture", "pictures", N, "Bild", ES, "Bilder"),
    noun("sofa", "sofas", N, "Sofa", S, "Sofas"),
];

pub(crate) static ROOM_MODIFIERS: &[Modifier] = &[
    modifier("kitchen", "Küchen"),
    modifier("garden", "Garten"),
    modifier("office", "Büro"),
    modifier("school", "Schul"),
    modifier("bathroom", "Badezimmer"),
    modifier("bedroom", "Schlafzimmer"),
    modifier("living-room", "Wohnzimmer"),
    modifier("hotel", "Hotel"),
    modifier("cellar", "Keller"),
    modifier("hospital", "Krankenhaus"),
    modifier("museum", "Museums"),
];

#[rustfmt::skip]
pub(crate) static CLOTHING: &[Noun] = &[
    noun("coat", "coats", M, "Mantel", S, "Mäntel"),
    noun("jacket", "jackets", F, "Jacke", U, "Jacken"),
    noun("shoe", "shoes", M, "Schuh", S, "Schuhe"),
    noun("boot", "boots", M, "Stiefel", S, "Stiefel"),
    noun("dress", "dresses", N, "Kleid", ES, "Kleider"),
    noun("hat", "hats", M, "Hut", ES, "Hüte"),
    noun("glove", "gloves", M, "Handschuh", S, "Handschuhe"),
    noun("shirt", "shirts", N, "Hemd", ES, "Hemden"),
    noun("skirt", "skirts", M, "Rock", ES, "Röcke"),
    noun("scarf", "scarves", M, "Schal", S, "Schals"),
    noun("cap", "caps", F, "Mütze", U, "Mützen"),
    noun("suit", "suits", M, "Anzug", S, "Anzüge"),
];

pub(crate) static CLOTHING_MODIFIERS: &[Modifier] = &[
    modifier("winter", "Winter"),
    modifier("summer", "Sommer"),
    modifier("leather", "Leder"),
    modifier("wool", "Woll"),
    modifier("silk", "Seiden"),
    modifier("sports", "Sport"),
    modifier("travel", "Reise"),
];

#[rustfmt::skip]
pub(crate) static DEVICES: &[Noun] = &[
    noun("television", "televisions", M, "Fernseher", S, "Fernseher"),
    noun("camera", "cameras", F, "Kamera", U, "Kameras"),
    noun("computer", "computers", M, "Computer", S, "Computer"),
    noun("refrigerator", "refrigerators", M, "Kühlschrank", S, "Kühlschränke"),
    noun("radio", "radios", N, "Radio", S, "Radios"),
    noun("washing machine", "washing machines", F, "Waschmaschine", U, "Waschmaschinen"),
    noun("printer", "printers", M, "Drucker", S, "Drucker"),
    noun("telephone", "telephones", N, "Telefon", S, "Telefone"),
];

#[rustfmt::skip]
pub(crate) static VEHICLES: &[Noun] = &[
    noun("car", "cars", N, "Auto", S, "Autos"),
    noun("bicycle", "bicycles", N, "Fahrrad", S, "Fahrräder"),
    noun("motorcycle", "motorcycles", N, "Motorrad", S, "Motorräder"),
    noun("boat", "boats", N, "Boot", ES, "Boote"),
    noun("lorry", "lorries", M, "Lastwagen", S, "Lastwagen"),
];

#[rustfmt::skip]
pub(crate) static INSTRUMENTS: &[Noun] = &[
    noun("piano", "pianos", N, "Klavier", S, "Klaviere"),
    noun("guitar", "guitars", F, "Gitarre", U, "Gitarren"),
    noun("violin", "violins", F, "Geige", U, "Geigen"),
    noun("trumpet", "trumpets", F, "Trompete", U, "Trompeten"),
];

#[rustfmt::skip]
pub(crate) static DOCUMENTS: &[Noun] = &[
    noun("book", "books", N, "Buch", ES, "Bücher"),
    noun("letter", "letters", M, "Brief", ES, "Briefe"),
    noun("newspaper", "newspapers", F, "Zeitung", U, "Zeitungen"),
    noun("magazine", "magazines", F, "Zeitschrift", U, "Zeitschriften"),
    noun("postcard", "postcards", F, "Postkarte", U, "Postkarten"),
    noun("report", "reports", M, "Bericht", ES, "Berichte"),
    noun("novel", "novels", M, "Roman", S, "Romane"),
    noun("contract", "contracts", M, "Vertrag", S, "Verträge"),
    noun("invoice", "invoices", F, "Rechnung", U, "Rechnungen"),
    noun("dictionary", "dictionaries", N, "Wörterbuch", ES, "Wörterbücher"),
];

pub(crate) static TICKETS: &[Noun] = &[noun("ticket", "tickets", F, "Karte", U, "Karten")];

pub(crate) static TICKET_MODIFIERS: &[Modifier] = &[
    modifier("concert", "Konzert"),
    modifier("theatre", "Theater"),
    modifier("opera", "Opern"),
    modifier("cinema", "Kino"),
    modifier("museum", "Museums"),
];

#[rustfmt::skip]
pub(crate) static FOOD: &[Noun] = &[
    noun("apple", "apples", M, "Apfel", S, "Äpfel"),
    noun("pear", "pears", F, "Birne", U, "Birnen"),
    noun("egg", "eggs", N, "Ei", ES, "Eier"),
    noun("roll", "rolls", N, "Brötchen", S, "Brötchen"),
    noun("sausage", "sausages", F, "Wurst", U, "Würste"),
    noun("orange", "oranges", F, "Orange", U, "Orangen"),
    noun("banana", "bananas", F, "Banane", U, "Bananen"),
    noun("pancake", "pancakes", M, "Pfannkuchen", S, "Pfannkuchen"),
    noun("fish", "fish", M, "Fisch", ES, "Fische"),
];

#[rustfmt::skip]
pub(crate) static SAVOURY_DISHES: &[Noun] = &[
    noun("soup", "soups", F, "Suppe", U, "Suppen"),
    noun("salad", "salads", M, "Salat", S, "Salate"),
];

pub(crate) static SAVOURY_MODIFIERS: &[Modifier] = &[
    modifier("tomato", "Tomaten"),
    modifier("potato", "Kartoffel"),
    modifier("onion", "Zwiebel"),
    modifier("carrot", "Karotten"),
    modifier("mushroom", "Pilz"),
    modifier("vegetable", "Gemüse"),
    modifier("fish", "Fisch"),
];

#[rustfmt::skip]
pub(crate) static SWEET_DISHES: &[Noun] = &[
    noun("cake", "cakes", M, "Kuchen", S, "Kuchen"),
    noun("tart", "tarts", F, "Torte", U, "Torten"),
];

pub(crate) static SWEET_MODIFIERS: &[Modifier] = &[
    modifier("apple", "Apfel"),
    modifier("cherry", "Kirsch"),
    modifier("chocolate", "Schokoladen"),
    modifier("nut", "Nuss"),
    modifier("lemon", "Zitronen"),
    modifier("plum", "Pflaumen"),
    modifier("cheese", "Käse"),
];

#[rustfmt::skip]
pub(crate) static DRINK_CONTAINERS: &[Noun] = &[
    noun("bottle", "bottles", F, "Flasche", U, "Flaschen"),
    noun("glass", "glasses", N, "Glas", ES, "Gläser"),
    noun("litre", "litres", M, "Liter", S, "Liter"),
    noun("jug", "jugs", M, "Krug", ES, "Krüge"),
];

pub(crate) static DRINKS: &[Substance] = &[
    substance("red wine", "Rotwein"),
    substance("white wine", "Weißwein"),
    substance("apple juice", "Apfelsaft"),
    substance("orange juice", "Orangensaft"),
    substance("cherry juice", "Kirschsaft"),
    substance("tomato juice", "Tomatensaft"),
    substance("mineral water", "Mineralwasser"),
    substance("milk", "Milch"),
    substance("beer", "Bier"),
    substance("lemonade", "Limonade"),
];

#[rustfmt::skip]
pub(crate) static HOT_DRINK_CONTAINERS: &[Noun] = &[
    noun("cup", "cups", F, "Tasse", U, "Tassen"),
    noun("pot", "pots", F, "Kanne", U, "Kannen"),
];

pub(crate) static HOT_DRINKS: &[Substance] = &[
    substance("coffee", "Kaffee"),
    substance("tea", "Tee"),
    substance("cocoa", "Kakao"),
    substance("peppermint tea", "Pfefferminztee"),
];

#[rustfmt::skip]
pub(crate) static PROVISION_CONTAINERS: &[Noun] = &[
    noun("kilogram", "kilograms", N, "Kilo", S, "Kilo"),
    noun("pound", "pounds", N, "Pfund", ES, "Pfund"),
    noun("bag", "bags", F, "Tüte", U, "Tüten"),
    noun("box", "boxes", F, "Kiste", U, "Kisten"),
    noun("sack", "sacks", M, "Sack", ES, "Säcke"),
    noun("packet", "packets", F, "Packung", U, "Packungen"),
    noun("basket", "baskets", M, "Korb", ES, "Körbe"),
];

pub(crate) static PROVISIONS: &[Substance] = &[
    substance("potatoes", "Kartoffeln"),
    substance("apples", "Äpfel"),
    substance("tomatoes", "Tomaten"),
    substance("onions", "Zwiebeln"),
    substance("rice", "Reis"),
    substance("flour", "Mehl"),
    substance("sugar", "Zucker"),
    substance("salt", "Salz"),
    substance("cherries", "Kirschen"),
    substance("nuts", "Nüsse"),
    substance("noodles", "Nudeln"),
    substance("mushrooms", "Pilze"),
    substance("strawberries", "Erdbeeren"),
    substance("carrots", "Karotten"),
];
