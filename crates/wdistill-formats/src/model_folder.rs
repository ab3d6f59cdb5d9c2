//! Folders that hold a model, whole.

use std::path::Path;

use wdistill_base::{FileError, write_folder};

/// Writes the folder of a model, of whatever toolkit: a reader sees the old model or the new one.
///
/// # Errors
/// Those of `write`, and a [`FileError`]; nothing is then left of a new folder, or the old one is as it was.
pub fn write_model_folder<T, E: From<FileError>>(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    write_folder(folder, turn, write)
}

/// What a folder is taken for a model by comes last. A folder of Hugging Face is one with `config.json` and its weights.
fn turn(name: &str) -> u32 {
    match name {
        "model.safetensors" => 1,
        "config.toml" | "model.bin" => 2,
        name if name.ends_with(".npz") => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_model_comes_last() {
        let mut names =
            ["config.toml", "source.vocabulary.json", "model.safetensors", "source.spm"];
        names.sort_by_key(|name| (turn(name), *name));
        assert_eq!(
            names,
            ["source.spm", "source.vocabulary.json", "model.safetensors", "config.toml"]
        );
    }
}
