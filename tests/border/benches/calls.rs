//! What a call costs that crosses the border, and what the tensors in it add.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use ablate_abi::v1::{
    Call, Create, Kind, NamedTensor, RNone, ROption, RSome, RVec, SharedDifferentiable, Tensor,
};
use ablate_border::{Made, SMALL, Side, block, library, training};
use ablate_loader::{Library, Loader, NoServices};
use std::hint::black_box;
use std::time::Instant;

/// Measurements of each call, and how long one goes on.
const MEASUREMENTS: usize = 41;
const MEASUREMENT_NS: f64 = 5e6;
/// What a call without tensors may take.
const TARGET_NS: f64 = 100.0;

fn main() {
    // As the host sets them; see `keep_freed_memory` there.
    if std::env::var_os("MALLOC_TRIM_THRESHOLD_").is_none() {
        let program = std::env::current_exe().expect("this program has a path");
        let status = std::process::Command::new(program)
            .env("MALLOC_TRIM_THRESHOLD_", "2147483647")
            .env("MALLOC_MMAP_THRESHOLD_", "1073741824")
            .status();
        assert!(status.is_ok_and(|status| status.success()), "the measurement failed");
        return;
    }
    println!("medians of {MEASUREMENTS}; target: {TARGET_NS} ns for a call without tensors");
    let side = Side::loaded(1);
    let pooling = block(&side.pooling, "mean", "model.pooling");
    let loader = Loader::new(NoServices, 1);
    let metrics = loader.open(&library("metrics"), None).expect("it opens");
    let mut metric = metrics.create(request(Kind::METRIC, "codebook-utilization"));
    let metric = metric.as_mut().ok().and_then(|made| made.metric.as_mut().into_option());
    let metric = metric.expect("a metric");
    show("a method of a trait object", || black_box(pooling.image()));
    show("a guarded method", || metric.reset().into_result().expect("it resets"));
    show("a guarded method that gives a text", || pooling.contract().into_result().expect("one"));
    show("a tensor of 16 bytes made and dropped", || named("x", floats(&[4])));
    blocks(&side);
}

/// A block that does nothing: all that is left is the border and the SDK's care.
fn blocks(side: &Side) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("libother.so");
    std::fs::copy(library("fixture"), &copy).expect("a copy");
    let other = Loader::new(NoServices, 1).open(&copy, None).expect("it opens");
    let relay = talkative(&side.fixture, None);
    let foreign = talkative(&other, Some(&relay));
    for (size, shape) in [("16 B", [1, 1, 4]), ("4 MiB", [16, 256, 256])] {
        for (name, block) in [("a block", &relay), ("a block over another library's", &foreign)] {
            // What goes in comes out: no call has to make a tensor.
            let mut kept = Some(inputs(shape));
            show(&format!("{name}: evaluation, {size}"), || {
                let given = kept.take().expect("given back");
                kept = Some(evaluate(block, given));
            });
            let mut kept = Some((inputs(shape), floats(&shape)));
            show(&format!("{name}: training, forward and backward, {size}"), || {
                let (given, gradient) = kept.take().expect("given back");
                kept = Some(train(block, given, gradient));
            });
        }
    }
    let small = block(&side.pooling, "attentive-stats", "model.pooling");
    show("for comparison: attentive-stats, 4 sequences of 40 frames of 16", || {
        small.forward(training(0), SMALL.inputs(true)).into_result().expect("it works")
    });
}

fn request(kind: Kind, name: &str) -> Create {
    Create {
        kind,
        name: name.into(),
        config: r#"{"codebook_size":8}"#.into(),
        path: "metric".into(),
        seed: 0,
        device: "flex".into(),
        dimensions: RVec::new(),
        slots: RVec::new(),
        artifacts: RVec::new(),
        properties: RVec::new(),
    }
}

fn talkative(library: &Library, inner: Option<&SharedDifferentiable>) -> SharedDifferentiable {
    let (kind, name, path) = (Kind::BLOCK, "talkative", "model.pooling");
    let made = Made { library, kind, name, config: r#"{"doing":"relay"}"#, path };
    let slots: Vec<_> = inner.map(|block| ("inner", block, false)).into_iter().collect();
    made.sized(&[("D", 256)], &slots).expect("the block can be made")
}

fn floats(shape: &[usize]) -> Tensor {
    Tensor::from_vec(vec![0.5f32; shape.iter().product()], shape)
}

fn named(name: &str, tensor: Tensor) -> NamedTensor {
    NamedTensor::new(name, tensor)
}

fn inputs(shape: [usize; 3]) -> RVec<NamedTensor> {
    let mask = Tensor::from_vec(vec![true; shape[0] * shape[1]], &shape[..2]);
    [named("features", floats(&shape)), named("mask", mask)].into_iter().collect()
}

/// What comes out, under the names of what goes in.
fn renamed(outputs: RVec<NamedTensor>) -> RVec<NamedTensor> {
    let names = ["features", "mask"].into_iter();
    names.zip(outputs).map(|(name, output)| named(name, output.tensor)).collect()
}

fn evaluate(block: &SharedDifferentiable, given: RVec<NamedTensor>) -> RVec<NamedTensor> {
    let output = block.forward(Call::new("eval", 1), given).into_result().expect("it works");
    renamed(output.outputs)
}

fn train(
    block: &SharedDifferentiable,
    mut given: RVec<NamedTensor>,
    gradient: Tensor,
) -> (RVec<NamedTensor>, Tensor) {
    given[0].tensor.set_needs_grad(true);
    let output = block.forward(training(0), given).into_result().expect("it works");
    let gradients = [RSome(gradient), RNone].into_iter().collect();
    let mut context = output.context.into_option().expect("a context was asked for");
    let answer = context.backward(gradients).into_result().expect("backward works");
    let gradient = answer.into_iter().next().and_then(ROption::into_option);
    (renamed(output.outputs), gradient.expect("the features have a gradient"))
}

/// Prints how long a call takes.
fn show<T>(name: &str, mut call: impl FnMut() -> T) {
    let mut once = |count: usize| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(call());
        }
        start.elapsed().as_nanos() as f64 / count as f64
    };
    let count = (MEASUREMENT_NS / once(10).max(once(100)).max(0.5)).clamp(1.0, 1e7) as usize;
    let mut times: Vec<f64> = (0..MEASUREMENTS).map(|_| once(count)).collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<65} {:>12.1} ns (least {:.1})", times[times.len() / 2], times[0]);
}
