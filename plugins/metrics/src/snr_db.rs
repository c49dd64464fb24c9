//! How much louder a signal is than the error of its reconstruction.

use crate::exact_sum::ExactSum;
use crate::pairs::Pairs;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The prediction that scores 0 dB.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// 0 everywhere: the mean of a target that was standardized over what it is measured on.
    #[default]
    Zero,
    /// The mean of each feature over the valid frames of each item, whatever the target's scale.
    ItemMean,
}

/// Configuration of `snr-db`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct SnrDbConfig {
    /// The prediction that scores 0 dB.
    pub baseline: Baseline,
}

/// 10 log10(Σ(x − b)² / Σ(x − x̂)²) in dB over the valid frames of the whole split, where b is the
/// baseline: by how much x̂ is the better prediction.
///
/// With the baseline `zero` that is the signal-to-noise ratio. A reconstruction that knows nothing
/// but the mean of each item's frames, such as that of a decoder that ignores its codes, scores at
/// most 0 dB with `item-mean`. A perfect reconstruction is infinite.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnrDb {
    baseline: Baseline,
    signal: ExactSum,
    noise: ExactSum,
    elements: u64,
}

impl SnrDb {
    /// The metric against `baseline`.
    pub fn with_baseline(baseline: Baseline) -> Self {
        Self { baseline, ..Self::default() }
    }
}

impl Metric for SnrDb {
    type Config = SnrDbConfig;
    const NAME: &'static str = "snr-db";
    const DOC: &'static str = "Signal-to-noise ratio of a reconstruction in dB.";

    fn contract(_: &SnrDbConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("prediction: f32[B, T, F]")
            .input("target: f32[B, T, F]")
            .input("mask?: bool[B, T]"))
    }

    fn new(config: &SnrDbConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::with_baseline(config.baseline))
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let pairs = Pairs::read(inputs)?;
        let signals = match self.baseline {
            Baseline::Zero => pairs.sums(|_, target| target * target),
            Baseline::ItemMean => pairs.target_spreads(),
        };
        for signal in signals {
            self.signal.add(signal);
        }
        for sum in pairs.sums(|prediction, target| (target - prediction) * (target - prediction)) {
            self.noise.add(sum);
        }
        self.elements += pairs.elements();
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        if self.elements == 0 {
            return Err(state::nothing_measured("a valid frame"));
        }
        let (signal, noise) = (self.signal.value(), self.noise.value());
        if signal == 0.0 {
            let flat = match self.baseline {
                Baseline::Zero => "0 everywhere",
                Baseline::ItemMean => "its mean in every frame of every item",
            };
            return Err(Error::data(format!("`target` is {flat}: there is no signal to measure")));
        }
        let value = 10.0 * (signal / noise).log10();
        Ok(vec![MetricValue {
            name: String::new(),
            value,
            unit: "dB",
            direction: Direction::Higher,
        }])
    }

    fn reset(&mut self) {
        *self = Self::with_baseline(self.baseline);
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        if other.baseline != self.baseline {
            return Err(Error::data("a state with another baseline"));
        }
        self.signal.merge(&other.signal);
        self.noise.merge(&other.noise);
        self.elements += other.elements;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::rand::RngExt;
    use ablate_sdk::seed::generator;

    /// The value for one item of frames with two features.
    fn measure(prediction: &[f32], target: &[f32], mask: &[bool]) -> Result<f64, Error> {
        measure_with(Baseline::Zero, prediction, target, mask)
    }

    fn measure_with(
        baseline: Baseline,
        prediction: &[f32],
        target: &[f32],
        mask: &[bool],
    ) -> Result<f64, Error> {
        let shape = [1, mask.len(), 2];
        let mut metric = SnrDb::with_baseline(baseline);
        let inputs = Arrays::new()
            .with("prediction", prediction.to_vec(), &shape)
            .with("target", target.to_vec(), &shape)
            .with("mask", mask.to_vec(), &shape[..2]);
        metric.update(&inputs, &[])?;
        let values = metric.compute()?;
        assert_eq!((values[0].unit, values[0].direction), ("dB", Direction::Higher));
        Ok(values[0].value)
    }

    #[test]
    fn compares_signal_and_error_of_the_valid_frames() {
        // Signal 9 + 1 = 10, error 0 + 0.1² = 0.01: 30 dB; the masked frame is far off.
        let snr = measure(&[3.0, 1.1, 5.0, f32::NAN], &[3.0, 1.0, 0.0, 0.0], &[true, false]);
        assert!((snr.expect("measured") - 30.0).abs() < 1e-5);
        // Twice the error amplitude costs 20 log10(2) dB.
        let snr = measure(&[3.0, 3.0], &[3.0, 1.0], &[true]).expect("measured");
        assert!((snr - 10.0 * 2.5_f64.log10()).abs() < 1e-12);
    }

    #[test]
    fn predicting_zero_scores_zero() {
        let target = [1.0, -1.0, 0.5, 2.0];
        assert_eq!(measure(&[0.0; 4], &target, &[true, true]).expect("measured"), 0.0);
    }

    #[test]
    fn predicting_the_mean_of_the_valid_frames_scores_zero() {
        // Far from 0, and each feature with a mean of its own; two frames of four are padding.
        let target = [100.0, -3.0, 102.0, -1.0, 7.0, f32::NAN, 7.0, 7.0];
        let mean = [101.0, -2.0, 101.0, -2.0, 0.0, 0.0, 0.0, 0.0];
        let mask = [true, true, false, false];
        let by_mean = measure_with(Baseline::ItemMean, &mean, &target, &mask);
        assert_eq!(by_mean.expect("measured"), 0.0);
        // Half of the way to the target leaves half of the amplitude: 20 log10(2) dB.
        let half = [100.5, -2.5, 101.5, -1.5, 0.0, 0.0, 0.0, 0.0];
        let by_half = measure_with(Baseline::ItemMean, &half, &target, &mask).expect("measured");
        assert!((by_half - 20.0 * 2.0_f64.log10()).abs() < 1e-12);
        // Against 0 the mean alone looks good.
        assert!(measure(&mean, &target, &mask).expect("measured") > 30.0);
    }

    #[test]
    fn on_standardized_items_the_baselines_agree() {
        let mut random = generator(3);
        let frames = 50;
        let mut target: Vec<f32> = (0..2 * frames).map(|_| random.random_range(5.0..9.0)).collect();
        for feature in 0..2 {
            let of = |target: &[f32]| target.iter().skip(feature).step_by(2).copied().collect();
            let values: Vec<f32> = of(&target);
            let mean = values.iter().sum::<f32>() / frames as f32;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / frames as f32;
            for value in target.iter_mut().skip(feature).step_by(2) {
                *value = (*value - mean) / variance.sqrt();
            }
        }
        let prediction: Vec<f32> =
            target.iter().map(|v| v + random.random_range(-0.5..0.5)).collect();
        let of = |baseline| {
            measure_with(baseline, &prediction, &target, &vec![true; frames]).expect("measured")
        };
        assert!((of(Baseline::Zero) - of(Baseline::ItemMean)).abs() < 1e-5);
    }

    #[test]
    fn refuses_a_target_without_spread_and_the_state_of_another_baseline() {
        let flat = measure_with(Baseline::ItemMean, &[1.0; 4], &[2.0, 3.0, 2.0, 3.0], &[true; 2]);
        assert_eq!(
            flat.expect_err("must fail").to_string(),
            "`target` is its mean in every frame of every item: there is no signal to measure"
        );
        let state = SnrDb::with_baseline(Baseline::ItemMean).state().expect("written");
        let error = SnrDb::default().merge(&state).expect_err("must fail").to_string();
        assert_eq!(error, "a state with another baseline");
    }

    #[test]
    fn is_infinite_without_error_and_nan_for_nan() {
        assert_eq!(measure(&[1.0, 2.0], &[1.0, 2.0], &[true]).expect("measured"), f64::INFINITY);
        assert!(measure(&[f32::NAN, 2.0], &[1.0, 2.0], &[true]).expect("measured").is_nan());
        assert!(measure(&[1.0, 2.0], &[f32::NAN, 2.0], &[true]).expect("measured").is_nan());
    }

    #[test]
    fn refuses_silence_and_nothing_at_all() {
        let text = |mask: bool| {
            measure(&[1.0, 2.0], &[0.0, 0.0], &[mask]).expect_err("must fail").to_string()
        };
        assert_eq!(text(true), "`target` is 0 everywhere: there is no signal to measure");
        assert_eq!(text(false), "nothing was measured: no batch held a valid frame");
    }
}
