//! What users read: every help text, and the errors that they meet most. After a change that is meant, `INSTA_UPDATE=always`
//! in front of the test writes the files below `snapshots/` anew; `git diff` shows what has changed.

mod help;
mod program;

use std::fs;
use std::path::Path;

use help::{commands_in, help};
use program::{finish, program};

/// Keeps what a command prints in a file of its own.
fn check(name: &str, printed: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, printed));
}

/// The help of a command, and of those below it.
fn check_help(command: &[&str]) {
    let text = help(command);
    let name = [&["help"], command].concat().join("-");
    check(&name, &text);
    for below in commands_in(&text).iter().filter(|below| *below != "help") {
        check_help(&[command, &[below.as_str()]].concat());
    }
}

#[test]
fn every_help_text() {
    check_help(&[]);
}

/// Names of errors, and the arguments that lead to them.
const ERRORS: &[(&str, &str)] = &[
    ("unknown-command", "translte"),
    ("missing-argument", "translate"),
    ("unknown-preset", "train --preset bigg"),
    ("no-model", "translate --model nowhere"),
    ("no-model-of-any-toolkit", "info texts"),
    ("no-model-to-import", "import texts --out imported"),
    ("no-recipe", "run nowhere.toml"),
    ("unknown-keys", "run keys.toml"),
    ("recipe-is-no-toml", "run broken.toml"),
    (
        "texts-of-other-lengths",
        "train --train texts/three texts/two --validation texts/two texts/two --quiet --out run",
    ),
    ("text-is-no-utf-8", "vocab texts/bytes --size 300 --out vocabulary.json"),
    ("text-is-empty", "vocab texts/empty --size 300 --out vocabulary.json"),
    ("scores-of-other-lengths", "score texts/two --input texts/three"),
    (
        "unknown-override",
        "train --train texts/two texts/two --validation texts/two texts/two --set training.update=5 --out run",
    ),
];

fn write_inputs(folder: &Path) {
    let texts = folder.join("texts");
    fs::create_dir(&texts).unwrap();
    fs::write(texts.join("two"), "A dog runs.\nA cat sleeps.\n").unwrap();
    fs::write(texts.join("three"), "Ein Hund.\nEine Katze.\nEin Haus.\n").unwrap();
    fs::write(texts.join("bytes"), b"fine\n\xff\n").unwrap();
    fs::write(texts.join("empty"), "").unwrap();
    fs::write(folder.join("broken.toml"), "title = \"Half a line\nseed = 1\n").unwrap();
    let recipe = "titel = \"Misspelt\"\n[data]\nfold = \"texts\"\n[teacher.training]\nupdate = 5\n";
    fs::write(folder.join("keys.toml"), recipe).unwrap();
}

#[test]
fn common_errors() {
    let folder = tempfile::tempdir().unwrap();
    write_inputs(folder.path());
    for (name, arguments) in ERRORS {
        let output = finish(program(folder.path(), arguments), b"");
        assert!(!output.status.success(), "{arguments}: accepted");
        assert!(output.stdout.is_empty(), "{arguments}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let folder = folder.path().to_str().unwrap();
        let code = output.status.code().unwrap();
        let said = format!(
            "$ wdistill {arguments}\n{}\nexit status {code}",
            said.replace(folder, "FOLDER")
        );
        check(&format!("error-{name}"), &said);
    }
}
