//! The mean over valid frames.

use crate::burn;
use crate::frames::{any_valid, empty, global_contract, output, read, zero_padding};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Tensor};
use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};

/// The mean over valid frames.
#[derive(Module, Debug)]
pub struct Mean {}

impl Mean {
    /// `[B, T, D]` under the mask `[B, T]` to `[B, 1, D]` under `[B, 1]`.
    pub fn pool(&self, features: Tensor<3>, mask: Tensor<2, Bool>) -> (Tensor<3>, Tensor<2, Bool>) {
        if let Some(result) = empty(&features) {
            return result;
        }
        let sums = zero_padding(features, &mask).sum_dim(1);
        let counts = mask.clone().float().sum_dim(1).clamp_min(1.0).unsqueeze_dim::<3>(2);
        (sums / counts, any_valid(mask))
    }
}

impl Block for Mean {
    type Config = NoConfig;
    const NAME: &'static str = "mean";
    const ROLE: &'static str = "pooling";
    const DOC: &'static str = "The mean over valid frames.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(global_contract())
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (features, mask) = read(&inputs)?;
        Ok(output(self.pool(features, mask)))
    }
}
