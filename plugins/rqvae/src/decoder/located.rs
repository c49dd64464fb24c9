//! `located`: queries that know only their position look at the codes of the windows near them.

use super::{decoder_contract, read_memory};
use crate::burn;
use crate::positions::{Places, WINDOW_WIDTH};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::activation::relu;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{flags, rows, zero_outside};
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands for the score of a window that does not count: below any real score, and finite.
const MASKED_SCORE: f32 = -1e30;

/// How much the first head's scores fall with a window of distance; each next head's fall half as
/// much (Press, Smith and Lewis, 2022).
const FIRST_SLOPE: f32 = 4.0;

/// Configuration of the decoder `located`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct LocatedConfig {
    /// Attention blocks.
    #[schemars(range(min = 1))]
    pub layers: usize,
    /// Attention heads; they share the latent width evenly.
    #[schemars(range(min = 1))]
    pub heads: usize,
}

impl Default for LocatedConfig {
    fn default() -> Self {
        Self { layers: 1, heads: 4 }
    }
}

/// Blocks of cross attention from positions to codes.
#[derive(Module, Debug)]
pub struct LocatedDecoder {
    queries: Position,
    keys: Position,
    blocks: Vec<AttentionBlock>,
    norm: LayerNorm,
    output: Linear,
}

impl LocatedDecoder {
    /// From vectors of `width` numbers to frames of `features`.
    ///
    /// # Errors
    /// If the heads do not share the width evenly, or the width is odd.
    pub fn init(
        width: usize,
        features: usize,
        config: &LocatedConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let heads = config.heads;
        if !width.is_multiple_of(2) || !width.is_multiple_of(heads) {
            let text = format!(
                "the vectors have width {width}, which must be even and a multiple of `heads` \
                 ({heads})"
            );
            return Err(Error::config(text).hint("the width is `latent_dim` of the model"));
        }
        let block = |_| AttentionBlock::new(width, heads, device);
        Ok(Self {
            queries: Position::new(width, device),
            keys: Position::new(width, device),
            blocks: (0..config.layers).map(block).collect(),
            norm: LayerNormConfig::new(width).init(device),
            output: LinearConfig::new(width, features).init(device),
        })
    }

    /// Frames `[B, T, F]` from codes `[B, W, D]` under the mask `[B, W]`; `frame_mask` `[B, T]`
    /// says how long the items are.
    pub fn decode(
        &self,
        codes: Tensor<3>,
        mask: &Tensor<2, Bool>,
        frame_mask: &Tensor<2, Bool>,
    ) -> Tensor<3> {
        let codes = zero_outside(codes, mask);
        let ([_, windows, width], device) = (codes.dims(), codes.device());
        let places = Places::new(&flags(frame_mask), frame_mask.dims()[1], &flags(mask), windows);
        let memory = codes
            + self.keys.forward(
                places.windows_in_frames(width, &device),
                places.windows_in_windows(&device),
            );
        let mut queries = self
            .queries
            .forward(places.frames_in_frames(width, &device), places.frames_in_windows(&device));
        let distances = places.distances(&device);
        for block in &self.blocks {
            queries = block.forward(queries, memory.clone(), mask, &distances);
        }
        zero_outside(rows(&self.output, self.norm.forward(queries)), frame_mask)
    }
}

impl Block for LocatedDecoder {
    type Config = LocatedConfig;
    const NAME: &'static str = "located";
    const ROLE: &'static str = "decoder";
    const DOC: &'static str = "Positions attend to codes, most to the nearest.";

    fn contract(config: &LocatedConfig) -> Result<Contract, Error> {
        for (name, value) in [("layers", config.layers), ("heads", config.heads)] {
            if value == 0 {
                return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
            }
        }
        Ok(decoder_contract())
    }

    fn new(config: &LocatedConfig, build: &mut Build) -> Result<Self, Error> {
        Self::init(build.dim("D")?, build.dim("F")?, config, build.device())
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let (memory, memory_mask, mask) = read_memory(&inputs)?;
        let frames = self.decode(memory, &memory_mask, &mask);
        Ok(Tensors::new().with("frames", frames).into())
    }
}

/// A position as a vector, from sinusoids of it in frames and in windows.
#[derive(Module, Debug)]
struct Position {
    frames: Linear,
    windows: Linear,
}

impl Position {
    fn new(width: usize, device: &Device) -> Self {
        Self {
            frames: LinearConfig::new(width, width).init(device),
            windows: LinearConfig::new(WINDOW_WIDTH, width).with_bias(false).init(device),
        }
    }

    fn forward(&self, frames: Tensor<3>, windows: Tensor<3>) -> Tensor<3> {
        rows(&self.frames, frames) + rows(&self.windows, windows)
    }
}

/// x + attention(norm(x), codes), then x + feed-forward(norm(x)).
#[derive(Module, Debug)]
struct AttentionBlock {
    attention_norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    heads: usize,
}

impl AttentionBlock {
    fn new(width: usize, heads: usize, device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let norm = || LayerNormConfig::new(width).init(device);
        Self {
            attention_norm: norm(),
            query: linear(width, width),
            key: linear(width, width),
            value: linear(width, width),
            output: linear(width, width),
            feed_norm: norm(),
            widen: linear(width, 2 * width),
            narrow: linear(2 * width, width),
            heads,
        }
    }

    /// Queries `[B, T, D]` that look at the memory `[B, W, D]`, at `distances` `[B, 1, T, W]`.
    fn forward(
        &self,
        queries: Tensor<3>,
        memory: Tensor<3>,
        mask: &Tensor<2, Bool>,
        distances: &Tensor<4>,
    ) -> Tensor<3> {
        let normed = self.attention_norm.forward(queries.clone());
        let queries = queries + self.attend(normed, memory, mask, distances);
        let hidden = relu(rows(&self.widen, self.feed_norm.forward(queries.clone())));
        queries + rows(&self.narrow, hidden)
    }

    fn attend(
        &self,
        queries: Tensor<3>,
        memory: Tensor<3>,
        mask: &Tensor<2, Bool>,
        distances: &Tensor<4>,
    ) -> Tensor<3> {
        let [batch, frames, width] = queries.dims();
        let scale = ((width / self.heads) as f64).sqrt().recip();
        let queries = self.split(rows(&self.query, queries).mul_scalar(scale));
        let keys = self.split(rows(&self.key, memory.clone()));
        let values = self.split(rows(&self.value, memory));
        let scores = queries.matmul(keys.swap_dims(2, 3));
        let slopes: Vec<f32> =
            (0..self.heads).map(|head| FIRST_SLOPE * 0.5_f32.powi(head as i32)).collect();
        let slopes = Tensor::<1>::from_floats(slopes.as_slice(), &scores.device());
        let scores = scores - distances.clone() * slopes.reshape([1, self.heads, 1, 1]);
        let attended = masked_softmax(scores, mask).matmul(values);
        rows(&self.output, attended.swap_dims(1, 2).reshape([batch, frames, width]))
    }

    /// `[B, T, D]` to `[B, heads, T, D / heads]`.
    fn split(&self, vectors: Tensor<3>) -> Tensor<4> {
        let [batch, count, width] = vectors.dims();
        vectors.reshape([batch, count, self.heads, width / self.heads]).swap_dims(1, 2)
    }
}

/// Softmax over the windows `[B, heads, T, W]` that count in `[B, W]`. An item without any gets
/// zeros; no NaN arises on the way.
fn masked_softmax(scores: Tensor<4>, mask: &Tensor<2, Bool>) -> Tensor<4> {
    let shape = scores.dims();
    let valid = mask.clone().unsqueeze_dims::<4>(&[1, 1]);
    let scores = scores.mask_fill(valid.clone().bool_not().expand(shape), MASKED_SCORE);
    // The softmax does not depend on the shift, so no gradient flows through it.
    let largest = scores.clone().detach().max_dim(3);
    let powers = (scores - largest).exp() * valid.float();
    let total = powers.clone().sum_dim(3);
    let nothing = total.clone().equal_elem(0.0);
    powers / total.mask_fill(nothing, 1.0)
}
