//! What crosses the border is moved, not copied: the same memory goes in and comes out.

use ablate_abi::v1::{Call, Kind, NamedTensor, ROption, RSome, RVec, SharedDifferentiable, Tensor};
use ablate_border::{Made, Side, alone, library, numbers, training};
use ablate_loader::{Library, Loader, NoServices};
use std::sync::Arc;

/// 4 MiB of floats.
const SHAPE: [usize; 3] = [16, 256, 256];

fn floats(seed: u64) -> Tensor {
    Tensor::from_vec(numbers(SHAPE.iter().product(), seed), &SHAPE)
}

fn mask() -> NamedTensor {
    NamedTensor::new("mask", Tensor::from_vec(vec![true; SHAPE[0] * SHAPE[1]], &SHAPE[..2]))
}

fn inputs(features: Tensor) -> RVec<NamedTensor> {
    [NamedTensor::new("features", features), mask()].into_iter().collect()
}

fn address(tensor: &Tensor) -> usize {
    tensor.bytes().as_ptr() as usize
}

/// The fixture twice, as two images.
fn images(folder: &tempfile::TempDir) -> [Arc<Library>; 2] {
    let copy = folder.path().join("libother.so");
    std::fs::copy(library("fixture"), &copy).expect("a copy");
    let loader = Loader::new(NoServices, 1);
    [library("fixture"), copy].map(|path| loader.open(&path, None).expect("it opens"))
}

fn talkative(
    library: &Library,
    doing: &str,
    inner: Option<&SharedDifferentiable>,
) -> SharedDifferentiable {
    let config = format!(r#"{{"doing":"{doing}"}}"#);
    let (kind, name, path) = (Kind::BLOCK, "talkative", "model.pooling");
    let made = Made { library, kind, name, config: &config, path };
    let dimensions = [("D", SHAPE[2] as u64)];
    let slots: Vec<_> = inner.map(|block| ("inner", block, false)).into_iter().collect();
    made.sized(&dimensions, &slots).expect("the block can be made")
}

fn evaluate(block: &SharedDifferentiable, features: Tensor) -> Tensor {
    let output = block.forward(Call::new("eval", 1), inputs(features)).into_result();
    output.expect("it works").outputs.into_iter().next().expect("an output").tensor
}

#[test]
fn a_tensor_of_4_mib_passes_through_a_handle_where_it_lies() {
    let features = floats(1);
    let before = address(&features);
    let mut named: RVec<NamedTensor> = inputs(features);
    assert_eq!(address(&named[0].tensor), before);
    let (one, other) = named.remove(0).tensor.share();
    assert_eq!((address(&one), address(&other)), (before, before));
}

#[test]
fn a_block_that_changes_nothing_gives_back_the_memory_that_it_was_given() {
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = images(&folder);
    let alone = talkative(&one, "relay", None);
    let native = talkative(&one, "relay", Some(&alone));
    let foreign = talkative(&other, "relay", Some(&alone));
    // Out of the host and back; over a block of the same image; over two borders.
    for block in [&alone, &native, &foreign] {
        let features = floats(2);
        let before = address(&features);
        let after = evaluate(block, features);
        assert_eq!(address(&after), before);
        assert_eq!(after.to_vec::<f32>().expect("floats"), floats(2).to_vec::<f32>().expect("it"));
    }
}

#[test]
fn a_training_step_copies_neither_a_tensor_nor_a_gradient() {
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = images(&folder);
    let alone = talkative(&one, "relay", None);
    let native = talkative(&one, "relay", Some(&alone));
    let foreign = talkative(&other, "relay", Some(&alone));
    for (name, block) in [("alone", &alone), ("native", &native), ("foreign", &foreign)] {
        let mut features = floats(3);
        features.set_needs_grad(true);
        let before = address(&features);
        let output = block.forward(training(0), inputs(features)).into_result().expect("works");
        assert_eq!(address(&output.outputs[0].tensor), before, "{name}");
        let gradient = floats(4);
        let before = address(&gradient);
        let mut gradients: RVec<_> = output.outputs.iter().map(|_| None.into()).collect();
        gradients[0] = RSome(gradient);
        let mut context = output.context.into_option().expect("a context was asked for");
        let answer = context.backward(gradients).into_result().expect("backward works");
        let gradient = answer.into_iter().next().and_then(ROption::into_option);
        let gradient = gradient.expect("the features have a gradient");
        assert_eq!(address(&gradient), before, "the gradient, {name}");
        let expected = floats(4).to_vec::<f32>().expect("floats");
        assert_eq!(gradient.to_vec::<f32>().expect("floats"), expected);
    }
}

#[test]
fn a_result_is_written_once_and_memory_that_nobody_else_sees_is_used_again() {
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = images(&folder);
    let [first, second] = [&one, &other].map(|library| talkative(library, "double", None));
    // The host keeps a handle: its memory must stay as it is, so the result lies elsewhere.
    let (kept, given) = floats(5).share();
    let doubled = evaluate(&first, given);
    assert_ne!(address(&doubled), address(&kept));
    assert_eq!(kept.to_vec::<f32>().expect("floats"), floats(5).to_vec::<f32>().expect("floats"));
    // That result belongs to whoever has it: the next library works in place.
    assert!(doubled.is_writable());
    let before = address(&doubled);
    let again = evaluate(&second, doubled);
    assert_eq!(address(&again), before);
    let expected: Vec<f32> = numbers(SHAPE.iter().product(), 5).iter().map(|v| v * 4.0).collect();
    assert_eq!(again.to_vec::<f32>().expect("floats"), expected);
}

#[test]
fn a_view_is_copied_once() {
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = images(&folder);
    let turned = talkative(&one, "turn", None);
    let features = floats(6);
    let before = address(&features);
    let after = evaluate(&turned, features);
    assert_ne!(address(&after), before);
    assert_eq!(after.shape(), [SHAPE[0], SHAPE[2], SHAPE[1]]);
    let (from, to) = (numbers(SHAPE.iter().product(), 6), after.to_vec::<f32>().expect("floats"));
    let at = |[item, row, column]: [usize; 3]| (item * SHAPE[1] + row) * SHAPE[2] + column;
    for place in [[0, 0, 0], [0, 1, 7], [3, 200, 17], [15, 255, 254]] {
        let [item, row, column] = place;
        assert_eq!(to[at([item, column, row])], from[at(place)]);
    }
    // Contiguous from then on: another border costs nothing.
    let relay = talkative(&other, "relay", None);
    let before = address(&after);
    assert_eq!(address(&evaluate(&relay, after)), before);
}

#[test]
fn parts_of_one_program_move_tensors_just_so() {
    let _turn = alone();
    let side = Side::linked(1);
    let relay = talkative(&side.fixture, "relay", None);
    let features = floats(7);
    let before = address(&features);
    assert_eq!(address(&evaluate(&relay, features)), before);
}
