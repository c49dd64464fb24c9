//! How much shorter codes are than frames.

use crate::codes::Codes;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
use serde::{Deserialize, Serialize};

/// Valid frames / codes (valid windows × levels) over the whole split, and `vectors`, valid frames /
/// valid windows.
///
/// The two are in other units: one vector is as many codes as there are levels.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    frames: u64,
    windows: u64,
    codes: u64,
}

impl Metric for Compression {
    type Config = NoConfig;
    const NAME: &'static str = "compression";
    const DOC: &'static str = "Frames per code, all levels together, and frames per vector.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("codes: int[B, W, L]")
            .input("code_mask?: bool[B, W]")
            .input("mask: bool[B, T]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let codes = Codes::read(inputs, None)?;
        let mask = inputs.slice::<bool>("mask")?;
        let shape = inputs.shape("mask")?;
        if shape.len() != 2 || shape[0] != codes.batch() {
            let items = codes.batch();
            let text = format!("`mask` is bool{shape:?}, but there are {items} items");
            return Err(Error::contract(text));
        }
        let windows = codes.valid().count() as u64;
        self.frames += mask.iter().filter(|&&valid| valid).count() as u64;
        self.windows += windows;
        self.codes += windows * codes.levels() as u64;
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        if self.windows == 0 {
            return Err(state::nothing_measured("a valid code"));
        }
        let value = |name: &str, count: u64, unit| MetricValue {
            name: name.to_owned(),
            value: self.frames as f64 / count as f64,
            unit,
            direction: Direction::Neither,
        };
        Ok(vec![
            value("", self.codes, "frames/code"),
            value("vectors", self.windows, "frames/vector"),
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
        self.frames += other.frames;
        self.windows += other.windows;
        self.codes += other.codes;
        Ok(())
    }
}
