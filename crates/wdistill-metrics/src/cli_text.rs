//! What sacreBLEU's command line prints for one system: its JSON (`-f json`, the default there) and its text (`-f text`).

use crate::{Confidence, Form, Score, Signature};

/// One score with all that is printed about it.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The score.
    pub score: &'a dyn Score,
    /// Its signature.
    pub signature: &'a Signature,
    /// Its spread, where asked for.
    pub confidence: Option<Confidence>,
}

/// The JSON sacreBLEU prints: an object for one score, an array for several. `decimals` digits after the point.
///
/// sacreBLEU orders several metrics by name (BLEU before chrF); here the order of `entries` is kept.
pub fn json(entries: &[Entry<'_>], decimals: usize) -> String {
    let objects: Vec<String> = entries.iter().map(|entry| json_object(entry, decimals)).collect();
    match objects.as_slice() {
        [object] => object.clone(),
        several => format!("[\n{}\n]", several.join(",\n")),
    }
}

/// The text sacreBLEU prints: a line for each score, aligned at the equals sign. `decimals` digits after the point.
pub fn text(entries: &[Entry<'_>], form: Form, decimals: usize) -> String {
    let sides: Vec<(String, String)> = entries
        .iter()
        .map(|entry| {
            let name = format!("{}|{}", entry.score.name(), entry.signature.format(form));
            (name, value_side(entry, decimals))
        })
        .collect();
    let width = sides.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> =
        sides.iter().map(|(name, value)| format!("{name:>width$} = {value}")).collect();
    lines.join("\n")
}

fn value_side(entry: &Entry<'_>, decimals: usize) -> String {
    let mut side = format!("{:.decimals$}", entry.score.value());
    if let Some(spread) = spread(entry, decimals) {
        side += &format!(" ({spread})");
    }
    let verbose = entry.score.verbose();
    if verbose.is_empty() { side } else { format!("{side} {verbose}") }
}

fn json_object(entry: &Entry<'_>, decimals: usize) -> String {
    let mut fields = vec![
        ("name", quoted(&entry.score.name())),
        ("score", rounded(entry.score.value(), decimals)),
        ("signature", quoted(&entry.signature.to_string())),
    ];
    if let (Some(confidence), Some(spread)) = (entry.confidence, spread(entry, decimals)) {
        fields.push(("confidence_mean", rounded(confidence.mean, decimals)));
        fields.push(("confidence_var", rounded(confidence.half_width, decimals)));
        fields.push(("confidence", quoted(&spread)));
    }
    let verbose = entry.score.verbose();
    if !verbose.is_empty() {
        fields.push(("verbose_score", quoted(&verbose)));
    }
    let settings = entry.signature.pairs();
    fields.extend(settings.iter().map(|(name, value)| (*name, quoted(value))));
    let lines: Vec<String> =
        fields.iter().map(|(name, value)| format!(" \"{name}\": {value}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// `μ = 34.1 ± 2.0`; sacreBLEU leaves it out where the mean is 0.
fn spread(entry: &Entry<'_>, decimals: usize) -> Option<String> {
    let confidence = entry.confidence.filter(|confidence| confidence.mean > 0.0)?;
    Some(format!("μ = {:.decimals$} ± {:.decimals$}", confidence.mean, confidence.half_width))
}

/// Names, signatures and numbers hold no character JSON would escape.
fn quoted(plain: &str) -> String {
    format!("\"{plain}\"")
}

/// A number rounded to `decimals` and written as Python writes a float: the shortest text that reads back the same.
fn rounded(value: f64, decimals: usize) -> String {
    let fixed: f64 = format!("{value:.decimals$}").parse().expect("a formatted number reads back");
    let shortest = format!("{fixed:?}");
    // Both languages take to exponents below 1e-4, but Python writes at least two digits of them.
    match shortest.split_once("e-") {
        Some((digits, exponent)) => format!("{digits}e-{exponent:0>2}"),
        None => shortest,
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    /// Expected: Python's `float(f"{value:.{decimals}f}")`, as `json.dumps` writes it.
    #[test]
    fn numbers_are_written_as_python_writes_them() {
        assert_eq!(rounded(34.0, 2), "34.0");
        assert_eq!(rounded(34.25, 1), "34.2");
        assert_eq!(rounded(34.4, 0), "34.0");
        assert_eq!(rounded(0.0, 1), "0.0");
        assert_eq!(rounded(0.0001, 4), "0.0001");
        assert_eq!(rounded(0.000012, 6), "1.2e-05");
        assert_eq!(rounded(4e-12, 12), "4e-12");
    }
}
