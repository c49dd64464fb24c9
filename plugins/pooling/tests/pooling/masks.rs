//! Padding never matters, and nothing becomes NaN.

use crate::support::{assert_close, flags, frames, poolings, prefix_mask, values};
use ablate_pooling::{AttentiveConfig, AttentiveMean, AttentiveStats, AttentiveStatsPerChannel};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};

const FEATURES: usize = 6;

#[test]
fn an_item_pools_alone_as_it_does_in_a_padded_batch() {
    let device = Device::flex();
    let lengths = [40, 1, 2, 5, 6, 7, 23, 39];
    let batch = frames([lengths.len(), 40, FEATURES], 1, &device);
    let mask = prefix_mask(&lengths, 40, &device);
    for pooling in poolings(FEATURES, &device) {
        let (pooled, valid) = (pooling.pool)(batch.clone(), mask.clone());
        let windows = valid.dims()[1];
        for (item, &length) in lengths.iter().enumerate() {
            let alone = batch.clone().slice([item..item + 1, 0..length, 0..FEATURES]);
            let (expected, alone_valid) =
                (pooling.pool)(alone, prefix_mask(&[length], length, &device));
            let own = alone_valid.dims()[1];
            let name = format!("{} of {length} frames", pooling.name);
            let row = flags(valid.clone().slice([item..item + 1, 0..windows]));
            assert_eq!(row[..own], flags(alone_valid), "{name}");
            assert!(row[own..].iter().all(|&valid| !valid), "{name}: {row:?}");
            let found = pooled.clone().slice([item..item + 1, 0..own, 0..FEATURES]);
            assert_close(&values(found), &values(expected), 1e-6, &name);
            let rest =
                values(pooled.clone().slice([item..item + 1, own - 1..windows, 0..FEATURES]));
            assert!(rest[FEATURES..].iter().all(|&value| value == 0.0), "{name}");
        }
    }
}

#[test]
fn a_row_of_padding_gives_zeros_and_finite_gradients() {
    let device = Device::flex().autodiff();
    for pooling in poolings(FEATURES, &device) {
        let batch = frames([2, 12, FEATURES], 2, &device).require_grad();
        let mask = prefix_mask(&[12, 0], 12, &device);
        let (pooled, valid) = (pooling.pool)(batch.clone(), mask);
        let windows = valid.dims()[1];
        let row = pooled.clone().slice([1..2, 0..windows, 0..FEATURES]);
        assert!(values(row).iter().all(|&value| value == 0.0), "{}", pooling.name);
        assert!(flags(valid)[windows..].iter().all(|&valid| !valid), "{}", pooling.name);

        let gradients = pooled.sum().backward();
        let of_batch = values(batch.grad(&gradients).expect("tracked"));
        assert!(of_batch.iter().all(|g| g.is_finite()), "{}", pooling.name);
        assert!(of_batch[..12 * FEATURES].iter().any(|&g| g != 0.0), "{}", pooling.name);
        assert!(of_batch[12 * FEATURES..].iter().all(|&g| g == 0.0), "{}", pooling.name);
        assert!((pooling.gradients)(&gradients).iter().all(|g| g.is_finite()), "{}", pooling.name);
    }
}

#[test]
fn what_padding_holds_reaches_neither_values_nor_gradients() {
    let device = Device::flex().autodiff();
    let mask = prefix_mask(&[9], 14, &device);
    let padding = mask.clone().bool_not().unsqueeze_dim::<3>(2).expand([1, 14, FEATURES]);
    let clean = frames([1, 14, FEATURES], 3, &device);
    for pooling in poolings(FEATURES, &device) {
        let run = |filling: f32| {
            let batch = clean.clone().mask_fill(padding.clone(), filling).detach().require_grad();
            let (pooled, _) = (pooling.pool)(batch.clone(), mask.clone());
            let gradients = pooled.clone().sum().backward();
            let of_batch = values(batch.grad(&gradients).expect("tracked"));
            (values(pooled), of_batch, (pooling.gradients)(&gradients))
        };
        assert_eq!(run(f32::NAN), run(0.0), "{}", pooling.name);
        assert_eq!(run(f32::INFINITY), run(0.0), "{}", pooling.name);
    }
}

#[test]
fn equal_frames_have_finite_gradients() {
    // The deviation is 0 here, where the root has no derivative.
    let device = Device::flex().autodiff();
    for pooling in poolings(FEATURES, &device) {
        let batch = Tensor::<3>::full([1, 6, FEATURES], 0.7, &device).require_grad();
        let (pooled, _) = (pooling.pool)(batch.clone(), prefix_mask(&[6], 6, &device));
        let gradients = pooled.sum().backward();
        let of_batch = values(batch.grad(&gradients).expect("tracked"));
        assert!(of_batch.iter().all(|g| g.is_finite() && g.abs() < 100.0), "{}", pooling.name);
    }
}

#[test]
fn no_frames_give_zeros_and_no_valid_window() {
    let device = Device::flex();
    for pooling in poolings(FEATURES, &device) {
        let batch = Tensor::<3>::zeros([2, 0, FEATURES], &device);
        let mask = Tensor::<2, Bool>::full([2, 0], true, &device);
        let (pooled, valid) = (pooling.pool)(batch, mask);
        assert_eq!(pooled.dims(), [2, 1, FEATURES], "{}", pooling.name);
        assert_eq!(values(pooled), [0.0; 2 * FEATURES], "{}", pooling.name);
        assert_eq!(flags(valid), [false, false], "{}", pooling.name);
    }
}

#[test]
fn mean_skips_holes_in_the_mask() {
    let device = Device::flex();
    let batch = Tensor::<3>::from_floats([[[1.0], [50.0], [4.0]]], &device);
    let mask = Tensor::<2, Bool>::from_bool([[true, false, true]], &device);
    let (pooled, _) = ablate_pooling::Mean {}.pool(batch, mask);
    assert_eq!(values(pooled), [2.5]);
}

#[test]
fn parameter_counts_at_1024_features() {
    let device = Device::flex();
    let config = AttentiveConfig::default();
    // 1024·128 + 128 + 128 + 1
    assert_eq!(AttentiveMean::init(1024, &config, &device).num_params(), 131_329);
    // … + 2048·1024 + 1024
    assert_eq!(AttentiveStats::init(1024, &config, &device).num_params(), 2_229_505);
    // 1024·128 + 128 + 128·1024 + 1024 + 2048·1024 + 1024
    let count = AttentiveStatsPerChannel::init(1024, &config, &device).num_params();
    assert_eq!(count, 2_361_472);
}
