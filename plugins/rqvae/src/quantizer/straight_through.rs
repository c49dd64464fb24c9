//! What gradient a choice of codes has, as it has none of its own.

use ablate_sdk::burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How gradients get past the choice of codes of a cascade of L levels (Bengio et al., 2013, for one
/// level). The values are the same; with vectors z, residuals r and codes q:
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum StraightThrough {
    /// Once around the whole cascade, z + sg(Σ q − z): the sum of the codes has the gradient of z,
    /// and every level's commitment pulls at z.
    Sum,
    /// Around every level, Σ r + sg(q − r) with residuals that carry no gradient to the next: the
    /// gradient of z is L times that of the sum of the codes. For comparison.
    PerLevel,
    /// Around every level, with residuals that do carry one: what a level hands on cancels what it
    /// gets, so that only the first level's commitment pulls at z. For comparison.
    Residual,
    /// Once around the whole cascade, by the rotation and the scale that take z to Σ q (Fifty et al.,
    /// 2024): gradients turn with them. For comparison.
    Rotation,
}

impl StraightThrough {
    /// The codes' value with a gradient for what was quantized. Added as a zero, so that the value
    /// is exactly the codes', and the gradient of all but rotations an exact multiple.
    pub(super) fn pass(self, input: Tensor<2>, quantized: Tensor<2>, levels: usize) -> Tensor<2> {
        if !input.is_autodiff() {
            return quantized;
        }
        let line = match self {
            Self::Sum | Self::Residual | Self::PerLevel => input,
            Self::Rotation => turned(input, &quantized),
        };
        let zero = line.clone() - line.detach();
        let zero = match self {
            Self::Sum | Self::Residual | Self::Rotation => zero,
            Self::PerLevel => zero.mul_scalar(levels as f64),
        };
        quantized.autodiff() + zero
    }

    /// The vectors as the commitment of a level, counted from 0, sees them.
    pub(super) fn committed(self, input: &Tensor<2>, level: usize) -> Tensor<2> {
        match self {
            Self::Residual if level > 0 => input.clone().detach(),
            _ => input.clone(),
        }
    }
}

/// Shortest vector that has a direction.
const SHORTEST: f64 = 1e-6;

/// z − 2 r (rᵀ z) + 2 q̂ (ẑᵀ z), times |q| / |z|, with r the unit vector between ẑ and q̂: the rotation
/// in the plane of z and q that takes z to q, held fixed (Fifty et al., 2024).
fn turned(vectors: Tensor<2>, quantized: &Tensor<2>) -> Tensor<2> {
    let length =
        |rows: &Tensor<2>| (rows.clone() * rows.clone()).sum_dim(1).sqrt().clamp_min(SHORTEST);
    let fixed = vectors.clone().inner();
    let (from_length, to_length) = (length(&fixed), length(quantized));
    let (from, to) = (fixed / from_length.clone(), quantized.clone() / to_length.clone());
    let between = from.clone() + to.clone();
    let between = between.clone() / length(&between);
    let scale = (to_length / from_length).autodiff();
    let [from, to, between] = [from, to, between].map(Tensor::autodiff);
    let along = |direction: &Tensor<2>| (vectors.clone() * direction.clone()).sum_dim(1);
    let off = between.clone() * along(&between).mul_scalar(2.0);
    let on = to * along(&from).mul_scalar(2.0);
    (vectors - off + on) * scale
}
