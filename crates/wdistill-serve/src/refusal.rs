//! Answers that say what is wrong.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::json;

/// Why a request is not carried out. A client reads `{"error": "text"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// A word for it in the metrics.
    pub reason: &'static str,
    /// What is wrong, as LibreTranslate says it where it has words for it.
    pub text: String,
    /// When it is worth trying again, in seconds.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: StatusCode, reason: &'static str, text: impl Into<String>) -> Refusal {
        Refusal { status, reason, text: text.into(), retry_after: None }
    }

    /// The request itself makes no sense: 400.
    pub fn bad_request(text: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid", text)
    }

    /// A fault that is the server's: 500. What happened is for its operator, not for its clients.
    pub fn fault(text: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json::answer(self.status, &serde_json::json!({ "error": self.text }));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
