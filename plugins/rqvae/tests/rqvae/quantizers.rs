//! Quantizers against what other implementations computed, and what all of them must hold.

use crate::tensors::{check, indices, normals, prefix_mask, values};
use ablate_rqvae::{
    EmaConfig, EmaQuantizer, GradientConfig, GradientQuantizer, Quantized, StraightThrough,
    TrainingSeeds,
};
use ablate_sdk::burn::module::{Module, ModuleVisitor, Param};
use ablate_sdk::burn::optim::{AdamWConfig, GradientsParams, SgdConfig};
use ablate_sdk::burn::store::ModuleRecord;
use ablate_sdk::burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use ablate_sdk::serde_json::{self, Value};

const SEEDS: TrainingSeeds = TrainingSeeds { clusters: 1, dead_codes: 2 };

fn ema_config(levels: usize, codebook_size: usize) -> EmaConfig {
    EmaConfig { levels, codebook_size, ..EmaConfig::default() }
}

fn gradient_config(levels: usize, codebook_size: usize) -> GradientConfig {
    GradientConfig { levels, codebook_size, ..GradientConfig::default() }
}

/// Quantizers with the given codes.
fn ema(codes: &Tensor<3>, straight_through: StraightThrough, device: &Device) -> EmaQuantizer {
    let [levels, size, _] = codes.dims();
    let config = EmaConfig { kmeans_init: false, straight_through, ..ema_config(levels, size) };
    EmaQuantizer::with_codes(codes.clone(), &config, device)
}

fn gradient(codes: &Tensor<3>, device: &Device) -> GradientQuantizer {
    let [levels, size, _] = codes.dims();
    let config = GradientConfig { kmeans_init: false, ..gradient_config(levels, size) };
    GradientQuantizer::with_codes(codes.clone(), &config, device)
}

type Quantize<'a> =
    Box<dyn Fn(Tensor<3>, &Tensor<2, Bool>, Option<TrainingSeeds>) -> Quantized + 'a>;

/// Both quantizers with the same codes.
fn both<'a>(ema: &'a EmaQuantizer, gradient: &'a GradientQuantizer) -> [Quantize<'a>; 2] {
    [
        Box::new(|vectors, mask, seeds| ema.quantize(vectors, mask, seeds)),
        Box::new(|vectors, mask, seeds| gradient.quantize(vectors, mask, seeds)),
    ]
}

fn all_valid(items: usize, windows: usize) -> Tensor<2, Bool> {
    Tensor::full([items, windows], true, &Device::flex())
}

/// What quantizers.py stored.
struct Stored(Value);

impl Stored {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("quantizers.json")).expect("JSON"))
    }

    fn size(&self, name: &str) -> usize {
        self.0[name].as_u64().expect("a number") as usize
    }

    fn codes(&self, device: &Device) -> Tensor<3> {
        let shape = ["levels", "size", "width"].map(|name| self.size(name));
        tensor(&self.0["start"], shape, device)
    }

    fn vectors(&self, list: &Value, device: &Device) -> Tensor<3> {
        let shape = ["items", "windows", "width"].map(|name| self.size(name));
        tensor(list, shape, device)
    }

    fn mask(&self, device: &Device) -> Tensor<2, Bool> {
        let lengths: Vec<usize> = floats(&self.0["lengths"]).iter().map(|&l| l as usize).collect();
        prefix_mask(&lengths, self.size("windows"), device)
    }
}

fn tensor(list: &Value, shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(floats(list), shape), device)
}

fn floats(list: &Value) -> Vec<f32> {
    list.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

/// Rows that count, of as many values each.
fn valid<T: Copy>(list: &[T], mask: &Tensor<2, Bool>) -> Vec<T> {
    let mask: Vec<bool> = mask.clone().into_data().iter::<bool>().collect();
    let rows = list.chunks_exact(list.len() / mask.len()).zip(mask);
    rows.filter(|(_, valid)| *valid).flat_map(|(row, _)| row.to_vec()).collect()
}

#[test]
fn moving_averages_agree_with_another_implementation_step_by_step() {
    let (stored, device) = (Stored::read(), Device::flex().autodiff());
    let mask = stored.mask(&device);
    let quantizer = ema(&stored.codes(&device), StraightThrough::Sum, &device);
    let expected = &stored.0["ema"];
    for step in expected["steps"].as_array().expect("steps") {
        let vectors = stored.vectors(&step["vectors"], &device).require_grad();
        let result = quantizer.quantize(vectors.clone(), &mask, Some(SEEDS));
        let codes: Vec<i64> = floats(&step["indices"]).iter().map(|&index| index as i64).collect();
        assert_eq!(valid(&indices(result.codes), &mask), valid(&codes, &mask));
        let found = valid(&values(result.vectors), &mask);
        check(&found, &valid(&floats(&step["quantized"]), &mask), 1e-5);
        let gradients = result.commitment.clone().backward();
        check(&values(result.commitment), &floats(&step["commitment"]), 1e-5);
        let found = values(vectors.grad(&gradients).expect("tracked"));
        check(&found, &floats(&step["gradient"]), 1e-5);
    }
    check(&values(quantizer.counts()), &floats(&expected["counts"]), 1e-5);
    check(&values(quantizer.codes()), &floats(&expected["codes"]), 1e-5);
}

#[test]
fn the_ways_straight_through_have_the_gradients_of_their_graphs() {
    let (stored, device) = (Stored::read(), Device::flex().autodiff());
    let (mask, expected) = (stored.mask(&device), &stored.0["straight_through"]);
    let upstream = stored.vectors(&expected["upstream"], &device);
    let ways = [
        ("sum", StraightThrough::Sum, Some(1.0)),
        ("per-level", StraightThrough::PerLevel, Some(3.0)),
        ("residual", StraightThrough::Residual, Some(1.0)),
        ("rotation", StraightThrough::Rotation, None),
    ];
    let batch = &stored.0["ema"]["steps"][0]["vectors"];
    for (name, way, factor) in ways {
        let quantizer = ema(&stored.codes(&device), way, &device);
        let run = |scalar: &dyn Fn(Quantized) -> Tensor<1>| {
            let vectors = stored.vectors(batch, &device).require_grad();
            let scalar = scalar(quantizer.quantize(vectors.clone(), &mask, None));
            values(vectors.grad(&scalar.backward()).expect("tracked"))
        };
        let found = run(&|result| (result.vectors * upstream.clone()).sum());
        check(&found, &floats(&expected[name]["quantized"]), 1e-5);
        let all = valid(&found, &mask);
        if let Some(factor) = factor {
            for (found, given) in all.iter().zip(valid(&values(upstream.clone()), &mask)) {
                assert_eq!(*found, factor * given, "{name}");
            }
        }
        let found = run(&|result| result.commitment);
        check(&found, &floats(&expected[name]["commitment"]), 1e-5);
    }
}

/// Gradients of all parameters; state beside them has none.
fn parameter_gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<f32> {
    struct Collect<'a>(&'a Gradients, Vec<f32>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.0) {
                self.1.extend(gradient.into_data().iter::<f32>());
            }
        }
    }
    let mut collect = Collect(gradients, Vec::new());
    module.visit(&mut collect);
    collect.1
}

#[test]
fn gradient_codebooks_descend_as_written_out_in_another_library() {
    let (stored, device) = (Stored::read(), Device::flex().autodiff());
    let (mask, expected) = (stored.mask(&device), &stored.0["gradient"]);
    let mut quantizer = gradient(&stored.codes(&device), &device);
    let mut optimizer = SgdConfig::new().init();
    let batches = stored.0["ema"]["steps"].as_array().expect("steps");
    for (batch, step) in batches.iter().zip(expected["steps"].as_array().expect("steps")) {
        let vectors = stored.vectors(&batch["vectors"], &device).require_grad();
        let result = quantizer.quantize(vectors.clone(), &mask, None);
        let gradients = result.commitment.clone().backward();
        check(&values(result.commitment), &floats(&step["commitment"]), 1e-5);
        let found = values(vectors.grad(&gradients).expect("tracked"));
        check(&found, &floats(&step["vectors_gradient"]), 1e-5);
        let found = parameter_gradients(&quantizer, &gradients);
        check(&found, &floats(&step["codes_gradient"]), 1e-5);
        let gradients = GradientsParams::from_grads(gradients, &quantizer);
        let rate = expected["rate"].as_f64().expect("a number");
        quantizer = optimizer.step(rate, quantizer, gradients);
    }
    check(&values(quantizer.codes()), &floats(&expected["codes"]), 1e-5);
}

#[test]
fn matches_reference_values_of_one_level() {
    let device = Device::flex().autodiff();
    let codes = Tensor::<3>::from_floats([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]], &Device::flex());
    let quantizer = ema(&codes, StraightThrough::Sum, &device);
    let points = [[[0.9_f32, 0.1], [1.2, -0.2], [0.1, 1.5], [0.2, 0.1]]];
    let vectors = Tensor::<3>::from_floats(points, &device).require_grad();
    let result = quantizer.quantize(vectors.clone(), &all_valid(1, 4), Some(SEEDS));
    assert_eq!(indices(result.codes), [1, 1, 2, 0]);
    check(&values(result.vectors), &[1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0], 0.0);
    let gradients = result.commitment.clone().backward();
    check(&values(result.commitment), &[0.012_812_5], 1e-7);
    let expected = [-0.006_25, 0.006_25, 0.0125, -0.0125, 0.006_25, -0.031_25, 0.0125, 0.006_25];
    check(&values(vectors.grad(&gradients).expect("tracked")), &expected, 1e-7);
    check(&values(quantizer.counts()), &[1.0, 1.1, 1.0], 1e-6);
    let codes = [0.019_999_9, 0.009_999_9, 1.009_091_5, -0.009_090_9, 0.009_999_9, 1.949_999_3];
    check(&values(quantizer.codes()), &codes, 1e-6);
}

#[test]
fn every_level_chooses_the_nearest_code_and_the_sum_of_them_comes_out_exactly() {
    let device = Device::flex();
    let (levels, size, width) = (3, 40, 5);
    let codes = normals([levels, size, width], 1, &device);
    let vectors = normals([4, 25, width], 2, &device);
    let (ema, gradient) = (ema(&codes, StraightThrough::Sum, &device), gradient(&codes, &device));
    let books = values(codes);
    for quantize in both(&ema, &gradient) {
        let result = quantize(vectors.clone(), &all_valid(4, 25), None);
        let (chosen, sums) = (indices(result.codes), values(result.vectors));
        for (row, vector) in values(vectors.clone()).chunks_exact(width).enumerate() {
            let mut left: Vec<f64> = vector.iter().map(|&value| f64::from(value)).collect();
            let mut sum = vec![0.0_f32; width];
            for level in 0..levels {
                let code = |k: usize| &books[(level * size + k) * width..][..width];
                let distance = |k: usize| -> f64 {
                    left.iter().zip(code(k)).map(|(l, c)| (l - f64::from(*c)).powi(2)).sum()
                };
                let nearest = (0..size).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
                let found = chosen[row * levels + level] as usize;
                assert_eq!(Some(found), nearest, "level {level} of row {row}");
                for d in 0..width {
                    left[d] -= f64::from(code(found)[d]);
                    sum[d] += code(found)[d];
                }
            }
            assert_eq!(sums[row * width..][..width], sum);
        }
    }
}

#[test]
fn commitment_gradients_of_all_levels_agree_with_finite_differences() {
    let device = Device::flex().autodiff();
    let codes = normals([3, 4, 2], 1, &Device::flex());
    let quantizer = ema(&codes, StraightThrough::Sum, &device);
    let vectors = normals([1, 3, 2], 2, &device).require_grad();
    let commitment = |vectors: Tensor<3>| quantizer.quantize(vectors, &all_valid(1, 3), None);
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
    let run = |outside: f32, which: usize| {
        let codes = normals([2, 8, 4], 9, &Device::flex());
        let ema = EmaQuantizer::with_codes(codes.clone(), &ema_config(2, 8), &device);
        let gradient = GradientQuantizer::with_codes(codes, &gradient_config(2, 8), &device);
        let quantize = &both(&ema, &gradient)[which];
        let mask =
            Tensor::<2, Bool>::from_bool([[true, true, false], [true, false, false]], &device);
        let hole = mask.clone().bool_not().unsqueeze_dim::<3>(2).expand([2, 3, 4]);
        let mut results = Vec::new();
        for batch in 0..3 {
            let vectors = normals([2, 3, 4], batch, &device).mask_fill(hole.clone(), outside);
            let vectors = vectors.detach().require_grad();
            let result = quantize(vectors.clone(), &mask, Some(SEEDS));
            let codes = indices(result.codes);
            assert!([4, 5, 8, 9, 10, 11].iter().all(|&place| codes[place] == 0), "{codes:?}");
            let scalar = result.vectors.clone().sum() + result.commitment.clone();
            let gradients = scalar.backward();
            results.push(values(vectors.grad(&gradients).expect("tracked")));
            results.push(values(result.vectors));
            results.push(values(result.commitment));
            if which == 1 {
                results.push(parameter_gradients(&gradient, &gradients));
            }
        }
        let (codes, counts) = match which {
            0 => (ema.codes(), ema.counts()),
            _ => (gradient.codes(), gradient.counts()),
        };
        results.extend([values(codes), values(counts)]);
        assert!(results.iter().flatten().all(|value| value.is_finite()));
        results
    };
    for which in 0..2 {
        assert_eq!(run(f32::NAN, which), run(0.0, which));
    }
}

#[test]
fn a_padded_batch_gives_what_its_items_give_alone_and_teaches_the_same() {
    let device = Device::flex();
    let lengths = [6, 1, 4];
    let batch = normals([3, 6, 4], 3, &device);
    let mask = prefix_mask(&lengths, 6, &device);
    let codes = normals([2, 8, 4], 4, &device);
    let new = || (ema(&codes, StraightThrough::Sum, &device), gradient(&codes, &device));
    let alone = |item: usize| batch.clone().slice([item..item + 1, 0..lengths[item], 0..4]);
    let (ema_padded, gradient_padded) = new();
    for quantize in both(&ema_padded, &gradient_padded) {
        let together = quantize(batch.clone(), &mask, None);
        for (item, &length) in lengths.iter().enumerate() {
            let single = quantize(alone(item), &all_valid(1, length), None);
            let part = together.codes.clone().slice([item..item + 1, 0..length, 0..2]);
            assert_eq!(indices(part), indices(single.codes));
            let part = together.vectors.clone().slice([item..item + 1, 0..length, 0..4]);
            assert_eq!(values(part), values(single.vectors));
        }
    }
    let (ema_packed, gradient_packed) = new();
    let rows = (0..3).map(|item| alone(item).squeeze_dim::<2>(0)).collect();
    let packed = Tensor::cat(rows, 0).unsqueeze_dim::<3>(0);
    let padded = both(&ema_padded, &gradient_padded);
    for (padded, packing) in padded.iter().zip(both(&ema_packed, &gradient_packed)) {
        let one = padded(batch.clone(), &mask, Some(SEEDS));
        let other = packing(packed.clone(), &all_valid(1, 11), Some(SEEDS));
        check(&values(one.commitment), &values(other.commitment), 1e-6);
    }
    check(&values(ema_padded.codes()), &values(ema_packed.codes()), 1e-6);
    check(&values(ema_padded.counts()), &values(ema_packed.counts()), 1e-6);
    check(&values(gradient_padded.counts()), &values(gradient_packed.counts()), 1e-6);
}

#[test]
fn batches_without_valid_vectors_or_without_windows_change_nothing() {
    let device = Device::flex().autodiff();
    let codes = normals([2, 8, 4], 1, &Device::flex());
    let ema = EmaQuantizer::with_codes(codes.clone(), &ema_config(2, 8), &device);
    let gradient = GradientQuantizer::with_codes(codes.clone(), &gradient_config(2, 8), &device);
    for quantize in both(&ema, &gradient) {
        for windows in [3, 0] {
            let mask = Tensor::<2, Bool>::full([2, windows], false, &device);
            let vectors = Tensor::<3>::zeros([2, windows, 4], &device);
            let result = quantize(vectors, &mask, Some(SEEDS));
            assert_eq!(values(result.commitment), [0.0]);
            assert_eq!(result.vectors.dims(), [2, windows, 4]);
            assert_eq!(result.codes.dims(), [2, windows, 2]);
            assert!(values(result.vectors).iter().all(|&value| value == 0.0));
        }
    }
    assert_eq!(values(ema.codes()), values(codes.clone()));
    assert_eq!(values(gradient.codes()), values(codes));
    // Only now k-means replaces the codes.
    for quantize in both(&ema, &gradient) {
        quantize(normals([2, 9, 4], 5, &device), &all_valid(2, 9), Some(SEEDS));
    }
    let nine_of = |codes: Tensor<3>| values(codes).iter().all(|value| value.is_finite());
    assert!(nine_of(ema.codes()) && nine_of(gradient.codes()));
}

#[test]
fn both_start_from_the_same_clusters_and_codes_refer_to_those_before() {
    let device = Device::flex();
    let codes = normals([2, 8, 4], 1, &device);
    let ema = EmaQuantizer::with_codes(codes.clone(), &ema_config(2, 8), &device);
    let gradient = GradientQuantizer::with_codes(codes.clone(), &gradient_config(2, 8), &device);
    let mask = all_valid(4, 10);
    let started = both(&ema, &gradient).map(|quantize| {
        let result = quantize(normals([4, 10, 4], 1, &device), &mask, Some(SEEDS));
        (values(result.codebooks), indices(result.codes))
    });
    assert_eq!(started[0], started[1]);
    assert_ne!(started[0].0, values(codes));
    assert_eq!(values(gradient.codes()), started[1].0);
    let before = values(ema.codes());
    assert_ne!(before, started[0].0, "moving averages follow the first batch too");
    ema.quantize(normals([4, 10, 4], 2, &device), &mask, None);
    assert_eq!(values(ema.codes()), before, "only training changes the codebooks");
    let result = ema.quantize(normals([4, 10, 4], 2, &device), &mask, Some(SEEDS));
    assert_eq!(values(result.codebooks), before);
    assert_ne!(values(ema.codes()), before);
}

#[test]
fn dead_codes_start_again_after_the_warmup_only() {
    let device = Device::flex();
    // One far code, which nothing will ever choose.
    let mut codes = vec![0.0_f32; 4 * 2];
    codes[6] = 1e3;
    let codes = Tensor::<3>::from_data(TensorData::new(codes, [1, 4, 2]), &device);
    let config = EmaConfig { kmeans_init: false, dead_code_warmup: 60, ..ema_config(1, 4) };
    let ema = EmaQuantizer::with_codes(codes.clone(), &config, &device);
    let config =
        GradientConfig { kmeans_init: false, dead_code_warmup: 60, ..gradient_config(1, 4) };
    let gradient = GradientQuantizer::with_codes(codes.clone(), &config, &device);
    let far = |codes: Tensor<3>| values(codes).iter().any(|&value| value > 100.0);
    for step in 1..=60 {
        for quantize in both(&ema, &gradient) {
            quantize(normals([2, 20, 2], step, &device), &all_valid(2, 20), Some(SEEDS));
        }
        assert!(far(ema.codes()) && far(gradient.codes()), "step {step}");
    }
    // By now its count is 0.9⁶⁰ = 0.0018, far below 0.05 · 40 / 4.
    let batch = normals([2, 20, 2], 61, &device);
    for quantize in both(&ema, &gradient) {
        quantize(batch.clone(), &all_valid(2, 20), Some(SEEDS));
    }
    assert!(!far(ema.codes()) && !far(gradient.codes()));
    // Codes that were used stay where they were, and the others are vectors of the batch.
    let (found, batch, start) = (values(gradient.codes()), values(batch), values(codes));
    for (code, old) in found.chunks_exact(2).zip(start.chunks_exact(2)) {
        assert!(code == old || batch.chunks_exact(2).any(|vector| vector == code), "{code:?}");
    }
}

#[test]
fn moving_averages_go_on_bit_for_bit_after_saving_and_loading() {
    let device = Device::flex().autodiff();
    let config = EmaConfig { dead_code_warmup: 5, ..ema_config(3, 16) };
    let step = |quantizer: &EmaQuantizer, step: u64| {
        let seeds = TrainingSeeds { clusters: step, dead_codes: 100 + step };
        let vectors = normals([3, 4, 4], step, &device);
        indices(quantizer.quantize(vectors, &all_valid(3, 4), Some(seeds)).codes)
    };
    let quantizer = EmaQuantizer::init(4, &config, &device);
    for number in 0..20 {
        step(&quantizer, number);
    }
    let bytes = quantizer.clone().into_record().into_bytes().expect("saves");
    let restored = EmaQuantizer::init(4, &config, &device)
        .load_record(ModuleRecord::from_bytes(bytes).expect("reads"));
    for number in 20..40 {
        assert_eq!(step(&quantizer, number), step(&restored, number), "step {number}");
    }
    assert_eq!(values(quantizer.codes()), values(restored.codes()));
    assert_eq!(values(quantizer.counts()), values(restored.counts()));
}

#[test]
fn gradient_codebooks_go_on_bit_for_bit_after_saving_and_loading() {
    let device = Device::flex().autodiff();
    let config = GradientConfig { dead_code_warmup: 5, ..gradient_config(3, 16) };
    let restore = |quantizer: &GradientQuantizer| {
        let bytes = quantizer.clone().into_record().into_bytes().expect("saves");
        GradientQuantizer::init(4, &config, &device)
            .load_record(ModuleRecord::from_bytes(bytes).expect("reads"))
    };
    let train = |mut quantizer: GradientQuantizer, steps: std::ops::Range<u64>| {
        let mut optimizer = SgdConfig::new().init();
        let mut all = Vec::new();
        for step in steps {
            let seeds = TrainingSeeds { clusters: step, dead_codes: 100 + step };
            let vectors = normals([3, 4, 4], step, &device);
            let result = quantizer.quantize(vectors, &all_valid(3, 4), Some(seeds));
            all.push(indices(result.codes));
            let gradients = result.commitment.backward();
            let gradients = GradientsParams::from_grads(gradients, &quantizer);
            quantizer = optimizer.step(0.5, quantizer, gradients);
        }
        (quantizer, all)
    };
    let (quantizer, _) = train(GradientQuantizer::init(4, &config, &device), 0..20);
    let (one, other) = (train(restore(&quantizer), 20..40), train(quantizer, 20..40));
    assert_eq!(one.1, other.1);
    assert_eq!(values(one.0.codes()), values(other.0.codes()));
    assert_eq!(values(one.0.counts()), values(other.0.counts()));
}

/// 4 096 points around 100 centers in 8 dimensions, of variance 4 each and away from the origin,
/// where random codes lie; 1/4 is noise.
fn mixture() -> Tensor<3> {
    use crate::tensors::normal;
    use ablate_sdk::rand::RngExt;
    let mut generator = ablate_sdk::seed::generator(12);
    let centers: Vec<f32> = (0..100 * 8).map(|_| 5.0 + 2.0 * normal(&mut generator)).collect();
    let mut list = Vec::with_capacity(4096 * 8);
    for _ in 0..4096 {
        let center = generator.random_range(0..100_usize);
        list.extend((0..8).map(|d| centers[center * 8 + d] + 0.5 * normal(&mut generator)));
    }
    Tensor::from_data(TensorData::new(list, [16, 256, 8]), &Device::flex())
}

/// Share of each level's codes that the whole mixture uses, and the mean squared error that is left
/// after none, one, … of the levels.
fn measured(result: &Quantized, points: Tensor<3>) -> (Vec<f64>, Vec<f64>) {
    let [levels, size, width] = result.codebooks.dims();
    let codes = indices(result.codes.clone());
    let used = (0..levels).map(|level| {
        let mut used = vec![false; size];
        codes.iter().skip(level).step_by(levels).for_each(|&code| used[code as usize] = true);
        used.iter().filter(|&&used| used).count() as f64 / size as f64
    });
    let (points, books) = (values(points), values(result.codebooks.clone()));
    let errors = (0..=levels).map(|upto| {
        let mut error = 0.0;
        for (point, code) in points.chunks(width).zip(codes.chunks(levels)) {
            for d in 0..width {
                let part = |level: usize| books[(level * size + code[level] as usize) * width + d];
                let sum: f32 = (0..upto).map(part).sum();
                error += f64::from(point[d] - sum).powi(2);
            }
        }
        error / (points.len() / width) as f64
    });
    (used.collect(), errors.collect())
}

/// Ten passes over the mixture in 16 batches, then all of it.
fn taught(points: &Tensor<3>, mut step: impl FnMut(Tensor<3>, TrainingSeeds)) -> Tensor<2, Bool> {
    for number in 0..160_u64 {
        let item = (number % 16) as usize;
        let batch = points.clone().slice(item..item + 1);
        step(batch, TrainingSeeds { clusters: number, dead_codes: 1000 + number });
    }
    all_valid(16, 256)
}

fn taught_ema(config: &EmaConfig) -> (Vec<f64>, Vec<f64>) {
    let (quantizer, points) = (EmaQuantizer::init(8, config, &Device::flex()), mixture());
    let all = taught(&points, |batch, seeds| {
        quantizer.quantize(batch, &all_valid(1, 256), Some(seeds));
    });
    measured(&quantizer.quantize(points.clone(), &all, None), points)
}

fn taught_gradient(config: &GradientConfig) -> (Vec<f64>, Vec<f64>) {
    let device = Device::flex().autodiff();
    let (mut quantizer, points) = (GradientQuantizer::init(8, config, &device), mixture());
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let all = taught(&points, |batch, seeds| {
        let mask = all_valid(1, 256);
        let result = quantizer.quantize(batch.autodiff(), &mask, Some(seeds));
        let gradients = result.commitment.backward();
        let gradients = GradientsParams::from_grads(gradients, &quantizer);
        quantizer = optimizer.step(1e-2, quantizer.clone(), gradients);
    });
    measured(&quantizer.quantize(points.clone(), &all, None), points)
}

#[test]
fn a_mixture_keeps_nine_tenths_of_the_codes_in_use_and_each_level_lowers_the_error() {
    let (ema, gradient) = (ema_config(4, 64), gradient_config(4, 64));
    let alive = [("ema", taught_ema(&ema)), ("gradient", taught_gradient(&gradient))];
    for (name, (used, errors)) in &alive {
        println!("{name}: {used:?} {errors:?}");
        assert!(used.iter().all(|&share| share >= 0.9), "{name}: {used:?}");
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{name}: {errors:?}");
        // Of a variance of 8 · 4.25 = 34, most goes with the first level, nearly all with four.
        assert!(errors[1] < 12.0 && errors[4] < 2.0, "{name}: {errors:?}");
    }
    let bare = EmaConfig { kmeans_init: false, dead_code_ratio: 0.0, ..ema };
    let (ema, _) = taught_ema(&bare);
    let bare = GradientConfig { kmeans_init: false, dead_code_ratio: 0.0, ..gradient };
    let (gradient, _) = taught_gradient(&bare);
    println!("without: {ema:?} {gradient:?}");
    assert!(ema[0] < 0.5 && gradient[0] < 0.5, "{ema:?}, {gradient:?} against {alive:?}");
}

#[test]
fn the_dead_are_replaced_without_clusters_too() {
    let config = EmaConfig { kmeans_init: false, dead_code_warmup: 20, ..ema_config(4, 64) };
    let (used, _) = taught_ema(&config);
    assert!(used.iter().all(|&share| share >= 0.9), "{used:?}");
}
