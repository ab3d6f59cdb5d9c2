//! The command line of wdistill: arguments, settings, messages; no arithmetic.

mod commands;
mod errors;
mod ranks;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use wdistill_pipeline::{PipelineError, message};
use wdistill_train::TrainError;

use settings::toolkit_names;

/// Distils a large translation model, weights and all, into a small and fast one.
#[derive(Parser)]
#[command(name = "wdistill", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a teacher and students on everyday sentences that come along, and compare them.
    Demo(commands::demo::Demo),
    /// Say what a recipe will take, before it starts.
    Plan(commands::plan::Plan),
    /// Carry out a recipe: teacher, pseudo data, students, scores, speed, report.
    Run(commands::run::Run),
    /// Show what a recipe may say, or a whole one to start from.
    Recipe(commands::recipe::RecipeCommand),
    /// Make a part of the pseudo data of a recipe, so that several machines make it together.
    PseudoData(commands::pseudo_data::PseudoData),
    /// Train a model on a parallel text.
    Train(commands::train::Train),
    /// Make a student of a teacher.
    Distill(commands::distill::Distill),
    /// Translate standard input, line by line, to standard output.
    Translate(commands::translate::Translate),
    /// Answer requests for translations over HTTP, as LibreTranslate does.
    #[cfg(feature = "serve")]
    Serve(commands::serve::Serve),
    /// BLEU, chrF and TER, with sacreBLEU's arguments.
    Score(commands::score::Score),
    /// Compare the decoding speed of models.
    Bench(commands::bench::Bench),
    /// Measure how fast students of a teacher would be, before training one.
    Shapes(commands::shapes::Shapes),
    /// Show the systems of several runs in one table.
    Compare(commands::compare::Compare),
    /// Show a run while it goes on, as a page on this machine.
    Watch(commands::watch::Watch),
    /// Remove what a finished run does not need any more.
    Clean(commands::clean::Clean),
    /// Make a model with int8 weights: smaller and faster.
    Quantize(commands::quantize::Quantize),
    #[command(about = format!("Read a model of {}", toolkit_names(|_| true)))]
    Import(commands::import::Import),
    #[command(about = format!("Write a model for {}", toolkit_names(|toolkit| !toolkit.numbers().is_empty())))]
    Export(commands::export::Export),
    /// Show what a model is, of wdistill or another toolkit.
    Info(commands::info::Info),
    /// Find out which attention aligns words, for markup and lists of alignments.
    Align(commands::align::Align),
    /// Learn from text which words each word may be translated with, to decode faster.
    Shortlist(commands::shortlist::Shortlist),
    /// Learn subwords from text.
    Vocab(commands::vocab::Vocab),
    /// Write a script that completes commands and options in a shell.
    Completions(commands::shell::Completions),
    /// Write manual pages for `man`.
    Manuals(commands::shell::Manuals),
}

fn main() -> ExitCode {
    let arguments = commands::score::with_long_names(std::env::args_os().collect());
    let result = match Cli::parse_from(arguments).command {
        Command::Demo(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Recipe(command) => command.run(),
        Command::PseudoData(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Distill(command) => command.run(),
        Command::Translate(command) => command.run(),
        #[cfg(feature = "serve")]
        Command::Serve(command) => command.run(),
        Command::Score(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Shapes(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Watch(command) => command.run(),
        Command::Clean(command) => command.run(),
        Command::Quantize(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Info(command) => command.run(),
        Command::Align(command) => command.run(),
        Command::Shortlist(command) => command.run(),
        Command::Vocab(command) => command.run(),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Manuals(command) => command.run(Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            message(&errors::as_problem(&error).in_lines());
            exit_code(&error)
        }
    }
}

/// 128 and the signal's number after an interruption, as shells expect it; else 1.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(PipelineError::Train(TrainError::Interrupted { signal })) => {
            ExitCode::from(128 + *signal as u8)
        }
        _ => ExitCode::FAILURE,
    }
}

/// Whether standard output was closed, as by `| head`, or was a terminal that is closed now.
fn reader_has_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| {
        error.kind() == std::io::ErrorKind::BrokenPipe || is_of_a_closed_terminal(error)
    })
}

/// The system reports a terminal that was closed as a failing device; on a disk that is an error.
#[cfg(unix)]
fn is_of_a_closed_terminal(error: &std::io::Error) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;

    const EIO: i32 = 5;
    let output = std::io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
    let metadata = output.and_then(|output| output.metadata());
    error.raw_os_error() == Some(EIO)
        && metadata.is_ok_and(|metadata| metadata.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_of_a_closed_terminal(_: &std::io::Error) -> bool {
    false
}
