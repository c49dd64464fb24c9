//! Every hidden state against the published code, for weights that were drawn at random and stored
//! with what it computed; the script lies beside them.

use crate::support::*;
use ablate_sdk::burn::tensor::{Device, Tensor};

/// The largest difference that is allowed.
const TOLERANCE: f32 = 1e-4;
const LENGTHS: [usize; 3] = [400, 1234, 3999];
const BATCH: [usize; 3] = [3999, 400, 2345];

/// Inputs of one item.
fn single(tiny: &Tiny) {
    let device = Device::flex();
    let encoder = tiny.encoder(&device);
    let reference = tiny.reference();
    for length in LENGTHS {
        let (samples, mask) = batch(&[length], &device);
        let states = encoder.states(samples.clone(), &mask).expect("it is computed");
        assert_eq!(states.len(), 4, "three layers and what enters the first");
        for (index, state) in states.iter().enumerate() {
            let (shape, wanted) = &reference[&format!("{length}.{index}")];
            assert_eq!(state.dims()[1..], shape[..], "{length}.{index}");
            let off = distance(&frames(state, 0, shape[0]), wanted);
            assert!(off < TOLERANCE, "state {index} of {length} samples is off by {off:e}");
        }
        let (features, valid) = encoder.forward(samples, &mask).expect("it is computed");
        assert!(valid.all().into_scalar::<bool>());
        assert_eq!(distance(&values(features), &values(states[3].clone())), 0.0);
    }
}

fn values(tensor: Tensor<3>) -> Vec<f32> {
    tensor.inner().into_data().try_into_vec().expect("floats")
}

/// Long enough for the distances that share buckets.
fn long(tiny: &Tiny) {
    let device = Device::flex();
    let samples = Tensor::<1>::from_floats(audio(7, 64_000).as_slice(), &device);
    let mask = Tensor::full([1, 64_000], true, &device);
    let encoder = tiny.encoder(&device);
    let (features, _) = encoder.forward(samples.unsqueeze(), &mask).expect("it is computed");
    let (shape, wanted) = &tiny.reference()["64000.last"];
    assert_eq!((features.dims()[1], shape[0]), (199, 199));
    let off = distance(&frames(&features, 0, 199), wanted);
    assert!(off < TOLERANCE, "off by {off:e}");
}

/// The published code on a padded batch with its attention mask.
fn masked(tiny: &Tiny) {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let encoder = tiny.encoder(&device);
        let reference = tiny.reference();
        let (samples, mask) = batch(&BATCH, &device);
        let states = encoder.states(samples.clone(), &mask).expect("it is computed");
        let (features, valid) = encoder.forward(samples, &mask).expect("it is computed");
        let counts = [12, 1, 7];
        let flags: Vec<bool> = valid.into_data().iter::<bool>().collect();
        let wanted: Vec<bool> =
            counts.iter().flat_map(|&count| (0..12).map(move |at| at < count)).collect();
        assert_eq!(flags, wanted);
        for (row, count) in counts.into_iter().enumerate() {
            for (index, state) in states.iter().enumerate() {
                let (shape, wanted) = &reference[&format!("batch.{index}")];
                let (extent, width) = (shape[1], shape[2]);
                let wanted = &wanted[row * extent * width..][..count * width];
                let off = distance(&frames(state, row, count), wanted);
                assert!(off < TOLERANCE, "state {index} of item {row} is off by {off:e}");
                if index + 1 == states.len() {
                    let off = distance(&frames(&features, row, count), wanted);
                    assert!(off < TOLERANCE, "the features of item {row} are off by {off:e}");
                }
            }
        }
    }
}

/// The published base models take no mask and normalize over padding too, so that an item depends
/// on its batch. Here an item of a batch is what the published code computes of it alone.
fn items_of_a_batch(tiny: &Tiny) {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let encoder = tiny.encoder(&device);
        let reference = tiny.reference();
        let (samples, mask) = batch(&LENGTHS, &device);
        let states = encoder.states(samples.clone(), &mask).expect("it is computed");
        let (features, _) = encoder.forward(samples, &mask).expect("it is computed");
        for (row, length) in LENGTHS.into_iter().enumerate() {
            for (index, state) in states.iter().enumerate() {
                let (shape, wanted) = &reference[&format!("{length}.{index}")];
                let off = distance(&frames(state, row, shape[0]), wanted);
                assert!(off < TOLERANCE, "state {index} of item {row} is off by {off:e}");
            }
            let (shape, wanted) = &reference[&format!("{length}.3")];
            assert!(distance(&frames(&features, row, shape[0]), wanted) < TOLERANCE);
        }
    }
}

#[test]
fn base_hubert_is_the_published_one() {
    single(&HUBERT_BASE);
    long(&HUBERT_BASE);
    items_of_a_batch(&HUBERT_BASE);
}

#[test]
fn large_hubert_in_half_precision_is_the_published_one() {
    single(&HUBERT_LARGE);
    long(&HUBERT_LARGE);
    masked(&HUBERT_LARGE);
    items_of_a_batch(&HUBERT_LARGE);
}

#[test]
fn base_wavlm_from_an_old_fine_tuned_pickle_is_the_published_one() {
    single(&WAVLM_BASE);
    long(&WAVLM_BASE);
    items_of_a_batch(&WAVLM_BASE);
}

#[test]
fn large_wavlm_in_bfloat16_is_the_published_one() {
    single(&WAVLM_LARGE);
    long(&WAVLM_LARGE);
    masked(&WAVLM_LARGE);
    items_of_a_batch(&WAVLM_LARGE);
}
