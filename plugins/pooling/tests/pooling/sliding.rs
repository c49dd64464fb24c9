//! Window counts, which windows count, and pooling of windows against a plain loop.

use crate::support::{assert_close, flags, frames, prefix_mask, values};
use ablate_pooling::{Mean, Tail, Windows, pool_windows};
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::rand::RngExt;
use ablate_sdk::seed::generator;

fn windows(window: usize, stride: usize, tail: Tail) -> Windows {
    Windows { window, stride, tail }
}

#[test]
fn counts_of_the_usual_lengths() {
    let check = |frames, window, stride, dropped, padded| {
        assert_eq!(windows(window, stride, Tail::Drop).count(frames), dropped);
        assert_eq!(windows(window, stride, Tail::Pad).count(frames), padded);
    };
    check(500, 25, 12, 40, 41);
    check(499, 25, 12, 40, 41);
    check(500, 50, 25, 19, 19);
    check(500, 10, 5, 99, 99);
    check(513, 25, 12, 41, 42);
    check(25, 25, 12, 1, 1);
    check(26, 25, 12, 1, 2);
    check(7, 25, 12, 1, 1);
    check(0, 25, 12, 1, 1);
}

#[test]
fn drop_counts_the_starts_of_whole_windows_and_pad_covers_every_frame() {
    let mut generator = generator(5);
    for _ in 0..2000 {
        let window = generator.random_range(1..30);
        let stride = generator.random_range(1..=window);
        let frames = generator.random_range(window..200);
        let starts = (0..=frames - window).step_by(stride).count();
        assert_eq!(windows(window, stride, Tail::Drop).count(frames), starts);
        let padded = windows(window, stride, Tail::Pad).count(frames);
        let end = |count: usize| (count - 1) * stride + window;
        assert!(end(padded) >= frames);
        assert!(padded == 1 || end(padded - 1) < frames);
    }
}

#[test]
fn a_window_counts_from_half_full_on() {
    let valid = |length: usize, tail| {
        let row: Vec<bool> = (0..40).map(|frame| frame < length).collect();
        windows(10, 10, tail).valid(&row, 40)
    };
    assert_eq!(valid(40, Tail::Pad), [true; 4]);
    assert_eq!(valid(25, Tail::Pad), [true, true, true, false]);
    assert_eq!(valid(24, Tail::Pad), [true, true, false, false]);
    assert_eq!(valid(25, Tail::Drop), [true, true, false, false]);
    // Too short for half a window, but not nothing.
    assert_eq!(valid(1, Tail::Pad), [true, false, false, false]);
    assert_eq!(valid(1, Tail::Drop), [true, false, false, false]);
    assert_eq!(valid(0, Tail::Pad), [false; 4]);
}

#[test]
fn an_item_has_no_window_that_it_would_not_have_alone() {
    // 25 frames fill window 0. Window 1 would hold 13 of 25, more than half, but only because the
    // batch is padded for a longer neighbor.
    let mask: Vec<bool> = (0..100).map(|frame| frame < 25).collect();
    let valid = windows(25, 12, Tail::Pad).valid(&mask, 100);
    assert_eq!(valid.iter().filter(|&&valid| valid).count(), 1);
}

#[test]
fn windows_are_independent_of_padding_for_every_length() {
    for (window, stride) in [(5, 2), (5, 5), (4, 3), (3, 7), (1, 1), (6, 1)] {
        for tail in [Tail::Pad, Tail::Drop] {
            let plan = windows(window, stride, tail);
            for length in 1..40 {
                let alone = plan.valid(&vec![true; length], length);
                let row: Vec<bool> = (0..60).map(|frame| frame < length).collect();
                let padded = plan.valid(&row, 60);
                assert_eq!(padded[..alone.len()], alone, "{plan:?}, {length} frames");
                assert!(padded[alone.len()..].iter().all(|&valid| !valid));
                assert!(alone.contains(&true), "{plan:?}, {length} frames");
            }
        }
    }
}

#[test]
fn an_item_with_a_hole_at_the_start_keeps_its_first_filled_window() {
    let mut mask = [false; 12];
    mask[9] = true;
    assert_eq!(windows(4, 4, Tail::Pad).valid(&mask, 12), [false, false, true]);
}

#[test]
fn pools_the_same_frames_as_a_plain_loop() {
    let device = Device::flex();
    let lengths = [23, 9, 2];
    let batch = frames([3, 23, 2], 6, &device);
    let mask = prefix_mask(&lengths, 23, &device);
    let all = values(batch.clone());
    for tail in [Tail::Pad, Tail::Drop] {
        let plan = windows(6, 4, tail);
        let (pooled, valid) =
            pool_windows(&plan, batch.clone(), mask.clone(), |x, m| Ok(Mean {}.pool(x, m)))
                .expect("pools");
        let count = plan.count(23);
        let (pooled, valid) = (values(pooled), flags(valid));
        for (item, &length) in lengths.iter().enumerate() {
            for window in 0..count {
                let at = item * count + window;
                let inside: Vec<usize> =
                    (window * 4..(window * 4 + 6).min(length)).map(|f| item * 23 + f).collect();
                for channel in 0..2 {
                    let sum: f32 = inside.iter().map(|frame| all[frame * 2 + channel]).sum();
                    let expected = if valid[at] { sum / inside.len() as f32 } else { 0.0 };
                    assert_close(&[pooled[at * 2 + channel]], &[expected], 1e-6, "mean");
                }
            }
        }
    }
}

#[test]
fn gradients_of_overlapping_windows_add_up() {
    // Windows of 4 every 2 over 8 frames: frames 2 to 5 lie in two windows, the others in one.
    let device = Device::flex().autodiff();
    let batch = frames([1, 8, 1], 7, &device).require_grad();
    let mask = Tensor::<2, Bool>::full([1, 8], true, &device);
    let plan = windows(4, 2, Tail::Pad);
    let (pooled, _) =
        pool_windows(&plan, batch.clone(), mask, |x, m| Ok(Mean {}.pool(x, m))).expect("pools");
    let gradients = pooled.sum().backward();
    let found = values(batch.grad(&gradients).expect("tracked"));
    assert_close(&found, &[0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25], 1e-6, "gradient");
}

#[test]
fn frames_after_the_last_whole_window_get_no_gradient_when_dropped() {
    let device = Device::flex().autodiff();
    let batch = frames([1, 5, 1], 8, &device).require_grad();
    let mask = Tensor::<2, Bool>::full([1, 5], true, &device);
    let plan = windows(4, 4, Tail::Drop);
    let (pooled, _) =
        pool_windows(&plan, batch.clone(), mask, |x, m| Ok(Mean {}.pool(x, m))).expect("pools");
    let gradients = pooled.sum().backward();
    let found = values(batch.grad(&gradients).expect("tracked"));
    assert_close(&found, &[0.25, 0.25, 0.25, 0.25, 0.0], 1e-6, "gradient");
}

#[test]
fn refuses_an_inner_pooling_with_several_vectors_per_window() {
    let device = Device::flex();
    let mask = Tensor::<2, Bool>::full([2, 10], true, &device);
    let plan = windows(4, 2, Tail::Pad);
    let result = pool_windows(&plan, frames([2, 10, 3], 9, &device), mask, |x, m| Ok((x, m)));
    assert_eq!(
        result.expect_err("must fail").to_string(),
        "the inner pooling gave [8, 4, 3], expected one vector per window: [8, 1, 3]"
    );
}
