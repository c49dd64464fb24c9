//! Frames to latent frames, each from its neighborhood.

use crate::burn;
use crate::config::RqVaeConfig;
use crate::rows::{rows, zero_outside};
use ablate_sdk::burn::module::{Module, Param};
use ablate_sdk::burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::activation::relu;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};

/// A linear layer and residual blocks of convolutions over time.
#[derive(Module, Debug)]
pub struct Encoder {
    input: Linear,
    blocks: Vec<ConvolutionBlock>,
    norm: LayerNorm,
}

impl Encoder {
    /// For frames of `features` numbers.
    pub fn new(features: usize, config: &RqVaeConfig, device: &Device) -> Self {
        let width = config.latent_dim;
        let block = |_| ConvolutionBlock::new(width, config.kernel, device);
        Self {
            input: LinearConfig::new(features, width).init(device),
            blocks: (0..config.encoder_layers).map(block).collect(),
            norm: LayerNormConfig::new(width).init(device),
        }
    }

    /// `[B, T, F]` under the mask `[B, T]` to `[B, T, D]`. Padding is as if there was nothing.
    pub fn forward(&self, features: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let mut frames = rows(&self.input, zero_outside(features, mask));
        for block in &self.blocks {
            frames = block.forward(frames, mask);
        }
        self.norm.forward(frames)
    }
}

/// x + W ReLU(conv(norm(x))) with a convolution of each channel by itself.
#[derive(Module, Debug)]
struct ConvolutionBlock {
    norm: LayerNorm,
    /// `[kernel, D]`.
    weights: Param<Tensor<2>>,
    mix: Linear,
}

impl ConvolutionBlock {
    fn new(width: usize, kernel: usize, device: &Device) -> Self {
        let bound = (kernel as f64).sqrt().recip();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        Self {
            norm: LayerNormConfig::new(width).init(device),
            weights: uniform.init([kernel, width], device),
            mix: LinearConfig::new(width, width).init(device),
        }
    }

    /// The convolution is a sum of shifted products: on the CPU that takes less than half the time
    /// of Burn's own, which wants channels before time.
    fn forward(&self, frames: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let [batch, count, width] = frames.dims();
        let weights = self.weights.val();
        let kernel = weights.dims()[0];
        let normed = zero_outside(self.norm.forward(frames.clone()), mask);
        let edge = Tensor::zeros([batch, kernel / 2, width], &frames.device());
        let padded = Tensor::cat(vec![edge.clone(), normed, edge], 1);
        let products = (0..kernel).map(|offset| {
            let weight = weights.clone().slice(offset..offset + 1).unsqueeze::<3>();
            padded.clone().slice([0..batch, offset..offset + count]) * weight
        });
        let sum = products.reduce(|a, b| a + b).expect("a kernel has at least one frame");
        frames + rows(&self.mix, relu(sum))
    }
}
