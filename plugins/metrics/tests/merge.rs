//! However batches are spread over instances, merging their states gives the very bits that one
//! instance gives which saw them all. Checked on many random splits and batches.

use ablate_metrics::{
    Accuracy, Baseline, CodeRate, CodebookGini, CodebookPerplexity, CodebookUtilization,
    Compression, EffectiveCapacity, Mae, SnrDb, UniqueCodeRatio,
};
use ablate_sdk::rand::{Rng, RngExt};
use ablate_sdk::seed::generator;
use ablate_sdk::{Arrays, Metric};

const CODES: usize = 5;

/// Name and bits of the values, or the error.
fn values<M: Metric>(metric: &M) -> Result<Vec<(String, u64)>, String> {
    let values = metric.compute().map_err(|error| error.to_string())?;
    Ok(values.into_iter().map(|value| (value.name, value.value.to_bits())).collect())
}

/// Checks instances from `make` on batches from `draw`.
fn check<M: Metric, R: Rng>(make: impl Fn() -> M, draw: impl Fn(&mut R) -> Arrays, random: &mut R) {
    let run = |batches: &[Arrays]| {
        let mut metric = make();
        for batch in batches {
            metric.update(batch, &[]).expect("the batch fits");
        }
        metric
    };
    for _ in 0..300 {
        let batches: Vec<Arrays> = (0..random.random_range(0..8)).map(|_| draw(random)).collect();
        let (front, back) = batches.split_at(random.random_range(0..=batches.len()));
        let wanted = values(&run(&batches));
        for (first, second) in [(front, back), (back, front)] {
            let mut merged = run(first);
            merged.merge(&run(second).state().expect("written")).expect("its own state");
            assert_eq!(values(&merged), wanted, "{batches:?}");
        }
        let mut reset = run(&batches);
        reset.reset();
        assert_eq!(values(&reset), values(&make()));
    }
}

fn draw_vec<T, R: Rng>(random: &mut R, count: usize, draw: impl Fn(&mut R) -> T) -> Vec<T> {
    (0..count).map(|_| draw(random)).collect()
}

/// Codes `[B, W, 2]` with a mask, of items of some frames and seconds.
fn codes<R: Rng>(random: &mut R) -> Arrays {
    let (batch, windows) = (random.random_range(0..4), random.random_range(0..4));
    let codes = draw_vec(random, batch * windows * 2, |r| r.random_range(0..CODES as i64));
    let mask = draw_vec(random, batch * windows, RngExt::random::<bool>);
    let shape = [batch, windows, 2];
    let seconds = draw_vec(random, batch, |r| r.random_range(0.0_f32..40.0));
    let frames = draw_vec(random, batch * 3, RngExt::random::<bool>);
    let codes = Arrays::new().with("codes", codes, &shape).with("code_mask", mask, &shape[..2]);
    codes.with("seconds", seconds, &[batch]).with("mask", frames, &[batch, 3])
}

/// Frames `[B, T, 2]` with a mask.
fn frames<R: Rng>(random: &mut R) -> Arrays {
    let (batch, frames) = (random.random_range(0..4), random.random_range(0..4));
    let draw = |r: &mut R| r.random_range(-1.0_f32..1.0) * 10.0_f32.powi(r.random_range(-6..6));
    let prediction = draw_vec(random, batch * frames * 2, draw);
    let target = draw_vec(random, batch * frames * 2, draw);
    let mask = draw_vec(random, batch * frames, RngExt::random::<bool>);
    let shape = [batch, frames, 2];
    Arrays::new().with("prediction", prediction, &shape).with("target", target, &shape).with(
        "mask",
        mask,
        &shape[..2],
    )
}

/// Logits `[B, 3]` and labels, of which 0 is to be ignored.
fn logits<R: Rng>(random: &mut R) -> Arrays {
    let rows = random.random_range(0..6);
    let logits = draw_vec(random, rows * 3, |r| r.random_range(-2..3_i8) as f32);
    let labels = draw_vec(random, rows, |r| r.random_range(0..3_i64));
    Arrays::new().with("logits", logits, &[rows, 3]).with("labels", labels, &[rows])
}

#[test]
fn codebook_metrics_merge_exactly() {
    let random = &mut generator(1);
    check(|| CodebookUtilization::with_size(CODES).expect("in range"), codes, random);
    check(|| CodebookPerplexity::with_size(CODES).expect("in range"), codes, random);
    check(|| CodebookGini::with_size(CODES).expect("in range"), codes, random);
    check(|| EffectiveCapacity::with_size(CODES).expect("in range"), codes, random);
    check(UniqueCodeRatio::default, codes, random);
    check(CodeRate::default, codes, random);
    check(Compression::default, codes, random);
}

#[test]
fn frame_metrics_merge_exactly() {
    let random = &mut generator(2);
    check(SnrDb::default, frames, random);
    check(|| SnrDb::with_baseline(Baseline::ItemMean), frames, random);
    check(Mae::default, frames, random);
}

#[test]
fn accuracy_merges_exactly() {
    check(|| Accuracy::ignoring(Some(0)), logits, &mut generator(3));
}
