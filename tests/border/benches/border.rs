//! What the border costs: training steps of the smallest model that is shipped, with everything in
//! one program and one graph, against the same step driven through the host's handles over three
//! libraries. Pairs are interleaved; the ratio is that of the pairs, with its 95 % interval.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use ablate_abi::v1::{
    Call, GroupRate, Kind, NamedTensor, RSome, SharedDifferentiable, Tensor, share,
};
use ablate_border::{Batch, Made, Side, training};
use ablate_losses::MaskedMse;
use ablate_rqvae::{RqVae, RqVaeConfig};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor as BurnTensor, TensorData};
use ablate_sdk::{Loss as _, Model as _, NoConfig, Tensors, testing};
use std::process::Command;
use std::time::Instant;

const PAIRS: usize = 100;
const BATCH: Batch = Batch { items: 16, frames: 128, size: ablate_border::SIZE as usize };
/// Width of the model's vectors.
const WIDTH: u64 = 64;

fn main() {
    if let Ok(threads) = std::env::var("ABLATE_BENCH_THREADS") {
        return measure(threads.parse().expect("a number of threads"));
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for threads in [1, cores] {
        // Each pool is made once per process.
        let program = std::env::current_exe().expect("this program has a path");
        let status = Command::new(program)
            .env("ABLATE_BENCH_THREADS", threads.to_string())
            .env("RAYON_NUM_THREADS", threads.to_string())
            // As the host sets them; see `keep_freed_memory` there.
            .env("MALLOC_TRIM_THRESHOLD_", "2147483647")
            .env("MALLOC_MMAP_THRESHOLD_", "1073741824")
            .status();
        assert!(status.is_ok_and(|status| status.success()), "the measurement failed");
    }
}

fn measure(threads: u32) {
    let (mut native, foreign) = (Native::new(threads), Foreign::new(threads));
    for step in 0..5 {
        native.step(step);
        foreign.step(step);
    }
    let mut pairs = Vec::with_capacity(PAIRS);
    for step in 0..PAIRS as u64 {
        // Which one goes first alternates, so that a drift of the machine cancels.
        let order = step.is_multiple_of(2);
        let first = timed(|| if order { native.step(step) } else { foreign.step(step) });
        let second = timed(|| if order { foreign.step(step) } else { native.step(step) });
        pairs.push(if order { (first, second) } else { (second, first) });
    }
    let logs: Vec<f64> = pairs.iter().map(|(native, foreign)| (foreign / native).ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (logs.len() - 1) as f64;
    // 1.98: the 97.5 % point of Student's t with 99 degrees of freedom.
    let half = 1.98 * (variance / logs.len() as f64).sqrt();
    println!(
        "{threads} thread(s) per pool: native {:.1} ms, foreign {:.1} ms, ratio {:.3} [{:.3}, {:.3}] (n = {})",
        median(pairs.iter().map(|pair| pair.0)),
        median(pairs.iter().map(|pair| pair.1)),
        mean.exp(),
        (mean - half).exp(),
        (mean + half).exp(),
        logs.len()
    );
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The batch's values, made once: making them is no part of a step.
struct Values {
    features: Vec<f32>,
    mask: Vec<bool>,
}

impl Values {
    fn new() -> Self {
        let inputs = BATCH.inputs(false);
        let features = inputs[0].tensor.to_vec().expect("floats");
        Self { features, mask: inputs[1].tensor.to_vec().expect("booleans") }
    }

    fn features(&self, name: &str) -> NamedTensor {
        let shape = [BATCH.items, BATCH.frames, BATCH.size];
        NamedTensor::new(name, Tensor::from_vec(self.features.clone(), &shape))
    }

    fn mask(&self) -> NamedTensor {
        let shape = [BATCH.items, BATCH.frames];
        NamedTensor::new("mask", Tensor::from_vec(self.mask.clone(), &shape))
    }
}

/// One program, one graph.
struct Native {
    values: Values,
    model: RqVae,
    /// All parameters are theirs.
    blocks: Vec<SharedDifferentiable>,
    loss: MaskedMse,
}

impl Native {
    fn new(threads: u32) -> Self {
        let side = Side::linked(threads);
        let pooling = pooling(&side);
        let sizes = (WIDTH, ablate_border::SIZE);
        let (_, blocks) = ablate_border::rqvae(&side.rqvae, &pooling, sizes, "{}");
        let mut slots = vec![("pooling", share(&pooling))];
        slots.extend(["encoder", "quantizer", "decoder"].into_iter().zip(blocks.iter().map(share)));
        let mut build = testing::build("model", 7, &[], slots).expect("flex");
        let config = RqVaeConfig { latent_dim: WIDTH as usize };
        let model = RqVae::new(&config, &mut build).expect("the model can be made");
        let blocks = blocks.into_iter().chain([pooling]).collect();
        let mut build = testing::build("loss", 7, &[], Vec::new()).expect("flex");
        let loss = MaskedMse::new(&NoConfig::default(), &mut build).expect("the loss can be made");
        Self { values: Values::new(), model, blocks, loss }
    }

    fn step(&mut self, step: u64) {
        let device = Device::flex();
        let features = self.values.features.clone();
        let shape = [BATCH.items, BATCH.frames, BATCH.size];
        let features = BurnTensor::<3>::from_data(TensorData::new(features, shape), &device);
        let mask = TensorData::new(self.values.mask.clone(), [BATCH.items, BATCH.frames]);
        let mask = BurnTensor::<2, Bool>::from_data(mask, &device).autodiff();
        let features = features.autodiff();
        let call = testing::training_call(step, 1000 + step);
        let batch = Tensors::new().with("features", features.clone()).with("mask", mask.clone());
        let output = self.model.forward(batch, &call).expect("a forward works").tensors;
        let prediction = output.float::<3>("reconstruction").expect("an output");
        let commitment = output.float::<1>("commitment").expect("an output");
        let batch = Tensors::new()
            .with("prediction", prediction)
            .with("target", features)
            .with("mask", mask);
        let loss = self.loss.forward(batch, &call).expect("a loss").value + commitment;
        let mut gradients = loss.backward();
        for block in &self.blocks {
            testing::collect_gradients(block, &mut gradients).expect("a native block");
            block.step(1.0, [rate()].into_iter().collect()).into_result().expect("a step");
        }
    }
}

fn rate() -> GroupRate {
    GroupRate { group: "default".into(), rate: 1e-3 }
}

fn pooling(side: &Side) -> SharedDifferentiable {
    // The slot's vectors have the model's latent size.
    let dimensions = [("D", WIDTH)];
    ablate_border::block_with(&side.pooling, "attentive-stats", "model.pooling", &dimensions)
}

/// Three libraries and the host's handles.
struct Foreign {
    values: Values,
    model: SharedDifferentiable,
    /// All parameters are theirs.
    blocks: Vec<SharedDifferentiable>,
    loss: SharedDifferentiable,
}

impl Foreign {
    fn new(threads: u32) -> Self {
        let side = Side::loaded(threads);
        let pooling = pooling(&side);
        let sizes = (WIDTH, ablate_border::SIZE);
        let (model, blocks) = ablate_border::rqvae(&side.rqvae, &pooling, sizes, "{}");
        let (library, config, path) = (&*side.losses, "{}", "loss");
        let loss = Made { library, kind: Kind::LOSS, name: "masked-mse", config, path };
        let loss = loss.with(&[]).expect("the loss can be made");
        let blocks = blocks.into_iter().chain([pooling]).collect();
        Self { values: Values::new(), model, blocks, loss }
    }

    fn step(&self, step: u64) {
        let inputs = [self.values.features("features"), self.values.mask()].into_iter().collect();
        let call = Call { seed: 1000 + step, ..training(step) };
        let output = self.model.forward(call.clone(), inputs).into_result().expect("a forward");
        let mut context = output.context.into_option().expect("a context");
        let mut gradients: Vec<Option<Tensor>> = output.outputs.iter().map(|_| None).collect();
        let mut prediction = None;
        for (index, named) in output.outputs.into_iter().enumerate() {
            match named.name.as_str() {
                "reconstruction" => prediction = Some((index, named.tensor)),
                "commitment" => gradients[index] = Some(Tensor::from_vec(vec![1.0f32], &[1])),
                _ => {}
            }
        }
        let (index, mut prediction) = prediction.expect("an output");
        prediction.set_needs_grad(true);
        let inputs = [
            NamedTensor::new("prediction", prediction),
            self.values.features("target"),
            self.values.mask(),
        ];
        let loss = self.loss.forward(call, inputs.into_iter().collect()).into_result();
        let mut loss = loss.expect("a loss").context.into_option().expect("a context");
        let one = [RSome(Tensor::from_vec(vec![1.0f32], &[1]))];
        let answer = loss.backward(one.into_iter().collect()).into_result().expect("backward");
        gradients[index] = answer.into_iter().next().and_then(ablate_abi::v1::ROption::into_option);
        let gradients = gradients.into_iter().map(Into::into).collect();
        context.backward(gradients).into_result().expect("backward works");
        for block in &self.blocks {
            block.step(1.0, [rate()].into_iter().collect()).into_result().expect("a step");
        }
    }
}
