//! Distributions against their definitions, and values that may never change.

use ablate_config::{At, KeyPath, Origin};

use super::*;

const COUNT: u64 = 20_000;

fn over(key: &str, distribution: Distribution) -> Draw {
    let key: KeyPath = key.parse().unwrap();
    Draw { at: At { origin: Origin::Spec, key: key.clone() }, key, distribution }
}

fn numbers(distribution: Distribution) -> Vec<f64> {
    let one = over("model.x", distribution);
    (0..COUNT).map(|index| draw(&one, 0, index).to_json().as_f64().unwrap()).collect()
}

/// The statistic of Kolmogorov and Smirnov: the largest distance between the share of values up to
/// some number and what it should be.
fn distance(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let expected = cdf(*value);
            (expected - index as f64 / count)
                .abs()
                .max(((index + 1) as f64 / count - expected).abs())
        })
        .fold(0.0, f64::max)
}

/// The distance that one in a thousand samples of this size goes beyond: 1.95 / √n.
fn check(values: Vec<f64>, cdf: impl Fn(f64) -> f64) {
    let limit = 1.95 / (values.len() as f64).sqrt();
    let distance = distance(values, cdf);
    // Rounding to four digits adds less than a thousandth.
    assert!(distance < limit + 1e-3, "{distance} against {limit}");
}

/// Σ (observed − expected)² / expected, at most the 0.999 quantile of χ² for so many classes (the
/// approximation of Wilson and Hilferty).
fn check_counts(observed: &[u64], shares: &[f64]) {
    let total: u64 = observed.iter().sum();
    let sum: f64 = shares.iter().sum();
    assert!((sum - 1.0).abs() < 1e-9, "shares add up to {sum}");
    let statistic: f64 = observed
        .iter()
        .zip(shares)
        .map(|(observed, share)| {
            let expected = share * total as f64;
            (*observed as f64 - expected).powi(2) / expected
        })
        .sum();
    let freedom = (shares.len() - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - spread + 3.09 * spread.sqrt()).powi(3);
    assert!(statistic < limit, "{statistic} against {limit}: {observed:?} for {shares:?}");
}

#[test]
fn uniform_numbers_are_uniform() {
    let values = numbers(Distribution::Uniform { low: -1.0, high: 3.0 });
    assert!(values.iter().all(|value| (-1.0..=3.0).contains(value)));
    check(values, |x| (x + 1.0) / 4.0);
    // A narrow range far from zero keeps its digits.
    check(numbers(Distribution::Uniform { low: 1000.0, high: 1000.5 }), |x| (x - 1000.0) / 0.5);
}

#[test]
fn magnitudes_of_log_uniform_numbers_are_uniform() {
    let values = numbers(Distribution::LogUniform { low: 1e-5, high: 1e-2 });
    assert!(values.iter().all(|value| (1e-5..=1e-2).contains(value)));
    check(values, |x| (x / 1e-5).ln() / 1000_f64.ln());
}

#[test]
fn normal_numbers_are_normal() {
    // Φ by adding up the density: a sum of 200,000 rectangles from −10 to 10.
    let step = 1e-4;
    let mut table = vec![0.0];
    for index in 0..200_000 {
        let x: f64 = -10.0 + (f64::from(index) + 0.5) * step;
        let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        table.push(table[table.len() - 1] + density * step);
    }
    let cdf = |z: f64| table[(((z + 10.0) / step).round() as usize).min(200_000)];
    check(numbers(Distribution::Normal { mean: 3.0, sd: 0.5 }), |x| cdf((x - 3.0) / 0.5));
}

#[test]
fn integers_have_the_shares_that_they_should() {
    let count = |distribution, low: i64, classes: usize| {
        let mut counts = vec![0; classes];
        for value in numbers(distribution) {
            counts[(value as i64 - low) as usize] += 1;
        }
        counts
    };
    let uniform = count(Distribution::IntUniform { low: -2, high: 4 }, -2, 7);
    check_counts(&uniform, &[1.0 / 7.0; 7]);
    let log = count(Distribution::LogIntUniform { low: 1, high: 8 }, 1, 8);
    // An integer k stands for the interval from k − ½ to k + ½.
    let whole = (8.5_f64 / 0.5).ln();
    let shares: Vec<f64> =
        (1..=8).map(|k| ((f64::from(k) + 0.5) / (f64::from(k) - 0.5)).ln() / whole).collect();
    check_counts(&log, &shares);
    let extremes = numbers(Distribution::IntUniform { low: -(1 << 53), high: 1 << 53 });
    check(extremes, |x| f64::midpoint(x / (1_u64 << 53) as f64, 1.0));
}

#[test]
fn choices_follow_their_weights() {
    let node = |value: i64| Node { data: Data::Integer(value), origin: Origin::Spec };
    let values: Vec<Node> = (0..4).map(node).collect();
    let weights = vec![1.0, 0.0, 3.0, 6.0];
    let mut counts = [0; 4];
    for value in numbers(Distribution::Choice { values, weights }) {
        counts[value as usize] += 1;
    }
    assert_eq!(counts[1], 0);
    check_counts(&[counts[0], counts[2], counts[3]], &[0.1, 0.3, 0.6]);
}

#[test]
fn keys_indices_and_seeds_are_independent() {
    let uniform = || Distribution::Uniform { low: 0.0, high: 1.0 };
    let series = |key: &str, seed: u64, shift: u64| -> Vec<f64> {
        let one = over(key, uniform());
        (0..COUNT)
            .map(|index| draw(&one, seed, index + shift).to_json().as_f64().unwrap())
            .collect()
    };
    let first = series("model.x", 0, 0);
    for other in [series("model.y", 0, 0), series("model.x", 1, 0), series("model.x", 0, 1)] {
        let products = first.iter().zip(&other).map(|(x, y)| (x - 0.5) * (y - 0.5));
        let correlation = 12.0 * products.sum::<f64>() / COUNT as f64;
        // Five standard deviations of the correlation of independent series.
        assert!(correlation.abs() < 5.0 / (COUNT as f64).sqrt(), "{correlation}");
    }
}

#[test]
fn numbers_have_four_digits() {
    for (value, span, expected) in [
        (0.000_314_159, 1.0, 0.000_314_2),
        (123_456.0, 1e6, 123_500.0),
        (1_000.123_45, 0.5, 1_000.123_5),
        (-0.098_765, 2.0, -0.098_77),
        (0.0, 1.0, 0.0),
        (9.999_96, 100.0, 10.0),
    ] {
        assert_eq!(rounded(value, span), expected);
    }
}

/// What was drawn once is drawn for ever: a sweep that is run again must have the same variants.
/// The numbers come from `draw.py` beside this file.
#[test]
fn draws_never_change() {
    let golden: Vec<serde_json::Value> = serde_json::from_str(include_str!("draws.json")).unwrap();
    for case in &golden {
        let pair =
            |name: &str| -> Option<[f64; 2]> { serde_json::from_value(case[name].clone()).ok() };
        let distribution = if let Some([low, high]) = pair("uniform") {
            Distribution::Uniform { low, high }
        } else if let Some([low, high]) = pair("log_uniform") {
            Distribution::LogUniform { low, high }
        } else if let Some([low, high]) = pair("int_uniform") {
            Distribution::IntUniform { low: low as i64, high: high as i64 }
        } else if let Some([low, high]) = pair("log_int_uniform") {
            Distribution::LogIntUniform { low: low as i64, high: high as i64 }
        } else {
            let [mean, sd] = pair("normal").unwrap();
            Distribution::Normal { mean, sd }
        };
        let one = over(case["key"].as_str().unwrap(), distribution);
        let seed = case["seed"].as_u64().unwrap();
        let index = case["index"].as_u64().unwrap();
        assert_eq!(draw(&one, seed, index).to_json(), case["value"], "{case}");
    }
    assert_eq!(golden.len(), 250);
}
