//! What is wrong, and the way out.

use std::fmt;

/// Something that is wrong: a fact, and the way out where one is known. The two are printed on lines of their own.
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

    /// The same problem of a place: `place: fact`.
    pub fn at(self, place: impl fmt::Display) -> Problem {
        Problem { fact: format!("{place}: {}", self.fact), ..self }
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
        match &self.hint {
            Some(hint) => write!(f, "{}\n    hint: {hint}", self.fact),
            None => f.write_str(&self.fact),
        }
    }
}

/// Problems in a list, each on lines of its own, indented by two.
pub fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
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
    }
}
