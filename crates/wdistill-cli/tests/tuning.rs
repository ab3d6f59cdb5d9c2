//! Fine-tuning: a finished model is trained on; and lengths of trainings.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{Sizes, write_texts};
use wdistill_formats::native;
use wdistill_text::VocabularyPair;

const CORPUS: &str = "--train train.en train.de --validation validation.en validation.de";
const SHORT: &str = "--set training.updates=10 --set training.validate_every=5 --set training.max_tokens=400 --threads 2";

fn wdistill(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn done(folder: &Path, arguments: &str) -> String {
    let output = wdistill(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments}: {said}");
    String::from_utf8(output.stdout).unwrap() + &said
}

fn refused(folder: &Path, arguments: &str, parts: &[&str]) {
    let output = wdistill(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "accepted: {arguments}");
    parts.iter().for_each(|part| assert!(said.contains(part), "no {part:?} in: {said}"));
}

#[test]
fn a_finished_model_is_trained_on_and_what_is_frozen_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_texts(folder, Sizes { train: 300, validation: 12, test: 12 });
    done(
        folder,
        &format!(
            "train {CORPUS} {SHORT} --preset transformer-nano --vocabulary-size 500 --out run"
        ),
    );
    let tune = format!("train --from run {CORPUS} {SHORT} --set architecture.dropout.residual=0.3");
    let frozen = r#"--set training.freeze=["encoder","embeddings.*"]"#;
    done(folder, &format!("{tune} {frozen} --out tuned"));

    let [before, after] =
        ["run", "tuned"].map(|run| native::load(&folder.join(run).join("teacher/model")).unwrap());
    assert_eq!(before.config.architecture.summary(), after.config.architecture.summary());
    assert_eq!(after.config.architecture.dropout.residual, 0.3);
    let mut changed = 0;
    for ((slot, before), (_, after)) in before.weights.slices().iter().zip(after.weights.slices()) {
        let name = slot.to_string();
        let stays = name.starts_with("encoder.") || name.starts_with("embeddings.");
        assert!(!stays || *before == after, "{name}");
        changed += usize::from(*before != after);
    }
    assert!(changed > 10, "{changed}");
    for file in ["source.vocabulary.json", "target.vocabulary.json"] {
        let text = |run: &str| fs::read(folder.join(run).join("teacher/model").join(file)).ok();
        assert_eq!(text("run"), text("tuned"), "{file}");
    }
    // The same command has nothing to do, and the recipe that it wrote says the same.
    assert!(done(folder, &format!("{tune} {frozen} --out tuned")).contains("nothing changed"));
    let recipe = fs::read_to_string(folder.join("tuned/recipe.toml")).unwrap();
    assert!(recipe.contains("from = ") && recipe.contains("residual = 0.3"), "{recipe}");
    assert!(done(folder, "plan tuned/recipe.toml").contains("teacher"));

    refused(folder, &format!("{tune} --preset mini --out x"), &["--from", "--preset"]);
    let layers = "--set architecture.encoder.layers=3";
    let parts = ["3x16/32 + 2x16/32 is not the shape", "only dropout may change"];
    refused(folder, &format!("train --from run {CORPUS} {layers} --out x"), &parts);
    let parts = ["training: freeze: no parameter is named \"encodr\"; near it are encoder,"];
    refused(folder, &format!("{tune} --set training.freeze=[\"encodr\"] --out x"), &parts);
    assert!(!folder.join("x").exists());
    let both = recipe.replace("[teacher]", "[teacher]\nmodel = \"nowhere\"");
    fs::write(folder.join("both.toml"), both).unwrap();
    refused(folder, "plan both.toml", &["from has no use beside model"]);
}

#[test]
fn lengths_in_epochs_and_tokens_are_updates_once_the_text_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_texts(folder, Sizes { train: 300, validation: 12, test: 12 });
    let train = |lengths: &str, out: &str| {
        let lengths: String =
            lengths.split(' ').map(|length| format!(" --set training.{length}")).collect();
        let shape = "--preset transformer-nano --vocabulary-size 500 --set training.max_tokens=400";
        done(folder, &format!("train {CORPUS} {shape} --threads 2{lengths} --out {out}"));
        fs::read(folder.join(out).join("teacher/model/model.safetensors")).unwrap()
    };
    let in_epochs = train("updates=2epochs validate_every=0.5epochs warm_up=1epoch", "epochs");
    let size = fs::read_to_string(folder.join("epochs/teacher/epoch.json")).unwrap();
    let size: serde_json::Value = serde_json::from_str(&size).unwrap();
    let (updates, tokens) = (size["updates"].as_f64().unwrap(), size["tokens"].as_u64().unwrap());
    assert!(updates > 10.0, "{updates}");
    let counted = format!(
        "updates={} validate_every={} warm_up={updates}",
        2.0 * updates,
        (updates / 2.0).ceil()
    );
    assert!(train(&counted, "updates") == in_epochs);
    let in_tokens = format!("updates={}tokens validate_every=0.5epochs warm_up=1epoch", 2 * tokens);
    assert!(train(&in_tokens, "tokens") == in_epochs);

    let targets = fs::read_to_string(folder.join("epochs/pairs/training/target.txt")).unwrap();
    let pair = VocabularyPair::load(&folder.join("epochs/vocabulary")).unwrap();
    let expected: usize = targets.lines().map(|line| pair.target.encode(line).len() + 1).sum();
    assert_eq!(tokens, expected as u64);

    let wrong = format!("train {CORPUS} --out other --set training.updates=5minutes");
    refused(folder, &wrong, &["\"5minutes\" is no length of training", "\"5 epochs\""]);
}

#[test]
fn other_checks_of_the_text_are_another_training() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_texts(folder, Sizes { train: 300, validation: 12, test: 12 });
    let train = |min_letters: &str| {
        let preset = "--preset transformer-nano --vocabulary-size 500";
        let checks = format!("--set data.filters.min_letters={min_letters}");
        done(folder, &format!("train {CORPUS} {SHORT} {preset} {checks} --out run"))
    };
    train("0.1");
    assert!(train("0.1").contains("teacher: nothing changed, skipped"));
    let said = train("0.8");
    assert!(said.contains("pairs with too few letters, left out"), "{said}");
    assert!(folder.join("run/teacher.old-1/model").exists(), "{said}");
}
