//! Residual blocks of linear layers, frame by frame.

use crate::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::activation::relu;
use ablate_sdk::burn::tensor::{Device, Tensor};
use ablate_sdk::frames::rows;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the `residual-mlp` encoder and decoder.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct ResidualMlpConfig {
    /// Residual blocks.
    pub blocks: usize,
}

impl Default for ResidualMlpConfig {
    fn default() -> Self {
        Self { blocks: 2 }
    }
}

/// x + norm(W₂ ReLU(norm(W₁ x + b₁)) + b₂).
#[derive(Module, Debug)]
pub(crate) struct ResidualBlock {
    first: Linear,
    first_norm: LayerNorm,
    second: Linear,
    second_norm: LayerNorm,
}

impl ResidualBlock {
    pub(crate) fn new(width: usize, device: &Device) -> Self {
        Self {
            first: LinearConfig::new(width, width).init(device),
            first_norm: LayerNormConfig::new(width).init(device),
            second: LinearConfig::new(width, width).init(device),
            second_norm: LayerNormConfig::new(width).init(device),
        }
    }

    /// `count` of them.
    pub(crate) fn list(count: usize, width: usize, device: &Device) -> Vec<Self> {
        (0..count).map(|_| Self::new(width, device)).collect()
    }

    /// `[B, T, D]` to the same.
    pub(crate) fn forward(&self, frames: Tensor<3>) -> Tensor<3> {
        let hidden = relu(self.first_norm.forward(rows(&self.first, frames.clone())));
        frames + self.second_norm.forward(rows(&self.second, hidden))
    }
}
