//! A whole server on a port of its own, asked with bytes.

mod client;
mod interface;
mod limits;
