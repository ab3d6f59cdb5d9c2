//! Further checks of the text of a pair.

use wdistill_text::{Filter, FindingKind, Objection};

/// Objects to a side of which too few characters, blanks aside, are letters: tables, numbers, remains of markup.
#[derive(Clone, Copy, Debug)]
pub struct Letters {
    /// The least share of letters, from 0 to 1.
    pub least: f64,
}

impl Filter for Letters {
    fn object(&self, source: &str, target: &str) -> Option<Objection> {
        let objection = |(side, text): (&str, &str)| {
            let (mut letters, mut all) = (0u32, 0u32);
            for character in text.chars().filter(|character| !character.is_whitespace()) {
                all += 1;
                letters += u32::from(character.is_alphabetic());
            }
            let share = f64::from(letters) / f64::from(all.max(1));
            (share < self.least).then(|| Objection {
                kind: FindingKind::FewLetters,
                detail: format!("{:.0}% of the {side}'s characters", share * 100.0),
            })
        };
        [("source", source), ("target", target)].into_iter().find_map(objection)
    }
}

/// Objects to a side that is in another language than it should be, where that can be told with confidence; a few words
/// tell nothing.
#[derive(Clone, Copy, Debug)]
pub struct InLanguages {
    expected: [whatlang::Lang; 2],
}

impl InLanguages {
    /// For these languages of source and target, as codes of three letters of ISO 639-3; none if one of them cannot be told
    /// from others.
    pub fn new([source, target]: [&str; 2]) -> Option<InLanguages> {
        let expected = [whatlang::Lang::from_code(source)?, whatlang::Lang::from_code(target)?];
        Some(InLanguages { expected })
    }
}

impl Filter for InLanguages {
    fn object(&self, source: &str, target: &str) -> Option<Objection> {
        let objection = |(side, text, expected): (&str, &str, whatlang::Lang)| {
            let found = whatlang::detect(text).filter(whatlang::Info::is_reliable)?;
            (found.lang() != expected).then(|| Objection {
                kind: FindingKind::OtherLanguage,
                detail: format!(
                    "the {side} is {}, not {}",
                    found.lang().eng_name(),
                    expected.eng_name()
                ),
            })
        };
        let sides = [("source", source, self.expected[0]), ("target", target, self.expected[1])];
        sides.into_iter().find_map(objection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_letters_are_counted_on_either_side() {
        let filter = Letters { least: 0.5 };
        assert_eq!(filter.object("a fish", "ein Fisch"), None);
        assert_eq!(filter.object("日本語", "a 1"), None);
        let found = filter.object("a fish", "1 | 2 | x").unwrap();
        assert_eq!(found.kind, FindingKind::FewLetters);
        assert_eq!(found.detail, "20% of the target's characters");
    }

    #[test]
    fn another_language_is_named_if_it_is_certain() {
        let filter = InLanguages::new(["eng", "deu"]).unwrap();
        let english = "The next train to the airport leaves in twenty minutes from platform two.";
        let german = "Der nächste Zug zum Flughafen fährt in zwanzig Minuten von Gleis zwei ab.";
        let french = "Le prochain train pour l'aéroport part dans vingt minutes de la voie deux.";
        assert_eq!(filter.object(english, german), None);
        assert_eq!(filter.object("taxi", "taxi"), None);
        let found = filter.object(english, french).unwrap();
        assert_eq!(found.detail, "the target is French, not German");
        assert_eq!(
            filter.object(german, german).unwrap().detail,
            "the source is German, not English"
        );
        assert!(InLanguages::new(["eng", "xyz"]).is_none());
    }
}
