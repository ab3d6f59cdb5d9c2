//! What all requests share.

use std::sync::Arc;

use axum::http::StatusCode;
use wdistill_base::Problem;
use wdistill_formats::language_name;
use wdistill_model::Languages;

use crate::decoders::{Decoders, Failure, Full, Loaded};
use crate::languages::{Detected, detect};
use crate::metrics::Metrics;
use crate::models::Models;
use crate::options::{Access, Limits};
use crate::refusal::Refusal;
use crate::request::Fields;

/// Tells the operator something.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What all requests share.
pub struct App {
    /// Models.
    pub models: Arc<Models>,
    /// Threads that translate.
    pub decoders: Decoders,
    /// What is refused.
    pub limits: Limits,
    /// Who may ask.
    pub access: Access,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Most alternatives of a translation: the beam has one hypothesis more.
    pub most_alternatives: usize,
    /// For what only the operator can mend.
    pub tell: Tell,
}

impl App {
    /// Codes of the source languages, each once.
    pub fn sources(&self) -> Vec<&str> {
        let mut codes: Vec<&str> =
            self.models.catalogue().pairs().map(|pair| pair.source.as_str()).collect();
        codes.dedup();
        codes
    }

    /// Codes of what a language can be translated to.
    pub fn targets<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.models.catalogue().pairs();
        pairs.filter(move |pair| pair.source == source).map(|pair| pair.target.as_str())
    }

    /// Whether one of the keys is there, if keys are asked for.
    ///
    /// # Errors
    /// As LibreTranslate says it: 400 without a key, 403 for a wrong one.
    pub fn check_key(&self, fields: &Fields, bearer: Option<&str>) -> Result<(), Refusal> {
        if self.access.keys.is_empty() {
            return Ok(());
        }
        let refusal = |status, text: &str| Refusal::new(status, "key", text);
        let key = fields.text("api_key")?.or(bearer).ok_or_else(|| {
            refusal(StatusCode::BAD_REQUEST, "Please contact the server operator to get an API key")
        })?;
        // Every key is compared from end to end, so that the time says nothing of them.
        let equal = |own: &String| {
            let differ = own.bytes().zip(key.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
            own.len() == key.len() && differ == 0
        };
        match self.access.keys.iter().filter(|own| equal(own)).count() {
            0 => Err(refusal(StatusCode::FORBIDDEN, "Invalid API key")),
            _ => Ok(()),
        }
    }

    /// The language that texts are in, of those that are offered.
    ///
    /// # Errors
    /// If none of them can be told from others.
    pub fn detect(&self, text: &str) -> Result<Detected, Refusal> {
        let sources = self.sources();
        if let Some(found) = detect(text, &sources) {
            return Ok(found);
        }
        match sources.as_slice() {
            [only] => Ok(Detected { code: (*only).to_string(), confidence: 0.0 }),
            _ => Err(Refusal::bad_request("the language of the text is not known")),
        }
    }

    /// The pair of languages of a request.
    ///
    /// # Errors
    /// A language that no model has, or a pair.
    pub fn pair(&self, source: &str, target: &str) -> Result<Languages, Refusal> {
        let pairs = || self.models.catalogue().pairs();
        for code in [source, target] {
            if !pairs().any(|pair| pair.source == code || pair.target == code) {
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "language",
                    format!("{} is not supported", shortened(code)),
                ));
            }
        }
        let found = pairs().find(|pair| pair.source == source && pair.target == target);
        found.cloned().ok_or_else(|| {
            let text = format!(
                "{} ({target}) is not available as a target language from {} ({source})",
                language_name(target),
                language_name(source)
            );
            Refusal::new(StatusCode::BAD_REQUEST, "language", text)
        })
    }

    /// The model of a pair. It may have to be loaded, so that this is no work for a thread that serves connections.
    ///
    /// # Errors
    /// 503 if it cannot be had; why is told to the operator.
    pub fn model(&self, pair: &Languages) -> Result<Loaded, Refusal> {
        self.models.get(pair).map_err(|error| {
            let problem = Problem::of(&error).at(format!("the model of {pair}"));
            (self.tell)(&problem.in_lines());
            let text = format!("the model of {pair} cannot be loaded");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "model", text)
        })
    }

    /// What is said when the queue is full.
    pub fn busy(&self, full: Full, wanted: usize) -> Refusal {
        let capacity = self.decoders.capacity();
        if wanted > capacity {
            let text = format!(
                "Invalid request: the text has {wanted} sentences, at most {capacity} are translated at once"
            );
            return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "sentences", text);
        }
        let text = format!(
            "Slowdown: {} sentences wait, at most {capacity} may; try again in {} s",
            full.waiting, full.seconds
        );
        Refusal {
            retry_after: Some(full.seconds),
            ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "queue", text)
        }
    }

    /// What is said when sentences were not translated.
    pub fn failed(&self, failure: &Failure) -> Refusal {
        match failure {
            Failure::Closed => Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "closed",
                "the server is about to end",
            ),
            Failure::Tokens(_) | Failure::Panic => {
                (self.tell)(&format!("a batch was not translated: {failure}"));
                Refusal::fault("the model could not translate this text")
            }
        }
    }
}

/// What a client sent, as long as an answer should repeat it.
fn shortened(text: &str) -> String {
    text.chars().take(32).filter(|character| !character.is_control()).collect()
}
