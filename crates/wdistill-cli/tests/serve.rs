//! `serve`: from its arguments to an answer, and to its end.
#![cfg(all(unix, feature = "serve"))]

mod common;
mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use common::{Sizes, write_texts};
use program::{finish, program};
use tempfile::TempDir;

/// A folder with texts and the folder `run` of a small model that was trained on them, which knows its languages.
static TRAINED: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 200, validation: 10, test: 5 });
    let train = "train --train train.en train.de --validation validation.en validation.de --quiet \
                 --languages en de --preset transformer-nano --vocabulary-size 500 \
                 --set training.updates=20 --set training.max_tokens=400 --set training.validate_every=10 --out run";
    let output = finish(program(folder.path(), train), b"");
    assert!(output.status.success(), "{output:?}");
    folder
});

/// A server, and where it says that it listens.
fn serve(options: &str) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let arguments = format!("serve --port 0 --threads 1 {options}");
    let mut server = program(TRAINED.path(), &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("{line}"));
    let address = address.split(';').next().unwrap().to_string();
    assert!(line.starts_with("en-de at "), "{line}");
    (server, said, address)
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_answer_is_that_of_translate_and_sigterm_ends_it() {
    let (mut server, mut said, address) = serve("--model run");
    let text = "My doctor moved. She sold nine guitars.";
    let body = format!("q={}&source=en&target=de", text.replace(' ', "+"));
    let request = format!(
        "POST /translate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&address, &request);
    let translate = "translate --model run --sentences split --quiet";
    let expected = finish(program(TRAINED.path(), translate), text.as_bytes());
    let expected = String::from_utf8(expected.stdout).unwrap();
    let expected = serde_json::to_string(expected.trim_end()).unwrap();
    assert!(answer.contains(&format!("\"translatedText\":{expected}")), "{answer} {expected}");
    Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(server.wait().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "all requests were answered\n");
}

#[test]
fn what_cannot_be_served_is_said() {
    let refused = |options: &str| {
        let output = finish(program(TRAINED.path(), &format!("serve {options}")), b"");
        assert!(!output.status.success(), "{options} was accepted");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("").contains("--model"));
    let said = refused("--model run --languages en ../de");
    assert!(said.contains("--languages: \"../de\" is no code of a language"), "{said}");
    let said = refused("--models .");
    assert!(said.contains("holds no model") && said.contains("hint: "), "{said}");
    let said = refused("--model nowhere --languages en de");
    assert!(said.contains("nowhere"), "{said}");
    let said = refused("--model run --beam-size 0 --port 0");
    assert!(said.contains("--beam-size is 0"), "{said}");
    let said = refused("--model run --memory 1K --port 0");
    assert!(said.contains("hint: raise --memory"), "{said}");
    std::fs::write(TRAINED.path().join("keys"), "\n \n").unwrap();
    let said = refused("--model run --api-keys keys --port 0");
    assert!(said.contains("keys has no key"), "{said}");
    let (mut server, _, address) = serve("--model run");
    let port = address.split(':').nth(1).unwrap().trim().to_string();
    let said = refused(&format!("--model run --port {port}"));
    assert!(said.contains("cannot listen at") && said.contains("hint: another program"), "{said}");
    server.kill().unwrap();
    server.wait().unwrap();
}
