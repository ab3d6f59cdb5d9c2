//! `wdistill distill`: a student of a given teacher.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use toml::Table;
use wdistill_base::{FileError, atomic_write, hash_file};
use wdistill_formats::native;
use wdistill_generator::Start;
use wdistill_model::{Architecture, Conventions};
use wdistill_pipeline::{
    CUT, DistillJob, IMPORTED_TEACHER, MeasuredIn, Method, Pipeline, PseudoDataRecipe, RunFolder,
    Standing, Teachers, Vary, WD, message,
};
use wdistill_runtime::DecodingOptions;
use wdistill_train::{Length, Optimiser, Ranks, Schedule, TrainingRecipe};

use crate::commands::import::Open;
use crate::commands::print;
use crate::commands::shapes::{Timing, fast_enough, measure};
use crate::ranks::together;
use crate::settings::{Common, Corpus, Force, changed, presets, toolkit_names};

/// The shape that a speed-up chose, below --out.
const CHOSEN_FILE: &str = "speed-up.json";

/// What is in it.
#[derive(Serialize, Deserialize)]
struct Chosen {
    /// Hash of the teacher's weights.
    teacher: String,
    /// As it was asked for.
    speed_up: f64,
    architecture: Architecture,
}

#[derive(Clone, Copy, ValueEnum)]
enum StudentMethod {
    /// The student begins with the teacher's weights as --start takes them, and is trained: with the start fitted better in
    /// every trial. By default with Muon, a linear schedule, and the teacher's distribution over words
    Cut,
    /// The paper's weight distillation: a generator is trained through the student, then the student itself. By default
    /// with the paper's settings
    Wd,
}

impl StudentMethod {
    fn method(self) -> Method {
        match self {
            StudentMethod::Cut => CUT,
            StudentMethod::Wd => WD,
        }
    }

    /// What a student, or a generator's factors, begin with unless something else is asked for.
    fn start(self) -> Start {
        match self {
            StudentMethod::Cut => Start::Fitted,
            StudentMethod::Wd => Start::Xavier,
        }
    }

    /// The settings unless something else is asked for.
    fn settings(self) -> TrainingRecipe {
        match self {
            StudentMethod::Cut => TrainingRecipe {
                optimiser: Optimiser::Muon,
                learning_rate: 2.5e-3,
                warm_up: Length::Updates(1000),
                schedule: Schedule::Linear,
                word_distillation: 0.5,
                ..TrainingRecipe::default()
            },
            StudentMethod::Wd => TrainingRecipe::default(),
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum FactorStart {
    /// The paper's: better after long training
    Xavier,
    /// The first student is the teacher cut down: better if there are only some hundred updates
    Cut,
    /// As cut, of evenly spaced rows and columns, scaled so that sums keep their size
    Strided,
    /// As strided, of the best heads and hidden units of all layers that a student's layer stands for
    Concatenated,
    /// As concatenated, then every layer solved so that the student's states are the teacher's
    Fitted,
}

impl FactorStart {
    fn start(self) -> Start {
        match self {
            FactorStart::Xavier => Start::Xavier,
            FactorStart::Cut => Start::Cut,
            FactorStart::Strided => Start::Strided,
            FactorStart::Concatenated => Start::Concatenated,
            FactorStart::Fitted => Start::Fitted,
        }
    }
}

/// Arguments of `wdistill distill`.
#[derive(Args)]
pub struct Distill {
    #[arg(long, value_name = "PATH", help = format!(
        "Folder or file of the teacher, of wdistill, {}; its vocabularies are the student's",
        toolkit_names(|_| true)
    ))]
    teacher: PathBuf,
    #[command(flatten)]
    open: Open,
    #[command(flatten)]
    corpus: Corpus,
    /// Preset architecture of the student [default: the teacher's encoder, and one decoder layer of the teacher's width]
    #[arg(long, value_name = "NAME", value_parser = presets())]
    preset: Option<String>,
    /// How many times as fast as the teacher the student has to be: shapes are measured on the validation text, as by
    /// `wdistill shapes`, and the largest that is fast enough is the student's, in place of a preset
    #[arg(long, value_name = "N", conflicts_with = "preset")]
    speed_up: Option<f64>,
    /// Change of a setting: architecture.KEY; training.KEY of all phases, generator.KEY of phase 1 (of wd),
    /// student.KEY of the last phase, whose warm-up is at most 1000 unless given; pseudo_data.KEY, data.KEY,
    /// decoding.KEY (of validations), such as
    /// training.updates=20000, student.warm_up=500, pseudo_data.beam_size=4, data.max_sentence_tokens=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Length of phase 1, in which the generator is trained; part of training.updates, in the same unit [default: half]
    #[arg(long, value_name = "N")]
    generator_updates: Option<Length>,
    /// How the student is made
    #[arg(long, value_enum, default_value = "cut")]
    method: StudentMethod,
    /// What the student, or its generator's factors, begin with [default: fitted for cut, xavier for wd]
    #[arg(long, value_enum)]
    start: Option<FactorStart>,
    /// Folder of the student, pseudo data, logs and checkpoints; the same command goes on where it was
    /// killed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    common: Common,
}

impl Distill {
    pub fn run(self) -> anyhow::Result<()> {
        together(&self.common.clone(), |ranks| self.lead(ranks))
    }

    /// As the first of the programs that work together.
    fn lead(mut self, ranks: Arc<dyn Ranks>) -> anyhow::Result<()> {
        let folder = RunFolder::claim(&self.out)?;
        let run = (&folder, IMPORTED_TEACHER);
        self.teacher = self.open.native_model(&self.teacher, run, &self.common)?;
        let job = DistillJob {
            seed: self.corpus.seed(),
            data: self.corpus.data()?,
            architecture: self.architecture()?,
            training: self.method.settings(),
            generator: self.generator(),
            student: Table::new(),
            pseudo_data: PseudoDataRecipe::default(),
            decoding: DecodingOptions::default(),
        };
        let start = self.start.map_or(self.method.start(), FactorStart::start);
        let changed = changed(&job, &self.changes)?;
        ensure!(
            self.generator_updates.is_none()
                || changed.generator.get("updates") == job.generator.get("updates"),
            "--generator-updates and --set generator.updates are the same setting; give one of them"
        );
        let plan = changed.plan(&self.teacher, self.method.method(), Some(start))?;
        let options = self.common.run_options(self.force.caution(), ranks);
        let pipeline = Pipeline::new(plan, folder, options)?;
        let (student, standings) = self.common.install(|| {
            let mut prepared = pipeline.prepare()?;
            let teacher = pipeline.teacher(&prepared)?;
            pipeline.check_teacher(&mut prepared, &teacher)?;
            let pseudo = pipeline.pseudo_data(&mut prepared, &teacher)?;
            let student = pipeline.student(
                &prepared,
                Teachers::one(&teacher),
                &pseudo,
                &pipeline.systems()[0],
            )?;
            pipeline.card(&prepared, &student, pipeline.systems().first())?;
            let standings = pipeline.standings(&prepared, &[&teacher, &student])?;
            Ok((student, standings))
        })?;
        self.common.say(&standings_table(&standings));
        print(&student.model.display().to_string())
    }

    /// The student's architecture, before changes.
    fn architecture(&self) -> anyhow::Result<Architecture> {
        let teacher = native::load_config(&self.teacher)?.architecture;
        if let Some(wanted) = self.speed_up {
            return self.fast_enough(wanted);
        }
        let Some(preset) = &self.preset else { return Ok(teacher.with_one_decoder_layer()) };
        let Conventions { norm_epsilon, embedding_scale, positions } = teacher.conventions();
        let preset = Architecture::preset(preset)?;
        Ok(Architecture { norm_epsilon, embedding_scale, positions, ..preset })
    }

    /// The largest architecture that is so many times as fast as the teacher. It is kept in the folder: measured again, another
    /// might be, and the same command goes on with the same student.
    fn fast_enough(&self, wanted: f64) -> anyhow::Result<Architecture> {
        let path = self.out.join(CHOSEN_FILE);
        let teacher = hash_file(&self.teacher.join(native::WEIGHTS_FILE))?;
        if let Ok(text) = fs::read_to_string(&path) {
            let kept: Chosen = serde_json::from_str(&text)
                .map_err(|error| FileError::when("read", &path)(io::Error::other(error)))?;
            if kept.speed_up == wanted && kept.teacher == teacher {
                return Ok(kept.architecture);
            }
        }
        let validation = self.corpus.data()?.validation.source;
        let timing = Timing {
            input: &validation,
            sentences: 64,
            beam_size: DecodingOptions::default().search.beam_size,
            rounds: 3,
            shortlist: None,
            vary: Vary::Decoder,
        };
        let shapes = measure(&self.teacher, &timing, &self.common)?.shapes;
        let shape = fast_enough(&shapes, MeasuredIn::Float32, wanted)?;
        let speed_up = shape.speed_up(MeasuredIn::Float32);
        message(&format!("student: {}, {speed_up:.2} times as fast", shape.architecture.summary()));
        let architecture = shape.architecture.clone();
        let chosen = Chosen { teacher, speed_up: wanted, architecture };
        atomic_write(&path, serde_json::to_string_pretty(&chosen)?.as_bytes())?;
        Ok(chosen.architecture)
    }

    /// What phase 1 has of its own.
    fn generator(&self) -> Table {
        let updates = |length: Length| {
            let value = toml::Value::try_from(length).expect("a number or a text");
            ("updates".to_string(), value)
        };
        self.generator_updates.map(updates).into_iter().collect()
    }
}

/// Teacher and student on the validation text, a line each.
fn standings_table(standings: &[Standing]) -> String {
    let mut table = "on the validation text:\nsystem    parameters      MB    loss   BLEU   chrF  tokens/s  speed-up"
        .to_string();
    for Standing { name, parameters, bytes, validation, speed } in standings {
        table += &format!(
            "\n{name:<9} {:>9.2}M {:>7.1} {:>7.3} {:>6.2} {:>6.2} {:>9.0} {:>9.2}",
            *parameters as f64 / 1e6,
            *bytes as f64 / 1e6,
            validation.loss,
            validation.bleu,
            validation.chrf,
            speed.tokens_per_second,
            speed.speed_up
        );
    }
    table
}
