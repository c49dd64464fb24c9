//! Values of the codebook metrics and of rates beside independent ones: those of NumPy, SciPy and
//! scikit-learn in `codebooks.json`, which `codebooks.py` wrote, and windows counted by hand.

use ablate_metrics::{
    CodeRate, CodebookGini, CodebookPerplexity, CodebookUtilization, Compression, EffectiveCapacity,
};
use ablate_sdk::serde_json::{Value, from_str};
use ablate_sdk::{Arrays, Direction, Metric, MetricValue};

fn reference() -> Value {
    from_str(include_str!("codebooks.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|one| one.as_f64().expect("a number")).collect()
}

/// The values of a metric that was given the stored batches.
fn measure<M: Metric>(mut metric: M) -> Vec<MetricValue> {
    for batch in reference()["batches"].as_array().expect("a list") {
        let shape: Vec<usize> =
            numbers(&batch["shape"]).iter().map(|&size| size as usize).collect();
        let codes: Vec<i64> = numbers(&batch["codes"]).iter().map(|&code| code as i64).collect();
        let mask = batch["mask"].as_array().expect("a list").iter();
        let mask: Vec<bool> = mask.map(|valid| valid.as_bool().expect("a flag")).collect();
        let inputs =
            Arrays::new().with("codes", codes, &shape).with("code_mask", mask, &shape[..2]);
        metric.update(&inputs, &[]).expect("fits");
    }
    metric.compute().expect("measured")
}

fn of(values: &[MetricValue], name: &str) -> f64 {
    values.iter().find(|value| value.name == name).expect("a value of that name").value
}

/// Checks every level, and the mean called `name`, with the stored list called `key`.
fn check(values: &[MetricValue], name: &str, key: &str) {
    let wanted = numbers(&reference()[key]);
    let separator = if name.is_empty() { "" } else { "-" };
    for (index, wanted) in wanted.iter().enumerate() {
        let found = of(values, &format!("{name}{separator}level-{}", index + 1));
        assert!(
            (found - wanted).abs() < 1e-12,
            "{key}, level {}: {found}, not {wanted}",
            index + 1
        );
    }
    let mean = wanted.iter().sum::<f64>() / wanted.len() as f64;
    assert!((of(values, name) - mean).abs() < 1e-12, "{key}");
}

#[test]
fn the_use_of_codebooks_is_what_numpy_says() {
    let size = reference()["codebook_size"].as_u64().expect("a size") as usize;
    let values = measure(CodebookUtilization::with_size(size).expect("in range"));
    check(&values, "", "utilization");
    check(&values, "per-batch-raw", "per_batch_raw");
    check(&values, "per-batch-normalized", "per_batch_normalized");
    let values = measure(CodebookPerplexity::with_size(size).expect("in range"));
    check(&values, "", "perplexity");
    let values = measure(CodebookGini::with_size(size).expect("in range"));
    check(&values, "", "gini");
    assert!(values.iter().all(|value| value.direction == Direction::Lower));
    let values = measure(EffectiveCapacity::with_size(size).expect("in range"));
    let wanted = reference();
    let (capacity, bits) = (wanted["effective_capacity"].as_f64(), wanted["bits"].as_f64());
    assert!((of(&values, "") - capacity.expect("a number")).abs() < 1e-9);
    assert!((of(&values, "bits") - bits.expect("a number")).abs() < 1e-12);
}

#[test]
fn capacity_of_full_use_is_the_number_of_tuples() {
    // Eight levels of 256 codes, each once: 2^64 tuples.
    let codes: Vec<i64> = (0..256).flat_map(|code| [code; 8]).collect();
    let mut metric = EffectiveCapacity::with_size(256).expect("in range");
    metric.update(&Arrays::new().with("codes", codes, &[1, 256, 8]), &[]).expect("fits");
    let values = metric.compute().expect("measured");
    assert!((of(&values, "bits") - 64.0).abs() < 1e-9);
    assert!((of(&values, "") / 2.0_f64.powi(64) - 1.0).abs() < 1e-9);
}

/// One item of 10 s: windows of eight levels and frames, with padding behind both.
fn ten_seconds(windows: usize, frames: usize) -> Arrays {
    let (padded, framed) = (windows + 3, frames + 20);
    let codes = (0..padded * 8).map(|at| if at < windows * 8 { 3_i64 } else { -1 }).collect();
    Arrays::new()
        .with("codes", codes, &[1, padded, 8])
        .with("code_mask", (0..padded).map(|at| at < windows).collect(), &[1, padded])
        .with("mask", (0..framed).map(|at| at < frames).collect(), &[1, framed])
        .with("seconds", vec![10.0_f32], &[1])
}

#[test]
fn rates_and_compression_of_ten_seconds() {
    // Window 25, stride 12 over 500 frames: 40 windows without the tail, 41 with it; 50 and 25: 19;
    // 10 and 5: 99; global: 1.
    for (windows, rate, frames_per_vector) in [
        (40, 320.0, 12.5),
        (41, 328.0, 500.0 / 41.0),
        (19, 152.0, 500.0 / 19.0),
        (99, 792.0, 500.0 / 99.0),
        (1, 8.0, 500.0),
    ] {
        let mut metric = CodeRate::default();
        metric.update(&ten_seconds(windows, 500), &[]).expect("fits");
        let values = metric.compute().expect("measured");
        assert_eq!((of(&values, ""), of(&values, "vectors")), (rate, windows as f64));
        assert_eq!((values[0].unit, values[1].unit), ("codes/10 s", "vectors/10 s"));
        let mut metric = Compression::default();
        metric.update(&ten_seconds(windows, 500), &[]).expect("fits");
        let values = metric.compute().expect("measured");
        assert_eq!(of(&values, "vectors"), frames_per_vector);
        assert!((of(&values, "") - frames_per_vector / 8.0).abs() < 1e-12);
        assert_eq!((values[0].unit, values[1].unit), ("frames/code", "frames/vector"));
    }
}

#[test]
fn rates_are_of_all_seconds_together() {
    // 40 windows of 10 s and 1 of 30 s: 41 windows of 40 s.
    let mut metric = CodeRate::default();
    metric.update(&ten_seconds(40, 500), &[]).expect("fits");
    let long = Arrays::new().with("codes", vec![1_i64; 8], &[1, 1, 8]).with(
        "seconds",
        vec![30.0_f32],
        &[1],
    );
    metric.update(&long, &[]).expect("fits");
    assert_eq!(of(&metric.compute().expect("measured"), "vectors"), 41.0 / 4.0);
}

#[test]
fn rates_refuse_what_does_not_fit() {
    let text = |inputs: Arrays| {
        CodeRate::default().update(&inputs, &[]).expect_err("must fail").to_string()
    };
    let codes = || Arrays::new().with("codes", vec![1_i64; 2], &[2, 1, 1]);
    assert_eq!(
        text(codes().with("seconds", vec![1.0_f32], &[1])),
        "`seconds` is f32[1], but there are 2 items"
    );
    let nothing = CodeRate::default().compute().expect_err("must fail").to_string();
    assert_eq!(nothing, "nothing was measured: no batch held an item with `seconds` above 0");
    let error = Compression::default().update(&codes().with("mask", vec![true], &[1, 1]), &[]);
    assert_eq!(
        error.expect_err("must fail").to_string(),
        "`mask` is bool[1, 1], but there are 2 items"
    );
    let nothing = Compression::default().compute().expect_err("must fail").to_string();
    assert_eq!(nothing, "nothing was measured: no batch held a valid code");
}
