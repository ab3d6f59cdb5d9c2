//! The endpoints.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};
use wdistill_formats::language_name;

use crate::app::App;
use crate::json::answer;
use crate::metrics::{self, Reason};
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::translate::translate;

/// Endpoints, as the metrics name them.
const ENDPOINTS: &[&str] = &[
    "/",
    "/detect",
    "/frontend/settings",
    "/health",
    "/languages",
    "/metrics",
    "/openapi.json",
    "/suggest",
    "/translate",
    "/translate_file",
];

/// All endpoints over what they share.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(style))
        .route("/page.js", get(script))
        .route("/translate", post(post_translate))
        .route("/detect", post(post_detect))
        .route("/languages", get(get_languages))
        .route("/health", get(get_health))
        .route("/frontend/settings", get(get_settings))
        .route("/metrics", get(get_metrics))
        .route("/openapi.json", get(get_openapi))
        .route("/spec", get(get_openapi))
        .route("/translate_file", post(post_file))
        .route("/suggest", post(post_suggest))
        .method_not_allowed_fallback(no_method)
        .fallback(no_endpoint)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

/// The page asks its own server and nobody else, and runs nothing that is written into it.
const PAGE_POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Answer = Result<Response, Refusal>;

/// What happens around every request: it is timed, counted, and ended when it takes too long.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let _in_flight = InFlight::new(&app);
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let path = path.and_then(|path| ENDPOINTS.iter().find(|known| **known == path));
    let endpoint = path.copied().unwrap_or("other");
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = match tokio::time::timeout(app.limits.time, next.run(request)).await {
        Ok(_) if is_preflight && allowed(&app, origin.as_ref()).is_some() => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(response) => response,
        Err(_) => {
            let text = format!("the answer took more than {} s", app.limits.time.as_secs());
            refused(&app, Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "time", text))
        }
    };
    if let Some(origin) = allowed(&app, origin.as_ref()) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    app.metrics.answered(endpoint, response.status().as_u16(), start.elapsed());
    response
}

/// Counts a request while it is under way, also when its client goes away.
struct InFlight(Arc<App>);

impl InFlight {
    fn new(app: &Arc<App>) -> InFlight {
        app.metrics.in_flight.inc();
        InFlight(Arc::clone(app))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

/// The origin to name in an answer, if its pages may read it.
fn allowed(app: &App, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let origin = origin?;
    let is_allowed = |own: &String| own == "*" || own.as_bytes() == origin.as_bytes();
    app.access.origins.iter().any(is_allowed).then(|| origin.clone())
}

/// Counts a refusal, and makes an answer of it.
fn refused(app: &App, refusal: Refusal) -> Response {
    app.metrics.refusals.get_or_create(&Reason { reason: refusal.reason }).inc();
    refusal.into_response()
}

/// A refusal is an answer too.
fn either(app: &App, result: Answer) -> Response {
    result.unwrap_or_else(|refusal| refused(app, refusal))
}

async fn post_translate(State(app): State<Arc<App>>, request: Request) -> Response {
    let result = async {
        let (fields, headers) = read(&app, request).await?;
        app.check_key(&fields, bearer(&headers))?;
        let translated = translate(&app, fields.translate_request()?).await?;
        Ok(answer(StatusCode::OK, &translated))
    };
    let result = result.await;
    either(&app, result)
}

async fn post_detect(State(app): State<Arc<App>>, request: Request) -> Response {
    let result = async {
        let (fields, headers) = read(&app, request).await?;
        app.check_key(&fields, bearer(&headers))?;
        let found = app.detect(&fields.texts()?.all().join("\n"))?;
        Ok(answer(StatusCode::OK, &[found]))
    };
    let result = result.await;
    either(&app, result)
}

/// Reads a body, as long as it is not too long and comes in time.
async fn read(app: &App, request: Request) -> Result<(Fields, HeaderMap), Refusal> {
    let (head, body) = request.into_parts();
    let limit = app.limits.body;
    let too_large = || {
        let text = format!("Invalid request: the body has more than {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "size", text)
    };
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > limit) {
        return Err(too_large());
    }
    let collected = Limited::new(body, limit).collect();
    let collected = tokio::time::timeout(app.limits.head_time, collected).await.map_err(|_| {
        let text = format!("the body did not come within {} s", app.limits.head_time.as_secs());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "time", text)
    })?;
    let body = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_large(),
        false => Refusal::bad_request("the body ended early"),
    })?;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let query = head.uri.query().unwrap_or_default();
    let fields = Fields::read(content_type.unwrap_or_default(), query, &body.to_bytes())?;
    Ok((fields, head.headers))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn get_languages(State(app): State<Arc<App>>) -> Response {
    let language = |code: &str| {
        let targets: Vec<&str> = app.targets(code).collect();
        json!({ "code": code, "name": language_name(code), "targets": targets })
    };
    let languages: Vec<Value> = app.sources().into_iter().map(language).collect();
    answer(StatusCode::OK, &languages)
}

async fn get_health() -> Response {
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// What LibreTranslate's own page and some clients ask for first.
async fn get_settings(State(app): State<Arc<App>>) -> Response {
    let first = app.models.catalogue().pairs().next();
    let language = |code: Option<&String>| {
        code.map(|code| json!({ "code": code, "name": language_name(code) })).unwrap_or_default()
    };
    let needs_key = !app.access.keys.is_empty();
    let settings = json!({
        "apiKeys": needs_key,
        "charLimit": app.limits.characters,
        "filesTranslation": false,
        "frontendTimeout": 500,
        "keyRequired": needs_key,
        "language": {
            "source": language(first.map(|pair| &pair.source)),
            "target": language(first.map(|pair| &pair.target)),
        },
        "suggestions": false,
        "supportedFilesFormat": [],
    });
    answer(StatusCode::OK, &settings)
}

async fn get_metrics(State(app): State<Arc<App>>) -> Response {
    typed(metrics::CONTENT_TYPE, app.metrics.text())
}

async fn get_openapi() -> Response {
    typed(
        "application/json",
        include_str!("openapi.json").replace("VERSION", env!("CARGO_PKG_VERSION")),
    )
}

async fn page() -> Response {
    let mut page = typed("text/html; charset=utf-8", include_str!("page/page.html"));
    let policy = HeaderValue::from_static(PAGE_POLICY);
    page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    page
}

async fn style() -> Response {
    typed("text/css; charset=utf-8", include_str!("page/page.css"))
}

async fn script() -> Response {
    typed("text/javascript; charset=utf-8", include_str!("page/page.js"))
}

fn typed(kind: &'static str, content: impl Into<Body>) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, content.into()).into_response()
}

async fn post_file(State(app): State<Arc<App>>) -> Response {
    let text = "Files Translation are disabled on this server.";
    refused(&app, Refusal::new(StatusCode::FORBIDDEN, "disabled", text))
}

async fn post_suggest(State(app): State<Arc<App>>) -> Response {
    let text = "Suggestions are disabled on this server.";
    refused(&app, Refusal::new(StatusCode::FORBIDDEN, "disabled", text))
}

async fn no_endpoint(State(app): State<Arc<App>>) -> Response {
    let text = "there is no such endpoint; /openapi.json lists them";
    refused(&app, Refusal::new(StatusCode::NOT_FOUND, "endpoint", text))
}

async fn no_method(State(app): State<Arc<App>>, method: Method) -> Response {
    let text = format!("this endpoint does not know {method}; /openapi.json says what it knows");
    refused(&app, Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "endpoint", text))
}
