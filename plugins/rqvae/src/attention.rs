//! Attention with several heads, over keys of which some do not count.

use crate::burn;
use crate::dropout::Dropout;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::nn::{Initializer, Linear, LinearConfig};
use ablate_sdk::burn::tensor::activation::softmax;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor, TensorData};
use ablate_sdk::frames::{flags, rows};

/// What is added to the score of a key that does not count: below any real score, and finite.
const MASKED_SCORE: f32 = -1e30;

/// The keys of a batch that count.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// 0, or [`MASKED_SCORE`] for a key that does not count, `[B, 1, 1, W]`; `None`: all count.
    bias: Option<Tensor<4>>,
    /// 1, or 0 for an item none of whose keys count, `[B, 1, 1, 1]`; `None`: there is no such item.
    some: Option<Tensor<4>>,
}

impl Keys {
    /// Those inside the mask `[B, W]`.
    pub(crate) fn new(mask: &Tensor<2, Bool>) -> Self {
        let ([batch, width], device) = (mask.dims(), mask.device().inner());
        let valid = flags(mask);
        let bias = valid.iter().any(|&valid| !valid).then(|| {
            let values: Vec<f32> =
                valid.iter().map(|&valid| if valid { 0.0 } else { MASKED_SCORE }).collect();
            Tensor::from_data(TensorData::new(values, [batch, 1, 1, width]), &device)
        });
        let some: Vec<f32> = valid
            .chunks_exact(width.max(1))
            .map(|row| if row.contains(&true) { 1.0 } else { 0.0 })
            .collect();
        let some = some
            .contains(&0.0)
            .then(|| Tensor::from_data(TensorData::new(some, [batch, 1, 1, 1]), &device));
        Self { bias, some }
    }

    /// Softmax of scores `[B, heads, T, W]` outside any graph over the keys that count. An item
    /// without any gets zeros; no NaN arises on the way.
    fn weights(&self, scores: Tensor<4>) -> Tensor<4> {
        let scores = match &self.bias {
            Some(bias) => scores + bias.clone(),
            None => scores,
        };
        let weights = softmax(scores, 3);
        match &self.some {
            Some(some) => weights * some.clone(),
            None => weights,
        }
    }
}

/// Scaled dot-product attention with several heads (Vaswani et al., 2017, section 3.2), drawn as
/// PyTorch draws its `MultiheadAttention`.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
}

impl Attention {
    /// For vectors of `width` numbers, a multiple of `heads`.
    pub(crate) fn new(width: usize, heads: usize, device: &Device) -> Self {
        // Glorot and Bengio's bound for the three matrices as one of three times the width.
        let bound = (6.0 / (4 * width) as f64).sqrt();
        let drawn = Initializer::Uniform { min: -bound, max: bound };
        let linear = |initializer| {
            let weights = LinearConfig::new(width, width).with_bias(false);
            let bias = Some(Initializer::Zeros.init([width], device));
            Linear { bias, ..weights.with_initializer(initializer).init(device) }
        };
        Self {
            query: linear(drawn.clone()),
            key: linear(drawn.clone()),
            value: linear(drawn),
            output: linear(LinearConfig::new(width, width).initializer),
            heads,
        }
    }

    /// Queries `[B, T, D]` that look at the memory `[B, W, D]`, of which the `keys` count. Where
    /// none does, the result is the last layer's bias.
    pub(crate) fn forward(
        &self,
        queries: Tensor<3>,
        memory: Tensor<3>,
        keys: &Keys,
        dropout: &Dropout,
    ) -> Tensor<3> {
        let [batch, count, width] = queries.dims();
        let scale = ((width / self.heads) as f64).sqrt().recip();
        let query = self.split(rows(&self.query, queries).mul_scalar(scale));
        let key = self.split(rows(&self.key, memory.clone()));
        let value = self.split(rows(&self.value, memory));
        let attended = attend(query, key, value, keys, dropout);
        rows(&self.output, attended.swap_dims(1, 2).reshape([batch, count, width]))
    }

    /// `[B, T, D]` to `[B, heads, T, D / heads]`.
    fn split(&self, vectors: Tensor<3>) -> Tensor<4> {
        let [batch, count, width] = vectors.dims();
        vectors.reshape([batch, count, self.heads, width / self.heads]).swap_dims(1, 2)
    }
}

/// softmax(q kᵀ) v with dropout of the weights, all of `[B, heads, …]`.
///
/// The gradient is written out, as a graph of the softmax takes most of the time of a layer: with
/// weights p, dropped to p′, outputs o and their gradient g, that of the scores is
/// p′ ⊙ (g vᵀ) − p ⊙ rowsum(g ⊙ o), which `line` below has. Its value is taken off again.
fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    keys: &Keys,
    dropout: &Dropout,
) -> Tensor<4> {
    let scores = query.matmul(key.swap_dims(2, 3));
    let weights = keys.weights(scores.clone().inner());
    let dropped = dropout.apply(weights.clone());
    if !scores.is_autodiff() {
        return dropped.matmul(value);
    }
    let (weights, dropped) = (weights.autodiff(), dropped.autodiff());
    let attended = dropped.clone().matmul(value.clone());
    let weighted = scores.clone() * weights;
    let kept = if dropout.drops() { scores * dropped } else { weighted.clone() };
    let line = kept.matmul(value.detach()) - attended.clone().detach() * weighted.sum_dim(3);
    attended + (line.clone() - line.detach())
}

#[cfg(test)]
mod tests;
