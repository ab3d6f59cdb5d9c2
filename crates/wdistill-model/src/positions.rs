//! Tables of sinusoids. Toolkits differ, and a wrong table breaks an imported model without an error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which sinusoids stand for a position. `d` is the width, `k` counts frequencies `0..d/2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PositionTable {
    /// First half sines, second half cosines, of `p / 10000^(2k/d)`: Marian's models as Hugging Face
    /// (`MarianSinusoidalPositionalEmbedding`) and CTranslate2's converter compute them.
    Marian,
    /// First half sines, second half cosines, of `p / 10000^(k/(d/2 - 1))` (tensor2tensor; Marian itself, in
    /// `inits::sinusoidalPositionEmbeddings`). New models have it: Marian computes it, and the other engines read
    /// tables from a model's file.
    #[default]
    Tensor2tensor,
    /// First half sines, second half cosines, of `(p + 2) / 10000^(k/(d/2 - 1))`: the first word
    /// stands at 2 because fairseq counts from its padding id (1) on
    /// (`SinusoidalPositionalEmbedding`).
    Fairseq,
    /// First half sines, second half cosines, of `(p + 1) / 10000^(k/(d/2 - 1))` (OpenNMT-tf
    /// `SinusoidalPositionEncoder`; CTranslate2 where a model has no table of its own).
    OpennmtTf,
    /// Sine and cosine in turn, of `p / 10000^(2k/d)` (Vaswani et al., 2017, section 3.5).
    Interleaved,
}

/// As in a configuration.
impl fmt::Display for PositionTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl PositionTable {
    /// Every table there is.
    pub const ALL: [PositionTable; 5] = [
        PositionTable::Marian,
        PositionTable::Tensor2tensor,
        PositionTable::Fairseq,
        PositionTable::OpennmtTf,
        PositionTable::Interleaved,
    ];

    /// The `width` numbers added to a word at `position` (counted from 0).
    pub fn row(self, position: usize, width: usize) -> Vec<f64> {
        let half = width / 2;
        let angle = |k: usize| match self {
            PositionTable::Marian | PositionTable::Interleaved => {
                position as f64 / 10000f64.powf(2.0 * k as f64 / width as f64)
            }
            PositionTable::Tensor2tensor | PositionTable::OpennmtTf | PositionTable::Fairseq => {
                // One frequency alone has the exponent 0.
                let step = 10000f64.ln() / (half as f64 - 1.0).max(1.0);
                let first = match self {
                    PositionTable::Fairseq => 2,
                    PositionTable::OpennmtTf => 1,
                    _ => 0,
                };
                (position + first) as f64 * (-step * k as f64).exp()
            }
        };
        (0..width)
            .map(|j| match self {
                PositionTable::Interleaved if j % 2 == 0 => angle(j / 2).sin(),
                PositionTable::Interleaved => angle(j / 2).cos(),
                _ if j < half => angle(j).sin(),
                _ => angle(j - half).cos(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(row: &[f64], expected: &[f64]) {
        assert_eq!(row.len(), expected.len());
        for (a, b) in row.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{row:?} {expected:?}");
        }
    }

    // Expected: sin and cos of 3, of 3/100 (and, for fairseq, of 5 and 5/10000), from a calculator.
    #[test]
    fn rows_are_those_of_the_toolkits() {
        let marian = [0.1411200, 0.0299955, -0.9899925, 0.9995500];
        close(&PositionTable::Marian.row(3, 4), &marian);
        close(&PositionTable::Interleaved.row(3, 4), &[marian[0], marian[2], marian[1], marian[3]]);
        // half = 2: frequencies 1 and 1e-4, position 3 + 2.
        close(&PositionTable::Fairseq.row(3, 4), &[-0.9589243, 0.0005, 0.2836622, 0.9999999]);
        // One and two earlier: sin and cos of 4 and 4/10000, of 3 and 3/10000.
        close(&PositionTable::Tensor2tensor.row(3, 4), &[0.1411200, 0.0003, -0.9899925, 1.0]);
        close(&PositionTable::OpennmtTf.row(3, 4), &[-0.7568025, 0.0004, -0.6536436, 0.9999999]);
    }
}
