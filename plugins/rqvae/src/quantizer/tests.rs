//! Gradients, masks, learning, resumption, and how much of the codebooks stays in use.

use super::*;
use ablate_sdk::burn::store::ModuleRecord;
use ablate_sdk::burn::tensor::TensorData;
use ablate_sdk::rand::{Rng, RngExt};

const SEEDS: TrainingSeeds = TrainingSeeds { clusters: 1, dead_codes: 2 };

fn config(width: usize, levels: usize, size: usize) -> RqVaeConfig {
    let (latent_dim, codebook_size) = (width, size);
    RqVaeConfig { latent_dim, levels, codebook_size, ..RqVaeConfig::default() }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn indices(tensor: Tensor<3, Int>) -> Vec<i64> {
    tensor.into_data().iter::<i64>().collect()
}

fn all_valid(items: usize, windows: usize) -> Tensor<2, Bool> {
    Tensor::full([items, windows], true, &Device::flex())
}

/// Standard normal numbers (Box and Muller, 1958).
fn normal(generator: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    (radius * (generator.random::<f64>() * std::f64::consts::TAU).cos()) as f32
}

fn random(shape: [usize; 3], seed: u64, device: &Device) -> Tensor<3> {
    let mut generator = generator(seed);
    let list: Vec<f32> = (0..shape.iter().product()).map(|_| normal(&mut generator)).collect();
    Tensor::from_data(TensorData::new(list, shape), device)
}

/// A quantizer with the given codes, each counted once.
fn with_codes(codes: Tensor<3>, device: &Device) -> ResidualQuantizer {
    let [levels, size, width] = codes.dims();
    let config = RqVaeConfig { kmeans_init: false, ..config(width, levels, size) };
    let quantizer = ResidualQuantizer::new(&config, device);
    store(&quantizer.codes, codes.clone());
    store(&quantizer.sums, codes);
    quantizer
}

#[track_caller]
fn check(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?} is not {expected:?}");
    }
}

#[test]
fn matches_reference_values_of_one_level() {
    let device = Device::flex().autodiff();
    let codes = Tensor::<3>::from_floats([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]], &Device::flex());
    let quantizer = with_codes(codes, &device);
    let points = [[[0.9_f32, 0.1], [1.2, -0.2], [0.1, 1.5], [0.2, 0.1]]];
    let vectors = Tensor::<3>::from_floats(points, &device).require_grad();
    let result = quantizer.forward(vectors.clone(), &all_valid(1, 4), Some(SEEDS));
    assert_eq!(indices(result.codes), [1, 1, 2, 0]);
    check(&values(result.vectors), &[1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0], 0.0);
    let gradients = result.commitment.clone().backward();
    check(&values(result.commitment), &[0.012_812_5], 1e-7);
    let expected = [-0.006_25, 0.006_25, 0.0125, -0.0125, 0.006_25, -0.031_25, 0.0125, 0.006_25];
    check(&values(vectors.grad(&gradients).expect("tracked")), &expected, 1e-7);
    check(&values(quantizer.counts.value()), &[1.0, 1.1, 1.0], 1e-6);
    let codes = [0.019_999_9, 0.009_999_9, 1.009_091_5, -0.009_090_9, 0.009_999_9, 1.949_999_3];
    check(&values(quantizer.codes.value()), &codes, 1e-6);
}

#[test]
fn the_gradient_passes_straight_through_exactly_once() {
    let device = Device::flex().autodiff();
    let quantizer = with_codes(random([3, 8, 4], 1, &Device::flex()), &device);
    let vectors = random([2, 5, 4], 2, &device).require_grad();
    let upstream = random([2, 5, 4], 3, &device);
    let result = quantizer.forward(vectors.clone(), &all_valid(2, 5), None);
    let gradients = (result.vectors * upstream.clone()).sum().backward();
    assert_eq!(values(vectors.grad(&gradients).expect("tracked")), values(upstream));
}

#[test]
fn the_quantized_vector_is_exactly_the_sum_of_its_codes() {
    let device = Device::flex().autodiff();
    let codes = random([3, 8, 4], 1, &Device::flex());
    let quantizer = with_codes(codes.clone(), &device);
    let result = quantizer.forward(random([2, 5, 4], 2, &device), &all_valid(2, 5), None);
    let (codes, chosen) = (values(codes), indices(result.codes));
    let expected: Vec<f32> = chosen
        .chunks(3)
        .flat_map(|levels| {
            let codes = &codes;
            let code =
                move |level: usize, d: usize| codes[(level * 8 + levels[level] as usize) * 4 + d];
            (0..4).map(move |d| code(0, d) + code(1, d) + code(2, d))
        })
        .collect();
    assert_eq!(values(result.vectors), expected);
}

#[test]
fn commitment_gradients_of_all_levels_agree_with_finite_differences() {
    let device = Device::flex().autodiff();
    let quantizer = with_codes(random([3, 4, 2], 1, &Device::flex()), &device);
    let vectors = random([1, 3, 2], 2, &device).require_grad();
    let commitment = |vectors: Tensor<3>| quantizer.forward(vectors, &all_valid(1, 3), None);
    let result = commitment(vectors.clone());
    let codes = indices(result.codes);
    let gradients = result.commitment.backward();
    let found = values(vectors.grad(&gradients).expect("tracked"));
    let at = values(vectors);
    let step = 1e-2_f32;
    let expected: Vec<f32> = (0..at.len())
        .map(|index| {
            let moved = |by: f32| {
                let mut list = at.clone();
                list[index] += by;
                let data = TensorData::new(list, [1, 3, 2]);
                let result = commitment(Tensor::from_data(data, &Device::flex()));
                assert_eq!(indices(result.codes), codes, "the step crosses into another cell");
                values(result.commitment)[0]
            };
            // Quadratic within a cell, so the central difference is exact but for rounding.
            (moved(step) - moved(-step)) / (2.0 * step)
        })
        .collect();
    check(&found, &expected, 1e-4);
}

#[test]
fn what_lies_outside_the_mask_takes_no_part() {
    let device = Device::flex().autodiff();
    let run = |outside: f32| {
        let quantizer = ResidualQuantizer::new(&config(4, 2, 8), &device);
        let mask =
            Tensor::<2, Bool>::from_bool([[true, true, false], [true, false, false]], &device);
        let hole = mask.clone().bool_not().unsqueeze_dim::<3>(2).expand([2, 3, 4]);
        let mut results = Vec::new();
        for batch in 0..3 {
            let vectors = random([2, 3, 4], batch, &device).mask_fill(hole.clone(), outside);
            let vectors = vectors.detach().require_grad();
            let result = quantizer.forward(vectors.clone(), &mask, Some(SEEDS));
            let codes = indices(result.codes);
            assert!([4, 5, 8, 9, 10, 11].iter().all(|&place| codes[place] == 0), "{codes:?}");
            let gradients = (result.vectors.clone().sum() + result.commitment.clone()).backward();
            results.push(values(vectors.grad(&gradients).expect("tracked")));
            results.push(values(result.vectors));
            results.push(values(result.commitment));
        }
        results.push(values(quantizer.codes.value()));
        results.push(values(quantizer.counts.value()));
        assert!(results.iter().flatten().all(|value| value.is_finite()));
        results
    };
    assert_eq!(run(f32::NAN), run(0.0));
}

#[test]
fn a_batch_without_valid_vectors_changes_nothing() {
    let device = Device::flex();
    let quantizer = ResidualQuantizer::new(&config(4, 2, 8), &device);
    let before = values(quantizer.codes.value());
    let mask = Tensor::<2, Bool>::full([2, 3], false, &device);
    let result = quantizer.forward(random([2, 3, 4], 1, &device), &mask, Some(SEEDS));
    assert_eq!(values(result.commitment), [0.0]);
    assert_eq!(values(quantizer.codes.value()), before);
    assert!(!is_set(&quantizer.initialized));
}

#[test]
fn only_training_changes_the_codebooks_and_codes_refer_to_those_before() {
    let device = Device::flex();
    let quantizer = ResidualQuantizer::new(&config(4, 2, 8), &device);
    let batch = |seed| random([4, 10, 4], seed, &device);
    let mask = all_valid(4, 10);
    quantizer.forward(batch(1), &mask, Some(SEEDS));
    let before = values(quantizer.codes.value());
    quantizer.forward(batch(2), &mask, None);
    assert_eq!(values(quantizer.codes.value()), before);
    let result = quantizer.forward(batch(2), &mask, Some(SEEDS));
    assert_eq!(values(result.codebooks), before);
    assert_ne!(values(quantizer.codes.value()), before);
}

#[test]
fn dead_codes_start_again_after_the_warmup_only() {
    let device = Device::flex();
    // One far code, which nothing will ever choose.
    let mut codes = vec![0.0_f32; 4 * 2];
    codes[6] = 1e3;
    let codes = Tensor::<3>::from_data(TensorData::new(codes, [1, 4, 2]), &device);
    let mut quantizer = with_codes(codes, &device);
    quantizer.dead_code_warmup = 60;
    let far = |quantizer: &ResidualQuantizer| {
        values(quantizer.codes.value()).iter().any(|&value| value > 100.0)
    };
    for step in 1..=60 {
        quantizer.forward(random([2, 20, 2], step, &device), &all_valid(2, 20), Some(SEEDS));
        assert!(far(&quantizer), "step {step}");
    }
    // By now its count is 0.9⁶⁰ = 0.0018, far below 0.05 · 40 / 4.
    quantizer.forward(random([2, 20, 2], 61, &device), &all_valid(2, 20), Some(SEEDS));
    assert!(!far(&quantizer));
}

#[test]
fn goes_on_bit_for_bit_after_saving_and_loading() {
    let device = Device::flex().autodiff();
    let config = RqVaeConfig { dead_code_warmup: 5, ..config(4, 3, 16) };
    let step = |quantizer: &ResidualQuantizer, step: u64| {
        let seeds = TrainingSeeds { clusters: step, dead_codes: 100 + step };
        let result =
            quantizer.forward(random([3, 4, 4], step, &device), &all_valid(3, 4), Some(seeds));
        indices(result.codes)
    };
    let quantizer = ResidualQuantizer::new(&config, &device);
    for number in 0..20 {
        step(&quantizer, number);
    }
    let bytes = quantizer.clone().into_record().into_bytes().expect("saves");
    let restored = ResidualQuantizer::new(&config, &device)
        .load_record(ModuleRecord::from_bytes(bytes).expect("reads"));
    for number in 20..40 {
        assert_eq!(step(&quantizer, number), step(&restored, number), "step {number}");
    }
    let state = |quantizer: &ResidualQuantizer| {
        let mut all = values(quantizer.codes.value());
        all.extend(values(quantizer.sums.value()));
        all.extend(values(quantizer.counts.value()));
        all.extend(values(quantizer.updates.value()));
        all
    };
    assert_eq!(state(&quantizer), state(&restored));
    assert_eq!(values(quantizer.updates.value()), [40.0]);
}

/// 4 096 points around 100 centers in 8 dimensions, of variance 4 each and away from the origin,
/// where random codes lie; 1/4 is noise.
fn mixture() -> Tensor<3> {
    let mut generator = generator(12);
    let centers: Vec<f32> = (0..100 * 8).map(|_| 5.0 + 2.0 * normal(&mut generator)).collect();
    let mut list = Vec::with_capacity(4096 * 8);
    for _ in 0..4096 {
        let center = generator.random_range(0..100_usize);
        list.extend((0..8).map(|d| centers[center * 8 + d] + 0.5 * normal(&mut generator)));
    }
    Tensor::from_data(TensorData::new(list, [16, 256, 8]), &Device::flex())
}

/// Share of each level's codes that the whole set uses, after ten passes in 16 batches.
fn utilization(config: &RqVaeConfig) -> (Vec<f64>, Vec<f64>) {
    let device = Device::flex();
    let (quantizer, points) = (ResidualQuantizer::new(config, &device), mixture());
    for step in 0..160_u64 {
        let item = (step % 16) as usize;
        let batch = points.clone().slice(item..item + 1);
        let seeds = TrainingSeeds { clusters: step, dead_codes: 1000 + step };
        quantizer.forward(batch, &all_valid(1, 256), Some(seeds));
    }
    let result = quantizer.forward(points.clone(), &all_valid(16, 256), None);
    let codes = indices(result.codes);
    let (levels, size) = (config.levels, config.codebook_size);
    let used = (0..levels).map(|level| {
        let mut used = vec![false; size];
        codes.iter().skip(level).step_by(levels).for_each(|&code| used[code as usize] = true);
        used.iter().filter(|&&used| used).count() as f64 / size as f64
    });
    let (points, books) = (values(points), values(result.codebooks));
    let errors = (0..=levels).map(|upto| {
        let mut error = 0.0;
        for (point, code) in points.chunks(8).zip(codes.chunks(levels)) {
            for d in 0..8 {
                let part = |level: usize| books[(level * size + code[level] as usize) * 8 + d];
                let sum: f32 = (0..upto).map(part).sum();
                error += f64::from(point[d] - sum).powi(2);
            }
        }
        error / points.len() as f64
    });
    (used.collect(), errors.collect())
}

#[test]
fn a_mixture_keeps_nine_tenths_of_the_codes_in_use_and_each_level_lowers_the_error() {
    let config = config(8, 4, 64);
    let (used, errors) = utilization(&config);
    assert!(used.iter().all(|&share| share >= 0.9), "{used:?}");
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    // Of a variance of 8 · 4.25 = 34, most goes with the first level and nearly all with four.
    assert!(errors[1] < 12.0 && errors[4] < 2.0, "{errors:?}");

    let bare = RqVaeConfig { kmeans_init: false, dead_code_ratio: 0.0, ..config };
    let (without, _) = utilization(&bare);
    assert!(without[0] < 0.5, "{without:?} against {used:?}");
}
