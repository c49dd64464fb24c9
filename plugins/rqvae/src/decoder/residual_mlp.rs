//! `residual-mlp-decoder`: one vector per window, which all frames of the window share.

use super::{decoder_contract, read_memory};
use crate::burn;
use crate::layers::check;
use crate::positions::Places;
use crate::residual::{ResidualBlock, ResidualMlpConfig};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{Linear, LinearConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{flags, rows, zero_outside};
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};

/// Residual blocks and a linear layer over every code by itself.
///
/// With one vector for a whole item, what it can reconstruct is the mean of the frames: the mean
/// squared error of one vector x̂ against T frames is (x̂ − mean)² plus the variance of the frames,
/// which no decoder of this kind can lower, so that its gradient is that of (x̂ − mean)². With more
/// windows the frames nearest to a window share its vector.
#[derive(Module, Debug)]
pub struct ResidualMlpDecoder {
    blocks: Vec<ResidualBlock>,
    output: Linear,
}

impl ResidualMlpDecoder {
    /// From vectors of `width` numbers to frames of `features`.
    pub fn init(
        width: usize,
        features: usize,
        config: &ResidualMlpConfig,
        device: &Device,
    ) -> Self {
        Self {
            blocks: ResidualBlock::list(config.blocks, width, device),
            output: LinearConfig::new(width, features).init(device),
        }
    }

    /// Frames `[B, T, F]`, zero outside `mask` `[B, T]` and in items without a window, from memory
    /// `[B, W, D]` under `memory_mask` `[B, W]`.
    pub fn decode(
        &self,
        memory: Tensor<3>,
        memory_mask: &Tensor<2, Bool>,
        mask: &Tensor<2, Bool>,
    ) -> Tensor<3> {
        let ([_, frames], [_, windows, _]) = (mask.dims(), memory.dims());
        let memory = zero_outside(memory, memory_mask);
        let decoded = self.blocks.iter().fold(memory, |memory, block| block.forward(memory));
        let decoded = rows(&self.output, decoded);
        let (valid, filled) = (flags(mask), flags(memory_mask));
        let places = Places::new(&valid, frames, &filled, windows);
        let device = decoded.device().inner();
        let chosen = places.nearest_windows(&valid, &filled, &device);
        let chosen = if decoded.is_autodiff() { chosen.autodiff() } else { chosen };
        chosen.matmul(decoded)
    }
}

impl Block for ResidualMlpDecoder {
    type Config = ResidualMlpConfig;
    const NAME: &'static str = "residual-mlp-decoder";
    const ROLE: &'static str = "decoder";
    const DOC: &'static str = "One vector per window, which all frames of the window share.";

    fn contract(config: &ResidualMlpConfig) -> Result<Contract, Error> {
        check(&[("blocks", config.blocks)], 0.0)?;
        Ok(decoder_contract())
    }

    fn new(config: &ResidualMlpConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("D")?, build.dim("F")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (memory, memory_mask, mask) = read_memory(&inputs)?;
        let frames = self.decode(memory, &memory_mask, &mask);
        Ok(Tensors::new().with("frames", frames).into())
    }
}
