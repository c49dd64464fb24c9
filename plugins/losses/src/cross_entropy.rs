//! The loss of classification.

use crate::reduce::total;
use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Int, Tensor, activation};
use ablate_sdk::{Build, Call, Contract, Error, Loss, LossValue, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of [`CrossEntropy`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyConfig {
    /// Probability that is spread evenly over all classes, in [0, 1).
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub label_smoothing: f64,
    /// Label of rows that do not count.
    pub ignore_index: Option<i64>,
}

/// Cross entropy of logits and class labels.
#[derive(Module, Debug)]
pub struct CrossEntropy {
    #[module(skip)]
    label_smoothing: f64,
    #[module(skip)]
    ignore_index: Option<i64>,
}

impl CrossEntropy {
    /// The loss under `config`.
    ///
    /// # Errors
    /// If `label_smoothing` is not in [0, 1).
    pub fn with_config(config: &CrossEntropyConfig) -> Result<Self, Error> {
        let &CrossEntropyConfig { label_smoothing, ignore_index } = config;
        if (0.0..1.0).contains(&label_smoothing) {
            return Ok(Self { label_smoothing, ignore_index });
        }
        Err(Error::config(format!("`label_smoothing` must be in [0, 1), got `{label_smoothing}`")))
    }

    /// The loss of `logits: f32[B, C]` and `labels: int[B]`; 0 when every row is ignored.
    ///
    /// # Errors
    /// If an input is missing, sizes differ, or a label is not in [0, C).
    pub fn evaluate(&self, inputs: &Tensors) -> Result<LossValue, Error> {
        let logits = inputs.float::<2>("logits")?;
        let labels = inputs.int::<1>("labels")?.into_data().iter::<i64>().collect::<Vec<_>>();
        let [rows, classes] = logits.dims();
        if labels.len() != rows {
            let text = format!(
                "`logits` is f32[{rows}, {classes}], but `labels` is int[{}]",
                labels.len()
            );
            return Err(Error::contract(text));
        }
        let device = logits.device();
        let counted = self.counted(&labels, classes)?;
        if counted.is_empty() {
            // Filled rather than multiplied by 0: a logit may be NaN here.
            let everything = Tensor::<2, Bool>::full([rows, classes], true, &device);
            let value = total(logits.mask_fill(everything, 0.0));
            return Ok(LossValue { value, averaged_over: 0 });
        }
        // Ignored rows leave before the softmax, so that what they hold reaches no gradient.
        let logits = if counted.len() == rows {
            logits
        } else {
            let kept: Vec<i64> = counted.iter().map(|&(row, _)| row as i64).collect();
            logits.select(0, Tensor::<1, Int>::from_data(kept.as_slice(), &device))
        };
        let count = counted.len();
        let wanted: Vec<i64> = counted.into_iter().map(|(_, label)| label).collect();
        let wanted = Tensor::<1, Int>::from_data(wanted.as_slice(), &device).reshape([count, 1]);
        let logs = activation::log_softmax(logits, 1);
        let picked = total(logs.clone().gather(1, wanted));
        // Not at 0: a class of logit -inf would turn 0 times its logarithm into NaN.
        let sum = if self.label_smoothing > 0.0 {
            picked.mul_scalar(1.0 - self.label_smoothing)
                + total(logs).mul_scalar(self.label_smoothing / classes as f64)
        } else {
            picked
        };
        Ok(LossValue { value: sum.div_scalar(-(count as f64)), averaged_over: count as u64 })
    }

    /// Row and label of the rows that count.
    fn counted(&self, labels: &[i64], classes: usize) -> Result<Vec<(usize, i64)>, Error> {
        let mut counted = Vec::with_capacity(labels.len());
        for (row, &label) in labels.iter().enumerate() {
            if self.ignore_index == Some(label) {
                continue;
            }
            if usize::try_from(label).is_ok_and(|label| label < classes) {
                counted.push((row, label));
            } else {
                return Err(Error::data(format!(
                    "label `{label}` of row {row} is not in [0, {classes}): `logits` has {classes} classes"
                )));
            }
        }
        Ok(counted)
    }
}

impl Loss for CrossEntropy {
    type Config = CrossEntropyConfig;
    const NAME: &'static str = "cross-entropy";
    const DOC: &'static str = "Cross entropy of logits and class labels, with label smoothing.";

    fn contract(config: &CrossEntropyConfig) -> Result<Contract, Error> {
        Self::with_config(config)?;
        Ok(Contract::new().input("logits: f32[B, C]").input("labels: int[B]"))
    }

    fn new(config: &CrossEntropyConfig, _: &mut Build) -> Result<Self, Error> {
        Self::with_config(config)
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<LossValue, Error> {
        self.evaluate(&inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::burn::tensor::Device;

    const NAN: f32 = f32::NAN;

    fn inputs(logits: Tensor<2>, labels: &[i64]) -> Tensors {
        let labels = Tensor::<1, Int>::from_data(labels, &logits.device());
        Tensors::new().with("logits", logits).with("labels", labels)
    }

    fn loss(label_smoothing: f64, ignore_index: Option<i64>) -> CrossEntropy {
        let config = CrossEntropyConfig { label_smoothing, ignore_index };
        CrossEntropy::with_config(&config).expect("in range")
    }

    /// Value, gradient of the logits and rows averaged over.
    fn check<const B: usize>(
        loss: &CrossEntropy,
        logits: [[f32; 3]; B],
        labels: [i64; B],
    ) -> (f64, Vec<f32>, u64) {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_floats(logits, &device).require_grad();
        let loss = loss.evaluate(&inputs(logits.clone(), &labels)).expect("labels in range");
        let value = f64::from(loss.value.clone().into_scalar::<f32>());
        let gradient = logits.grad(&loss.value.backward()).expect("tracked");
        (value, gradient.into_data().iter::<f32>().collect(), loss.averaged_over)
    }

    /// The definition, in double precision: the mean of -Σ_c q_c ln p_c over the rows.
    fn definition(logits: &[[f32; 3]], labels: &[i64], smoothing: f64) -> f64 {
        let rows = logits.iter().zip(labels).map(|(row, &label)| {
            let row: Vec<f64> = row.iter().map(|&logit| f64::from(logit)).collect();
            let partition = row.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            let terms = row.iter().enumerate().map(|(class, logit)| {
                let hit = if class as i64 == label { 1.0 - smoothing } else { 0.0 };
                -(hit + smoothing / 3.0) * (logit - partition)
            });
            terms.sum::<f64>()
        });
        rows.sum::<f64>() / labels.len() as f64
    }

    fn assert_close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
    }

    #[test]
    fn known_probabilities_give_their_logarithms() {
        // Logits are ln of (0.2, 0.3, 0.5), shifted by 2.
        let row = [0.2_f32.ln() + 2.0, 0.3_f32.ln() + 2.0, 0.5_f32.ln() + 2.0];
        let (value, gradient, rows) = check(&loss(0.0, None), [row], [2]);
        assert_close(value, 2.0_f64.ln());
        assert_eq!(rows, 1);
        for (found, wanted) in gradient.into_iter().zip([0.2, 0.3, -0.5]) {
            assert_close(f64::from(found), wanted);
        }
        // 0.9 ln 2 - 0.1/3 (ln 0.2 + ln 0.3 + ln 0.5) = 0.7407178.
        let (value, gradient, _) = check(&loss(0.1, None), [row], [2]);
        assert_close(value, 0.9 * 2.0_f64.ln() - 0.1 / 3.0 * 0.03_f64.ln());
        for (found, wanted) in gradient.into_iter().zip([0.2, 0.3, 0.5 - 0.9]) {
            assert_close(f64::from(found), wanted - 0.1 / 3.0);
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let logits = [[0.3, -1.2, 2.0], [1.5, 0.0, -0.5], [-3.0, 0.1, 0.1], [0.0, 0.0, 0.0]];
        for smoothing in [0.0, 0.1, 0.7] {
            let (value, _, rows) = check(&loss(smoothing, None), logits, [2, 1, 0, 1]);
            assert_close(value, definition(&logits, &[2, 1, 0, 1], smoothing));
            assert_eq!(rows, 4);
        }
    }

    #[test]
    fn ignored_rows_change_neither_value_nor_gradient() {
        let (first, last) = ([0.3, -1.2, 2.0], [1.5, 0.0, -0.5]);
        for smoothing in [0.0, 0.1] {
            let (value, gradient, rows) =
                check(&loss(smoothing, Some(-100)), [first, [NAN; 3], last], [2, -100, 1]);
            let (alone, gradient_alone, _) = check(&loss(smoothing, None), [first, last], [2, 1]);
            assert_eq!((value, rows), (alone, 2));
            assert_eq!(gradient[..3], gradient_alone[..3]);
            assert_eq!(gradient[3..6], [0.0; 3]);
            assert_eq!(gradient[6..], gradient_alone[3..]);
        }
    }

    #[test]
    fn is_zero_when_every_row_is_ignored() {
        let (value, gradient, rows) = check(&loss(0.1, Some(1)), [[NAN, 0.0, 1.0]; 2], [1, 1]);
        assert_eq!((value, rows), (0.0, 0));
        assert_eq!(gradient, [0.0; 6]);
        let empty = inputs(Tensor::zeros([0, 3], &Device::flex()), &[]);
        let loss = loss(0.0, None).evaluate(&empty).expect("nothing to refuse");
        assert_eq!((loss.value.into_scalar::<f32>(), loss.averaged_over), (0.0, 0));
    }

    #[test]
    fn a_nan_logit_gives_a_nan_loss() {
        assert!(check(&loss(0.0, None), [[0.0, NAN, 1.0]], [0]).0.is_nan());
        assert!(check(&loss(0.1, None), [[0.0, NAN, 1.0]], [0]).0.is_nan());
    }

    #[test]
    fn a_class_that_is_ruled_out_costs_nothing() {
        let (value, gradient, _) = check(&loss(0.0, None), [[0.0, f32::NEG_INFINITY, 0.0]], [0]);
        assert_close(value, 2.0_f64.ln());
        assert_eq!(gradient, [-0.5, 0.0, 0.5]);
    }

    #[test]
    fn names_a_label_out_of_range() {
        let device = Device::flex();
        let text = |labels: &[i64], ignore_index| {
            let inputs = inputs(Tensor::zeros([2, 3], &device), labels);
            loss(0.0, ignore_index).evaluate(&inputs).map(drop).expect_err("must fail").to_string()
        };
        assert_eq!(
            text(&[0, 3], None),
            "label `3` of row 1 is not in [0, 3): `logits` has 3 classes"
        );
        assert_eq!(
            text(&[-1, 0], Some(-100)),
            "label `-1` of row 0 is not in [0, 3): `logits` has 3 classes"
        );
        assert_eq!(text(&[0], None), "`logits` is f32[2, 3], but `labels` is int[1]");
    }

    #[test]
    fn refuses_smoothing_out_of_range() {
        for label_smoothing in [-0.1, 1.0, f64::NAN] {
            let config = CrossEntropyConfig { label_smoothing, ignore_index: None };
            let error = CrossEntropy::contract(&config).expect_err("must fail").to_string();
            let wanted = format!("`label_smoothing` must be in [0, 1), got `{label_smoothing}`");
            assert_eq!(error, wanted);
        }
    }
}
