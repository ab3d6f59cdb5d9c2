//! `wdistill score` against sacreBLEU's command, and texts that come compressed or on standard input.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use program::{finish, program};
use serde_json::Value;

const FORMAT_VARIABLE: &str = "SACREBLEU_FORMAT";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/score").join(name)
}

fn run(folder: &Path, command: &str, input: &[u8], variable: Option<&str>) -> Output {
    let mut program = program(folder, command);
    program.env_remove(FORMAT_VARIABLE);
    if let Some(value) = variable {
        program.env(FORMAT_VARIABLE, value);
    }
    finish(program, input)
}

/// What a command prints, and what it says besides.
fn succeed(folder: &Path, command: &str, input: &[u8]) -> (String, String) {
    let output = run(folder, command, input, None);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

fn refuse(folder: &Path, command: &str, input: &[u8]) -> String {
    let output = run(folder, command, input, None);
    assert!(!output.status.success(), "{command} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(fixture("expected.json")).unwrap()).unwrap()
}

#[test]
fn the_command_prints_what_sacrebleu_prints() {
    for case in expected()["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str();
        let command = format!("score {}", text("arguments").unwrap());
        let input = text("stdin").unwrap().as_bytes();
        let output = run(&fixture(""), &command, input, text("variable"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{command}: {said}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, text("output").unwrap(), "{command}");
        assert_eq!(said, "", "{command}");
    }
}

#[test]
fn compared_systems_are_objects_of_their_tests() {
    let (printed, _) = succeed(&fixture(""), "score ref -i s1 s2 -pbs -m bleu chrf ter", b"");
    let (printed, expected): (Value, Value) =
        (serde_json::from_str(&printed).unwrap(), expected()["paired"].take());
    let (printed, expected) = (printed.as_array().unwrap(), expected.as_array().unwrap());
    assert_eq!(printed.len(), expected.len());
    for (printed, expected) in printed.iter().zip(expected) {
        assert_eq!(printed["system"], expected["system"]);
        for metric in ["BLEU", "chrF2", "TER"] {
            for field in ["score", "p_value", "mean", "ci"] {
                let (found, right) = (&printed[metric][field], &expected[metric][field]);
                // sacreBLEU's means are float32.
                let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs();
                let same = match (found.as_f64(), right.as_f64()) {
                    (Some(found), Some(right)) => is_near(found, right),
                    _ => found == right,
                };
                assert!(same, "{metric} {field}: {found}, expected {right}");
            }
        }
    }
}

#[test]
fn uneven_tabs_on_standard_input_are_an_error_that_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ref"), "a b c d\ne f g h\n").unwrap();
    let said = refuse(folder.path(), "score ref", b"a b c d\ta b\ne f g h\n");
    assert!(said.contains("standard input:2: found 1 systems"), "{said}");
    assert!(said.contains("expected 2 as on line 1\nhint: "), "{said}");
    let said = refuse(folder.path(), "score ref", b"a b c d\ne f\tg h\n");
    assert!(said.contains("standard input:2: found 2 systems"), "{said}");
    let said = refuse(folder.path(), "score ref -nr 2 -i ref", b"");
    assert!(said.contains("ref:1: found 1 references"), "{said}");
    let said = refuse(folder.path(), "score ref - -nr 1", b"a\n");
    assert!(said.contains("standard input is one text, found 2 uses of it"), "{said}");
    let (printed, _) = succeed(folder.path(), "score - -i ref -b", b"a b c d\ne f g h\n");
    assert_eq!(printed, "100.0\n");
    let (printed, _) = succeed(folder.path(), "score ref -i - -b", b"a\tb c d\ne f g h\n");
    assert_eq!(printed, "100.0\n", "one text with a tab of its own");
}

#[test]
fn tokenised_text_is_warned_of_as_sacrebleu_warns() {
    let folder = tempfile::tempdir().unwrap();
    let write = |lines: usize| {
        fs::write(folder.path().join("ref"), "A man sits here.\n".repeat(lines)).unwrap();
        fs::write(folder.path().join("tok"), "A man sits here .\n".repeat(lines)).unwrap();
    };
    write(100);
    let (_, said) = succeed(folder.path(), "score ref -i tok", b"");
    assert!(said.contains("tok: 100 of 100 lines") && said.contains("--force"), "{said}");
    for silent in ["-q", "--quiet", "--force", "-m chrf", "-sl"] {
        let (_, said) = succeed(folder.path(), &format!("score ref -i tok {silent}"), b"");
        assert_eq!(said, "", "{silent}");
    }
    write(99);
    assert_eq!(succeed(folder.path(), "score ref -i tok", b"").1, "");
}

#[test]
fn what_is_not_supported_is_refused_by_its_own_name() {
    let refused = |arguments: &str| refuse(&fixture(""), &format!("score {arguments}"), b"");
    for arguments in [
        "-t wmt14 -l en-de",
        "--test-set=wmt14",
        "--list",
        "ref -i s1 -ol de",
        "ref -i s1 s2 -par",
        "ref -i s1 s2 --paired-ar-n 10",
        "ref -i s1 -j 4",
        "--cite",
        "ref -i s1 -l de-zh",
    ] {
        let name = arguments.split_whitespace().find(|word| word.starts_with('-') && *word != "-i");
        let said = refused(arguments);
        let expected = format!("{} of sacreBLEU is not supported: ", name.unwrap());
        assert!(said.contains(&expected) && said.contains("\nhint: "), "{arguments}: {said}");
    }
    for (arguments, named) in [
        ("ref -i s1 -m meteor", "'meteor'"),
        ("ref -i s1 s2 -f latex", "'latex'"),
        ("ref -i s1 -e latin-1", "'latin-1'"),
        ("ref -i s1 -e latin-1", "read as UTF-8\nhint: convert them"),
        ("ref -i s1 -w 65536", "65536"),
        ("ref -i s1 -m chrf --chrf-char-order 1000000000", "not in 1..=100"),
        ("ref -i s1 -m chrf --chrf-word-order 18446744073709551615", "18446744073709551615"),
        ("ref -i s1 -ci --confidence-n 1000000000000", "not in 1..=10000000"),
        ("ref -i s1 s2 -pbs -pbsn 18446744073709551615", "18446744073709551615"),
        ("ref -i s1 s1", "s1 is given twice"),
        ("ref -i s1 s2 -sl", "found 2 by 1"),
        ("ref -i s1 -sl -m bleu chrf", "found 1 by 2"),
        ("ref -i s1 -sl -ci", "no statistical tests"),
        ("ref s1 -nr 2 -i s1", "found 2\nhint: leave it out"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(named), "{arguments}: {said}");
    }
    let output = run(&fixture(""), "score ref -i s1 s2", b"", Some("latex"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("SACREBLEU_FORMAT is \"latex\", expected json or text"), "{said}");
    let (_, said) = succeed(&fixture(""), "score ref -i s1 s2 s1 -pbs -pbsn 10", b"");
    assert!(said.contains("s1 is the baseline"), "{said}");
}

#[test]
fn compressed_texts_are_scored_and_learnt_from() {
    let folder = tempfile::tempdir().unwrap();
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wdistill-text/fixtures/compressed");
    let copy = |name: &str| fs::copy(text.join(name), folder.path().join(name)).unwrap();
    for name in ["text", "text.gz", "text.xz", "text.bz2", "text.zst"] {
        copy(name);
    }
    let at = |arguments: &str, input: &[u8]| succeed(folder.path(), arguments, input).0;
    for name in ["text.gz", "text.xz", "text.bz2", "text.zst"] {
        assert_eq!(at(&format!("score text -i {name} -b"), b""), "100.0\n", "{name}");
        assert_eq!(at(&format!("score {name} -i text -b"), b""), "100.0\n", "{name}");
        let bytes = fs::read(text.join(name)).unwrap();
        assert_eq!(at("score text -b", &bytes), "100.0\n", "{name}");
    }
    at("vocab text --size 330 --out plain.json", b"");
    at("vocab text.zst --size 330 --out zstd.json", b"");
    let bytes = fs::read(text.join("text.xz")).unwrap();
    at("vocab - --size 330 --out standard.json", &bytes);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("zstd.json"), read("plain.json"));
    assert_eq!(read("standard.json"), read("plain.json"));
    let said = refuse(folder.path(), "vocab - - --size 330 --out v.json", b"a\n");
    assert!(said.contains("standard input is one text, found 2"), "{said}");
    let said = refuse(folder.path(), "score text", b"PK\x03\x04\x14\0\0\0");
    assert!(said.contains("cannot read standard input: found a zip archive"), "{said}");
    let whole = read("text.gz");
    fs::write(folder.path().join("cut.gz"), &whole[..whole.len() / 2]).unwrap();
    let said = refuse(folder.path(), "score text -i cut.gz", b"");
    assert!(said.contains("cannot read cut.gz: the gzip data ends early\nhint: "), "{said}");
}
