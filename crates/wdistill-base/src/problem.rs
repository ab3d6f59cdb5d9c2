//! What is wrong, and the way out.

use std::error::Error;
use std::{fmt, io};

/// An error that may know a way out. Its [`Display`](fmt::Display) is the fact alone: file, line, expected and found.
pub trait Hinted {
    /// What helps, where that is known. An error that lists several problems shows the hint of each below it, and has
    /// none of its own.
    fn hint(&self) -> Option<String>;
}

/// Something that is wrong: a fact, and the way out where one is known. The two are printed on lines of their own
/// ([`Problem::in_lines`]); its [`Display`](fmt::Display) is the fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What was expected and what was found.
    pub fact: String,
    /// What helps.
    pub hint: Option<String>,
}

impl Problem {
    /// A fact with the way out.
    pub fn with_hint(fact: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { fact: fact.into(), hint: Some(hint.into()) }
    }

    /// What an error says, with its hint.
    pub fn of(error: &(impl fmt::Display + Hinted)) -> Problem {
        Problem { fact: error.to_string(), hint: error.hint() }
    }

    /// One problem of several: one alone as it is, more as a list.
    pub fn together(problems: Vec<Problem>) -> Problem {
        match <[Problem; 1]>::try_from(problems) {
            Ok([problem]) => problem,
            Err(problems) => listed(&problems).into(),
        }
    }

    /// The same problem of a place: `place: fact`.
    pub fn at(self, place: impl fmt::Display) -> Problem {
        Problem { fact: format!("{place}: {}", self.fact), ..self }
    }

    /// What a user reads: the fact, and below it the hint.
    pub fn in_lines(&self) -> String {
        self.indented("")
    }

    /// The same, where the hint's line is indented.
    fn indented(&self, indent: &str) -> String {
        match &self.hint {
            Some(hint) => format!("{}\n{indent}hint: {hint}", self.fact),
            None => self.fact.clone(),
        }
    }
}

impl<T: Into<String>> From<T> for Problem {
    /// A fact that speaks for itself.
    fn from(fact: T) -> Problem {
        Problem { fact: fact.into(), hint: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fact)
    }
}

impl Error for Problem {}

impl Hinted for Problem {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl Hinted for io::Error {
    /// The hint of a [`Problem`] that was made an error of input or output.
    fn hint(&self) -> Option<String> {
        self.get_ref()?.downcast_ref().and_then(Problem::hint)
    }
}

/// Problems in a list, each on lines of its own, indented by two, with its hint below it, indented by four.
pub fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {}", problem.indented("    "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_has_a_line_of_its_own() {
        let problems = [
            Problem::from("the width is 3, expected an even number").at("encoder"),
            Problem::with_hint("there is no teacher", "name one"),
        ];
        let expected = "\n  encoder: the width is 3, expected an even number\n  there is no teacher\n    hint: name one";
        assert_eq!(listed(&problems), expected);
        assert_eq!(problems[1].in_lines(), "there is no teacher\nhint: name one");
        assert_eq!(problems[1].to_string(), "there is no teacher");
    }

    #[test]
    fn one_problem_stays_as_it_is_and_several_become_a_list() {
        let problem = Problem::with_hint("there is no teacher", "name one");
        assert_eq!(Problem::together(vec![problem.clone()]), problem);
        let several = Problem::together(vec![problem.clone(), problem]);
        let line = "\n  there is no teacher\n    hint: name one";
        assert_eq!(several, Problem::from(format!("{line}{line}")));
    }

    #[test]
    fn a_hint_survives_in_an_error_of_input() {
        let error = io::Error::other(Problem::with_hint("it is cut short", "copy it again"));
        assert_eq!(Problem::of(&error), Problem::with_hint("it is cut short", "copy it again"));
        assert_eq!(io::Error::from(io::ErrorKind::NotFound).hint(), None);
    }
}
