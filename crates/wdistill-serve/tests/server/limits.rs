//! What a server withstands: bodies that make no sense, clients that are slow or gone, more than it can do, its end.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use wdistill_runtime::Precision;
use wdistill_serve::{Catalogue, Drained, Limits};

use crate::client::{Answer, LINES, Running, Setting, models, request, save_model, translator};

fn limited(change: impl FnOnce(&mut Limits)) -> Setting {
    let mut setting = Setting::default();
    change(&mut setting.limits);
    setting
}

/// A text whose translation takes a while.
fn long_text(sentences: usize) -> String {
    LINES[2].repeat(sentences).replace('.', ". ")
}

#[test]
fn bodies_that_make_no_sense_are_refused() {
    let server = Running::usual();
    let post = |body: &[u8]| server.post("/translate", "application/json", body);
    assert!(post(b"{").error(400).contains("could not understand"));
    assert!(post(b"").error(400).contains("could not understand"));
    assert!(post(&b"[".repeat(100_000)).error(400).contains("could not understand"));
    assert!(post(b"{\"q\": \"\xff\"}").error(400).contains("UTF-8"));
    assert_eq!(server.post("/translate", "text/plain", b"q=a").status, 400);
    // No request at all.
    assert_eq!(server.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").status, 400);
    assert_eq!(server.send(b"GET /\r\n\r\n").status, 400);
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!([0, 400, 431].contains(&server.send(head.as_bytes()).status));
    let two =
        "POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}  ";
    assert_eq!(server.send(two.as_bytes()).status, 400);
    assert_eq!(server.translate(&json!("A dog")).status, 200);
}

#[test]
fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let server = Running::usual();
    let large = vec![b' '; 10 << 20];
    let error = server.post("/translate", "application/json", &large).error(413);
    assert_eq!(error, "Invalid request: the body has more than 1048576 bytes");
    // Without its length.
    let head = "POST /translate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n";
    let mut chunked = head.as_bytes().to_vec();
    for _ in 0..20 {
        chunked.extend(b"20000\r\n");
        chunked.extend([b' '; 0x20000]);
        chunked.extend(b"\r\n");
    }
    let answer = server.send(&chunked);
    // The answer may be lost where the client goes on to write; the server must not.
    assert!([0, 413].contains(&answer.status), "{answer:?}");
    assert_eq!(server.translate(&json!("A dog")).status, 200);
}

#[test]
fn texts_that_are_too_long_are_refused_with_the_limit() {
    let server = Running::start(limited(|limits| {
        (limits.characters, limits.texts, limits.queue) = (50, 2, 3);
    }));
    let exceeds =
        |found, most| format!("Invalid request: request ({found}) exceeds text limit ({most})");
    assert_eq!(server.translate(&json!("ä".repeat(60))).error(400), exceeds(60, 50));
    assert_eq!(server.translate(&json!(["a", "b", "c"])).error(400), exceeds(3, 2));
    let error = server.translate(&json!("A.\nB.\nC.\nD.")).error(413);
    assert!(error.contains("the text has 4 sentences, at most 3"), "{error}");
    assert_eq!(server.translate(&json!("A.\nB.\nC.")).status, 200);
    assert_eq!(server.metric("wdistill_refusals_total{reason=\"size\"}"), 2.0);
}

#[test]
fn no_name_leads_out_of_the_models_folder() {
    let server = Running::usual();
    for name in ["../en-de", "en/../..", "/etc/passwd", "..", "en\0", "EN", "de\u{202e}"] {
        let request = json!({ "q": "A dog", "source": name, "target": "de" });
        let error = server.post_json("/translate", &request).error(400);
        assert!(error.ends_with("is not supported"), "{error}");
    }
    let request = json!({ "q": "A dog", "source": "de", "target": "en" });
    let error = server.post_json("/translate", &request).error(400);
    assert_eq!(error, "English (en) is not available as a target language from German (de)");
    for path in ["/../../etc/passwd", "/page/../Cargo.toml", "/%2e%2e/x", "//etc/passwd"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert!(server.get("/translate").error(405).contains("GET"));
    assert_eq!(server.post_json("/suggest", &json!({})).status, 403);
}

#[test]
fn slow_clients_are_let_go() {
    let server = Running::start(limited(|limits| limits.head_time = Duration::from_secs(1)));
    let start = Instant::now();
    let mut silent = server.connect();
    silent.write_all(b"POST /translate HT").unwrap();
    assert_eq!(Answer::read(silent).body, "");
    let mut slow = server.connect();
    let whole = request("/translate", "application/json", &[b' '; 100]);
    slow.write_all(&whole[..whole.len() - 50]).unwrap();
    let answer = Answer::read(slow);
    assert!(answer.error(408).contains("did not come within 1 s"));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    let server = Running::usual();
    let body = json!({ "q": long_text(400), "source": "en", "target": "de" }).to_string();
    let whole = request("/translate", "application/json", body.as_bytes());
    for part in [whole.len(), whole.len() / 2, 20] {
        let mut stream = server.connect();
        stream.write_all(&whole[..part]).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    // What they asked for is not translated any more.
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.metric("wdistill_queue_sentences") > 0.0
        || server.metric("wdistill_http_requests_in_flight") > 1.0
    {
        assert!(Instant::now() < deadline, "the queue does not empty");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.translate(&json!("A dog")).status, 200);
}

#[test]
fn idle_connections_keep_nobody_out() {
    let server = Running::usual();
    let idle: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    assert_eq!(server.translate(&json!("A dog")).status, 200);
    drop(idle);
    // More than may be connected wait until there is a place.
    let server = Running::start(limited(|limits| limits.connections = 1));
    let first = server.connect();
    let mut second = server.connect();
    let body = json!({ "q": "A dog", "source": "en", "target": "de" }).to_string();
    second.write_all(&request("/translate", "application/json", body.as_bytes())).unwrap();
    drop(first);
    assert_eq!(Answer::read(second).status, 200);
}

#[test]
fn a_full_queue_is_an_answer_and_every_answer_is_the_right_one() {
    let mut setting = limited(|limits| limits.queue = 8);
    setting.translator = translator(64);
    let server = Running::start(setting);
    let text = LINES.join(" ");
    let expected = server.translate(&json!(text)).json();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask =
            || scope.spawn(|| (0..10).map(|_| server.translate(&json!(text))).collect::<Vec<_>>());
        let clients: Vec<_> = (0..16).map(|_| ask()).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let mut refused = 0;
    for answer in &answers {
        match answer.status {
            200 => assert_eq!(answer.json(), expected),
            _ => {
                assert!(answer.error(429).starts_with("Slowdown: "));
                assert!(answer.head.contains("retry-after: "), "{}", answer.head);
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && refused < answers.len(), "{refused} of {}", answers.len());
    assert_eq!(server.metric("wdistill_refusals_total{reason=\"queue\"}"), refused as f64);
}

#[test]
fn what_takes_too_long_is_given_up() {
    let mut setting = limited(|limits| limits.time = Duration::from_millis(50));
    setting.translator = translator(512);
    let server = Running::start(setting);
    let error = server.translate(&json!(long_text(900))).error(503);
    assert!(error.contains("the answer took more than"), "{error}");
}

#[test]
fn a_long_text_does_not_hold_up_a_short_one() {
    let server = Running::start(Setting { translator: translator(256), ..Setting::default() });
    std::thread::scope(|scope| {
        let long = scope.spawn(|| {
            assert_eq!(server.translate(&json!(long_text(800))).status, 200);
            Instant::now()
        });
        while server.metric("wdistill_queue_sentences") == 0.0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..3 {
            assert_eq!(server.translate(&json!("A dog")).status, 200);
        }
        let short_done = Instant::now();
        assert!(short_done < long.join().unwrap(), "the short ones waited for the long one");
    });
}

#[test]
fn models_make_room_for_each_other() {
    let place = models(&["en-de", "de-en"]);
    let size = place.path().join("en-de/model.safetensors").metadata().unwrap().len();
    let server =
        Running::start(Setting { models: place, memory: Some(size * 3 / 2), ..Setting::default() });
    let ask = |source: &str, target: &str| {
        let request = json!({ "q": "A dog runs.", "source": source, "target": target });
        server.post_json("/translate", &request).json()["translatedText"].to_string()
    };
    let first = ask("en", "de");
    let other = ask("de", "en");
    assert_ne!(first, other);
    assert_eq!(server.metric("wdistill_models"), 1.0);
    assert_eq!((ask("en", "de"), ask("de", "en")), (first, other));
    // In int8 a model takes about a quarter of its file.
    let mut setting = Setting { memory: Some(size / 2), ..Setting::default() };
    setting.translator.decoding.precision = Precision::Int8;
    assert_eq!(Running::start(setting).translate(&json!("A dog")).status, 200);
    let small = Running::start(Setting { memory: Some(1000), ..Setting::default() });
    assert_eq!(small.translate(&json!("A dog")).error(503), "the model of en-de cannot be loaded");
    assert!(small.told.lock().unwrap()[0].contains("hint: raise --memory"));
}

#[test]
fn a_broken_model_is_its_operators_business_and_no_others() {
    let place = models(&["en-de", "de-en"]);
    std::fs::write(place.path().join("en-de/model.safetensors"), "no weights").unwrap();
    let server = Running::start(Setting { models: place, ..Setting::default() });
    assert_eq!(server.translate(&json!("A dog")).error(503), "the model of en-de cannot be loaded");
    assert!(server.told.lock().unwrap()[0].contains("model.safetensors"));
    let request = json!({ "q": "A dog", "source": "de", "target": "en" });
    assert_eq!(server.post_json("/translate", &request).status, 200);
}

#[test]
fn a_folder_of_models_is_checked() {
    let place = models(&["en-de"]);
    std::fs::create_dir(place.path().join("notes")).unwrap();
    let pairs = |place: &tempfile::TempDir| {
        let catalogue = Catalogue::of_folder(place.path());
        catalogue.map(|catalogue| catalogue.pairs().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(pairs(&place).unwrap(), ["en-de"]);
    save_model(&place.path().join("best"), 1);
    let error = pairs(&place).unwrap_err().to_string();
    assert!(error.contains("best does not say its languages"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(pairs(&empty).unwrap_err().to_string().contains("holds no model"));
}

#[test]
fn the_end_waits_for_what_is_under_way() {
    let server = Running::usual();
    let mut stream = server.connect();
    let body = json!({ "q": long_text(100), "source": "en", "target": "de" }).to_string();
    let whole = request("/translate", "application/json", body.as_bytes());
    stream.write_all(&whole).unwrap();
    while server.metric("wdistill_http_requests_in_flight") < 2.0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.stop();
    assert_eq!(Answer::read(stream).status, 200);
    let address = server.address;
    assert_eq!(server.end(), Drained::All);
    assert!(TcpStream::connect(address).is_err());
}
