//! How evenly the codes are used.

use crate::code_counts::{CodeCounts, CodebookConfig, by_level, perplexity};
use crate::codes::Codes;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue};
use serde::{Deserialize, Serialize};

/// exp of the entropy of the codes over the whole split: the mean over levels, and each level.
///
/// It is the number of equally frequent codes that carry as much information.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookPerplexity {
    uses: CodeCounts,
}

impl CodebookPerplexity {
    /// The metric for codebooks of `size` codes.
    ///
    /// # Errors
    /// If `size` is 0 or beyond 2^24.
    pub fn with_size(size: usize) -> Result<Self, Error> {
        Ok(Self { uses: CodeCounts::with_size(size)? })
    }
}

impl Metric for CodebookPerplexity {
    type Config = CodebookConfig;
    const NAME: &'static str = "codebook-perplexity";
    const DOC: &'static str = "exp of the entropy of the codes over the split, mean over levels.";

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
        Ok(by_level("", &self.uses.levels(perplexity)?, Direction::Higher))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_the_perplexity_of_the_levels() {
        // Level 1 counts 5, 3, 0, 2 (golden value); level 2 uses one code only.
        let first = [0, 0, 0, 0, 0, 1, 1, 1, 3, 3];
        let codes: Vec<i64> = first.into_iter().flat_map(|code| [code, 2]).collect();
        let mut metric = CodebookPerplexity::with_size(4).expect("in range");
        metric.update(&Arrays::new().with("codes", codes, &[2, 5, 2]), &[]).expect("in range");
        let values = metric.compute().expect("measured");
        let wanted = [("", 1.900_047_05), ("level-1", 2.800_094_1), ("level-2", 1.0)];
        assert_eq!(values.len(), wanted.len());
        for (value, (name, wanted)) in values.iter().zip(wanted) {
            assert_eq!(value.name, name);
            assert!((value.value - wanted).abs() < 1e-7, "{} is not {wanted}", value.value);
        }
    }

    #[test]
    fn refuses_the_state_of_another_metric() {
        let mut metric = CodebookPerplexity::with_size(4).expect("in range");
        let other = crate::Mae::default().state().expect("written");
        let error = metric.merge(&other).expect_err("must fail").to_string();
        assert!(
            error.starts_with("the bytes are not a state of `codebook-perplexity`: "),
            "{error}"
        );
    }
}
