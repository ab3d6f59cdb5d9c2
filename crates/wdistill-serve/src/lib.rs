//! Translation models behind HTTP, with LibreTranslate's interface, so that its clients work unchanged.
//!
//! * [`Server::bind`] listens, [`Server::run`] serves until it is told to end, and drains.
//! * [`Catalogue`] says which models there are; they are loaded when they are asked for first.
//! * Sentences of requests that are there at the same time are translated together, in an order that is fair to all.
//!
//! A sentence's translation does not depend on what it is translated with, so that the answers are those of
//! `wdistill translate --sentences split` with the model's source language as its `--language`.

mod app;
mod decoders;
pub mod html;
mod json;
mod languages;
mod metrics;
mod models;
mod options;
mod paragraphs;
mod queue;
mod refusal;
pub mod request;
mod routes;
mod server;
mod translate;

pub use app::Tell;
pub use models::{Catalogue, CatalogueError, ModelError, Models, SHORTLIST_FILE, languages_of};
pub use options::{Access, Limits};
pub use refusal::Refusal;
pub use server::{Drained, ServeError, Server, ServerOptions, Stop};
