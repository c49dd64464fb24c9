//! How often each code was used, level by level: what the codebook metrics share.

use crate::codes::Codes;
use ablate_sdk::{Build, Contract, Direction, Error, MetricValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest codebook: beyond it the counts alone would fill the memory.
const MAX_SIZE: usize = 1 << 24;

/// Configuration of the metrics that count codes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct CodebookConfig {
    /// Codes of a codebook; when not given, the dimension K of the input `codebooks` says it.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub codebook_size: Option<usize>,
}

impl CodebookConfig {
    pub(crate) fn contract(&self) -> Result<Contract, Error> {
        let contract = Contract::new().input("codes: int[B, W, L]").input("code_mask?: bool[B, W]");
        match self.codebook_size {
            Some(size) => check_size(size).map(|_| contract),
            None => Ok(contract.input("codebooks?: f32[L, K, D]")),
        }
    }

    /// The codebook size, from the configuration or the dimension K.
    pub(crate) fn size(&self, build: &Build) -> Result<usize, Error> {
        let size = self.codebook_size.map_or_else(|| build.dim("K"), Ok);
        size.map_err(|error| error.context("`codebook_size` is not set and `codebooks` not wired"))
    }
}

/// Fails unless there can be codebooks of `size`.
fn check_size(size: usize) -> Result<usize, Error> {
    if (1..=MAX_SIZE).contains(&size) {
        return Ok(size);
    }
    Err(Error::config(format!("a codebook must have 1 to {MAX_SIZE} codes, got `{size}`")))
}

/// Uses of each code, `[L][K]`; no levels before the first batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeCounts {
    size: usize,
    levels: Vec<Vec<u64>>,
}

impl CodeCounts {
    pub(crate) fn with_size(size: usize) -> Result<Self, Error> {
        Ok(Self { size: check_size(size)?, levels: Vec::new() })
    }

    /// Codes of a codebook.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Counts the valid codes of a batch, which must be below the size.
    pub(crate) fn add(&mut self, codes: &Codes) -> Result<(), Error> {
        self.fit(codes.levels())?;
        for window in codes.valid() {
            for (counts, &code) in self.levels.iter_mut().zip(window) {
                counts[code as usize] += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if other.size != self.size || other.levels.iter().any(|counts| counts.len() != other.size) {
            let text = format!("a state of codebooks of {} codes, not {}", other.size, self.size);
            return Err(Error::data(text));
        }
        if other.levels.is_empty() {
            return Ok(());
        }
        self.fit(other.levels.len())?;
        for (counts, others) in self.levels.iter_mut().zip(&other.levels) {
            counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.levels.clear();
    }

    /// `measure` of the counts of each level.
    ///
    /// # Errors
    /// If no valid code was counted.
    pub(crate) fn levels(&self, measure: fn(&[u64]) -> f64) -> Result<Vec<f64>, Error> {
        // Every level counts the same windows.
        if self.levels.first().is_none_or(|counts| counts.iter().all(|&count| count == 0)) {
            return Err(ablate_sdk::metric_state::nothing_measured("a valid code"));
        }
        Ok(self.levels.iter().map(|counts| measure(counts)).collect())
    }

    /// Makes room for `levels`, which must be the same in every batch.
    fn fit(&mut self, levels: usize) -> Result<(), Error> {
        if self.levels.is_empty() {
            self.levels = vec![vec![0; self.size]; levels];
        }
        if self.levels.len() == levels {
            return Ok(());
        }
        let before = self.levels.len();
        Err(Error::contract(format!("`codes` has {levels} levels, but had {before} before")))
    }
}

/// Codes that were used / codes.
pub(crate) fn utilization(counts: &[u64]) -> f64 {
    counts.iter().filter(|&&count| count > 0).count() as f64 / counts.len() as f64
}

/// exp of the entropy of the codes.
pub(crate) fn perplexity(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let shares = counts.iter().filter(|&&count| count > 0).map(|&count| count as f64 / total);
    (-shares.map(|share| share * share.ln()).sum::<f64>()).exp()
}

/// Gini coefficient of the counts: 0 when all codes are used equally often, (K − 1) / K when one
/// code is all that is used.
///
/// Σ over pairs of |n_j − n_k| / (2 K Σ n), which for counts in ascending order is
/// Σ (2 i − K − 1) n_i / (K Σ n) with i from 1.
pub(crate) fn gini(counts: &[u64]) -> f64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let size = counts.len() as i128;
    let total: i128 = counts.iter().map(|&count| i128::from(count)).sum();
    let ranked = sorted.iter().zip(1..);
    let sum: i128 = ranked.map(|(&count, rank)| (2 * rank - size - 1) * i128::from(count)).sum();
    sum as f64 / (size * total) as f64
}

/// A value without a unit, better when higher.
pub(crate) fn higher(name: &str, value: f64) -> MetricValue {
    MetricValue { name: name.to_owned(), value, unit: "", direction: Direction::Higher }
}

/// The mean over levels called `name`, and every level, `level-1` …, below it; without a unit.
pub(crate) fn by_level(name: &str, levels: &[f64], direction: Direction) -> Vec<MetricValue> {
    let value = |name: String, value: f64| MetricValue { name, value, unit: "", direction };
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    let separator = if name.is_empty() { "" } else { "-" };
    let named = levels.iter().enumerate();
    let named =
        named.map(|(index, &level)| value(format!("{name}{separator}level-{}", index + 1), level));
    std::iter::once(value(name.to_owned(), mean)).chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::Arrays;
    use ablate_sdk::rand::RngExt;
    use ablate_sdk::seed::generator;

    #[test]
    fn known_counts_give_their_known_values() {
        // Golden value of the entropy of (0.5, 0.3, 0, 0.2).
        assert!((perplexity(&[5, 3, 0, 2]) - 2.800_094_1).abs() < 1e-7);
        assert_eq!(utilization(&[5, 3, 0, 2]), 0.75);
        assert_eq!(perplexity(&[0, 7, 0]), 1.0);
        assert!((perplexity(&[2; 8]) - 8.0).abs() < 1e-12);
        assert_eq!((gini(&[3; 5]), gini(&[0, 7, 0, 0])), (0.0, 0.75));
    }

    #[test]
    fn gini_is_the_mean_difference_of_all_pairs() {
        let mut random = generator(5);
        for _ in 0..500 {
            let counts: Vec<u64> = (0..random.random_range(1..20))
                .map(|_| random.random_range(0_u64..50).saturating_sub(20))
                .chain([1])
                .collect();
            let pairs = counts.iter().flat_map(|&a| counts.iter().map(move |&b| a.abs_diff(b)));
            let (size, total) = (counts.len() as u64, counts.iter().sum::<u64>());
            let wanted = pairs.sum::<u64>() as f64 / (2 * size * total) as f64;
            assert!((gini(&counts) - wanted).abs() < 1e-15, "{counts:?}");
        }
    }

    #[test]
    fn refuses_sizes_that_cannot_be() {
        for size in [0, MAX_SIZE + 1, usize::MAX] {
            let config = CodebookConfig { codebook_size: Some(size) };
            let error = config.contract().expect_err("must fail").to_string();
            let wanted = format!("a codebook must have 1 to 16777216 codes, got `{size}`");
            assert_eq!(error, wanted);
            assert!(CodeCounts::with_size(size).is_err());
        }
    }

    #[test]
    fn asks_for_codebooks_only_when_the_size_is_not_given() {
        let inputs = |codebook_size| {
            let contract = CodebookConfig { codebook_size }.contract().expect("in range");
            contract.to_json().expect("well written")["inputs"].as_array().expect("a list").len()
        };
        assert_eq!((inputs(None), inputs(Some(4))), (3, 2));
    }

    #[test]
    fn names_a_change_of_levels_and_of_size() {
        let mut counts = CodeCounts::with_size(4).expect("in range");
        let mut add = |shape: &[usize]| {
            let inputs = Arrays::new().with("codes", vec![0_i64; shape.iter().product()], shape);
            counts.add(&Codes::read(&inputs, Some(4)).expect("in range"))
        };
        add(&[1, 2, 3]).expect("first batch");
        assert_eq!(
            add(&[3, 1, 2]).expect_err("must fail").to_string(),
            "`codes` has 2 levels, but had 3 before"
        );
        let other = CodeCounts::with_size(5).expect("in range");
        assert_eq!(
            counts.merge(&other).expect_err("must fail").to_string(),
            "a state of codebooks of 5 codes, not 4"
        );
    }
}
