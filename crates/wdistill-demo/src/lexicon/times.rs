//! Names of days, months, parts of the day and spans of time.

/// Weekdays from Monday, English and German.
pub(crate) static WEEKDAYS: [(&str, &str); 7] = [
    ("Monday", "Montag"),
    ("Tuesday", "Dienstag"),
    ("Wednesday", "Mittwoch"),
    ("Thursday", "Donnerstag"),
    ("Friday", "Freitag"),
    ("Saturday", "Samstag"),
    ("Sunday", "Sonntag"),
];

/// Months from January, English, German and greatest day used.
pub(crate) static MONTHS: [(&str, &str, u16); 12] = [
    ("January", "Januar", 31),
    ("February", "Februar", 28),
    ("March", "März", 31),
    ("April", "April", 30),
    ("May", "Mai", 31),
    ("June", "Juni", 30),
    ("July", "Juli", 31),
    ("August", "August", 31),
    ("September", "September", 30),
    ("October", "Oktober", 31),
    ("November", "November", 30),
    ("December", "Dezember", 31),
];

/// Spans: English singular and plural, German dative singular with *ein* and dative plural.
pub(crate) static SPANS: [(&str, &str, &str, &str); 4] = [
    ("day", "days", "einem Tag", "Tagen"),
    ("week", "weeks", "einer Woche", "Wochen"),
    ("month", "months", "einem Monat", "Monaten"),
    ("year", "years", "einem Jahr", "Jahren"),
];
