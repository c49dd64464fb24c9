//! The model: the nearest center of every frame, and centers that follow the frames.

use crate::burn;
use crate::clusters::{Clusters, nearest};
use crate::codebook::read_codebook;
use crate::config::SemanticTokensConfig;
use crate::points::Points;
use crate::seeding::spread;
use ablate_sdk::burn::module::{Module, RunningState};
use ablate_sdk::burn::tensor::{Bool, Device, Distribution, Int, Tensor};
use ablate_sdk::seed::generator;
use ablate_sdk::{Build, Call, Contract, Error, Model, Output, Tensors};

/// Frames for each center between two times that rare centers start again.
const FRAMES_BETWEEN_REASSIGNMENTS: usize = 10;

/// k-means over frames: a token for each.
///
/// The centers are no parameters: they are means, kept here with all that a resumed run needs to go
/// on bit for bit. Until `initial_frames` frames have come, every step starts anew with k-means++
/// and k-means over those that have; from then on each batch moves the centers a little.
#[derive(Module, Debug)]
pub struct SemanticTokens {
    /// `[K, F]`.
    centers: RunningState<Tensor<2>>,
    /// Frames that each center is the mean of, `[K]`.
    counts: RunningState<Tensor<1>>,
    /// The first valid frames of training, `[R, F]`.
    first: RunningState<Tensor<2>>,
    /// How many of them are there, `[1]`.
    collected: RunningState<Tensor<1>>,
    /// Frames since rare centers last started again, `[1]`.
    waited: RunningState<Tensor<1>>,
    initial_rounds: usize,
    reassignment_ratio: f64,
    frozen: bool,
}

impl Model for SemanticTokens {
    type Config = SemanticTokensConfig;
    const NAME: &'static str = "semantic-tokens";
    const DOC: &'static str = "Mini-batch k-means over frames: one token for each.";

    fn contract(config: &SemanticTokensConfig) -> Result<Contract, Error> {
        config.check()?;
        let clusters = config.known_clusters().map_or("K".to_owned(), |count| count.to_string());
        Ok(Contract::new()
            .input("features: f32[B, T, F]")
            .input("mask?: bool[B, T]")
            .output("tokens: int[B, T]")
            .output("token_mask: bool[B, T]")
            .output(format!("codebook: f32[{clusters}, F]"))
            .output("inertia: f32[1]"))
    }

    fn new(config: &SemanticTokensConfig, build: &mut Build) -> Result<Self, Error> {
        config.check()?;
        let width = build.dim("F")?;
        let device = build.device();
        let Some(clusters) = config.known_clusters().filter(|_| config.codebook.is_none()) else {
            let centers = read_codebook(&build.artifact("codebook")?, config.clusters, width)?;
            return Ok(Self::with_centers(centers.tensor(device), 1, config, device));
        };
        // What an untrained model holds; nothing of it is left after the first step.
        let centers = Tensor::random([clusters, width], Distribution::Normal(0.0, 1.0), device);
        Ok(Self::with_centers(centers, config.frames_for(clusters), config, device))
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let (features, mask) = read(&inputs)?;
        let [batch, frames, width] = features.dims();
        let outside = mask.clone().bool_not();
        // Replaced, not multiplied, so that not even a NaN in the padding reaches anything.
        let wide = outside.clone().unsqueeze_dim::<3>(2).expand([batch, frames, width]);
        let input = features.mask_fill(wide, 0.0).reshape([batch * frames, width]);
        let valid: Vec<bool> = mask.clone().into_data().iter::<bool>().collect();
        let all = Points::of_tensor(input.clone());
        check_finite(&all, frames)?;
        let rows: Vec<usize> = (0..valid.len()).filter(|&row| valid[row]).collect();

        let learns = call.train() && !self.frozen && !rows.is_empty();
        let starting = learns && self.room() > 0;
        if starting {
            self.start(&all.select(&rows), call);
        }
        self.check_started(call.epoch())?;
        let centers = self.centers.value().inner();
        let labels = nearest(input.clone().inner(), &centers);
        if learns && !starting {
            let labels: Vec<usize> = rows.iter().map(|&row| labels[row]).collect();
            self.follow(&all.select(&rows), &labels, call);
        }

        let labels: Vec<i64> = labels.into_iter().map(|label| label as i64).collect();
        let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &centers.device());
        let outside = outside.inner().reshape([batch * frames]);
        let wide = outside.clone().unsqueeze_dim::<2>(1).expand([batch * frames, width]);
        let chosen = centers.clone().select(0, labels.clone()).mask_fill(wide, 0.0);
        let difference = input - chosen;
        let squares = (difference.clone() * difference).sum_dim(1).sum();
        let tokens = labels.mask_fill(outside, 0).reshape([batch, frames]);
        Ok(Tensors::new()
            .with("tokens", tokens)
            .with("token_mask", mask)
            .with("codebook", centers)
            .with("inertia", squares.div_scalar(rows.len().max(1) as f64))
            .into())
    }
}

impl SemanticTokens {
    fn with_centers(
        centers: Tensor<2>,
        first: usize,
        config: &SemanticTokensConfig,
        device: &Device,
    ) -> Self {
        let [clusters, width] = centers.dims();
        Self {
            centers: RunningState::new(centers),
            counts: RunningState::new(Tensor::zeros([clusters], device)),
            first: RunningState::new(Tensor::zeros([first, width], device)),
            collected: RunningState::new(Tensor::zeros([1], device)),
            waited: RunningState::new(Tensor::zeros([1], device)),
            initial_rounds: config.initial_rounds,
            reassignment_ratio: config.reassignment_ratio,
            frozen: config.codebook.is_some(),
        }
    }

    /// Frames that are still missing to start from.
    fn room(&self) -> usize {
        self.first.value().dims()[0] - number(&self.collected)
    }

    /// Adds frames to those that the centers start from, and starts anew.
    fn start(&self, points: &Points, call: &Call) {
        let (device, collected) = (self.centers.value().device().inner(), number(&self.collected));
        let added = points.len().min(self.room());
        let (before, width) = (self.first.value().inner(), points.width());
        let new: Vec<usize> = (0..added).collect();
        let new = points.select(&new).tensor(&device);
        let first = before.slice_assign([collected..collected + added, 0..width], new);
        store(&self.first, first.clone());
        let collected = collected + added;
        store(&self.collected, Tensor::full([1], collected as f32, &device));
        let first = Points::of_tensor(first.slice([0..collected, 0..width]));
        let size = self.centers.value().dims()[0];
        let drawn = spread(&first, size, &mut generator(call.seed("k-means++")));
        let clusters = Clusters::new(first.select(&drawn));
        self.keep(&clusters.settled(&first, self.initial_rounds, &device));
    }

    /// One step over the points of a batch with their labels.
    fn follow(&self, points: &Points, labels: &[usize], call: &Call) {
        let device = self.centers.value().device().inner();
        let centers = Points::of_tensor(self.centers.value());
        let counts = self.counts.value().into_data().iter::<f32>().collect();
        let mut clusters = Clusters { centers, counts };
        clusters.follow(points, labels);
        if self.reassignment_ratio > 0.0 {
            let mut waited = number(&self.waited) + points.len();
            let unused = clusters.counts.contains(&0.0);
            if unused || waited >= FRAMES_BETWEEN_REASSIGNMENTS * clusters.counts.len() {
                waited = 0;
                let mut generator = generator(call.seed("reassignment"));
                clusters.reassign(points, self.reassignment_ratio, &mut generator);
            }
            store(&self.waited, Tensor::full([1], waited as f32, &device));
        }
        self.keep(&clusters);
    }

    fn keep(&self, clusters: &Clusters) {
        let device = self.centers.value().device().inner();
        store(&self.centers, clusters.centers.tensor(&device));
        store(&self.counts, Tensor::from_floats(clusters.counts.as_slice(), &device));
    }

    /// After a whole pass over the train split there must have been a frame for every center.
    fn check_started(&self, epochs: u64) -> Result<(), Error> {
        let ([clusters, _], collected) = (self.centers.value().dims(), number(&self.collected));
        if self.frozen || epochs == 0 || collected >= clusters {
            return Ok(());
        }
        let text = format!(
            "`clusters` is {clusters}, but the train split has only {collected} valid frames"
        );
        let advice = format!("set `clusters` to at most {collected}, or train on more frames");
        Err(Error::data(text).hint(advice))
    }
}

/// The features `[B, T, F]` and their mask `[B, T]`; without one every frame is valid.
fn read(inputs: &Tensors) -> Result<(Tensor<3>, Tensor<2, Bool>), Error> {
    let features = inputs.float::<3>("features")?;
    let [batch, frames, _] = features.dims();
    if batch == 0 || frames == 0 {
        let text = format!("`features` has {batch} items of {frames} frames, nothing to encode");
        return Err(Error::data(text));
    }
    if !inputs.contains("mask") {
        let mask = Tensor::full([batch, frames], true, &features.device());
        return Ok((features, mask));
    }
    let mask = inputs.bool::<2>("mask")?;
    if mask.dims() != [batch, frames] {
        let (found, wanted) = (mask.dims(), [batch, frames]);
        let text = format!("`mask` has shape {found:?}, expected {wanted:?} as of `features`");
        return Err(Error::contract(text));
    }
    Ok((features, mask))
}

/// Fails on a number that has no distance; padding is zero by now.
fn check_finite(points: &Points, frames: usize) -> Result<(), Error> {
    let Some(at) = points.values().iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let (row, value) = (at / points.width(), points.values()[at]);
    let (item, frame) = (row / frames, row % frames + 1);
    let text = format!("`features` holds {value}: item {item} of the batch, frame {frame}");
    Err(Error::new(ablate_sdk::ErrorKind::NOT_FINITE, text))
}

fn number(state: &RunningState<Tensor<1>>) -> usize {
    state.value().into_scalar::<f32>() as usize
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
