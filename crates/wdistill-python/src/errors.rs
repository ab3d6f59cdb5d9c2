//! Errors of the library as exceptions.

use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use wdistill::{Hinted, Problem};

create_exception!(
    wdistill,
    WdistillError,
    PyException,
    "What the library says is wrong; the last line may be a hint."
);

/// An exception with the error's text and its hint.
pub fn raise(error: &(impl std::fmt::Display + Hinted)) -> PyErr {
    WdistillError::new_err(Problem::of(error).in_lines())
}

/// A value that is none of those there are.
pub fn unknown(name: &str, found: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("{name} is {found:?}, expected {expected}"))
}
