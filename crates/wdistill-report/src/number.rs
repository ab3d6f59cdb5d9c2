//! How numbers are written in every rendering.

use crate::{Inheritance, Measured};

/// Stands for a value that was not measured.
pub(crate) const MISSING: &str = "–";

/// A value or the dash.
pub(crate) fn or_dash<T>(value: Option<T>, write: impl Fn(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_string(), write)
}

/// With commas between thousands: `12,345`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits with a unit: `845`, `12.3k`, `1.23M`, `4.56G`.
pub(crate) fn short(value: u64) -> String {
    let mut scaled = value as f64;
    if value < 1_000 {
        return value.to_string();
    }
    let mut unit = "";
    for next in ["k", "M", "G"] {
        // 999.5 would be rounded to a fourth digit.
        if scaled >= 999.5 {
            scaled /= 1_000.0;
            unit = next;
        }
    }
    let decimals = if scaled < 9.995 {
        2
    } else if scaled < 99.95 {
        1
    } else {
        0
    };
    format!("{scaled:.decimals$}{unit}")
}

/// A score with two decimals.
pub(crate) fn score(value: f64) -> String {
    format!("{value:.2}")
}

/// A score with its confidence interval.
pub(crate) fn measured(value: &Measured) -> String {
    match value.half_width {
        Some(half_width) => format!("{:.2} ± {half_width:.2}", value.value),
        None => score(value.value),
    }
}

/// A mean with its deviation over seeds.
pub(crate) fn with_deviation(mean: &Measured, decimals: usize) -> String {
    let value = mean.value;
    match mean.deviation {
        Some(deviation) => format!("{value:.decimals$} ± {deviation:.decimals$}"),
        None => format!("{value:.decimals$}"),
    }
}

/// What a system inherits, in BLEU.
pub(crate) fn inherited(inheritance: &Inheritance) -> String {
    format!("{:+.2} ± {:.2}", inheritance.bleu.value, inheritance.bleu.half_width)
}

/// A rate: whole and grouped from 100 on, one decimal below.
pub(crate) fn rate(value: f64) -> String {
    if value >= 99.95 && value.is_finite() {
        grouped(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

/// A multiple: `2.35x`, `12.3x`.
pub(crate) fn multiple(value: f64) -> String {
    if value >= 9.995 { format!("{value:.1}x") } else { format!("{value:.2}x") }
}

/// Seconds as `48 s`, `12 min 05 s`, `3 h 07 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return format!("{seconds} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => {
            let minutes = (seconds / 60.0).round() as u64;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

/// A probability: four decimals, and a bound where they would show zero.
pub(crate) fn p_value(value: f64) -> String {
    if value < 0.000_05 { "p < 0.0001".to_string() } else { format!("p = {value:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn three_significant_digits() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.00k"),
            (12_345, "12.3k"),
            (845_100, "845k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (1_234_567, "1.23M"),
            (9_996_000, "10.0M"),
            (99_960_000, "100M"),
            (4_560_000_000, "4.56G"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn rates_multiples_and_durations() {
        assert_eq!((rate(12_345.6).as_str(), rate(99.94).as_str()), ("12,346", "99.9"));
        assert_eq!(rate(f64::INFINITY), "inf");
        assert_eq!((multiple(2.345).as_str(), multiple(12.34).as_str()), ("2.35x", "12.3x"));
        for (seconds, text) in [
            (4.56, "4.6 s"),
            (725.0, "12 min 05 s"),
            (11_220.0, "3 h 07 min"),
            (7_199.0, "2 h 00 min"),
            (f64::NAN, "NaN s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!((p_value(0.001).as_str(), p_value(0.0).as_str()), ("p = 0.0010", "p < 0.0001"));
    }

    #[test]
    fn missing_is_a_dash() {
        assert_eq!(or_dash(None, score), "–");
        assert_eq!(or_dash(Some(27.125), score), "27.12");
        assert_eq!(or_dash(Some(f64::NAN), score), "NaN");
    }
}
