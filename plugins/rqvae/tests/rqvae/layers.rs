//! Outputs and gradients against PyTorch's layers with the same weights; `layers.py` stored them.

use crate::coders::{assert_close, filled, wave};
use crate::tensors::values;
use ablate_rqvae::{
    Activation, MemoryPositions, MultiWindowConfig, MultiWindowDecoder, NormPlace, Norms,
    PositionalConfig, PositionalDecoder, Positions, Queries, ResidualMlpConfig, ResidualMlpDecoder,
    ResidualMlpEncoder, TransformerConfig, TransformerEncoder,
};
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, ModuleVisitor, Param};
use ablate_sdk::burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use ablate_sdk::serde_json::{self, Value};
use std::collections::BTreeMap;

const STORED: &str = include_str!("layers.json");
const FEATURES: usize = 5;
const WIDTH: usize = 8;
const HEADS: usize = 2;
const INSIDE: usize = 12;

/// Two numbers of the gradient of every parameter, by name.
struct Summaries<'a>(&'a Gradients, Vec<String>, BTreeMap<String, [f64; 2]>);

impl ModuleVisitor for Summaries<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.1.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.1.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.0).expect("every parameter has a gradient");
        let gradient: Vec<f64> = gradient.into_data().iter::<f64>().collect();
        let squares = gradient.iter().map(|g| g * g).sum();
        let product = gradient.iter().enumerate().map(|(i, g)| g * (0.9 * i as f64).cos()).sum();
        self.2.insert(self.1.join("."), [squares, product]);
    }
}

fn bools<const D: usize>(rows: [[u8; D]; 2], device: &Device) -> Tensor<2, Bool> {
    let values: Vec<bool> = rows.as_flattened().iter().map(|&value| value == 1).collect();
    Tensor::from_data(TensorData::new(values, [2, D]), device)
}

fn stored(name: &str) -> Value {
    let all: Value = serde_json::from_str(STORED).expect("JSON");
    let found = all["cases"].as_array().expect("a list").iter().find(|case| case["name"] == name);
    found.expect("a stored case").clone()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

/// What a module gives for `inputs` under the masks of windows and frames.
type Run<M> = fn(&M, Tensor<3>, &Tensor<2, Bool>, &Tensor<2, Bool>) -> Result<Tensor<3>, Error>;

/// Compares outputs, gradients of the inputs and of all parameters with the stored ones.
fn check<M: Module>(name: &str, make: impl Fn(&Device) -> Result<M, Error>, run: Run<M>) {
    let device = Device::flex().autodiff();
    let module = filled(make(&device).expect("valid"), &device);
    let frames = bools([[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 0, 0]], &device);
    let windows = bools([[1, 1, 1], [1, 1, 0]], &device);
    let (input, shape, mask) = if name.contains("encoder") {
        ("features", [2, 7, FEATURES], &frames)
    } else {
        ("memory", [2, 3, WIDTH], &windows)
    };
    let list = wave(input, shape.iter().product());
    let inputs = Tensor::<3>::from_data(TensorData::new(list, shape), &device).mul_scalar(4.0);
    let padding = mask.clone().bool_not().unsqueeze_dim::<3>(2).expand(shape);
    let inputs = inputs.mask_fill(padding, 0.0).detach().require_grad();

    let output = run(&module, inputs.clone(), &windows, &frames).expect("runs");
    let expected = stored(name);
    assert_close(&values(output.clone()), &floats(&expected["output"]), 1e-5, name);
    let shape = output.dims();
    let factors = TensorData::new(wave("coefficients", shape.iter().product()), shape);
    let gradients = (output * Tensor::from_data(factors, &device)).sum().backward();
    let of_inputs = inputs.grad(&gradients).expect("inputs have a gradient");
    assert_close(&values(of_inputs), &floats(&expected["inputs"]), 1e-5, name);

    let mut summaries = Summaries(&gradients, Vec::new(), BTreeMap::new());
    module.visit(&mut summaries);
    let stored = expected["parameters"].as_object().expect("an object");
    let names: Vec<_> = summaries.2.keys().collect();
    let mut expected_names: Vec<_> = stored.keys().collect();
    expected_names.sort();
    assert_eq!(names, expected_names, "{name}");
    for (path, found) in summaries.2 {
        let found = found.map(|number| number as f32);
        assert_close(&found, &floats(&stored[&path]), 2e-5, &format!("{name}: {path}"));
    }
}

fn encoder(name: &str, norm: NormPlace, activation: Activation, positions: Positions) {
    let config = TransformerConfig {
        heads: HEADS,
        feed_forward: Some(INSIDE),
        activation,
        norm,
        positions,
        ..TransformerConfig::default()
    };
    check(
        name,
        |device| TransformerEncoder::init(FEATURES, WIDTH, &config, device),
        |module, inputs, _, frames| module.encode(inputs, frames, None),
    );
}

#[test]
fn the_transformer_encoder_is_pytorchs() {
    encoder("encoder-post-relu", NormPlace::Post, Activation::Relu, Positions::None);
    let name = "encoder-pre-gelu-sinusoidal";
    encoder(name, NormPlace::Pre, Activation::Gelu, Positions::Sinusoidal);
}

#[test]
fn the_positional_decoder_is_pytorchs() {
    let cases = [
        ("positional-post-relu-learned", NormPlace::Post, Activation::Relu, Queries::Learned),
        ("positional-pre-gelu", NormPlace::Pre, Activation::Gelu, Queries::Sinusoidal),
    ];
    for (name, norm, activation, queries) in cases {
        let config = PositionalConfig {
            heads: HEADS,
            feed_forward: Some(INSIDE),
            activation,
            norm,
            queries,
            max_frames: 9,
            memory_positions: MemoryPositions::None,
            ..PositionalConfig::default()
        };
        check(
            name,
            |device| PositionalDecoder::init(WIDTH, FEATURES, &config, device),
            |module, memory, windows, frames| module.decode(memory, windows, frames, None),
        );
    }
}

#[test]
fn the_multi_window_decoder_is_made_of_pytorchs_layers() {
    let (relu, gelu) = (Activation::Relu, Activation::Gelu);
    let cases = [
        ("multi-window-self-attention", Norms::SelfAttention, relu, gelu, MemoryPositions::None),
        ("multi-window-pre", Norms::Pre, gelu, relu, MemoryPositions::Sinusoidal),
    ];
    for (name, norms, activation, cross_activation, memory_positions) in cases {
        let config = MultiWindowConfig {
            heads: HEADS,
            feed_forward: Some(INSIDE),
            activation,
            cross_activation,
            norms,
            memory_positions,
            ..MultiWindowConfig::default()
        };
        check(
            name,
            |device| MultiWindowDecoder::init(WIDTH, FEATURES, &config, device),
            |module, memory, windows, frames| module.decode(memory, windows, frames, None),
        );
    }
}

#[test]
fn the_residual_coders_are_made_of_pytorchs_layers() {
    let config = ResidualMlpConfig::default();
    check(
        "residual-encoder",
        |device| Ok(ResidualMlpEncoder::init(FEATURES, WIDTH, &config, device)),
        |module, inputs, _, frames| Ok(module.encode(inputs, frames)),
    );
    check(
        "residual-decoder",
        |device| Ok(ResidualMlpDecoder::init(WIDTH, FEATURES, &config, device)),
        |module, memory, windows, frames| Ok(module.decode(memory, windows, frames)),
    );
}
