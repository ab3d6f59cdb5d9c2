//! `wdistill recipe`: what a recipe may say, and one to start from.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use toml::Table;
use wdistill_base::Problem;
use wdistill_model::PRESETS;
use wdistill_pipeline::{Key, KeyTable, RECIPE, Recipe, key_tables};

use crate::commands::print;

/// Arguments of `wdistill recipe`.
#[derive(Args)]
pub struct RecipeCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the keys of a recipe: what each takes, its default, and what it says
    Keys(Keys),
    /// Print a whole recipe with every key, its default and its meaning, ready to be changed and run
    Show(Show),
}

#[derive(Args)]
struct Keys {
    /// Only keys that have this in their name or in that of their table, such as `learning_rate` or `decoding`
    key: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For a page
    Markdown,
    /// The JSON schema, for editors that check TOML files
    JsonSchema,
}

#[derive(Args)]
struct Show {
    /// A preset architecture for the teacher, or the file of a recipe, whose presets and defaults are spelled out
    #[arg(value_name = "PRESET|FILE")]
    what: PathBuf,
}

impl RecipeCommand {
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Keys(keys) => keys.run(),
            Command::Show(show) => show.run(),
        }
    }
}

impl Keys {
    fn run(self) -> anyhow::Result<()> {
        let tables = self.tables();
        if tables.is_empty() {
            let key = self.key.unwrap_or_default();
            let fact = format!("no key and no table of a recipe has {key:?} in its name");
            bail!(Problem::with_hint(fact, "without it, all are listed"));
        }
        print(
            match self.format {
                Format::Text => tables.iter().map(text).collect::<Vec<_>>().join("\n"),
                Format::Markdown => tables.iter().map(markdown).collect::<Vec<_>>().join("\n"),
                Format::JsonSchema => serde_json::to_string_pretty(&*RECIPE)?,
            }
            .trim_end(),
        )
    }

    /// The tables that hold what was asked for.
    fn tables(&self) -> Vec<KeyTable> {
        let all = key_tables().into_iter().filter(|table| !table.keys.is_empty());
        let Some(wanted) = &self.key else { return all.collect() };
        let narrowed = all.map(|mut table| {
            if !table.paths.iter().any(|path| path.contains(wanted)) {
                table.keys.retain(|key| key.name.contains(wanted));
            }
            table
        });
        narrowed.filter(|table| !table.keys.is_empty()).collect()
    }
}

/// The places of a table, as headings of TOML.
fn headings(table: &KeyTable) -> Vec<String> {
    let heading = |path: &String| match path.as_str() {
        "" => "At the top".to_string(),
        path if path.ends_with("[]") => format!("[[{}]]", path.trim_end_matches("[]")),
        path => format!("[{}]", path.replace("[]", "")),
    };
    table.paths.iter().map(heading).collect()
}

/// What a key takes, and its default.
fn takes(key: &Key) -> String {
    match &key.default {
        Some(default) => format!("{}; default {default}", key.takes),
        None => key.takes.clone(),
    }
}

fn text(table: &KeyTable) -> String {
    let mut out = String::new();
    for (heading, description) in headings(table).iter().zip(&table.descriptions) {
        let _ = writeln!(out, "{heading}  {description}");
    }
    for key in &table.keys {
        let _ = writeln!(out, "  {}: {}", key.name, takes(key));
        let _ = writeln!(out, "      {}", key.description);
        for choice in key.choices.iter().filter(|choice| !choice.description.is_empty()) {
            let _ = writeln!(out, "      {}: {}", choice.name, choice.description);
        }
    }
    out
}

fn markdown(table: &KeyTable) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut out = String::new();
    let code = |heading: String| match heading.starts_with('[') {
        true => format!("`{heading}`"),
        false => heading,
    };
    let headings: Vec<String> = headings(table).into_iter().map(code).collect();
    let _ = writeln!(out, "## {}\n", headings.join(", "));
    for (heading, description) in headings.iter().zip(&table.descriptions) {
        match headings.len() {
            1 => drop(writeln!(out, "{description}")),
            _ => drop(writeln!(out, "- {heading}: {description}")),
        }
    }
    let _ = writeln!(out, "\n| key | takes | default | what it says |\n|---|---|---|---|");
    for key in &table.keys {
        let default = key.default.as_ref().map_or(String::new(), |default| format!("`{default}`"));
        let mut says = key.description.clone();
        for choice in &key.choices {
            let _ = write!(says, "<br>`{}`: {}", choice.name, choice.description);
        }
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            key.name,
            key.takes,
            cell(&default),
            cell(&says)
        );
    }
    out
}

impl Show {
    fn run(self) -> anyhow::Result<()> {
        let preset = PRESETS.iter().find(|(name, _)| Path::new(name) == self.what);
        let recipe = match preset {
            Some((name, _)) => Recipe::parse(&starter(name), Path::new(""), None)?,
            None if self.what.exists() => Recipe::read(&self.what, None)?,
            None => {
                let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
                let what = self.what.display();
                let fact = format!("{what} is no preset and no file");
                bail!(Problem::with_hint(fact, format!("presets are {}", names.join(", "))))
            }
        };
        let whole = toml::to_string(&recipe.plan()?.to_recipe())?;
        print(commented(&whole).context("a recipe that was written here")?.trim_end())
    }
}

/// A recipe to start from: a teacher of this preset, its usual student, and the rivals that every claim needs.
fn starter(preset: &str) -> String {
    format!(
        r#"
title = "My language pair"
[data]
train = {{ source = "train.en", target = "train.de" }}
validation = {{ source = "validation.en", target = "validation.de" }}
test = {{ source = "test.en", target = "test.de" }}
[vocabulary]
size = 8000
[teacher]
preset = "{preset}"
[student]
preset = "{preset}"
architecture = {{ decoder = {{ layers = 1 }} }}
[[systems]]
method = "kd"
[[systems]]
method = "cut"
[[systems]]
method = "wd"
generator = {{ updates = 15000 }}
"#
    )
}

/// Most characters of a line of comments.
const WIDTH: usize = 100;

/// A recipe with a comment above every key that it holds for the first time in a kind of table.
fn commented(recipe: &str) -> anyhow::Result<String> {
    let tables = key_tables();
    let mut told: Vec<(usize, String)> = Vec::new();
    let mut path = String::new();
    let mut out = String::new();
    for line in recipe.lines() {
        if let Some(heading) = line.strip_prefix('[') {
            let name = heading.trim_matches(['[', ']']);
            path = match heading.starts_with('[') {
                true => format!("{name}[]"),
                // A table below the last of a row, such as `systems.training`.
                false if name.starts_with("systems.") => name.replacen("systems", "systems[]", 1),
                false => name.to_string(),
            };
            out += &comment(&description(&tables, &path));
        } else if let Some((name, _)) = line.split_once(" = ") {
            let table = tables.iter().position(|table| table.paths.contains(&path));
            let table = table.with_context(|| format!("no table [{path}]"))?;
            let key = tables[table].keys.iter().find(|key| key.name == name);
            if let Some(key) = key
                && !told.contains(&(table, name.to_string()))
            {
                out += &comment(&format!("{} ({})", key.description, takes(key)));
                told.push((table, name.to_string()));
            }
        }
        out += line;
        out += "\n";
    }
    // What was written is what was meant.
    let _: Table = toml::from_str(&out)?;
    Ok(out)
}

fn description(tables: &[KeyTable], path: &str) -> String {
    let places = tables.iter().flat_map(|table| table.paths.iter().zip(&table.descriptions));
    places.filter(|(place, _)| *place == path).map(|(_, text)| text.clone()).collect()
}

/// Running text as comments of TOML.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if line.chars().count() + word.chars().count() >= WIDTH {
            lines.push(format!("# {word}"));
        } else {
            *line += " ";
            *line += word;
        }
    }
    if text.is_empty() { String::new() } else { lines.join("\n") + "\n" }
}
