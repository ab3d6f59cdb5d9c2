//! `wdistill completions` and `wdistill manuals`: what a system's packages bring along.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::commands::print;

/// Arguments of `wdistill completions`.
#[derive(Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, mut program: Command) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "wdistill", &mut script);
        std::io::stdout().lock().write_all(&script).context("standard output")
    }
}

/// Arguments of `wdistill manuals`.
#[derive(Args)]
pub struct Manuals {
    /// Folder to write to: wdistill.1, and a page for each command
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Manuals {
    pub fn run(self, program: Command) -> anyhow::Result<()> {
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.out)?;
            clap_mangen::generate_to(program, &self.out)
        };
        write().with_context(|| format!("cannot write to {}", self.out.display()))?;
        print(&self.out.display().to_string())
    }
}
