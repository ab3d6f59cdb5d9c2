//! Days and times of the clock, each with both of its translations.

use crate::lexicon::times::{MONTHS, SPANS, WEEKDAYS};
use crate::numbers::{
    english_cardinal, english_ordinal, english_ordinal_figures, english_year, german_cardinal,
    german_ordinal, german_year,
};

/// A part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayPart {
    Morning,
    Afternoon,
    Evening,
    Night,
}

/// Which of the two rounds of the twelve-hour clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    BeforeNoon,
    AfterNoon,
}

impl DayPart {
    /// The part of the day in which English speakers name this hour of the twelve-hour clock;
    /// noon has none, since German has a fifth part for it.
    pub(crate) fn of_hour(hour: u16, round: Round) -> Option<Self> {
        match (round, hour) {
            (Round::AfterNoon, 12) => None,
            (Round::AfterNoon, 1..=5) => Some(DayPart::Afternoon),
            (Round::AfterNoon, 6..=10) => Some(DayPart::Evening),
            (Round::AfterNoon, _) | (Round::BeforeNoon, 12 | 1..=3) => Some(DayPart::Night),
            (Round::BeforeNoon, _) => Some(DayPart::Morning),
        }
    }

    fn english(self) -> &'static str {
        match self {
            DayPart::Morning => "in the morning",
            DayPart::Afternoon => "in the afternoon",
            DayPart::Evening => "in the evening",
            DayPart::Night => "at night",
        }
    }

    fn german_adverb(self) -> &'static str {
        match self {
            DayPart::Morning => "morgens",
            DayPart::Afternoon => "nachmittags",
            DayPart::Evening => "abends",
            DayPart::Night => "nachts",
        }
    }

    /// The part as a word after a weekday: *Monday morning*, *Montagmorgen*.
    fn of_weekday(self) -> (&'static str, &'static str) {
        match self {
            DayPart::Morning => ("morning", "morgen"),
            DayPart::Afternoon => ("afternoon", "nachmittag"),
            DayPart::Evening => ("evening", "abend"),
            DayPart::Night => ("night", "nacht"),
        }
    }
}

/// The minutes of a clock time as they are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Minutes {
    Full,
    Past(u16),
    QuarterPast,
    TwentyFivePast,
    Half,
    TwentyFiveTo,
    QuarterTo,
    To(u16),
}

/// A time of the clock; `hour` is the hour that English names, `1..=12`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub hour: u16,
    pub minutes: Minutes,
    pub part: Option<DayPart>,
}

impl Clock {
    pub(crate) fn english(self) -> String {
        let hour = english_cardinal(self.hour);
        let time = match self.minutes {
            Minutes::Full => format!("at {hour} o'clock"),
            Minutes::Past(minutes) => format!("at {} past {hour}", english_cardinal(minutes)),
            Minutes::QuarterPast => format!("at a quarter past {hour}"),
            Minutes::TwentyFivePast => format!("at twenty-five past {hour}"),
            Minutes::Half => format!("at half past {hour}"),
            Minutes::TwentyFiveTo => format!("at twenty-five to {hour}"),
            Minutes::QuarterTo => format!("at a quarter to {hour}"),
            Minutes::To(minutes) => format!("at {} to {hour}", english_cardinal(minutes)),
        };
        match self.part {
            Some(part) => format!("{time} {}", part.english()),
            None => time,
        }
    }

    /// German counts the half hour towards the next hour: *half past four* is *halb fünf*, and the
    /// five minutes on either side of it are counted from there.
    pub(crate) fn german(self) -> String {
        let hour = german_cardinal(self.hour);
        let next = german_cardinal(self.hour % 12 + 1);
        let time = match self.minutes {
            Minutes::Full if self.hour == 1 => "um ein Uhr".to_string(),
            Minutes::Full => format!("um {hour} Uhr"),
            Minutes::Past(minutes) => format!("um {} nach {hour}", german_cardinal(minutes)),
            Minutes::QuarterPast => format!("um Viertel nach {hour}"),
            Minutes::TwentyFivePast => format!("um fünf vor halb {next}"),
            Minutes::Half => format!("um halb {next}"),
            Minutes::TwentyFiveTo => format!("um fünf nach halb {hour}"),
            Minutes::QuarterTo => format!("um Viertel vor {hour}"),
            Minutes::To(minutes) => format!("um {} vor {hour}", german_cardinal(minutes)),
        };
        match self.part {
            Some(part) => format!("{} {time}", part.german_adverb()),
            None => time,
        }
    }
}

/// How far from today, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ago,
    Ahead,
}

/// A day or a longer span.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Day {
    /// *on Monday*
    Weekday(usize),
    /// *on Monday evening*
    WeekdayPart(usize, DayPart),
    /// *every Monday*
    EveryWeekday(usize),
    /// *last Monday*
    LastWeekday(usize),
    /// *next Monday*
    NextWeekday(usize),
    /// *on Tuesday, the 23rd of March 1987*
    FullDate { weekday: usize, day: u16, month: usize, year: u16 },
    /// *on the twenty-third of March*
    DateInWords { day: u16, month: usize },
    /// *in nineteen eighty-seven*
    Year(u16),
    /// *in March*
    Month(usize),
    /// *three weeks ago*, *in three weeks*
    Span { count: u16, span: usize, direction: Direction },
    /// *yesterday*
    Yesterday,
    /// *tomorrow*
    Tomorrow,
}

impl Day {
    pub(crate) fn english(self) -> String {
        let name = |weekday: usize| WEEKDAYS[weekday].0;
        match self {
            Day::Weekday(weekday) => format!("on {}", name(weekday)),
            Day::WeekdayPart(weekday, part) => {
                format!("on {} {}", name(weekday), part.of_weekday().0)
            }
            Day::EveryWeekday(weekday) => format!("every {}", name(weekday)),
            Day::LastWeekday(weekday) => format!("last {}", name(weekday)),
            Day::NextWeekday(weekday) => format!("next {}", name(weekday)),
            Day::FullDate { weekday, day, month, year } => format!(
                "on {}, the {} of {} {year},",
                name(weekday),
                english_ordinal_figures(day),
                MONTHS[month].0
            ),
            Day::DateInWords { day, month } => {
                format!("on the {} of {}", english_ordinal(day), MONTHS[month].0)
            }
            Day::Year(year) => format!("in {}", english_year(year)),
            Day::Month(month) => format!("in {}", MONTHS[month].0),
            Day::Span { count, span, direction } => {
                let (singular, plural, ..) = SPANS[span];
                let length = match count {
                    1 => format!("one {singular}"),
                    _ => format!("{} {plural}", english_cardinal(count)),
                };
                match direction {
                    Direction::Ago => format!("{length} ago"),
                    Direction::Ahead => format!("in {length}"),
                }
            }
            Day::Yesterday => "yesterday".to_string(),
            Day::Tomorrow => "tomorrow".to_string(),
        }
    }

    /// A full date is an apposition in the dative, closed by a comma; the clause drops that comma
    /// where another mark follows.
    pub(crate) fn german(self) -> String {
        let name = |weekday: usize| WEEKDAYS[weekday].1;
        match self {
            Day::Weekday(weekday) => format!("am {}", name(weekday)),
            Day::WeekdayPart(weekday, DayPart::Night) => {
                format!("in der {}nacht", name(weekday))
            }
            Day::WeekdayPart(weekday, part) => {
                format!("am {}{}", name(weekday), part.of_weekday().1)
            }
            Day::EveryWeekday(weekday) => format!("jeden {}", name(weekday)),
            Day::LastWeekday(weekday) => format!("letzten {}", name(weekday)),
            Day::NextWeekday(weekday) => format!("nächsten {}", name(weekday)),
            Day::FullDate { weekday, day, month, year } => {
                format!("am {}, dem {day}. {} {year},", name(weekday), MONTHS[month].1)
            }
            Day::DateInWords { day, month } => {
                format!("am {} {}", german_ordinal(day), MONTHS[month].1)
            }
            Day::Year(year) => format!("im Jahr {}", german_year(year)),
            Day::Month(month) => format!("im {}", MONTHS[month].1),
            Day::Span { count, span, direction } => {
                let (_, _, one, plural) = SPANS[span];
                let length = match count {
                    1 => one.to_string(),
                    _ => format!("{} {plural}", german_cardinal(count)),
                };
                match direction {
                    Direction::Ago => format!("vor {length}"),
                    Direction::Ahead => format!("in {length}"),
                }
            }
            Day::Yesterday => "gestern".to_string(),
            Day::Tomorrow => "morgen".to_string(),
        }
    }
}

/// When: a day, a time of the clock, or both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub day: Day,
    pub clock: Option<Clock>,
}

impl Time {
    pub(crate) fn english(self) -> String {
        match self.clock {
            Some(clock) => format!("{} {}", self.day.english(), clock.english()),
            None => self.day.english(),
        }
    }

    pub(crate) fn german(self) -> String {
        match self.clock {
            Some(clock) => format!("{} {}", self.day.german(), clock.german()),
            None => self.day.german(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(hour: u16, minutes: Minutes, part: Option<DayPart>) -> (String, String) {
        let clock = Clock { hour, minutes, part };
        (clock.english(), clock.german())
    }

    #[test]
    fn every_way_to_say_the_hour() {
        for (hour, minutes, english, german) in [
            (3, Minutes::Full, "at three o'clock", "um drei Uhr"),
            (1, Minutes::Full, "at one o'clock", "um ein Uhr"),
            (1, Minutes::Past(10), "at ten past one", "um zehn nach eins"),
            (6, Minutes::Past(20), "at twenty past six", "um zwanzig nach sechs"),
            (3, Minutes::QuarterPast, "at a quarter past three", "um Viertel nach drei"),
            (6, Minutes::TwentyFivePast, "at twenty-five past six", "um fünf vor halb sieben"),
            (4, Minutes::Half, "at half past four", "um halb fünf"),
            (12, Minutes::Half, "at half past twelve", "um halb eins"),
            (7, Minutes::TwentyFiveTo, "at twenty-five to seven", "um fünf nach halb sieben"),
            (1, Minutes::QuarterTo, "at a quarter to one", "um Viertel vor eins"),
            (11, Minutes::To(5), "at five to eleven", "um fünf vor elf"),
        ] {
            assert_eq!(both(hour, minutes, None), (english.to_string(), german.to_string()));
        }
    }

    #[test]
    fn the_part_of_the_day_moves_to_the_front() {
        let (english, german) = both(3, Minutes::QuarterPast, Some(DayPart::Afternoon));
        assert_eq!(english, "at a quarter past three in the afternoon");
        assert_eq!(german, "nachmittags um Viertel nach drei");
        let (english, german) = both(2, Minutes::Full, Some(DayPart::Night));
        assert_eq!(
            (english.as_str(), german.as_str()),
            ("at two o'clock at night", "nachts um zwei Uhr")
        );
    }

    #[test]
    fn days_and_spans() {
        let full = Day::FullDate { weekday: 1, day: 23, month: 2, year: 1987 };
        for (day, english, german) in [
            (full, "on Tuesday, the 23rd of March 1987,", "am Dienstag, dem 23. März 1987,"),
            (Day::Weekday(0), "on Monday", "am Montag"),
            (Day::WeekdayPart(2, DayPart::Evening), "on Wednesday evening", "am Mittwochabend"),
            (Day::WeekdayPart(5, DayPart::Night), "on Saturday night", "in der Samstagnacht"),
            (Day::EveryWeekday(3), "every Thursday", "jeden Donnerstag"),
            (Day::LastWeekday(4), "last Friday", "letzten Freitag"),
            (Day::NextWeekday(6), "next Sunday", "nächsten Sonntag"),
            (
                Day::DateInWords { day: 23, month: 2 },
                "on the twenty-third of March",
                "am dreiundzwanzigsten März",
            ),
            (
                Day::Year(1987),
                "in nineteen eighty-seven",
                "im Jahr neunzehnhundertsiebenundachtzig",
            ),
            (Day::Month(11), "in December", "im Dezember"),
            (
                Day::Span { count: 3, span: 3, direction: Direction::Ago },
                "three years ago",
                "vor drei Jahren",
            ),
            (
                Day::Span { count: 1, span: 1, direction: Direction::Ahead },
                "in one week",
                "in einer Woche",
            ),
            (
                Day::Span { count: 1, span: 2, direction: Direction::Ago },
                "one month ago",
                "vor einem Monat",
            ),
            (Day::Yesterday, "yesterday", "gestern"),
            (Day::Tomorrow, "tomorrow", "morgen"),
        ] {
            assert_eq!(day.english(), english);
            assert_eq!(day.german(), german);
        }
    }

    #[test]
    fn hours_belong_to_their_part_of_the_day() {
        for (hour, round, part) in [
            (8, Round::BeforeNoon, Some(DayPart::Morning)),
            (4, Round::BeforeNoon, Some(DayPart::Morning)),
            (3, Round::BeforeNoon, Some(DayPart::Night)),
            (12, Round::BeforeNoon, Some(DayPart::Night)),
            (12, Round::AfterNoon, None),
            (1, Round::AfterNoon, Some(DayPart::Afternoon)),
            (6, Round::AfterNoon, Some(DayPart::Evening)),
            (11, Round::AfterNoon, Some(DayPart::Night)),
        ] {
            assert_eq!(DayPart::of_hour(hour, round), part, "{hour} {round:?}");
        }
    }
}
