//! Words that the model and the kernels share.

use serde::{Deserialize, Serialize};

/// Which keys a query of an attention sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Every key of its sentence.
    Full,
    /// Of `n` keys, query `i` of `m` (at most `n`) sees the first `n - m + i + 1`: itself and what came before.
    Causal,
}

/// In what numbers products are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Precision {
    /// Operands as they are.
    #[default]
    #[serde(rename = "float32")]
    Float32,
    /// Operands rounded to bfloat16, which has float32's range and 8 bits of precision; products and sums in float32.
    #[serde(rename = "bf16")]
    Bfloat16,
}

impl Precision {
    /// As settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Bfloat16 => "bf16",
        }
    }
}

/// Non-linearity between the two matrices of a feed-forward block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `f(x) = max(x, 0)`.
    #[default]
    Relu,
    /// `f(x) = x * sigmoid(x) = x / (1 + e^-x)`.
    Swish,
    /// `f(x) = x * Phi(x)` with the exact distribution function of the standard normal.
    Gelu,
}

impl Activation {
    /// All of them.
    pub const ALL: [Activation; 3] = [Activation::Relu, Activation::Swish, Activation::Gelu];

    /// Whether the backward pass needs the values before the activation; the others need at most the layer's output.
    pub fn needs_pre_activation(self) -> bool {
        matches!(self, Activation::Swish | Activation::Gelu)
    }
}
