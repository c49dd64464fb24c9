//! Loaded against linked: outputs, all gradients and the parameters after twenty steps must be the
//! same bits; and finite differences must agree with both.

use ablate_abi::v1::{Kind, RSome, RVec, SharedDifferentiable, Tensor};
use ablate_border::{
    Batch, Made, SIZE, SMALL, Side, alone, block, evaluation, numbers, parameters, step, training,
};

type Build = fn(&Side) -> (SharedDifferentiable, Vec<SharedDifferentiable>);

/// Twenty steps on both sides; every bit of every trace must be equal.
fn check(build: Build) {
    let [linked, loaded] = [Side::linked(2), Side::loaded(2)].map(|side| {
        let (model, parts) = build(&side);
        let parts: Vec<&SharedDifferentiable> = std::iter::once(&model).chain(&parts).collect();
        let traces: Vec<_> = (0..20)
            .map(|index| step(&model, &parts, &SMALL, index).expect("a step works"))
            .collect();
        (traces, parameters(&parts).expect("parameters can be read"))
    });
    for (index, (one, other)) in linked.0.iter().zip(&loaded.0).enumerate() {
        assert!(!one.gradients.is_empty() && one.input_gradient.is_some(), "nothing was compared");
        assert!(one == other, "step {index} differs");
    }
    assert!(linked.1 == loaded.1, "parameters differ after twenty steps");
    let first = &linked.0[0].gradients;
    assert!(
        first.iter().any(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)),
        "all gradients are 0"
    );
}

fn tiny(side: &Side, config: &str, pooling: &SharedDifferentiable) -> SharedDifferentiable {
    let library = &*side.fixture;
    let made = Made { library, kind: Kind::MODEL, name: "tiny", config, path: "model" };
    made.with(&[("pooling", pooling, false)]).expect("the model can be made")
}

#[test]
fn a_block_of_another_library() {
    let _turn = alone();
    check(|side| {
        let pooling = block(&side.pooling, "attentive-stats", "model.pooling");
        (tiny(side, "{}", &pooling), vec![pooling])
    });
}

#[test]
fn a_block_before_every_parameter_of_the_model_still_gets_its_gradients() {
    let _turn = alone();
    check(|side| {
        let pooling = block(&side.pooling, "attentive-mean", "model.pooling");
        (tiny(side, r#"{"block_first":true}"#, &pooling), vec![pooling])
    });
}

#[test]
fn outputs_that_nobody_uses() {
    let _turn = alone();
    check(|side| {
        let pooling = block(&side.fixture, "stats", "model.pooling");
        let (model, mut blocks) = rqvae(side, &pooling);
        blocks.push(pooling);
        (model, blocks)
    });
}

fn window(side: &Side, inner: &SharedDifferentiable) -> SharedDifferentiable {
    let config = r#"{"window":10,"stride":5,"tail":"pad"}"#;
    let library = &*side.pooling;
    let (kind, name, path) = (Kind::BLOCK, "sliding-window", "model.pooling");
    let made = Made { library, kind, name, config, path };
    made.with(&[("inner", inner, false)]).expect("the block can be made")
}

fn rqvae(
    side: &Side,
    pooling: &SharedDifferentiable,
) -> (SharedDifferentiable, Vec<SharedDifferentiable>) {
    let quantizer = r#"{"codebook_size":8,"levels":2}"#;
    ablate_border::rqvae(&side.rqvae, pooling, (SIZE, SIZE), quantizer)
}

#[test]
fn three_libraries_nested() {
    let _turn = alone();
    check(|side| {
        let inner = block(&side.fixture, "mixing", "model.pooling.inner");
        let outer = window(side, &inner);
        let (model, mut blocks) = rqvae(side, &outer);
        blocks.extend([outer, inner]);
        (model, blocks)
    });
}

#[test]
fn two_blocks_of_one_library_nested() {
    let _turn = alone();
    check(|side| {
        let inner = block(&side.pooling, "attentive-stats", "model.pooling.inner");
        let outer = window(side, &inner);
        (tiny(side, "{}", &outer), vec![outer, inner])
    });
}

#[test]
fn random_numbers_are_the_same_both_ways() {
    let _turn = alone();
    check(|side| {
        let pooling = block(&side.fixture, "noisy", "model.pooling");
        (tiny(side, r#"{"dropout":0.5}"#, &pooling), vec![pooling])
    });
}

#[test]
fn initial_parameters_do_not_depend_on_what_is_called_first() {
    let _turn = alone();
    let side = Side::loaded(1);
    let fresh = || block(&side.pooling, "attentive-stats", "model.pooling");
    let read_first = fresh();
    let before = parameters(&[&read_first]).expect("parameters can be read");
    let run_first = fresh();
    let _ = run_first.forward(evaluation(), SMALL.inputs(false)).into_result().expect("works");
    let other = block(&side.pooling, "attentive-mean", "model.other");
    let _ = other.forward(evaluation(), SMALL.inputs(false)).into_result().expect("works");
    for instance in [&run_first, &read_first] {
        let after = parameters(&[instance]).expect("parameters can be read");
        assert!(before == after, "the order of calls changed the initial parameters");
    }
}

#[test]
fn random_numbers_of_model_and_block_differ() {
    let _turn = alone();
    // With equal seeds every library would draw equal numbers: each instance has its own stream.
    let side = Side::loaded(1);
    let traces = ["model.pooling", "model.other"].map(|path| {
        let pooling = block(&side.fixture, "noisy", path);
        step(&pooling, &[&pooling], &SMALL, 0).expect("a step works").outputs
    });
    assert!(traces[0] != traces[1], "two instances drew the same numbers");
}

/// The scalar that the gradient below belongs to: the sum of the outputs times fixed numbers.
fn scalar(model: &SharedDifferentiable, inputs: RVec<ablate_abi::v1::NamedTensor>) -> f64 {
    let output = model.forward(evaluation(), inputs).into_result().expect("an evaluation works");
    let values = output.outputs[0].tensor.to_vec::<f32>().expect("floats");
    let weights = numbers(values.len(), 50);
    values.iter().zip(&weights).map(|(v, w)| f64::from(*v) * f64::from(*w)).sum()
}

#[test]
fn finite_differences_agree_with_the_gradient_through_a_foreign_block() {
    let _turn = alone();
    let side = Side::loaded(1);
    let pooling = block(&side.pooling, "attentive-stats", "model.pooling");
    // Without the relu, whose kinks finite differences would trip over.
    let model = tiny(&side, r#"{"block_first":true}"#, &pooling);
    let batch = Batch { items: 2, frames: 6, size: SIZE as usize };
    let output = model.forward(training(0), batch.inputs(true)).into_result().expect("works");
    let shape = output.outputs[0].tensor.shape();
    let gradient = Tensor::from_vec(numbers(shape.iter().product(), 50), &shape);
    let mut context = output.context.into_option().expect("a context");
    let gradients = context.backward([RSome(gradient)].into_iter().collect()).into_result();
    let gradients = gradients.expect("backward works")[0].clone_values();
    let h = 1e-2f32;
    let mut worst = 0.0f64;
    for index in (0..gradients.len()).step_by(7) {
        let shifted = |by: f32| {
            let mut inputs = batch.inputs(false);
            let mut values = inputs[0].tensor.to_vec::<f32>().expect("floats");
            values[index] += by;
            let shape = inputs[0].tensor.shape();
            inputs[0].tensor = Tensor::from_vec(values, &shape);
            scalar(&model, inputs)
        };
        let difference = (shifted(h) - shifted(-h)) / (2.0 * f64::from(h));
        worst = worst.max((difference - f64::from(gradients[index])).abs());
    }
    assert!(worst < 2e-3, "finite differences are off by {worst}");
}

trait CloneValues {
    fn clone_values(&self) -> Vec<f32>;
}

impl CloneValues for ablate_abi::v1::ROption<Tensor> {
    fn clone_values(&self) -> Vec<f32> {
        match self {
            RSome(tensor) => tensor.to_vec().expect("floats"),
            ablate_abi::v1::RNone => Vec::new(),
        }
    }
}

#[test]
fn one_instance_in_two_slots_of_two_consumers_sums_its_gradients() {
    let _turn = alone();
    // The block is shared: both consumers reach the same parameters across the border.
    let [linked, loaded] = [Side::linked(1), Side::loaded(1)].map(|side| {
        let shared = block(&side.pooling, "attentive-mean", "blocks.shared");
        let consumers = ["one", "two"].map(|path| {
            let library = &*side.fixture;
            let made = Made { library, kind: Kind::MODEL, name: "tiny", config: "{}", path };
            made.with(&[("pooling", &shared, true)]).expect("the model can be made")
        });
        let mut traces = Vec::new();
        for consumer in &consumers {
            traces.push(step(consumer, &[consumer], &SMALL, 0).expect("a step works"));
        }
        let both = step(&consumers[0], &[&shared], &SMALL, 1).expect("a step works");
        (traces, both, parameters(&[&shared]).expect("parameters can be read"))
    });
    assert!(linked == loaded, "linked and loaded differ");
}
