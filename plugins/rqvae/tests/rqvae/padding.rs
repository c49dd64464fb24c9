//! Padding, lengths and dropout of the encoders and decoders.

use crate::coders::{Coder, FEATURES, Given, WIDTH, assert_close, coders};
use crate::tensors::{frames as random, prefix_mask, values};
use ablate_sdk::burn::tensor::{Device, Tensor};

/// Lengths in frames and in windows of three items.
const LENGTHS: [(usize, usize); 3] = [(12, 4), (5, 2), (1, 1)];

/// The batch of all items, with NaN in its padding.
fn together(coder: &Coder, device: &Device) -> Given {
    let (frames, windows): (Vec<_>, Vec<_>) = LENGTHS.into_iter().unzip();
    let (frames, windows) = (prefix_mask(&frames, 12, device), prefix_mask(&windows, 4, device));
    let (mask, shape) = if coder.encoder {
        (frames.clone(), [3, 12, FEATURES])
    } else {
        (windows.clone(), [3, 4, WIDTH])
    };
    let padding = mask.bool_not().unsqueeze_dim::<3>(2).expand(shape);
    let vectors = random(shape, 5, device).mask_fill(padding, f32::NAN);
    Given { vectors, windows, frames, seed: None }
}

/// The item `item` by itself.
fn alone(coder: &Coder, batch: &Given, item: usize, device: &Device) -> Given {
    let (frames, windows) = LENGTHS[item];
    let (count, width) = if coder.encoder { (frames, FEATURES) } else { (windows, WIDTH) };
    Given {
        vectors: batch.vectors.clone().slice([item..item + 1, 0..count, 0..width]),
        windows: prefix_mask(&[windows], windows, device),
        frames: prefix_mask(&[frames], frames, device),
        seed: None,
    }
}

/// Factors of the outputs, so that every one has a gradient of its own.
fn factors(shape: [usize; 3], first: usize, device: &Device) -> Tensor<3> {
    let whole = random([3, 12, shape[2]], 9, device);
    whole.slice([first..first + shape[0], 0..shape[1], 0..shape[2]])
}

#[test]
fn an_item_gives_alone_what_it_gives_in_a_padded_batch() {
    let device = Device::flex().autodiff();
    for coder in coders(12, &device) {
        let batch = together(&coder, &device);
        let given = Given { vectors: batch.vectors.clone().require_grad(), ..batch.clone() };
        let output = (coder.run)(&given).expect(coder.name);
        assert!(values(output.clone()).iter().all(|v| v.is_finite()), "{}", coder.name);
        let shape = output.dims();
        let gradients = (output.clone() * factors(shape, 0, &device)).sum().backward();
        let of_inputs = given.vectors.grad(&gradients).expect("inputs have a gradient");
        let of_parameters = (coder.gradients)(&gradients);

        let mut sum = vec![0.0; of_parameters.len()];
        for (item, &(length, _)) in LENGTHS.iter().enumerate() {
            let one = alone(&coder, &batch, item, &device);
            let one = Given { vectors: one.vectors.require_grad(), ..one };
            let result = (coder.run)(&one).expect(coder.name);
            let own = result.dims();
            assert_eq!(own[1], length);
            let part = output.clone().slice([item..item + 1, 0..length, 0..own[2]]);
            assert_close(&values(part), &values(result.clone()), 2e-6, coder.name);
            let rest = output.clone().slice([item..item + 1, 0..shape[1], 0..own[2]]);
            assert!(values(rest)[length * own[2]..].iter().all(|&v| v == 0.0), "{}", coder.name);

            let gradients = (result * factors(own, item, &device)).sum().backward();
            let gradient = one.vectors.grad(&gradients).expect("inputs have a gradient");
            let [_, count, width] = gradient.dims();
            let part = of_inputs.clone().slice([item..item + 1, 0..count, 0..width]);
            assert_close(&values(part), &values(gradient), 1e-5, coder.name);
            for (sum, one) in sum.iter_mut().zip((coder.gradients)(&gradients)) {
                *sum += one;
            }
        }
        assert_close(&of_parameters, &sum, 2e-5, coder.name);
        let all = values(of_inputs);
        assert!(all.iter().all(|v| v.is_finite()), "{}", coder.name);
        assert!(all.iter().any(|&v| v != 0.0), "{}", coder.name);
    }
}

#[test]
fn items_of_padding_alone_give_zeros_and_finite_gradients() {
    let device = Device::flex().autodiff();
    for coder in coders(12, &device) {
        let shape = if coder.encoder { [2, 7, FEATURES] } else { [2, 3, WIDTH] };
        let vectors = random(shape, 5, &device).require_grad();
        let frames = prefix_mask(&[7, 0], 7, &device);
        let windows = prefix_mask(&[3, 0], 3, &device);
        let given = Given { vectors, windows, frames, seed: Some(1) };
        let output = (coder.run)(&given).expect(coder.name);
        let list = values(output.clone());
        assert!(list[list.len() / 2..].iter().all(|&value| value == 0.0), "{}", coder.name);
        let gradients = (output.clone() * output).sum().backward();
        let gradient = values(given.vectors.grad(&gradients).expect("inputs have a gradient"));
        assert!(gradient.iter().all(|value| value.is_finite()), "{}", coder.name);
        assert!((coder.gradients)(&gradients).iter().all(|v| v.is_finite()), "{}", coder.name);
    }
}

#[test]
fn frames_without_any_window_are_finite() {
    let device = Device::flex();
    for coder in coders(12, &device).iter().filter(|coder| !coder.encoder) {
        let given = Given {
            vectors: random([1, 3, WIDTH], 5, &device),
            windows: prefix_mask(&[0], 3, &device),
            frames: prefix_mask(&[7], 7, &device),
            seed: None,
        };
        let output = values((coder.run)(&given).expect(coder.name));
        assert!(output.iter().all(|value| value.is_finite()), "{}", coder.name);
    }
}

/// One item of `length` frames in a batch that is padded to `frames`, with three windows.
fn long(coder: &Coder, length: usize, frames: usize, device: &Device) -> Given {
    let shape = if coder.encoder { [1, frames, FEATURES] } else { [1, 3, WIDTH] };
    Given {
        vectors: random(shape, 5, device),
        windows: prefix_mask(&[3], 3, device),
        frames: prefix_mask(&[length], frames, device),
        seed: None,
    }
}

#[test]
fn only_learned_positions_have_a_longest_item_and_say_so() {
    let device = Device::flex();
    for coder in coders(512, &device) {
        let run = |length, frames| (coder.run)(&long(&coder, length, frames, &device));
        assert_eq!(run(512, 512).expect(coder.name).dims()[1], 512);
        // The item fits, however much padding its batch has.
        assert_eq!(run(512, 520).expect(coder.name).dims()[1], 520);
        let Some(key) = coder.name.strip_suffix(", learned") else {
            assert_eq!(run(513, 513).expect(coder.name).dims()[1], 513);
            continue;
        };
        let key = if key == "transformer" { "positions" } else { "queries" };
        let error = run(513, 513).expect_err(coder.name);
        assert_eq!(
            error.message.as_str(),
            format!(
                "item 0 of the batch has 513 frames, more than the 512 that \
                 `{key} = \"learned\"` has positions for"
            )
        );
        assert_eq!(
            error.hints().collect::<Vec<_>>(),
            [format!(
                "choose `{key} = \"sinusoidal\"`, which takes any length, set `max_frames` to 513 \
                 or more, or give the dataset a limit such as `max_seconds`"
            )]
        );
    }
}

#[test]
fn dropout_repeats_with_its_seed_and_is_off_without() {
    let device = Device::flex();
    let all = coders(12, &device);
    for coder in all.iter().filter(|coder| coder.drops) {
        let run = |seed| {
            let given = Given { seed, ..long(coder, 12, 12, &device) };
            values((coder.run)(&given).expect(coder.name))
        };
        assert_eq!(run(Some(1)), run(Some(1)), "{}", coder.name);
        assert_ne!(run(Some(1)), run(Some(2)), "{}", coder.name);
        assert_ne!(run(Some(1)), run(None), "{}", coder.name);
        assert_eq!(run(None), run(None), "{}", coder.name);
    }
}

#[test]
fn recording_a_graph_changes_no_value() {
    let plain = Device::flex();
    let recorded = plain.clone().autodiff();
    for (without, with) in coders(12, &plain).iter().zip(coders(12, &recorded)) {
        for seed in [None, Some(4)] {
            let run = |coder: &Coder, device| {
                let given = Given { seed, ..long(coder, 10, 12, device) };
                values((coder.run)(&given).expect(coder.name))
            };
            assert_close(&run(&with, &recorded), &run(without, &plain), 1e-5, with.name);
        }
    }
}
