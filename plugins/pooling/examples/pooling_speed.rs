//! Milliseconds of a forward and backward pass of each pooling, at the size of the experiments.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use ablate_pooling::pool_windows;
use ablate_pooling::{
    AttentiveConfig, AttentiveStats, AttentiveStatsPerChannel, Mean, Tail, Windows,
};
use ablate_sdk::burn::tensor::{Bool, Device, Distribution, Tensor};
use std::time::Instant;

fn main() {
    let device = Device::flex().autodiff();
    let config = AttentiveConfig::default();
    let stats = AttentiveStats::init(64, &config, &device);
    let channel = AttentiveStatsPerChannel::init(64, &config, &device);
    let sliding = |window, stride| Windows { window, stride, tail: Tail::Pad };
    time("mean", &device, |x, m| Mean {}.pool(x, m).0);
    time("attentive-stats", &device, |x, m| stats.pool(x, m).0);
    time("attentive-stats-per-channel", &device, |x, m| channel.pool(x, m).0);
    for (window, stride) in [(25, 12), (10, 5)] {
        let plan = sliding(window, stride);
        time(&format!("sliding {window}/{stride}, mean"), &device, |x, m| {
            pool_windows(&plan, x, m, |x, m| Ok(Mean {}.pool(x, m))).expect("pools").0
        });
        time(&format!("sliding {window}/{stride}, attentive-stats"), &device, |x, m| {
            pool_windows(&plan, x, m, |x, m| Ok(stats.pool(x, m))).expect("pools").0
        });
    }
}

fn time(name: &str, device: &Device, pool: impl Fn(Tensor<3>, Tensor<2, Bool>) -> Tensor<3>) {
    let batch = Tensor::<3>::random([16, 150, 64], Distribution::Default, device);
    let mask = Tensor::<2, Bool>::full([16, 150], true, device);
    let mut list: Vec<(f64, f64)> = (0..15)
        .map(|_| {
            let batch = batch.clone().detach().require_grad();
            let start = Instant::now();
            let pooled = pool(batch, mask.clone());
            let forward = start.elapsed().as_secs_f64() * 1e3;
            drop(pooled.sum().backward());
            (start.elapsed().as_secs_f64() * 1e3, forward)
        })
        .collect();
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (total, forward) = list[list.len() / 2];
    println!("{name:40} {total:7.2} ms, of which forward {forward:.2}");
}
