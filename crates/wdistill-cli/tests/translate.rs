//! `translate`: what it makes of its input and its options, and what it says of both.

mod common;
mod program;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::{Sizes, write_texts};
use program::{finish, program};
use tempfile::TempDir;

/// A folder with texts and the folder `run` of a small model that was trained on them.
static TRAINED: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 200, validation: 10, test: 5 });
    let train = "train --train train.en train.de --validation validation.en validation.de --quiet \
                 --preset transformer-nano --vocabulary-size 500 --set training.updates=20 \
                 --set training.max_tokens=400 --set training.validate_every=10 --out run";
    let output = finish(program(folder.path(), train), b"");
    assert!(output.status.success(), "{output:?}");
    folder
});

/// What the model translates, and what is said.
fn translate(options: &str, input: &str) -> (String, String) {
    let arguments = format!("translate --model run/teacher/model --threads 1 {options}");
    let output = finish(program(TRAINED.path(), &arguments), input.as_bytes());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{options}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

/// What is said when it is refused.
fn refused(options: &str, input: &[u8]) -> String {
    let arguments = format!("translate --model run/teacher/model --threads 1 {options}");
    let output = finish(program(TRAINED.path(), &arguments), input);
    assert!(!output.status.success(), "{options} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

const PARAGRAPH: [&str; 3] = [
    "The sad doctor moved to Munich.",
    "Dr. Brown bought nine grey guitars on Sunday.",
    "My musician sold the trumpet.",
];

#[test]
fn sentences_of_a_line_are_translated_one_by_one() {
    let (alone, _) = translate("--quiet", &PARAGRAPH.join("\n"));
    let alone: Vec<&str> = alone.lines().collect();
    let [first, second, third] = alone[..] else { panic!("{alone:?}") };
    let paragraph = format!(" {} \t{}\u{a0}{} \n\n", PARAGRAPH[0], PARAGRAPH[1], PARAGRAPH[2]);
    let (joined, said) = translate("--sentences split", &paragraph);
    assert_eq!(joined, format!("{first} \t{second}\u{a0}{third}\n\n"));
    assert!(said.contains("4 sentences, "), "{said}");
    let (english, _) = translate("--sentences split --language en", &paragraph);
    assert_eq!(english.lines().count(), 2);
    let (japanese, _) = translate("--sentences split --quiet", "他来了。她走了。\n");
    let (two, _) = translate("--quiet", "他来了。\n她走了。\n");
    assert_eq!(japanese, two.replacen('\n', " ", 1));
    let (two, _) = translate("--quiet --sentences split --n-best 2", &paragraph);
    let texts: Vec<&str> = two.lines().filter_map(|line| line.split(" ||| ").nth(1)).collect();
    assert_eq!((texts.len(), format!("{}\n\n", texts[0])), (4, joined));
}

#[test]
fn lines_of_several_sentences_that_come_back_short_are_counted() {
    let input = format!("{}\n{}\n", PARAGRAPH[0], PARAGRAPH.join(" "));
    let (_, said) = translate("--quiet --max-length 2", &input);
    let expected = "1 line with several sentences came back much shorter (line 2)\nhint: --sentences split \
                    translates them one by one\n";
    assert!(said.ends_with(expected), "{said}");
    let (_, said) = translate("--quiet --max-length 2 --sentences split", &input);
    assert!(!said.contains("several sentences"), "{said}");
}

#[test]
fn a_line_that_is_no_text_is_named_with_its_byte() {
    let said = refused("", b"On Monday.\nOn \xff Monday.\n");
    assert!(
        said.contains("standard input, line 2: not valid UTF-8 at byte 3 of the line"),
        "{said}"
    );
    assert!(said.contains("\nhint: "), "{said}");
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let (clean, _) = translate("--quiet", "On Monday.\nOn Monday.\n");
    let (marked, _) = translate("--quiet", "\u{feff}On Monday.\nOn Monday.\n");
    assert_eq!(marked, clean);
}

#[test]
fn a_lines_length_is_judged_before_it_is_divided() {
    let start = Instant::now();
    let long = "a".repeat(50_000_000);
    let input = format!("On Monday.\n{long}\nOn Monday.\n");
    let said = refused("", input.as_bytes());
    assert!(said.contains("line 2 has 50000000 characters, at most 32768 are allowed"), "{said}");
    assert!(said.contains("hint: raise --max-source"), "{said}");
    let (text, said) = translate("--quiet --long truncate --max-length 20", &input);
    assert_eq!(text.lines().count(), 3);
    assert!(
        said.starts_with("1 line truncated to the longest source allowed (line 2)\n"),
        "{said}"
    );
    // Tens of seconds, when every piece of it was looked for.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let (text, _) =
        translate("--quiet --long split --max-source 4 --max-length 4", &"a".repeat(2000));
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn errors_name_options_as_they_are_typed() {
    let said = refused("--max-length 0 --n-best 9 --batch-tokens 0 --max-source 0", b"");
    for expected in [
        "--max-length is 0, expected at least 1",
        "--n-best is 9, expected 1 to --beam-size, which is 4",
        "--batch-tokens is 0, expected at least 1",
        "--max-source is 0, expected at least 1",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let said = refused("--length-penalty -11 --max-length-ratio nan", b"");
    assert!(said.contains("--length-penalty is -11, expected -10 to 10"), "{said}");
    assert!(said.contains("--max-length-ratio is NaN, expected at least 0"), "{said}");
    let train = "train --train train.en train.de --validation validation.en validation.de --out x";
    let arguments = format!("{train} --set decoding.max_length=0");
    let said = String::from_utf8(finish(program(TRAINED.path(), &arguments), b"").stderr).unwrap();
    assert!(said.contains("decoding: max_length is 0, expected at least 1"), "{said}");
}

#[test]
fn a_negative_length_penalty_is_no_option_of_its_own() {
    let (long, _) = translate("--quiet --length-penalty 1", "On Monday.\n");
    let (short, _) = translate("--quiet --length-penalty -1", "On Monday.\n");
    assert!(short.len() <= long.len(), "{short:?} {long:?}");
}

#[test]
fn as_many_translations_as_asked_for_are_printed_with_scores() {
    let (one, _) = translate("--quiet --n-best 1", "On Monday.\n\n");
    let rows: Vec<&str> = one.lines().collect();
    assert!(rows.len() == 2 && rows[0].starts_with("0 ||| "), "{one}");
    assert_eq!(rows[1], "1 |||  ||| 0.000000");
    let (three, _) = translate("--quiet --n-best 3", "On Monday.\n\n");
    let numbers: Vec<&str> = three.lines().map(|row| &row[..1]).collect();
    assert_eq!(numbers, ["0", "0", "0", "1", "1", "1"]);
}

#[test]
fn silence_hides_no_line_that_is_not_whole() {
    let input = "On Monday, on Monday, on Monday.\n".repeat(7);
    let options = "--long truncate --max-source 2 --max-length 1";
    let (_, loud) = translate(options, &input);
    let (_, quiet) = translate(&format!("{options} --quiet"), &input);
    let truncated = "7 lines truncated to the longest source allowed (lines 1, 2, 3, 4, 5, ...)\n";
    assert!(quiet.starts_with(truncated), "{quiet}");
    assert!(loud.contains(&quiet) && loud.contains("line 7: source truncated"), "{loud}");
}

#[test]
fn the_folder_of_a_run_stands_for_its_only_model() {
    let folder = TRAINED.path();
    let of_run =
        finish(program(folder, "translate --model run --threads 1 --quiet"), b"On Monday.\n");
    let (text, _) = translate("--quiet", "On Monday.\n");
    assert_eq!(String::from_utf8(of_run.stdout).unwrap(), text);
    let two = folder.join("two");
    for name in ["a", "b"] {
        let model = two.join(name).join("model");
        fs::create_dir_all(&model).unwrap();
        fs::copy(folder.join("run/teacher/model/config.toml"), model.join("config.toml")).unwrap();
    }
    let output = finish(program(folder, "translate --model two"), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("there are 2 below it:\n  two/a/model\n  two/b/model\n"), "{said}");
}

#[test]
fn a_trained_model_is_called_a_model() {
    let folder = TRAINED.path();
    let train = "train --train train.en train.de --validation validation.en validation.de \
                 --preset transformer-nano --vocabulary-size 500 --set training.updates=2 \
                 --set training.max_tokens=400 --threads 1 --out called";
    let output = finish(program(folder, train), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("model: 2/2"), "{said}");
    assert!(!said.contains("teacher: "), "{said}");
    let said = finish(program(folder, &format!("{train} --set teacher.preset=micro")), b"").stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("unknown key `teacher`"), "{said}");
    assert!(said.contains("hint: expected one of architecture, data"), "{said}");
}

/// No number that can be typed ends in a panic, or takes memory that is not there, where the system says how
/// much there is.
#[cfg(target_os = "linux")]
#[test]
fn absurd_numbers_are_refused() {
    let train = "train --train train.en train.de --validation validation.en validation.de \
                 --preset transformer-nano --out absurd";
    for (arguments, expected) in [
        (
            "vocab train.en --size 1152921504606846976 --out v.json".to_string(),
            "vocabulary size is 1152921504606846976, expected at most",
        ),
        (
            format!("{train} --vocabulary-size 1152921504606846976"),
            "vocabulary size is 1152921504606846976, expected at most",
        ),
        (
            format!("{train} --set architecture.encoder.width=1000000"),
            "architecture: training it takes",
        ),
        (
            format!("{train} --set training.max_tokens=18446744073709551615"),
            "--set training.max_tokens=18446744073709551615: expected KEY=VALUE",
        ),
        (
            "score train.de -i train.en -b -w 65536".to_string(),
            "invalid value '65536' for '--width",
        ),
    ] {
        let output = finish(program(TRAINED.path(), &arguments), b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected) && !said.contains("panicked"), "{arguments}: {said}");
        assert_ne!(output.status.code(), Some(0), "{arguments}");
    }
}

#[cfg(unix)]
#[test]
fn paths_that_are_not_utf8_are_errors_where_a_recipe_names_them() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let strange = folder.path().join(OsStr::from_bytes(b"x\xff"));
    fs::create_dir(&strange).unwrap();
    let recipe = r#"
        title = "Test"
        data.train = { source = "train.en", target = "train.de" }
        data.validation = { source = "validation.en", target = "validation.de" }
        data.test = { source = "validation.en", target = "validation.de" }
        vocabulary.size = 300
        teacher.preset = "transformer-nano"
        student.preset = "transformer-nano"
        systems = [{ method = "kd" }]
    "#;
    fs::write(strange.join("r.toml"), recipe).unwrap();
    for name in ["train.en", "train.de", "validation.en", "validation.de"] {
        fs::copy(TRAINED.path().join(name), strange.join(name)).unwrap();
    }
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        command.current_dir(TRAINED.path());
        command
    };
    let texts = ["--validation", "validation.en", "validation.de", "--out", "strange"];
    let train = |command: &str| {
        let mut program = program();
        program.args([command, "--train"]).arg(strange.join("train.en")).arg("train.de");
        program.args(texts);
        program
    };
    let mut inside = program();
    inside.current_dir(&strange).args(["run", "r.toml", "--out"]).arg(folder.path().join("out"));
    let mut of_recipe = program();
    of_recipe.arg("run").arg(strange.join("r.toml")).args(["--out", "strange"]);
    let mut distill = train("distill");
    distill.args(["--teacher", "run/teacher/model"]);
    for mut command in [inside, of_recipe, train("train"), distill] {
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("x\\xFF") && said.contains("is not UTF-8\n"), "{said}");
        assert!(said.lines().any(|line| line.trim() == "hint: rename it"), "{said}");
    }
}

#[test]
fn compressed_input_is_translated_as_the_text_that_it_is() {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../wdistill-text/fixtures/compressed");
    let translate = |file: &str| {
        let input = fs::read(fixtures.join(file)).unwrap();
        let arguments = "translate --model run/teacher/model --threads 1 --beam 1 --max-length 5";
        let output = finish(program(TRAINED.path(), arguments), &input);
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let plain = translate("text");
    assert_eq!(plain.split(|byte| *byte == b'\n').count(), 121);
    for file in ["text.gz", "text.bz2", "text.xz", "text.zst"] {
        assert!(translate(file) == plain, "{file}");
    }
    let said = refused("", b"PK\x03\x04 and so on");
    assert!(said.contains("zip"), "{said}");
}
