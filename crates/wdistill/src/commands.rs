//! One module for each command.

pub mod bench;
pub mod demo;
pub mod info;
pub mod run;
pub mod score;
pub mod translate;
pub mod vocab;
