//! How much louder a signal is than the error of its reconstruction.

use crate::exact_sum::ExactSum;
use crate::pairs::Pairs;
use crate::state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
use serde::{Deserialize, Serialize};

/// 10 log10(Σx² / Σ(x − x̂)²) in dB over the valid frames of the whole split.
///
/// Predicting the mean of a standardized target scores 0 dB. A perfect reconstruction is infinite.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnrDb {
    signal: ExactSum,
    noise: ExactSum,
    elements: u64,
}

impl Metric for SnrDb {
    type Config = NoConfig;
    const NAME: &'static str = "snr-db";
    const DOC: &'static str = "Signal-to-noise ratio of a reconstruction in dB.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("prediction: f32[B, T, F]")
            .input("target: f32[B, T, F]")
            .input("mask?: bool[B, T]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let pairs = Pairs::read(inputs)?;
        for sum in pairs.sums(|_, target| target * target) {
            self.signal.add(sum);
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
            return Err(Error::data("`target` is 0 everywhere: there is no signal to measure"));
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
        *self = Self::default();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        self.signal.merge(&other.signal);
        self.noise.merge(&other.noise);
        self.elements += other.elements;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value for one item of frames with two features.
    fn measure(prediction: &[f32], target: &[f32], mask: &[bool]) -> Result<f64, Error> {
        let shape = [1, mask.len(), 2];
        let mut metric = SnrDb::default();
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
