//! Output projection and cross-entropy, of which only a chunk of logits lives at a time.

use super::linear::Products;
use super::*;
use crate::launcher::{Epilogue, Passed};
use crate::pool::address_of;
use wdistill_kernels::CrossEntropySums;

/// Rows of logits that live at a time: with 32,000 words 33 MB, which a card's second-level cache holds.
const CHUNK: usize = 512;

/// Threads of a block, which has a row of logits.
const ROW_THREADS: u32 = 256;

/// The output projection: `logits = x W^T + b`.
#[derive(Clone, Copy, Debug)]
pub struct Projection<'a> {
    /// `W [vocabulary, width]`, often the embedding table.
    pub table: Part<'a, bf16>,
    /// `b [vocabulary]`, or none.
    pub bias: Option<Part<'a, bf16>>,
    /// Width of the hidden states.
    pub width: usize,
}

/// What a teacher thinks of all words: `q = softmax(states W_tᵀ + b_t)`.
#[derive(Clone, Copy, Debug)]
pub struct TeacherDistribution<'a> {
    /// The teacher's hidden states, `[rows, its width]`.
    pub states: Part<'a, bf16>,
    /// The teacher's output projection, over as many words.
    pub projection: Projection<'a>,
    /// Weight of the distribution's cross-entropy, from 0 to 1; the right word has the rest.
    pub weight: f64,
}

/// The right word of each row, and perhaps a teacher's distribution.
#[derive(Clone, Copy, Debug)]
pub struct LossTargets<'a, L: Launcher> {
    /// The right words, `[rows]`.
    pub words: &'a Indices<L>,
    /// Label smoothing, at least 0 and below 1.
    pub smoothing: f64,
    /// The teacher's distribution.
    pub teacher: Option<TeacherDistribution<'a>>,
}

/// Where the gradients go, and what they are multiplied by.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropyGradients<'a> {
    /// Of `x [rows, width]`, overwritten.
    pub input: Part<'a, bf16>,
    /// Of `W [vocabulary, width]`, added.
    pub table: Option<Part<'a, f32>>,
    /// Of `b [vocabulary]`, added.
    pub bias: Option<Part<'a, f32>>,
    /// Factor on every gradient.
    pub factor: f64,
}

/// Losses that the machine is still adding up.
#[derive(Debug)]
pub struct CrossEntropyLosses<L: Launcher> {
    /// Of losses, of negative logarithms of likelihoods, and of rows that are right.
    sums: Buffer<L, f64>,
}

impl<L: Launcher> CrossEntropyLosses<L> {
    /// The losses, once everything that was asked before is done.
    ///
    /// # Errors
    /// If the machine fails, or failed before.
    pub fn read(&self) -> Result<CrossEntropySums, CudaError> {
        let sums = self.sums.read()?;
        let [loss, negative_log_likelihood, correct] = [sums[0], sums[1], sums[2]];
        Ok(CrossEntropySums { loss, negative_log_likelihood, correct: correct as usize })
    }
}

/// `LossWeights` of `loss.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Weights {
    target: f32,
    every: f32,
    teacher: f32,
    factor: f32,
    has_gradients: i32,
}

// SAFETY: `repr(C)`, of numbers only.
#[allow(unsafe_code)]
unsafe impl Passed for Weights {}

impl Projection<'_> {
    /// Checks lengths against `rows` rows, and says how many words there are.
    pub(super) fn check(&self, x: Part<'_, bf16>, rows: usize) -> usize {
        let vocabulary = rows_of("cross-entropy's table", self.table, self.width);
        assert!(vocabulary > 1, "cross-entropy: a vocabulary of {vocabulary} words");
        check("cross-entropy's x", x, rows * self.width);
        if let Some(bias) = self.bias {
            check("cross-entropy's bias", bias, vocabulary);
        }
        vocabulary
    }

    fn products(&self, rows: usize) -> Products {
        Products { rows, inputs: self.width, outputs: self.table.length() / self.width }
    }

    /// The product that makes logits of some rows.
    fn logits(&self, logits: Part<'_, bf16>, x: Part<'_, bf16>) -> Product {
        let epilogue = self.bias.map_or(Epilogue::None, |bias| Epilogue::Bias(bias.address()));
        let products = self.products(x.length() / self.width);
        products.forward(logits.address(), x.address(), self.table.address(), epilogue)
    }
}

impl<L: Launcher> LossTargets<'_, L> {
    /// The weights of a row's parts, as [`wdistill_kernels::smoothed_cross_entropy`] has them.
    fn weights(&self, vocabulary: usize, gradients: Option<&CrossEntropyGradients<'_>>) -> Weights {
        let smoothing = self.smoothing;
        assert!((0.0..1.0).contains(&smoothing), "label smoothing {smoothing} is not in [0, 1)");
        let teacher = self.teacher.map_or(0.0, |teacher| teacher.weight);
        assert!((0.0..=1.0).contains(&teacher), "weight {teacher} of the teacher is not in [0, 1]");
        let every = smoothing / (vocabulary - 1) as f64;
        Weights {
            target: ((1.0 - teacher) * (1.0 - smoothing - every)) as f32,
            every: ((1.0 - teacher) * every) as f32,
            teacher: teacher as f32,
            factor: gradients.map_or(0.0, |gradients| gradients.factor as f32),
            has_gradients: i32::from(gradients.is_some()),
        }
    }
}

impl<L: Launcher> Device<L> {
    /// The cross-entropy of `x [rows, width]`, and its gradients where they are wanted; the formula stands at
    /// [`wdistill_kernels::smoothed_cross_entropy`]. Logits are rounded to bfloat16.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, a word is not in the vocabulary, or a weight is out of its range.
    pub fn cross_entropy(
        &self,
        gradients: Option<&CrossEntropyGradients<'_>>,
        x: Part<'_, bf16>,
        targets: &LossTargets<'_, L>,
        projection: &Projection<'_>,
    ) -> Result<CrossEntropyLosses<L>, CudaError> {
        let (rows, width) = (targets.words.length(), projection.width);
        let vocabulary = projection.check(x, rows);
        if let Some(teacher) = &targets.teacher {
            let found = teacher.projection.check(teacher.states, rows);
            assert_eq!(found, vocabulary, "cross-entropy: the teacher's vocabulary");
        }
        if let Some(gradients) = gradients {
            check("cross-entropy's dx", gradients.input, x.length());
        }
        let all_words = targets.words.below("cross-entropy's words", vocabulary);
        let weights = targets.weights(vocabulary, gradients);
        let chunk = CHUNK.min(rows);
        let logits = self.take::<bf16>(chunk * vocabulary)?;
        let of_teacher =
            targets.teacher.map(|_| self.take::<bf16>(chunk * vocabulary)).transpose()?;
        let results = self.take::<f64>(3 * chunk)?;
        let sums = self.take::<f64>(3)?;
        sums.clear()?;
        for start in (0..rows).step_by(CHUNK) {
            let range = start..(start + CHUNK).min(rows);
            let logits = logits.part().range(0..range.len() * vocabulary);
            let own = x.range(range.start * width..range.end * width);
            self.compute(&projection.logits(logits, own))?;
            let other = of_teacher.as_ref().map(|buffer| buffer.part().range(0..logits.length()));
            if let (Some(teacher), Some(other)) = (&targets.teacher, other) {
                let width = teacher.projection.width;
                let states = teacher.states.range(range.start * width..range.end * width);
                self.compute(&teacher.projection.logits(other, states))?;
            }
            let words = all_words.after(range.start * size_of::<u32>());
            self.losses(results.part(), logits, other, (words, range.len()), weights)?;
            self.add_results(sums.part(), results.part().range(0..3 * range.len()))?;
            if let Some(gradients) = gradients {
                self.gradients_of_logits(gradients, logits, own, range.start, projection)?;
            }
        }
        Ok(CrossEntropyLosses { sums })
    }

    /// The losses of a chunk, whose logits become their gradients where they are wanted.
    fn losses(
        &self,
        results: Part<'_, f64>,
        logits: Part<'_, bf16>,
        teacher: Option<Part<'_, bf16>>,
        (words, rows): (Address, usize),
        weights: Weights,
    ) -> Result<(), CudaError> {
        let arguments = arguments![
            results.address(),
            logits.address(),
            address_of(teacher),
            words,
            count(logits.length() / rows),
            weights
        ];
        let grid = Grid::line(rows, ROW_THREADS).with_shared(ROW_THREADS as usize / 32);
        self.launch(Kernel::CrossEntropy, grid, &arguments)
    }

    /// What follows from the gradients of a chunk of logits.
    fn gradients_of_logits(
        &self,
        gradients: &CrossEntropyGradients<'_>,
        dlogits: Part<'_, bf16>,
        x: Part<'_, bf16>,
        first_row: usize,
        projection: &Projection<'_>,
    ) -> Result<(), CudaError> {
        let products = projection.products(x.length() / projection.width);
        let start = first_row * projection.width;
        let dx = gradients.input.range(start..start + x.length()).address();
        let (dy, table) = (dlogits.address(), projection.table.address());
        self.compute(&products.of_input(dx, Accumulate::Overwrite, dy, table))?;
        if let Some(dtable) = gradients.table {
            check("cross-entropy's dtable", dtable, projection.table.length());
            self.compute(&products.of_weight(dtable.address(), dy, x.address()))?;
        }
        gradients.bias.map_or(Ok(()), |dbias| self.add_column_sums(dbias, dlogits))
    }
}
