//! The linear layer with bias, activation and dropout.

use super::*;
use crate::DropoutMask;
use crate::launcher::{Address, Epilogue, Factor, Storage};
use wdistill_base::Activation;
use wdistill_kernels::Layout;

/// A linear layer: `y = dropout(activation(x W^T + b))`.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// `W [outputs, inputs]`. Tensor cores want it to start at a multiple of 16 bytes, as rows of a multiple of 8 numbers do.
    pub weight: Part<'a, bf16>,
    /// `b [outputs]`, or none.
    pub bias: Option<Part<'a, bf16>>,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Applied to each element before dropout, if any.
    pub activation: Option<Activation>,
    /// Applied last.
    pub dropout: DropoutMask,
}

/// Where [`Device::linear_backward`] puts the gradients; absent ones are not computed.
#[derive(Clone, Copy, Debug)]
pub struct LinearGradients<'a> {
    /// Of `x [rows, inputs]`.
    pub input: Option<(Part<'a, bf16>, Accumulate)>,
    /// Of `W`, added.
    pub weight: Option<Part<'a, f32>>,
    /// Of `b`, added.
    pub bias: Option<Part<'a, f32>>,
}

/// A stored matrix with rows of a width.
pub(super) fn stored(address: Address, width: usize) -> Factor {
    Factor { address, layout: Layout::Normal, distance: width }
}

/// The transpose of a stored matrix with rows of a width.
pub(super) fn transposed(address: Address, width: usize) -> Factor {
    Factor { address, layout: Layout::Transposed, distance: width }
}

/// How kernels number activations.
fn number_of(activation: Option<Activation>) -> i32 {
    match activation {
        None => 0,
        Some(Activation::Relu) => 1,
        Some(Activation::Swish) => 2,
        Some(Activation::Gelu) => 3,
    }
}

/// The products of a matrix `W [outputs, inputs]` with `rows` rows.
#[derive(Clone, Copy)]
pub(super) struct Products {
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Products {
    /// `y [rows, outputs] = x W^T`, then the epilogue.
    pub fn forward(self, y: Address, x: Address, weight: Address, epilogue: Epilogue) -> Product {
        Product {
            rows: self.rows,
            inner: self.inputs,
            columns: self.outputs,
            left: stored(x, self.inputs),
            right: transposed(weight, self.inputs),
            factors: Storage::Bf16,
            result: y,
            distance: self.outputs,
            stored: Storage::Bf16,
            accumulate: Accumulate::Overwrite,
            epilogue,
        }
    }

    /// `dx [rows, inputs] = dy W` or `dx += dy W`.
    pub fn of_input(
        self,
        dx: Address,
        accumulate: Accumulate,
        dy: Address,
        weight: Address,
    ) -> Product {
        Product {
            rows: self.rows,
            inner: self.outputs,
            columns: self.inputs,
            left: stored(dy, self.outputs),
            right: stored(weight, self.inputs),
            factors: Storage::Bf16,
            result: dx,
            distance: self.inputs,
            stored: Storage::Bf16,
            accumulate,
            epilogue: Epilogue::None,
        }
    }

    /// `dW [outputs, inputs] += dy^T x`, in float32.
    pub fn of_weight(self, dweight: Address, dy: Address, x: Address) -> Product {
        Product {
            rows: self.outputs,
            inner: self.rows,
            columns: self.inputs,
            left: transposed(dy, self.outputs),
            right: stored(x, self.inputs),
            factors: Storage::Bf16,
            result: dweight,
            distance: self.inputs,
            stored: Storage::Float32,
            accumulate: Accumulate::Add,
            epilogue: Epilogue::None,
        }
    }
}

impl Linear<'_> {
    /// Checks lengths, and says what is multiplied.
    fn products(&self, x: Part<'_, bf16>) -> Products {
        let (inputs, outputs) = (self.inputs, self.outputs);
        check("linear's weight", self.weight, outputs * inputs);
        if let Some(bias) = self.bias {
            check("linear's bias", bias, outputs);
        }
        Products { rows: rows_of("linear", x, inputs), inputs, outputs }
    }
}

impl<L: Launcher> Device<L> {
    /// `y = dropout(activation(x W^T + b))`, with `x [rows, inputs]` and `y [rows, outputs]`.
    ///
    /// `pre_activation [rows, outputs]` receives `x W^T + b` for an activation whose way back needs it; it must be there for
    /// those.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or the pre-activation is missing.
    pub fn linear_forward(
        &self,
        y: Part<'_, bf16>,
        pre_activation: Option<Part<'_, bf16>>,
        x: Part<'_, bf16>,
        layer: &Linear<'_>,
    ) -> Result<(), CudaError> {
        let products = layer.products(x);
        let (rows, width) = (products.rows, layer.outputs);
        check("linear's y", y, rows * width);
        let needs_saved = layer.activation.is_some_and(Activation::needs_pre_activation);
        assert!(
            pre_activation.is_some() || !needs_saved,
            "linear: no place for the pre-activation"
        );
        if let Some(saved) = pre_activation {
            check("linear's pre-activation", saved, y.length());
        }
        let h = pre_activation.unwrap_or(y);
        // The product does ReLU itself, where nothing wants the values before it.
        let is_fused = pre_activation.is_none() && layer.activation == Some(Activation::Relu);
        let epilogue = match layer.bias.map(Part::address) {
            Some(bias) if is_fused => Epilogue::BiasRelu(bias),
            Some(bias) => Epilogue::Bias(bias),
            None => Epilogue::None,
        };
        let (to, weight) = (h.address(), layer.weight.address());
        self.compute(&products.forward(to, x.address(), weight, epilogue))?;
        let is_done = matches!(epilogue, Epilogue::BiasRelu(_)) || layer.activation.is_none();
        if is_done && pre_activation.is_none() && layer.dropout == DropoutMask::NONE {
            return Ok(());
        }
        let activation = number_of(layer.activation.filter(|_| !is_done));
        let arguments = arguments![
            y.address(),
            h.address(),
            count(rows),
            count(width),
            activation,
            layer.dropout
        ];
        self.launch(Kernel::LinearFinish, warp_a_row(rows), &arguments)
    }

    /// The gradients of [`Device::linear_forward`].
    ///
    /// `dy [rows, outputs]` becomes the gradient of `x W^T + b`. `saved [rows, outputs]` is `y` for ReLU, the pre-activation for
    /// the others, and not read without an activation.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn linear_backward(
        &self,
        gradients: LinearGradients<'_>,
        dy: Part<'_, bf16>,
        saved: Part<'_, bf16>,
        x: Part<'_, bf16>,
        layer: &Linear<'_>,
    ) -> Result<(), CudaError> {
        let products = layer.products(x);
        check("linear's dy", dy, products.rows * layer.outputs);
        self.undo(gradients.bias, dy, saved, layer, products.rows)?;
        if let Some((dx, accumulate)) = gradients.input {
            check("linear's dx", dx, x.length());
            let weight = layer.weight.address();
            self.compute(&products.of_input(dx.address(), accumulate, dy.address(), weight))?;
        }
        if let Some(dweight) = gradients.weight {
            check("linear's dweight", dweight, layer.weight.length());
            self.compute(&products.of_weight(dweight.address(), dy.address(), x.address()))?;
        }
        Ok(())
    }

    /// Turns the gradient of `y` into that of `x W^T + b`, and adds its column sums to the bias's gradient.
    fn undo(
        &self,
        dbias: Option<Part<'_, f32>>,
        dy: Part<'_, bf16>,
        saved: Part<'_, bf16>,
        layer: &Linear<'_>,
        rows: usize,
    ) -> Result<(), CudaError> {
        let width = layer.outputs;
        if let Some(dbias) = dbias {
            check("linear's dbias", dbias, width);
        }
        if layer.activation.is_none() && layer.dropout == DropoutMask::NONE {
            return dbias.map_or(Ok(()), |dbias| self.add_column_sums(dbias, dy));
        }
        if layer.activation.is_some() {
            check("linear's saved values", saved, dy.length());
        }
        let blocks = rows.div_ceil(SUM_ROWS);
        let partial = self.take::<f32>(blocks * width)?;
        let arguments = arguments![
            dy.address(),
            partial.part().address(),
            saved.address(),
            count(rows),
            count(width),
            count(SUM_ROWS),
            number_of(layer.activation),
            layer.dropout,
        ];
        self.launch(Kernel::LinearUndo, thread_a_column(width, blocks), &arguments)?;
        dbias.map_or(Ok(()), |dbias| self.add_partial_sums(dbias, partial.part(), width))
    }
}
