//! How much of the codebooks is in use.

use crate::code_counts::{CodeCounts, CodebookConfig, by_level, utilization};
use crate::codes::Codes;
use crate::exact_sum::ExactSum;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue};
use serde::{Deserialize, Serialize};

/// Used codes / codes over the whole split: the mean over levels, and each level.
///
/// Beside it what is seen in one batch of N vectors, as a mean over batches:
/// `per-batch-raw`, used codes / K, which measures the batch before all else (uniform random codes
/// reach 1 − (1 − 1/K)^N of them), and `per-batch-normalized`, that divided by what uniform random
/// codes reach. Both depend on how items were batched; the value over the split does not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookUtilization {
    counts: CodeCounts,
    per_batch: Vec<PerBatch>,
    batches: u64,
}

/// Sums over batches, of one level.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PerBatch {
    raw: ExactSum,
    normalized: ExactSum,
}

impl CodebookUtilization {
    /// The metric for codebooks of `size` codes.
    ///
    /// # Errors
    /// If `size` is 0 or beyond 2^24.
    pub fn with_size(size: usize) -> Result<Self, Error> {
        let counts = CodeCounts::with_size(size)?;
        Ok(Self { counts, per_batch: Vec::new(), batches: 0 })
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
        let vectors = codes.valid().count();
        if vectors == 0 {
            return Ok(());
        }
        self.batches += 1;
        self.per_batch.resize_with(codes.levels(), PerBatch::default);
        let expected = uniform_use(vectors, self.counts.size());
        for (level, sums) in self.per_batch.iter_mut().enumerate() {
            let share = used(&codes, level) as f64 / self.counts.size() as f64;
            sums.raw.add(share);
            sums.normalized.add(share / expected);
        }
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let mut values = by_level("", &self.counts.levels(utilization)?, Direction::Higher);
        let mean = |sum: &ExactSum| sum.value() / self.batches as f64;
        let raw: Vec<f64> = self.per_batch.iter().map(|sums| mean(&sums.raw)).collect();
        let normalized: Vec<f64> =
            self.per_batch.iter().map(|sums| mean(&sums.normalized)).collect();
        // More vectors in a batch use more codes, which is no merit.
        values.extend(by_level("per-batch-raw", &raw, Direction::Neither));
        values.extend(by_level("per-batch-normalized", &normalized, Direction::Higher));
        Ok(values)
    }

    fn reset(&mut self) {
        self.counts.clear();
        self.per_batch.clear();
        self.batches = 0;
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        self.counts.merge(&other.counts)?;
        self.per_batch
            .resize_with(self.per_batch.len().max(other.per_batch.len()), PerBatch::default);
        for (sums, others) in self.per_batch.iter_mut().zip(&other.per_batch) {
            sums.raw.merge(&others.raw);
            sums.normalized.merge(&others.normalized);
        }
        self.batches += other.batches;
        Ok(())
    }
}

/// Codes of a level that a batch uses.
fn used(codes: &Codes, level: usize) -> usize {
    let mut column: Vec<i64> = codes.valid().map(|window| window[level]).collect();
    column.sort_unstable();
    column.dedup();
    column.len()
}

/// The share 1 − (1 − 1/K)^N of K codes that N uniform draws use on average.
fn uniform_use(vectors: usize, size: usize) -> f64 {
    // ln_1p and exp_m1: for large K the plain form loses its digits.
    -(vectors as f64 * (-1.0 / size as f64).ln_1p()).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::rand::RngExt;
    use ablate_sdk::seed::generator;

    /// A batch of codes `[B, 1, 1]`.
    fn batch(codes: &[i64]) -> Arrays {
        Arrays::new().with("codes", codes.to_vec(), &[codes.len(), 1, 1])
    }

    /// The value called `name`.
    fn of(values: &[(String, f64)], name: &str) -> f64 {
        values.iter().find(|(known, _)| known == name).expect("a value of that name").1
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
        let (raw, normalized) = ("per-batch-raw", "per-batch-normalized");
        let one = ["", "level-1", raw, "per-batch-raw-level-1", normalized];
        assert_eq!(names[..5], one);
        assert_eq!(names[5..], ["per-batch-normalized-level-1"]);
        assert_eq!((values[0].1, values[1].1), (0.75, 0.75));
        // (2/4 + 3/4) / 2, and that divided by 1 - (3/4)^3 = 37/64.
        assert_eq!((of(&values, raw), of(&values, "per-batch-raw-level-1")), (0.625, 0.625));
        assert!((of(&values, normalized) - 0.625 * 64.0 / 37.0).abs() < 1e-12);
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
        assert_eq!(of(&values, "per-batch-raw-level-1"), 0.75);
        assert_eq!(of(&values, "per-batch-raw-level-2"), 0.25);
        assert!((of(&values, "per-batch-normalized") - 0.5 / expected).abs() < 1e-12);
        assert!((of(&values, "per-batch-normalized-level-1") - 0.75 / expected).abs() < 1e-12);
    }

    #[test]
    fn uniform_codes_score_one_per_batch_whatever_the_batch() {
        // All K^N batches of N = 3 codes of K = 3: the mean is 1 by definition.
        let all: Vec<Arrays> =
            (0..27_i64).map(|index| batch(&[index / 9, index / 3 % 3, index % 3])).collect();
        let values = measure(3, &all).expect("in range");
        assert!((of(&values, "per-batch-normalized") - 1.0).abs() < 1e-12);
        // One code of one is all there is.
        let values = measure(1, &[batch(&[0, 0])]).expect("in range");
        assert_eq!(of(&values, "per-batch-normalized"), 1.0);
    }

    #[test]
    fn a_codebook_in_uniform_use_looks_dead_in_small_batches() {
        let mut random = generator(7);
        let mut draw = |vectors: usize, batches: usize| {
            let mut one = || {
                let codes: Vec<i64> = (0..vectors).map(|_| random.random_range(0..256)).collect();
                batch(&codes)
            };
            let batches: Vec<Arrays> = (0..batches).map(|_| one()).collect();
            let values = measure(256, &batches).expect("in range");
            (values[0].1, of(&values, "per-batch-raw"), of(&values, "per-batch-normalized"))
        };
        // 32 documents of one vector: 1 − (255/256)^32 = 11.8 % of 256 codes, though all are used.
        let (split, raw, normalized) = draw(32, 2000);
        assert_eq!(split, 1.0);
        assert!((raw - 0.1177).abs() < 5e-4, "{raw}");
        assert!((normalized - 1.0).abs() < 5e-3, "{normalized}");
        // 32 documents of 40 windows: 99.3 %.
        let (_, raw, normalized) = draw(32 * 40, 200);
        assert!((raw - 0.9933).abs() < 1e-3, "{raw}");
        assert!((normalized - 1.0).abs() < 1e-3, "{normalized}");
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
