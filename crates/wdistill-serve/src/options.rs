//! How to serve.

use std::time::Duration;

/// What a server refuses, so that no client takes it from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a body; more are answered with 413.
    pub body: usize,
    /// Most characters of a text.
    pub characters: usize,
    /// Most texts of a request.
    pub texts: usize,
    /// Most sentences that wait; more are answered with 429.
    pub queue: usize,
    /// From a request's head to its answer; later it is answered with 503.
    pub time: Duration,
    /// From a connection's start, or the answer before, to the head of a request; later the connection is closed.
    pub head_time: Duration,
    /// Most connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long requests that are under way may take when the server is asked to end.
    pub drain: Duration,
}

impl Default for Limits {
    /// A megabyte, 100,000 characters, 1,000 texts, 4,096 sentences, a minute, and 4,096 connections.
    fn default() -> Self {
        Limits {
            body: 1 << 20,
            characters: 100_000,
            texts: 1000,
            queue: 4096,
            time: Duration::from_secs(60),
            head_time: Duration::from_secs(60),
            connections: 4096,
            drain: Duration::from_secs(30),
        }
    }
}

/// Who may ask, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Keys, one of which each request for a translation must have; with none everybody may ask.
    pub keys: Vec<String>,
    /// Origins whose pages may ask (`Access-Control-Allow-Origin`), or `*`; none by default.
    pub origins: Vec<String>,
}
