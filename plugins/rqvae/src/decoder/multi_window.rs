//! `multi-window`: self-attention over the frames in turn with attention to the codes of all windows.

use super::memory::{MemoryPositions, Questions};
use super::{decoder_contract, read_memory};
use crate::attention::{Attention, Keys};
use crate::burn;
use crate::dropout::Dropout;
use crate::frame_positions::Queries;
use crate::layers::{Activation, EncoderLayer, FeedForward, LayerShape, NormPlace, check};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{rows, zero_outside};
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which parts of a block have norms.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Norms {
    /// Every part, before it; the memory and the end of the stack have one each as well.
    Pre,
    /// Only the self-attention layers, after their parts: what attends to the codes has none.
    SelfAttention,
}

/// Configuration of the decoder `multi-window`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct MultiWindowConfig {
    /// Blocks, each a self-attention layer, attention to the codes and a feed-forward part.
    #[schemars(range(min = 1))]
    pub blocks: usize,
    /// Attention heads; they share the latent width evenly.
    #[schemars(range(min = 1))]
    pub heads: usize,
    /// Width inside the feed-forward parts; four times the latent width when left out.
    #[schemars(range(min = 1))]
    pub feed_forward: Option<usize>,
    /// The function inside the feed-forward part of a self-attention layer.
    pub activation: Activation,
    /// The function inside the feed-forward part after attention to the codes.
    pub cross_activation: Activation,
    /// Which parts have norms.
    pub norms: Norms,
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

impl Default for MultiWindowConfig {
    fn default() -> Self {
        Self {
            blocks: 2,
            heads: 4,
            feed_forward: None,
            activation: Activation::Relu,
            cross_activation: Activation::Relu,
            norms: Norms::Pre,
            dropout: 0.1,
            queries: Queries::Sinusoidal,
            max_frames: 512,
            memory_positions: MemoryPositions::Sinusoidal,
        }
    }
}

/// A self-attention layer, attention to the codes and a feed-forward part.
#[derive(Module, Debug)]
struct WindowBlock {
    own: EncoderLayer,
    cross_norm: Option<LayerNorm>,
    cross: Attention,
    feed_norm: Option<LayerNorm>,
    feed: FeedForward,
}

impl WindowBlock {
    fn new(shape: LayerShape, cross_activation: Activation, device: &Device) -> Self {
        let LayerShape { width, heads, inside, .. } = shape;
        let norm = || before(shape.norm, width, device);
        Self {
            own: EncoderLayer::new(shape, device),
            cross_norm: norm(),
            cross: Attention::new(width, heads, device),
            feed_norm: norm(),
            feed: FeedForward::new(width, inside, cross_activation, device),
        }
    }

    fn forward(
        &self,
        frames: Tensor<3>,
        own: &Keys,
        memory: &Tensor<3>,
        others: &Keys,
        dropout: &Dropout,
    ) -> Tensor<3> {
        let frames = self.own.forward(frames, own, dropout);
        let queries = normed(self.cross_norm.as_ref(), frames.clone());
        let seen = self.cross.forward(queries, memory.clone(), others, dropout);
        let frames = frames + dropout.apply(seen);
        let hidden = self.feed.forward(normed(self.feed_norm.as_ref(), frames.clone()), dropout);
        frames + dropout.apply(hidden)
    }
}

/// A norm where all parts have one before them.
fn before(place: NormPlace, width: usize, device: &Device) -> Option<LayerNorm> {
    (place == NormPlace::Pre).then(|| LayerNormConfig::new(width).init(device))
}

/// The vectors through the norm, if there is one.
fn normed(norm: Option<&LayerNorm>, vectors: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(vectors),
        None => vectors,
    }
}

/// Self-attention over positions in turn with attention to the codes of all windows.
#[derive(Module, Debug)]
pub struct MultiWindowDecoder {
    questions: Questions,
    memory_norm: Option<LayerNorm>,
    blocks: Vec<WindowBlock>,
    norm: Option<LayerNorm>,
    output: Linear,
    dropout: f64,
}

impl MultiWindowDecoder {
    /// From vectors of `width` numbers to frames of `features`.
    ///
    /// # Errors
    /// If the width does not fit the configuration.
    pub fn init(
        width: usize,
        features: usize,
        config: &MultiWindowConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let MultiWindowConfig { heads, activation, queries, max_frames, .. } = *config;
        let inside = config.feed_forward.unwrap_or(4 * width);
        let norm = match config.norms {
            Norms::Pre => NormPlace::Pre,
            Norms::SelfAttention => NormPlace::Post,
        };
        let shape = LayerShape { width, heads, inside, activation, norm };
        shape.check()?;
        let block = |_| WindowBlock::new(shape, config.cross_activation, device);
        let memory = config.memory_positions;
        Ok(Self {
            questions: Questions::new(queries, memory, width, max_frames, device)?,
            memory_norm: before(norm, width, device),
            blocks: (0..config.blocks).map(block).collect(),
            norm: before(norm, width, device),
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
        let memory = normed(self.memory_norm.as_ref(), asked.memory);
        let mut frames = asked.queries;
        for block in &self.blocks {
            frames = block.forward(frames, &asked.own, &memory, &asked.others, &dropout);
        }
        let frames = normed(self.norm.as_ref(), frames);
        Ok(zero_outside(rows(&self.output, frames), mask))
    }
}

impl Block for MultiWindowDecoder {
    type Config = MultiWindowConfig;
    const NAME: &'static str = "multi-window";
    const ROLE: &'static str = "decoder";
    const DOC: &'static str = "Self-attention in turn with attention to the codes of all windows.";

    fn contract(config: &MultiWindowConfig) -> Result<Contract, Error> {
        let mut counts = vec![("blocks", config.blocks), ("heads", config.heads)];
        counts.push(("max_frames", config.max_frames));
        counts.extend(config.feed_forward.map(|inside| ("feed_forward", inside)));
        check(&counts, config.dropout)?;
        Ok(decoder_contract())
    }

    fn new(config: &MultiWindowConfig, build: &mut Build) -> Result<Self, Error> {
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
