//! What sacreBLEU's command line prints: its JSON (`-f json`, the default there) for one system and for several, and its
//! text (`-f text`) for one.

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

/// The scores of one system among several.
pub struct SystemEntry<'a> {
    /// What it is called.
    pub name: String,
    /// Its scores, each with the p-value of its difference to the baseline, where there is one.
    pub scores: Vec<(Entry<'a>, Option<f64>)>,
}

/// The JSON sacreBLEU prints for several systems: an array with one object a system, in it the scores as texts of
/// `decimals` digits after the point.
///
/// A score with a confidence is an object of the fields `score`, `p_value`, `mean` and `ci`, in full precision. These
/// are the fields that sacreBLEU means to print; version 2.6.0 fails at it, since its numbers are NumPy's.
pub fn systems_json(systems: &[SystemEntry<'_>], decimals: usize) -> String {
    let object = |system: &SystemEntry<'_>| {
        let mut fields = vec![format!("        \"system\": {}", escaped(&system.name))];
        fields.extend(system.scores.iter().map(|(entry, p_value)| {
            let value = match entry.confidence {
                Some(confidence) => tested(entry, confidence, *p_value),
                None => quoted(&format!("{:.decimals$}", entry.score.value())),
            };
            format!("        {}: {value}", quoted(&entry.score.name()))
        }));
        format!("    {{\n{}\n    }}", fields.join(",\n"))
    };
    let objects: Vec<String> = systems.iter().map(object).collect();
    format!("[\n{}\n]", objects.join(",\n"))
}

/// The object of a score with its test.
fn tested(entry: &Entry<'_>, confidence: Confidence, p_value: Option<f64>) -> String {
    let fields = [
        ("score", format!("{:?}", entry.score.value())),
        ("p_value", p_value.map_or("null".to_string(), |p_value| format!("{p_value:?}"))),
        ("mean", format!("{:?}", confidence.mean)),
        ("ci", format!("{:?}", confidence.half_width)),
    ];
    let lines: Vec<String> =
        fields.iter().map(|(name, value)| format!("            \"{name}\": {value}")).collect();
    format!("{{\n{}\n        }}", lines.join(",\n"))
}

/// A string as Python's `json.dumps` writes it: nothing but printable ASCII.
fn escaped(text: &str) -> String {
    let mut output = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => output += "\\\"",
            '\\' => output += "\\\\",
            '\n' => output += "\\n",
            '\r' => output += "\\r",
            '\t' => output += "\\t",
            '\u{8}' => output += "\\b",
            '\u{c}' => output += "\\f",
            ' '..='~' => output.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    output += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    output + "\""
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
    use super::{escaped, rounded};

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
    /// Expected: Python's `json.dumps`.
    #[test]
    fn names_are_escaped_as_python_escapes_them() {
        assert_eq!(escaped("a b/c~"), r#""a b/c~""#);
        assert_eq!(
            escaped("\u{e9}\u{1f600}\"\\\n\t\u{1}\u{7f}"),
            r#""\u00e9\ud83d\ude00\"\\\n\t\u0001\u007f""#
        );
    }
}
