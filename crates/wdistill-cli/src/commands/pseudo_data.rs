//! `wdistill pseudo-data`: a part of the teacher's translations of a recipe's training text.

use clap::Args;
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
}

fn part(text: &str) -> Result<Part, String> {
    text.parse().map_err(|problem: Problem| problem.in_lines())
}

impl PseudoData {
    pub fn run(self) -> anyhow::Result<()> {
        let PseudoData { carried, part } = &self;
        together(&carried.common, |ranks| {
            // Whoever comes first prepares texts and teacher, and the others find them.
            let pipeline = carried.pipeline(RunFolder::wait_for, ranks)?;
            carried.common.install(|| {
                let prepared = pipeline.prepare()?;
                let teacher = pipeline.teacher(&prepared)?;
                Ok(pipeline.pseudo_part(&prepared, &teacher, *part)?)
            })
        })
    }
}
