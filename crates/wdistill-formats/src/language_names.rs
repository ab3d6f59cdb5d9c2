//! Names of languages, as ISO 639 has them.

fn known(code: &str) -> Option<isolang::Language> {
    let language = code.split(['-', '_']).next()?.to_ascii_lowercase();
    match language.len() {
        2 => isolang::Language::from_639_1(&language),
        _ => isolang::Language::from_639_3(&language),
    }
}

/// The English name of a language; the code itself for one that ISO 639 does not know.
pub fn language_name(code: &str) -> String {
    let Some(language) = known(code) else { return code.to_string() };
    let name = language.to_name();
    match code.split_once(['-', '_']) {
        Some((_, rest)) => format!("{name} ({rest})"),
        None => name.to_string(),
    }
}

/// The code of three letters of a language, without script and region.
pub fn three_letters(code: &str) -> Option<&'static str> {
    Some(known(code)?.to_639_3())
}

/// The code of three letters by which detectors know a language: of what ISO 639 calls a macrolanguage its largest
/// member's.
pub fn detectable_code(code: &str) -> Option<&'static str> {
    Some(match three_letters(code)? {
        "zho" => "cmn",
        "fas" => "pes",
        "nor" => "nob",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_two_and_three_letters_have_names() {
        for (code, name) in [
            ("de", "German"),
            ("deu", "German"),
            ("pt_BR", "Portuguese (BR)"),
            ("zh-Hant", "Chinese (Hant)"),
            ("xx", "xx"),
        ] {
            assert_eq!(language_name(code), name);
        }
        assert_eq!(["zh-Hant", "de"].map(detectable_code), [Some("cmn"), Some("deu")]);
        assert_eq!([three_letters("de"), three_letters("qq")], [Some("deu"), None]);
    }
}
