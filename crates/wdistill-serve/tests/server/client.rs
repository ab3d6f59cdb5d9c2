//! A server in this process, and a client that sends bytes as they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use wdistill_formats::ModelFolder;
use wdistill_model::{Architecture, Config, DecoderStart, Model, Vocabularies};
use wdistill_runtime::{DecodingOptions, LongText, TranslatorOptions};
use wdistill_search::SearchOptions;
use wdistill_serve::{Access, Catalogue, Drained, Limits, Server, ServerOptions, Stop};
use wdistill_text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};

pub const LINES: [&str; 3] = ["A dog runs.", "Two dogs sleep.", "Nobody runs to the dog."];

/// A model that has learnt nothing: what it writes is noise, but the same noise for the same line.
pub fn save_model(folder: &Path, seed: u64) {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let vocabulary = Vocabulary::train(LINES, &settings).unwrap().vocabulary;
    let vocabularies = Vocabularies {
        decoder_start: DecoderStart::ZeroVector,
        ..Vocabularies::shared(vocabulary.size())
    };
    let architecture = Architecture::preset("transformer-nano").unwrap();
    let model = Model::initialise(Config::new(architecture, vocabularies).unwrap(), seed);
    let vocabularies = VocabularyPair { source: vocabulary.clone(), target: vocabulary };
    ModelFolder { model, vocabularies }.save(folder).unwrap();
}

/// How the servers here translate: to at most so many tokens.
pub fn translator(max_length: usize) -> TranslatorOptions {
    let search = SearchOptions { max_length, ..SearchOptions::default() };
    let decoding = DecodingOptions { search, ..DecodingOptions::default() };
    let long_text = LongText::Split;
    TranslatorOptions { decoding, long_text, max_source_length: 64, ..TranslatorOptions::default() }
}

/// A folder with a model for each of some pairs of languages.
pub fn models(pairs: &[&str]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (seed, pair) in (3..).zip(pairs) {
        save_model(&place.path().join(pair), seed);
    }
    place
}

/// A server that runs.
pub struct Running {
    pub address: SocketAddr,
    /// What it told its operator.
    pub told: Arc<Mutex<Vec<String>>>,
    stop: Stop,
    thread: Option<JoinHandle<Drained>>,
    _models: tempfile::TempDir,
}

/// What a server differs in from the usual one.
pub struct Setting {
    pub models: tempfile::TempDir,
    pub translator: TranslatorOptions,
    pub memory: Option<u64>,
    pub limits: Limits,
    pub access: Access,
}

impl Default for Setting {
    fn default() -> Self {
        let limits = Limits { head_time: Duration::from_secs(20), ..Limits::default() };
        Setting {
            models: models(&["en-de"]),
            translator: translator(8),
            memory: None,
            limits,
            access: Access::default(),
        }
    }
}

impl Running {
    pub fn start(setting: Setting) -> Running {
        let Setting { models, translator, memory, limits, access } = setting;
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&told);
        let options = ServerOptions {
            catalogue: Catalogue::of_folder(models.path()).unwrap(),
            translator,
            memory,
            limits,
            access,
            tell: Arc::new(move |said: &str| ear.lock().unwrap().push(said.to_string())),
        };
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let (address, stop) = (server.address().unwrap(), server.stop());
        let thread = Some(std::thread::spawn(move || server.run().unwrap()));
        Running { address, told, stop, thread, _models: models }
    }

    pub fn usual() -> Running {
        Running::start(Setting::default())
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends bytes and reads what comes back until the server closes the connection.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that refuses early may close before all is written.
        _ = stream.write_all(bytes);
        Answer::read(stream)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
    }

    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.send(&request(path, kind, body))
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    pub fn translate(&self, q: &Value) -> Answer {
        self.post_json("/translate", &json!({ "q": q, "source": "en", "target": "de" }))
    }

    /// The value of a line of the metrics.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    pub fn end(mut self) -> Drained {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap()
    }

    pub fn stop(&self) {
        self.stop.stop();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub fn request(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What a server sent.
#[derive(Debug)]
pub struct Answer {
    /// 0 if the connection was closed without an answer.
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn read(mut stream: TcpStream) -> Answer {
        let mut bytes = Vec::new();
        _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_string() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error that an answer with this status must have.
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["error"].as_str().unwrap().to_string()
    }
}
