//! Muon's update of one matrix.

use super::*;
use wdistill_kernels::MuonStep;

/// A matrix `[rows, columns]` and what a step works on, all row by row.
#[derive(Clone, Copy, Debug)]
pub struct MuonBuffers<'a> {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// `P`.
    pub parameters: Part<'a, f32>,
    /// `M`.
    pub moment: Part<'a, f32>,
    /// `P` as products read it.
    pub rounded: Part<'a, bf16>,
    /// Of the loss.
    pub gradient: Part<'a, f32>,
}

// The constants of `wdistill_kernels::muon_step`, where their sources stand.
const ITERATIONS: usize = 5;
const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
const SMALLEST_NORM: f32 = 1e-7;
const ROOT_MEAN_SQUARE: f64 = 0.2;

impl<L: Launcher> Device<L> {
    /// One step of Muon with Nesterov momentum, in float32; the formula stands at [`wdistill_kernels::muon_step`].
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn muon_step(&self, buffers: MuonBuffers<'_>, step: &MuonStep) -> Result<(), CudaError> {
        let (rows, columns) = (buffers.rows, buffers.columns);
        let length = rows * columns;
        for (what, part) in [
            ("muon's parameters", buffers.parameters),
            ("muon's moment", buffers.moment),
            ("muon's gradient", buffers.gradient),
        ] {
            check(what, part, length);
        }
        check("muon's rounded parameters", buffers.rounded, length);
        let update = self.take::<f32>(length)?;
        let keep = step.settings.momentum;
        let add = (1.0 - keep) * step.gradient_factor;
        let arguments = arguments![
            update.part().address(),
            buffers.moment.address(),
            buffers.gradient.address(),
            length as i64,
            keep as f32,
            add as f32
        ];
        self.launch(Kernel::MuonMomentum, thread_a_number(length), &arguments)?;
        let update = self.orthogonal(update, rows, columns)?;
        let size = ROOT_MEAN_SQUARE * (rows.max(columns) as f64).sqrt();
        let arguments = arguments![
            buffers.parameters.address(),
            buffers.rounded.address(),
            update.part().address(),
            length as i64,
            (1.0 - step.learning_rate * step.weight_decay) as f32,
            (step.learning_rate * size) as f32
        ];
        self.launch(Kernel::MuonFinish, thread_a_number(length), &arguments)
    }

    /// The matrix with its singular values taken close to 1.
    fn orthogonal(
        &self,
        mut x: Buffer<L, f32>,
        rows: usize,
        columns: usize,
    ) -> Result<Buffer<L, f32>, CudaError> {
        self.divide_by_norm(x.part())?;
        let [a, b, c] = COEFFICIENTS;
        let short = rows.min(columns);
        let (square, factor) = (self.take::<f32>(short * short)?, self.take::<f32>(short * short)?);
        let mut next = self.take::<f32>(rows * columns)?;
        for _ in 0..ITERATIONS {
            let whole = Matrix::new(x.part(), rows, columns);
            // `X Xᵀ` on the short side; for a tall matrix `Xᵀ X`, with the factor on the right.
            let (left, right) = match rows <= columns {
                true => (whole, whole.transposed()),
                false => (whole.transposed(), whole),
            };
            self.product(square.part(), Accumulate::Overwrite, left, right)?;
            let squared = Matrix::new(square.part(), short, short);
            self.product(factor.part(), Accumulate::Overwrite, squared, squared)?;
            self.combine(factor.part(), square.part(), b, c)?;
            let polynomial = Matrix::new(factor.part(), short, short);
            let (left, right) = match rows <= columns {
                true => (polynomial, whole),
                false => (whole, polynomial),
            };
            self.product(next.part(), Accumulate::Overwrite, left, right)?;
            self.combine(next.part(), x.part(), a, 1.0)?;
            std::mem::swap(&mut x, &mut next);
        }
        Ok(x)
    }

    /// `x /= max(|x|, SMALLEST_NORM)`.
    fn divide_by_norm(&self, x: Part<'_, f32>) -> Result<(), CudaError> {
        let squares = self.dot_pieces(x, x)?;
        let arguments = arguments![
            x.address(),
            squares.part().address(),
            count(squares.length()),
            SMALLEST_NORM,
            x.length() as i64
        ];
        self.launch(Kernel::DivideByNorm, thread_a_number(x.length()), &arguments)
    }

    /// `y = a x + b y`.
    fn combine(&self, y: Part<'_, f32>, x: Part<'_, f32>, a: f32, b: f32) -> Result<(), CudaError> {
        let arguments = arguments![y.address(), x.address(), y.length() as i64, a, b];
        self.launch(Kernel::Combine, thread_a_number(y.length()), &arguments)
    }
}
