//! Padding, lengths, gradients, learning, and that a second run gives the same numbers.

use crate::tensors::{frames, indices, prefix_mask, values};
use ablate_pooling::{Tail, Windows, pool_windows};
use ablate_rqvae::{
    ConvolutionConfig, ConvolutionEncoder, EmaConfig, EmaQuantizer, LocatedConfig, LocatedDecoder,
    Reconstruction, Stages, TrainingSeeds,
};
use ablate_sdk::Error;
use ablate_sdk::burn;
use ablate_sdk::burn::module::{Module, ModuleVisitor, Param};
use ablate_sdk::burn::optim::{AdamWConfig, GradientsParams};
use ablate_sdk::burn::store::ModuleRecord;
use ablate_sdk::burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use ablate_sdk::rand::RngExt;
use ablate_sdk::seed::generator;

const FEATURES: usize = 6;
const WIDTH: usize = 16;

#[derive(Module, Debug)]
struct Parts {
    encoder: ConvolutionEncoder,
    quantizer: EmaQuantizer,
    decoder: LocatedDecoder,
}

type Pooled = (Tensor<3>, Tensor<2, Bool>);

impl Parts {
    fn new(device: &Device) -> Self {
        let encoder = ConvolutionConfig::default();
        let quantizer = EmaConfig { levels: 3, codebook_size: 16, ..EmaConfig::default() };
        let decoder = LocatedConfig { layers: 2, ..LocatedConfig::default() };
        let decoder = LocatedDecoder::init(WIDTH, FEATURES, &decoder, device);
        let parts = Self {
            encoder: ConvolutionEncoder::init(FEATURES, WIDTH, &encoder, device),
            quantizer: EmaQuantizer::init(WIDTH, &quantizer, device),
            decoder: decoder.expect("the heads fit"),
        };
        // Parameters are made when first looked at; a clone looks at all of them.
        parts.clone()
    }

    fn run(
        &self,
        features: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
        step: Option<u64>,
        pool: fn(Tensor<3>, Tensor<2, Bool>) -> Pooled,
    ) -> Result<Reconstruction, Error> {
        let seeds = step.map(|step| TrainingSeeds { clusters: step, dead_codes: step });
        let stages = Stages {
            encode: |features, mask: Tensor<2, Bool>| Ok(self.encoder.encode(features, &mask)),
            pool: |features, mask| Ok(pool(features, mask)),
            quantize: |vectors, mask: Tensor<2, Bool>| {
                Ok(self.quantizer.quantize(vectors, &mask, seeds))
            },
            decode: |memory, filled: Tensor<2, Bool>, mask: Tensor<2, Bool>| {
                Ok(self.decoder.decode(memory, &filled, &mask))
            },
        };
        stages.autoencode(features, mask)
    }
}

/// The mean of every five frames; their number must be a multiple of five.
fn by_five(features: Tensor<3>, mask: Tensor<2, Bool>) -> Pooled {
    let [batch, frames, width] = features.dims();
    let windows = frames / 5;
    let pooled = features.reshape([batch, windows, 5, width]).mean_dim(2).squeeze_dim::<3>(2);
    let mask = mask.reshape([batch, windows, 5]).all_dim(2).squeeze_dim::<2>(2);
    (pooled, mask)
}

fn whole(features: Tensor<3>, mask: Tensor<2, Bool>) -> Pooled {
    let weights = mask.clone().float().unsqueeze_dim::<3>(2);
    let counts = weights.clone().sum_dim(1).clamp_min(1.0);
    ((features * weights).sum_dim(1) / counts, mask.any_dim(1))
}

#[test]
fn an_item_gives_alone_what_it_gives_in_a_padded_batch() {
    let device = Device::flex();
    let parts = Parts::new(&device);
    let lengths = [30, 5, 20];
    let batch = frames([3, 30, FEATURES], 1, &device);
    let mask = prefix_mask(&lengths, 30, &device);
    let padding = mask.clone().bool_not().unsqueeze_dim::<3>(2).expand([3, 30, FEATURES]);
    let filled = batch.clone().mask_fill(padding, f32::NAN);
    for pool in [by_five as fn(_, _) -> _, whole] {
        let together = parts.run(filled.clone(), Some(mask.clone()), None, pool).expect("runs");
        assert!(values(together.frames.clone()).iter().all(|value| value.is_finite()));
        let windows = together.codes.dims()[1];
        for (item, &length) in lengths.iter().enumerate() {
            let alone = batch.clone().slice([item..item + 1, 0..length, 0..FEATURES]);
            let alone = parts.run(alone, None, None, pool).expect("runs");
            let own = alone.codes.dims()[1];
            let codes = together.codes.clone().slice([item..item + 1, 0..own, 0..3]);
            assert_eq!(indices(codes), indices(alone.codes));
            let rest = together.codes.clone().slice([item..item + 1, 0..windows, 0..3]);
            assert!(indices(rest)[own * 3..].iter().all(|&code| code == 0));
            let found = together.frames.clone().slice([item..item + 1, 0..length, 0..FEATURES]);
            for (f, e) in values(found).iter().zip(values(alone.frames)) {
                assert!((f - e).abs() <= 2e-6, "{f} is not {e}, item of {length} frames");
            }
        }
    }
}

/// Windows of 25 frames every 12.
fn windows(features: Tensor<3>, mask: Tensor<2, Bool>, tail: Tail) -> Pooled {
    let windows = Windows { window: 25, stride: 12, tail };
    let pooled = pool_windows(&windows, features, mask, |features, mask| Ok(whole(features, mask)));
    pooled.expect("windows fit")
}

#[test]
fn windows_of_short_long_and_empty_items_are_those_of_the_item_alone() {
    let device = Device::flex();
    let parts = Parts::new(&device);
    let lengths = [513, 10, 0, 1, 24, 25, 37];
    let batch = frames([lengths.len(), 513, FEATURES], 4, &device);
    let mask = prefix_mask(&lengths, 513, &device);
    let pad: fn(_, _) -> _ = |features, mask| windows(features, mask, Tail::Pad);
    let drop: fn(_, _) -> _ = |features, mask| windows(features, mask, Tail::Drop);
    for pool in [pad, drop] {
        let together = parts.run(batch.clone(), Some(mask.clone()), None, pool).expect("runs");
        assert!(values(together.frames.clone()).iter().all(|value| value.is_finite()));
        let valid = |mask: Tensor<2, Bool>| mask.into_data().iter::<bool>().collect::<Vec<_>>();
        let all = valid(together.code_mask.clone());
        let count = together.codes.dims()[1];
        for (item, &length) in lengths.iter().enumerate() {
            let own = &all[item * count..][..count];
            let codes = together.codes.clone().slice([item..item + 1, 0..count, 0..3]);
            let codes = indices(codes);
            if length == 0 {
                assert!(own.iter().all(|valid| !valid) && codes.iter().all(|&code| code == 0));
                continue;
            }
            let alone = batch.clone().slice([item..item + 1, 0..length, 0..FEATURES]);
            let alone = parts.run(alone, None, None, pool).expect("runs");
            let expected = valid(alone.code_mask);
            assert_eq!(own[..expected.len()], expected, "item of {length} frames");
            assert!(own[expected.len()..].iter().all(|valid| !valid));
            let expected = indices(alone.codes);
            assert_eq!(codes[..expected.len()], expected, "item of {length} frames");
            let found = together.frames.clone().slice([item..item + 1, 0..length, 0..FEATURES]);
            for (f, e) in values(found).iter().zip(values(alone.frames)) {
                assert!((f - e).abs() <= 2e-6, "{f} is not {e}, item of {length} frames");
            }
        }
    }
}

#[test]
fn takes_any_length() {
    let device = Device::flex();
    let parts = Parts::new(&device);
    for length in [1, 2, 513, 1100] {
        let result = parts.run(frames([1, length, FEATURES], 2, &device), None, None, whole);
        assert_eq!(result.expect("runs").frames.dims(), [1, length, FEATURES]);
    }
}

/// No window at all, as of a pooling that drops what fills none.
fn nothing(features: Tensor<3>, _: Tensor<2, Bool>) -> Pooled {
    let ([batch, _, width], device) = (features.dims(), features.device());
    (Tensor::zeros([batch, 0, width], &device), Tensor::full([batch, 0], false, &device))
}

#[test]
fn items_too_short_for_any_window_get_no_code_and_change_nothing() {
    let device = Device::flex().autodiff();
    let parts = Parts::new(&device);
    let before = values(parts.quantizer.codes());
    let features = frames([2, 4, FEATURES], 5, &device);
    let result = parts.run(features, None, Some(0), nothing).expect("runs");
    assert_eq!(result.frames.dims(), [2, 4, FEATURES]);
    assert_eq!(result.codes.dims(), [2, 1, 3]);
    assert!(result.code_mask.into_data().iter::<bool>().all(|valid| !valid));
    assert_eq!(values(result.commitment.clone()), [0.0]);
    assert!(values(result.frames.clone()).iter().all(|value| value.is_finite()));
    let all = (result.frames.sum() + result.commitment).backward();
    assert!(gradients(&parts.decoder, &all).iter().all(|value| value.is_finite()));
    assert_eq!(values(parts.quantizer.codes()), before);
}

#[test]
fn refuses_batches_without_frames_and_masks_that_do_not_fit() {
    let device = Device::flex();
    let parts = Parts::new(&device);
    let text = |features: [usize; 3], mask: Option<Tensor<2, Bool>>| {
        let features = Tensor::zeros(features, &device);
        parts.run(features, mask, None, whole).expect_err("must fail").to_string()
    };
    assert_eq!(
        text([2, 0, FEATURES], None),
        "`features` has 2 items of 0 frames, nothing to encode"
    );
    assert_eq!(
        text([2, 4, FEATURES], Some(prefix_mask(&[1, 2], 3, &device))),
        "`mask` has shape [2, 3], expected [2, 4] as of `features`"
    );
    let narrow = |x: Tensor<3>, m| (x.clone().slice([0..2, 0..1, 0..8]), m);
    let result = parts.run(Tensor::zeros([2, 4, FEATURES], &device), None, None, narrow);
    assert_eq!(
        result.expect_err("must fail").to_string(),
        "the pooling gave vectors [2, 1, 8] under a mask [2, 4], \
         expected [2, 1, 16] under [2, 1]"
    );
}

#[test]
fn names_the_stage_whose_shape_does_not_fit() {
    let device = Device::flex();
    let parts = Parts::new(&device);
    let stages = Stages {
        encode: |features, mask: Tensor<2, Bool>| Ok(parts.encoder.encode(features, &mask)),
        pool: |features, mask| Ok(whole(features, mask)),
        quantize: |vectors, mask: Tensor<2, Bool>| {
            Ok(parts.quantizer.quantize(vectors, &mask, None))
        },
        decode: |_, _, _| Ok(Tensor::zeros([2, 3, FEATURES], &device)),
    };
    let error = stages.autoencode(Tensor::zeros([2, 4, FEATURES], &device), None);
    assert_eq!(
        error.expect_err("must fail").to_string(),
        "the decoder gave `frames` of shape [2, 3, 6], expected [2, 4, 6]"
    );
}

/// Gradients of all parameters, which all must have one.
fn gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<f32> {
    struct Collect<'a>(&'a Gradients, Vec<f32>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0).expect("every parameter has a gradient");
            self.1.extend(gradient.into_data().iter::<f32>());
        }
    }
    let mut collect = Collect(gradients, Vec::new());
    module.visit(&mut collect);
    collect.1
}

#[test]
fn every_parameter_has_a_finite_gradient_even_beside_an_item_of_padding() {
    let device = Device::flex().autodiff();
    let parts = Parts::new(&device);
    let mask = prefix_mask(&[20, 0], 20, &device);
    let features = frames([2, 20, FEATURES], 3, &device);
    let result = parts.run(features, Some(mask), Some(0), by_five).expect("runs");
    assert!(values(result.frames.clone()).iter().all(|value| value.is_finite()));
    let loss = result.frames.clone() * result.frames;
    let all = (loss.sum() + result.commitment).backward();
    for list in [gradients(&parts.encoder, &all), gradients(&parts.decoder, &all)] {
        assert!(list.iter().all(|value| value.is_finite()));
        assert!(list.iter().any(|&value| value != 0.0));
    }
}

/// Frames that repeat one of four patterns for five frames each: codes can say which.
fn patterns(step: u64, device: &Device) -> Tensor<3> {
    let mut random = generator(900 + step);
    let table = values(frames([4, 5, FEATURES], 77, device));
    let list: Vec<f32> = (0..8 * 6)
        .flat_map(|_| {
            let pattern = random.random_range(0..4_usize);
            table[pattern * 5 * FEATURES..][..5 * FEATURES].to_vec()
        })
        .collect();
    Tensor::from_data(TensorData::new(list, [8, 30, FEATURES]), device)
}

/// Trains for some steps and gives the reconstruction error of each.
fn train(parts: Parts, steps: std::ops::Range<u64>, device: &Device) -> (Parts, Vec<f32>) {
    let mut optimizer = AdamWConfig::new().init();
    let mut module = parts;
    let mut errors = Vec::new();
    for step in steps {
        let target = patterns(step, device);
        let result = module.run(target.clone(), None, Some(step), by_five).expect("runs");
        let difference = result.frames - target;
        let error = (difference.clone() * difference).mean();
        errors.push(values(error.clone())[0]);
        let gradients = (error + result.commitment).backward();
        let gradients = GradientsParams::from_grads(gradients, &module);
        module = optimizer.step(3e-3, module, gradients);
    }
    (module, errors)
}

#[test]
fn learns_to_say_patterns_in_codes() {
    let device = Device::flex().autodiff();
    let (_, errors) = train(Parts::new(&device), 0..150, &device);
    let end: f32 = errors[140..].iter().sum::<f32>() / 10.0;
    // The variance of the patterns is a third.
    assert!(end < 0.1, "{end} after {}", errors[0]);
}

#[test]
fn a_second_run_and_a_saved_one_give_the_same_numbers() {
    let device = Device::flex().autodiff();
    let start = Parts::new(&device);
    // Codebooks are shared by clones, so a copy goes through its record.
    let copy = |parts: &Parts| {
        let bytes = parts.clone().into_record().into_bytes().expect("saves");
        let record = ModuleRecord::from_bytes(bytes).expect("reads");
        Parts::new(&device).load_record(record)
    };
    let (first, second) = (copy(&start), copy(&start));
    let (first, errors) = train(first, 0..30, &device);
    assert_eq!(train(second, 0..30, &device).1, errors);
    let saved = copy(&first);
    assert_eq!(train(saved, 30..40, &device).1, train(first, 30..40, &device).1);
}
