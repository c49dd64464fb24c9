//! Optimizers with PyTorch's defaults, on Burn's update rules.

use crate::Error;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use serde::Deserialize;

/// The optimizer of a trial, as the host sends it. The learning rate comes with every step.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "use", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum OptimizerConfig {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
    AdamW {
        #[serde(default = "betas")]
        betas: [f32; 2],
        #[serde(default = "epsilon")]
        epsilon: f32,
        #[serde(default = "adamw_weight_decay")]
        weight_decay: f32,
    },
    /// Adam (Kingma and Ba, 2015); weight decay is added to the gradient.
    Adam {
        #[serde(default = "betas")]
        betas: [f32; 2],
        #[serde(default = "epsilon")]
        epsilon: f32,
        #[serde(default)]
        weight_decay: f32,
    },
    /// Stochastic gradient descent, with momentum if it is not zero.
    Sgd {
        #[serde(default)]
        momentum: f64,
        #[serde(default)]
        nesterov: bool,
        #[serde(default)]
        weight_decay: f32,
    },
}

fn betas() -> [f32; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f32 {
    1e-8
}

fn adamw_weight_decay() -> f32 {
    1e-2
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::AdamW { betas: betas(), epsilon: epsilon(), weight_decay: adamw_weight_decay() }
    }
}

impl OptimizerConfig {
    pub(crate) fn parse(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json).map_err(|error| Error::config(format!("optimizer: {error}")))
    }

    pub(crate) fn init(self) -> ModuleOptimizer {
        let decay = |rate: f32| (rate != 0.0).then(|| WeightDecayConfig::new(rate));
        match self {
            Self::AdamW { betas: [beta_1, beta_2], epsilon, weight_decay } => AdamWConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(weight_decay)
                .init(),
            Self::Adam { betas: [beta_1, beta_2], epsilon, weight_decay } => AdamConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(decay(weight_decay))
                .init(),
            Self::Sgd { momentum, nesterov, weight_decay } => {
                let momentum = (momentum != 0.0).then(|| {
                    MomentumConfig::new()
                        .with_momentum(momentum)
                        .with_dampening(0.0)
                        .with_nesterov(nesterov)
                });
                SgdConfig::new()
                    .with_momentum(momentum)
                    .with_weight_decay(decay(weight_decay))
                    .init()
            }
        }
    }
}

#[cfg(test)]
mod tests;
