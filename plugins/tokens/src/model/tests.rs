//! Masks, learning, resumption, a codebook of another run, and what is refused.

use super::*;
use crate::codebook::{Statistics, write_codebook};
use crate::points::squared_distance;
use ablate_sdk::burn::store::ModuleRecord;
use ablate_sdk::burn::tensor::TensorData;
use ablate_sdk::rand::RngExt;
use ablate_sdk::testing::{build, evaluation_call, training_call};

fn config(clusters: usize, initial_frames: usize) -> SemanticTokensConfig {
    let (clusters, initial_frames) = (Some(clusters), Some(initial_frames));
    SemanticTokensConfig { clusters, initial_frames, ..SemanticTokensConfig::default() }
}

fn model(config: &SemanticTokensConfig, width: usize) -> SemanticTokens {
    let mut build = build("model", 1, &[("F", width)], vec![]).expect("a build");
    SemanticTokens::new(config, &mut build).expect("made")
}

/// Points around the corners of a square with sides of 20.
fn frames(batch: usize, count: usize, seed: u64) -> Vec<f32> {
    let mut random = generator(seed);
    let mut values = Vec::new();
    for _ in 0..batch * count {
        let corner = random.random_range(0..4_u8);
        for axis in [corner & 1, corner >> 1] {
            values.push(20.0 * f32::from(axis) + random.random_range(-1.0..1.0_f32));
        }
    }
    values
}

fn inputs(values: &[f32], shape: [usize; 3], device: &Device) -> Tensors {
    let features = Tensor::<3>::from_data(TensorData::new(values.to_vec(), shape), device);
    Tensors::new().with("features", features)
}

struct Passed {
    tokens: Vec<i64>,
    inertia: f32,
    codebook: Points,
}

fn passed(outputs: &Tensors) -> Passed {
    let tokens: Tensor<2, Int> = outputs.int("tokens").expect("tokens");
    Passed {
        tokens: tokens.into_data().iter::<i64>().collect(),
        inertia: outputs.float::<1>("inertia").expect("inertia").into_scalar::<f32>(),
        codebook: Points::of_tensor(outputs.float::<2>("codebook").expect("codebook")),
    }
}

fn train(model: &SemanticTokens, step: u64, values: &[f32], shape: [usize; 3]) -> Passed {
    let call = training_call(step, 10 + step);
    let outputs = model.forward(inputs(values, shape, call.device()), &call).expect("a pass");
    passed(&outputs.tensors)
}

fn evaluate(model: &SemanticTokens, values: &[f32], shape: [usize; 3]) -> Passed {
    let call = evaluation_call();
    let outputs = model.forward(inputs(values, shape, call.device()), &call).expect("a pass");
    passed(&outputs.tensors)
}

fn state(model: &SemanticTokens) -> Vec<f32> {
    let mut all = Points::of_tensor(model.centers.value()).values().to_vec();
    all.extend_from_slice(Points::of_tensor(model.first.value()).values());
    for part in [&model.counts, &model.collected, &model.waited] {
        all.extend(part.value().into_data().iter::<f32>());
    }
    all
}

#[test]
fn tokens_are_the_nearest_centers_and_inertia_the_mean_squared_distance() {
    let model = model(&config(6, 40), 2);
    for step in 0..5 {
        train(&model, step, &frames(3, 10, step), [3, 10, 2]);
    }
    let values = frames(3, 10, 99);
    let Passed { tokens, inertia, codebook } = evaluate(&model, &values, [3, 10, 2]);
    let mut sum = 0.0;
    for (frame, &token) in values.chunks(2).zip(&tokens) {
        let own = squared_distance(frame, codebook.row(token as usize));
        assert!(codebook.rows().all(|center| squared_distance(frame, center) >= own - 1e-4));
        sum += own;
    }
    assert!((f64::from(inertia) - sum / 30.0).abs() < 1e-5, "{inertia}");
}

#[test]
fn four_clouds_get_a_center_each_from_batches_of_a_few_frames() {
    for seed in 0..10 {
        let model = model(&config(4, 40), 2);
        for step in 0..40 {
            train(&model, step, &frames(2, 8, 100 * seed + step), [2, 8, 2]);
        }
        let codebook = Points::of_tensor(model.centers.value());
        for corner in [[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]] {
            let near = codebook.rows().filter(|center| squared_distance(center, &corner) < 0.1);
            assert_eq!(near.count(), 1, "{codebook:?}");
        }
        // Uniform in a square with sides of 2: 2/3 · 1 on average.
        let Passed { inertia, .. } = evaluate(&model, &frames(4, 50, 7), [4, 50, 2]);
        assert!((inertia - 2.0 / 3.0).abs() < 0.1, "{inertia}");
    }
}

#[test]
fn what_lies_outside_the_mask_takes_no_part() {
    let run = |outside: f32| {
        let model = model(&config(3, 8), 2);
        let mut results = Vec::new();
        for step in 0..4 {
            let mut values = frames(2, 4, step);
            values[4..8].fill(outside);
            values[14..].fill(outside);
            let mask = [[true, true, false, false], [true, true, true, false]];
            let call = training_call(step, step);
            let inputs = inputs(&values, [2, 4, 2], call.device())
                .with("mask", Tensor::<2, Bool>::from_bool(mask, call.device()));
            let outputs = model.forward(inputs, &call).expect("a pass");
            let Passed { tokens, inertia, codebook } = passed(&outputs.tensors);
            assert!([2, 3, 7].iter().all(|&place| tokens[place] == 0), "{tokens:?}");
            results.extend(tokens.iter().map(|&token| token as f32));
            results.push(inertia);
            results.extend_from_slice(codebook.values());
        }
        results.extend(state(&model));
        assert!(results.iter().all(|value| value.is_finite()));
        results
    };
    assert_eq!(run(f32::NAN), run(0.0));
}

#[test]
fn the_gradient_of_the_inertia_is_twice_the_mean_difference() {
    let model = model(&config(2, 2), 2);
    let call = training_call(0, 0);
    let values = [0.0, 0.0, 10.0, 10.0];
    let features =
        Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 2, 2]), call.device());
    model.forward(Tensors::new().with("features", features), &call).expect("a pass");
    let points = [[[1.0_f32, 0.0], [10.0, 12.0], [9.0, 9.0]]];
    let features = Tensor::<3>::from_floats(points, call.device()).require_grad();
    let outputs = model.forward(Tensors::new().with("features", features.clone()), &call);
    let inertia = outputs.expect("a pass").tensors.float::<1>("inertia").expect("inertia");
    let gradients = inertia.clone().backward();
    let found: Vec<f32> =
        features.grad(&gradients).expect("tracked").into_data().iter::<f32>().collect();
    assert!((inertia.into_scalar::<f32>() - 7.0 / 3.0).abs() < 1e-6);
    let expected = [2.0, 0.0, 0.0, 4.0, -2.0, -2.0].map(|value: f32| value / 3.0);
    assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6), "{found:?}");
}

#[test]
fn only_training_moves_centers_and_tokens_refer_to_those_before() {
    let model = model(&config(4, 16), 2);
    train(&model, 0, &frames(2, 8, 1), [2, 8, 2]);
    let before = state(&model);
    evaluate(&model, &frames(2, 8, 2), [2, 8, 2]);
    assert_eq!(state(&model), before);
    let Passed { codebook, .. } = train(&model, 1, &frames(2, 8, 2), [2, 8, 2]);
    assert_eq!(codebook.values(), &before[..8]);
    assert_ne!(state(&model), before);
}

#[test]
fn goes_on_bit_for_bit_after_saving_and_loading() {
    let config = SemanticTokensConfig { reassignment_ratio: 0.5, ..config(8, 60) };
    // In the middle of collecting the first frames, and long after.
    for cut in [2, 12] {
        let original = model(&config, 2);
        for step in 0..cut {
            train(&original, step, &frames(2, 8, step), [2, 8, 2]);
        }
        let bytes = original.clone().into_record().into_bytes().expect("saves");
        let restored =
            model(&config, 2).load_record(ModuleRecord::from_bytes(bytes).expect("reads"));
        for step in cut..cut + 10 {
            let values = frames(2, 8, step);
            let one = train(&original, step, &values, [2, 8, 2]);
            let other = train(&restored, step, &values, [2, 8, 2]);
            assert_eq!(one.tokens, other.tokens, "step {step}");
            assert_eq!(one.inertia.to_bits(), other.inertia.to_bits(), "step {step}");
        }
        assert_eq!(state(&original), state(&restored));
    }
}

#[test]
fn fewer_frames_than_centers_are_their_own_centers_until_a_pass_is_over() {
    let model = model(&config(8, 80), 2);
    let Passed { inertia, tokens, .. } = train(&model, 0, &frames(1, 5, 1), [1, 5, 2]);
    assert_eq!(inertia, 0.0);
    let mut sorted = tokens.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 5, "{tokens:?}");
    assert!(model.check_started(0).is_ok());
    let error = model.check_started(1).expect_err("must fail");
    assert_eq!(error.to_string(), "`clusters` is 8, but the train split has only 5 valid frames");
    assert_eq!(
        error.hints().collect::<Vec<_>>(),
        ["set `clusters` to at most 5, or train on more frames"]
    );
    train(&model, 1, &frames(1, 5, 2), [1, 5, 2]);
    assert!(model.check_started(1).is_ok());
}

#[test]
fn a_batch_without_valid_frames_changes_nothing() {
    let model = model(&config(2, 8), 2);
    let before = state(&model);
    let call = training_call(0, 0);
    let mask = Tensor::<2, Bool>::full([2, 3], false, call.device());
    let inputs = inputs(&[f32::NAN; 12], [2, 3, 2], call.device()).with("mask", mask);
    let outputs = model.forward(inputs, &call).expect("a pass");
    assert_eq!(passed(&outputs.tensors).inertia, 0.0);
    assert_eq!(state(&model), before);
}

#[test]
fn frames_that_are_not_finite_are_named() {
    let model = model(&config(2, 8), 2);
    let mut values = frames(2, 3, 1);
    values[9] = f32::NAN;
    let call = training_call(0, 0);
    let error = model.forward(inputs(&values, [2, 3, 2], call.device()), &call);
    assert_eq!(
        error.map(drop).expect_err("must fail").to_string(),
        "`features` holds NaN: item 1 of the batch, frame 2"
    );
    let call = evaluation_call();
    values[9] = f32::INFINITY;
    let error = model.forward(inputs(&values, [2, 3, 2], call.device()), &call);
    assert_eq!(
        error.map(drop).expect_err("must fail").to_string(),
        "`features` holds inf: item 1 of the batch, frame 2"
    );
}

#[test]
fn centers_of_another_run_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("kmeans.safetensors");
    let centers = Points::new(vec![0.0, 0.0, 20.0, 20.0, 0.0, 20.0], 2);
    let statistics = Statistics { counts: &[1, 1, 1], inertia: 0.0 };
    write_codebook(&path, &centers, &statistics).expect("written");
    let read = crate::codebook::read_codebook(&path, None, 2).expect("read");
    let frozen = SemanticTokensConfig {
        codebook: Some(ablate_sdk::ArtifactSource::File(path.display().to_string())),
        ..SemanticTokensConfig::default()
    };
    let device = Device::flex().autodiff();
    let model = SemanticTokens::with_centers(read.tensor(&device), 1, &frozen, &device);
    let values = [1.0, 1.0, 19.0, 18.0, 2.0, 21.0];
    let Passed { tokens, codebook, .. } = train(&model, 0, &values, [1, 3, 2]);
    assert_eq!((tokens, codebook.values()), (vec![0, 1, 2], centers.values()));
    let before = state(&model);
    train(&model, 1, &frames(2, 8, 1), [2, 8, 2]);
    assert_eq!(state(&model), before);
    assert!(model.check_started(3).is_ok());
}

#[test]
fn the_contract_says_the_number_of_centers_unless_a_file_decides() {
    let shape = |config: &SemanticTokensConfig| {
        let contract = SemanticTokens::contract(config).expect("valid").to_json();
        contract.expect("well written")["outputs"][2]["shape"].clone()
    };
    assert_eq!(shape(&SemanticTokensConfig::default()), ablate_sdk::serde_json::json!([500, "F"]));
    assert_eq!(shape(&config(100, 100)), ablate_sdk::serde_json::json!([100, "F"]));
    let codebook = Some(ablate_sdk::ArtifactSource::File("kmeans.safetensors".to_owned()));
    let frozen = SemanticTokensConfig { codebook, ..SemanticTokensConfig::default() };
    assert_eq!(shape(&frozen), ablate_sdk::serde_json::json!(["K", "F"]));
}
