//! What a user writes about an encoder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A published size, or another one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// 12 layers of width 768.
    #[default]
    Base,
    /// WavLM only: as `base`, trained on more data.
    BasePlus,
    /// 24 layers of width 1024.
    Large,
    /// What the file `architecture` says.
    Custom,
}

impl Size {
    /// As it is written in an experiment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::BasePlus => "base-plus",
            Self::Large => "large",
            Self::Custom => "custom",
        }
    }
}

/// Configuration of `wavlm` and `hubert`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechEncoderConfig {
    /// The published size that the weights are of; `custom` for one that `architecture` describes.
    pub size: Size,
    /// The `config.json` of a model card, with `size = "custom"`.
    #[schemars(extend("x-ablate" = "input"))]
    pub architecture: Option<PathBuf>,
    /// The checkpoint: a file `model.safetensors` or `pytorch_model.bin` from the model's card.
    #[schemars(extend("x-ablate" = "input"))]
    pub weights: Option<PathBuf>,
    /// Draw the weights at random instead of reading them.
    pub random: bool,
    /// The layer whose output is given: 0 is what enters the first layer; without it, the last.
    /// Layers above it are neither read nor computed.
    pub layer: Option<usize>,
    /// Give the sum of the outputs of all layers up to `layer`, under learned softmax weights.
    pub weighted_sum: bool,
    /// Bring each utterance to zero mean and unit variance first. Without it, what the size was
    /// trained with: `large` true, the others false.
    pub normalize: Option<bool>,
}
