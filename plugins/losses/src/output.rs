//! A scalar of the model as a loss.

use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Build, Call, Contract, Error, Loss, LossValue, NoConfig, Tensors};

/// Passes a scalar on that the model computed itself.
#[derive(Module, Debug)]
pub struct ModelOutput {}

impl ModelOutput {
    /// The loss of `value: f32[1]`.
    ///
    /// # Errors
    /// If there is no `value` or it is not one number.
    pub fn evaluate(&self, inputs: &Tensors) -> Result<LossValue, Error> {
        let value = inputs.float::<1>("value")?;
        if value.dims() != [1] {
            let text = format!("`value` is f32{:?}, expected f32[1]", value.dims());
            return Err(Error::contract(text));
        }
        // The model alone knows what it averaged over.
        Ok(LossValue { value, averaged_over: 0 })
    }
}

impl Loss for ModelOutput {
    type Config = NoConfig;
    const NAME: &'static str = "output";
    const DOC: &'static str = "A scalar that the model computed itself.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new().input("value: f32[1]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<LossValue, Error> {
        self.evaluate(&inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::burn::tensor::{Device, Tensor};

    #[test]
    fn passes_value_and_gradient_on() {
        let value = Tensor::<1>::from_floats([0.25], &Device::flex().autodiff()).require_grad();
        let inputs = Tensors::new().with("value", value.clone());
        let loss = ModelOutput {}.evaluate(&inputs).expect("one number");
        assert_eq!(loss.averaged_over, 0);
        assert_eq!(loss.value.clone().into_scalar::<f32>(), 0.25);
        let gradient = value.grad(&loss.value.mul_scalar(3.0).backward()).expect("tracked");
        assert_eq!(gradient.into_scalar::<f32>(), 3.0);
    }

    #[test]
    fn refuses_more_than_one_number() {
        let inputs = Tensors::new().with("value", Tensor::<1>::zeros([2], &Device::flex()));
        let error = ModelOutput {}.evaluate(&inputs).map(drop).expect_err("must fail");
        assert_eq!(error.to_string(), "`value` is f32[2], expected f32[1]");
    }
}
