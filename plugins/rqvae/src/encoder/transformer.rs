//! `transformer`: frames that look at all frames of their item.

use super::{encoder_contract, read_frames};
use crate::attention::Keys;
use crate::burn;
use crate::dropout::Dropout;
use crate::frame_positions::{FramePositions, Positions, lengths};
use crate::layers::{Activation, EncoderLayer, LayerShape, NormPlace, check};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{flags, rows, zero_outside};
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the frame encoder `transformer`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Layers of attention and feed-forward part.
    #[schemars(range(min = 1))]
    pub layers: usize,
    /// Attention heads; they share the latent width evenly.
    #[schemars(range(min = 1))]
    pub heads: usize,
    /// Width inside the feed-forward parts; four times the latent width when left out.
    #[schemars(range(min = 1))]
    pub feed_forward: Option<usize>,
    /// The function inside the feed-forward parts.
    pub activation: Activation,
    /// Where the norms of a layer stand.
    pub norm: NormPlace,
    /// Share of attention weights, hidden values and results of parts dropped in training.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub dropout: f64,
    /// How frames are told where they stand.
    pub positions: Positions,
    /// Longest item, in frames, that learned positions are for.
    #[schemars(range(min = 1))]
    pub max_frames: usize,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            layers: 2,
            heads: 4,
            feed_forward: None,
            activation: Activation::Relu,
            norm: NormPlace::Post,
            dropout: 0.1,
            positions: Positions::Sinusoidal,
            max_frames: 512,
        }
    }
}

/// A linear layer, a norm, layers of a transformer (Vaswani et al., 2017), and a norm.
#[derive(Module, Debug)]
pub struct TransformerEncoder {
    input: Linear,
    input_norm: LayerNorm,
    positions: FramePositions,
    layers: Vec<EncoderLayer>,
    norm: LayerNorm,
    dropout: f64,
}

impl TransformerEncoder {
    /// From frames of `features` numbers to frames of `width`.
    ///
    /// # Errors
    /// If the width does not fit the configuration.
    pub fn init(
        features: usize,
        width: usize,
        config: &TransformerConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let TransformerConfig { heads, activation, norm, positions, max_frames, .. } = *config;
        let inside = config.feed_forward.unwrap_or(4 * width);
        let shape = LayerShape { width, heads, inside, activation, norm };
        shape.check()?;
        Ok(Self {
            input: LinearConfig::new(features, width).init(device),
            input_norm: LayerNormConfig::new(width).init(device),
            positions: FramePositions::new(positions, width, max_frames, "positions", device)?,
            layers: (0..config.layers).map(|_| EncoderLayer::new(shape, device)).collect(),
            norm: LayerNormConfig::new(width).init(device),
            dropout: config.dropout,
        })
    }

    /// `[B, T, F]` under the mask `[B, T]` to `[B, T, D]`, zero outside the mask. With a seed
    /// values are dropped.
    ///
    /// # Errors
    /// If an item is longer than the learned positions are for.
    pub fn encode(
        &self,
        features: Tensor<3>,
        mask: &Tensor<2, Bool>,
        dropout_seed: Option<u64>,
    ) -> Result<Tensor<3>, Error> {
        let [_, count, _] = features.dims();
        let device = features.device();
        let dropout = Dropout::new(self.dropout, dropout_seed);
        let input = rows(&self.input, zero_outside(features, mask));
        let mut frames = self.input_norm.forward(input);
        let lengths = lengths(&flags(mask), count);
        if let Some(positions) = self.positions.forward(count, &lengths, &device)? {
            frames = frames + positions;
        }
        let own = Keys::new(mask);
        for layer in &self.layers {
            frames = layer.forward(frames, &own, &dropout);
        }
        Ok(zero_outside(self.norm.forward(frames), mask))
    }
}

impl Block for TransformerEncoder {
    type Config = TransformerConfig;
    const NAME: &'static str = "transformer";
    const ROLE: &'static str = "frame-encoder";
    const DOC: &'static str = "Frames that look at all frames of their item.";

    fn contract(config: &TransformerConfig) -> Result<Contract, Error> {
        let mut counts = vec![("layers", config.layers), ("heads", config.heads)];
        counts.push(("max_frames", config.max_frames));
        counts.extend(config.feed_forward.map(|inside| ("feed_forward", inside)));
        check(&counts, config.dropout)?;
        Ok(encoder_contract())
    }

    fn new(config: &TransformerConfig, build: &mut Build) -> Result<Self, Error> {
        let device = build.device().clone();
        Self::init(build.dim("F")?, build.dim("D")?, config, &device)
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let (features, mask) = read_frames(&inputs)?;
        let seed = call.train().then(|| call.seed("dropout"));
        Ok(Tensors::new().with("encoded", self.encode(features, &mask, seed)?).into())
    }
}
