//! wdistill for JavaScript. What JavaScript sees is described in `package/index.d.ts`.
//!
//! A module holds one translator: JavaScript makes an instance of the module for each. It writes what it gives into a buffer
//! of the module and reads answers, in JSON, out of another, by the functions of [`exports`]; what they do is [`Session`].

pub mod exports;
mod options;
mod session;

pub use options::Options;
pub use session::{Alternative, Languages, MODEL_FILES, Session, Translation};
