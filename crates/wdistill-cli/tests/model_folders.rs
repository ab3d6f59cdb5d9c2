//! Folders of models: damaged ones are named, half-written ones are no models, and none is written over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wdistill_formats::native::{self, WEIGHTS_FILE};
use wdistill_model::{Architecture, Config, DecoderStart, Model, Vocabularies};
use wdistill_text::{
    SOURCE_FILE, SubwordModel, TARGET_FILE, Vocabulary, VocabularyPair, VocabularySettings,
};

fn wdistill(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wdistill"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn succeed(folder: &Path, arguments: &str) -> String {
    let output = wdistill(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refuse(folder: &Path, arguments: &str) -> String {
    let output = wdistill(folder, arguments);
    assert!(!output.status.success(), "{arguments} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with a model in `model`.
fn with_model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = ["a dog runs in the park", "two men play in the snow", "the dog sleeps"];
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let vocabulary = Vocabulary::train(text, &settings).unwrap().vocabulary;
    let vocabularies = Vocabularies {
        decoder_start: DecoderStart::ZeroVector,
        source_end: vocabulary.end_id(),
        target_end: vocabulary.end_id(),
        ..Vocabularies::shared(vocabulary.size())
    };
    let config =
        Config::new(Architecture::preset("transformer-nano").unwrap(), vocabularies).unwrap();
    let model = folder.path().join("model");
    native::save(&Model::initialise(config, 1), &model).unwrap();
    VocabularyPair { source: vocabulary.clone(), target: vocabulary }.save(&model).unwrap();
    folder
}

#[test]
fn info_and_every_reader_name_damaged_weights() {
    let folder = with_model();
    let said = succeed(folder.path(), "info model --verify");
    assert!(said.contains("checksum         xxh3:"), "{said}");
    let path = folder.path().join("model").join(WEIGHTS_FILE);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    for command in [
        "info model",
        "info model --verify",
        "translate --model model",
        "quantize model --out small",
        "export model --format marian --out exported",
    ] {
        let said = refuse(folder.path(), command);
        assert!(said.contains("model.safetensors is damaged"), "{command}: {said}");
        assert!(said.contains("\nhint: copy it again"), "{command}: {said}");
    }
    // A folder of an older version: nothing to hold the weights against.
    let at = bytes.windows(8).position(|window| window == b"checksum").unwrap();
    bytes[at..at + 8].copy_from_slice(b"whatever");
    fs::write(&path, &bytes).unwrap();
    assert!(succeed(folder.path(), "info model").contains("checksum         none"));
    let said = refuse(folder.path(), "info model --verify");
    assert!(said.contains("holds no checksum"), "{said}");
}

#[test]
fn info_names_a_damaged_vocabulary() {
    for file in [SOURCE_FILE, TARGET_FILE] {
        let folder = with_model();
        let path = folder.path().join("model").join(file);
        fs::write(&path, "").unwrap();
        assert!(refuse(folder.path(), "info model").contains(file));
        fs::remove_file(&path).unwrap();
        assert!(refuse(folder.path(), "info model").contains(file));
    }
    // Weights alone are a model too.
    let folder = with_model();
    for file in [SOURCE_FILE, TARGET_FILE] {
        fs::remove_file(folder.path().join("model").join(file)).unwrap();
    }
    succeed(folder.path(), "info model");
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

#[test]
fn a_vocabulary_of_another_model_is_named() {
    let folder = with_model();
    let other = Vocabulary::train(["abc"], &VocabularySettings::new(SubwordModel::Bpe, 270));
    let other = other.unwrap().vocabulary;
    for file in [SOURCE_FILE, TARGET_FILE] {
        let path = folder.path().join("model").join(file);
        let own = fs::read(&path).unwrap();
        other.save(&path).unwrap();
        for command in ["info model", "translate --model model", "quantize model --out q"] {
            let said = refuse(folder.path(), command);
            let expected =
                format!("{file}: a vocabulary of {} words, expected the model's", other.size());
            assert!(said.contains(&expected) && said.contains("\nhint: "), "{command}: {said}");
        }
        fs::write(&path, own).unwrap();
    }
    assert!(!folder.path().join("q").exists());
}

#[test]
fn the_folder_of_a_run_and_a_file_are_no_place_for_a_model() {
    let folder = with_model();
    fs::create_dir_all(folder.path().join("run/teacher")).unwrap();
    fs::write(folder.path().join("run/lock"), "").unwrap();
    fs::write(folder.path().join("run/teacher/inputs.json"), "{}").unwrap();
    for out in ["run", "run/teacher"] {
        for command in ["quantize model", "export model --format ctranslate2"] {
            let said = refuse(folder.path(), &format!("{command} --out {out}"));
            assert!(
                said.contains(&format!("--out {out} holds a run, or a stage of one\nhint: ")),
                "{said}"
            );
        }
    }
    succeed(folder.path(), "quantize model --out run/small");
    fs::write(folder.path().join("file"), "").unwrap();
    let said = refuse(folder.path(), "quantize model --out file");
    assert!(said.contains("--out file is a file\nhint: "), "{said}");
}

#[test]
fn quantize_writes_over_no_model() {
    let folder = with_model();
    succeed(folder.path(), "quantize model --out small");
    let before = fs::read(folder.path().join("small").join(WEIGHTS_FILE)).unwrap();
    let said = refuse(folder.path(), "quantize model --out small");
    assert!(said.contains("--out small holds a model of wdistill\nhint: "), "{said}");
    assert_eq!(fs::read(folder.path().join("small").join(WEIGHTS_FILE)).unwrap(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_killed_command_left_is_swept_by_the_next_and_is_no_model() {
    let folder = with_model();
    let mut process = Command::new("true").spawn().unwrap();
    process.wait().unwrap();
    let ended = process.id();
    succeed(folder.path(), "export model --format huggingface --out foreign");
    for (command, key) in [
        ("quantize model", "config.toml"),
        ("import foreign", "config.toml"),
        ("export model --format marian", "model.npz"),
        ("export model --format ctranslate2", "model.bin"),
        ("export model --format huggingface", "model.safetensors"),
    ] {
        // Killed while the folder was not there, and while one that was there was filled.
        let half = folder.path().join(format!(".out.{ended}-0.partial"));
        fs::create_dir(&half).unwrap();
        fs::write(half.join(key), "half").unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        let below = folder.path().join("there").join(format!(".model.{ended}-0.partial"));
        fs::create_dir(&below).unwrap();
        fs::write(below.join(key), "half").unwrap();
        fs::write(folder.path().join(format!("there/.{key}.{ended}-0.partial")), "half").unwrap();
        for out in ["out", "there"] {
            succeed(folder.path(), &format!("{command} --out {out}"));
            succeed(folder.path(), &format!("info {out}"));
        }
        assert_eq!(names(&folder.path().join("there")), names(&folder.path().join("out")));
        assert!(!half.exists(), "{command}");
        for out in ["out", "there"] {
            fs::remove_dir_all(folder.path().join(out)).unwrap();
        }
        assert_eq!(names(folder.path()), [PathBuf::from("foreign"), PathBuf::from("model")]);
    }
}
