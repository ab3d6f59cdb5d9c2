//! Sums over activations, and what is solved from them, in float64.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn, SymmetricEigen};
use wdistill_model::Matrix;

/// Part of the mean variance of the inputs that a regression adds to each of them: enough for inputs that hardly vary.
const RIDGE: f64 = 1e-4;

/// Directions whose part of the largest one is below this count as empty.
const EMPTY: f64 = 1e-9;

/// Sums over rows, from which means and covariances follow.
#[derive(Clone, Debug)]
pub struct Covariance {
    count: f64,
    sum: DVector<f64>,
    products: DMatrix<f64>,
}

impl Covariance {
    /// Of no rows of so many numbers.
    pub fn new(width: usize) -> Covariance {
        let (sum, products) = (DVector::zeros(width), DMatrix::zeros(width, width));
        Covariance { count: 0.0, sum, products }
    }

    /// Adds rows, `[rows, width]`.
    pub fn add(&mut self, rows: &DMatrix<f64>) {
        self.count += rows.nrows() as f64;
        self.sum += rows.row_sum().transpose();
        self.products += rows.tr_mul(rows);
    }

    /// Mean of the rows.
    pub fn mean(&self) -> DVector<f64> {
        &self.sum / self.count
    }

    /// Mean product of two numbers, `[width, width]`.
    pub fn second_moments(&self) -> DMatrix<f64> {
        &self.products / self.count
    }

    /// Mean product of what two numbers have over their means, `[width, width]`.
    pub fn matrix(&self) -> DMatrix<f64> {
        let mean = self.mean();
        &self.products / self.count - &mean * mean.transpose()
    }
}

/// `y = x Wᵀ + b`, `W [outputs, inputs]`.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `W`.
    pub weight: DMatrix<f64>,
    /// `b`.
    pub bias: DVector<f64>,
}

impl Affine {
    /// This one of what another gives.
    pub fn after(&self, first: &Affine) -> Affine {
        Affine {
            weight: &self.weight * &first.weight,
            bias: &self.weight * &first.bias + &self.bias,
        }
    }
}

/// Sums over rows of inputs and outputs.
#[derive(Clone, Debug)]
pub struct Regression {
    inputs: Covariance,
    outputs: Covariance,
    /// `[inputs, outputs]`.
    products: DMatrix<f64>,
}

impl Regression {
    /// Of no rows.
    pub fn new(inputs: usize, outputs: usize) -> Regression {
        Regression {
            inputs: Covariance::new(inputs),
            outputs: Covariance::new(outputs),
            products: DMatrix::zeros(inputs, outputs),
        }
    }

    /// Adds rows, `[rows, inputs]` and `[rows, outputs]`.
    pub fn add(&mut self, inputs: &DMatrix<f64>, outputs: &DMatrix<f64>) {
        self.inputs.add(inputs);
        self.outputs.add(outputs);
        self.products += inputs.tr_mul(outputs);
    }

    /// Of the outputs.
    pub fn outputs(&self) -> &Covariance {
        &self.outputs
    }

    /// `[inputs, outputs]`.
    fn covariance(&self) -> DMatrix<f64> {
        let means = self.inputs.mean() * self.outputs.mean().transpose();
        &self.products / self.inputs.count - means
    }

    /// Of `C_xx + ridge I`; none if the inputs do not vary, and have nothing to say.
    fn factor(&self) -> Option<Cholesky<f64, Dyn>> {
        let inputs = self.inputs.matrix();
        let width = inputs.nrows();
        let size = inputs.trace() / width as f64;
        // Rounding can leave the sum of nearly dependent inputs short of positive definite; a larger ridge does not.
        let ridges = [RIDGE, 1e2 * RIDGE, 1e4 * RIDGE].into_iter().filter(|_| size > 0.0);
        ridges
            .map(|ridge| &inputs + DMatrix::identity(width, width) * (ridge * size))
            .find_map(Cholesky::new)
    }

    /// The map with the least mean of `|y - W x - b|² + ridge |W|²`, where `ridge` is a part of the mean variance of the
    /// inputs: `W = C_yx (C_xx + ridge I)⁻¹`.
    pub fn solve(&self) -> Affine {
        let weight = match self.factor() {
            Some(factor) => factor.solve(&self.covariance()).transpose(),
            None => DMatrix::zeros(self.products.ncols(), self.products.nrows()),
        };
        let bias = self.outputs.mean() - &weight * self.inputs.mean();
        Affine { weight, bias }
    }
}

/// For each number of an output, the line over the same number of an input; and what part of the outputs' variance all of
/// them explain.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Slopes.
    pub gain: DVector<f64>,
    /// What is added.
    pub shift: DVector<f64>,
    /// From 0 to 1.
    pub explained: f64,
}

impl Regression {
    /// The lines of least squares, number by number.
    pub fn lines(&self) -> Lines {
        let (inputs, outputs) = (self.inputs.matrix().diagonal(), self.outputs.matrix().diagonal());
        let both = self.covariance().diagonal();
        let gain =
            both.zip_map(&inputs, |both, input| if input > 0.0 { both / input } else { 0.0 });
        let shift = self.outputs.mean() - gain.component_mul(&self.inputs.mean());
        let all = outputs.sum();
        let explained = if all > 0.0 { gain.dot(&both) / all } else { 1.0 };
        Lines { gain, shift, explained }
    }
}

/// Two sides of a map of low rank: `x ≈ back (forthᵀ x)`, both `[width, rank]`.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// What takes a vector to its few numbers.
    pub forth: DMatrix<f64>,
    /// What takes these back.
    pub back: DMatrix<f64>,
}

/// The map of rank `rank` with the least mean of `(x - B Fᵀ x)ᵀ G (x - B Fᵀ x)`, for vectors with the mean products `C`: with
/// the leading eigenvectors `U` of `sqrt(G) C sqrt(G)` and their eigenvalues `D`, `F = sqrt(G) U / sqrt(D)`,
/// `B = sqrt(G)⁻¹ U sqrt(D)`, so that each number of `Fᵀ x` has a mean square of 1. (Eckart and Young, 1936, in the metric of `G`.)
pub fn best_rank(metric: &DMatrix<f64>, covariance: &DMatrix<f64>, rank: usize) -> LowRank {
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(metric.clone());
    let floor = EMPTY * eigenvalues.max().max(f64::MIN_POSITIVE);
    let power = |exponent: f64| {
        let scales = eigenvalues.map(|value| value.max(floor).powf(exponent));
        &eigenvectors * DMatrix::from_diagonal(&scales) * eigenvectors.transpose()
    };
    let (root, inverse) = (power(0.5), power(-0.5));
    let SymmetricEigen { eigenvectors, eigenvalues } =
        SymmetricEigen::new(&root * covariance * &root);
    let mut order: Vec<usize> = (0..eigenvalues.len()).collect();
    order.sort_by(|one, other| eigenvalues[*other].total_cmp(&eigenvalues[*one]));
    let leading = eigenvectors.select_columns(&order[..rank]);
    let floor = EMPTY * eigenvalues.max().max(f64::MIN_POSITIVE);
    let deviations = DVector::from_iterator(
        rank,
        order[..rank].iter().map(|i| eigenvalues[*i].max(floor).sqrt()),
    );
    let scales = DMatrix::from_diagonal(&deviations);
    let reciprocals = DMatrix::from_diagonal(&deviations.map(|deviation| 1.0 / deviation));
    LowRank { forth: root * &leading * reciprocals, back: inverse * leading * scales }
}

/// A matrix of the model in float64.
pub(crate) fn widened(matrix: &Matrix<f32>) -> DMatrix<f64> {
    rows(matrix.data(), matrix.columns())
}

/// Packed rows in float64.
pub(crate) fn rows(data: &[f32], width: usize) -> DMatrix<f64> {
    DMatrix::from_row_iterator(data.len() / width, width, data.iter().map(|x| f64::from(*x)))
}

/// The other way.
pub(crate) fn narrowed(matrix: &DMatrix<f64>) -> Matrix<f32> {
    Matrix::from_fn(matrix.nrows(), matrix.ncols(), |row, column| matrix[(row, column)] as f32)
}
