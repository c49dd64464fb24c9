//! Residual vector quantization with moving-average codebooks.

use crate::burn;
use crate::codebook::{Codebook, cluster};
use crate::config::RqVaeConfig;
use crate::rows::{flags, zero_outside};
use ablate_sdk::burn::module::{Module, RunningState};
use ablate_sdk::burn::tensor::{Bool, Device, Distribution, Int, Tensor};
use ablate_sdk::seed::generator;

/// A cascade of codebooks: each quantizes what the ones before it left over.
///
/// The codebooks are no parameters: they follow moving averages, kept here so that a saved and
/// restored quantizer goes on bit for bit.
#[derive(Module, Debug)]
pub struct ResidualQuantizer {
    /// `[L, K]`.
    counts: RunningState<Tensor<2>>,
    /// `[L, K, D]`.
    sums: RunningState<Tensor<3>>,
    /// `[L, K, D]`.
    codes: RunningState<Tensor<3>>,
    /// Updates so far, of shape `[1]`.
    updates: RunningState<Tensor<1>>,
    /// 1 once the codebooks hold something that came from data or was meant to stay, else 0.
    initialized: RunningState<Tensor<1>>,
    decay: f64,
    commitment: f64,
    dead_code_ratio: f64,
    dead_code_warmup: usize,
}

/// Seeds of what is drawn while the codebooks learn.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSeeds {
    /// For the vectors that k-means starts from.
    pub clusters: u64,
    /// For the vectors that dead codes start again from.
    pub dead_codes: u64,
}

/// What the quantizer made of vectors `[B, W, D]`.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// Sums of codes, `[B, W, D]`. Their gradient is handed straight to the vectors.
    pub vectors: Tensor<3>,
    /// Indices of the codes, `[B, W, L]`; 0 where the mask is false.
    pub codes: Tensor<3, Int>,
    /// β Σ over levels of the mean of (r − sg(q))² over valid vectors and channels, `[1]`.
    pub commitment: Tensor<1>,
    /// The codebooks that the codes refer to, `[L, K, D]`.
    pub codebooks: Tensor<3>,
}

impl ResidualQuantizer {
    /// With random codebooks, which k-means replaces on the first training batch if the
    /// configuration says so.
    pub fn new(config: &RqVaeConfig, device: &Device) -> Self {
        let (levels, size, width) = (config.levels, config.codebook_size, config.latent_dim);
        let bound = (6.0 / width as f64).sqrt();
        let uniform = Distribution::Uniform(-bound, bound);
        let codes = Tensor::<3>::random([levels, size, width], uniform, device);
        let initialized = if config.kmeans_init { 0.0 } else { 1.0 };
        Self {
            counts: RunningState::new(Tensor::ones([levels, size], device)),
            sums: RunningState::new(codes.clone()),
            codes: RunningState::new(codes),
            updates: RunningState::new(Tensor::zeros([1], device)),
            initialized: RunningState::new(Tensor::full([1], initialized, device)),
            decay: config.decay,
            commitment: config.commitment,
            dead_code_ratio: config.dead_code_ratio,
            dead_code_warmup: config.dead_code_warmup,
        }
    }

    /// Quantizes the vectors `[B, W, D]` under the mask `[B, W]`. With seeds the codebooks learn:
    /// codes are assigned from the codebooks as they were, and those are updated afterwards.
    /// Vectors outside the mask take no part in anything.
    pub fn forward(
        &self,
        vectors: Tensor<3>,
        mask: &Tensor<2, Bool>,
        training: Option<TrainingSeeds>,
    ) -> Quantized {
        let [batch, windows, width] = vectors.dims();
        let count = batch * windows;
        let input = zero_outside(vectors, mask).reshape([count, width]);
        let valid: Vec<usize> = flags(mask)
            .iter()
            .enumerate()
            .filter(|(_, valid)| **valid)
            .map(|(row, _)| row)
            .collect();
        let mask = mask.clone().inner().reshape([count]);
        let mut books = self.codebooks();
        let training = training.filter(|_| !valid.is_empty());
        let first = training.filter(|_| !is_set(&self.initialized));

        let mut residual = input.clone().inner();
        let mut total = residual.zeros_like();
        let mut squares = Tensor::<1>::zeros([1], &input.device());
        let (mut levels, mut codes) = (Vec::new(), Vec::new());
        for (level, book) in books.iter_mut().enumerate() {
            if let Some(seeds) = first {
                *book = self.initial(residual.clone(), &valid, level, seeds);
            }
            let indices = book.nearest(residual.clone());
            let outside = mask.clone().bool_not();
            let wide = outside.clone().unsqueeze_dim::<2>(1).expand([count, width]);
            let chosen = book.look_up(indices.clone()).mask_fill(wide, 0.0);
            total = total + chosen.clone();
            let difference = input.clone() - total.clone();
            squares = squares + (difference.clone() * difference).sum();
            levels.push((residual.clone(), indices.clone()));
            codes.push(indices.mask_fill(outside, 0));
            residual = residual - chosen;
        }

        let codebooks = Tensor::stack(books.iter().map(|book| book.codes.clone()).collect(), 0);
        if let Some(seeds) = training {
            self.learn(books, levels, &mask, &valid, seeds);
        }
        let elements = (valid.len() * width).max(1) as f64;
        let level_count = codes.len();
        Quantized {
            vectors: straight_through(input, total).reshape([batch, windows, width]),
            codes: Tensor::stack::<2>(codes, 1).reshape([batch, windows, level_count]),
            commitment: squares.mul_scalar(self.commitment / elements),
            codebooks,
        }
    }

    /// The codebooks, level by level, outside any graph.
    fn codebooks(&self) -> Vec<Codebook> {
        let (counts, sums) = (self.counts.value().inner(), self.sums.value().inner());
        let codes = self.codes.value().inner();
        (0..codes.dims()[0])
            .map(|level| Codebook {
                counts: counts.clone().slice(level..level + 1).squeeze_dim(0),
                sums: sums.clone().slice(level..level + 1).squeeze_dim(0),
                codes: codes.clone().slice(level..level + 1).squeeze_dim(0),
            })
            .collect()
    }

    /// The first codebook of a level, from the valid vectors of the first batch.
    fn initial(
        &self,
        residual: Tensor<2>,
        valid: &[usize],
        level: usize,
        seeds: TrainingSeeds,
    ) -> Codebook {
        let size = self.codes.value().dims()[1];
        let rows: Vec<i64> = valid.iter().map(|&row| row as i64).collect();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &residual.device());
        let mut generator = generator(seeds.clusters.wrapping_add(level as u64));
        cluster(residual.select(0, rows), size, &mut generator)
    }

    /// Updates every codebook with the residuals and indices of its level.
    fn learn(
        &self,
        books: Vec<Codebook>,
        levels: Vec<(Tensor<2>, Tensor<1, Int>)>,
        mask: &Tensor<1, Bool>,
        valid: &[usize],
        seeds: TrainingSeeds,
    ) {
        let weights = mask.clone().float().unsqueeze_dim::<2>(1);
        let updates = self.updates.value().into_scalar::<f32>() + 1.0;
        let revive = self.dead_code_ratio > 0.0 && updates > self.dead_code_warmup as f32;
        let mut learned = Vec::with_capacity(books.len());
        for (level, (book, (residual, indices))) in books.into_iter().zip(levels).enumerate() {
            let mut book = book.updated(residual.clone(), indices, weights.clone(), self.decay);
            if revive {
                let mut generator = generator(seeds.dead_codes.wrapping_add(level as u64));
                book = book.revived(residual, valid, self.dead_code_ratio, &mut generator);
            }
            learned.push(book);
        }
        let device = weights.device();
        let all = |part: fn(&Codebook) -> Tensor<2>| {
            Tensor::stack::<3>(learned.iter().map(part).collect(), 0)
        };
        store(&self.sums, all(|book| book.sums.clone()));
        store(&self.codes, all(|book| book.codes.clone()));
        let counts = learned.iter().map(|book| book.counts.clone()).collect();
        store(&self.counts, Tensor::stack::<2>(counts, 0));
        store(&self.updates, Tensor::full([1], updates, &device));
        store(&self.initialized, Tensor::ones([1], &device));
    }
}

/// The codes' value with the gradient of what was quantized. Added as a zero, so that the value is
/// exactly the codes' and the gradient exactly one, whatever the number of levels.
fn straight_through(input: Tensor<2>, quantized: Tensor<2>) -> Tensor<2> {
    if !input.is_autodiff() {
        return quantized;
    }
    let zero = input.clone() - input.detach();
    quantized.autodiff() + zero
}

fn is_set(state: &RunningState<Tensor<1>>) -> bool {
    state.value().into_scalar::<f32>() > 0.5
}

/// Replaces the value at once, on the device where it lay: an update alone would wait for the next
/// one, and saving would miss it.
fn store<const D: usize>(state: &RunningState<Tensor<D>>, value: Tensor<D>) {
    let recorded = state.value().is_autodiff();
    state.update(if recorded { value.autodiff() } else { value });
    let _ = state.value_sync();
}

#[cfg(test)]
mod tests;
