//! `residual-mlp`: every frame by itself.

use super::{encoder_contract, read_frames};
use crate::burn;
use crate::layers::check;
use crate::residual::{ResidualBlock, ResidualMlpConfig};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::activation::relu;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{rows, zero_outside};
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};

/// A linear layer, a norm, ReLU, and residual blocks.
#[derive(Module, Debug)]
pub struct ResidualMlpEncoder {
    input: Linear,
    norm: LayerNorm,
    blocks: Vec<ResidualBlock>,
}

impl ResidualMlpEncoder {
    /// From frames of `features` numbers to frames of `width`.
    pub fn init(
        features: usize,
        width: usize,
        config: &ResidualMlpConfig,
        device: &Device,
    ) -> Self {
        Self {
            input: LinearConfig::new(features, width).init(device),
            norm: LayerNormConfig::new(width).init(device),
            blocks: ResidualBlock::list(config.blocks, width, device),
        }
    }

    /// `[B, T, F]` under the mask `[B, T]` to `[B, T, D]`, zero outside the mask.
    pub fn encode(&self, features: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let input = rows(&self.input, zero_outside(features, mask));
        let frames = relu(self.norm.forward(input));
        let frames = self.blocks.iter().fold(frames, |frames, block| block.forward(frames));
        zero_outside(frames, mask)
    }
}

impl Block for ResidualMlpEncoder {
    type Config = ResidualMlpConfig;
    const NAME: &'static str = "residual-mlp";
    const ROLE: &'static str = "frame-encoder";
    const DOC: &'static str = "Residual linear layers over every frame by itself.";

    fn contract(config: &ResidualMlpConfig) -> Result<Contract, Error> {
        check(&[("blocks", config.blocks)], 0.0)?;
        Ok(encoder_contract())
    }

    fn new(config: &ResidualMlpConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("F")?, build.dim("D")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (features, mask) = read_frames(&inputs)?;
        Ok(Tensors::new().with("encoded", self.encode(features, &mask)).into())
    }
}
