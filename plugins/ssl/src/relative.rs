//! The relative positions of WavLM: a table of distances that all layers share, and a gate on it
//! that each layer computes from its frames.

use crate::architecture::Buckets;
use crate::burn;
use crate::weights::{Published, Weights};
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, Param};
use ablate_sdk::burn::nn::{Initializer, Linear};
use ablate_sdk::burn::tensor::activation::sigmoid;
use ablate_sdk::burn::tensor::{Int, Tensor, TensorData};

/// One number per head for every distance.
#[derive(Module, Debug)]
pub(crate) struct Distances {
    /// `[buckets, H]`.
    table: Param<Tensor<2>>,
    max_distance: usize,
}

impl Distances {
    pub(crate) fn new(
        buckets: Buckets,
        heads: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let name = "encoder.layers.0.attention.rel_attn_embed.weight".to_owned();
        let shape = [buckets.count, heads];
        let initial = Initializer::Normal { mean: 0.0, std: 0.02 };
        let table = weights.plain(Published { names: &[name], shape: &shape }, shape, initial)?;
        Ok(Self { table, max_distance: buckets.max_distance })
    }

    /// `[1, H, T, T]`: what each of `count` frames adds to its scores of the others.
    pub(crate) fn between(&self, count: usize) -> Tensor<4> {
        let table = self.table.val();
        let [size, heads] = table.dims();
        let buckets = Buckets { count: size, max_distance: self.max_distance };
        // From the last frame looking at the first to the first looking at the last.
        let furthest = count as i64 - 1;
        let offsets: Vec<i64> =
            (-furthest..=furthest).map(|offset| buckets.of(offset) as i64).collect();
        let offsets = TensorData::new(offsets, [2 * count - 1]);
        let offsets = Tensor::<1, Int>::from_data(offsets, &table.device());
        let by_offset = table.select(0, offsets).swap_dims(0, 1);
        // Row i of the windows starts at the offset i - furthest, which is what the frame
        // furthest - i sees of the first frame.
        let windows: Tensor<3> = by_offset.unfold(1, count, 1);
        windows.flip([1]).reshape([1, heads, count, count])
    }
}

impl Buckets {
    /// The bucket of a frame `offset` frames later (Raffel et al., 2020, for both directions):
    /// distances below half of a direction's buckets have one each, the others share the rest on a
    /// logarithmic scale up to `max_distance`.
    pub(crate) fn of(self, offset: i64) -> usize {
        let side = self.count / 2;
        let exact = side / 2;
        let start = if offset > 0 { side } else { 0 };
        let distance = offset.unsigned_abs() as usize;
        if distance < exact {
            return start + distance;
        }
        // In 32 bits and in this order, as the models were trained.
        let far = (distance as f32 / exact as f32).ln();
        let far = far / (self.max_distance as f64 / exact as f64).ln() as f32;
        let bucket = (exact as f32 + far * (side - exact) as f32) as usize;
        start + bucket.min(side - 1)
    }
}

/// How much of the distances a frame lets through (Chen et al., 2022, equations 6 to 8).
#[derive(Module, Debug)]
pub(crate) struct Gate {
    linear: Linear,
    /// One for each head.
    factors: Param<Tensor<1>>,
}

impl Gate {
    pub(crate) fn new(
        name: &str,
        width: usize,
        heads: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let linear = weights.linear(&format!("{name}.gru_rel_pos_linear"), width / heads, 8)?;
        let factors = weights.plain(
            Published { names: &[format!("{name}.gru_rel_pos_const")], shape: &[1, heads, 1, 1] },
            [heads],
            Initializer::Ones,
        )?;
        Ok(Self { linear, factors })
    }

    /// `[B, T, D]` and `[1, H, T, T]` to `[B, H, T, T]`.
    pub(crate) fn forward(&self, frames: Tensor<3>, distances: Tensor<4>) -> Tensor<4> {
        let [batch, count, width] = frames.dims();
        let heads = self.factors.val().dims()[0];
        let parts = frames.reshape([batch * count * heads, width / heads]);
        let scores = self.linear.forward(parts).reshape([batch, count, heads, 2, 4]);
        let scores = sigmoid(scores.sum_dim(4).reshape([batch, count, heads, 2]));
        let part = |at: usize| scores.clone().slice([0..batch, 0..count, 0..heads, at..at + 1]);
        let factors = self.factors.val().reshape([1, 1, heads, 1]);
        let gate = part(0) * (part(1) * factors).sub_scalar(1.0) + 2.0;
        gate.swap_dims(1, 2) * distances
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::serde_json;

    /// From the published code; see `tests/ssl/data/make_references.py`.
    #[test]
    fn distances_fall_into_the_published_buckets() {
        let text = include_str!("../tests/ssl/data/buckets.json");
        let wanted: Vec<usize> = serde_json::from_str(text).expect("a list of numbers");
        let buckets = Buckets { count: 320, max_distance: 800 };
        let found: Vec<usize> = (-1000..=1000).map(|offset| buckets.of(offset)).collect();
        assert_eq!(found, wanted);
    }
}
