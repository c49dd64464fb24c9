//! A thousand times created, run forward and backward, and dropped: memory stays as it was.

#![allow(clippy::print_stdout, reason = "these are tests")]

use ablate_abi::v1::{
    Kind, NamedTensor, OwnedContext, ROption, RSome, RVec, SharedDifferentiable, Tensor,
};
use ablate_border::{Made, SMALL, Side, block, numbers, outside, training};
use ablate_loader::{Library, Loader, NoServices};
use std::process::Command;

/// Cycles before memory is read, so that allocators and pools have what they want.
const WARM: u64 = 300;
/// Cycles that must keep nothing.
const CYCLES: u64 = 1000;
/// What the noise of an allocator may be. One kept context, tensor or graph in each cycle, 10 kB
/// and more, would be ten megabytes.
const GROWTH: u64 = 2 << 20;

/// Resident memory in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Runs the test called `name` in a process of its own: what other tests have freed would hide what
/// this one keeps.
fn by_itself(name: &str, test: impl FnOnce()) {
    const VARIABLE: &str = "ABLATE_LEAKS_TEST";
    if std::env::var_os(VARIABLE).is_some_and(|value| value == name) {
        return test();
    }
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, name)
        .output()
        .expect("this program starts again");
    let [said, failed] = [output.stdout, output.stderr].map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        print!("{text}");
        text
    });
    assert!(output.status.success() && said.contains("1 passed"), "{said}{failed}");
}

/// Runs `cycle` a thousand times and says how many bytes that kept.
fn kept(mut cycle: impl FnMut(u64)) -> u64 {
    (0..WARM).for_each(&mut cycle);
    let before = resident();
    (WARM..WARM + CYCLES).for_each(&mut cycle);
    let (after, more) = (resident(), resident().saturating_sub(before));
    println!("{} kB more than {} kB after {CYCLES} cycles", more / 1024, before / 1024);
    assert!(before > 0 && after > 0, "memory can be read");
    more
}

fn stays_flat(cycle: impl FnMut(u64)) {
    let grown = kept(cycle);
    assert!(grown < GROWTH, "{CYCLES} cycles kept {grown} bytes");
}

/// A forward pass, and a backward pass three times out of four: the fourth graph is abandoned.
fn pass(top: &SharedDifferentiable, inputs: RVec<NamedTensor>, at: u64) {
    let output = top.forward(training(at), inputs).into_result().expect("a forward works");
    let mut context = output.context.into_option().expect("a context was asked for");
    if !at.is_multiple_of(4) {
        let gradients = output.outputs.iter().map(|named| gradient_of(&named.tensor));
        backward(&mut context, gradients.collect());
        top.zero_grad().into_result().expect("gradients can be dropped");
    }
}

fn gradient_of(tensor: &Tensor) -> ROption<Tensor> {
    let shape = tensor.shape();
    let values = || numbers(shape.iter().product(), 3);
    tensor.dtype().is_float().then(|| Tensor::from_vec(values(), &shape)).into()
}

fn backward(context: &mut OwnedContext, gradients: RVec<ROption<Tensor>>) {
    let answer = context.backward(gradients).into_result().expect("backward works");
    assert!(matches!(answer[0], RSome(_)), "the first input has a gradient");
}

#[test]
fn a_tensor_that_is_kept_in_each_cycle_is_seen() {
    by_itself("a_tensor_that_is_kept_in_each_cycle_is_seen", || {
        let mut hoard = Vec::new();
        let grown = kept(|at| hoard.push(SMALL.inputs(at == 0)));
        assert_eq!(hoard.len() as u64, WARM + CYCLES);
        assert!(grown > GROWTH, "{grown} bytes");
    });
}

#[test]
fn a_block_with_burn_keeps_nothing() {
    by_itself("a_block_with_burn_keeps_nothing", || {
        let side = Side::loaded(1);
        stays_flat(|at| {
            let pooling = block(&side.pooling, "attentive-stats", "model.pooling");
            pass(&pooling, SMALL.inputs(true), at);
            assert_eq!(pooling.live_contexts(), 0);
        });
    });
}

#[test]
fn a_model_with_a_block_of_another_library_keeps_nothing() {
    by_itself("a_model_with_a_block_of_another_library_keeps_nothing", || {
        let side = Side::loaded(1);
        stays_flat(|at| {
            let pooling = block(&side.pooling, "attentive-stats", "model.pooling");
            let (kind, name, config, path) = (Kind::MODEL, "tiny", "{}", "model");
            let made = Made { library: &side.fixture, kind, name, config, path };
            let model = made.with(&[("pooling", &pooling, false)]).expect("the model can be made");
            pass(&model, SMALL.inputs(true), at);
            assert_eq!((model.live_contexts(), pooling.live_contexts()), (0, 0));
        });
    });
}

#[test]
fn a_plugin_without_burn_keeps_nothing() {
    by_itself("a_plugin_without_burn_keeps_nothing", || {
        let loader = Loader::new(NoServices, 1);
        let library = loader.open(&outside("plain"), None).expect("it opens");
        stays_flat(|at| {
            let gain = plain_component(&library, Kind::BLOCK, "plain-gain", "model.front", &[]);
            let slots = [("front", &gain, false)];
            let model = plain_component(&library, Kind::MODEL, "plain-linear", "model", &slots);
            let mut points = Tensor::from_vec(numbers(64 * PLAIN_SIZE, at), &[64, PLAIN_SIZE]);
            points.set_needs_grad(true);
            pass(&model, [NamedTensor::new("features", points)].into_iter().collect(), at);
            assert_eq!((model.live_contexts(), gain.live_contexts()), (0, 0));
        });
    });
}

/// Features of a point.
const PLAIN_SIZE: usize = 16;

fn plain_component(
    library: &Library,
    kind: Kind,
    name: &str,
    path: &str,
    slots: &[(&str, &SharedDifferentiable, bool)],
) -> SharedDifferentiable {
    let made = Made { library, kind, name, config: "{}", path };
    made.sized(&[("D", PLAIN_SIZE as u64)], slots).expect("the component can be made")
}
