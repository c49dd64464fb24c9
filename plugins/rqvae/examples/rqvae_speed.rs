//! Milliseconds of a training step of the model, at the size of the experiments.
//!
//! The pooling is a plain mean, so that the time of a real one is to be added.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use ablate_rqvae::{Decoder, Encoder, ResidualQuantizer, RqVaeConfig, TrainingSeeds, autoencode};
use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::optim::{AdamWConfig, GradientsParams};
use ablate_sdk::burn::tensor::{Bool, Device, Distribution, Tensor};
use std::time::Instant;

#[derive(Module, Debug)]
struct Parts {
    encoder: Encoder,
    quantizer: ResidualQuantizer,
    decoder: Decoder,
}

fn main() {
    for frames in [100, 150, 200] {
        for window in [10, 25, frames] {
            for decoder_layers in [1, 2] {
                step(frames, window, decoder_layers);
            }
        }
    }
}

fn step(frames: usize, window: usize, decoder_layers: usize) {
    let device = Device::flex().autodiff();
    let config = RqVaeConfig { decoder_layers, ..RqVaeConfig::default() };
    let mut parts = Parts {
        encoder: Encoder::new(80, &config, &device),
        quantizer: ResidualQuantizer::new(&config, &device),
        decoder: Decoder::new(80, &config, &device),
    };
    let mut optimizer = AdamWConfig::new().init();
    let windows = frames / window;
    let mut times: Vec<(f64, f64)> = (0..15)
        .map(|number| {
            let batch = Tensor::<3>::random([16, frames, 80], Distribution::Default, &device);
            let start = Instant::now();
            let seeds = TrainingSeeds { clusters: number, dead_codes: number };
            let modules = (&parts.encoder, &parts.quantizer, &parts.decoder);
            let result = autoencode(modules, batch.clone(), None, Some(seeds), |features, _| {
                let width = features.dims()[2];
                let features = features.slice([0..16, 0..windows * window]);
                let pooled = features.reshape([16, windows, window, width]).mean_dim(2);
                let mask = Tensor::<2, Bool>::full([16, windows], true, &device);
                Ok((pooled.squeeze_dim(2), mask))
            });
            let result = result.expect("runs");
            let forward = start.elapsed().as_secs_f64() * 1e3;
            let difference = result.frames - batch;
            let loss = (difference.clone() * difference).mean() + result.commitment;
            let gradients = GradientsParams::from_grads(loss.backward(), &parts);
            parts = optimizer.step(1e-3, parts.clone(), gradients);
            (start.elapsed().as_secs_f64() * 1e3, forward)
        })
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (total, forward) = times[times.len() / 2];
    println!(
        "16 items of {frames} frames, {windows:2} windows, {decoder_layers} decoder blocks: \
         {total:6.2} ms, of which forward {forward:.2}"
    );
}
