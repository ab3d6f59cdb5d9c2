//! Files that hold pairs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CorpusError;
use crate::formats::{
    aligned::Aligned, json_lines::JsonLines, tab_separated::TabSeparated, tmx::Tmx,
};
use crate::raw::ReadPairs;

/// Files that hold pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairFiles {
    /// Two texts, aligned line by line.
    Aligned {
        /// Source side.
        source: PathBuf,
        /// Target side.
        target: PathBuf,
        /// Word alignments in Pharaoh's format, if they are given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alignments: Option<PathBuf>,
    },
    /// A pair a line, its sides in columns that tabulators divide.
    TabSeparated {
        /// The file.
        path: PathBuf,
        /// Columns of source and target, from 1.
        columns: [usize; 2],
    },
    /// A JSON object a line.
    JsonLines {
        /// The file.
        path: PathBuf,
        /// Names of the fields of source and target; points lead into objects inside.
        fields: [String; 2],
    },
    /// Translation Memory eXchange.
    Tmx {
        /// The file.
        path: PathBuf,
        /// Codes of the languages of source and target.
        languages: [String; 2],
    },
}

impl PairFiles {
    /// The files, source first; the same one twice if it has both sides.
    pub fn paths(&self) -> [&Path; 2] {
        match self {
            PairFiles::Aligned { source, target, .. } => [source, target],
            PairFiles::TabSeparated { path, .. }
            | PairFiles::JsonLines { path, .. }
            | PairFiles::Tmx { path, .. } => [path, path],
        }
    }

    /// The file of word alignments, if there is one.
    pub fn alignments(&self) -> Option<&Path> {
        match self {
            PairFiles::Aligned { alignments, .. } => alignments.as_deref(),
            _ => None,
        }
    }

    /// Reads them from the start.
    ///
    /// # Errors
    /// [`CorpusError::Text`].
    pub fn open(&self) -> Result<Box<dyn ReadPairs + '_>, CorpusError> {
        Ok(match self {
            PairFiles::Aligned { source, target, alignments } => {
                Box::new(Aligned::open(source, target, alignments.as_deref())?)
            }
            PairFiles::TabSeparated { path, columns } => {
                Box::new(TabSeparated::open(path, *columns)?)
            }
            PairFiles::JsonLines { path, fields } => Box::new(JsonLines::open(path, fields)?),
            PairFiles::Tmx { path, languages } => Box::new(Tmx::open(path, languages)?),
        })
    }
}
