//! `Translator`, and what it returns.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};
use wdistill::text::SentenceLanguage;
use wdistill::{
    DecodingOptions, LineContent, LongText, Precision, SearchOptions, TranslatorOptions,
};

use crate::errors::{raise, unknown};
use crate::waiting::without_lock;

/// Lines that are translated together, as `translate_iterable` takes them.
const BUFFER: usize = 1000;

/// A model, ready to translate text.
#[pyclass(frozen, module = "wdistill")]
pub struct Translator {
    inner: Arc<wdistill::Translator>,
}

/// The translation of a line.
#[pyclass(frozen, module = "wdistill")]
pub struct Translation {
    translation: wdistill::Translation,
    alignment: Option<Vec<wdistill::AlignedSentence>>,
    translator: Arc<wdistill::Translator>,
}

/// A translation that is not the best.
#[pyclass(frozen, get_all, module = "wdistill")]
pub struct Alternative {
    text: String,
    score: f64,
}

/// A sentence, its translation, and how their tokens belong together.
#[pyclass(frozen, get_all, module = "wdistill")]
pub struct AlignedSentence {
    source: String,
    target: String,
    source_spans: Vec<(usize, usize)>,
    target_spans: Vec<(usize, usize)>,
    weights: Vec<Vec<f32>>,
}

#[pymethods]
impl Translator {
    #[new]
    #[pyo3(signature = (path, *, beam_size=4, length_penalty=1.0, max_length_ratio=2.0, max_length=512, n_best=1,
        batch_tokens=4096, quantize=None, shortlist=None, sentences="line", language=None, max_source=512,
        long="refuse", threads=None))]
    // Python's keyword arguments are the options.
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        beam_size: usize,
        length_penalty: f64,
        max_length_ratio: f64,
        max_length: usize,
        n_best: usize,
        batch_tokens: usize,
        quantize: Option<&str>,
        shortlist: Option<PathBuf>,
        sentences: &str,
        language: Option<&str>,
        max_source: usize,
        long: &str,
        threads: Option<usize>,
    ) -> PyResult<Translator> {
        let search = SearchOptions {
            beam_size,
            length_penalty,
            max_length_ratio,
            max_length,
            n_best,
            ..SearchOptions::default()
        };
        let precision = match quantize {
            None => Precision::Float32,
            Some("bf16") => Precision::Bfloat16,
            Some("int8") => Precision::Int8,
            Some(other) => {
                return Err(unknown("quantize", other, "\"bf16\", \"int8\" or None"));
            }
        };
        if let Some(note) = precision.note() {
            let text = CString::new(note.to_string()).expect("a text without a zero byte");
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)?;
        }
        let content = match sentences {
            "line" => LineContent::Sentence,
            "split" => LineContent::Text,
            other => return Err(unknown("sentences", other, "\"line\" or \"split\"")),
        };
        let long_text = match long {
            "refuse" => LongText::Refuse,
            "truncate" => LongText::Truncate,
            "split" => LongText::Split,
            other => return Err(unknown("long", other, "\"refuse\", \"truncate\" or \"split\"")),
        };
        let options = TranslatorOptions {
            threads: threads.unwrap_or_else(all_cores),
            decoding: DecodingOptions { search, batch_tokens, precision },
            shortlist,
            content,
            language: language.map_or(SentenceLanguage::Any, SentenceLanguage::from_code),
            max_source_length: max_source,
            long_text,
        };
        let opened = without_lock(py, move || wdistill::Translator::open(path, options), || {})?;
        Ok(Translator { inner: Arc::new(opened.map_err(|error| raise(&error))?) })
    }

    #[getter]
    fn languages(&self) -> Option<(String, String)> {
        let languages = self.inner.tokens().config().languages.as_ref()?;
        Some((languages.source.clone(), languages.target.clone()))
    }

    #[getter]
    fn threads(&self) -> usize {
        self.inner.options().threads
    }

    /// Translates a line, or a list of lines.
    #[pyo3(signature = (text, *, alignment=false))]
    fn translate<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        alignment: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(line) = text.cast::<PyString>() {
            let mut translations = self.translate_lines(py, vec![line.to_string()], alignment)?;
            let only = translations.pop().expect("a translation of the line");
            return Ok(Bound::new(py, only)?.into_any());
        }
        let lines: Vec<String> = text.extract().map_err(|_| {
            PyTypeError::new_err("expected a string or a list of strings to translate")
        })?;
        let mut all = Vec::with_capacity(lines.len());
        let mut lines = lines.into_iter();
        loop {
            let some: Vec<String> = lines.by_ref().take(BUFFER).collect();
            if some.is_empty() {
                return Ok(all.into_pyobject(py)?.into_any());
            }
            // An error names the line as the caller counts it.
            all.extend(self.translate_after(py, all.len(), some, alignment)?);
        }
    }

    /// Translates lines as they are asked for.
    #[pyo3(signature = (texts, *, buffer=1000, alignment=false))]
    fn translate_iterable(
        &self,
        texts: &Bound<'_, PyAny>,
        buffer: usize,
        alignment: bool,
    ) -> PyResult<TranslationIterator> {
        if buffer == 0 {
            return Err(PyValueError::new_err("buffer is 0, expected at least 1"));
        }
        let translator = Translator { inner: Arc::clone(&self.inner) };
        let (texts, ready) = (texts.try_iter()?.unbind(), Vec::new().into_iter());
        Ok(TranslationIterator { translator, texts, buffer, alignment, ready, done: 0 })
    }
}

impl Translator {
    fn translate_lines(
        &self,
        py: Python<'_>,
        lines: Vec<String>,
        alignment: bool,
    ) -> PyResult<Vec<Translation>> {
        self.translate_after(py, 0, lines, alignment)
    }

    fn translate_after(
        &self,
        py: Python<'_>,
        before: usize,
        lines: Vec<String>,
        alignment: bool,
    ) -> PyResult<Vec<Translation>> {
        let translator = Arc::clone(&self.inner);
        let work = move || match alignment {
            true => translator.translate_aligned(&lines).map(|all| {
                all.into_iter().map(|(line, sentences)| (line, Some(sentences))).collect()
            }),
            false => translator
                .translate(&lines)
                .map(|all| all.into_iter().map(|line| (line, None)).collect::<Vec<_>>()),
        };
        let translated = without_lock(py, work, || {})?;
        let translated = translated.map_err(|error| raise(&error.after(before)))?;
        let made = translated.into_iter().map(|(translation, alignment)| Translation {
            translation,
            alignment,
            translator: Arc::clone(&self.inner),
        });
        Ok(made.collect())
    }
}

pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Translations of lines that come one by one.
#[pyclass(module = "wdistill")]
pub struct TranslationIterator {
    translator: Translator,
    texts: Py<PyIterator>,
    buffer: usize,
    alignment: bool,
    ready: std::vec::IntoIter<Translation>,
    done: usize,
}

#[pymethods]
impl TranslationIterator {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Translation>> {
        if let Some(next) = self.ready.next() {
            return Ok(Some(next));
        }
        let lines = self.texts.bind(py).clone().take(self.buffer);
        let lines = lines.map(|line| line?.extract()).collect::<PyResult<Vec<String>>>()?;
        let count = lines.len();
        let translated = self.translator.translate_after(py, self.done, lines, self.alignment)?;
        self.done += count;
        self.ready = translated.into_iter();
        Ok(self.ready.next())
    }
}

#[pymethods]
impl Translation {
    #[getter]
    fn text(&self) -> &str {
        &self.translation.text
    }

    #[getter]
    fn score(&self) -> f64 {
        self.translation.score
    }

    #[getter]
    fn tokens(&self) -> Vec<&str> {
        let vocabulary = &self.translator.vocabularies().target;
        self.translation.ids.iter().filter_map(|id| vocabulary.piece(*id)).collect()
    }

    #[getter]
    fn alternatives(&self) -> Vec<Alternative> {
        let others = self.translation.others.iter();
        others.map(|other| Alternative { text: other.text.clone(), score: other.score }).collect()
    }

    #[getter]
    fn alignment(&self) -> Option<Vec<AlignedSentence>> {
        Some(self.alignment.as_ref()?.iter().map(AlignedSentence::of).collect())
    }

    #[getter]
    fn notices(&self) -> Vec<String> {
        self.translation.notices.iter().map(ToString::to_string).collect()
    }

    #[getter]
    fn source_tokens(&self) -> usize {
        self.translation.source_tokens
    }

    #[getter]
    fn target_tokens(&self) -> usize {
        self.translation.target_tokens
    }

    fn __str__(&self) -> &str {
        &self.translation.text
    }

    fn __repr__(&self) -> String {
        format!("Translation({:?}, score={:.4})", self.translation.text, self.translation.score)
    }
}

impl AlignedSentence {
    fn of(sentence: &wdistill::AlignedSentence) -> AlignedSentence {
        // Python counts characters, not bytes.
        let spans = |text: &str, spans: &[std::ops::Range<usize>]| {
            let characters = |end: usize| text[..end].chars().count();
            spans.iter().map(|span| (characters(span.start), characters(span.end))).collect()
        };
        AlignedSentence {
            source_spans: spans(&sentence.source, &sentence.source_spans),
            target_spans: spans(&sentence.target, &sentence.target_spans),
            weights: sentence.alignment.rows().map(<[f32]>::to_vec).collect(),
            source: sentence.source.clone(),
            target: sentence.target.clone(),
        }
    }
}
