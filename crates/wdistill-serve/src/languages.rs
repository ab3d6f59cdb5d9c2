//! Which language a text is in.

use serde::Serialize;
use wdistill_formats::detectable_code;

/// The language of a text, and how sure that is, from 0 to 100.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detected {
    /// Its code, as a model has it.
    #[serde(rename = "language")]
    pub code: String,
    /// In per cent.
    pub confidence: f64,
}

/// Which of these languages a text is in: the one that it is in among all languages, or, if that is not offered, the likeliest
/// of them, with confidence 0. Nothing if none of them can be told from others.
pub fn detect(text: &str, offered: &[&str]) -> Option<Detected> {
    let among: Vec<(whatlang::Lang, &str)> =
        offered.iter().filter_map(|code| Some((detectable(code)?, *code))).collect();
    let code_of = |language| among.iter().find(|(lang, _)| *lang == language).map(|(_, code)| code);
    let found = whatlang::detect(text)?;
    if let Some(code) = code_of(found.lang()) {
        return Some(Detected {
            code: (*code).to_string(),
            confidence: (found.confidence() * 1000.0).round() / 10.0,
        });
    }
    let allowed = among.iter().map(|(language, _)| *language).collect();
    let best = whatlang::Detector::with_allowlist(allowed).detect_lang(text)?;
    Some(Detected { code: code_of(best)?.to_string(), confidence: 0.0 })
}

fn detectable(code: &str) -> Option<whatlang::Lang> {
    whatlang::Lang::from_code(detectable_code(code)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_from_those_that_are_offered() {
        let german = "Wo ist der Bahnhof, und wann fährt der nächste Zug nach Berlin?";
        let found = detect(german, &["en", "de"]).unwrap();
        assert!(found.code == "de" && found.confidence > 50.0, "{found:?}");
        let found = detect(german, &["en", "fr"]).unwrap();
        assert_eq!(found.confidence, 0.0);
        assert_eq!(detect("", &["en"]), None);
    }
}
