//! How often the likeliest class is the right one.

use crate::code_counts::higher;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Error, Metric, MetricValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of [`Accuracy`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct AccuracyConfig {
    /// Label of rows that do not count.
    pub ignore_index: Option<i64>,
}

/// Rows whose largest logit, the first of equals, is at the label / rows.
#[derive(Clone, Debug, Default)]
pub struct Accuracy {
    ignore_index: Option<i64>,
    counts: Counts,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    correct: u64,
    rows: u64,
    /// Rows with a NaN, which have no largest logit.
    undecided: u64,
}

impl Accuracy {
    /// The metric that leaves rows with this label out.
    #[must_use]
    pub fn ignoring(ignore_index: Option<i64>) -> Self {
        Self { ignore_index, counts: Counts::default() }
    }

    fn count(&self, inputs: &Arrays) -> Result<Counts, Error> {
        let (shape, labels) = (inputs.shape("logits")?, inputs.integers("labels")?);
        let &[rows, classes] = shape.as_slice() else {
            let text = format!("`logits` is f32{shape:?}, expected 2 dimensions");
            return Err(Error::contract(text));
        };
        if inputs.shape("labels")? != [rows] {
            let found = inputs.shape("labels")?;
            let text = format!("`labels` is int{found:?}, but `logits` is f32{shape:?}");
            return Err(Error::contract(text));
        }
        let logits = inputs.slice::<f32>("logits")?;
        let mut counts = Counts::default();
        for (row, label) in labels.into_iter().enumerate() {
            if self.ignore_index == Some(label) {
                continue;
            }
            let Some(label) = usize::try_from(label).ok().filter(|&label| label < classes) else {
                return Err(Error::data(format!(
                    "label `{label}` of row {row} is not in [0, {classes}): `logits` has {classes} classes"
                )));
            };
            let logits = &logits[row * classes..(row + 1) * classes];
            counts.rows += 1;
            counts.correct += u64::from(first_largest(logits) == label);
            counts.undecided += u64::from(logits.iter().any(|logit| logit.is_nan()));
        }
        Ok(counts)
    }

    fn add(&mut self, counts: &Counts) {
        self.counts.correct += counts.correct;
        self.counts.rows += counts.rows;
        self.counts.undecided += counts.undecided;
    }
}

impl Metric for Accuracy {
    type Config = AccuracyConfig;
    const NAME: &'static str = "accuracy";
    const DOC: &'static str = "Share of the rows whose largest logit is at the label.";

    fn contract(_: &AccuracyConfig) -> Result<Contract, Error> {
        Ok(Contract::new().input("logits: f32[B, C]").input("labels: int[B]"))
    }

    fn new(config: &AccuracyConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::ignoring(config.ignore_index))
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let counts = self.count(inputs)?;
        self.add(&counts);
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let Counts { correct, rows, undecided } = self.counts;
        match (rows, undecided) {
            (0, _) => Err(state::nothing_measured("a labeled row")),
            (_, 0) => Ok(vec![higher("", correct as f64 / rows as f64)]),
            _ => Ok(vec![higher("", f64::NAN)]),
        }
    }

    fn reset(&mut self) {
        self.counts = Counts::default();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(&self.counts)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Counts = state::read(Self::NAME, bytes)?;
        self.add(&other);
        Ok(())
    }
}

fn first_largest(logits: &[f32]) -> usize {
    let pairs = logits.iter().enumerate();
    pairs.fold(0, |best, (index, &logit)| if logit > logits[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(ignore: Option<i64>, logits: &[[f32; 3]], labels: &[i64]) -> Result<f64, Error> {
        let mut metric = Accuracy::ignoring(ignore);
        let inputs = Arrays::new().with("logits", logits.concat(), &[logits.len(), 3]).with(
            "labels",
            labels.to_vec(),
            &[labels.len()],
        );
        metric.update(&inputs, &[])?;
        Ok(metric.compute()?[0].value)
    }

    const LOGITS: [[f32; 3]; 4] =
        [[0.1, 0.7, 0.2], [-3.0, -1.0, -2.0], [2.0, 1.0, 2.0], [0.0, f32::NEG_INFINITY, 1.0]];

    #[test]
    fn counts_rows_whose_largest_logit_is_at_the_label() {
        assert_eq!(measure(None, &LOGITS, &[1, 1, 0, 2]).expect("measured"), 1.0);
        assert_eq!(measure(None, &LOGITS, &[1, 0, 0, 0]).expect("measured"), 0.5);
        // Row 2 is a tie of classes 0 and 2: the first counts.
        assert_eq!(measure(None, &LOGITS, &[1, 1, 2, 2]).expect("measured"), 0.75);
    }

    #[test]
    fn ignored_rows_do_not_count() {
        assert_eq!(measure(Some(-100), &LOGITS, &[1, -100, 2, 2]).expect("measured"), 2.0 / 3.0);
        let nothing = measure(Some(-100), &LOGITS, &[-100; 4]).expect_err("must fail").to_string();
        assert_eq!(nothing, "nothing was measured: no batch held a labeled row");
    }

    #[test]
    fn a_nan_logit_gives_nan() {
        let logits = [[0.0, 1.0, 0.0], [f32::NAN, 1.0, 0.0]];
        assert!(measure(None, &logits, &[1, 1]).expect("measured").is_nan());
        assert_eq!(measure(Some(2), &logits, &[1, 2]).expect("measured"), 1.0);
    }

    #[test]
    fn names_a_label_out_of_range_and_shapes_that_do_not_fit() {
        let text =
            |labels: &[i64]| measure(None, &LOGITS, labels).expect_err("must fail").to_string();
        assert_eq!(
            text(&[0, 0, 3, 0]),
            "label `3` of row 2 is not in [0, 3): `logits` has 3 classes"
        );
        assert_eq!(text(&[0]), "`labels` is int[1], but `logits` is f32[4, 3]");
    }
}
