//! The module's session, on the host: a model in memory is the model on the disk, and what is wrong is said.

use std::path::Path;

use wdistill_base::Problem;
use wdistill_formats::ModelFolder;
use wdistill_model::{Architecture, Config, Languages, Model, Vocabularies};
use wdistill_runtime::{Translator, TranslatorOptions};
use wdistill_text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
use wdistill_wasm::{MODEL_FILES, Session};

const LINES: [&str; 2] = ["A dog runs.", "Two dogs run. A dog sleeps."];

fn write_model(folder: &Path) {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 280);
    let vocabulary = Vocabulary::train(LINES, &settings).unwrap().vocabulary;
    let architecture = Architecture::preset("transformer-nano").unwrap();
    let mut config = Config::new(architecture, Vocabularies::shared(vocabulary.size())).unwrap();
    config.languages = Some(Languages { source: "en".into(), target: "de".into() });
    let vocabularies = VocabularyPair { source: vocabulary.clone(), target: vocabulary };
    ModelFolder { model: Model::initialise(config, 1), vocabularies }.save(folder).unwrap();
}

/// A session with all files of a folder but one.
fn session_without(folder: &Path, left_out: &str) -> Session {
    let mut session = Session::default();
    for name in MODEL_FILES.into_iter().filter(|name| *name != left_out) {
        session.add_file(name.to_owned(), std::fs::read(folder.join(name)).unwrap());
    }
    session
}

fn problem<T>(result: Result<T, Problem>) -> String {
    result.err().expect("an error").in_lines()
}

#[test]
fn a_model_in_memory_translates_as_one_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let mut session = session_without(folder.path(), "");
    let languages = session.open(br#"{"maxLength": 12}"#).unwrap().unwrap();
    assert_eq!((languages.source.as_str(), languages.target.as_str()), ("en", "de"));
    let mut options = TranslatorOptions::default();
    options.decoding.search.max_length = 12;
    let expected = Translator::open(folder.path(), options).unwrap().translate(&LINES).unwrap();
    let found = session.translate(&serde_json::to_vec(&LINES).unwrap()).unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((&found.text, found.score), (&expected.text, expected.score));
        assert_eq!(found.target_tokens, expected.target_tokens);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    for name in MODEL_FILES {
        let error = problem(session_without(folder.path(), name).open(b"{}"));
        assert!(error.contains(name), "{name}: {error}");
    }
    let mut session = session_without(folder.path(), "");
    assert!(problem(session.translate(b"[]")).contains("no model"));
    assert!(problem(session.open(br#"{"beam_size": 4}"#)).contains("`beamSize`"));
    assert!(problem(session.open(br#"{"long": "shorten"}"#)).contains("`truncate`"));
}

#[test]
fn a_session_stays_usable_after_wrong_options() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let mut session = session_without(folder.path(), "");
    assert!(session.open(br#"{"beamSize": "four"}"#).is_err());
    session.open(b"{}").unwrap();
    assert!(problem(session.translate(br#"["a", 4]"#)).contains("a list of strings"));
}
