//! How many tuples of codes there effectively are.

use crate::code_counts::{CodeCounts, CodebookConfig, perplexity};
use crate::codes::Codes;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue};
use serde::{Deserialize, Serialize};

/// The product over levels of the perplexity of the codes over the whole split, and its logarithm to
/// base 2 in bits: K^L and L log2 K when all codes are used equally often.
///
/// It counts levels apart, so that it is an upper bound of what tuples can tell apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectiveCapacity {
    uses: CodeCounts,
}

impl EffectiveCapacity {
    /// The metric for codebooks of `size` codes.
    ///
    /// # Errors
    /// If `size` is 0 or beyond 2^24.
    pub fn with_size(size: usize) -> Result<Self, Error> {
        Ok(Self { uses: CodeCounts::with_size(size)? })
    }
}

impl Metric for EffectiveCapacity {
    type Config = CodebookConfig;
    const NAME: &'static str = "effective-capacity";
    const DOC: &'static str = "Product over levels of the perplexity of the codes, and its bits.";

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
        let levels = self.uses.levels(perplexity)?;
        let value = |name: &str, value, unit| MetricValue {
            name: name.to_owned(),
            value,
            unit,
            direction: Direction::Higher,
        };
        let bits = levels.iter().map(|perplexity| perplexity.log2()).sum();
        Ok(vec![value("", levels.iter().product(), "tuples"), value("bits", bits, "bits")])
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
