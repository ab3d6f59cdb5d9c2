//! `wdistill serve`: models behind HTTP.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use wdistill_base::Problem;
use wdistill_model::Languages;
use wdistill_pipeline::message;
use wdistill_runtime::{LongText, TranslatorOptions};
use wdistill_serve::{
    Access, Catalogue, Drained, Limits, Server, ServerOptions, Stop, languages_of,
};

use crate::settings::{Common, Search, as_typed, find_model, languages};

/// Arguments of `wdistill serve`.
#[derive(Args)]
pub struct Serve {
    /// Folder of the model, or of a run with one model
    #[arg(long, value_name = "DIR", required_unless_present = "models")]
    model: Option<PathBuf>,
    /// Languages of --model, as en de [default: those in its configuration, or its folder's name]
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"], requires = "model")]
    languages: Vec<String>,
    /// Folder of model folders named after their languages, as en-de; a model is loaded when it is asked for first, and one
    /// with a file shortlist.txt uses it
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    models: Option<PathBuf>,
    /// Memory for the weights of all models, as 2G; the least used model makes room for another [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    memory: Option<u64>,
    /// Address to listen at; 0.0.0.0 is all that the machine has
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen at; 0 is any that is free
    #[arg(long, value_name = "N", default_value_t = 5000)]
    port: u16,
    #[command(flatten)]
    search: Search,
    /// Most source tokens of a sentence; a longer one is translated in parts, and the answer says so
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_source: usize,
    #[command(flatten)]
    limits: LimitArguments,
    /// File of keys, one a line; with it each request needs one (`api_key`, or `Authorization: Bearer`)
    #[arg(long, value_name = "FILE")]
    api_keys: Option<PathBuf>,
    /// Origins whose pages may ask, as https://example.org; * is all [default: none]
    #[arg(long, value_name = "ORIGIN", num_args = 1..)]
    allow_origin: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// What is refused.
#[derive(Args)]
struct LimitArguments {
    /// Most bytes of a request, as 1M; more are refused with 413
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = bytes)]
    max_body: u64,
    /// Most characters of a text; more are refused with 400
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_characters: usize,
    /// Most texts of a request; more are refused with 400
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_texts: usize,
    /// Most sentences that wait; more are refused with 429
    #[arg(long, value_name = "N", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..))]
    queue: u32,
    /// Seconds until a request is given up with 503
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Seconds that a client may be silent before its connection is closed
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    idle: u32,
    /// Most connections at once
    #[arg(long, value_name = "N", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Seconds that requests under way may take after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u32,
}

impl LimitArguments {
    fn limits(&self) -> anyhow::Result<Limits> {
        Ok(Limits {
            body: usize::try_from(self.max_body).context("--max-body")?,
            characters: self.max_characters,
            texts: self.max_texts,
            queue: self.queue as usize,
            time: Duration::from_secs(self.timeout.into()),
            head_time: Duration::from_secs(self.idle.into()),
            connections: self.max_connections as usize,
            drain: Duration::from_secs(self.drain.into()),
        })
    }
}

/// A number of bytes, as `500M`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let factor = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => 0,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0 && factor > 0);
    let number = number.and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "expected a number of bytes, as 500M or 2G".to_string())
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let options = ServerOptions {
            catalogue: self.catalogue()?,
            translator: TranslatorOptions {
                threads: self.common.threads(),
                decoding: self.search.decoding_options(),
                shortlist: self.search.shortlist.clone(),
                max_source_length: self.max_source,
                long_text: LongText::Split,
                ..TranslatorOptions::default()
            },
            memory: self.memory,
            limits: self.limits.limits()?,
            access: self.access()?,
            tell: Arc::new(message),
        };
        let pairs: Vec<Languages> = options.catalogue.pairs().cloned().collect();
        let server = Server::bind(&format!("{}:{}", self.host, self.port), options)?;
        if let ([pair], Some(_)) = (pairs.as_slice(), &self.model) {
            // Options and model are checked now, and the first request does not wait.
            server.models().get(pair).map_err(|error| match error {
                wdistill_serve::ModelError::Translator(error) => as_typed(error),
                error => error.into(),
            })?;
        }
        let list: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        let address = server.address()?;
        self.common.say(&format!("{} at http://{address}; Ctrl-C ends it", list.join(", ")));
        end_by_signals(server.stop());
        match server.run()? {
            Drained::All => self.common.say("all requests were answered"),
            Drained::InPart => {
                message("some requests were given up: they took longer than --drain")
            }
        }
        Ok(())
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        if let Some(models) = &self.models {
            return Ok(Catalogue::of_folder(models)?);
        }
        let model = self.model.as_deref().expect("clap asks for one of the two");
        let folder = find_model(model)?;
        let pair = match languages(&self.languages)? {
            Some(pair) => pair,
            None => languages_of(&folder).map_err(|problem| {
                let hint = problem.hint.map(|hint| format!("{hint}, or give --languages"));
                Problem { hint, ..problem }
            })?,
        };
        Ok(Catalogue::of_model(&folder, pair))
    }

    fn access(&self) -> anyhow::Result<Access> {
        let mut keys = Vec::new();
        if let Some(path) = &self.api_keys {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            keys.extend(
                text.lines().map(str::trim).filter(|key| !key.is_empty()).map(str::to_string),
            );
            if keys.is_empty() {
                let fact = format!("{} has no key", path.display());
                bail!(Problem::with_hint(fact, "without --api-keys everybody may ask"));
            }
        }
        Ok(Access { keys, origins: self.allow_origin.clone() })
    }
}

/// The first Ctrl-C or SIGTERM lets requests under way be answered, the second ends at once.
#[cfg(unix)]
fn end_by_signals(stop: Stop) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            stop.stop();
        }
        if let Some(signal) = signals.next() {
            std::process::exit(128 + signal);
        }
    });
}

/// Elsewhere Ctrl-C ends the program at once.
#[cfg(not(unix))]
fn end_by_signals(_: Stop) {}
