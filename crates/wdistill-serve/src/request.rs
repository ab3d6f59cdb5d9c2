//! Bodies of requests: JSON, forms and query strings become what the endpoints take.

use axum::http::StatusCode;
use serde_json::Value;

use crate::refusal::Refusal;

/// What is wrong with a body that is no JSON, in LibreTranslate's words.
const NOT_UNDERSTOOD: &str =
    "The browser (or proxy) sent a request that this server could not understand.";

/// One text, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Texts {
    /// The answer is one too.
    One(String),
    /// The answer is a list.
    Many(Vec<String>),
}

impl Texts {
    /// All texts.
    pub fn all(&self) -> &[String] {
        match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// As it is.
    Text,
    /// HTML, whose tags and entities stay.
    Html,
}

/// What `POST /translate` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranslateRequest {
    /// What to translate.
    pub texts: Texts,
    /// Code of the source language; none for `auto`.
    pub source: Option<String>,
    /// Code of the target language.
    pub target: String,
    /// How the texts are written.
    pub markup: Markup,
    /// Translations wanted besides the best.
    pub alternatives: usize,
}

/// The fields of a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(serde_json::Map<String, Value>);

impl Fields {
    /// Reads a body by its content type, with the fields of the query string where the body is no JSON.
    ///
    /// # Errors
    /// A body that is no JSON, though it says so, or no object, or no UTF-8.
    pub fn read(content_type: &str, query: &str, body: &[u8]) -> Result<Fields, Refusal> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = kind == "application/json" || kind.ends_with("+json");
        if is_json {
            if std::str::from_utf8(body).is_err() {
                return Err(Refusal::bad_request("the body is not UTF-8"));
            }
            return match serde_json::from_slice(body) {
                Ok(Value::Object(fields)) => Ok(Fields(fields)),
                Ok(_) => Err(Refusal::bad_request("Invalid JSON format")),
                Err(_) => Err(Refusal::bad_request(NOT_UNDERSTOOD)),
            };
        }
        let body = match kind.as_str() {
            "application/x-www-form-urlencoded" => body,
            _ => b"",
        };
        let mut fields = serde_json::Map::new();
        for part in [query.as_bytes(), body] {
            for (name, value) in form_urlencoded::parse(part) {
                if name.contains(char::REPLACEMENT_CHARACTER)
                    || value.contains(char::REPLACEMENT_CHARACTER) && !sends_replacement(part)
                {
                    return Err(Refusal::bad_request("the form is not UTF-8"));
                }
                fields.insert(name.into_owned(), Value::String(value.into_owned()));
            }
        }
        Ok(Fields(fields))
    }

    /// A field that is text; one that is empty or null is not there.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_kind(name, "a string", other)),
        }
    }

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// The field `q`.
    ///
    /// # Errors
    /// If it is not there, or empty, or neither a string nor a list of strings.
    pub fn texts(&self) -> Result<Texts, Refusal> {
        let wanted = "a string or a list of strings";
        match self.0.get("q") {
            Some(Value::Array(values)) if !values.is_empty() => values
                .iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    other => Err(wrong_kind("q", wanted, other)),
                })
                .collect::<Result<_, _>>()
                .map(Texts::Many),
            Some(Value::Array(_)) => Err(missing("q")),
            Some(Value::String(_)) | None | Some(Value::Null) => {
                self.required("q").map(|text| Texts::One(text.to_string()))
            }
            Some(other) => Err(wrong_kind("q", wanted, other)),
        }
    }

    /// A number, `0` if it is not there, and for a negative one.
    fn count(&self, name: &str) -> Result<usize, Refusal> {
        let not = |value: &dyn std::fmt::Display| {
            Refusal::bad_request(format!(
                "Invalid request: {name} parameter {value} is not a number"
            ))
        };
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(Value::Number(number)) => {
                let whole = number.as_i64().ok_or_else(|| not(number))?;
                Ok(whole.max(0) as usize)
            }
            Some(Value::String(text)) => {
                let whole: i64 = text.trim().parse().map_err(|_| not(text))?;
                Ok(whole.max(0) as usize)
            }
            Some(other) => Err(not(other)),
        }
    }

    /// What `POST /translate` asks for.
    ///
    /// # Errors
    /// The first field that is missing or makes no sense.
    pub fn translate_request(&self) -> Result<TranslateRequest, Refusal> {
        let texts = self.texts()?;
        let source = self.required("source")?;
        let target = self.required("target")?;
        let markup = match self.text("format")? {
            None | Some("text") => Markup::Text,
            Some("html") => Markup::Html,
            Some(other) => {
                return Err(Refusal::bad_request(format!("{other} format is not supported")));
            }
        };
        Ok(TranslateRequest {
            texts,
            source: (source != "auto").then(|| source.to_string()),
            target: target.to_string(),
            markup,
            alternatives: self.count("alternatives")?,
        })
    }
}

/// Whether a form spells the replacement character out, which is then no sign of broken UTF-8.
fn sends_replacement(form: &[u8]) -> bool {
    let upper = form.to_ascii_uppercase();
    upper.windows(9).any(|window| window == b"%EF%BF%BD")
        || form.windows(3).any(|window| window == "\u{fffd}".as_bytes())
}

fn missing(name: &str) -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "invalid",
        format!("Invalid request: missing {name} parameter"),
    )
}

fn wrong_kind(name: &str, expected: &str, found: &Value) -> Refusal {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Refusal::bad_request(format!(
        "Invalid request: {name} parameter is {found}, expected {expected}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<TranslateRequest, String> {
        let fields = Fields::read("application/json; charset=utf-8", "", text.as_bytes());
        fields.and_then(|fields| fields.translate_request()).map_err(|refusal| {
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            refusal.text
        })
    }

    #[test]
    fn a_request_is_the_same_in_json_in_a_form_and_in_a_query() {
        let expected = TranslateRequest {
            texts: Texts::One("Good day & night".to_string()),
            source: Some("en".to_string()),
            target: "de".to_string(),
            markup: Markup::Html,
            alternatives: 2,
        };
        let text = r#"{"q": "Good day & night", "source": "en", "target": "de", "format": "html", "alternatives": 2}"#;
        assert_eq!(json(text), Ok(expected.clone()));
        let form = "q=Good+day+%26%20night&source=en&target=de&format=html&alternatives=2";
        let of_form =
            Fields::read("application/x-www-form-urlencoded", "", form.as_bytes()).unwrap();
        assert_eq!(of_form.translate_request(), Ok(expected.clone()));
        let of_query = Fields::read("", form, b"").unwrap();
        assert_eq!(of_query.translate_request(), Ok(expected));
        let many =
            json(r#"{"q": ["a", ""], "source": "auto", "target": "de", "alternatives": -1}"#)
                .unwrap();
        assert_eq!(many.texts, Texts::Many(vec!["a".to_string(), String::new()]));
        assert_eq!((many.source, many.markup, many.alternatives), (None, Markup::Text, 0));
    }

    /// The texts are LibreTranslate's where it has one.
    #[test]
    fn what_makes_no_sense_is_refused() {
        let of = |fields: &str| json(&format!("{{{fields}}}")).unwrap_err();
        let missing = |name: &str| format!("Invalid request: missing {name} parameter");
        assert_eq!(of(""), missing("q"));
        assert_eq!(of(r#""q": [], "source": "en", "target": "de""#), missing("q"));
        assert_eq!(of(r#""q": "", "source": "en", "target": "de""#), missing("q"));
        assert_eq!(of(r#""q": "a", "target": "de""#), missing("source"));
        assert_eq!(of(r#""q": "a", "source": "en""#), missing("target"));
        let rest = r#""source": "en", "target": "de""#;
        assert_eq!(
            of(&format!(r#""q": "a", {rest}, "format": "xml""#)),
            "xml format is not supported"
        );
        assert!(of(&format!(r#""q": 7, {rest}"#)).contains("q parameter is a number, expected"));
        assert!(of(&format!(r#""q": ["a", null], {rest}"#)).contains("q parameter is null"));
        assert!(
            of(&format!(r#""q": "a", "alternatives": "x", {rest}"#)).contains("x is not a number")
        );
        assert!(of(&format!(r#""q": "a", "alternatives": 1.5, {rest}"#)).contains("not a number"));
        assert_eq!(json("[1]").unwrap_err(), "Invalid JSON format");
        assert_eq!(json("{").unwrap_err(), NOT_UNDERSTOOD);
        assert_eq!(json(&"[".repeat(100_000)).unwrap_err(), NOT_UNDERSTOOD);
        assert_eq!(json(r#"{"q": "\ud800"}"#).unwrap_err(), NOT_UNDERSTOOD);
        let read = |kind: &str, body: &[u8]| Fields::read(kind, "", body);
        assert!(read("application/json", b"{\"q\": \"\xff\"}").unwrap_err().text.contains("UTF-8"));
        let form = "application/x-www-form-urlencoded";
        assert!(read(form, b"q=%ff").unwrap_err().text.contains("UTF-8"));
        assert!(read(form, b"q=%ef%bf%bd").is_ok());
        assert_eq!(read("text/plain", b"q=a").unwrap(), Fields::default());
    }
}
