//! Attention over frames: scores, masked softmax, weighted mean and deviation.

use crate::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{Linear, LinearConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::rows;

/// Lower bound of a variance, so that the gradient of its root stays finite (the value of
/// speechbrain's `AttentiveStatisticsPooling`).
const SMALLEST_VARIANCE: f64 = 1e-12;

/// What stands for the score of a frame that does not count: below any real score, and finite.
const MASKED_SCORE: f32 = -1e30;

/// Scores every frame: s = W₂ tanh(W₁ x + b₁) + b₂, one score or one per channel.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    hidden: Linear,
    score: Linear,
}

impl Attention {
    pub(crate) fn new(features: usize, hidden: usize, scores: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(features, hidden).init(device),
            score: LinearConfig::new(hidden, scores).init(device),
        }
    }

    /// Weights `[B, T, 1]` or `[B, T, D]` of the frames `[B, T, D]`, of which the padding is zero.
    pub(crate) fn weights(&self, features: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let scores = rows(&self.score, tanh(rows(&self.hidden, features)));
        masked_softmax(scores, mask)
    }
}

/// tanh(x) = 1 − 2 / (e²ˣ + 1) with its derivative 1 − tanh², both from the cheapest operations:
/// on the CPU a fraction of the time that Burn's own takes.
fn tanh(input: Tensor<3>) -> Tensor<3> {
    let powers = input.clone().inner().mul_scalar(2.0).exp();
    let value = powers.add_scalar(1.0).recip().mul_scalar(-2.0).add_scalar(1.0);
    if !input.is_autodiff() {
        return value;
    }
    let slope = (value.clone() * value.clone()).neg().add_scalar(1.0);
    let line = input * slope.autodiff();
    // The line adds nothing to the value and all of the gradient.
    value.autodiff() + (line.clone() - line.detach())
}

/// Softmax over the valid frames of each channel: `[B, T, C]` under `[B, T]`.
///
/// A row without valid frames gets zeros. No NaN arises on the way, so gradients are finite too.
pub(crate) fn masked_softmax(scores: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
    let shape = scores.dims();
    let valid = mask.clone().unsqueeze_dim::<3>(2);
    let padding = valid.clone().bool_not().expand(shape);
    let scores = scores.mask_fill(padding, MASKED_SCORE);
    // The softmax does not depend on the shift, so no gradient flows through it.
    let largest = scores.clone().detach().max_dim(1);
    let powers = (scores - largest).exp() * valid.float();
    let total = powers.clone().sum_dim(1);
    let nothing = total.clone().equal_elem(0.0);
    powers / total.mask_fill(nothing, 1.0)
}

/// μ = Σ α_t x_t, `[B, 1, D]`.
pub(crate) fn weighted_mean(features: Tensor<3>, weights: Tensor<3>) -> Tensor<3> {
    (features * weights).sum_dim(1)
}

/// σ = √(Σ α_t (x_t − μ)²), `[B, 1, D]`; in two passes, as E[x²] − μ² loses its digits in 32 bits.
pub(crate) fn weighted_deviation(
    features: Tensor<3>,
    weights: Tensor<3>,
    mean: Tensor<3>,
) -> Tensor<3> {
    let difference = features - mean;
    let squares = difference.clone() * difference;
    (squares * weights).sum_dim(1).clamp_min(SMALLEST_VARIANCE).sqrt()
}

#[cfg(test)]
mod tests;
