//! `wdistill shapes`: how fast students of a teacher would be on this machine, before anything is trained.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{bail, ensure};
use clap::Args;
use wdistill_base::Problem;
use wdistill_formats::{load_vocabularies, native};
use wdistill_model::Architecture;
use wdistill_pipeline::{
    MeasuredIn, MeasuredShape, Measuring, Progress, Vary, largest_at, measure_shape, student_shapes,
};
use wdistill_runtime::{DecodingOptions, Shortlist};
use wdistill_search::SearchOptions;
use wdistill_text::{VocabularyPair, read_lines_or_standard_input};

use crate::commands::print;
use crate::settings::{Common, find_model};

/// Arguments of `wdistill shapes`.
#[derive(Args)]
pub struct Shapes {
    /// Folder of the teacher
    #[arg(long, value_name = "DIR")]
    teacher: PathBuf,
    /// Source text, compressed or not; `-` is standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How many times as fast as the teacher a student has to be: the largest such shape is shown as settings
    #[arg(long, value_name = "N")]
    speed_up: Option<f64>,
    /// What of the teacher's shape a student changes
    #[arg(long, value_enum, default_value = "decoder", value_name = "STACKS")]
    vary: Stacks,
    /// What the student's weights will be, for --speed-up
    #[arg(long, value_enum, default_value = "float32", value_name = "TYPE")]
    weights: Weights,
    /// Words that the students may translate each word with: a file that `wdistill shortlist` wrote with the teacher's
    /// vocabularies; the teacher has all words
    #[arg(long, value_name = "FILE")]
    shortlist: Option<PathBuf>,
    /// Live hypotheses of each sentence
    #[arg(long, value_name = "N", default_value_t = 4)]
    beam_size: usize,
    /// Sentences, from the start of the text
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    sentences: u32,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Stacks {
    /// The decoder, which most of the time goes into: one to three layers, from the whole to half of its width, and smaller
    /// feed-forward blocks
    Decoder,
    /// The encoder as well: half or twice its layers, or three quarters or half of its width
    Both,
}

impl Stacks {
    fn vary(self) -> Vary {
        match self {
            Stacks::Decoder => Vary::Decoder,
            Stacks::Both => Vary::Both,
        }
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Weights {
    Float32,
    Int8,
}

impl Weights {
    fn precision(self) -> MeasuredIn {
        match self {
            Weights::Float32 => MeasuredIn::Float32,
            Weights::Int8 => MeasuredIn::Int8,
        }
    }
}

/// Most tokens of a sentence, with its end: a longer one is a document without line breaks.
const MOST_TOKENS: usize = 1024;

/// What shapes are timed with.
pub struct Timing<'a> {
    /// Source text.
    pub input: &'a Path,
    /// Sentences, from its start.
    pub sentences: usize,
    /// Live hypotheses of each sentence.
    pub beam_size: usize,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Words that the students may translate each word with.
    pub shortlist: Option<&'a Path>,
    /// Stacks that the shapes change.
    pub vary: Vary,
}

/// Shapes and what they were timed with.
pub struct Measured {
    /// Shapes, the largest first.
    pub shapes: Vec<MeasuredShape>,
    /// Sentences.
    sentences: usize,
    /// Words of every translation.
    words: usize,
}

/// The shapes of a teacher's students, timed.
pub fn measure(teacher: &Path, timing: &Timing<'_>, common: &Common) -> anyhow::Result<Measured> {
    let model = native::load(teacher)?;
    let vocabularies = load_vocabularies(teacher, &model.config)?;
    let sentences = sentences(timing, &vocabularies)?;
    let tokens: usize = sentences.iter().map(Vec::len).sum();
    let search = SearchOptions { beam_size: timing.beam_size, ..SearchOptions::default() };
    let shortlist =
        timing.shortlist.map(|path| Shortlist::read(path, &vocabularies)).transpose()?;
    let measuring = Measuring {
        sentences: &sentences,
        decoding: &DecodingOptions { search, ..DecodingOptions::default() },
        words: tokens.div_ceil(sentences.len()),
        shortlist: shortlist.map(Arc::new),
        threads: common.threads(),
        rounds: timing.rounds,
    };
    let shapes = student_shapes(&model.config.architecture, timing.vary);
    let progress = Progress::new(common.display(), "shapes", shapes.len() as u64);
    let mut measured = Vec::new();
    for shape in &shapes {
        measured.push(measure_shape(&model, shape, &measuring)?);
        progress.update(measured.len() as u64, || shape.summary());
    }
    progress.finish();
    Ok(Measured { shapes: measured, sentences: sentences.len(), words: measuring.words })
}

fn sentences(timing: &Timing<'_>, vocabularies: &VocabularyPair) -> anyhow::Result<Vec<Vec<u32>>> {
    let mut lines = read_lines_or_standard_input(timing.input)?.lines;
    lines.retain(|line| !line.trim().is_empty());
    lines.truncate(timing.sentences);
    ensure!(!lines.is_empty(), "{}: no sentences to time", timing.input.display());
    let end = vocabularies.source.end_id();
    let encode = |line: &String| {
        let ids = [vocabularies.source.encode(line), vec![end]].concat();
        let (found, path) = (ids.len(), timing.input.display());
        let start: String = line.chars().take(40).collect();
        ensure!(
            found <= MOST_TOKENS,
            "{path}: the line that begins with {start:?} has {found} tokens, expected at most {MOST_TOKENS}"
        );
        Ok(ids)
    };
    lines.iter().map(encode).collect()
}

/// The largest shape that is fast enough.
///
/// # Errors
/// If none is.
pub fn fast_enough(
    shapes: &[MeasuredShape],
    precision: MeasuredIn,
    wanted: f64,
) -> anyhow::Result<&MeasuredShape> {
    let Some(shape) = largest_at(shapes, precision, wanted) else {
        let fastest = shapes.iter().map(|shape| shape.speed_up(precision)).fold(0.0, f64::max);
        bail!(Problem::with_hint(
            format!(
                "no student of these shapes is {wanted} times as fast as the teacher; the fastest is \
                 {fastest:.2} times"
            ),
            "ask for less; `wdistill shapes` shows what int8 weights and a shortlist bring",
        ))
    };
    Ok(shape)
}

impl Shapes {
    pub fn run(self) -> anyhow::Result<()> {
        let teacher = find_model(&self.teacher)?;
        let timing = Timing {
            input: &self.input,
            sentences: self.sentences as usize,
            beam_size: self.beam_size,
            rounds: self.rounds as usize,
            shortlist: self.shortlist.as_deref(),
            vary: self.vary.vary(),
        };
        let measured = measure(&teacher, &timing, &self.common)?;
        let architecture = native::load_config(&teacher)?.architecture;
        print(&self.table(&architecture, &measured))?;
        let Some(wanted) = self.speed_up else { return Ok(()) };
        let precision = self.weights.precision();
        let shape = fast_enough(&measured.shapes, precision, wanted)?;
        print(&format!(
            "\nthe largest student of {wanted} times or more, {:.2} times:\n{}",
            shape.speed_up(precision),
            settings(&shape.architecture)
        ))
    }

    fn table(&self, teacher: &Architecture, measured: &Measured) -> String {
        let Measured { shapes, sentences, words } = measured;
        let with = match &self.shortlist {
            Some(path) => format!(", students with {}", path.display()),
            None => String::new(),
        };
        let conditions = format!(
            "teacher {}, float32; {sentences} sentences, {words} words each, beam {}, {} threads, median of {} rounds{with}; \
             students have random weights",
            teacher.summary(),
            self.beam_size,
            self.common.threads(),
            self.rounds
        );
        let row = |shape: &MeasuredShape| {
            let [float32, int8] = shape.speed_ups;
            let parameters = shape.parameters as f64 / 1e6;
            let summary = shape.architecture.summary();
            format!("{float32:8.2}x {int8:8.2}x {parameters:10.2}M  {summary}")
        };
        let heading = "  float32      int8  parameters  student".to_string();
        let lines = [conditions, heading].into_iter().chain(shapes.iter().map(row));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A student's shape as a recipe has it, and as arguments of `wdistill distill`.
fn settings(architecture: &Architecture) -> String {
    let embeddings = serde_json::to_value(architecture.embeddings).unwrap_or_default();
    let embeddings = embeddings.as_str().unwrap_or_default().to_string();
    let stacks = [("encoder", architecture.encoder), ("decoder", architecture.decoder)];
    let mut recipe = format!("embeddings = \"{embeddings}\"");
    let mut arguments = format!("--set architecture.embeddings={embeddings}");
    for (stack, shape) in stacks {
        let sizes = [
            ("layers", shape.layers),
            ("width", shape.width),
            ("feed_forward", shape.feed_forward),
            ("heads", shape.heads),
        ];
        let keys = sizes.map(|(key, size)| format!("{key} = {size}")).join(", ");
        recipe += &format!("\n  {stack} = {{ {keys} }}");
        for (key, size) in sizes {
            arguments += &format!(" --set architecture.{stack}.{key}={size}");
        }
    }
    format!(
        "in a recipe, [student.architecture]:\n  {recipe}\nfor wdistill distill:\n  {arguments}"
    )
}
