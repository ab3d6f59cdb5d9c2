//! Which models there are, and which of them are in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wdistill_base::{FileError, Hinted, Problem, listed};
use wdistill_formats::{FormatError, native};
use wdistill_model::tree::SlotInfo;
use wdistill_model::{Languages, Transformer};
use wdistill_runtime::{Precision, Translator, TranslatorError, TranslatorOptions};
use wdistill_text::SentenceLanguage;

use crate::decoders::Loaded;
use crate::metrics::Metrics;

/// Name of a file of word translations beside a model, as `wdistill shortlist` writes it.
pub const SHORTLIST_FILE: &str = "shortlist.txt";

/// The models of a server, by their pair of languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    folders: BTreeMap<Languages, PathBuf>,
}

/// Why there are no models to serve.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The folder cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// What is wrong with the folders below it.
    #[error("these models cannot be served:{}", listed(.0))]
    Models(Vec<Problem>),
    /// There are none.
    #[error("{} holds no model", .0.display())]
    Empty(PathBuf),
}

impl Hinted for CatalogueError {
    fn hint(&self) -> Option<String> {
        match self {
            CatalogueError::Unreadable { .. } | CatalogueError::Models(_) => None,
            CatalogueError::Empty(_) => {
                Some("expected a model folder for each pair of languages, named as en-de".into())
            }
        }
    }
}

impl Catalogue {
    /// One model.
    pub fn of_model(folder: &Path, pair: Languages) -> Catalogue {
        Catalogue { folders: BTreeMap::from([(pair, folder.to_path_buf())]) }
    }

    /// The model folders in a folder, each of a pair of languages of its own. What is no model folder is passed over.
    ///
    /// # Errors
    /// If there is none, or one that does not say its languages.
    pub fn of_folder(models: &Path) -> Result<Catalogue, CatalogueError> {
        let unreadable = |reason| CatalogueError::Unreadable { path: models.to_path_buf(), reason };
        let mut folders = BTreeMap::new();
        let mut problems = Vec::new();
        for entry in std::fs::read_dir(models).map_err(unreadable)? {
            let folder = entry.map_err(unreadable)?.path();
            if !native::is_folder_of(&folder) {
                continue;
            }
            match languages_of(&folder) {
                Ok(pair) => {
                    if let Some(other) = folders.insert(pair.clone(), folder.clone()) {
                        let (folder, other) = (folder.display(), other.display());
                        problems.push(format!("{folder} and {other} are both for {pair}").into());
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        match (folders.is_empty(), problems.is_empty()) {
            (_, false) => Err(CatalogueError::Models(problems)),
            (true, true) => Err(CatalogueError::Empty(models.to_path_buf())),
            (false, true) => Ok(Catalogue { folders }),
        }
    }

    /// The pairs, in their order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = &Languages> {
        self.folders.keys()
    }
}

/// The languages of a model: those in its configuration, or else those that its folder is named after.
///
/// # Errors
/// A configuration that cannot be read, or a folder that does not say its languages.
pub fn languages_of(folder: &Path) -> Result<Languages, Problem> {
    let config = native::load_config(folder).map_err(|error| Problem::of(&error))?;
    let of_name = || Languages::of_folder_name(folder.file_name()?.to_str()?);
    config.languages.or_else(of_name).ok_or_else(|| {
        let fact = format!("{} does not say its languages", folder.display());
        Problem::with_hint(fact, "name the folder after them, as en-de or en-pt_BR")
    })
}

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is larger than all models together may be.
    #[error("its weights take {bytes} bytes, and {memory} are allowed for all models")]
    TooLarge {
        /// What it takes.
        bytes: u64,
        /// What is allowed.
        memory: u64,
    },
    /// It cannot be read.
    #[error(transparent)]
    Translator(#[from] TranslatorError),
}

impl Hinted for ModelError {
    fn hint(&self) -> Option<String> {
        match self {
            ModelError::TooLarge { .. } => Some("raise --memory".into()),
            ModelError::Translator(error) => error.hint(),
        }
    }
}

/// Models, loaded when they are asked for first, and dropped when others need their place.
pub struct Models {
    catalogue: Catalogue,
    options: TranslatorOptions,
    /// Bytes of weights that may be in memory.
    memory: Option<u64>,
    shelf: Mutex<Shelf>,
    /// Held while a model is loaded: two at once might take more memory than there is.
    loading: Mutex<()>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Shelf {
    models: BTreeMap<Languages, OnShelf>,
    /// Counts uses, so that the least used one is known.
    uses: u64,
    loads: u64,
}

struct OnShelf {
    model: Loaded,
    bytes: u64,
    last_use: u64,
}

impl Models {
    /// None of them is loaded yet.
    pub fn new(
        catalogue: Catalogue,
        options: TranslatorOptions,
        memory: Option<u64>,
        metrics: Arc<Metrics>,
    ) -> Models {
        let (shelf, loading) = (Mutex::default(), Mutex::default());
        Models { catalogue, options, memory, shelf, loading, metrics }
    }

    /// Which there are.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The model of a pair if it is in memory.
    pub fn loaded(&self, pair: &Languages) -> Option<Loaded> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let found = shelf.models.get_mut(pair)?;
        found.last_use = uses;
        Some(found.model.clone())
    }

    /// The model of a pair of the catalogue, which is loaded now if it has to be, one after the other. A model that is dropped stays until the requests are done that it has.
    ///
    /// # Errors
    /// [`ModelError`].
    ///
    /// # Panics
    /// If the pair is not in the catalogue.
    pub fn get(&self, pair: &Languages) -> Result<Loaded, ModelError> {
        if let Some(model) = self.loaded(pair) {
            return Ok(model);
        }
        let loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = self.loaded(pair) {
            return Ok(model);
        }
        let folder = &self.catalogue.folders[pair];
        self.make_room(self.expected_bytes(folder)?)?;
        let shortlist = folder.join(SHORTLIST_FILE);
        let options = TranslatorOptions {
            shortlist: self.options.shortlist.clone().or(shortlist.is_file().then_some(shortlist)),
            language: SentenceLanguage::from_code(&pair.source),
            ..self.options.clone()
        };
        let translator = Arc::new(Translator::open(folder, options)?);
        let bytes = translator.tokens().weight_bytes() as u64;
        self.make_room(bytes)?;
        let mut shelf = self.lock();
        shelf.uses += 1;
        shelf.loads += 1;
        let model = Loaded { number: shelf.loads, translator };
        let on_shelf = OnShelf { model: model.clone(), bytes, last_use: shelf.uses };
        shelf.models.insert(pair.clone(), on_shelf);
        self.count(&shelf);
        drop((shelf, loading));
        Ok(model)
    }

    /// About what a model's weights will take: their file, or less if they are to be in int8. What is loaded is counted as it
    /// is.
    fn expected_bytes(&self, folder: &Path) -> Result<u64, TranslatorError> {
        let stored = file_size(&folder.join(native::WEIGHTS_FILE))?;
        let in_int8 = |info: &SlotInfo| match info.shape[..] {
            // A byte for each number, and a scale for each row.
            [rows, columns] => rows * (columns + size_of::<f32>()),
            _ => info.count() * size_of::<f32>(),
        };
        Ok(match self.options.decoding.precision {
            Precision::Float32 => stored,
            Precision::Bfloat16 => stored / 2,
            Precision::Int8 => {
                let slots = Transformer::list(&native::load_config(folder)?);
                slots.iter().map(in_int8).sum::<usize>() as u64
            }
        })
    }

    /// Drops the least used models until there is room for another.
    fn make_room(&self, bytes: u64) -> Result<(), ModelError> {
        let Some(memory) = self.memory else { return Ok(()) };
        if bytes > memory {
            return Err(ModelError::TooLarge { bytes, memory });
        }
        let mut shelf = self.lock();
        while shelf.models.values().map(|model| model.bytes).sum::<u64>() + bytes > memory {
            let least = shelf.models.iter().min_by_key(|(_, model)| model.last_use);
            let least = least.map(|(pair, _)| pair.clone());
            shelf.models.remove(&least.expect("what takes memory is there"));
        }
        self.count(&shelf);
        Ok(())
    }

    fn count(&self, shelf: &Shelf) {
        self.metrics.models.set(shelf.models.len() as i64);
        let bytes: u64 = shelf.models.values().map(|model| model.bytes).sum();
        self.metrics.model_bytes.set(bytes as i64);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_size(path: &Path) -> Result<u64, TranslatorError> {
    let metadata = std::fs::metadata(path).map_err(FileError::when("read", path));
    Ok(metadata.map_err(FormatError::from)?.len())
}
