//! The codes of a mean that looks most at the typical windows.

use super::{NEEDED, ROLE, contract, vectors, weighted_mean};
use crate::burn;
use crate::codebooks::Codebooks;
use crate::windows::Windows;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How alike a window and the mean are.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Their cosine, in [−1, 1]; 0 for a vector of length 0.
    #[default]
    Cosine,
    /// Their dot product over √D.
    ScaledDot,
}

/// Configuration of `attention`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionConfig {
    /// How alike a window and the mean are.
    pub score: Score,
    /// What scores are divided by before the softmax, above 0: near 0 the most typical window is
    /// all that counts, far above 1 the block is `mean`.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub temperature: f64,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { score: Score::Cosine, temperature: 0.1 }
    }
}

impl AttentionConfig {
    fn check(&self) -> Result<(), Error> {
        let Self { score: _, temperature } = self;
        if *temperature > 0.0 && temperature.is_finite() {
            return Ok(());
        }
        Err(Error::config(format!("`temperature` is {temperature}, must be above 0 and finite")))
    }
}

/// A mean of the windows' quantized vectors z that is weighted by how alike each is to their plain
/// mean, quantized again. It has no parameters:
///
/// w = softmax over valid windows of score(z, z̄) / temperature, with z̄ the mean of z, and the
/// codes are those of Σ w z. The score is the cosine, or z · z̄ / √D.
#[derive(Module, Debug)]
pub struct Attention {
    #[module(skip)]
    score: Score,
    temperature: f64,
}

impl Attention {
    /// The codes of the weighted mean; at least one tuple.
    pub(crate) fn of(&self, codebooks: &Codebooks, tuples: &[&[i64]]) -> Vec<i64> {
        let vectors = vectors(codebooks, tuples);
        let mean = weighted_mean(&vectors, &vec![1.0; vectors.len()]);
        let scores = vectors.iter().map(|vector| self.score(vector, &mean) / self.temperature);
        let scores: Vec<f64> = scores.collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        codebooks.quantize(&weighted_mean(&vectors, &weights))
    }

    fn score(&self, vector: &[f64], mean: &[f64]) -> f64 {
        let product = dot(vector, mean);
        match self.score {
            Score::ScaledDot => product / (mean.len().max(1) as f64).sqrt(),
            Score::Cosine => {
                let lengths = (dot(vector, vector) * dot(mean, mean)).sqrt();
                if lengths > 0.0 { product / lengths } else { 0.0 }
            }
        }
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

impl Block for Attention {
    type Config = AttentionConfig;
    const NAME: &'static str = "attention";
    const ROLE: &'static str = ROLE;
    const DOC: &'static str = "A mean weighted by likeness to the plain mean, quantized again.";

    fn contract(config: &AttentionConfig) -> Result<Contract, Error> {
        config.check()?;
        Ok(contract(NEEDED, "1"))
    }

    fn new(config: &AttentionConfig, _: &mut Build) -> Result<Self, Error> {
        config.check()?;
        Ok(Self { score: config.score, temperature: config.temperature })
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let windows = Windows::read(&inputs)?;
        let codebooks = windows.codebooks(&inputs)?;
        Ok(windows.aggregate(|tuples| self.of(&codebooks, tuples)))
    }
}
