//! A spelling for the numbers that JSON lacks: a diverged loss must not become `null`.

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged, expecting = "a number, or \"NaN\", \"inf\" or \"-inf\"")]
enum Spelling {
    Finite(f64),
    NotFinite(NotFinite),
}

#[derive(serde::Serialize, serde::Deserialize)]
enum NotFinite {
    NaN,
    #[serde(rename = "inf")]
    Infinity,
    #[serde(rename = "-inf")]
    MinusInfinity,
}

impl From<f64> for Spelling {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Spelling::Finite(value)
        } else if value.is_nan() {
            Spelling::NotFinite(NotFinite::NaN)
        } else if value > 0.0 {
            Spelling::NotFinite(NotFinite::Infinity)
        } else {
            Spelling::NotFinite(NotFinite::MinusInfinity)
        }
    }
}

impl From<Spelling> for f64 {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Finite(value) => value,
            Spelling::NotFinite(NotFinite::NaN) => f64::NAN,
            Spelling::NotFinite(NotFinite::Infinity) => f64::INFINITY,
            Spelling::NotFinite(NotFinite::MinusInfinity) => f64::NEG_INFINITY,
        }
    }
}

/// A number that may not be finite.
pub(crate) mod number {
    use super::Spelling;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        Spelling::from(*value).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Spelling::deserialize(from).map(f64::from)
    }
}

/// A number that may be missing or not finite.
pub(crate) mod optional_number {
    use super::Spelling;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Spelling::from).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Spelling>::deserialize(from)?.map(f64::from))
    }
}
