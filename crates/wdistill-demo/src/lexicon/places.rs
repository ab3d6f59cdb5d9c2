//! Places, cities and means of travel.

use super::Gender;

/// German preposition that says where, always with the dative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preposition {
    In,
    An,
    Auf,
}

/// A place with its own prepositions: *at the market*, *auf dem Markt*.
#[derive(Debug)]
pub(crate) struct Place {
    pub english_preposition: &'static str,
    pub english: &'static str,
    pub preposition: Preposition,
    pub gender: Gender,
    pub german: &'static str,
}

/// A city; German says *in* and *nach*.
#[derive(Debug)]
pub(crate) struct City {
    pub english: &'static str,
    pub german: &'static str,
}

/// A means of travel: *by train*, *mit dem Zug*.
#[derive(Debug)]
pub(crate) struct Vehicle {
    pub english: &'static str,
    pub german: &'static str,
}

const M: Gender = Gender::Masculine;
const F: Gender = Gender::Feminine;
const N: Gender = Gender::Neuter;

const fn place(
    english_preposition: &'static str,
    english: &'static str,
    preposition: Preposition,
    gender: Gender,
    german: &'static str,
) -> Place {
    Place { english_preposition, english, preposition, gender, german }
}

const fn city(english: &'static str, german: &'static str) -> City {
    City { english, german }
}

const fn vehicle(english: &'static str, german: &'static str) -> Vehicle {
    Vehicle { english, german }
}

pub(crate) static PLACES: &[Place] = &[
    place("in", "furniture shop", Preposition::In, N, "Möbelhaus"),
    place("at", "market", Preposition::Auf, M, "Markt"),
    place("at", "station", Preposition::An, M, "Bahnhof"),
    place("in", "city centre", Preposition::In, N, "Stadtzentrum"),
    place("in", "supermarket", Preposition::In, M, "Supermarkt"),
    place("at", "airport", Preposition::An, M, "Flughafen"),
    place("in", "museum", Preposition::In, N, "Museum"),
    place("in", "library", Preposition::In, F, "Bibliothek"),
    place("at", "university", Preposition::An, F, "Universität"),
    place("in", "school", Preposition::In, F, "Schule"),
    place("in", "park", Preposition::In, M, "Park"),
    place("in", "hospital", Preposition::In, N, "Krankenhaus"),
    place("in", "restaurant", Preposition::In, N, "Restaurant"),
    place("in", "café", Preposition::In, N, "Café"),
    place("at", "harbour", Preposition::An, M, "Hafen"),
    place("in", "church", Preposition::In, F, "Kirche"),
    place("in", "factory", Preposition::In, F, "Fabrik"),
    place("at", "theatre", Preposition::In, N, "Theater"),
    place("in", "castle", Preposition::In, N, "Schloss"),
    place("on", "farm", Preposition::Auf, M, "Bauernhof"),
    place("at", "lake", Preposition::An, M, "See"),
    place("in", "village", Preposition::In, N, "Dorf"),
    place("in", "bakery", Preposition::In, F, "Bäckerei"),
    place("in", "pharmacy", Preposition::In, F, "Apotheke"),
    place("in", "bookshop", Preposition::In, F, "Buchhandlung"),
    place("in", "garage", Preposition::In, F, "Werkstatt"),
    place("in", "department store", Preposition::In, N, "Kaufhaus"),
    place("at", "swimming pool", Preposition::In, N, "Schwimmbad"),
    place("in", "town hall", Preposition::In, N, "Rathaus"),
    place("at", "petrol station", Preposition::An, F, "Tankstelle"),
    place("at", "border", Preposition::An, F, "Grenze"),
    place("at", "zoo", Preposition::In, M, "Zoo"),
    place("at", "bus stop", Preposition::An, F, "Bushaltestelle"),
    place("on", "bridge", Preposition::Auf, F, "Brücke"),
    place("on", "island", Preposition::Auf, F, "Insel"),
    place("in", "forest", Preposition::In, M, "Wald"),
    place("on", "beach", Preposition::An, M, "Strand"),
    place("in", "old town", Preposition::In, F, "Altstadt"),
];

pub(crate) static CITIES: &[City] = &[
    city("Berlin", "Berlin"),
    city("Hamburg", "Hamburg"),
    city("Munich", "München"),
    city("Vienna", "Wien"),
    city("Cologne", "Köln"),
    city("Zurich", "Zürich"),
    city("Rome", "Rom"),
    city("Prague", "Prag"),
    city("Paris", "Paris"),
    city("London", "London"),
    city("Brussels", "Brüssel"),
    city("Copenhagen", "Kopenhagen"),
    city("Warsaw", "Warschau"),
    city("Lisbon", "Lissabon"),
    city("Moscow", "Moskau"),
    city("Milan", "Mailand"),
    city("Venice", "Venedig"),
    city("Athens", "Athen"),
    city("Nuremberg", "Nürnberg"),
    city("Geneva", "Genf"),
    city("Leipzig", "Leipzig"),
    city("Hanover", "Hannover"),
    city("Florence", "Florenz"),
    city("Naples", "Neapel"),
];

pub(crate) static VEHICLES: &[Vehicle] = &[
    vehicle("by train", "mit dem Zug"),
    vehicle("by bus", "mit dem Bus"),
    vehicle("by car", "mit dem Auto"),
    vehicle("by bicycle", "mit dem Fahrrad"),
    vehicle("by ship", "mit dem Schiff"),
    vehicle("by taxi", "mit dem Taxi"),
    vehicle("by tram", "mit der Straßenbahn"),
];
