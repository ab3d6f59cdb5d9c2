//! `wdistill demo`: the whole pipeline on everyday sentences that the program brings along.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use wdistill_base::atomic_write;
use wdistill_demo::{ATTRIBUTION, RECIPE, TRAIN_PAIRS, corpus};
use wdistill_pipeline::{Caution, Pipeline, Recipe, RunFolder};
use wdistill_train::Ranks;

use crate::commands::print;
use crate::commands::run::carry_out;
use crate::ranks::together;
use crate::settings::Common;

/// A sentence that the recipe's text has the words of.
const QUESTION: &str = "Where is my car?";

/// Arguments of `wdistill demo`.
#[derive(Args)]
pub struct Demo {
    /// Folder of the texts, models, logs and report
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Training pairs to take, from the start of the text
    #[arg(long, value_name = "N", default_value_t = TRAIN_PAIRS as u64, value_parser = clap::value_parser!(u64).range(1..=TRAIN_PAIRS as u64))]
    pairs: u64,
    #[command(flatten)]
    common: Common,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<()> {
        together(&self.common.clone(), |ranks| self.lead(ranks))
    }

    /// As the first of the programs that work together.
    fn lead(self, ranks: Arc<dyn Ranks>) -> anyhow::Result<()> {
        let data = self.out.join("data");
        let recipe = Recipe::parse(RECIPE, Path::new("the demo's recipe"), Some(&data))?;
        let folder = RunFolder::claim(&self.out)?;
        let pipeline =
            Pipeline::new(recipe.plan()?, folder, self.common.run_options(Caution::Stop, ranks))?;
        let mut corpus = corpus();
        corpus.train = corpus.train.first(self.pairs as usize);
        for (name, text) in corpus.files() {
            atomic_write(&data.join(name), text.as_bytes())?;
        }
        print(ATTRIBUTION)?;
        carry_out(&pipeline, &self.out, &self.common)?;
        print(&how_to_ask(&program(), &self.out))
    }
}

/// The program as it was called, so that a shell finds it again in the same folder.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "wdistill".to_string())
}

/// Lines to paste into a shell, for the teacher and for the student that the demonstration is about.
fn how_to_ask(program: &str, out: &Path) -> String {
    let line = |model: &str| {
        let model = out.join(model);
        let (program, model) = (shell_word(program), shell_word(&model.to_string_lossy()));
        format!("  echo \"{QUESTION}\" | {program} translate --model {model}")
    };
    let (student, teacher) = (line("cut/student/model"), line("teacher/model"));
    format!(
        "\nThe models know short sentences of the thousand most frequent words. Ask the student:\n{student}\n\
         And its teacher:\n{teacher}"
    )
}

/// A word as a Unix shell takes it for itself.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_given_words_that_it_takes_as_they_are() {
        assert_eq!(shell_word("target/release/wdistill"), "target/release/wdistill");
        assert_eq!(shell_word("my run"), "'my run'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn the_recipe_has_the_student_that_is_to_be_asked() {
        let recipe = Recipe::parse(RECIPE, Path::new("the demo's recipe"), None).unwrap();
        let resolved = recipe.plan().unwrap();
        assert!(resolved.systems.iter().any(|system| system.name == "cut"));
        let said = how_to_ask("wdistill", Path::new("my run"));
        let student =
            "echo \"Where is my car?\" | wdistill translate --model 'my run/cut/student/model'";
        assert!(said.contains(student), "{said}");
    }
}
