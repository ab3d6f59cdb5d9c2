//! `wdistill import`: a model of another toolkit becomes one of wdistill.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use wdistill_base::Problem;
use wdistill_formats::{
    Format, FormatError, ImportOptions, Imported, Subwords, TOOLKITS, Toolkit, import,
};
use wdistill_model::{Languages, SourceEnding};
use wdistill_pipeline::{RunFolder, message};

use crate::commands::print;
use crate::settings::{Common, languages};

/// Whether the encoder reads the end token.
#[derive(Clone, Copy, ValueEnum)]
enum Ending {
    /// Models of Marian, Hugging Face and fairseq
    EndToken,
    /// Models of OpenNMT
    Nothing,
}

/// The way out of a folder that must not be written to.
const ANOTHER_FOLDER: &str = "name another folder, which may be new";

/// Refuses a folder for results that holds a model, of wdistill or another toolkit, which would be lost, or a run,
/// whose model the new one would be taken for.
pub fn refuse_models(out: &Path) -> anyhow::Result<()> {
    if out.exists() && !out.is_dir() {
        let fact = format!("--out {} is a file", out.display());
        bail!(Problem::with_hint(fact, "name a folder, which may be new"));
    }
    if RunFolder::is_used(out) {
        let fact = format!("--out {} holds a run, or a stage of one", out.display());
        bail!(Problem::with_hint(fact, ANOTHER_FOLDER));
    }
    match Format::detect(out) {
        Ok(format) if out.exists() => {
            let fact = format!("--out {} holds a model of {}", out.display(), format.name());
            bail!(Problem::with_hint(fact, ANOTHER_FOLDER))
        }
        Err(error @ FormatError::SeveralModels { .. }) => {
            bail!(Problem::with_hint(format!("--out: {error}"), ANOTHER_FOLDER))
        }
        _ => Ok(()),
    }
}

/// What a model of another toolkit may leave open.
#[derive(Args, Clone)]
pub struct Open {
    /// What divides a text into words of the vocabulary, if the model's folder does not hold it: a
    /// SentencePiece model, codes of subword-nmt or fastBPE, or `whitespace`
    #[arg(long, value_name = "FILE|whitespace")]
    subwords: Option<String>,
    /// The same for the target, if it differs
    #[arg(long, value_name = "FILE|whitespace")]
    target_subwords: Option<String>,
    /// File with the vocabulary (Marian, fairseq), if it is not beside the model
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,
    /// The same for the target, if it differs
    #[arg(long, value_name = "FILE")]
    target_vocabulary: Option<PathBuf>,
    /// What a source ends in, where the model does not say (CTranslate2)
    #[arg(long, value_enum)]
    source_ending: Option<Ending>,
}

impl Open {
    /// Reads a model of another toolkit, of these languages if they are given.
    pub fn import(&self, path: &Path, languages: Option<Languages>) -> anyhow::Result<Imported> {
        let subwords = |given: &Option<String>| match given.as_deref() {
            None => None,
            Some("whitespace") => Some(Subwords::Whitespace),
            Some(file) => Some(Subwords::File(file.into())),
        };
        let options = ImportOptions {
            subwords: subwords(&self.subwords),
            target_subwords: subwords(&self.target_subwords),
            vocabulary: self.vocabulary.clone(),
            target_vocabulary: self.target_vocabulary.clone(),
            source_ending: self.source_ending.map(|ending| match ending {
                Ending::EndToken => SourceEnding::EndToken,
                Ending::Nothing => SourceEnding::Nothing,
            }),
            languages,
        };
        Ok(import(path, &options)?)
    }

    /// Reads a model of another toolkit and writes it as one of wdistill; `said` is told what its user should
    /// know.
    fn import_into(
        &self,
        path: &Path,
        folder: &Path,
        languages: Option<Languages>,
        said: impl Fn(&str),
    ) -> anyhow::Result<()> {
        let Imported { format, folder: model, notes } = self.import(path, languages)?;
        for note in notes {
            said(&format!("{}: {note}", format.name()));
        }
        Ok(model.save(folder)?)
    }

    /// A model's folder. A model of another toolkit is read into a folder of the run first, `imported`; it gives the same
    /// bytes each time, so that a run that was killed goes on.
    pub fn native_model(
        &self,
        model: &Path,
        (run, imported): (&RunFolder, &str),
        common: &Common,
    ) -> anyhow::Result<PathBuf> {
        if Format::detect(model)? == Format::Wdistill {
            return Ok(model.to_path_buf());
        }
        let folder = run.path().join(imported);
        self.import_into(model, &folder, None, |note| common.say(note))?;
        Ok(folder)
    }
}

/// By what models of all toolkits are known.
fn known_by() -> String {
    let of = |toolkit: &&dyn Toolkit| format!("{} ({})", toolkit.known_by(), toolkit.name());
    let known: Vec<String> = TOOLKITS.iter().map(of).collect();
    format!("The model, its file or its folder: {}", known.join("; "))
}

/// Arguments of `wdistill import`.
#[derive(Args)]
pub struct Import {
    #[arg(help = known_by())]
    model: PathBuf,
    #[command(flatten)]
    open: Open,
    /// From which language to which, as en de [default: what the model says]
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    languages: Vec<String>,
    /// Folder of the imported model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Import {
    pub fn run(self) -> anyhow::Result<()> {
        refuse_models(&self.out)?;
        let languages = languages(&self.languages)?;
        self.open.import_into(&self.model, &self.out, languages, message)?;
        print(&self.out.display().to_string())
    }
}
