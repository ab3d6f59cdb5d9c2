//! `wdistill watch`: a run's page while it goes on.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use common::{Sizes, write_texts};

/// Ends a program when a test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_run_is_shown_as_it_is_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 300, validation: 12, test: 12 });
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        command.current_dir(folder.path());
        command
    };
    let train = "train --train train.en train.de --validation validation.en validation.de --preset transformer-nano \
                 --vocabulary-size 500 --set training.updates=20 --set training.log_every=5 --set training.validate_every=10 \
                 --set training.max_tokens=400 --threads 2 --quiet --out run";
    let output = program().args(train.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut watch = program();
    let watch = watch.args(["watch", "run", "--port", "0", "--every", "7"]).stdout(Stdio::piped());
    let mut watch = Ended(watch.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(watch.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("http://").and_then(|rest| rest.split(';').next()).unwrap();

    let page = ask(address, "GET /");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    let has = |page: &str, part: &str| assert!(page.contains(part), "no {part:?} in:\n{page}");
    for part in ["content=\"7\"", "20 of 20", "finished", "teacher, teacher, validation loss"] {
        has(&page, part);
    }
    // As after a kill: half of the log, its last line half written, and no result.
    let log = folder.path().join("run/teacher/metrics.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Training after 5, 10, 15 and 20 updates, validations after 10 and 20.
    assert_eq!(lines.len(), 6, "{text}");
    fs::write(&log, format!("{}\n{}\n{}", lines[0], lines[1], &lines[2][..20])).unwrap();
    fs::remove_file(folder.path().join("run/teacher/result.json")).unwrap();
    let page = ask(address, "GET /");
    for part in ["10 of 20", "under way"] {
        has(&page, part);
    }
    fs::write(&log, "nonsense\n").unwrap();
    let error = ask(address, "GET /");
    assert!(error.starts_with("HTTP/1.1 500") && error.contains("metrics.jsonl:1: "), "{error}");

    let head = ask(address, "HEAD /");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask(address, "GET /favicon.ico").starts_with("HTTP/1.1 404"));
    assert!(ask(address, "POST /").starts_with("HTTP/1.1 405"));
}
