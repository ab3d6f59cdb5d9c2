//! `wdistill pseudo-data`: a part of the teacher's translations of a recipe's training text, of what is translated back, or of scores.

use clap::{Args, ValueEnum};
use wdistill_base::Problem;
use wdistill_pipeline::{Part, RunFolder};

use crate::commands::run::Carried;
use crate::ranks::together;

/// Arguments of `wdistill pseudo-data`.
#[derive(Args)]
pub struct PseudoData {
    #[command(flatten)]
    carried: Carried,
    /// Which part to make, of how many: I/N, with I from 1 to N
    #[arg(long, value_name = "I/N", value_parser = part)]
    part: Part,
    /// Which text is translated
    #[arg(long, value_enum, value_name = "TEXT", default_value = "pseudo-data")]
    text: Text,
}

#[derive(Clone, Copy, ValueEnum)]
enum Text {
    /// What the teacher translates
    PseudoData,
    /// The texts of [back_translation]
    BackTranslation,
    /// The training text, which is not translated but scored, for filters.scores
    Scores,
}

fn part(text: &str) -> Result<Part, String> {
    text.parse().map_err(|problem: Problem| problem.in_lines())
}

impl PseudoData {
    pub fn run(self) -> anyhow::Result<()> {
        let PseudoData { carried, part, text } = &self;
        together(&carried.common, |ranks| {
            // Whoever comes first prepares texts and teacher, and the others find them.
            let pipeline = carried.pipeline(RunFolder::wait_for, ranks)?;
            carried.common.install(|| match text {
                Text::PseudoData => {
                    let prepared = pipeline.prepare()?;
                    let teacher = pipeline.teacher(&prepared)?;
                    Ok(pipeline.pseudo_part(&prepared, &teacher, *part)?)
                }
                Text::Scores => Ok(pipeline.scores_part(*part)?),
                Text::BackTranslation => Ok(pipeline.back_translation_part(*part)?),
            })
        })
    }
}
