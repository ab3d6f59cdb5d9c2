//! Folders of other toolkits' models in which one file is what the fuzzer makes up.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wdistill_formats::{ImportOptions, Subwords, import};
use wdistill_model::SourceEnding;

/// A copy of a fixture.
pub struct Scratch {
    folder: TempDir,
    file: PathBuf,
}

impl Scratch {
    /// Copies `crates/wdistill-formats/fixtures/FIXTURE`; `file` is the one to be made up.
    pub fn new(fixture: &str, file: &str) -> Scratch {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wdistill-formats/fixtures");
        let folder = tempfile::tempdir().expect("a folder for scratch files");
        for entry in fs::read_dir(fixtures.join(fixture)).expect("the fixtures are there") {
            let path = entry.expect("an entry of the fixture").path();
            // Folders in it are fixtures of their own.
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().expect("an entry has a name");
            fs::copy(&path, folder.path().join(name)).expect("scratch files can be written");
        }
        let file = folder.path().join(file);
        Scratch { folder, file }
    }

    /// The same without a file that would stand beside the one that is made up.
    pub fn without(self, file: &str) -> Scratch {
        fs::remove_file(self.folder.path().join(file)).expect("the fixture has the file");
        self
    }

    /// A folder for one file.
    pub fn empty(file: &str) -> Scratch {
        let folder = tempfile::tempdir().expect("a folder for scratch files");
        let file = folder.path().join(file);
        Scratch { folder, file }
    }

    /// Writes these bytes for the file and returns the folder.
    pub fn write(&self, bytes: &[u8]) -> &Path {
        fs::write(&self.file, bytes).expect("scratch files can be written");
        self.folder.path()
    }

    /// Imports the folder with these bytes for the file; only a panic or too much memory is a finding.
    pub fn read(&self, bytes: &[u8]) {
        self.write(bytes);
        let options = ImportOptions {
            subwords: Some(Subwords::Whitespace),
            source_ending: Some(SourceEnding::EndToken),
            ..ImportOptions::default()
        };
        drop(import(self.folder.path(), &options));
    }
}
