//! The report of a run: what was trained, on what, under which conditions, and what came out.
//!
//! [`Report`] is plain data. [`text_table`] renders it for a terminal,
//! [`html`] as one file that needs nothing else, [`live_html`] while a run goes on, [`to_json`] and [`from_json`] for
//! programs. A value that was not measured is `None` in the data and a dash in every rendering;
//! a value that is not finite is shown as such and survives JSON.

mod across;
mod card;
mod chart;
mod data;
mod figures;
mod html;
mod json;
mod markup;
mod number;
mod spelling;
mod text;

pub use across::across_runs;
pub use card::{CARD_FILE, ModelCard, card_for, is_unchanged_card};
pub use data::{
    Comparison, Curve, CurvePoint, DataSet, Decoding, Difference, Inheritance, Judges, Machine,
    Measured, RateRow, Report, Sample, Signatures, StageRow, StageState, SystemRow, TestRow,
    TestScores,
};
pub use html::{html, live_html};
pub use json::{Error, from_json, to_json};
pub use text::text_table;

#[cfg(test)]
mod example;
