//! `positional`: a transformer decoder whose queries are the positions of the frames.

use super::memory::{MemoryPositions, Questions};
use super::{decoder_contract, read_memory};
use crate::burn;
use crate::dropout::Dropout;
use crate::frame_positions::Queries;
use crate::layers::{Activation, DecoderLayer, LayerShape, NormPlace, check};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{rows, zero_outside};
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the decoder `positional`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct PositionalConfig {
    /// Layers of self-attention, attention to the codes and feed-forward part.
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
    /// Where the norms of a layer stand; with `pre` one more norm ends the stack.
    pub norm: NormPlace,
    /// Share of attention weights, hidden values and results of parts dropped in training.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub dropout: f64,
    /// What the queries are.
    pub queries: Queries,
    /// Longest item, in frames, that learned queries are for.
    #[schemars(range(min = 1))]
    pub max_frames: usize,
    /// How windows are told where they lie.
    pub memory_positions: MemoryPositions,
}

impl Default for PositionalConfig {
    fn default() -> Self {
        Self {
            layers: 2,
            heads: 4,
            feed_forward: None,
            activation: Activation::Relu,
            norm: NormPlace::Post,
            dropout: 0.1,
            queries: Queries::Sinusoidal,
            max_frames: 512,
            memory_positions: MemoryPositions::Sinusoidal,
        }
    }
}

/// Layers of a transformer decoder (Vaswani et al., 2017) without a causal mask, and a linear layer.
#[derive(Module, Debug)]
pub struct PositionalDecoder {
    questions: Questions,
    layers: Vec<DecoderLayer>,
    norm: Option<LayerNorm>,
    output: Linear,
    dropout: f64,
}

impl PositionalDecoder {
    /// From vectors of `width` numbers to frames of `features`.
    ///
    /// # Errors
    /// If the width does not fit the configuration.
    pub fn init(
        width: usize,
        features: usize,
        config: &PositionalConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let PositionalConfig { heads, activation, norm, queries, max_frames, .. } = *config;
        let inside = config.feed_forward.unwrap_or(4 * width);
        let shape = LayerShape { width, heads, inside, activation, norm };
        shape.check()?;
        let last = norm == NormPlace::Pre;
        let memory = config.memory_positions;
        Ok(Self {
            questions: Questions::new(queries, memory, width, max_frames, device)?,
            layers: (0..config.layers).map(|_| DecoderLayer::new(shape, device)).collect(),
            norm: last.then(|| LayerNormConfig::new(width).init(device)),
            output: LinearConfig::new(width, features).init(device),
            dropout: config.dropout,
        })
    }

    /// Frames `[B, T, F]`, zero outside `mask` `[B, T]`, from memory `[B, W, D]` under
    /// `memory_mask` `[B, W]`. With a seed values are dropped.
    ///
    /// # Errors
    /// If an item is longer than the learned queries are for.
    pub fn decode(
        &self,
        memory: Tensor<3>,
        memory_mask: &Tensor<2, Bool>,
        mask: &Tensor<2, Bool>,
        dropout_seed: Option<u64>,
    ) -> Result<Tensor<3>, Error> {
        let dropout = Dropout::new(self.dropout, dropout_seed);
        let asked = self.questions.ask(memory, memory_mask, mask)?;
        let mut frames = asked.queries;
        for layer in &self.layers {
            frames = layer.forward(frames, &asked.own, &asked.memory, &asked.others, &dropout);
        }
        if let Some(norm) = &self.norm {
            frames = norm.forward(frames);
        }
        Ok(zero_outside(rows(&self.output, frames), mask))
    }
}

impl Block for PositionalDecoder {
    type Config = PositionalConfig;
    const NAME: &'static str = "positional";
    const ROLE: &'static str = "decoder";
    const DOC: &'static str = "A transformer decoder whose queries are positions.";

    fn contract(config: &PositionalConfig) -> Result<Contract, Error> {
        let mut counts = vec![("layers", config.layers), ("heads", config.heads)];
        counts.push(("max_frames", config.max_frames));
        counts.extend(config.feed_forward.map(|inside| ("feed_forward", inside)));
        check(&counts, config.dropout)?;
        Ok(decoder_contract())
    }

    fn new(config: &PositionalConfig, build: &mut Build) -> Result<Self, Error> {
        let device = build.device().clone();
        Self::init(build.dim("D")?, build.dim("F")?, config, &device)
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let (memory, memory_mask, mask) = read_memory(&inputs)?;
        let seed = call.train().then(|| call.seed("dropout"));
        let frames = self.decode(memory, &memory_mask, &mask, seed)?;
        Ok(Tensors::new().with("frames", frames).into())
    }
}
