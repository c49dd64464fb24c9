//! `ema`: codebooks that follow moving averages of what they are assigned.

use super::cascade::{Level, Rows, random_codes};
use super::running::{is_set, store};
use super::{Quantized, StraightThrough, TrainingSeeds, check, quantizer_contract, read_vectors};
use crate::burn;
use crate::codebook::Codebook;
use ablate_sdk::burn::module::{Module, RunningState};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::seed::generator;
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the quantizer `ema`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct EmaConfig {
    /// Codebooks, each for what the ones before it left over.
    #[schemars(range(min = 1))]
    pub levels: usize,
    /// Codes of one codebook.
    #[schemars(range(min = 1))]
    pub codebook_size: usize,
    /// Share of the old value in the moving averages of the codebooks.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: f64,
    /// Weight of the term that keeps the encoder near its codes.
    #[schemars(range(min = 0.0))]
    pub commitment: f64,
    /// Start the codebooks from k-means over the first training batch.
    pub kmeans_init: bool,
    /// A code used less than this share of the mean use starts again from a vector of the batch;
    /// 0 turns that off.
    #[schemars(range(min = 0.0))]
    pub dead_code_ratio: f64,
    /// Updates of the codebooks before codes may start again.
    pub dead_code_warmup: usize,
    /// How gradients get past the choice of codes.
    pub straight_through: StraightThrough,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self {
            levels: 4,
            codebook_size: 64,
            decay: 0.9,
            commitment: 0.25,
            kmeans_init: true,
            dead_code_ratio: 0.05,
            dead_code_warmup: 100,
            straight_through: StraightThrough::Sum,
        }
    }
}

/// A cascade of codebooks: each quantizes what the ones before it left over.
///
/// The codebooks are no parameters: they follow moving averages, kept here so that a saved and
/// restored quantizer goes on bit for bit.
#[derive(Module, Debug)]
pub struct EmaQuantizer {
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
    #[module(skip)]
    straight_through: StraightThrough,
}

impl EmaQuantizer {
    /// For vectors of `width` numbers, with random codebooks, which k-means replaces on the first
    /// training batch if the configuration says so.
    pub fn init(width: usize, config: &EmaConfig, device: &Device) -> Self {
        let codes = random_codes([config.levels, config.codebook_size, width], device);
        Self::with_codes(codes, config, device)
    }

    /// With the codes `[L, K, D]`, each counted once.
    pub fn with_codes(codes: Tensor<3>, config: &EmaConfig, device: &Device) -> Self {
        let [levels, size, _] = codes.dims();
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
            straight_through: config.straight_through,
        }
    }

    /// The codes `[L, K, D]`, outside any graph.
    pub fn codes(&self) -> Tensor<3> {
        self.codes.value().inner()
    }

    /// The moving averages of vectors per code and batch, `[L, K]`, outside any graph.
    pub fn counts(&self) -> Tensor<2> {
        self.counts.value().inner()
    }

    /// Quantizes the vectors `[B, W, D]` under the mask `[B, W]`. With seeds the codebooks learn:
    /// codes are assigned from the codebooks as they were, and those are updated afterwards.
    /// Vectors outside the mask take no part in anything. The commitment is
    /// β Σ over levels of the mean of (r − sg(q))² over valid vectors and channels.
    pub fn quantize(
        &self,
        vectors: Tensor<3>,
        mask: &Tensor<2, Bool>,
        training: Option<TrainingSeeds>,
    ) -> Quantized {
        let rows = Rows::new(vectors, mask);
        let mut books = self.codebooks();
        let training = training.filter(|_| !rows.valid.is_empty());
        let first = training.filter(|_| !is_set(&self.initialized));
        let levels = rows.descend(books.len(), |level, residual| {
            let book = &mut books[level];
            if let Some(seeds) = first {
                let seed = seeds.clusters.wrapping_add(level as u64);
                *book = rows.clusters(residual, book.codes.dims()[0], seed);
            }
            book.codes.clone()
        });
        let codebooks = Tensor::stack(books.iter().map(|book| book.codes.clone()).collect(), 0);
        if let Some(seeds) = training {
            self.learn(books, &levels, &rows, seeds);
        }
        let distance = rows.distance(&levels, self.straight_through);
        let commitment = distance.mul_scalar(self.commitment / rows.elements());
        rows.quantized(levels, self.straight_through, commitment, codebooks)
    }

    /// The codebooks, level by level, outside any graph.
    fn codebooks(&self) -> Vec<Codebook> {
        let (counts, sums) = (self.counts(), self.sums.value().inner());
        let codes = self.codes();
        (0..codes.dims()[0])
            .map(|level| Codebook {
                counts: counts.clone().slice(level..level + 1).squeeze_dim(0),
                sums: sums.clone().slice(level..level + 1).squeeze_dim(0),
                codes: codes.clone().slice(level..level + 1).squeeze_dim(0),
            })
            .collect()
    }

    /// Updates every codebook with the residuals and indices of its level.
    fn learn(&self, books: Vec<Codebook>, levels: &[Level], rows: &Rows, seeds: TrainingSeeds) {
        let weights = rows.weights();
        let updates = self.updates.value().into_scalar::<f32>() + 1.0;
        let revive = self.dead_code_ratio > 0.0 && updates > self.dead_code_warmup as f32;
        let mut learned = Vec::with_capacity(books.len());
        for (number, (book, level)) in books.into_iter().zip(levels).enumerate() {
            let (residual, indices) = (level.residual.clone(), level.indices.clone());
            let mut book = book.updated(residual.clone(), indices, weights.clone(), self.decay);
            if revive {
                let mut generator = generator(seeds.dead_codes.wrapping_add(number as u64));
                book = book.revived(residual, &rows.valid, self.dead_code_ratio, &mut generator);
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

impl Block for EmaQuantizer {
    type Config = EmaConfig;
    const NAME: &'static str = "ema";
    const ROLE: &'static str = "quantizer";
    const DOC: &'static str = "Residual quantization; codebooks are moving averages.";
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] = &[
        ("quantized", "straight through the choice of codes"),
        ("commitment", "with `straight_through = \"residual\"` that of the first level alone"),
    ];

    fn contract(config: &EmaConfig) -> Result<Contract, Error> {
        let EmaConfig { levels, codebook_size, decay, commitment, dead_code_ratio, .. } = *config;
        let counts = [("levels", levels), ("codebook_size", codebook_size)];
        let weights = [("commitment", commitment), ("dead_code_ratio", dead_code_ratio)];
        check(&counts, decay, &weights)?;
        Ok(quantizer_contract(levels, codebook_size))
    }

    fn new(config: &EmaConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("D")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let (vectors, mask) = read_vectors(&inputs)?;
        Ok(self.quantize(vectors, &mask, TrainingSeeds::of(call)).tensors().into())
    }
}
