//! One codebook: nearest codes, moving averages, k-means, and codes that start again.
//!
//! Everything here works on tensors outside any graph. Sums over the vectors of a code are
//! products with a one-hot matrix, so that they do not depend on the order of threads.

use crate::draws::draw;
use ablate_sdk::burn::tensor::{DType, Int, Tensor};
use ablate_sdk::rand::Rng;

/// Keeps the size of an unused code above zero (Laplace smoothing).
const SMOOTHING: f64 = 1e-5;

/// Rounds of k-means.
const ROUNDS: usize = 10;

/// A codebook of `K` codes with the moving averages that it follows from.
#[derive(Clone, Debug)]
pub struct Codebook {
    /// Vectors per code and batch, `N` of shape `[K]`.
    pub counts: Tensor<1>,
    /// Their sums, `m` of shape `[K, D]`.
    pub sums: Tensor<2>,
    /// The codes, `e` of shape `[K, D]`.
    pub codes: Tensor<2>,
}

impl Codebook {
    /// Codes that every count as one vector.
    pub fn new(codes: Tensor<2>) -> Self {
        let [size, _] = codes.dims();
        let counts = Tensor::ones([size], &codes.device());
        Self { counts, sums: codes.clone(), codes }
    }

    /// Clusters as a codebook: N = counts, m = means · counts.
    pub fn from_clusters(means: Tensor<2>, counts: Tensor<1>) -> Self {
        let sums = means * counts.clone().unsqueeze_dim::<2>(1);
        let codes = smoothed(&counts, &sums);
        Self { counts, sums, codes }
    }

    /// The code nearest to each of the vectors `[N, D]`; of equally near ones the first.
    pub fn nearest(&self, vectors: Tensor<2>) -> Tensor<1, Int> {
        nearest(vectors, &self.codes)
    }

    /// The codes `[N, D]` of the indices `[N]`.
    pub fn look_up(&self, indices: Tensor<1, Int>) -> Tensor<2> {
        self.codes.clone().select(0, indices)
    }

    /// The codebook after a batch of vectors `[N, D]` that were assigned to `indices` `[N]`.
    /// `weights` `[N, 1]` is 1 for a vector that counts and 0 for one that does not.
    ///
    /// N ← γN + (1 − γ)n, m ← γm + (1 − γ)s, e = m / Ñ with
    /// Ñ = (N + ε) / (ΣN + Kε) · ΣN (van den Oord, Vinyals and Kavukcuoglu, 2017, appendix A.1).
    #[must_use]
    pub fn updated(
        &self,
        vectors: Tensor<2>,
        indices: Tensor<1, Int>,
        weights: Tensor<2>,
        decay: f64,
    ) -> Self {
        let size = self.codes.dims()[0];
        let (counts, sums) = count_and_sum(vectors, indices, weights, size);
        let mix =
            |old: Tensor<1>, new: Tensor<1>| old.mul_scalar(decay) + new.mul_scalar(1.0 - decay);
        let counts = mix(self.counts.clone(), counts);
        let sums = self.sums.clone().mul_scalar(decay) + sums.mul_scalar(1.0 - decay);
        let codes = smoothed(&counts, &sums);
        Self { counts, sums, codes }
    }

    /// The codebook in which every code with a count below `ratio` · n / K starts again, from one
    /// of the vectors `[N, D]`; `rows` are the n of them that count. A code that starts again has
    /// the mean count n / K, so that it has some batches' time to find its vectors.
    #[must_use]
    pub fn revived(
        self,
        vectors: Tensor<2>,
        rows: &[usize],
        ratio: f64,
        generator: &mut impl Rng,
    ) -> Self {
        let size = self.codes.dims()[0];
        let mean = rows.len() as f64 / size as f64;
        let counts: Vec<f32> = self.counts.clone().into_data().iter::<f32>().collect();
        let dead: Vec<bool> = counts.iter().map(|&count| f64::from(count) < ratio * mean).collect();
        let count = dead.iter().filter(|&&dead| dead).count();
        if count == 0 || rows.is_empty() {
            return self;
        }
        let mut drawn = draw(rows, count, generator).into_iter();
        let sources = dead.iter().map(|&dead| if dead { drawn.next() } else { None });
        let sources: Vec<i64> = sources.map(|row| row.unwrap_or(rows[0]) as i64).collect();
        let device = vectors.device();
        let sources = Tensor::<1, Int>::from_data(sources.as_slice(), &device);
        let replacement = vectors.select(0, sources);
        let [_, width] = replacement.dims();
        let dead = Tensor::from_data(dead.as_slice(), &device);
        let wide = dead.clone().unsqueeze_dim::<2>(1).expand([size, width]);
        Self {
            counts: self.counts.mask_fill(dead, mean),
            sums: self.sums.mask_where(wide.clone(), replacement.clone().mul_scalar(mean)),
            codes: self.codes.mask_where(wide, replacement),
        }
    }
}

/// k-means over the vectors `[N, D]`: ten rounds from `size` of them. A cluster that loses all its
/// vectors keeps its mean, with a count of zero.
pub fn cluster(vectors: Tensor<2>, size: usize, generator: &mut impl Rng) -> Codebook {
    let device = vectors.device();
    let [count, _] = vectors.dims();
    let rows: Vec<usize> = (0..count).collect();
    let start: Vec<i64> = draw(&rows, size, generator).into_iter().map(|row| row as i64).collect();
    let start = Tensor::<1, Int>::from_data(start.as_slice(), &device);
    let mut means = vectors.clone().select(0, start);
    let mut counts = Tensor::zeros([size], &device);
    let weights = Tensor::ones([count, 1], &device);
    for _ in 0..ROUNDS {
        let indices = nearest(vectors.clone(), &means);
        let sums;
        (counts, sums) = count_and_sum(vectors.clone(), indices, weights.clone(), size);
        let divisor = counts.clone().clamp_min(1.0).unsqueeze_dim::<2>(1);
        let empty = counts.clone().equal_elem(0.0).unsqueeze_dim::<2>(1).expand(means.dims());
        means = (sums / divisor).mask_where(empty, means);
    }
    Codebook::from_clusters(means, counts)
}

/// argmin over k of ‖x − e_k‖², for which ‖e_k‖² − 2 x·e_k is enough.
pub(crate) fn nearest(vectors: Tensor<2>, codes: &Tensor<2>) -> Tensor<1, Int> {
    let norms = (codes.clone() * codes.clone()).sum_dim(1).transpose();
    let products = vectors.matmul(codes.clone().transpose());
    (norms - products.mul_scalar(2.0)).argmin(1).squeeze_dim(1)
}

/// How many vectors each code got, `[K]`, and their sums, `[K, D]`.
fn count_and_sum(
    vectors: Tensor<2>,
    indices: Tensor<1, Int>,
    weights: Tensor<2>,
    size: usize,
) -> (Tensor<1>, Tensor<2>) {
    let (device, dtype): (_, DType) = (indices.device(), indices.dtype());
    let all = Tensor::<1, Int>::arange(0..size as i64, (&device, dtype)).unsqueeze_dim::<2>(0);
    let chosen = indices.unsqueeze_dim::<2>(1).equal(all).float() * weights;
    (chosen.clone().sum_dim(0).squeeze_dim(0), chosen.transpose().matmul(vectors))
}

/// e = m / Ñ.
fn smoothed(counts: &Tensor<1>, sums: &Tensor<2>) -> Tensor<2> {
    let size = counts.dims()[0] as f64;
    let total = counts.clone().sum();
    let scale = total.clone() / total.add_scalar(size * SMOOTHING);
    let sizes = counts.clone().add_scalar(SMOOTHING) * scale;
    sums.clone() / sizes.unsqueeze_dim::<2>(1)
}

#[cfg(test)]
mod tests;
