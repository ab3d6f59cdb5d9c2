//! Architectures that have names.

use crate::config::{Architecture, ConfigError};

/// The preset architectures, each a file under `presets/`: name and content.
pub const PRESETS: &[(&str, &str)] = &[
    ("transformer-base", include_str!("../presets/transformer-base.toml")),
    ("transformer-big", include_str!("../presets/transformer-big.toml")),
    ("small", include_str!("../presets/small.toml")),
    ("tiny", include_str!("../presets/tiny.toml")),
    ("firefox-tiny", include_str!("../presets/firefox-tiny.toml")),
    ("firefox-base", include_str!("../presets/firefox-base.toml")),
    ("mini", include_str!("../presets/mini.toml")),
    ("mini-tiny", include_str!("../presets/mini-tiny.toml")),
    ("micro", include_str!("../presets/micro.toml")),
    ("micro-tiny", include_str!("../presets/micro-tiny.toml")),
    ("transformer-nano", include_str!("../presets/transformer-nano.toml")),
];

impl Architecture {
    /// Reads one of the [`PRESETS`].
    ///
    /// # Errors
    /// [`ConfigError::UnknownPreset`] lists the names there are.
    pub fn preset(name: &str) -> Result<Architecture, ConfigError> {
        let (_, text) = PRESETS.iter().find(|(preset, _)| *preset == name).ok_or_else(|| {
            let known = PRESETS.iter().map(|(preset, _)| *preset).collect::<Vec<_>>().join(", ");
            ConfigError::UnknownPreset { name: name.to_string(), known }
        })?;
        toml::from_str(text).map_err(|error| ConfigError::Malformed(error.to_string()))
    }
}
