//! `wdistill align`: which attention of a model aligns words.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use wdistill_base::{Problem, atomic_write};
use wdistill_formats::{ModelFolder, native};
use wdistill_model::AlignmentHead;
use wdistill_runtime::{MOST_ALIGNED_TOKENS, best_alignment_head};
use wdistill_text::ParallelText;

use crate::commands::print;
use crate::settings::{Common, find_model};

/// Arguments of `wdistill align`.
#[derive(Args)]
pub struct Align {
    /// Folder of the model, in float32; its configuration will name the attention
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Source side of a parallel text, such as a validation text
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// Target side
    #[arg(long, value_name = "FILE")]
    target: PathBuf,
    /// Sentence pairs, from the start of the text
    #[arg(long, value_name = "N", default_value_t = 500)]
    sentences: usize,
    #[command(flatten)]
    common: Common,
}

impl Align {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = find_model(&self.model)?;
        let ModelFolder { model, vocabularies } = ModelFolder::load(&folder)?;
        let mut text = ParallelText::read(&self.source, &self.target)?;
        text.truncate(self.sentences);
        let pairs: Vec<(Vec<u32>, Vec<u32>)> = text
            .source
            .lines
            .iter()
            .zip(&text.target.lines)
            .map(|(source, target)| {
                (vocabularies.source.encode(source), vocabularies.target.encode(target))
            })
            .collect();
        let is_long = |(source, target): &&(Vec<u32>, Vec<u32>)| {
            source.len().max(target.len()) > MOST_ALIGNED_TOKENS
        };
        let long = pairs.iter().filter(is_long).count();
        if long > 0 {
            let said =
                format!("{long} pairs of more than {MOST_ALIGNED_TOKENS} tokens are left out");
            self.common.say(&said);
        }
        let found = self.common.install(|| Ok(best_alignment_head(&model, &pairs)))?;
        let fact = format!("{} and {} have no words", self.source.display(), self.target.display());
        ensure!(
            found.is_some(),
            Problem::with_hint(fact, "a few hundred sentence pairs are enough")
        );
        let (head, score) = found.expect("checked above");
        let config = model.config.with_alignment(head)?;
        atomic_write(&folder.join(native::CONFIG_FILE), config.to_toml().as_bytes())?;
        let AlignmentHead { layer, head, query } = head;
        print(&format!(
            "decoder layer {layer}, head {head}, of the step {query}: {score:.3} nats a word"
        ))
    }
}
