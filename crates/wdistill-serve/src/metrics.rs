//! What an operator watches, in Prometheus' text format.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which endpoint, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// Path of the endpoint; `other` for what is none, so that clients cannot make labels.
    pub endpoint: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Which endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Endpoint {
    /// As [`Ended::endpoint`].
    pub endpoint: &'static str,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// A word.
    pub reason: &'static str,
}

/// All numbers.
pub struct Metrics {
    registry: Registry,
    /// Requests that were answered.
    pub requests: Family<Ended, Counter>,
    /// From the head of a request to its answer.
    pub duration: Family<Endpoint, Histogram>,
    /// Requests that are being answered.
    pub in_flight: Gauge,
    /// Requests that were refused.
    pub refusals: Family<Reason, Counter>,
    /// Sentences that wait.
    pub queue: Gauge,
    /// From a request's arrival to its first batch.
    pub waited: Histogram,
    /// Sentences that are translated together.
    pub batch: Histogram,
    /// Tokens read.
    pub source_tokens: Counter,
    /// Tokens written.
    pub target_tokens: Counter,
    /// Models in memory.
    pub models: Gauge,
    /// What their weights take.
    pub model_bytes: Gauge,
}

/// From one millisecond to 33 seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("wdistill"),
            requests: Family::default(),
            duration: Family::new_with_constructor(seconds),
            in_flight: Gauge::default(),
            refusals: Family::default(),
            queue: Gauge::default(),
            waited: seconds(),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 8)),
            source_tokens: Counter::default(),
            target_tokens: Counter::default(),
            models: Gauge::default(),
            model_bytes: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests that were answered", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "From the head of a request to its answer",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests that are being answered",
            self.in_flight.clone(),
        );
        registry.register(
            "refusals",
            "Requests that were refused, by reason",
            self.refusals.clone(),
        );
        registry.register("queue_sentences", "Sentences that wait", self.queue.clone());
        registry.register_with_unit(
            "queue_wait",
            "From a request's arrival to its first batch",
            Unit::Seconds,
            self.waited.clone(),
        );
        registry.register(
            "batch_sentences",
            "Sentences that are translated together",
            self.batch.clone(),
        );
        registry.register(
            "source_tokens",
            "Tokens read, with end tokens",
            self.source_tokens.clone(),
        );
        registry.register(
            "target_tokens",
            "Tokens written, with end tokens",
            self.target_tokens.clone(),
        );
        registry.register("models", "Models in memory", self.models.clone());
        registry.register_with_unit(
            "models",
            "What the weights in memory take",
            Unit::Bytes,
            self.model_bytes.clone(),
        );
    }

    /// Counts an answer.
    pub fn answered(&self, endpoint: &'static str, status: u16, after: Duration) {
        self.requests.get_or_create(&Ended { endpoint, status }).inc();
        self.duration.get_or_create(&Endpoint { endpoint }).observe(after.as_secs_f64());
    }

    /// All numbers as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}
