//! Losses of plain regression, on tensors of any shape.

use crate::reduce::{equal_shapes, total};
use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::Tensor;
use ablate_sdk::{Build, Call, Contract, Error, Loss, LossValue, NoConfig, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean squared error.
#[derive(Module, Debug)]
pub struct Mse {}

impl Mse {
    /// The loss of `prediction`, `target: f32[...]`.
    ///
    /// # Errors
    /// If an input is missing or empty, or the shapes are not equal.
    pub fn evaluate(&self, inputs: &Tensors) -> Result<LossValue, Error> {
        Ok(mean(difference(inputs)?.square()))
    }
}

impl Loss for Mse {
    type Config = NoConfig;
    const NAME: &'static str = "mse";
    const DOC: &'static str = "Mean squared error.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(contract())
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<LossValue, Error> {
        self.evaluate(&inputs)
    }
}

/// Configuration of [`SmoothL1`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothL1Config {
    /// Difference at which the loss turns from a square into a line, above 0.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub beta: f64,
}

impl Default for SmoothL1Config {
    fn default() -> Self {
        Self { beta: 1.0 }
    }
}

/// A square near 0 and a line beyond: less moved by outliers than the square alone.
#[derive(Module, Debug)]
pub struct SmoothL1 {
    #[module(skip)]
    beta: f64,
}

impl SmoothL1 {
    /// The loss that turns into a line at `beta`.
    ///
    /// # Errors
    /// If `beta` is not a number above 0 that single precision can hold.
    pub fn with_beta(beta: f64) -> Result<Self, Error> {
        if (beta as f32).is_finite() && beta as f32 > 0.0 {
            Ok(Self { beta })
        } else {
            Err(Error::config(format!("`beta` must be above 0 and finite, got `{beta}`")))
        }
    }

    /// The loss of `prediction`, `target: f32[...]`.
    ///
    /// # Errors
    /// If an input is missing or empty, or the shapes are not equal.
    pub fn evaluate(&self, inputs: &Tensors) -> Result<LossValue, Error> {
        let size = difference(inputs)?.abs();
        // With m = min(|d|, β): m (|d| - m/2) / β is d²/(2β) below β and |d| - β/2 above.
        let near = size.clone().clamp_max(self.beta);
        let terms = near.clone() * (size - near.mul_scalar(0.5));
        Ok(mean(terms.div_scalar(self.beta)))
    }
}

impl Loss for SmoothL1 {
    type Config = SmoothL1Config;
    const NAME: &'static str = "smooth-l1";
    const DOC: &'static str = "Squared error near 0, absolute error beyond `beta`.";

    fn contract(config: &SmoothL1Config) -> Result<Contract, Error> {
        Self::with_beta(config.beta)?;
        Ok(contract())
    }

    fn new(config: &SmoothL1Config, _: &mut Build) -> Result<Self, Error> {
        Self::with_beta(config.beta)
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<LossValue, Error> {
        self.evaluate(&inputs)
    }
}

fn contract() -> Contract {
    Contract::new().input("prediction: f32[...]").input("target: f32[...]")
}

/// `prediction - target` as `[rows, size of the last dimension]`.
fn difference(inputs: &Tensors) -> Result<Tensor<2>, Error> {
    let prediction = rows(inputs, "prediction")?;
    let target = rows(inputs, "target")?;
    equal_shapes(&inputs.get("prediction")?.shape(), &inputs.get("target")?.shape())?;
    Ok(prediction - target)
}

fn rows(inputs: &Tensors, name: &str) -> Result<Tensor<2>, Error> {
    let shape = inputs.get(name)?.shape();
    if shape.contains(&0) {
        return Err(Error::contract(format!("`{name}` is f32{shape:?} and has no elements")));
    }
    let last = shape.last().copied().unwrap_or(1);
    let split = [shape.iter().product::<usize>() / last, last];
    match shape.len() {
        1 => Ok(inputs.float::<1>(name)?.reshape(split)),
        2 => inputs.float::<2>(name),
        3 => Ok(inputs.float::<3>(name)?.reshape(split)),
        4 => Ok(inputs.float::<4>(name)?.reshape(split)),
        5 => Ok(inputs.float::<5>(name)?.reshape(split)),
        _ => Ok(inputs.float::<6>(name)?.reshape(split)),
    }
}

fn mean(terms: Tensor<2>) -> LossValue {
    let elements = terms.dims().iter().product::<usize>();
    LossValue { value: total(terms).div_scalar(elements as f64), averaged_over: elements as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::burn::tensor::{Device, Int};

    type Evaluate<'a> = &'a dyn Fn(&Tensors) -> Result<LossValue, Error>;

    fn mse(inputs: &Tensors) -> Result<LossValue, Error> {
        Mse {}.evaluate(inputs)
    }

    /// Value and gradient of the prediction.
    fn check<const N: usize>(
        evaluate: Evaluate<'_>,
        prediction: [f32; N],
        target: [f32; N],
    ) -> (f32, Vec<f32>) {
        let device = Device::flex().autodiff();
        let prediction = Tensor::<1>::from_floats(prediction, &device).require_grad();
        let target = Tensor::<1>::from_floats(target, &device);
        let inputs = Tensors::new().with("prediction", prediction.clone()).with("target", target);
        let loss = evaluate(&inputs).expect("shapes fit");
        assert_eq!(loss.averaged_over, N as u64);
        let value = loss.value.clone().into_scalar::<f32>();
        let gradient = prediction.grad(&loss.value.backward()).expect("tracked");
        (value, gradient.into_data().iter::<f32>().collect())
    }

    fn smooth(beta: f64, prediction: [f32; 3], target: [f32; 3]) -> (f32, Vec<f32>) {
        let loss = SmoothL1::with_beta(beta).expect("above 0");
        check(&|inputs| loss.evaluate(inputs), prediction, target)
    }

    fn assert_close(found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
        }
    }

    #[test]
    fn smooth_l1_gives_the_golden_value() {
        let (value, gradient) = smooth(1.0, [0.3, -1.7, 0.0], [0.0, 0.0, 0.05]);
        assert_close(&[value], &[0.415_416_7]);
        // clamp(d, -1, 1) / 3.
        assert_close(&gradient, &[0.1, -1.0 / 3.0, -0.05 / 3.0]);
    }

    #[test]
    fn smooth_l1_turns_into_a_line_at_beta() {
        // d = 1, -4, 0 with β = 2: 1/4, 4 - 1, 0.
        let (value, gradient) = smooth(2.0, [1.0, -4.0, 5.0], [0.0, 0.0, 5.0]);
        assert_close(&[value], &[3.25 / 3.0]);
        assert_close(&gradient, &[0.5 / 3.0, -1.0 / 3.0, 0.0]);
        // Exactly at β both pieces agree: value β/2, slope 1.
        let (value, gradient) = smooth(2.0, [2.0; 3], [0.0; 3]);
        assert_close(&[value], &[1.0]);
        assert_close(&gradient, &[1.0 / 3.0; 3]);
    }

    #[test]
    fn mse_averages_over_every_element() {
        let (value, gradient) = check(&mse, [1.0, 2.0, 5.0, 0.0], [1.0, 0.0, 2.0, 1.0]);
        assert_close(&[value], &[3.5]);
        assert_close(&gradient, &[0.0, 1.0, 1.5, -0.5]);
    }

    #[test]
    fn takes_every_rank() {
        let device = Device::flex();
        let flat = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &device);
        let value = |prediction: Tensors| {
            let loss = mse(&prediction).expect("shapes fit");
            assert_eq!(loss.averaged_over, 6);
            loss.value.into_scalar::<f32>()
        };
        let zeros = Tensor::<1>::zeros([6], &device);
        macro_rules! at {
            ($($shape:expr),*) => {$(
                let (x, y) = (flat.clone().reshape($shape), zeros.clone().reshape($shape));
                // 91 / 6.
                assert_close(&[value(Tensors::new().with("prediction", x).with("target", y))], &[15.166_667]);
            )*};
        }
        at!([6], [2, 3], [1, 2, 3], [3, 1, 2, 1], [1, 1, 1, 1, 6], [1, 6, 1, 1, 1, 1]);
    }

    #[test]
    fn is_nan_where_an_input_is() {
        assert!(check(&mse, [f32::NAN, 1.0], [0.0, 0.0]).0.is_nan());
        assert!(smooth(1.0, [f32::NAN, 1.0, 1.0], [0.0; 3]).0.is_nan());
        assert!(smooth(1.0, [0.0; 3], [0.0, f32::NAN, 0.0]).0.is_nan());
    }

    #[test]
    fn names_what_does_not_fit() {
        let device = Device::flex();
        let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &device);
        let text = |inputs: Tensors| mse(&inputs).map(drop).expect_err("must fail").to_string();
        let inputs = Tensors::new().with("prediction", zeros([2, 3]));
        assert_eq!(
            text(inputs.clone().with("target", zeros([3, 2]))),
            "`prediction` is f32[2, 3] and `target` is f32[3, 2], but their shapes must be equal"
        );
        assert_eq!(
            text(inputs.clone().with("target", Tensor::<1>::zeros([6], &device))),
            "`prediction` is f32[2, 3] and `target` is f32[6], but their shapes must be equal"
        );
        assert_eq!(
            text(inputs.clone().with("target", Tensor::<2, Int>::zeros([2, 3], &device))),
            "`target` is int[2, 3], expected float of rank 2"
        );
        assert_eq!(
            text(inputs.with("target", zeros([0, 3]))),
            "`target` is f32[0, 3] and has no elements"
        );
    }

    #[test]
    fn refuses_a_beta_that_is_not_above_zero() {
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-60] {
            let error = SmoothL1::contract(&SmoothL1Config { beta }).expect_err("must fail");
            let wanted = format!("`beta` must be above 0 and finite, got `{beta}`");
            assert_eq!(error.to_string(), wanted);
        }
    }
}
