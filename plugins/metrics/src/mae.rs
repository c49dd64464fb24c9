//! How far predictions are off.

use crate::exact_sum::ExactSum;
use crate::pairs::Pairs;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
use serde::{Deserialize, Serialize};

/// Mean absolute error over all elements whose mask is true.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mae {
    error: ExactSum,
    elements: u64,
}

impl Metric for Mae {
    type Config = NoConfig;
    const NAME: &'static str = "mae";
    const DOC: &'static str = "Mean absolute error.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("prediction: f32[...]")
            .input("target: f32[...]")
            .input("mask?: bool[...]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let pairs = Pairs::read(inputs)?;
        for sum in pairs.sums(|prediction, target| (prediction - target).abs()) {
            self.error.add(sum);
        }
        self.elements += pairs.elements();
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        if self.elements == 0 {
            return Err(state::nothing_measured("a valid element"));
        }
        let value = self.error.value() / self.elements as f64;
        Ok(vec![MetricValue { name: String::new(), value, unit: "", direction: Direction::Lower }])
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        self.error.merge(&other.error);
        self.elements += other.elements;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(batches: &[Arrays]) -> Result<f64, Error> {
        let mut metric = Mae::default();
        batches.iter().try_for_each(|batch| metric.update(batch, &[]))?;
        Ok(metric.compute()?[0].value)
    }

    fn pair(prediction: &[f32], target: &[f32], shape: &[usize]) -> Arrays {
        Arrays::new().with("prediction", prediction.to_vec(), shape).with(
            "target",
            target.to_vec(),
            shape,
        )
    }

    #[test]
    fn averages_over_elements_not_over_batches() {
        let batches =
            [pair(&[1.0, -2.0, 0.5], &[0.0, 0.0, 0.0], &[3]), pair(&[4.0], &[-0.5], &[1])];
        // (1 + 2 + 0.5 + 4.5) / 4.
        assert_eq!(measure(&batches).expect("measured"), 2.0);
    }

    #[test]
    fn a_mask_of_the_leading_dimensions_leaves_elements_out() {
        let frames = || pair(&[1.0, 1.0, f32::NAN, 0.0, 3.0, 4.0, 9.0, 9.0], &[0.0; 8], &[2, 2, 2]);
        let items = frames().with("mask", vec![false, true], &[2]);
        assert_eq!(measure(&[items]).expect("measured"), 25.0 / 4.0);
        let rows = frames().with("mask", vec![true, false, true, false], &[2, 2]);
        assert_eq!(measure(&[rows]).expect("measured"), 9.0 / 4.0);
        assert!(measure(&[frames()]).expect("measured").is_nan());
    }

    #[test]
    fn refuses_nothing_at_all() {
        let masked = pair(&[1.0], &[0.0], &[1]).with("mask", vec![false], &[1]);
        for batches in [vec![], vec![masked], vec![pair(&[], &[], &[0])]] {
            assert_eq!(
                measure(&batches).expect_err("must fail").to_string(),
                "nothing was measured: no batch held a valid element"
            );
        }
    }
}
