//! Layers of a transformer: attention and feed-forward parts, each with a residual and a norm.

use crate::attention::{Attention, Keys};
use crate::burn;
use crate::dropout::Dropout;
use ablate_sdk::Error;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use ablate_sdk::burn::tensor::activation::{gelu, relu, silu};
use ablate_sdk::burn::tensor::{Device, Tensor};
use ablate_sdk::frames::rows;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The function between the two layers of a feed-forward part.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x Φ(x), exactly (Hendrycks and Gimpel, 2016); takes far longer than the others.
    Gelu,
    /// x / (1 + e⁻ˣ).
    Silu,
}

/// Where a layer's norms stand.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlace {
    /// norm(x + part(x)) (Vaswani et al., 2017).
    Post,
    /// x + part(norm(x)) (Xiong et al., 2020): trains without warm-up.
    Pre,
}

/// What all layers of a stack share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerShape {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Width inside the feed-forward parts.
    pub(crate) inside: usize,
    pub(crate) activation: Activation,
    pub(crate) norm: NormPlace,
}

impl LayerShape {
    /// # Errors
    /// If the heads do not share the width evenly.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { width, heads, .. } = *self;
        if width % heads != 0 {
            let text = format!("`heads` is {heads}, which does not divide the width {width}");
            let advice = "the width is `latent_dim` of the model; choose one that is a multiple";
            return Err(Error::config(text).hint(advice));
        }
        Ok(())
    }
}

/// Checks the settings that every stack of layers has.
///
/// # Errors
/// If a count is 0 or the dropout is none.
pub(crate) fn check(counts: &[(&str, usize)], dropout: f64) -> Result<(), Error> {
    for (name, value) in counts {
        if *value == 0 {
            return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
        }
    }
    if !(0.0..1.0).contains(&dropout) {
        let text = format!("`dropout` is {dropout}, must be at least 0 and less than 1");
        return Err(Error::config(text));
    }
    Ok(())
}

/// W₂ f(W₁ x + b₁) + b₂, frame by frame.
#[derive(Module, Debug)]
pub(crate) struct FeedForward {
    widen: Linear,
    narrow: Linear,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    pub(crate) fn new(
        width: usize,
        inside: usize,
        activation: Activation,
        device: &Device,
    ) -> Self {
        Self {
            widen: LinearConfig::new(width, inside).init(device),
            narrow: LinearConfig::new(inside, width).init(device),
            activation,
        }
    }

    /// `[B, T, D]` to the same.
    pub(crate) fn forward(&self, frames: Tensor<3>, dropout: &Dropout) -> Tensor<3> {
        let hidden = rows(&self.widen, frames);
        let hidden = match self.activation {
            Activation::Relu => relu(hidden),
            Activation::Gelu => gelu(hidden),
            Activation::Silu => silu(hidden),
        };
        rows(&self.narrow, dropout.apply(hidden))
    }
}

/// x and a part of a layer over it, with a norm where it belongs.
fn residual(
    place: NormPlace,
    norm: &LayerNorm,
    frames: Tensor<3>,
    part: impl FnOnce(Tensor<3>) -> Tensor<3>,
) -> Tensor<3> {
    match place {
        NormPlace::Post => norm.forward(frames.clone() + part(frames)),
        NormPlace::Pre => frames.clone() + part(norm.forward(frames)),
    }
}

/// Attention of frames to each other and a feed-forward part.
#[derive(Module, Debug)]
pub(crate) struct EncoderLayer {
    attention: Attention,
    attention_norm: LayerNorm,
    feed: FeedForward,
    feed_norm: LayerNorm,
    #[module(skip)]
    place: NormPlace,
}

impl EncoderLayer {
    pub(crate) fn new(shape: LayerShape, device: &Device) -> Self {
        let LayerShape { width, heads, inside, activation, norm } = shape;
        Self {
            attention: Attention::new(width, heads, device),
            attention_norm: LayerNormConfig::new(width).init(device),
            feed: FeedForward::new(width, inside, activation, device),
            feed_norm: LayerNormConfig::new(width).init(device),
            place: norm,
        }
    }

    /// `[B, T, D]`, of which the frames `own` count, to the same.
    pub(crate) fn forward(&self, frames: Tensor<3>, own: &Keys, dropout: &Dropout) -> Tensor<3> {
        let frames = residual(self.place, &self.attention_norm, frames, |frames| {
            dropout.apply(self.attention.forward(frames.clone(), frames, own, dropout))
        });
        residual(self.place, &self.feed_norm, frames, |frames| {
            dropout.apply(self.feed.forward(frames, dropout))
        })
    }
}

/// Attention of frames to each other, attention to a memory, and a feed-forward part.
#[derive(Module, Debug)]
pub(crate) struct DecoderLayer {
    attention: Attention,
    attention_norm: LayerNorm,
    cross: Attention,
    cross_norm: LayerNorm,
    feed: FeedForward,
    feed_norm: LayerNorm,
    #[module(skip)]
    place: NormPlace,
}

impl DecoderLayer {
    pub(crate) fn new(shape: LayerShape, device: &Device) -> Self {
        let LayerShape { width, heads, inside, activation, norm } = shape;
        Self {
            attention: Attention::new(width, heads, device),
            attention_norm: LayerNormConfig::new(width).init(device),
            cross: Attention::new(width, heads, device),
            cross_norm: LayerNormConfig::new(width).init(device),
            feed: FeedForward::new(width, inside, activation, device),
            feed_norm: LayerNormConfig::new(width).init(device),
            place: norm,
        }
    }

    /// `[B, T, D]`, of which the frames `own` count, to the same, looking at the memory
    /// `[B, W, D]`, of which the vectors `others` count.
    pub(crate) fn forward(
        &self,
        frames: Tensor<3>,
        own: &Keys,
        memory: &Tensor<3>,
        others: &Keys,
        dropout: &Dropout,
    ) -> Tensor<3> {
        let frames = residual(self.place, &self.attention_norm, frames, |frames| {
            dropout.apply(self.attention.forward(frames.clone(), frames, own, dropout))
        });
        let frames = residual(self.place, &self.cross_norm, frames, |frames| {
            dropout.apply(self.cross.forward(frames, memory.clone(), others, dropout))
        });
        residual(self.place, &self.feed_norm, frames, |frames| {
            dropout.apply(self.feed.forward(frames, dropout))
        })
    }
}
