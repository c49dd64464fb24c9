//! A transformer layer.

use crate::architecture::Architecture;
use crate::burn;
use crate::gelu::gelu;
use crate::relative::Gate;
use crate::weights::Weights;
use ablate_sdk::Error;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{LayerNorm, Linear};
use ablate_sdk::burn::tensor::module::attention;
use ablate_sdk::burn::tensor::ops::AttentionModuleOptions;
use ablate_sdk::burn::tensor::{Bool, Tensor};
use ablate_sdk::frames::rows;

/// Attention and a feed-forward part, each with a normalization before or after it.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    attention: Attention,
    attention_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    norm: LayerNorm,
    pre_norm: bool,
}

/// What the frames of a batch are to each other.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// `[1, H, T, T]`.
    pub(crate) distances: Option<Tensor<4>>,
    /// `[B, H, T, T]`, true for what is padding.
    pub(crate) hidden_keys: Option<Tensor<4, Bool>>,
}

impl Layer {
    pub(crate) fn new(
        architecture: &Architecture,
        index: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let Architecture { width, inner, epsilon, pre_norm, .. } = *architecture;
        let name = format!("encoder.layers.{index}");
        let part = |part: &str| format!("{name}.{part}");
        Ok(Self {
            attention: Attention::new(&part("attention"), architecture, weights)?,
            attention_norm: weights.norm(&part("layer_norm"), width, epsilon)?,
            inner: weights.linear(&part("feed_forward.intermediate_dense"), width, inner)?,
            outer: weights.linear(&part("feed_forward.output_dense"), inner, width)?,
            norm: weights.norm(&part("final_layer_norm"), width, epsilon)?,
            pre_norm,
        })
    }

    /// `[B, T, D]` to `[B, T, D]`.
    pub(crate) fn forward(&self, frames: Tensor<3>, around: &Surroundings) -> Tensor<3> {
        let forward = |frames| rows(&self.outer, gelu(rows(&self.inner, frames)));
        if self.pre_norm {
            let normed = self.attention_norm.forward(frames.clone());
            let frames = frames + self.attention.forward(normed, around);
            let normed = self.norm.forward(frames.clone());
            frames + forward(normed)
        } else {
            let sum = frames.clone() + self.attention.forward(frames, around);
            let frames = self.attention_norm.forward(sum);
            self.norm.forward(frames.clone() + forward(frames))
        }
    }
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    gate: Option<Gate>,
    heads: usize,
}

impl Attention {
    fn new(
        name: &str,
        architecture: &Architecture,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let Architecture { width, heads, .. } = *architecture;
        let gate = match architecture.buckets {
            Some(_) => Some(Gate::new(name, width, heads, weights)?),
            None => None,
        };
        let mut linear = |part| weights.linear(&format!("{name}.{part}_proj"), width, width);
        Ok(Self {
            query: linear("q")?,
            key: linear("k")?,
            value: linear("v")?,
            output: linear("out")?,
            gate,
            heads,
        })
    }

    fn forward(&self, frames: Tensor<3>, around: &Surroundings) -> Tensor<3> {
        let [batch, count, width] = frames.dims();
        let heads = self.heads;
        let split = |layer: &Linear| {
            let parts = rows(layer, frames.clone()).reshape([batch, count, heads, width / heads]);
            parts.swap_dims(1, 2)
        };
        let bias = match (&self.gate, &around.distances) {
            (Some(gate), Some(distances)) => Some(gate.forward(frames.clone(), distances.clone())),
            _ => None,
        };
        let seen = attention(
            split(&self.query),
            split(&self.key),
            split(&self.value),
            around.hidden_keys.clone(),
            bias,
            AttentionModuleOptions::default(),
        );
        rows(&self.output, seen.swap_dims(1, 2).reshape([batch, count, width]))
    }
}
