//! Milliseconds of a training step of the model: forward, backward and update.
//!
//! `rqvae_speed.py` beside it builds the same model in PyTorch and prints the same lines. As the
//! host does, tell the allocator to keep its memory:
//!
//! ```sh
//! export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483647
//! RAYON_NUM_THREADS=2 cargo run --release -p ablate-rqvae --example rqvae_speed
//! python3 plugins/rqvae/examples/rqvae_speed.py 2
//! ```
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use ablate_pooling::{AttentiveConfig, AttentiveStats, Tail, Windows, pool_windows};
use ablate_rqvae::{
    EmaConfig, EmaQuantizer, MultiWindowConfig, MultiWindowDecoder, Stages, TrainingSeeds,
    TransformerConfig, TransformerEncoder,
};
use ablate_sdk::Error;
use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::optim::{AdamWConfig, GradientsParams};
use ablate_sdk::burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;

const ITEMS: usize = 8;
const FEATURES: usize = 80;
const WINDOWS: Windows = Windows { window: 25, stride: 12, tail: Tail::Pad };
/// Width, heads and frames.
const SIZES: [(usize, usize, usize); 2] = [(128, 4, 250), (256, 8, 250)];
const DROPOUTS: [f64; 2] = [0.1, 0.0];
const ROUNDS: usize = 15;
const WARM_UP: usize = 3;

#[derive(Module, Debug)]
struct Parts {
    encoder: TransformerEncoder,
    pooling: AttentiveStats,
    quantizer: EmaQuantizer,
    decoder: MultiWindowDecoder,
}

impl Parts {
    fn new(width: usize, heads: usize, dropout: f64, device: &Device) -> Result<Self, Error> {
        let encoder = TransformerConfig { heads, dropout, ..TransformerConfig::default() };
        let decoder = MultiWindowConfig { heads, dropout, ..MultiWindowConfig::default() };
        let quantizer = EmaConfig { levels: 8, codebook_size: 256, ..EmaConfig::default() };
        Ok(Self {
            encoder: TransformerEncoder::init(FEATURES, width, &encoder, device)?,
            pooling: AttentiveStats::init(width, &AttentiveConfig::default(), device),
            quantizer: EmaQuantizer::init(width, &quantizer, device),
            decoder: MultiWindowDecoder::init(width, FEATURES, &decoder, device)?,
        })
    }

    /// The objective of one batch.
    fn objective(&self, features: Tensor<3>, step: u64) -> Result<Tensor<1>, Error> {
        let stages = Stages {
            encode: |features, mask| self.encoder.encode(features, &mask, Some(step)),
            pool: |frames, mask| {
                pool_windows(&WINDOWS, frames, mask, |x, m| Ok(self.pooling.pool(x, m)))
            },
            quantize: |vectors, mask| {
                let seeds = TrainingSeeds { clusters: step, dead_codes: step };
                Ok(self.quantizer.quantize(vectors, &mask, Some(seeds)))
            },
            decode: |memory, memory_mask, mask| {
                self.decoder.decode(memory, &memory_mask, &mask, Some(step))
            },
        };
        let result = stages.autoencode(features.clone(), None)?;
        let difference = result.frames - features;
        Ok((difference.clone() * difference).mean() + result.commitment)
    }
}

fn main() -> Result<(), Error> {
    for (width, heads, frames) in SIZES {
        for dropout in DROPOUTS {
            step(width, heads, frames, dropout)?;
        }
    }
    Ok(())
}

fn step(width: usize, heads: usize, frames: usize, dropout: f64) -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut parts = Parts::new(width, heads, dropout, &device)?;
    let optimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-2);
    let mut optimizer = optimizer.init();
    let mut times = Vec::new();
    for number in 0..WARM_UP + ROUNDS {
        let shape = [ITEMS, frames, FEATURES];
        let features = Tensor::<3>::random(shape, Distribution::Default, &device);
        let start = Instant::now();
        let loss = parts.objective(features, number as u64)?;
        let forward = start.elapsed().as_secs_f64() * 1e3;
        let gradients = GradientsParams::from_grads(loss.backward(), &parts);
        parts = optimizer.step(1e-3, parts, gradients);
        times.push((start.elapsed().as_secs_f64() * 1e3, forward));
    }
    let mut times = times.split_off(WARM_UP);
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (total, forward) = times[ROUNDS / 2];
    let threads = std::env::var("RAYON_NUM_THREADS").unwrap_or_else(|_| "all".to_owned());
    println!(
        "{ITEMS} items of {frames} frames, {} windows, width {width}, dropout {dropout:.1}, \
         {threads} threads: {total:6.1} ms, of which forward {forward:.1}",
        WINDOWS.count(frames)
    );
    Ok(())
}
