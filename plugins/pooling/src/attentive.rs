//! Attentive poolings: frames are weighted by a small network that scores them.

use crate::attention::{Attention, weighted_deviation, weighted_mean};
use crate::burn;
use crate::frames::{any_valid, empty, global_contract, output, read, zero_invalid, zero_padding};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{Linear, LinearConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::rows;
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the attentive poolings.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct AttentiveConfig {
    /// Width of the hidden layer that scores the frames.
    #[schemars(range(min = 1))]
    pub hidden: usize,
}

impl Default for AttentiveConfig {
    fn default() -> Self {
        Self { hidden: 128 }
    }
}

impl AttentiveConfig {
    fn check(&self) -> Result<(), Error> {
        if self.hidden == 0 {
            return Err(Error::config("`hidden` is 0, must be at least 1"));
        }
        Ok(())
    }
}

/// The mean of the frames, weighted by attention.
#[derive(Module, Debug)]
pub struct AttentiveMean {
    attention: Attention,
}

impl AttentiveMean {
    /// For frames of `features` numbers.
    pub fn init(features: usize, config: &AttentiveConfig, device: &Device) -> Self {
        Self { attention: Attention::new(features, config.hidden, 1, device) }
    }

    /// `[B, T, D]` under the mask `[B, T]` to `[B, 1, D]` under `[B, 1]`.
    pub fn pool(&self, features: Tensor<3>, mask: Tensor<2, Bool>) -> (Tensor<3>, Tensor<2, Bool>) {
        if let Some(result) = empty(&features) {
            return result;
        }
        let features = zero_padding(features, &mask);
        let weights = self.attention.weights(features.clone(), &mask);
        // Without a valid frame all weights are zero, and so is the mean.
        (weighted_mean(features, weights), any_valid(mask))
    }
}

impl Block for AttentiveMean {
    type Config = AttentiveConfig;
    const NAME: &'static str = "attentive-mean";
    const ROLE: &'static str = "pooling";
    const DOC: &'static str = "The mean of the frames, weighted by attention.";

    fn contract(config: &AttentiveConfig) -> Result<Contract, Error> {
        config.check().map(|()| global_contract())
    }

    fn new(config: &AttentiveConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("D")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (features, mask) = read(&inputs)?;
        Ok(output(self.pool(features, mask)))
    }
}

/// Mean and deviation under one set of weights, projected to the width of the frames.
#[derive(Module, Debug)]
struct Statistics {
    attention: Attention,
    projection: Linear,
}

impl Statistics {
    fn new(features: usize, hidden: usize, scores: usize, device: &Device) -> Self {
        Self {
            attention: Attention::new(features, hidden, scores, device),
            projection: LinearConfig::new(2 * features, features).init(device),
        }
    }

    fn pool(&self, features: Tensor<3>, mask: Tensor<2, Bool>) -> (Tensor<3>, Tensor<2, Bool>) {
        if let Some(result) = empty(&features) {
            return result;
        }
        let features = zero_padding(features, &mask);
        let weights = self.attention.weights(features.clone(), &mask);
        let mean = weighted_mean(features.clone(), weights.clone());
        let deviation = weighted_deviation(features, weights, mean.clone());
        let pooled = rows(&self.projection, Tensor::cat(vec![mean, deviation], 2));
        let mask = any_valid(mask);
        // The projection's bias must not make something out of nothing.
        (zero_invalid(pooled, &mask), mask)
    }
}

/// Mean and standard deviation of the frames under attention, projected from 2D to D
/// (Okabe, Koshinaka and Shinoda, 2018).
#[derive(Module, Debug)]
pub struct AttentiveStats {
    statistics: Statistics,
}

impl AttentiveStats {
    /// For frames of `features` numbers.
    pub fn init(features: usize, config: &AttentiveConfig, device: &Device) -> Self {
        Self { statistics: Statistics::new(features, config.hidden, 1, device) }
    }

    /// `[B, T, D]` under the mask `[B, T]` to `[B, 1, D]` under `[B, 1]`.
    pub fn pool(&self, features: Tensor<3>, mask: Tensor<2, Bool>) -> (Tensor<3>, Tensor<2, Bool>) {
        self.statistics.pool(features, mask)
    }
}

impl Block for AttentiveStats {
    type Config = AttentiveConfig;
    const NAME: &'static str = "attentive-stats";
    const ROLE: &'static str = "pooling";
    const DOC: &'static str = "Mean and deviation of the frames, weighted by attention.";

    fn contract(config: &AttentiveConfig) -> Result<Contract, Error> {
        config.check().map(|()| global_contract())
    }

    fn new(config: &AttentiveConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("D")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (features, mask) = read(&inputs)?;
        Ok(output(self.pool(features, mask)))
    }
}

/// As [`AttentiveStats`], with weights of its own for every channel
/// (Desplanques, Thienpondt and Demuynck, 2020).
#[derive(Module, Debug)]
pub struct AttentiveStatsPerChannel {
    statistics: Statistics,
}

impl AttentiveStatsPerChannel {
    /// For frames of `features` numbers.
    pub fn init(features: usize, config: &AttentiveConfig, device: &Device) -> Self {
        Self { statistics: Statistics::new(features, config.hidden, features, device) }
    }

    /// `[B, T, D]` under the mask `[B, T]` to `[B, 1, D]` under `[B, 1]`.
    pub fn pool(&self, features: Tensor<3>, mask: Tensor<2, Bool>) -> (Tensor<3>, Tensor<2, Bool>) {
        self.statistics.pool(features, mask)
    }
}

impl Block for AttentiveStatsPerChannel {
    type Config = AttentiveConfig;
    const NAME: &'static str = "attentive-stats-per-channel";
    const ROLE: &'static str = "pooling";
    const DOC: &'static str =
        "Mean and deviation of the frames, weighted by attention per channel.";

    fn contract(config: &AttentiveConfig) -> Result<Contract, Error> {
        config.check().map(|()| global_contract())
    }

    fn new(config: &AttentiveConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("D")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (features, mask) = read(&inputs)?;
        Ok(output(self.pool(features, mask)))
    }
}
