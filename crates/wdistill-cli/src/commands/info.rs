//! `wdistill info`: what a model holds, of wdistill or of another toolkit.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use wdistill_base::Problem;
use wdistill_formats::native::{self, Stored};
use wdistill_formats::{
    Format, FormatError, Imported, ModelFolder, TOOLKITS, check_export, load_vocabularies,
};
use wdistill_generator::Saturation;
use wdistill_model::tree::SlotInfo;
use wdistill_model::{Config, Dense, Model, Transformer};
use wdistill_text::{SOURCE_FILE, TARGET_FILE, VocabularyPair};

use crate::commands::import::Open;
use crate::commands::print;
use crate::settings::find_model;

/// Arguments of `wdistill info`.
#[derive(Args)]
pub struct Info {
    /// Folder or file of the model
    model: PathBuf,
    #[command(flatten)]
    open: Open,
    /// Fail unless the weights hold a checksum; one that they hold is always checked
    #[arg(long)]
    verify: bool,
    /// List every weight with its axes and shape
    #[arg(long)]
    slots: bool,
}

impl Info {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.model = find_model(&self.model)?;
        let format = Format::detect(&self.model)?;
        let checksum = match format {
            Format::Wdistill => native::checksum(&self.model)?,
            _ => None,
        };
        if self.verify && checksum.is_none() {
            let fact = format!("{} holds no checksum of its weights", self.model.display());
            let hint = "models of wdistill do that were written since there are checksums";
            bail!(Problem::with_hint(fact, hint));
        }
        let mut lines = vec![line("format", format.name())];
        let (config, damage) = match format {
            Format::Wdistill => {
                lines.push(line("checksum", checksum.as_deref().unwrap_or("none")));
                self.add_native(&mut lines)?
            }
            _ => (self.add_foreign(&mut lines)?, Ok(())),
        };
        lines.extend(shape(&config));
        lines.push(format!("\n{}", config.to_toml().trim_end()));
        if self.slots {
            lines.push(String::new());
            lines.extend(slots(&config));
        }
        print(&lines.join("\n"))?;
        Ok(damage?)
    }

    /// A model of wdistill. A damaged vocabulary is said after all that can be said of the model.
    fn add_native(
        &self,
        lines: &mut Vec<String>,
    ) -> anyhow::Result<(Config, Result<(), FormatError>)> {
        let stored = native::load_any(&self.model)?;
        let (vocabularies, damage) = match vocabularies_of(&self.model, stored.config()) {
            Ok(vocabularies) => (vocabularies, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let config = match stored {
            Stored::Float32(model) => {
                lines.push(line("weights", "float32"));
                lines.extend(saturation(&model));
                match vocabularies {
                    Some(vocabularies) => {
                        let folder = ModelFolder { model, vocabularies };
                        lines.extend(of_folder(&folder));
                        folder.model.config
                    }
                    None => model.config,
                }
            }
            Stored::Int8(model) => {
                lines.push(line("weights", "int8"));
                lines.extend(vocabularies.iter().flat_map(words));
                let why = "any other format; the model that it was made from may";
                lines.push(line("cannot become", why));
                model.config
            }
        };
        Ok((config, damage))
    }

    /// A model of another toolkit.
    fn add_foreign(&self, lines: &mut Vec<String>) -> anyhow::Result<Config> {
        let Imported { folder, notes, .. } = self.open.import(&self.model, None)?;
        lines.extend(notes.into_iter().map(|note| line("note", &note)));
        lines.extend(saturation(&folder.model));
        lines.extend(of_folder(&folder));
        Ok(folder.model.config)
    }
}

/// Every weight with its axes and shape.
fn slots(config: &Config) -> Vec<String> {
    let slot = |slot: SlotInfo| {
        let axes: Vec<String> = slot.axes.iter().map(ToString::to_string).collect();
        format!("{}  [{}]  {:?}", slot.slot, axes.join(", "), slot.shape)
    };
    Transformer::list(config).into_iter().map(slot).collect()
}

/// Those in a model's folder; weights alone are a model too.
fn vocabularies_of(folder: &Path, config: &Config) -> Result<Option<VocabularyPair>, FormatError> {
    let has = |file: &str| folder.join(file).exists();
    match has(SOURCE_FILE) || has(TARGET_FILE) {
        true => load_vocabularies(folder, config).map(Some),
        false => Ok(None),
    }
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<16} {value}")
}

fn shape(config: &Config) -> Vec<String> {
    let parameters = Transformer::parameters(config);
    vec![line("shape", &config.architecture.summary()), line("parameters", &parameters.to_string())]
}

fn words(vocabularies: &VocabularyPair) -> [String; 2] {
    let VocabularyPair { source, target } = vocabularies;
    [("source words", source), ("target words", target)].map(|(side, vocabulary)| {
        line(side, &format!("{}, {}", vocabulary.size(), vocabulary.kind().name()))
    })
}

/// How many weights a generator of the paper's start cannot reach.
fn saturation(model: &Model<Dense<f32>>) -> [String; 1] {
    let Saturation { outside, all } = Saturation::of(&model.weights);
    let share = 100.0 * outside as f64 / all as f64;
    [line("outside [-1, 1]", &format!("{outside} ({share:.3}%)"))]
}

/// Vocabularies, and what the model can be written as.
fn of_folder(folder: &ModelFolder) -> Vec<String> {
    let mut lines = words(&folder.vocabularies).to_vec();
    for toolkit in TOOLKITS.iter().copied() {
        // What is written in another way can be written as it is.
        let Some(numbers) = toolkit.numbers().first() else { continue };
        let (name, answers) = match check_export(folder, toolkit, &(*numbers).into()) {
            Ok(notes) => ("can become", notes),
            Err(FormatError::Export { problems, .. }) => ("cannot become", problems),
            Err(error) => ("cannot become", vec![Problem::of(&error)]),
        };
        let answers: Vec<String> = answers.iter().map(Problem::in_lines).collect();
        let lines_of_answers = answers.iter().flat_map(|answer| answer.lines());
        let reasons: String = lines_of_answers.map(|line| format!("\n{:19}{line}", "")).collect();
        lines.push(line(name, &format!("{}{reasons}", toolkit.model_name())));
    }
    lines
}
