//! Scores as sacreBLEU prints them.

use clap::ValueEnum;
use wdistill_metrics::cli_text::{Entry, SystemEntry, json, systems_json, text};
use wdistill_metrics::{Confidence, Form, Signature};

/// What is printed.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    Json,
    Text,
}

/// How much is printed of one system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The score alone.
    Score,
    /// Score, signature and what belongs to the metric.
    Everything,
}

/// A score of one system, ready to be printed.
pub struct Scored {
    pub score: Box<dyn wdistill_metrics::Score>,
    pub signature: Signature,
    pub confidence: Option<Confidence>,
    /// Of the difference to the baseline; none for the baseline.
    pub p_value: Option<f64>,
}

/// How scores are printed. A table of scores has one row for each metric, in it one score for each system.
#[derive(Clone, Copy)]
pub struct Style {
    pub format: Format,
    pub form: Form,
    /// Decimals.
    pub width: usize,
    pub detail: Detail,
}

impl Style {
    /// What sacreBLEU prints for one system.
    pub fn one_system(&self, scored: &[Vec<Scored>]) -> String {
        match (self.format, self.detail) {
            (Format::Text, _) => self.one_system_as_text(scored),
            (Format::Json, Detail::Score) => {
                let values = self.values(scored);
                match values.len() {
                    // sacreBLEU prints one score alone in either format.
                    1 => values.join("\n"),
                    _ => format!("[\n{}\n]", values.join(",\n")),
                }
            }
            (Format::Json, Detail::Everything) => json(&entries(scored), self.width),
        }
    }

    /// The same in text, whatever the format.
    pub fn one_system_as_text(&self, scored: &[Vec<Scored>]) -> String {
        match self.detail {
            Detail::Score => self.values(scored).join("\n"),
            Detail::Everything => text(&entries(scored), self.form, self.width),
        }
    }

    /// The scores of one system, each with its spread.
    fn values(&self, scored: &[Vec<Scored>]) -> Vec<String> {
        scored.iter().map(|row| self.value(&row[0])).collect()
    }

    /// A score with its spread.
    fn value(&self, Scored { score, confidence, .. }: &Scored) -> String {
        let width = self.width;
        let value = score.value();
        match confidence {
            Some(Confidence { mean, half_width }) => {
                format!("{value:.width$} (μ = {mean:.width$} ± {half_width:.width$})")
            }
            None => format!("{value:.width$}"),
        }
    }

    /// What sacreBLEU prints for several systems of these names.
    pub fn several_systems(&self, names: &[String], scored: &[Vec<Scored>]) -> String {
        match self.format {
            Format::Json => self.systems_as_json(names, scored),
            Format::Text => self.systems_as_text(names, scored),
        }
    }

    fn systems_as_json(&self, names: &[String], scored: &[Vec<Scored>]) -> String {
        let system = |(index, name): (usize, &String)| {
            let scores = scored.iter().map(|row| (entry(&row[index]), row[index].p_value));
            SystemEntry { name: name.clone(), scores: scores.collect() }
        };
        let rows: Vec<SystemEntry<'_>> = names.iter().enumerate().map(system).collect();
        systems_json(&rows, self.width)
    }

    /// A line for each system and metric, and the signatures.
    fn systems_as_text(&self, names: &[String], scored: &[Vec<Scored>]) -> String {
        let mut output = Vec::new();
        for (index, name) in names.iter().enumerate() {
            for row in scored {
                let own = &row[index];
                let mut line = format!("{name}  {} {}", own.score.name(), self.value(own));
                if let Some(p_value) = own.p_value {
                    let mark = if p_value < 0.05 { "*" } else { "" };
                    line += &format!("  p = {p_value:.4}{mark}");
                }
                output.push(line);
            }
        }
        for row in scored {
            let Scored { score, signature, .. } = &row[0];
            output.push(format!("{}|{}", score.name(), signature.format(self.form)));
        }
        output.join("\n")
    }
}

/// What is printed of the first system.
fn entries(scored: &[Vec<Scored>]) -> Vec<Entry<'_>> {
    scored.iter().map(|row| entry(&row[0])).collect()
}

fn entry(scored: &Scored) -> Entry<'_> {
    let Scored { score, signature, confidence, .. } = scored;
    Entry { score: &**score, signature, confidence: *confidence }
}
