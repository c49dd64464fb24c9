//! How much of the codebooks is in use.

use crate::code_counts::{CodeCounts, CodebookConfig, higher, utilization};
use crate::codes::Codes;
use crate::exact_sum::ExactSum;
use crate::state;
use ablate_sdk::{Arrays, Build, Contract, Error, Metric, MetricValue};
use serde::{Deserialize, Serialize};

/// Used codes / codes over the whole split: the mean over levels, each level, and `per-batch`, the
/// mean use within one batch relative to what uniform random codes would reach there.
///
/// A count within one batch grows with the batch; only the value over the split compares variants.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookUtilization {
    counts: CodeCounts,
    per_batch: ExactSum,
    batches: u64,
}

impl CodebookUtilization {
    /// The metric for codebooks of `size` codes.
    ///
    /// # Errors
    /// If `size` is 0 or beyond 2^24.
    pub fn with_size(size: usize) -> Result<Self, Error> {
        let counts = CodeCounts::with_size(size)?;
        Ok(Self { counts, per_batch: ExactSum::default(), batches: 0 })
    }
}

impl Metric for CodebookUtilization {
    type Config = CodebookConfig;
    const NAME: &'static str = "codebook-utilization";
    const DOC: &'static str = "Share of the codes in use over the split, mean over levels.";

    fn contract(config: &CodebookConfig) -> Result<Contract, Error> {
        config.contract()
    }

    fn new(config: &CodebookConfig, build: &mut Build) -> Result<Self, Error> {
        Self::with_size(config.size(build)?)
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let codes = Codes::read(inputs, Some(self.counts.size()))?;
        self.counts.add(&codes)?;
        if let Some(value) = relative_use(&codes, self.counts.size()) {
            self.per_batch.add(value);
            self.batches += 1;
        }
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let mut values = self.counts.values(utilization)?;
        values.push(higher("per-batch", self.per_batch.value() / self.batches as f64));
        Ok(values)
    }

    fn reset(&mut self) {
        self.counts.clear();
        self.per_batch = ExactSum::default();
        self.batches = 0;
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        self.counts.merge(&other.counts)?;
        self.per_batch.merge(&other.per_batch);
        self.batches += other.batches;
        Ok(())
    }
}

/// Share of the codes that a batch of N vectors uses, mean over levels, divided by the share
/// 1 − (1 − 1/K)^N that N uniform draws from K codes use on average; none without a vector.
fn relative_use(codes: &Codes, size: usize) -> Option<f64> {
    let vectors = codes.valid().count();
    if vectors == 0 {
        return None;
    }
    let mut used = 0;
    for level in 0..codes.levels() {
        let mut column: Vec<i64> = codes.valid().map(|window| window[level]).collect();
        column.sort_unstable();
        column.dedup();
        used += column.len();
    }
    let share = used as f64 / (codes.levels() * size) as f64;
    // ln_1p and exp_m1: for large K the plain form loses its digits.
    let expected = -(vectors as f64 * (-1.0 / size as f64).ln_1p()).exp_m1();
    Some(share / expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of codes `[B, 1, 1]`.
    fn batch(codes: &[i64]) -> Arrays {
        Arrays::new().with("codes", codes.to_vec(), &[codes.len(), 1, 1])
    }

    fn measure(size: usize, batches: &[Arrays]) -> Result<Vec<(String, f64)>, Error> {
        let mut metric = CodebookUtilization::with_size(size)?;
        batches.iter().try_for_each(|batch| metric.update(batch, &[]))?;
        Ok(metric.compute()?.into_iter().map(|value| (value.name, value.value)).collect())
    }

    #[test]
    fn counts_codes_over_the_whole_split() {
        let values = measure(4, &[batch(&[0, 0, 1]), batch(&[1, 3, 0])]).expect("in range");
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["", "level-1", "per-batch"]);
        assert_eq!((values[0].1, values[1].1), (0.75, 0.75));
        // (2/4 + 3/4) / 2 divided by 1 - (3/4)^3 = 37/64.
        assert!((values[2].1 - 0.625 * 64.0 / 37.0).abs() < 1e-12);
    }

    #[test]
    fn leaves_masked_windows_out_and_keeps_levels_apart() {
        // Items (0,1) (2,1) | (1,1) and padding that holds no code at all.
        let codes = Arrays::new()
            .with("codes", vec![0_i32, 1, 2, 1, 1, 1, -1, 99], &[2, 2, 2])
            .with("code_mask", vec![true, true, true, false], &[2, 2]);
        let values = measure(4, &[codes]).expect("valid codes in range");
        let expected = 1.0 - 0.75_f64.powi(3);
        assert_eq!(values[0], (String::new(), 0.5));
        assert_eq!(values[1], ("level-1".to_owned(), 0.75));
        assert_eq!(values[2], ("level-2".to_owned(), 0.25));
        assert!((values[3].1 - 0.5 / expected).abs() < 1e-12);
    }

    #[test]
    fn uniform_codes_score_one_per_batch_whatever_the_batch() {
        // All K^N batches of N = 3 codes of K = 3: the mean is 1 by definition.
        let all: Vec<Arrays> =
            (0..27_i64).map(|index| batch(&[index / 9, index / 3 % 3, index % 3])).collect();
        let values = measure(3, &all).expect("in range");
        assert!((values[2].1 - 1.0).abs() < 1e-12);
        // One code of one is all there is.
        assert_eq!(measure(1, &[batch(&[0, 0])]).expect("in range")[2].1, 1.0);
    }

    #[test]
    fn refuses_codes_out_of_range_and_nothing_at_all() {
        let text = |batches: &[Arrays]| measure(4, batches).expect_err("must fail").to_string();
        assert_eq!(
            text(&[batch(&[3, 4])]),
            "code `4` is not in [0, 4): item 1 of the batch, window 1, level 1"
        );
        assert_eq!(
            text(&[batch(&[-1])]),
            "code `-1` is not in [0, 4): item 0 of the batch, window 1, level 1"
        );
        let nothing = "nothing was measured: no batch held a valid code";
        assert_eq!(text(&[]), nothing);
        assert_eq!(text(&[batch(&[])]), nothing);
        let masked = batch(&[1, 2]).with("code_mask", vec![false, false], &[2, 1]);
        assert_eq!(text(&[masked]), nothing);
    }

    #[test]
    fn refuses_shapes_that_do_not_fit() {
        let text = |inputs: Arrays| measure(4, &[inputs]).expect_err("must fail").to_string();
        assert_eq!(
            text(Arrays::new().with("codes", vec![0_i64; 4], &[2, 2])),
            "`codes` is int[2, 2], expected 3 dimensions"
        );
        assert_eq!(
            text(batch(&[0, 1]).with("code_mask", vec![true], &[1, 1])),
            "`code_mask` is bool[1, 1], but `codes` is int[2, 1, 1]"
        );
        assert_eq!(
            text(Arrays::new().with("codes", Vec::<i64>::new(), &[2, 2, 0])),
            "`codes` is int[2, 2, 0] and has no levels"
        );
    }
}
