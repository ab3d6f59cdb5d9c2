//! What LibreTranslate's clients ask for, and that the answers are the translator's own.

use serde_json::{Value, json};
use wdistill_runtime::{Translator, TranslatorOptions};
use wdistill_serve::Access;

use crate::client::{Answer, LINES, Running, Setting, models, translator};

fn texts(lines: &[&str], options: TranslatorOptions) -> Vec<String> {
    let place = models(&["en-de"]);
    let translator = Translator::open(place.path().join("en-de"), options).unwrap();
    translator.translate(lines).unwrap().into_iter().map(|line| line.text).collect()
}

fn said(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["translatedText"].take()
}

#[test]
fn a_text_a_list_and_a_form_have_the_translators_answer() {
    let server = Running::usual();
    let expected = texts(&LINES, translator(8));
    for (line, expected) in LINES.iter().zip(&expected) {
        assert_eq!(said(&server.translate(&json!(line))), json!(expected));
    }
    assert_eq!(said(&server.translate(&json!(LINES))), json!(expected));
    let form = "q=A+dog%20runs.&source=en&target=de&format=text";
    let kind = "application/x-www-form-urlencoded";
    let answer = server.post("/translate", kind, form.as_bytes());
    assert_eq!(said(&answer), json!(expected[0]));
    let answer = server.post(&format!("/translate?{form}"), "", b"");
    assert_eq!(said(&answer), json!(expected[0]));
    let all = LINES.concat();
    let joined = server.translate(&json!(format!("{}\r\n\n  {} \n", LINES[0], all)));
    let whole = texts(&[&all], translator(8)).remove(0);
    assert_eq!(said(&joined), json!(format!("{}\r\n\n  {whole} \n", expected[0])));
}

#[test]
fn alternatives_are_the_next_best() {
    let server = Running::usual();
    let mut options = translator(8);
    options.decoding.search.n_best = 3;
    let place = models(&["en-de"]);
    let own = Translator::open(place.path().join("en-de"), options).unwrap();
    let others = own.translate(&LINES).unwrap().into_iter();
    let others: Vec<Vec<String>> =
        others.map(|line| line.others.into_iter().map(|other| other.text).collect()).collect();
    let ask = |q: Value, alternatives: Value| {
        let request =
            json!({ "q": q, "source": "en", "target": "de", "alternatives": alternatives });
        server.post_json("/translate", &request)
    };
    assert_eq!(ask(json!(LINES[0]), json!(2)).json()["alternatives"], json!(others[0]));
    assert_eq!(ask(json!(LINES), json!("2")).json()["alternatives"], json!(others));
    assert_eq!(ask(json!("A"), json!(-2)).json().get("alternatives"), None);
    let error = ask(json!("A"), json!(4)).error(400);
    assert_eq!(error, "Invalid request: alternatives parameter must be <= 3");
}

#[test]
fn a_language_is_found_out() {
    let setting = Setting { models: models(&["en-de", "de-en"]), ..Setting::default() };
    let server = Running::start(setting);
    let german = "Wo ist der Bahnhof, und wann fährt der nächste Zug nach Berlin?";
    let request = json!({ "q": [german, german], "source": "auto", "target": "en" });
    let answer = server.post_json("/translate", &request).json();
    assert_eq!(answer["detectedLanguage"][1]["language"], "de", "{answer}");
    assert!(answer["detectedLanguage"][0]["confidence"].as_f64().unwrap() > 50.0, "{answer}");
    let detected = server.post_json("/detect", &json!({ "q": german })).json();
    assert_eq!(detected[0]["language"], "de", "{detected}");
}

#[test]
fn markup_stays() {
    let server = Running::usual();
    let html = "<h1 id=a>A dog</h1>\n<p>Two <b>dogs</b> &amp; one<br>Nobody <script>runs < to</script></p>";
    let request =
        json!({ "q": html, "source": "en", "target": "de", "format": "html", "alternatives": 1 });
    let answer = server.post_json("/translate", &request).json();
    let found = answer["translatedText"].as_str().unwrap();
    for part in
        ["<h1 id=a>", "</h1>\n<p>", "<b>", "</b>", "<br>", "<script>runs < to</script>", "</p>"]
    {
        assert!(found.contains(part), "{part} is not in {found}");
    }
    assert_eq!(answer["alternatives"], json!([]));
}

#[test]
fn what_a_text_does_not_show_is_said() {
    let server = Running::usual();
    let long = "dog ".repeat(200);
    let answer = server.translate(&json!(long)).json();
    let notices = answer["notices"].to_string();
    assert!(
        notices.contains("source split into") && notices.contains("cut at the maximum"),
        "{notices}"
    );
}

#[test]
fn languages_settings_and_descriptions() {
    let setting = Setting { models: models(&["en-de", "de-en", "de-fr"]), ..Setting::default() };
    let server = Running::start(setting);
    let languages = server.get("/languages");
    assert_eq!(
        languages.json(),
        json!([
            { "code": "de", "name": "German", "targets": ["en", "fr"] },
            { "code": "en", "name": "English", "targets": ["de"] }
        ])
    );
    assert_eq!(server.get("/health").json(), json!({ "status": "ok" }));
    let settings = server.get("/frontend/settings").json();
    assert_eq!(settings["charLimit"], 100_000);
    assert_eq!(settings["language"]["source"], json!({ "code": "de", "name": "German" }));
    let page = server.get("/");
    assert!(
        page.body.contains("page.js") && page.head.contains("content-security-policy"),
        "{}",
        page.head
    );
    for file in ["/page.css", "/page.js"] {
        assert_eq!(server.get(file).status, 200);
    }
    server.translate(&json!("A dog. A dog."));
    assert_eq!(
        server.metric("wdistill_http_requests_total{endpoint=\"/translate\",status=\"200\"}"),
        1.0
    );
    assert_eq!(server.metric("wdistill_http_requests_in_flight"), 1.0);
    assert_eq!(server.metric("wdistill_batch_sentences_sum"), 2.0);
    assert_eq!(server.metric("wdistill_models"), 1.0);
    assert!(server.metric("wdistill_target_tokens_total") > 2.0);
}

/// Every endpoint of the description answers, and with a status that it names.
#[test]
fn the_description_is_true() {
    let server = Running::usual();
    let description = server.get("/openapi.json").json();
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() >= 10, "{}", paths.len());
    for (path, methods) in paths {
        for (method, about) in methods.as_object().unwrap() {
            let answer = match method.as_str() {
                "get" => server.get(path),
                "post" => server.post_json(path, &json!({})),
                other => panic!("{other}"),
            };
            let named = about["responses"].get(answer.status.to_string());
            assert!(named.is_some(), "{method} {path} answers with {}", answer.status);
        }
    }
}

#[test]
fn keys_and_origins_are_off_unless_they_are_given() {
    let open = Running::usual();
    let with_origin = |server: &Running, method: &str| {
        let head = format!("{method} /translate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        server.send(format!("{head}Origin: https://a.example\r\n\r\n").as_bytes())
    };
    assert!(!with_origin(&open, "OPTIONS").head.contains("access-control"));
    let access = Access {
        keys: vec!["first".to_string(), "second".to_string()],
        origins: vec!["https://a.example".to_string()],
    };
    let closed = Running::start(Setting { access, ..Setting::default() });
    let preflight = with_origin(&closed, "OPTIONS");
    assert_eq!(preflight.status, 204, "{preflight:?}");
    assert!(preflight.head.contains("access-control-allow-origin: https://a.example"));
    let ask = |key: &str| {
        let request = json!({ "q": "A dog", "source": "en", "target": "de", "api_key": key });
        closed.post_json("/translate", &request)
    };
    assert_eq!(ask("first").status, 200);
    assert_eq!(ask("second").status, 200);
    assert_eq!(ask("secon").error(403), "Invalid API key");
    assert!(ask("").error(400).contains("API key"));
    let bearer = "POST /detect?q=dog HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\
        Authorization: Bearer second\r\n\r\n";
    assert_eq!(closed.send(bearer.as_bytes()).status, 200);
    assert_eq!(closed.get("/frontend/settings").json()["keyRequired"], true);
}
