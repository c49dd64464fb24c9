//! One to three steps by hand, after the formulas in PyTorch's documentation.

use super::*;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
struct Weight {
    w: Param<Tensor<1>>,
}

/// Steps a single weight 2.0 with the given gradients and learning rate 0.1.
fn after(json: &str, gradients: &[f32]) -> f32 {
    let device = Device::flex().autodiff();
    let w = Tensor::<1>::from_floats([2.0], &device).require_grad();
    let mut weight = Weight { w: Param::from_tensor(w) };
    let mut optimizer = OptimizerConfig::parse(json).expect("valid").init();
    for &gradient in gradients {
        let mut all = GradientsParams::new();
        all.register(weight.w.id, Tensor::<1>::from_floats([gradient], &Device::flex()));
        weight = optimizer.step(0.1, weight, all);
    }
    weight.w.val().inner().into_scalar::<f32>()
}

fn check(json: &str, gradients: &[f32], expected: f64) {
    let found = f64::from(after(json, gradients));
    assert!((found - expected).abs() < 1e-6, "{json}: {found}, expected {expected}");
}

/// The loop of `torch.optim.Adam` and `AdamW`, in 64 bits.
fn adam(gradients: &[f32], decay: f64, decoupled: bool) -> f64 {
    let (mut w, mut m, mut v) = (2.0f64, 0.0f64, 0.0f64);
    for (t, &gradient) in (1i32..).zip(gradients) {
        let mut g = f64::from(gradient);
        if decoupled {
            w *= 1.0 - 0.1 * decay;
        } else {
            g += decay * w;
        }
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        let (m_hat, v_hat) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
        w -= 0.1 * m_hat / (v_hat.sqrt() + 1e-8);
    }
    w
}

#[test]
fn adam_and_adamw_follow_pytorch_with_its_defaults() {
    let gradients = [0.5, -0.25, 1e-4];
    check(r#"{"use":"adamw"}"#, &gradients, adam(&gradients, 0.01, true));
    check(r#"{"use":"adam"}"#, &gradients, adam(&gradients, 0.0, false));
    check(r#"{"use":"adam","weight_decay":0.1}"#, &gradients, adam(&gradients, 0.1, false));
}

#[test]
fn sgd_follows_pytorch_with_and_without_momentum() {
    // w = 2 - 0.1 (0.5 - 0.25)
    check(r#"{"use":"sgd"}"#, &[0.5, -0.25], 1.975);
    // v = 0.5, then 0.9 * 0.5 - 0.25 = 0.2; w = 2 - 0.1 (0.5 + 0.2)
    check(r#"{"use":"sgd","momentum":0.9}"#, &[0.5, -0.25], 1.93);
    // nesterov: g + 0.9 v = 0.95, then -0.25 + 0.9 * 0.2 = -0.07; w = 2 - 0.1 (0.95 - 0.07)
    check(r#"{"use":"sgd","momentum":0.9,"nesterov":true}"#, &[0.5, -0.25], 1.912);
}

#[test]
fn unknown_optimizers_are_an_error() {
    let error = OptimizerConfig::parse(r#"{"use":"lion"}"#).expect_err("not ours").to_string();
    assert!(error.contains("unknown variant `lion`, expected one of `adamw`, `adam`, `sgd`"));
    let error = OptimizerConfig::parse(r#"{"use":"adam","eps":1e-3}"#).expect_err("`epsilon`");
    assert!(error.to_string().contains("unknown field `eps`"), "{error}");
}
