//! How many codes a stretch of audio costs.

use crate::codes::Codes;
use crate::exact_sum::ExactSum;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
use serde::{Deserialize, Serialize};

/// Seconds that the rate is of.
const STRETCH_S: f64 = 10.0;

/// Codes (valid windows × levels) per 10 s of audio over the whole split, and `vectors`, the valid
/// windows per 10 s.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRate {
    codes: u64,
    windows: u64,
    seconds: ExactSum,
}

impl Metric for CodeRate {
    type Config = NoConfig;
    const NAME: &'static str = "code-rate";
    const DOC: &'static str = "Codes per 10 s of audio, all levels together.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("codes: int[B, W, L]")
            .input("code_mask?: bool[B, W]")
            .input("seconds: f32[B]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let codes = Codes::read(inputs, None)?;
        let seconds = inputs.slice::<f32>("seconds")?;
        if inputs.shape("seconds")? != [codes.batch()] {
            let (found, items) = (inputs.shape("seconds")?, codes.batch());
            let text = format!("`seconds` is f32{found:?}, but there are {items} items");
            return Err(Error::contract(text));
        }
        let windows = codes.valid().count() as u64;
        self.windows += windows;
        self.codes += windows * codes.levels() as u64;
        for &seconds in seconds {
            self.seconds.add(f64::from(seconds));
        }
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let seconds = self.seconds.value();
        if seconds == 0.0 {
            return Err(state::nothing_measured("an item with `seconds` above 0"));
        }
        let value = |name: &str, count: u64, unit| MetricValue {
            name: name.to_owned(),
            value: count as f64 / seconds * STRETCH_S,
            unit,
            direction: Direction::Neither,
        };
        Ok(vec![
            value("", self.codes, "codes/10 s"),
            value("vectors", self.windows, "vectors/10 s"),
        ])
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        self.codes += other.codes;
        self.windows += other.windows;
        self.seconds.merge(&other.seconds);
        Ok(())
    }
}
