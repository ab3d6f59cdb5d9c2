//! The report for a terminal.

use crate::number::{grouped, multiple, or_dash, p_value, rate, score, short};
use crate::{Comparison, Machine, Report, SeedMean, SystemRow};

const COLUMNS: usize = 9;

const HEADINGS: [&str; COLUMNS] = [
    "System",
    "Parameters",
    "Seed",
    "Updates",
    "BLEU valid",
    "BLEU test",
    "chrF test",
    "Tokens/s",
    "Speed-up",
];

/// Title, results in aligned columns, significance tests, and the conditions they hold under.
///
/// Columns are aligned by characters. Control characters in names are written as escapes, so that
/// a name cannot break the table or reach the terminal.
pub fn text_table(report: &Report) -> String {
    let mut lines = vec![printable(&report.title)];
    if !report.task_description.is_empty() {
        lines.push(printable(&report.task_description));
    }
    lines.extend(report.unfinished.iter().map(|text| format!("Unfinished: {}", printable(text))));
    lines.push(String::new());
    lines.extend(table(&report.systems));
    if !report.means.is_empty() {
        lines.push(String::new());
        lines.push(MEANS.to_string());
        lines.extend(report.means.iter().map(|entry| format!("  {}", printable(&mean(entry)))));
    }
    if !report.comparisons.is_empty() {
        lines.push(String::new());
        lines.push("Paired bootstrap, 95% confidence".to_string());
        lines.extend(report.comparisons.iter().map(|entry| format!("  {}", comparison(entry))));
    }
    lines.push(String::new());
    lines.push("Conditions".to_string());
    lines.extend(
        conditions(report)
            .into_iter()
            .map(|(name, value)| format!("  {name:<9} {}", printable(&value))),
    );
    lines.extend(report.notes.iter().map(|note| format!("  {:<9} {}", "Note", printable(note))));
    lines.push(String::new());
    lines.join("\n")
}

fn table(systems: &[SystemRow]) -> Vec<String> {
    let mut rows = vec![HEADINGS.map(str::to_string)];
    rows.extend(systems.iter().map(cells));
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut lines: Vec<String> = rows.iter().map(|row| aligned(row, &widths)).collect();
    lines.insert(1, "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    lines
}

/// The name to the left, numbers to the right.
fn aligned(row: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let mut line = format!("{:<width$}", row[0], width = widths[0]);
    for (cell, width) in row.iter().zip(widths).skip(1) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    line
}

fn cells(system: &SystemRow) -> [String; COLUMNS] {
    [
        printable(&system.name),
        short(system.parameters),
        or_dash(system.seed, |seed| seed.to_string()),
        or_dash(system.updates, grouped),
        or_dash(system.bleu_validation, score),
        or_dash(system.bleu_test, score),
        or_dash(system.chrf_test, score),
        or_dash(system.tokens_per_second, rate),
        or_dash(system.speed_up, multiple),
    ]
}

fn comparison(comparison: &Comparison) -> String {
    let Comparison { better, than, metric, difference, confidence_half_width, .. } = comparison;
    format!(
        "{} over {}: {} {difference:+.2} ± {confidence_half_width:.2}, {}, {} samples",
        printable(better),
        printable(than),
        printable(metric),
        p_value(comparison.p_value),
        grouped(comparison.samples),
    )
}

/// Heading of [`mean`].
pub(crate) const MEANS: &str = "Means over seeds ± standard deviation";

pub(crate) fn mean(mean: &SeedMean) -> String {
    let SeedMean { systems, metric, mean, deviation } = mean;
    format!("{}: {metric} {mean:.2} ± {deviation:.2}", systems.join(", "))
}

/// What the results depend on, name and value.
pub(crate) fn conditions(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows: Vec<(&'static str, String)> =
        signatures(report).into_iter().map(|text| ("Signature", text)).collect();
    rows.push(("Decoding", decoding(report)));
    if report.systems.iter().any(|system| system.speed_up.is_some()) {
        rows.push(("Speed-up", SPEED_UP.to_string()));
    }
    rows.push(("Seed", report.seed.to_string()));
    rows.push(("Machine", machine(&report.machine)));
    rows.push(("Version", version(report)));
    rows
}

const SPEED_UP: &str = "the first system's seconds over this one's for the same sentences, the median of \
                        rounds in which all systems take turns";

/// Picks the signature of one metric.
type SignatureOf = fn(&SystemRow) -> Option<&String>;

/// The different signatures of all systems, in order of appearance, with the systems they hold
/// for where they differ.
fn signatures(report: &Report) -> Vec<String> {
    let metrics: [(&str, SignatureOf); 2] = [
        ("BLEU", |system| system.signatures.bleu.as_ref()),
        ("chrF", |system| system.signatures.chrf.as_ref()),
    ];
    let mut texts = Vec::new();
    for (metric, signature_of) in metrics {
        let mut groups: Vec<(&String, Vec<&str>)> = Vec::new();
        for system in &report.systems {
            let Some(signature) = signature_of(system) else { continue };
            match groups.iter_mut().find(|(known, _)| *known == signature) {
                Some((_, names)) => names.push(&system.name),
                None => groups.push((signature, vec![&system.name])),
            }
        }
        let differ = groups.len() > 1;
        texts.extend(groups.into_iter().map(|(signature, names)| {
            if differ {
                format!("{metric} {signature} ({})", names.join(", "))
            } else {
                format!("{metric} {signature}")
            }
        }));
    }
    texts
}

pub(crate) fn decoding(report: &Report) -> String {
    let decoding = &report.decoding;
    format!(
        "beam {}, length penalty {}, at most {} times the source's tokens plus {}, and {}, {} tokens a \
         batch, {}",
        decoding.beam,
        decoding.length_penalty,
        decoding.max_ratio,
        decoding.max_surplus,
        decoding.max_length,
        decoding.batch,
        decoding.precision
    )
}

pub(crate) fn machine(machine: &Machine) -> String {
    let mut text = format!(
        "{}, {} cores, {} threads, {:.1} GiB, {}",
        machine.cpu, machine.cores, machine.threads, machine.memory_gib, machine.operating_system
    );
    if !machine.features.is_empty() {
        text.push_str(&format!(" ({})", machine.features.join(" ")));
    }
    text
}

pub(crate) fn version(report: &Report) -> String {
    match &report.commit {
        Some(commit) => format!("{}, commit {commit}, {}", report.version, report.created),
        None => format!("{}, {}", report.version, report.created),
    }
}

fn printable(text: &str) -> String {
    let escape = |letter: char| -> String {
        if letter.is_control() { letter.escape_default().collect() } else { letter.to_string() }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    #[test]
    fn the_whole_table() {
        let expected = "\
Distilling a toy teacher
English to German, everyday sentences

System        Parameters  Seed  Updates  BLEU valid  BLEU test  chrF test  Tokens/s  Speed-up
---------------------------------------------------------------------------------------------
teacher            1.23M     –    1,500       91.25      90.80      95.10     4,321     1.00x
from scratch        345k    42      400       62.50      61.75      78.32    12,346     2.86x
distilled           345k    42      400       84.00      83.20          –         –         –

Means over seeds ± standard deviation
  distilled, distilled-2: BLEU test 83.10 ± 0.14

Paired bootstrap, 95% confidence
  distilled over from scratch: BLEU +21.45 ± 1.30, p = 0.0010, 1,000 samples

Conditions
  Signature BLEU nrefs:1|case:mixed|tok:13a
  Signature chrF nrefs:1|case:mixed|nc:6
  Decoding  beam 4, length penalty 0.6, at most 2 times the source's tokens plus 20, and 512, 32 tokens a batch, float32
  Speed-up  the first system's seconds over this one's for the same sentences, the median of rounds in which all systems take turns
  Seed      42
  Machine   Example CPU, 2 cores, 2 threads, 15.6 GiB, Linux 6.1 (avx2 fma)
  Version   0.1.0, commit abc1234, 2026-01-31
  Note      The first stage used every sentence.
";
        assert_eq!(text_table(&example()), expected);
    }

    #[test]
    fn an_empty_report_has_headings_and_conditions() {
        let text = text_table(&Report::default());
        assert!(text.contains("System  Parameters  Seed  Updates"), "{text}");
        assert!(!text.contains("Paired bootstrap"), "{text}");
    }

    #[test]
    fn a_run_that_goes_on_is_called_so() {
        let mut report = example();
        report.unfinished = Some("kd is to come".to_string());
        assert!(text_table(&report).contains("sentences\nUnfinished: kd is to come\n"));
        assert!(crate::html(&report).contains("Unfinished: kd is to come"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut report = example();
        report.systems[0].name = "red\u{1b}[31m\nname".to_string();
        let text = text_table(&report);
        assert!(text.contains("red\\u{1b}[31m\\nname"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn different_signatures_name_their_systems() {
        let mut report = example();
        report.systems[1].signatures.bleu = Some("nrefs:1|case:lc|tok:13a".to_string());
        let text = text_table(&report);
        assert!(text.contains("BLEU nrefs:1|case:mixed|tok:13a (teacher, distilled)\n"), "{text}");
        assert!(text.contains("BLEU nrefs:1|case:lc|tok:13a (from scratch)\n"), "{text}");
    }
}
