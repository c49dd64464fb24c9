//! Level by level: what every quantizer does, whatever its codebooks follow.

use super::{Quantized, StraightThrough};
use crate::codebook::{Codebook, cluster, nearest};
use ablate_sdk::burn::tensor::{Bool, Device, Distribution, Int, Tensor};
use ablate_sdk::frames::{flags, zero_outside};
use ablate_sdk::seed::generator;

/// The vectors of a batch as rows.
pub(super) struct Rows {
    /// `[N, D]` with N = B · W, or one row that does not count in place of none; zero where the
    /// mask is false.
    pub(super) input: Tensor<2>,
    /// The rows that count.
    pub(super) valid: Vec<usize>,
    /// `[N]`, outside any graph.
    mask: Tensor<1, Bool>,
    items: usize,
    windows: usize,
}

/// What one level did, outside any graph.
pub(super) struct Level {
    /// What the levels before it left over, `[N, D]`.
    pub(super) residual: Tensor<2>,
    /// The code nearest to it, `[N]`; anything where the mask is false.
    pub(super) indices: Tensor<1, Int>,
    /// The sum of the codes so far, `[N, D]`.
    total: Tensor<2>,
}

impl Rows {
    /// Of vectors `[B, W, D]` under the mask `[B, W]`.
    pub(super) fn new(vectors: Tensor<3>, mask: &Tensor<2, Bool>) -> Self {
        let ([items, windows, width], device) = (vectors.dims(), vectors.device());
        if items * windows == 0 {
            let nothing = Tensor::full([1, 1], false, &device);
            let rows = Self::new(Tensor::zeros([1, 1, width], &device), &nothing);
            return Self { items, windows, ..rows };
        }
        let count = items * windows;
        let input = zero_outside(vectors, mask).reshape([count, width]);
        let valid = flags(mask).into_iter().enumerate().filter(|(_, valid)| *valid);
        let valid = valid.map(|(row, _)| row).collect();
        let mask = mask.clone().inner().reshape([count]);
        Self { input, valid, mask, items, windows }
    }

    /// 1 for rows that count, else 0: `[N, 1]`.
    pub(super) fn weights(&self) -> Tensor<2> {
        self.mask.clone().float().unsqueeze_dim(1)
    }

    /// Rows `[N, D]` with zeros where the mask is false.
    pub(super) fn only_valid(&self, rows: Tensor<2>) -> Tensor<2> {
        let shape = rows.dims();
        rows.mask_fill(self.mask.clone().bool_not().unsqueeze_dim::<2>(1).expand(shape), 0.0)
    }

    /// The number of values that count, at least 1.
    pub(super) fn elements(&self) -> f64 {
        (self.valid.len() * self.input.dims()[1]).max(1) as f64
    }

    /// Runs the cascade; `codes` gives those of a level, `[K, D]`, from what is left for it.
    pub(super) fn descend(
        &self,
        levels: usize,
        mut codes: impl FnMut(usize, &Tensor<2>) -> Tensor<2>,
    ) -> Vec<Level> {
        let mut residual = self.input.clone().inner();
        let mut total = residual.zeros_like();
        (0..levels)
            .map(|level| {
                let codes = codes(level, &residual);
                let indices = nearest(residual.clone(), &codes);
                let chosen = self.only_valid(codes.select(0, indices.clone()));
                total = total.clone() + chosen.clone();
                let left = residual.clone() - chosen;
                let residual = std::mem::replace(&mut residual, left);
                Level { residual, indices, total: total.clone() }
            })
            .collect()
    }

    /// Σ over levels of (r − sg(q))² over rows and channels, `[1]`.
    pub(super) fn distance(&self, levels: &[Level], how: StraightThrough) -> Tensor<1> {
        let zero = Tensor::<1>::zeros([1], &self.input.device());
        levels.iter().enumerate().fold(zero, |sum, (number, level)| {
            let difference = how.committed(&self.input, number) - level.total.clone();
            sum + (difference.clone() * difference).sum()
        })
    }

    /// The result, from the codebooks `[L, K, D]` that the codes were chosen from.
    pub(super) fn quantized(
        self,
        levels: Vec<Level>,
        how: StraightThrough,
        commitment: Tensor<1>,
        codebooks: Tensor<3>,
    ) -> Quantized {
        let (count, width) = (levels.len(), self.input.dims()[1]);
        let outside = self.mask.bool_not();
        let last = levels.last().expect("there is at least one level").total.clone();
        let codes = levels.into_iter().map(|level| level.indices.mask_fill(outside.clone(), 0));
        let codes = Tensor::stack::<2>(codes.collect(), 1);
        let vectors = how.pass(self.input, last, count);
        let (items, windows) = (self.items, self.windows);
        let (vectors, codes) = if items * windows == 0 {
            let device = vectors.device();
            let codes = Tensor::zeros([items, windows, count], &device);
            (Tensor::zeros([items, windows, width], &device), codes)
        } else {
            let codes = codes.reshape([items, windows, count]);
            (vectors.reshape([items, windows, width]), codes)
        };
        Quantized { vectors, codes, commitment, codebooks }
    }

    /// k-means over what is left of the rows that count.
    pub(super) fn clusters(&self, residual: &Tensor<2>, size: usize, seed: u64) -> Codebook {
        let rows: Vec<i64> = self.valid.iter().map(|&row| row as i64).collect();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &residual.device());
        cluster(residual.clone().select(0, rows), size, &mut generator(seed))
    }
}

/// Random codes `[L, K, D]` of about the length of a vector with unit variance.
pub(super) fn random_codes(shape: [usize; 3], device: &Device) -> Tensor<3> {
    let bound = (6.0 / shape[2] as f64).sqrt();
    Tensor::random(shape, Distribution::Uniform(-bound, bound), device)
}
