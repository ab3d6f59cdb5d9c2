//! `wdistill vocab`: learns subwords from text.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use wdistill_pipeline::message;
use wdistill_text::{LeftOut, Vocabulary, VocabularySettings, read_lines_or_standard_input};

use crate::commands::{print, refuse_input};
use crate::settings::{Kind, Rule};

/// Arguments of `wdistill vocab`.
#[derive(Args)]
pub struct Vocab {
    /// Text files, compressed or not; both sides of a corpus make a joint vocabulary; `-` is standard input
    #[arg(required = true)]
    text: Vec<PathBuf>,
    /// Tokens wanted, with 258 for special tokens and bytes
    #[arg(long, value_name = "N")]
    size: usize,
    /// Kind of subwords
    #[arg(long, value_enum, default_value = "bpe")]
    kind: Kind,
    /// What becomes of blanks and look-alikes before lines are cut
    #[arg(long, value_enum, value_name = "RULE", default_value = "nmt-nfkc")]
    normalisation: Rule,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Vocab {
    pub fn run(self) -> anyhow::Result<()> {
        refuse_input(&self.out, &self.text)?;
        let standard_inputs = self.text.iter().filter(|path| *path == Path::new("-")).count();
        ensure!(
            standard_inputs <= 1,
            "standard input is one text, found {standard_inputs} uses of it"
        );
        let mut lines = Vec::new();
        for path in &self.text {
            lines.extend(read_lines_or_standard_input(path)?.lines);
        }
        let mut settings = VocabularySettings::new(self.kind.model(), self.size);
        settings.normalisation = self.normalisation.normalisation();
        let trained = Vocabulary::train(&lines, &settings)?;
        trained.vocabulary.save(&self.out)?;
        if trained.left_out != LeftOut::default() {
            message(&trained.left_out.to_string());
        }
        let (obtained, requested) = (trained.obtained, trained.requested);
        print(&format!("{}: {obtained} tokens of {requested} wanted", self.out.display()))
    }
}
