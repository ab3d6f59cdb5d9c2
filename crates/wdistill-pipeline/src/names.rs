//! Names in the folder of a run.

/// Name of the teacher in tables; no student may have it.
pub const TEACHER: &str = "teacher";

/// Name of the first text that judges finished systems.
pub const TEST: &str = "test";

/// Name of the text that judges while it is trained.
pub const VALIDATION: &str = "validation";

/// Name of a corpus to learn from that has no name.
pub const TRAINING: &str = "training";

/// Name of the teacher's translations among corpora.
pub const PSEUDO_DATA: &str = "pseudo-data";

/// Name of the pairs whose sources a model wrote, among corpora.
pub const BACK_TRANSLATION: &str = "back-translation";

/// Folder of phase 1 below that of its system.
pub const GENERATOR: &str = "generator";

/// Folder of the last phase below that of its system.
pub const STUDENT: &str = "student";

/// Folder of a run for a given teacher that came from another toolkit.
pub const IMPORTED_TEACHER: &str = "imported-teacher";

/// Folder of a run for a given model of the other direction that came from another toolkit.
pub const IMPORTED_BACK_TRANSLATION: &str = "imported-back-translation";

/// Folder of a run for given models that score pairs and came from another toolkit.
pub const IMPORTED_SCORES: &str = "imported-scores";

/// Files and folders of a run that are no system's; no student may have their names, in capitals or not.
pub const RESERVED_NAMES: &[&str] = &[
    TEACHER,
    IMPORTED_TEACHER,
    BACK_TRANSLATION,
    IMPORTED_BACK_TRANSLATION,
    IMPORTED_SCORES,
    "scores",
    "data",
    "data.txt",
    "vocabulary",
    "validation",
    "pseudo",
    "survey",
    "sources",
    "pairs",
    "evaluation",
    "speed",
    "lock",
    "recipe.toml",
    "report.html",
    "report.json",
];

/// A name that is one on any system.
pub(crate) fn is_a_folders(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || "-_+. ".contains(c))
        && !name.starts_with('.')
        && name.trim() == name
}
