//! Numbers, ordinals and years in words, in both languages.

const ENGLISH_SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const GERMAN_SMALL: [&str; 20] = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 10] = [
    "", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
];

/// British cardinal for `0..=9999`: *two hundred and forty-five*.
pub(crate) fn english_cardinal(number: u16) -> String {
    match number {
        0..20 => ENGLISH_SMALL[usize::from(number)].to_string(),
        20..100 => match (number / 10, number % 10) {
            (tens, 0) => ENGLISH_TENS[usize::from(tens)].to_string(),
            (tens, ones) => {
                format!("{}-{}", ENGLISH_TENS[usize::from(tens)], ENGLISH_SMALL[usize::from(ones)])
            }
        },
        100..1000 => {
            let hundreds = format!("{} hundred", ENGLISH_SMALL[usize::from(number / 100)]);
            join_english(hundreds, " and ", number % 100)
        }
        _ => {
            let thousands = format!("{} thousand", english_cardinal(number / 1000));
            let separator = if number % 1000 < 100 { " and " } else { " " };
            join_english(thousands, separator, number % 1000)
        }
    }
}

fn join_english(leading: String, separator: &str, rest: u16) -> String {
    match rest {
        0 => leading,
        _ => format!("{leading}{separator}{}", english_cardinal(rest)),
    }
}

/// German cardinal for `0..=9999`, one word: *zweihundertfünfundvierzig*.
pub(crate) fn german_cardinal(number: u16) -> String {
    match number {
        0..20 => GERMAN_SMALL[usize::from(number)].to_string(),
        20..100 => match (number / 10, number % 10) {
            (tens, 0) => GERMAN_TENS[usize::from(tens)].to_string(),
            (tens, ones) => format!("{}und{}", german_joint(ones), GERMAN_TENS[usize::from(tens)]),
        },
        100..1000 => join_german(format!("{}hundert", german_joint(number / 100)), number % 100),
        _ => join_german(format!("{}tausend", german_joint(number / 1000)), number % 1000),
    }
}

/// Inside a compound *eins* loses its *s*.
fn german_joint(number: u16) -> String {
    if number == 1 { "ein".to_string() } else { german_cardinal(number) }
}

fn join_german(leading: String, rest: u16) -> String {
    match rest {
        0 => leading,
        _ => format!("{leading}{}", german_cardinal(rest)),
    }
}

/// English ordinal in words for `1..=31`: *twenty-third*.
pub(crate) fn english_ordinal(number: u16) -> String {
    let small = match number % 10 {
        _ if number == 12 => "twelfth",
        _ if (10..20).contains(&number) => return format!("{}th", english_cardinal(number)),
        0 => return format!("{}ieth", english_cardinal(number).trim_end_matches('y')),
        1 => "first",
        2 => "second",
        3 => "third",
        4 => "fourth",
        5 => "fifth",
        6 => "sixth",
        7 => "seventh",
        8 => "eighth",
        _ => "ninth",
    };
    match number / 10 {
        0 | 1 => small.to_string(),
        tens => format!("{}-{small}", ENGLISH_TENS[usize::from(tens)]),
    }
}

/// English ordinal in figures: *23rd*.
pub(crate) fn english_ordinal_figures(number: u16) -> String {
    let ending = match (number / 10 % 10, number % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// German ordinal in the dative after an article, for `1..=31`: *dreiundzwanzigsten*.
pub(crate) fn german_ordinal(number: u16) -> String {
    match number {
        1 => "ersten".to_string(),
        3 => "dritten".to_string(),
        7 => "siebten".to_string(),
        8 => "achten".to_string(),
        0..20 => format!("{}ten", german_cardinal(number)),
        _ => format!("{}sten", german_cardinal(number)),
    }
}

/// English year for `1100..=1999`: *nineteen eighty-seven*, *nineteen oh five*.
pub(crate) fn english_year(year: u16) -> String {
    let century = english_cardinal(year / 100);
    match year % 100 {
        0 => format!("{century} hundred"),
        small @ 1..10 => format!("{century} oh {}", english_cardinal(small)),
        rest => format!("{century} {}", english_cardinal(rest)),
    }
}

/// German year for `1100..=1999`: *neunzehnhundertsiebenundachtzig*.
pub(crate) fn german_year(year: u16) -> String {
    join_german(format!("{}hundert", german_cardinal(year / 100)), year % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cardinals() {
        for (number, english, german) in [
            (0, "zero", "null"),
            (1, "one", "eins"),
            (2, "two", "zwei"),
            (6, "six", "sechs"),
            (7, "seven", "sieben"),
            (11, "eleven", "elf"),
            (12, "twelve", "zwölf"),
            (13, "thirteen", "dreizehn"),
            (16, "sixteen", "sechzehn"),
            (17, "seventeen", "siebzehn"),
            (19, "nineteen", "neunzehn"),
            (20, "twenty", "zwanzig"),
            (21, "twenty-one", "einundzwanzig"),
            (23, "twenty-three", "dreiundzwanzig"),
            (30, "thirty", "dreißig"),
            (34, "thirty-four", "vierunddreißig"),
            (40, "forty", "vierzig"),
            (46, "forty-six", "sechsundvierzig"),
            (55, "fifty-five", "fünfundfünfzig"),
            (61, "sixty-one", "einundsechzig"),
            (67, "sixty-seven", "siebenundsechzig"),
            (72, "seventy-two", "zweiundsiebzig"),
            (77, "seventy-seven", "siebenundsiebzig"),
            (88, "eighty-eight", "achtundachtzig"),
            (90, "ninety", "neunzig"),
            (99, "ninety-nine", "neunundneunzig"),
            (100, "one hundred", "einhundert"),
            (101, "one hundred and one", "einhunderteins"),
            (110, "one hundred and ten", "einhundertzehn"),
            (245, "two hundred and forty-five", "zweihundertfünfundvierzig"),
            (600, "six hundred", "sechshundert"),
            (716, "seven hundred and sixteen", "siebenhundertsechzehn"),
            (999, "nine hundred and ninety-nine", "neunhundertneunundneunzig"),
            (1000, "one thousand", "eintausend"),
            (2005, "two thousand and five", "zweitausendfünf"),
            (
                7321,
                "seven thousand three hundred and twenty-one",
                "siebentausenddreihunderteinundzwanzig",
            ),
        ] {
            assert_eq!(english_cardinal(number), english);
            assert_eq!(german_cardinal(number), german);
        }
    }

    #[test]
    fn ordinals() {
        for (number, words, figures, german) in [
            (1, "first", "1st", "ersten"),
            (2, "second", "2nd", "zweiten"),
            (3, "third", "3rd", "dritten"),
            (4, "fourth", "4th", "vierten"),
            (5, "fifth", "5th", "fünften"),
            (7, "seventh", "7th", "siebten"),
            (8, "eighth", "8th", "achten"),
            (9, "ninth", "9th", "neunten"),
            (10, "tenth", "10th", "zehnten"),
            (11, "eleventh", "11th", "elften"),
            (12, "twelfth", "12th", "zwölften"),
            (13, "thirteenth", "13th", "dreizehnten"),
            (16, "sixteenth", "16th", "sechzehnten"),
            (19, "nineteenth", "19th", "neunzehnten"),
            (20, "twentieth", "20th", "zwanzigsten"),
            (21, "twenty-first", "21st", "einundzwanzigsten"),
            (22, "twenty-second", "22nd", "zweiundzwanzigsten"),
            (23, "twenty-third", "23rd", "dreiundzwanzigsten"),
            (30, "thirtieth", "30th", "dreißigsten"),
            (31, "thirty-first", "31st", "einunddreißigsten"),
        ] {
            assert_eq!(english_ordinal(number), words);
            assert_eq!(english_ordinal_figures(number), figures);
            assert_eq!(german_ordinal(number), german);
        }
    }

    #[test]
    fn years() {
        for (year, english, german) in [
            (1987, "nineteen eighty-seven", "neunzehnhundertsiebenundachtzig"),
            (1905, "nineteen oh five", "neunzehnhundertfünf"),
            (1900, "nineteen hundred", "neunzehnhundert"),
            (1848, "eighteen forty-eight", "achtzehnhundertachtundvierzig"),
            (1811, "eighteen eleven", "achtzehnhundertelf"),
        ] {
            assert_eq!(english_year(year), english);
            assert_eq!(german_year(year), german);
        }
    }
}
