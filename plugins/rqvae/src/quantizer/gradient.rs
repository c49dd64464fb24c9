//! `gradient`: codebooks that the optimizer learns.

use super::cascade::{Level, Rows, random_codes};
use super::running::{is_set, store};
use super::{Quantized, StraightThrough, TrainingSeeds, check, quantizer_contract, read_vectors};
use crate::burn;
use crate::codebook::Codebook;
use ablate_sdk::burn::module::{Module, Param, RunningState};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::seed::generator;
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Optimizer group of the codebooks.
const GROUP: &str = "codebooks";

/// Configuration of the quantizer `gradient`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct GradientConfig {
    /// Codebooks, each for what the ones before it left over.
    #[schemars(range(min = 1))]
    pub levels: usize,
    /// Codes of one codebook.
    #[schemars(range(min = 1))]
    pub codebook_size: usize,
    /// Weight of the term that pulls codes to what they are assigned.
    #[schemars(range(min = 0.0))]
    pub codebook: f64,
    /// Weight of the term that keeps the encoder near its codes.
    #[schemars(range(min = 0.0))]
    pub commitment: f64,
    /// Start the codebooks from k-means over the first training batch.
    pub kmeans_init: bool,
    /// Share of the old value in the moving averages of how often codes are used.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: f64,
    /// A code used less than this share of the mean use starts again from a vector of the batch;
    /// 0 turns that off.
    #[schemars(range(min = 0.0))]
    pub dead_code_ratio: f64,
    /// Training batches before codes may start again.
    pub dead_code_warmup: usize,
    /// How gradients get past the choice of codes.
    pub straight_through: StraightThrough,
}

impl Default for GradientConfig {
    fn default() -> Self {
        Self {
            levels: 4,
            codebook_size: 64,
            codebook: 1.0,
            commitment: 0.25,
            kmeans_init: true,
            decay: 0.9,
            dead_code_ratio: 0.05,
            dead_code_warmup: 100,
            straight_through: StraightThrough::Sum,
        }
    }
}

/// A cascade of codebooks that are parameters (van den Oord, Vinyals and Kavukcuoglu, 2017).
///
/// A code is where it started plus what was learned since: what k-means and a new start set is state
/// beside the parameters, so that the optimizer alone moves those, and a saved and restored
/// quantizer goes on bit for bit.
#[derive(Module, Debug)]
pub struct GradientQuantizer {
    /// `[L, K, D]`.
    learned: Param<Tensor<3>>,
    /// `[L, K, D]`.
    started: RunningState<Tensor<3>>,
    /// Vectors per code and batch, a moving average, `[L, K]`.
    counts: RunningState<Tensor<2>>,
    /// Training batches so far, of shape `[1]`.
    updates: RunningState<Tensor<1>>,
    /// 1 once the codebooks hold something that came from data or was meant to stay, else 0.
    initialized: RunningState<Tensor<1>>,
    codebook: f64,
    commitment: f64,
    decay: f64,
    dead_code_ratio: f64,
    dead_code_warmup: usize,
    #[module(skip)]
    straight_through: StraightThrough,
}

impl GradientQuantizer {
    /// For vectors of `width` numbers, with random codebooks, which k-means replaces on the first
    /// training batch if the configuration says so.
    pub fn init(width: usize, config: &GradientConfig, device: &Device) -> Self {
        let codes = random_codes([config.levels, config.codebook_size, width], device);
        Self::with_codes(codes, config, device)
    }

    /// With the codes `[L, K, D]`, each counted once.
    pub fn with_codes(codes: Tensor<3>, config: &GradientConfig, device: &Device) -> Self {
        let [levels, size, width] = codes.dims();
        let initialized = if config.kmeans_init { 0.0 } else { 1.0 };
        Self {
            learned: Param::from_tensor(Tensor::zeros([levels, size, width], device)),
            started: RunningState::new(codes),
            counts: RunningState::new(Tensor::ones([levels, size], device)),
            updates: RunningState::new(Tensor::zeros([1], device)),
            initialized: RunningState::new(Tensor::full([1], initialized, device)),
            codebook: config.codebook,
            commitment: config.commitment,
            decay: config.decay,
            dead_code_ratio: config.dead_code_ratio,
            dead_code_warmup: config.dead_code_warmup,
            straight_through: config.straight_through,
        }
    }

    /// The codes `[L, K, D]`, outside any graph.
    pub fn codes(&self) -> Tensor<3> {
        self.started.value().inner() + self.learned.val().inner()
    }

    /// The moving averages of vectors per code and batch, `[L, K]`, outside any graph.
    pub fn counts(&self) -> Tensor<2> {
        self.counts.value().inner()
    }

    /// Quantizes the vectors `[B, W, D]` under the mask `[B, W]`. Vectors outside the mask take no
    /// part in anything. With seeds the codebooks may start from k-means, and codes again.
    ///
    /// The commitment is Σ over levels of the means over valid vectors and channels of
    /// β (r − sg(q))² + γ (sg(r) − q)², with γ the weight `codebook`.
    pub fn quantize(
        &self,
        vectors: Tensor<3>,
        mask: &Tensor<2, Bool>,
        training: Option<TrainingSeeds>,
    ) -> Quantized {
        let rows = Rows::new(vectors, mask);
        let training = training.filter(|_| !rows.valid.is_empty());
        let first = training.filter(|_| !is_set(&self.initialized));
        let mut books = self.codebooks();
        let levels = rows.descend(books.len(), |level, residual| {
            let book = &mut books[level];
            if let Some(seeds) = first {
                let seed = seeds.clusters.wrapping_add(level as u64);
                *book = rows.clusters(residual, book.codes.dims()[0], seed);
            }
            book.codes.clone()
        });
        if first.is_some() {
            store(&self.started, stack(&books) - self.learned.val().inner());
        }
        let codebooks = self.codes_in_graph();
        let pulled = pull(&codebooks, &rows, &levels);
        if let Some(seeds) = training {
            self.count(books, &levels, &rows, seeds);
        }
        let distance = rows.distance(&levels, self.straight_through);
        let committed = distance.mul_scalar(self.commitment / rows.elements());
        let commitment = committed + pulled.mul_scalar(self.codebook / rows.elements());
        rows.quantized(levels, self.straight_through, commitment, codebooks)
    }

    /// The codes `[L, K, D]`; what was learned of them has a gradient.
    fn codes_in_graph(&self) -> Tensor<3> {
        let (started, learned) = (self.started.value().inner(), self.learned.val());
        if learned.is_autodiff() { started.autodiff() + learned } else { started + learned }
    }

    /// The codebooks, level by level, outside any graph.
    fn codebooks(&self) -> Vec<Codebook> {
        let (counts, codes) = (self.counts(), self.codes());
        (0..codes.dims()[0])
            .map(|level| {
                let book = codes.clone().slice(level..level + 1).squeeze_dim(0);
                let counts = counts.clone().slice(level..level + 1).squeeze_dim(0);
                Codebook { counts, ..Codebook::new(book) }
            })
            .collect()
    }

    /// Counts how often codes are used, and starts those again that hardly are.
    fn count(&self, books: Vec<Codebook>, levels: &[Level], rows: &Rows, seeds: TrainingSeeds) {
        let weights = rows.weights();
        let updates = self.updates.value().into_scalar::<f32>() + 1.0;
        let revive = self.dead_code_ratio > 0.0 && updates > self.dead_code_warmup as f32;
        let before = stack(&books);
        let mut counted = Vec::with_capacity(books.len());
        for (number, (book, level)) in books.into_iter().zip(levels).enumerate() {
            let (residual, indices) = (level.residual.clone(), level.indices.clone());
            let updated = book.updated(residual.clone(), indices, weights.clone(), self.decay);
            let mut book = Codebook { counts: updated.counts, ..book };
            if revive {
                let mut generator = generator(seeds.dead_codes.wrapping_add(number as u64));
                book = book.revived(residual, &rows.valid, self.dead_code_ratio, &mut generator);
            }
            counted.push(book);
        }
        let device = weights.device();
        if revive {
            let after = stack(&counted);
            let moved = after.clone().not_equal(before);
            let started = after - self.learned.val().inner();
            store(&self.started, self.started.value().inner().mask_where(moved, started));
        }
        let counts = counted.iter().map(|book| book.counts.clone()).collect();
        store(&self.counts, Tensor::stack::<2>(counts, 0));
        store(&self.updates, Tensor::full([1], updates, &device));
        store(&self.initialized, Tensor::ones([1], &device));
    }
}

/// Σ over levels of (sg(r) − q)² over rows and channels, `[1]`, in the graph of the codes
/// `[L, K, D]`.
fn pull(codes: &Tensor<3>, rows: &Rows, levels: &[Level]) -> Tensor<1> {
    let mut sum = Tensor::<1>::zeros([1], &codes.device());
    for (number, level) in levels.iter().enumerate() {
        let codes = codes.clone().slice(number..number + 1).squeeze_dim::<2>(0);
        let difference = codes.select(0, level.indices.clone()) - level.residual.clone();
        let difference = rows.only_valid(difference);
        sum = sum + (difference.clone() * difference).sum();
    }
    sum
}

/// The codes of all levels, `[L, K, D]`.
fn stack(books: &[Codebook]) -> Tensor<3> {
    Tensor::stack(books.iter().map(|book| book.codes.clone()).collect(), 0)
}

impl Block for GradientQuantizer {
    type Config = GradientConfig;
    const NAME: &'static str = "gradient";
    const ROLE: &'static str = "quantizer";
    const DOC: &'static str = "Residual quantization; codebooks are parameters.";
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] = &[
        ("quantized", "straight through the choice of codes"),
        ("commitment", "one of its terms moves the codes alone, the other the vectors alone"),
    ];

    fn contract(config: &GradientConfig) -> Result<Contract, Error> {
        let GradientConfig { levels, codebook_size, codebook, commitment, .. } = *config;
        let counts = [("levels", levels), ("codebook_size", codebook_size)];
        let ratio = ("dead_code_ratio", config.dead_code_ratio);
        let weights = [("codebook", codebook), ("commitment", commitment), ratio];
        check(&counts, config.decay, &weights)?;
        Ok(quantizer_contract(levels, codebook_size))
    }

    fn new(config: &GradientConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self::init(build.dim("D")?, config, build.device()))
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let (vectors, mask) = read_vectors(&inputs)?;
        Ok(self.quantize(vectors, &mask, TrainingSeeds::of(call)).tensors().into())
    }

    fn group(_: &str) -> &'static str {
        GROUP
    }
}
