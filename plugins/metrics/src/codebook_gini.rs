//! How unequally the codes are used.

use crate::code_counts::{CodeCounts, CodebookConfig, by_level, gini};
use crate::codes::Codes;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue};
use serde::{Deserialize, Serialize};

/// Gini coefficient of the uses of the codes over the whole split: the mean over levels, and each
/// level. 0 when all codes are used equally often, (K − 1) / K when one is all that is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookGini {
    uses: CodeCounts,
}

impl CodebookGini {
    /// The metric for codebooks of `size` codes.
    ///
    /// # Errors
    /// If `size` is 0 or beyond 2^24.
    pub fn with_size(size: usize) -> Result<Self, Error> {
        Ok(Self { uses: CodeCounts::with_size(size)? })
    }
}

impl Metric for CodebookGini {
    type Config = CodebookConfig;
    const NAME: &'static str = "codebook-gini";
    const DOC: &'static str = "Gini coefficient of the uses of the codes, mean over levels.";

    fn contract(config: &CodebookConfig) -> Result<Contract, Error> {
        config.contract()
    }

    fn new(config: &CodebookConfig, build: &mut Build) -> Result<Self, Error> {
        Self::with_size(config.size(build)?)
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        self.uses.add(&Codes::read(inputs, Some(self.uses.size()))?)
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        Ok(by_level("", &self.uses.levels(gini)?, Direction::Lower))
    }

    fn reset(&mut self) {
        self.uses.clear();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        self.uses.merge(&other.uses)
    }
}
