//! How long the operations of a training step take on a card: `cargo bench -p wdistill-cuda`, with the number of a card behind `--`
//! where it is not 0. The sizes are those of transformer-base, 25,000 tokens in sentences of 25.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use half::bf16;
use wdistill_base::Hinted;
use wdistill_cuda::{
    AdamBuffers, AttentionInputs, AttentionOutput, AttentionShape, Buffer, Card,
    CrossEntropyGradients, CudaError, Device, DropoutMask, LayerNorm, LossTargets, Matrix,
    NormGradients, NormStatistics, Number, Projection, Rows,
};
use wdistill_kernels::{Accumulate, AdamSettings, AdamStep, DropoutKey, Mask};

const TOKENS: usize = 25_000;
const SENTENCE: usize = 25;
const WIDTH: usize = 512;
const INNER: usize = 2048;
const HEADS: usize = 8;
const WORDS: usize = 32_000;
const PARAMETERS: usize = 60_000_000;

/// Rounds of a measurement, of which the median counts, and calls in a round.
const ROUNDS: usize = 5;
const CALLS: usize = 20;

struct Bench {
    device: Device<Card>,
    /// To wait for the card.
    end: Buffer<Card, f32>,
}

/// What a call does.
enum Work {
    Bytes(usize),
    Operations(usize),
}

impl Bench {
    fn new(card: Card) -> Result<Bench, CudaError> {
        let device = Device::new(card);
        Ok(Bench { end: device.upload(&[0f32])?, device })
    }

    /// Small numbers of no meaning.
    fn numbers<T: Number>(
        &self,
        length: usize,
        of: impl Fn(f32) -> T,
    ) -> Result<Buffer<Card, T>, CudaError> {
        let number = |index: usize| of((index * 7919 % 1009) as f32 / 1009.0 - 0.5);
        self.device.upload(&(0..length).map(number).collect::<Vec<T>>())
    }

    fn bf16(&self, length: usize) -> Result<Buffer<Card, bf16>, CudaError> {
        self.numbers(length, bf16::from_f32)
    }

    fn float32(&self, length: usize) -> Result<Buffer<Card, f32>, CudaError> {
        self.numbers(length, |number| number)
    }

    fn time(
        &self,
        name: &str,
        work: Work,
        call: impl Fn(&Device<Card>) -> Result<(), CudaError>,
    ) -> Result<(), CudaError> {
        call(&self.device)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            self.end.read()?;
            let start = Instant::now();
            for _ in 0..CALLS {
                call(&self.device)?;
            }
            self.end.read()?;
            rounds.push(start.elapsed().as_secs_f64() / CALLS as f64);
        }
        rounds.sort_by(f64::total_cmp);
        let seconds = rounds[ROUNDS / 2];
        let rate = match work {
            Work::Bytes(bytes) => format!("{:8.0} GB/s", bytes as f64 / seconds / 1e9),
            Work::Operations(count) => format!("{:8.1} TFLOP/s", count as f64 / seconds / 1e12),
        };
        println!("{name:<40} {:9.3} ms {rate}", 1e3 * seconds);
        Ok(())
    }

    fn products(&self) -> Result<(), CudaError> {
        for (inputs, outputs) in
            [(WIDTH, WIDTH), (WIDTH, 3 * WIDTH), (WIDTH, INNER), (INNER, WIDTH)]
        {
            let (x, dy) = (self.bf16(TOKENS * inputs)?, self.bf16(TOKENS * outputs)?);
            let (weight, dweight) = (self.bf16(inputs * outputs)?, self.float32(inputs * outputs)?);
            let y = self.device.take::<bf16>(TOKENS * outputs)?;
            let operations = 2 * TOKENS * inputs * outputs;
            let x = Matrix::new(x.part(), TOKENS, inputs);
            let weight = Matrix::new(weight.part(), outputs, inputs);
            let name = format!("product {inputs} to {outputs}");
            self.time(&name, Work::Operations(operations), |device| {
                device.product(y.part(), Accumulate::Overwrite, x, weight.transposed())
            })?;
            let dy = Matrix::new(dy.part(), TOKENS, outputs);
            let name = format!("gradient of the weight {inputs} to {outputs}");
            self.time(&name, Work::Operations(operations), |device| {
                device.product(dweight.part(), Accumulate::Add, dy.transposed(), x)
            })?;
        }
        Ok(())
    }

    fn norms(&self) -> Result<(), CudaError> {
        let length = TOKENS * WIDTH;
        let [x, branch, sum, y] = [0; 4].map(|_| self.bf16(length));
        let (x, branch, sum, y) = (x?, branch?, sum?, y?);
        let [gain, bias, dgain, dbias] = [0; 4].map(|_| self.float32(WIDTH));
        let (gain, bias, dgain, dbias) = (gain?, bias?, dgain?, dbias?);
        let (mean, deviation) = (self.float32(TOKENS)?, self.float32(TOKENS)?);
        let norm = LayerNorm { gain: gain.part(), bias: bias.part(), epsilon: 1e-5 };
        let statistics =
            NormStatistics { mean: mean.part(), reciprocal_deviation: deviation.part() };
        let mask = dropout();
        self.time("residual, dropout, norm", Work::Bytes(8 * length), |device| {
            let (y, sum) = (y.part(), sum.part());
            device.residual_norm_forward(y, sum, statistics, x.part(), branch.part(), mask, &norm)
        })?;
        let gradients = NormGradients {
            input: x.part(),
            accumulate: Accumulate::Overwrite,
            branch: Some(branch.part()),
            gain: dgain.part(),
            bias: dbias.part(),
        };
        self.time("its way back", Work::Bytes(8 * length), |device| {
            device.norm_backward(gradients, y.part(), sum.part(), statistics, mask, &norm)
        })
    }

    fn attention(&self) -> Result<(), CudaError> {
        let length = TOKENS * WIDTH;
        let (joint, gradients, y, dy) = (
            self.bf16(3 * length)?,
            self.bf16(3 * length)?,
            self.bf16(length)?,
            self.bf16(length)?,
        );
        let log_sums = self.float32(TOKENS * HEADS)?;
        let offsets: Vec<usize> = (0..=TOKENS).step_by(SENTENCE).collect();
        let spans = self.device.attention_spans(&offsets, &offsets)?;
        let shape =
            AttentionShape { width: WIDTH, heads: HEADS, mask: Mask::Causal, dropout: dropout() };
        let inputs = side_by_side(&joint);
        let output = AttentionOutput { y: y.part(), log_sums: log_sums.part() };
        self.time("attention", Work::Bytes(8 * length), |device| {
            device.attention_forward(output, &inputs, &spans, &shape)
        })?;
        let gradients = side_by_side(&gradients);
        self.time("its way back", Work::Bytes(18 * length), |device| {
            device.attention_backward(&gradients, dy.part(), output, &inputs, &spans, &shape)
        })
    }

    fn loss(&self) -> Result<(), CudaError> {
        let (x, dx, table) =
            (self.bf16(TOKENS * WIDTH)?, self.bf16(TOKENS * WIDTH)?, self.bf16(WORDS * WIDTH)?);
        let dtable = self.float32(WORDS * WIDTH)?;
        let words: Vec<u32> = (0..TOKENS).map(|token| (token * 7919 % WORDS) as u32).collect();
        let words = self.device.indices(&words)?;
        let targets = LossTargets { words: &words, smoothing: 0.1, teacher: None };
        let projection = Projection { table: table.part(), bias: None, width: WIDTH };
        let gradients = CrossEntropyGradients {
            input: dx.part(),
            table: Some(dtable.part()),
            bias: None,
            factor: 1.0,
        };
        self.time(
            "projection, loss and gradients",
            Work::Operations(6 * TOKENS * WIDTH * WORDS),
            |device| {
                device.cross_entropy(Some(&gradients), x.part(), &targets, &projection).map(drop)
            },
        )
    }

    fn optimiser(&self) -> Result<(), CudaError> {
        let [p, m, v, g] = [0; 4].map(|_| self.numbers(PARAMETERS, f32::abs));
        let (p, m, v, g) = (p?, m?, v?, g?);
        let rounded = self.device.take::<bf16>(PARAMETERS)?;
        let buffers = AdamBuffers {
            parameters: p.part(),
            first_moment: m.part(),
            second_moment: v.part(),
            rounded: rounded.part(),
            gradient: g.part(),
        };
        let step = AdamStep {
            settings: AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-8 },
            learning_rate: 1e-4,
            number: 1,
            gradient_factor: 1.0,
            weight_decay: 0.0,
        };
        self.time("adam", Work::Bytes(30 * PARAMETERS), |device| device.adam_step(buffers, &step))?;
        self.time("sums of squares", Work::Bytes(4 * PARAMETERS), |device| {
            device.sums_of_squares(g.part()).map(drop)
        })
    }
}

fn dropout() -> DropoutMask {
    DropoutMask::new(0.1, DropoutKey { seed: 1, stream: 2 })
}

/// Queries, keys and values in one matrix.
fn side_by_side(joint: &Buffer<Card, bf16>) -> AttentionInputs<'_> {
    let all = joint.part();
    let rows = |place: usize| Rows {
        numbers: all.range(place * WIDTH..all.length()),
        distance: 3 * WIDTH,
    };
    AttentionInputs { queries: rows(0), keys: rows(1), values: rows(2) }
}

fn run(number: usize) -> Result<(), CudaError> {
    let card = Card::open(number)?;
    println!("{}", card.name());
    let bench = Bench::new(card)?;
    bench.products()?;
    bench.norms()?;
    bench.attention()?;
    bench.loss()?;
    bench.optimiser()
}

fn main() {
    // Cargo adds an argument of its own.
    let number = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(0);
    if let Err(error) = run(number) {
        println!("{error}");
        error.hint().iter().for_each(|hint| println!("{hint}"));
        std::process::exit(1);
    }
}
