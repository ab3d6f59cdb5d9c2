//! Whole training steps: the tape over this machine against the tape over the host, on weights that bfloat16 has.

use std::sync::Arc;

use half::bf16;
use wdistill_autograd::{
    DropoutSource, Gradients, Inside, LossSums, Place, Tape, Targets, Tracked, Variable, Workspace,
};
use wdistill_cuda::{AdamBuffers, Buffer, Device, Parameter, TapeMachine};
use wdistill_kernels as kernels;
use wdistill_kernels::layers::{LossTargets, Projection, TeacherDistribution};
use wdistill_kernels::machine::{Rows, Slopes};
use wdistill_kernels::{
    AdamSettings, AdamStep, Host, Machine, Precision, Real, adam_step, round_to_bfloat16,
};
use wdistill_model::{
    Activation, Architecture, AttentionKind, AttentionRole, Autoregression, Config, DecoderState,
    Dense, DropoutRates, Embeddings, FinalNorm, LayerPlace, Layout, LinearPlace, Model,
    NormPlacement, OutputBias, Stack, Tokens, Vocabularies,
};

use crate::tested::{Order, Tested};

const WORDS: usize = 23;

/// A tiny model whose weights are numbers of bfloat16, none of them at its start of zero or one.
fn model(seed: u64, change: impl Fn(&mut Architecture)) -> Model<Dense<f32>> {
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    for shape in [&mut architecture.encoder, &mut architecture.decoder] {
        (shape.layers, shape.width, shape.feed_forward, shape.heads) = (1, 16, 24, 2);
    }
    change(&mut architecture);
    let config = Config::new(architecture, Vocabularies::shared(WORDS)).unwrap();
    let mut model = Model::initialise(config, seed);
    for (index, (_, numbers)) in model.weights.slices_mut().into_iter().enumerate() {
        for (place, number) in numbers.iter_mut().enumerate() {
            let wave = ((place * 7 + index * 3) as f32).sin();
            *number = round_to_bfloat16(*number + 0.05 * wave);
        }
    }
    model
}

fn post_norm() -> Model<Dense<f32>> {
    model(1, |_| ())
}

fn pre_norm() -> Model<Dense<f32>> {
    model(2, |architecture| {
        architecture.norm = NormPlacement::Pre;
        architecture.final_norm = FinalNorm::Present;
        architecture.activation = Activation::Gelu;
        architecture.embeddings = Embeddings::AllTied;
        architecture.output_bias = OutputBias::Present;
    })
}

fn recurrent() -> Model<Dense<f32>> {
    model(3, |architecture| {
        architecture.autoregression = Autoregression::Ssru;
        architecture.activation = Activation::Swish;
        architecture.encoder.layers = 2;
    })
}

/// Sentences of several lengths, one of them empty.
struct Batch {
    source: Tokens,
    target: Tokens,
    words: Vec<u32>,
}

impl Batch {
    fn new() -> Batch {
        let sentence = |seed: usize, length: usize| -> Vec<u32> {
            (0..length).map(|n| ((seed * 5 + n * n * 3 + n) % (WORDS - 1) + 1) as u32).collect()
        };
        let pairs = [(4, 6), (1, 3), (37, 9), (3, 0), (5, 34)];
        let pairs = pairs.iter().enumerate();
        let pairs: Vec<_> =
            pairs.map(|(n, (s, t))| (sentence(n, *s), sentence(n + 9, *t))).collect();
        let inputs: Vec<Vec<u32>> = pairs.iter().map(|(_, t)| [&[0], &t[..]].concat()).collect();
        Batch {
            source: Tokens::from_sentences(pairs.iter().map(|(source, _)| source.as_slice())),
            target: Tokens::from_sentences(inputs.iter().map(Vec::as_slice)),
            words: pairs.iter().flat_map(|(_, target)| [&target[..], &[0]].concat()).collect(),
        }
    }

    /// The decoder's output.
    fn decode<M: Machine>(&self, tape: &Tape<'_, M>, model: &Model<Tracked>) -> Variable {
        let encoded = model.encode(tape, &self.source);
        let mut state = DecoderState::new(&model.config);
        model.decode(tape, &self.target, self.target.spans(), &encoded, &mut state)
    }

    /// What a teacher computes: its states, and how they become logits.
    fn see<'a, M: Machine>(
        &self,
        (tape, model): (Tape<'a, M>, Model<Tracked>),
        workspace: &Workspace<M>,
    ) -> (M::Numbers, Projection<M::Parameter<'a>>) {
        let states = tape.value(self.decode(&tape, &model));
        (workspace.copy_of(&states), tape.projection(&model))
    }

    /// A loss of each kind inside the model: a stream against what it came from, relations against those of queries, and a head
    /// that should see all source words alike; and `scale` times their slopes.
    fn inside<M: Machine>(
        &self,
        tape: &Tape<'_, M>,
        model: &Model<Tracked>,
        scale: f64,
    ) -> Result<Inside<M>, M::Error> {
        let [encoder, decoder] =
            [Stack::Encoder, Stack::Decoder].map(|stack| LayerPlace { stack, layer: 0 });
        let head = |role| LinearPlace::Attention(decoder, AttentionKind::CrossAttention, role);
        let read =
            LinearPlace::Attention(encoder, AttentionKind::SelfAttention, AttentionRole::Query);
        let [query, key] = [AttentionRole::Query, AttentionRole::Key].map(head);
        let places = [
            Place::After(encoder),
            Place::Read(read),
            Place::After(decoder),
            Place::Written(query),
            Place::Written(key),
        ];
        let found = places.map(|place| tape.at(model, place));
        let values = found.map(|variable| tape.value(variable));
        let rows = |n: usize| Rows { values: &*values[n], width: tape.width(found[n]) };
        let machine = tape.machine();
        let room = |n: usize| machine.take(M::length(&values[n]));
        let mut room = [room(0), room(2), room(3), room(4)];
        let [states, relations, queries, keys] =
            room.each_mut().map(|gradient| Slopes { gradient, scale });
        let (source, target) = (self.source.spans(), self.target.spans());
        let lengths = (0..source.sentences()).map(|n| (target.length(n), source.length(n)));
        let share = |(target, source): (usize, usize)| {
            std::iter::repeat_n(1.0 / source as f32, target * source)
        };
        let alignments: Vec<f32> = lengths.flat_map(share).collect();
        let losses = [
            machine.state_distance(states, rows(0), rows(1)),
            machine.relation_divergence(
                relations,
                rows(2),
                rows(3),
                &tape.spans(target, target),
                2,
            ),
            machine.guidance_loss(
                [queries, keys],
                [rows(3), rows(4)],
                &alignments,
                &tape.spans(target, source),
                (1, 2),
            ),
        ];
        let mut sum = 0.0;
        for loss in losses {
            sum += machine.inside(loss)?;
        }
        let variables = [found[0], found[2], found[3], found[4]];
        Ok((sum, variables.into_iter().zip(room).collect()))
    }

    /// The loss and its gradients, with losses inside, and mixed with a teacher's if there is one.
    fn learn<M: Machine>(
        &self,
        (tape, model): (Tape<'_, M>, Model<Tracked>),
        seen: Option<(M::Numbers, Projection<M::Parameter<'_>>)>,
        gradients: &mut Gradients<M>,
    ) -> Result<LossSums, M::Error> {
        let states = self.decode(&tape, &model);
        let teacher = seen.as_ref().map(|(states, projection)| TeacherDistribution {
            states,
            projection: *projection,
            weight: WEIGHT,
        });
        let loss = LossTargets { words: &self.words, smoothing: 0.1, teacher };
        let gradient_scale = 1.0 / self.words.len() as f64;
        let (inside, slopes) = self.inside(&tape, &model, 0.2 * gradient_scale)?;
        let targets = Targets { loss, gradient_scale };
        let sums = tape.backward(&model, states, &targets, slopes, gradients)?;
        Ok(LossSums { inside, ..sums })
    }
}

fn dropout(step: u64) -> DropoutSource {
    let rates = DropoutRates { residual: 0.1, attention: 0.1, activation: 0.1 };
    DropoutSource { rates, seed: 3, step }
}

/// A model's weights in one flat buffer.
fn flat(model: &Model<Dense<f32>>) -> (Arc<Layout>, Vec<f32>) {
    let layout = Layout::of(&model.weights);
    let mut numbers = vec![0.0; layout.length()];
    let places = layout.slices_mut(&mut numbers).into_iter();
    let weights = model.weights.slices().into_iter();
    places.zip(weights).for_each(|(place, (_, weights))| place.copy_from_slice(weights));
    (Arc::new(layout), numbers)
}

/// A model on this machine, with what Adam keeps.
struct OnMachine {
    config: Config,
    layout: Arc<Layout>,
    exact: Buffer<Tested, f32>,
    rounded: Buffer<Tested, bf16>,
    moments: [Buffer<Tested, f32>; 2],
}

impl OnMachine {
    fn new(device: &Device<Tested>, model: &Model<Dense<f32>>) -> OnMachine {
        let (layout, numbers) = flat(model);
        let rounded: Vec<bf16> = numbers.iter().map(|number| bf16::from_f32(*number)).collect();
        let zeros = || device.upload(&vec![0f32; numbers.len()]).unwrap();
        OnMachine {
            config: model.config.clone(),
            exact: device.upload(&numbers).unwrap(),
            rounded: device.upload(&rounded).unwrap(),
            moments: [zeros(), zeros()],
            layout,
        }
    }

    fn parameters(&self) -> Vec<Parameter<'_>> {
        let ranges = self.layout.ranges().iter().map(|named| named.range.clone());
        let of = |range: std::ops::Range<usize>| Parameter {
            rounded: self.rounded.part().range(range.clone()),
            exact: self.exact.part().range(range),
        };
        ranges.map(of).collect()
    }

    fn tape<'a>(
        &'a self,
        workspace: &'a Workspace<TapeMachine<Tested>>,
        dropout: DropoutSource,
    ) -> (Tape<'a, TapeMachine<Tested>>, Model<Tracked>) {
        Tape::over(Precision::Bfloat16, (&self.config, self.parameters()), workspace, dropout)
    }

    fn step(&self, device: &Device<Tested>, gradient: &Buffer<Tested, f32>, step: &AdamStep) {
        let buffers = AdamBuffers {
            parameters: self.exact.part(),
            first_moment: self.moments[0].part(),
            second_moment: self.moments[1].part(),
            rounded: self.rounded.part(),
            gradient: gradient.part(),
        };
        device.adam_step(buffers, step).unwrap();
    }
}

fn workspace(order: Order) -> Workspace<TapeMachine<Tested>> {
    Workspace::over(TapeMachine::new(Device::new(Tested::new(order))))
}

/// Loss and gradients on this machine.
fn found(model: &Model<Dense<f32>>, order: Order) -> (LossSums, Vec<f32>) {
    let workspace = workspace(order);
    let on_machine = OnMachine::new(workspace.machine().device(), model);
    let mut gradients = workspace.gradients(&on_machine.layout);
    let tape = on_machine.tape(&workspace, dropout(7));
    let sums = Batch::new().learn(tape, None, &mut gradients).unwrap();
    (sums, gradients.data().read().unwrap())
}

/// The same on the host, in other numbers.
fn expected<R: Real>(model: &Model<Dense<R>>) -> (LossSums, Gradients<Host<R>>) {
    let workspace = Workspace::new();
    let mut gradients = Gradients::zeros(&model.weights);
    let tape = Tape::record(model, &workspace, dropout(7));
    let Ok(sums) = Batch::new().learn(tape, None, &mut gradients);
    (sums, gradients)
}

fn length(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum::<f64>().sqrt()
}

/// Activations are rounded to eight bits at each operation, and here and there a number near zero falls on the other side of a
/// ReLU: a tensor's gradient is right to some hundredths of its length, all of them together to one hundredth.
#[test]
fn losses_and_gradients_are_those_of_the_host() {
    for model in [post_norm(), pre_norm(), recurrent()] {
        let (sums, numbers) = found(&model, Order::Natural);
        let (wanted, gradients) = expected(&model.convert::<f64>());
        assert_eq!(sums.tokens, wanted.tokens);
        // Distances between states are of rounded numbers, and have their roundings twice.
        for (found, wanted, tolerance) in [
            (sums.smoothed, wanted.smoothed, 1e-3),
            (sums.negative_log_likelihood, wanted.negative_log_likelihood, 1e-3),
            (sums.inside, wanted.inside, 4e-3),
        ] {
            assert!((found - wanted).abs() < tolerance * wanted, "{found}, expected {wanted}");
        }
        let all = length(gradients.data().iter().copied());
        let layout = Layout::of(&model.weights);
        let pairs = layout.ranges().iter().zip(layout.slices(&numbers)).zip(gradients.slices());
        let mut errors = Vec::new();
        for ((named, found), wanted) in pairs {
            let pairs = found.iter().zip(wanted);
            let error = length(pairs.map(|(found, wanted)| f64::from(*found) - wanted));
            let own = length(wanted.iter().copied());
            let bound = 0.05 * own + 1e-3 * all;
            assert!(error < bound, "{}: {error:e} of {own:e}, all {all:e}", named.name);
            errors.push(error);
        }
        let error = length(errors.into_iter());
        assert!(error < 0.02 * all, "{error:e} of {all:e}");
    }
}

#[test]
fn the_order_of_blocks_and_threads_changes_no_bit() {
    let (natural, mixed) = (found(&pre_norm(), Order::Natural), found(&pre_norm(), Order::Mixed));
    assert_eq!(natural.0, mixed.0);
    assert!(natural.1.iter().zip(&mixed.1).all(|(a, b)| a.to_bits() == b.to_bits()));
}

const UPDATES: u64 = 20;

/// How much of what is learned are a teacher's words.
const WEIGHT: f64 = 0.5;

fn adam(number: u64) -> AdamStep {
    AdamStep {
        settings: AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 },
        learning_rate: 5e-3,
        number,
        gradient_factor: 1.0,
        weight_decay: 0.0,
    }
}

/// Losses of some updates here, from a teacher's words too if there is one.
fn losses_here(model: &Model<Dense<f32>>, teacher: Option<&Model<Dense<f32>>>) -> Vec<f64> {
    let (workspace, batch) = (workspace(Order::Natural), Batch::new());
    let device = workspace.machine().device();
    let student = OnMachine::new(device, model);
    let teacher = teacher.map(|teacher| OnMachine::new(device, teacher));
    let update = |number| {
        let seen = teacher
            .as_ref()
            .map(|teacher| batch.see(teacher.tape(&workspace, DropoutSource::NONE), &workspace));
        let mut gradients = workspace.gradients(&student.layout);
        let tape = student.tape(&workspace, dropout(number));
        let sums = batch.learn(tape, seen, &mut gradients).unwrap();
        student.step(device, gradients.data(), &adam(number));
        sums.smoothed / sums.tokens as f64
    };
    (1..=UPDATES).map(update).collect()
}

/// The same on the host.
fn losses_on_host(model: &Model<Dense<f32>>, teacher: Option<&Model<Dense<f32>>>) -> Vec<f64> {
    let (workspace, batch, mut model) = (Workspace::new(), Batch::new(), model.clone());
    let layout = Arc::new(Layout::of(&model.weights));
    let mut moments = [vec![0f32; layout.length()], vec![0f32; layout.length()]];
    let mut update = |number| {
        let seen = teacher.map(|teacher| {
            batch.see(Tape::record(teacher, &workspace, DropoutSource::NONE), &workspace)
        });
        let mut gradients: Gradients<Host<f32>> = workspace.gradients(&layout);
        let tape = Tape::record(&model, &workspace, dropout(number));
        let Ok(sums) = batch.learn(tape, seen, &mut gradients);
        let [first, second] = moments.each_mut().map(|moments| layout.slices_mut(moments));
        let moments = first.into_iter().zip(second);
        let weights = model.weights.slices_mut().into_iter().map(|(_, weights)| weights);
        for ((parameters, gradient), (first_moment, second_moment)) in
            weights.zip(gradients.slices()).zip(moments)
        {
            let copy = None;
            adam_step(
                kernels::AdamBuffers { parameters, first_moment, second_moment, gradient, copy },
                &adam(number),
            );
        }
        sums.smoothed / sums.tokens as f64
    };
    (1..=UPDATES).map(&mut update).collect()
}

/// Both learn alike, with masters of float32 behind the rounded weights: from right words alone, and from a teacher's too.
#[test]
fn twenty_updates_have_the_losses_of_the_host() {
    let teacher = recurrent();
    for (model, teacher) in [(post_norm(), None), (pre_norm(), None), (post_norm(), Some(&teacher))]
    {
        let (found, wanted) = (losses_here(&model, teacher), losses_on_host(&model, teacher));
        assert!(wanted[UPDATES as usize - 1] < 0.9 * wanted[0], "nothing is learned: {wanted:?}");
        for (number, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let error = (found - wanted).abs();
            assert!(error < 4e-3 * wanted, "update {}: {found}, expected {wanted}", number + 1);
        }
    }
}
