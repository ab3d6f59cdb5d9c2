//! Logits, loss, every gradient and ten steps of Adam against PyTorch (`fixtures/parity/make.py`), in
//! float64, for three models that between them use every option of the architecture.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};
use wdistill_autograd::{DropoutSource, Gradients, LossSums, Tape, Targets, Workspace};
use wdistill_kernels::layers::LossTargets;
use wdistill_kernels::{AdamBuffers, AdamSettings, AdamStep, Host, adam_step};
use wdistill_model::reference::{Reference, smoothed_cross_entropy};
use wdistill_model::tree::{Map, MatrixSpec, VectorSpec};
use wdistill_model::{
    Config, DecoderState, Dense, Engine, Matrix, Model, Slot, Spec, Tokens, Transformer,
};

const SMOOTHING: f64 = 0.1;

struct Fixture {
    name: &'static str,
    numbers: HashMap<String, Vec<f64>>,
    config: Config,
}

fn fixtures() -> Vec<Fixture> {
    ["post", "pre", "narrow"].map(Fixture::read).into()
}

impl Fixture {
    fn read(name: &'static str) -> Fixture {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/parity");
        let bytes = std::fs::read(format!("{folder}/{name}.safetensors")).unwrap();
        let text = std::fs::read_to_string(format!("{folder}/{name}.toml")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let eight = |bytes: &[u8]| bytes.try_into().unwrap();
        let numbers = tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let words = view.data().chunks_exact(8);
                let numbers = match view.dtype() {
                    Dtype::F64 => words.map(|word| f64::from_le_bytes(eight(word))).collect(),
                    Dtype::I64 => {
                        words.map(|word| i64::from_le_bytes(eight(word)) as f64).collect()
                    }
                    other => panic!("{name}: {other:?}"),
                };
                (name, numbers)
            })
            .collect();
        Fixture { name, numbers, config: Config::from_toml(&text).unwrap() }
    }

    fn get(&self, name: &str) -> &[f64] {
        self.numbers.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name))
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        self.get(name).iter().map(|id| *id as u32).collect()
    }

    fn tokens(&self, ids: &str, offsets: &str) -> Tokens {
        let (ids, offsets) = (self.ids(ids), self.ids(offsets));
        let range = |pair: &[u32]| pair[0] as usize..pair[1] as usize;
        Tokens::from_sentences(offsets.windows(2).map(|pair| &ids[range(pair)]))
    }

    fn source(&self) -> Tokens {
        self.tokens("source.ids", "source.offsets")
    }

    fn target(&self) -> Tokens {
        self.tokens("target_input.ids", "target.offsets")
    }

    fn model(&self) -> Model<Dense<f64>> {
        let weights = Transformer::catalogue(&self.config).map(&mut Read(self)).unwrap();
        Model { config: self.config.clone(), weights }
    }
}

/// Reads weights; a slot that the fixture lacks is an error of the test.
struct Read<'a>(&'a Fixture);

impl Map<Spec, Dense<f64>> for Read<'_> {
    type Error = std::convert::Infallible;
    fn matrix(&mut self, slot: Slot, spec: &MatrixSpec) -> Result<Matrix<f64>, Self::Error> {
        let length = |axis| self.0.config.length(axis);
        let data = self.0.get(&format!("weights.{}", slot)).to_vec();
        Ok(Matrix::new(length(spec.rows), length(spec.columns), data))
    }
    fn vector(&mut self, slot: Slot, _: &VectorSpec) -> Result<Vec<f64>, Self::Error> {
        Ok(self.0.get(&format!("weights.{}", slot)).to_vec())
    }
}

fn logits<E: Engine>(engine: &E, model: &Model<E::Leaf>, fixture: &Fixture) -> E::Activations {
    let target = fixture.target();
    let encoded = model.encode(engine, &fixture.source());
    let mut state = DecoderState::new(&model.config);
    let states = model.decode(engine, &target, target.spans(), &encoded, &mut state);
    model.logits(engine, &states)
}

fn loss_and_gradients(
    fixture: &Fixture,
    model: &Model<Dense<f64>>,
) -> (LossSums, Gradients<Host<f64>>) {
    let workspace = Workspace::new();
    let (tape, tracked) = Tape::record(model, &workspace, DropoutSource::NONE);
    let target = fixture.target();
    let words = fixture.ids("target_output.ids");
    let gradient_scale = 1.0 / words.len() as f64;
    let encoded = tracked.encode(&tape, &fixture.source());
    let mut state = DecoderState::new(&tracked.config);
    let states = tracked.decode(&tape, &target, target.spans(), &encoded, &mut state);
    let mut gradients = Gradients::zeros(&model.weights);
    let loss = LossTargets { words: &words, smoothing: SMOOTHING, teacher: None };
    let targets = Targets { loss, gradient_scale };
    let Ok(loss) = tape.backward(&tracked, states, &targets, Vec::new(), &mut gradients);
    assert_eq!(tape.loss(&tracked, states, &targets), Ok(loss));
    (loss, gradients)
}

fn assert_close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{index}]: {a} against {b}");
    }
}

#[test]
fn both_engines_compute_the_logits_of_pytorch() {
    for fixture in fixtures() {
        let model = fixture.model();
        let reference = logits(&Reference, &model, &fixture);
        assert_close(fixture.name, reference.data(), fixture.get("logits"), 1e-11);
        let workspace = Workspace::new();
        let (tape, tracked) = Tape::record(&model, &workspace, DropoutSource::NONE);
        let ours = tape.value(logits(&tape, &tracked, &fixture));
        assert_close(fixture.name, &ours, fixture.get("logits"), 1e-11);
    }
}

#[test]
fn both_losses_are_that_of_fairseq() {
    for fixture in fixtures() {
        let model = fixture.model();
        let logits = logits(&Reference, &model, &fixture);
        let words = fixture.ids("target_output.ids");
        let reference = smoothed_cross_entropy(&logits, &words, SMOOTHING);
        let (ours, _) = loss_and_gradients(&fixture, &model);
        assert_close("reference", &[reference], fixture.get("loss"), 1e-11);
        assert_close("tape", &[ours.smoothed], fixture.get("loss"), 1e-11);
    }
}

#[test]
fn every_gradient_is_that_of_pytorch() {
    for fixture in fixtures() {
        let (_, gradients) = loss_and_gradients(&fixture, &fixture.model());
        for (info, buffer) in Transformer::list(&fixture.config).iter().zip(gradients.slices()) {
            let theirs = fixture.get(&format!("gradients.{}", info.slot));
            assert_close(&format!("{} {}", fixture.name, info.slot), buffer, theirs, 1e-11);
        }
    }
}

#[test]
fn ten_steps_of_adam_end_where_pytorch_ends() {
    let settings = AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    for fixture in fixtures() {
        let mut model = fixture.model();
        let zeros = Gradients::zeros(&model.weights);
        let (mut first, mut second) = (zeros.clone(), zeros);
        let mut losses = Vec::new();
        for step in 1..=10 {
            let (loss, gradients) = loss_and_gradients(&fixture, &model);
            losses.push(loss.smoothed);
            let moments =
                first.slices_mut().into_iter().zip(second.slices_mut()).zip(gradients.slices());
            for ((_, weights), ((m, v), gradient)) in
                model.weights.slices_mut().into_iter().zip(moments)
            {
                let buffers = AdamBuffers {
                    parameters: weights,
                    first_moment: m,
                    second_moment: v,
                    gradient,
                    copy: None,
                };
                let (learning_rate, gradient_factor, weight_decay) = (1e-3, 1.0, 0.0);
                let number = step;
                let step =
                    AdamStep { settings, learning_rate, number, gradient_factor, weight_decay };
                adam_step(buffers, &step);
            }
        }
        assert_close(fixture.name, &losses, fixture.get("losses"), 1e-9);
        for (slot, weights) in model.weights.slices() {
            let theirs = fixture.get(&format!("after.{}", slot));
            assert_close(&slot.to_string(), weights, theirs, 1e-8);
        }
    }
}
