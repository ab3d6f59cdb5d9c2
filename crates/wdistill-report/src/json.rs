//! Reports as JSON.

use crate::Report;

/// Why a report was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data could not be written as JSON.
    #[error("the report could not be written as JSON")]
    Write(#[source] serde_json::Error),
    /// The text is not JSON, or not a report.
    #[error("line {line}, column {column}: the text is not a report")]
    Read {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault, from 1.
        column: usize,
        /// What was expected and what was found.
        source: serde_json::Error,
    },
}

/// The report as indented JSON. Numbers that are not finite are written as the strings `"NaN"`,
/// `"inf"` and `"-inf"`.
///
/// # Errors
/// [`Error::Write`] if serialisation fails.
pub fn to_json(report: &Report) -> Result<String, Error> {
    serde_json::to_string_pretty(report).map_err(Error::Write)
}

/// The report that [`to_json`] wrote.
///
/// # Errors
/// [`Error::Read`] if the text is not JSON or a field is missing or of the wrong type.
pub fn from_json(text: &str) -> Result<Report, Error> {
    serde_json::from_str(text).map_err(|source| Error::Read {
        line: source.line(),
        column: source.column(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;
    use crate::{Curve, CurvePoint};
    use std::error::Error as _;

    #[test]
    fn a_report_survives_the_round_trip() {
        let report = example();
        assert_eq!(from_json(&to_json(&report).expect("JSON")).expect("a report"), report);
    }

    #[test]
    fn numbers_that_are_not_finite_survive() {
        let point = |loss| CurvePoint { training_loss: loss, ..CurvePoint::default() };
        let losses =
            [Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(0.1), None, Some(f64::NAN)];
        let points = losses.into_iter().map(point).collect();
        let report =
            Report { curves: vec![Curve { points, ..Curve::default() }], ..Report::default() };
        let text = to_json(&report).expect("JSON");
        let read = from_json(&text).expect("a report");
        let (before, after) = (&report.curves[0].points, &read.curves[0].points);
        assert_eq!(before[..4], after[..4]);
        assert!(after[4].training_loss.is_some_and(f64::is_nan));
        assert!(text.contains("\"training_loss\": \"NaN\""), "{text}");
    }

    #[test]
    fn a_fault_is_reported_with_its_line_and_field() {
        let text =
            to_json(&Report::default()).expect("JSON").replace("\"seed\": 0", "\"seed\": -1");
        let error = from_json(&text).expect_err("a negative seed");
        let Error::Read { line, .. } = error else { panic!("{error:?}") };
        let expected = text.lines().position(|line| line.contains("seed")).map(|index| index + 1);
        assert_eq!(Some(line), expected);
        let source = error.source().expect("a cause").to_string();
        assert!(source.contains("invalid value: integer `-1`"), "{source}");
    }

    #[test]
    fn another_word_is_not_a_number() {
        let text = to_json(&Report::default())
            .expect("JSON")
            .replace("\"max_ratio\": 0.0", "\"max_ratio\": \"many\"");
        let source = from_json(&text).expect_err("a word").source().expect("a cause").to_string();
        assert!(source.contains("a number, or \"NaN\""), "{source}");
    }
}
