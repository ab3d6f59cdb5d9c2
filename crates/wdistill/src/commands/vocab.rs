//! `wdistill vocab`: learns subwords from text.

use std::path::PathBuf;

use clap::Args;
use wdistill_text::{Vocabulary, VocabularySettings, read_lines};

use crate::commands::{print, refuse_input};
use crate::settings::Kind;

/// Arguments of `wdistill vocab`.
#[derive(Args)]
pub struct Vocab {
    /// Text files; both sides of a corpus make a joint vocabulary
    #[arg(required = true)]
    text: Vec<PathBuf>,
    /// Tokens wanted, with 258 for special tokens and bytes
    #[arg(long, value_name = "N")]
    size: usize,
    /// Kind of subwords
    #[arg(long, value_enum, default_value = "bpe")]
    kind: Kind,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Vocab {
    pub fn run(self) -> anyhow::Result<()> {
        refuse_input(&self.out, &self.text)?;
        let mut lines = Vec::new();
        for path in &self.text {
            lines.extend(read_lines(path)?.lines);
        }
        let trained =
            Vocabulary::train(&lines, &VocabularySettings::new(self.kind.model(), self.size))?;
        trained.vocabulary.save(&self.out)?;
        let (obtained, requested) = (trained.obtained, trained.requested);
        print(&format!("{}: {obtained} tokens of {requested} wanted", self.out.display()))
    }
}
