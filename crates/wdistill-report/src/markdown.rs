//! The report as Markdown, with the tables of the GitHub dialect.

use crate::number::{duration, grouped, multiple, or_dash, p_value, rate, score, short};
use crate::text::{MEANS, conditions, mean};
use crate::{Comparison, DataSet, Report, SystemRow};

/// The report as Markdown; names cannot break out of their cells, nor the recipe out of its fence.
pub fn markdown(report: &Report) -> String {
    let mut blocks = vec![format!("# {}", escaped(&report.title))];
    if !report.task_description.is_empty() {
        blocks.push(escaped(&report.task_description));
    }
    blocks.extend(report.unfinished.iter().map(|text| format!("Unfinished: {}", escaped(text))));
    blocks.push("## Results".to_string());
    blocks.push(table(&RESULT_HEADINGS, 2, report.systems.iter().map(result).collect()));
    if !report.means.is_empty() {
        blocks.push(format!("## {MEANS}"));
        blocks.push(list(report.means.iter().map(|entry| escaped(&mean(entry)))));
    }
    if !report.comparisons.is_empty() {
        blocks.push("## Paired bootstrap, 95% confidence".to_string());
        let rows = report.comparisons.iter().map(comparison).collect();
        blocks.push(table(&COMPARISON_HEADINGS, 3, rows));
    }
    if !report.data.is_empty() {
        blocks.push("## Data".to_string());
        blocks.push(table(&DATA_HEADINGS, 2, report.data.iter().map(data_set).collect()));
    }
    blocks.push("## Conditions".to_string());
    blocks.push(list(
        conditions(report).iter().map(|(name, value)| format!("{name}: {}", escaped(value))),
    ));
    if !report.notes.is_empty() {
        blocks.push("## Notes".to_string());
        blocks.push(list(report.notes.iter().map(|note| escaped(note))));
    }
    if !report.recipe_toml.is_empty() {
        blocks.push("## Recipe".to_string());
        blocks.push(fenced(&report.recipe_toml));
    }
    blocks.join("\n\n") + "\n"
}

const RESULT_HEADINGS: [&str; 12] = [
    "System",
    "Shape",
    "Parameters",
    "Seed",
    "Updates",
    "BLEU valid",
    "BLEU test",
    "chrF test",
    "Tokens/s",
    "Sentences/s",
    "Speed-up",
    "Training",
];
const COMPARISON_HEADINGS: [&str; 7] =
    ["Better", "Than", "Metric", "Difference", "Half-width", "p-value", "Samples"];
const DATA_HEADINGS: [&str; 6] =
    ["Role", "Source", "Pairs", "Source tokens", "Target tokens", "Notes"];

fn result(system: &SystemRow) -> Vec<String> {
    vec![
        escaped(&system.name),
        escaped(&system.shape),
        short(system.parameters),
        or_dash(system.seed, |seed| seed.to_string()),
        or_dash(system.updates, grouped),
        or_dash(system.bleu_validation, score),
        or_dash(system.bleu_test, score),
        or_dash(system.chrf_test, score),
        or_dash(system.tokens_per_second, rate),
        or_dash(system.sentences_per_second, rate),
        or_dash(system.speed_up, multiple),
        or_dash(system.training_seconds, duration),
    ]
}

fn comparison(comparison: &Comparison) -> Vec<String> {
    vec![
        escaped(&comparison.better),
        escaped(&comparison.than),
        escaped(&comparison.metric),
        format!("{:+.2}", comparison.difference),
        format!("± {:.2}", comparison.confidence_half_width),
        escaped(&p_value(comparison.p_value)),
        grouped(comparison.samples),
    ]
}

fn data_set(data: &DataSet) -> Vec<String> {
    vec![
        escaped(&data.role),
        escaped(&data.label),
        grouped(data.pairs),
        grouped(data.source_tokens),
        grouped(data.target_tokens),
        escaped(&data.notes.join("; ")),
    ]
}

/// A table whose first `names` columns are words, to the left, and the others numbers.
fn table(headings: &[&str], names: usize, rows: Vec<Vec<String>>) -> String {
    let rule: Vec<&str> =
        (0..headings.len()).map(|column| if column < names { "---" } else { "--:" }).collect();
    let line = |cells: String| format!("| {cells} |");
    let mut lines = vec![line(headings.join(" | ")), line(rule.join(" | "))];
    lines.extend(rows.into_iter().map(|row| line(row.join(" | "))));
    lines.join("\n")
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")
}

/// On one line, with a backslash before everything that Markdown or HTML would read as markup.
fn escaped(text: &str) -> String {
    let mut result = String::new();
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => result.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '<' | '>' | '&' | '[' | ']' | '#' | '~' => {
                result.push('\\');
                result.push(letter);
            }
            _ => result.push(letter),
        }
    }
    result
}

/// A code block whose fence is longer than any run of backticks inside.
fn fenced(text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}toml\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    #[test]
    fn tables_and_conditions() {
        let text = markdown(&example());
        for line in [
            "# Distilling a toy teacher",
            "| distilled | 4x64/256 + 1x64/256 | 345k | 42 | 400 | 84.00 | 83.20 | – | – | – | – | – |",
            "| distilled | from scratch | BLEU | +21.45 | ± 1.30 | p = 0.0010 | 1,000 |",
            "- distilled, distilled-2: BLEU test 83.10 ± 0.14",
            "| training | demo grammar, seed 42 | 20,000 | 310,000 | 341,000 |  |",
            "- Signature: BLEU nrefs:1\\|case:mixed\\|tok:13a",
            "- Seed: 42",
            "```toml",
        ] {
            assert!(text.lines().any(|found| found == line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_headings() {
        let mut report = example();
        report.systems[0].name = "a|b".to_string();
        let text = markdown(&report);
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let rows: Vec<&str> =
            text.lines().skip_while(|line| !line.contains("Shape")).take(5).collect();
        assert!(rows[2].contains("a\\|b"));
        assert!(rows.iter().all(|row| bars(row) == RESULT_HEADINGS.len() + 1), "{rows:?}");
    }

    #[test]
    fn markup_in_names_stays_text() {
        let mut report = example();
        report.notes = vec!["<script>alert(1)</script>\n# no heading".to_string()];
        report.recipe_toml = "a = '''\n````\n'''".to_string();
        let text = markdown(&report);
        assert!(text.contains("- \\<script\\>alert(1)\\</script\\> \\# no heading\n"), "{text}");
        assert!(text.contains("\n`````toml\n"), "{text}");
        assert!(text.ends_with("\n`````\n"), "{text}");
    }
}
