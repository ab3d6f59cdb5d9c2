//! A corpus: files of pairs under one name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Problem, hash_file};

use crate::error::CorpusError;
use crate::raw::{RawPair, ReadPairs};
use crate::reader::PairFiles;

/// Files of pairs under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corpus {
    /// Its name.
    pub name: String,
    /// Its files, in the order in which they are read.
    pub files: Vec<PairFiles>,
    /// Stands in front of every source, with a space between, such as `>>de<<`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Corpus {
    /// All files, each once.
    pub fn all_files(&self) -> Vec<&Path> {
        let files = self.files.iter();
        let paths = files.flat_map(|files| files.paths().into_iter().chain(files.alignments()));
        let mut paths: Vec<&Path> = paths.collect();
        paths.dedup();
        paths
    }

    /// Hashes of the bytes of [`Self::all_files`].
    ///
    /// # Errors
    /// [`CorpusError::File`].
    pub fn hashes(&self) -> Result<Vec<String>, CorpusError> {
        self.all_files().into_iter().map(|path| Ok(hash_file(path)?)).collect()
    }

    /// What a report calls the text: its files, or the first one and how many there are.
    pub fn paths(&self) -> [PathBuf; 2] {
        let of_side = |side: usize| match &self.files[..] {
            [files] => files.paths()[side].to_path_buf(),
            [first, others @ ..] => {
                let path = first.paths()[side].display();
                PathBuf::from(format!("{path} and {} more", others.len()))
            }
            [] => PathBuf::new(),
        };
        [of_side(0), of_side(1)]
    }

    /// Reads every pair, in order; the tag stands in front of its source already.
    ///
    /// # Errors
    /// What reading brings, and what `visit` returns.
    pub fn for_each<E: From<CorpusError>>(
        &self,
        mut visit: impl FnMut(&PairFiles, &RawPair) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pair = RawPair::default();
        for files in &self.files {
            let mut reader = files.open()?;
            while self.read(&mut *reader, &mut pair)? {
                visit(files, &pair)?;
            }
        }
        Ok(())
    }

    /// The next pair, with the tag.
    pub(crate) fn read(
        &self,
        reader: &mut dyn ReadPairs,
        pair: &mut RawPair,
    ) -> Result<bool, CorpusError> {
        let found = reader.read(pair)?;
        // An empty source stays one, so that it is found.
        if let Some(tag) = &self.tag
            && found
            && !pair.source.trim().is_empty()
        {
            pair.source.insert_str(0, &format!("{tag} "));
            let words = tag.split_ascii_whitespace().count();
            pair.alignment.iter_mut().flatten().for_each(|[source, _]| *source += words);
        }
        Ok(found)
    }
}

/// The files that a path names: itself, the files of a folder, or what a pattern with `*`, `?` or `[...]` finds; by name.
///
/// # Errors
/// [`CorpusError::Path`] for a pattern that is none, or that finds nothing; [`CorpusError::File`] for a folder that cannot be
/// read.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let wrong = |fact: String, hint: &str| CorpusError::Path {
        path: path.to_path_buf(),
        problem: Problem::with_hint(fact, hint),
    };
    let mut files = Vec::new();
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(FileError::when("read", path))?;
        for entry in entries {
            let entry = entry.map_err(FileError::when("read", path))?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && entry.path().is_file() {
                files.push(entry.path());
            }
        }
    } else {
        let text = path.to_string_lossy();
        if path.exists() || !text.contains(['*', '?', '[']) {
            return Ok(vec![path.to_path_buf()]);
        }
        let found = glob::glob(&text).map_err(|error| {
            wrong(format!("no pattern of files: {error}"), "\\ does not escape; `[*]` is a star")
        })?;
        for entry in found {
            let entry = entry.map_err(|error| {
                let path = error.path().to_path_buf();
                FileError::when("read", &path)(error.into())
            })?;
            if entry.is_file() {
                files.push(entry);
            }
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(wrong(
            "there are no such files".to_string(),
            "paths are relative to the data folder",
        )),
        false => Ok(files),
    }
}

/// Pairs of two sides' files, in the order of their names, with files of word alignments if there are some.
///
/// # Errors
/// As [`files_of`], and [`CorpusError::Path`] if the sides, or the alignments, have different numbers of files.
pub fn aligned(
    source: &Path,
    target: &Path,
    alignments: Option<&Path>,
) -> Result<Vec<PairFiles>, CorpusError> {
    let sources = files_of(source)?;
    let beside = |path: &Path, hint: &str| {
        let files = files_of(path)?;
        if files.len() != sources.len() {
            let (count, path) = (files.len(), path.display());
            let fact = format!("{} files, but {count} for {path}", sources.len());
            let problem = Problem::with_hint(fact, hint);
            return Err(CorpusError::Path { path: source.to_path_buf(), problem });
        }
        Ok(files)
    };
    let targets = beside(target, "every source file needs its target file")?;
    let hint = "every source file needs its file of alignments";
    let mut alignments = alignments.map(|path| beside(path, hint)).transpose()?.map(Vec::into_iter);
    let pair = |(source, target)| {
        let alignments = alignments.as_mut().and_then(Iterator::next);
        PairFiles::Aligned { source, target, alignments }
    };
    Ok(sources.into_iter().zip(targets).map(pair).collect())
}
