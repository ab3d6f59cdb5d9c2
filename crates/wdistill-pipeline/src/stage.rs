//! Stages: work that is done once, skipped while its inputs stay the same, and resumed if it was cut off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wdistill_base::{
    ContentError, Depth, FileError, Problem, atomic_write, hash_bytes, hash_file, remove_leftovers,
};

use crate::error::PipelineError;
use crate::progress::{Display, Progress};

/// The way out of a file of a stage that cannot be used.
pub(crate) const MADE_AGAIN: &str = "remove it, and it will be made again";

/// Everything that decides a stage's result, as a short text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// Of plain data: other settings, other text, other models give another fingerprint.
    pub fn of(inputs: &impl Serialize) -> Fingerprint {
        let text = serde_json::to_string(inputs).expect("inputs are plain data");
        Fingerprint(hash_bytes(text.as_bytes()))
    }
}

/// A stage's result with what it was made from.
#[derive(Serialize, Deserialize)]
struct Record<T> {
    inputs: Fingerprint,
    result: T,
    /// Hash of every product, by its name in the folder; records of earlier versions have none.
    #[serde(default)]
    products: BTreeMap<String, String>,
    /// Hash of the result and of the products' hashes; records of earlier versions have none.
    #[serde(default)]
    hash: Option<String>,
}

impl<T: Serialize> Record<T> {
    fn new(inputs: Fingerprint, result: T, products: BTreeMap<String, String>) -> Record<T> {
        let hash = Some(Fingerprint::of(&(&result, &products)).0);
        Record { inputs, result, products, hash }
    }

    /// Whether the result is what the stage wrote.
    fn is_as_written(&self) -> bool {
        self.hash
            .as_ref()
            .is_none_or(|hash| *hash == Fingerprint::of(&(&self.result, &self.products)).0)
    }
}

/// The folder of a run; each stage has a folder below it.
pub struct Stages {
    folder: PathBuf,
    display: Display,
    done: AtomicUsize,
}

const INPUTS: &str = "inputs.json";
const RESULT: &str = "result.json";

/// Whether a folder is a stage's, finished or not.
pub fn is_stage(folder: &Path) -> bool {
    folder.join(INPUTS).exists()
}

/// Whether a folder is that of a stage that is finished.
pub fn is_finished(folder: &Path) -> bool {
    is_stage(folder) && folder.join(RESULT).exists()
}

impl Stages {
    /// Of the run in a folder; `display` is where progress is shown.
    pub fn new(folder: PathBuf, display: Display) -> Stages {
        Stages { folder, display, done: AtomicUsize::new(0) }
    }

    /// How many stages were carried out, not skipped.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Does the work of a stage in its folder, unless that has been done from the same inputs and what it
    /// made, the files `products` in the folder, is there as it was made.
    ///
    /// Work that was cut off, or whose products are gone, is called again in the folder as it was left,
    /// and goes on from what it finds there. A folder with other inputs is kept under another name, and that is said.
    ///
    /// # Errors
    /// What the work brings, [`PipelineError::Product`] if a product was changed, or [`PipelineError::Io`].
    pub fn run<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        inputs: &Fingerprint,
        products: &[&str],
        work: impl FnOnce(&Path) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        self.carry_out(name, inputs, products, Depth::Tree, work)
    }

    /// The same, where other processes may be writing in folders below the stage's.
    ///
    /// # Errors
    /// As [`Stages::run`].
    pub fn run_shared<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        inputs: &Fingerprint,
        products: &[&str],
        work: impl FnOnce(&Path) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        self.carry_out(name, inputs, products, Depth::Folder, work)
    }

    /// The folder of a stage that is worked on, for those who do some of its work; none if it is finished.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn open(&self, name: &str, inputs: &Fingerprint) -> Result<Option<PathBuf>, PipelineError> {
        let record = read::<Record<serde_json::Value>>(&self.folder.join(name).join(RESULT))?;
        match record.is_some_and(|record| record.inputs == *inputs) {
            true => Ok(None),
            false => self.begin(name, inputs, Depth::Folder).map(Some),
        }
    }

    fn carry_out<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        inputs: &Fingerprint,
        products: &[&str],
        depth: Depth,
        work: impl FnOnce(&Path) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let folder = self.folder.join(name);
        let progress = Progress::new(self.display, name, 0);
        if let Some(record) = read::<Record<T>>(&folder.join(RESULT))?
            && record.inputs == *inputs
        {
            match products.iter().find(|product| !folder.join(product).exists()) {
                None => {
                    if !record.is_as_written() {
                        return Err(PipelineError::Product { path: folder.join(RESULT) });
                    }
                    verify(&folder, &record.products)?;
                    progress.say("nothing changed, skipped");
                    return Ok(record.result);
                }
                Some(gone) => progress.say(&format!("its {gone} is gone, and is made again")),
            }
        }
        let folder = self.begin(name, inputs, depth)?;
        let result = work(&folder)?;
        let products = hashes(&folder, products)?;
        let record = Record::new(inputs.clone(), result, products);
        write(&folder.join(RESULT), &record)?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(record.result)
    }

    /// The folder of a stage, ready for work from these inputs.
    fn begin(
        &self,
        name: &str,
        inputs: &Fingerprint,
        depth: Depth,
    ) -> Result<PathBuf, PipelineError> {
        let folder = self.folder.join(name);
        if let Some(found) = read::<Fingerprint>(&folder.join(INPUTS))?
            && found != *inputs
        {
            let kept = set_aside(&folder)?;
            let text = format!("its inputs changed; the old result is now {}", kept.display());
            Progress::new(self.display, name, 0).say(&text);
        }
        std::fs::create_dir_all(&folder).map_err(FileError::when("create", &folder))?;
        remove_leftovers(&folder, depth)?;
        write(&folder.join(INPUTS), inputs)?;
        Ok(folder)
    }
}

fn hashes(folder: &Path, products: &[&str]) -> Result<BTreeMap<String, String>, PipelineError> {
    let hash = |product: &&str| Ok((product.to_string(), hash_file(&folder.join(product))?));
    products.iter().map(hash).collect()
}

fn verify(folder: &Path, products: &BTreeMap<String, String>) -> Result<(), PipelineError> {
    for (product, expected) in products {
        let path = folder.join(product);
        if hash_file(&path)? != *expected {
            return Err(PipelineError::Product { path });
        }
    }
    Ok(())
}

fn set_aside(folder: &Path) -> Result<PathBuf, PipelineError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kept = (1..)
        .map(|number| folder.with_file_name(format!("{name}.old-{number}")))
        .find(|path| !path.exists())
        .expect("there are more numbers than folders");
    std::fs::rename(folder, &kept).map_err(FileError::when("rename", folder))?;
    Ok(kept)
}

/// Plain data from a JSON file; nothing if there is no file.
///
/// # Errors
/// [`PipelineError::Io`], or [`PipelineError::Content`] naming file and line.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, PipelineError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(FileError::when("read", path))?,
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let problem = Problem::with_hint(error.to_string(), MADE_AGAIN);
        ContentError { path: path.to_path_buf(), line: error.line(), problem }.into()
    })
}

/// Plain data to a JSON file, atomically.
///
/// # Errors
/// [`PipelineError::Format`].
pub fn write(path: &Path, data: &impl Serialize) -> Result<(), PipelineError> {
    let text = serde_json::to_string_pretty(data).expect("plain data");
    Ok(atomic_write(path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn stages(folder: &Path) -> Stages {
        Stages::new(folder.to_path_buf(), Display::Silent)
    }

    #[test]
    fn a_result_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stages = stages(folder.path());
        let run = || stages.run("score", &Fingerprint::of(&1), &[], |_| Ok(27.25));
        assert_eq!(run().unwrap(), 27.25);
        assert_eq!(run().unwrap(), 27.25);
        let path = folder.path().join("score/result.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("27.25", "77.25")).unwrap();
        let error = run().unwrap_err();
        assert!(
            matches!(&error, PipelineError::Product { path: found } if *found == path),
            "{error}"
        );
        // Records of earlier versions have no hash.
        let inputs = serde_json::to_string(&Fingerprint::of(&1)).unwrap();
        std::fs::write(&path, format!("{{\"inputs\":{inputs},\"result\":5.0}}")).unwrap();
        assert_eq!(run().unwrap(), 5.0);
    }

    #[test]
    fn work_is_done_once_and_again_when_its_inputs_change() {
        let folder = tempfile::tempdir().unwrap();
        let stages = stages(folder.path());
        let calls = Cell::new(0);
        let run = |inputs: &str| {
            stages.run("teacher", &Fingerprint::of(&inputs), &[], |_| {
                calls.set(calls.get() + 1);
                Ok(calls.get())
            })
        };
        assert_eq!(run("a").unwrap(), 1);
        assert_eq!(run("a").unwrap(), 1);
        assert_eq!(run("b").unwrap(), 2);
        assert!(folder.path().join("teacher.old-1/result.json").exists());
        assert_eq!(run("a").unwrap(), 3);
        assert!(folder.path().join("teacher.old-2/result.json").exists());
        assert_eq!(stages.done(), 3);
    }

    #[test]
    fn work_that_was_cut_off_finds_what_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let stages = stages(folder.path());
        let inputs = Fingerprint::of(&1);
        let cut_off: Result<u32, _> = stages.run("pseudo", &inputs, &[], |folder| {
            std::fs::write(folder.join("half"), "x").unwrap();
            Err(FileError::when("write", folder)(std::io::Error::other("power cut")).into())
        });
        assert!(cut_off.is_err());
        let found = stages.run("pseudo", &inputs, &[], |folder| Ok(folder.join("half").exists()));
        assert!(found.unwrap());
    }

    #[test]
    fn what_was_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let stages = stages(folder.path());
        let product = folder.path().join("kd/model");
        let run = || {
            stages.run("kd", &Fingerprint::of(&1), &["model"], |folder| {
                std::fs::write(folder.join("model"), "weights").unwrap();
                Ok(())
            })
        };
        run().unwrap();
        std::fs::write(&product, "weightz").unwrap();
        let error = run().unwrap_err();
        assert!(matches!(&error, PipelineError::Product { path } if *path == product), "{error}");
        std::fs::remove_file(&product).unwrap();
        run().unwrap();
        assert_eq!(std::fs::read_to_string(&product).unwrap(), "weights");
    }

    #[test]
    fn what_is_gone_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let stages = stages(folder.path());
        let product = folder.path().join("kd/model");
        let run = || {
            stages.run("kd", &Fingerprint::of(&1), &["model"], |folder| {
                std::fs::write(folder.join("model"), "x").unwrap();
                Ok(())
            })
        };
        run().unwrap();
        run().unwrap();
        assert_eq!(stages.done(), 1);
        std::fs::remove_file(&product).unwrap();
        run().unwrap();
        assert!(product.exists() && stages.done() == 2);
    }
}
