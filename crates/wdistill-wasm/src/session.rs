//! A translator and the files that it is made of.

use serde::Serialize;
use wdistill_base::{Folder, MemoryFiles, Problem};
use wdistill_formats::native::{CONFIG_FILE, WEIGHTS_FILE};
use wdistill_runtime::Translator;
use wdistill_text::{SOURCE_FILE, TARGET_FILE};

use crate::options::Options;

/// The files that a model has.
pub const MODEL_FILES: [&str; 4] = [CONFIG_FILE, WEIGHTS_FILE, SOURCE_FILE, TARGET_FILE];

/// What one instance of the module holds.
#[derive(Default)]
pub struct Session {
    files: MemoryFiles,
    translator: Option<Translator>,
}

/// `Languages` of `index.d.ts`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Languages {
    /// What the model reads.
    pub source: String,
    /// What it writes.
    pub target: String,
}

/// `Translation` of `index.d.ts`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Translation {
    /// The best translation.
    pub text: String,
    /// Its score.
    pub score: f64,
    /// The next best ones.
    pub alternatives: Vec<Alternative>,
    /// What the text does not show.
    pub notices: Vec<String>,
    /// Tokens that the model read.
    pub source_tokens: usize,
    /// Tokens that it wrote.
    pub target_tokens: usize,
}

/// `Alternative` of `index.d.ts`.
#[derive(Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// A translation that is not the best.
    pub text: String,
    /// Its score.
    pub score: f64,
}

impl From<wdistill_runtime::Translation> for Translation {
    fn from(translation: wdistill_runtime::Translation) -> Translation {
        let others = translation.others.into_iter();
        Translation {
            text: translation.text,
            score: translation.score,
            alternatives: others.map(|o| Alternative { text: o.text, score: o.score }).collect(),
            notices: translation.notices.iter().map(ToString::to_string).collect(),
            source_tokens: translation.source_tokens,
            target_tokens: translation.target_tokens,
        }
    }
}

impl Session {
    /// Adds a file of the model's folder.
    pub fn add_file(&mut self, name: String, content: Vec<u8>) {
        self.files.insert(name, content);
    }

    /// Makes the translator of the files, which are then dropped. `options` are JSON.
    ///
    /// # Errors
    /// What is wrong with the options or the files.
    pub fn open(&mut self, options: &[u8]) -> Result<Option<Languages>, Problem> {
        let options = Options::from_json(options)?.resolve();
        let files = std::mem::take(&mut self.files);
        let translator = Translator::read(Folder::InMemory(&files), options)
            .map_err(|error| Problem::of(&error))?;
        let languages = translator.tokens().config().languages.as_ref();
        let languages = languages.map(|languages| Languages {
            source: languages.source.clone(),
            target: languages.target.clone(),
        });
        self.translator = Some(translator);
        Ok(languages)
    }

    /// Translates lines, a list in JSON.
    ///
    /// # Errors
    /// If they are no list of texts, or cannot be translated.
    pub fn translate(&self, lines: &[u8]) -> Result<Vec<Translation>, Problem> {
        let translator = self.translator.as_ref().ok_or("no model has been opened")?;
        let lines: Vec<String> = serde_json::from_slice(lines)
            .map_err(|error| format!("expected a list of strings to translate: {error}"))?;
        let translated = translator.translate(&lines).map_err(|error| Problem::of(&error))?;
        Ok(translated.into_iter().map(Translation::from).collect())
    }
}
