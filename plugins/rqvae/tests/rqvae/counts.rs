//! Parameters of the models of full size, without making them: Burn draws a parameter when it is
//! first looked at.

use ablate_rqvae::{
    MultiWindowConfig, MultiWindowDecoder, Norms, PositionalConfig, PositionalDecoder, Positions,
    Queries, ResidualMlpConfig, ResidualMlpDecoder, ResidualMlpEncoder, TransformerConfig,
    TransformerEncoder,
};
use ablate_sdk::burn::module::{Module, ModuleVisitor, Param};
use ablate_sdk::burn::tensor::{Device, Tensor};

/// Numbers of a frame and of a code.
const WIDTH: usize = 1024;

/// Attention over hidden 128, mean and deviation, and a projection from 2D to D.
const ATTENTIVE_STATS: usize = 1024 * 128 + 128 + 128 + 1 + 2048 * 1024 + 1024;

/// The same without deviation and projection.
const ATTENTIVE_MEAN: usize = 1024 * 128 + 128 + 128 + 1;

fn parameters<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.lazy_shape().iter().product::<usize>();
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

fn encoder(device: &Device) -> usize {
    let config = TransformerConfig {
        layers: 4,
        heads: 8,
        positions: Positions::None,
        ..TransformerConfig::default()
    };
    parameters(&TransformerEncoder::init(WIDTH, WIDTH, &config, device).expect("valid"))
}

fn multi_window(norms: Norms, device: &Device) -> usize {
    let config = MultiWindowConfig {
        blocks: 2,
        heads: 8,
        norms,
        queries: Queries::Learned,
        ..MultiWindowConfig::default()
    };
    parameters(&MultiWindowDecoder::init(WIDTH, WIDTH, &config, device).expect("valid"))
}

#[test]
fn the_global_model_has_122_428_673() {
    let device = Device::flex();
    let config = PositionalConfig {
        layers: 4,
        heads: 8,
        queries: Queries::Learned,
        ..PositionalConfig::default()
    };
    let decoder = PositionalDecoder::init(WIDTH, WIDTH, &config, &device).expect("valid");
    let decoder = parameters(&decoder);
    assert_eq!(encoder(&device) + ATTENTIVE_STATS + decoder, 122_428_673);
}

#[test]
fn the_sliding_model_has_105_618_689_and_six_norms_more() {
    let device = Device::flex();
    let rest = encoder(&device) + ATTENTIVE_STATS;
    assert_eq!(rest + multi_window(Norms::SelfAttention, &device), 105_618_689);
    assert_eq!(rest + multi_window(Norms::Pre, &device), 105_630_977);
}

#[test]
fn the_model_of_residual_blocks_has_10_645_761() {
    let (device, config) = (Device::flex(), ResidualMlpConfig::default());
    let encoder = ResidualMlpEncoder::init(WIDTH, WIDTH, &config, &device);
    let decoder = ResidualMlpDecoder::init(WIDTH, WIDTH, &config, &device);
    assert_eq!(parameters(&encoder) + ATTENTIVE_MEAN + parameters(&decoder), 10_645_761);
}
