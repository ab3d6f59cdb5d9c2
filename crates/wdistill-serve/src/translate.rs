//! `POST /translate`: from a request to translations.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use wdistill_base::Problem;
use wdistill_model::Languages;
use wdistill_runtime::{AlignedSentence, Line, Notice, Translation, Translator};

use crate::app::App;
use crate::decoders::{Decoded, Loaded, Work};
use crate::html::{Html, Marked};
use crate::languages::Detected;
use crate::paragraphs::Paragraphs;
use crate::queue::Besides;
use crate::refusal::Refusal;
use crate::request::{Markup, Texts, TranslateRequest};

/// One text's translations, best first, and what they do not show.
struct Translated {
    texts: Vec<String>,
    notices: Vec<Notice>,
}

/// Lines of all texts of a request, ready to be translated.
struct Prepared {
    work: Work,
    /// Of each text.
    lines: Vec<Vec<Line>>,
}

/// Carries out a request.
///
/// # Errors
/// What it must not or cannot have.
pub async fn translate(app: &Arc<App>, request: TranslateRequest) -> Result<Value, Refusal> {
    check_limits(app, &request)?;
    let (source, detected) = match &request.source {
        Some(source) => (source.clone(), None),
        None => {
            let found = app.detect(&request.texts.all().join("\n"))?;
            (found.code.clone(), Some(found))
        }
    };
    let pair = app.pair(&source, &request.target)?;
    let request = Arc::new(request);
    let Prepared { work, lines } = prepared(app, &request, &pair).await?;
    let (translator, wanted) = (Arc::clone(&work.model.translator), work.sentences.len());
    let pending = app.decoders.translate(work).map_err(|full| app.busy(full, wanted))?;
    let decoded = pending.await.map_err(|failure| app.failed(&failure))?;
    let translated = assemble(app, &request, &translator, &lines, decoded)?;
    Ok(answer(&request, translated, detected.as_ref()))
}

/// Texts of so many bytes are divided at once: it takes less time than another thread would need to wake up.
const SHORT: usize = 4096;

/// Prepares a request. Loading a model and dividing a long text take long, and are done where no connection waits for them.
async fn prepared(
    app: &Arc<App>,
    request: &Arc<TranslateRequest>,
    pair: &Languages,
) -> Result<Prepared, Refusal> {
    let bytes: usize = request.texts.all().iter().map(String::len).sum();
    if let Some(model) = app.models.loaded(pair).filter(|_| bytes <= SHORT) {
        return prepare(request, model);
    }
    let (shared, request, pair) = (Arc::clone(app), Arc::clone(request), pair.clone());
    let work = move || prepare(&request, shared.model(&pair)?);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        (app.tell)(&format!("a text was not prepared: {error}"));
        Err(Refusal::fault("the text could not be prepared"))
    })
}

fn check_limits(app: &App, request: &TranslateRequest) -> Result<(), Refusal> {
    let texts = request.texts.all();
    let exceeds = |found: usize, most: usize| {
        // LibreTranslate has the same words for both limits.
        let text = format!("Invalid request: request ({found}) exceeds text limit ({most})");
        Refusal::new(StatusCode::BAD_REQUEST, "size", text)
    };
    if texts.len() > app.limits.texts {
        return Err(exceeds(texts.len(), app.limits.texts));
    }
    let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    if longest > app.limits.characters {
        return Err(exceeds(longest, app.limits.characters));
    }
    if request.alternatives > app.most_alternatives {
        let text =
            format!("Invalid request: alternatives parameter must be <= {}", app.most_alternatives);
        return Err(Refusal::bad_request(text));
    }
    Ok(())
}

fn prepare(request: &TranslateRequest, model: Loaded) -> Result<Prepared, Refusal> {
    let divide = |line: &str| {
        model.translator.divide(line).map_err(|problem| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "size",
                format!("Invalid request: the text {problem}"),
            )
        })
    };
    let lines = request
        .texts
        .all()
        .iter()
        .map(|text| match request.markup {
            Markup::Text => Paragraphs::of(text).lines().map(divide).collect(),
            Markup::Html => Html::of(text).lines().map(divide).collect(),
        })
        .collect::<Result<Vec<Vec<Line>>, Refusal>>()?;
    let sentences = lines.iter().flatten().flat_map(Line::sentences).map(<[u32]>::to_vec).collect();
    let tokens = model.translator.tokens();
    let (n_best, besides) = match request.markup {
        Markup::Text => (request.alternatives + 1, Besides::Nothing),
        // As in LibreTranslate: alignments are those of the best translation.
        Markup::Html => (1, Besides::Alignments),
    };
    let settings =
        tokens.settings_for(n_best).map_err(|error| Refusal::bad_request(error.to_string()))?;
    Ok(Prepared { work: Work { model, settings, besides, sentences }, lines })
}

/// Joins hypotheses to lines, and lines to texts.
fn assemble(
    app: &App,
    request: &TranslateRequest,
    translator: &Translator,
    lines: &[Vec<Line>],
    decoded: Vec<Decoded>,
) -> Result<Vec<Translated>, Refusal> {
    let mut decoded = decoded.into_iter();
    let mut join = |line: &Line| -> Result<(Translation, Vec<AlignedSentence>), Refusal> {
        let (hypotheses, alignments): (Vec<_>, Vec<_>) = decoded
            .by_ref()
            .take(line.sentences().len())
            .map(|Decoded { hypotheses, alignment }| (hypotheses, alignment))
            .unzip();
        let spelled = translator.join(line, &hypotheses).and_then(|translation| {
            Ok((translation, translator.align(line, &hypotheses, &alignments)?))
        });
        let (translation, sentences) = spelled.map_err(|error| {
            let problem = Problem::of(&error).at("a translation cannot be spelled");
            (app.tell)(&problem.in_lines());
            Refusal::fault("the translation cannot be spelled")
        })?;
        app.metrics.source_tokens.inc_by(translation.source_tokens as u64);
        app.metrics.target_tokens.inc_by(translation.target_tokens as u64);
        Ok((translation, sentences))
    };
    let mut of_text = |(text, lines): (&String, &Vec<Line>)| -> Result<Translated, Refusal> {
        let joined = lines.iter().map(&mut join).collect::<Result<Vec<_>, _>>()?;
        let notices = joined.iter().flat_map(|(translation, _)| &translation.notices);
        let notices = notices.copied().collect();
        let texts = match request.markup {
            Markup::Text => {
                let paragraphs = Paragraphs::of(text);
                let of_rank =
                    |rank| paragraphs.with(joined.iter().map(|(line, _)| ranked(line, rank)));
                (0..=request.alternatives).map(of_rank).collect()
            }
            Markup::Html => {
                let marked = |(Translation { text, .. }, sentences)| Marked { text, sentences };
                let marked: Vec<Marked> = joined.into_iter().map(marked).collect();
                vec![Html::of(text).with(&marked)]
            }
        };
        Ok(Translated { texts, notices })
    };
    request.texts.all().iter().zip(lines).map(&mut of_text).collect()
}

/// The best translation (0) or another one; the last where there are fewer.
fn ranked(translation: &Translation, rank: usize) -> &str {
    match rank.min(translation.others.len()) {
        0 => &translation.text,
        rank => &translation.others[rank - 1].text,
    }
}

fn answer(
    request: &TranslateRequest,
    translated: Vec<Translated>,
    detected: Option<&Detected>,
) -> Value {
    let notices: Vec<Vec<String>> = translated
        .iter()
        .map(|text| text.notices.iter().map(ToString::to_string).collect())
        .collect();
    let (best, others): (Vec<String>, Vec<Vec<String>>) = translated
        .into_iter()
        .map(|translated| {
            let mut texts = translated.texts.into_iter();
            (texts.next().expect("there is a best one"), texts.collect())
        })
        .unzip();
    let is_list = matches!(request.texts, Texts::Many(_));
    let shaped = |list: Value| match (is_list, list) {
        (false, Value::Array(mut list)) => list.swap_remove(0),
        (_, list) => list,
    };
    let mut fields = serde_json::Map::new();
    if let Some(detected) = detected {
        fields.insert("detectedLanguage".into(), shaped(json!(vec![detected; best.len()])));
    }
    if request.alternatives > 0 {
        fields.insert("alternatives".into(), shaped(json!(others)));
    }
    // No text may be cut in silence. LibreTranslate has no word for it, and its clients pass over what they do not know.
    if notices.iter().any(|notices| !notices.is_empty()) {
        fields.insert("notices".into(), shaped(json!(notices)));
    }
    fields.insert("translatedText".into(), shaped(json!(best)));
    Value::Object(fields)
}
