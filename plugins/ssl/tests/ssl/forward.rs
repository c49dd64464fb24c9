//! Choice of layers, sums of layers, and gradients.

use crate::support::*;
use ablate_sdk::burn::module::{Module, ModuleMapper, Param};
use ablate_sdk::burn::tensor::{Device, Tensor};
use ablate_sdk::{Block, Error, Tensors, testing};
use ablate_ssl::{SpeechEncoder, SpeechEncoderConfig, Wavlm};

fn encoder(
    tiny: &Tiny,
    change: impl Fn(&mut SpeechEncoderConfig),
    device: &Device,
) -> SpeechEncoder {
    let mut config = tiny.config();
    change(&mut config);
    SpeechEncoder::new(tiny.family, &config, device).expect("the checkpoint loads")
}

#[test]
fn a_chosen_layer_is_that_hidden_state() {
    let device = Device::flex();
    for tiny in [&HUBERT_BASE, &WAVLM_LARGE] {
        let (samples, mask) = batch(&[3999], &device);
        let states = tiny.encoder(&device).states(samples.clone(), &mask).expect("computed");
        for (layer, wanted) in states.iter().enumerate() {
            let encoder = encoder(tiny, |config| config.layer = Some(layer), &device);
            let (found, _) = encoder.forward(samples.clone(), &mask).expect("computed");
            assert_eq!(distance(&frames(&found, 0, 12), &frames(wanted, 0, 12)), 0.0, "{layer}");
        }
    }
}

/// Sets the layer weights, which a checkpoint does not have.
struct SetWeights {
    values: Vec<f32>,
    place: String,
}

impl ModuleMapper for SetWeights {
    fn enter_module(&mut self, name: &str, _: &str) {
        name.clone_into(&mut self.place);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.place != "layer_weights" {
            return param;
        }
        let values = Tensor::<1>::from_floats(self.values.as_slice(), &param.device());
        param.map(|old| values.reshape(old.shape()))
    }
}

#[test]
fn a_weighted_sum_is_the_sum_by_hand() {
    let device = Device::flex();
    let weights = [0.3f32, -1.0, 2.0, 0.7];
    for tiny in [&WAVLM_BASE, &HUBERT_LARGE] {
        let (samples, mask) = batch(&[2345], &device);
        let sum = |config: &mut SpeechEncoderConfig| config.weighted_sum = true;
        let encoder = encoder(tiny, sum, &device);
        let mut set = SetWeights { values: weights.to_vec(), place: String::new() };
        let encoder = encoder.map(&mut set);
        let (found, _) = encoder.forward(samples.clone(), &mask).expect("computed");
        let states = tiny.encoder(&device).states(samples, &mask).expect("computed");
        let total: f32 = weights.iter().map(|weight| weight.exp()).sum();
        let mut wanted = vec![0.0; frames(&found, 0, 7).len()];
        for (state, weight) in states.iter().zip(weights) {
            for (sum, value) in wanted.iter_mut().zip(frames(state, 0, 7)) {
                *sum += weight.exp() / total * value;
            }
        }
        assert!(distance(&frames(&found, 0, 7), &wanted) < 1e-5);
    }
}

/// Shapes of the parameters that no gradient reaches.
struct Unreached<'a>(&'a ablate_sdk::burn::tensor::Gradients, Vec<Vec<usize>>);

impl ablate_sdk::burn::module::ModuleVisitor for Unreached<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.0);
        if gradient.is_none_or(|g| g.abs().max().into_scalar::<f32>() == 0.0) {
            self.1.push(param.val().dims().to_vec());
        }
    }
}

#[test]
fn training_reaches_the_audio_and_every_parameter_that_is_used() -> Result<(), Error> {
    let mut build = testing::build("encoder", 0, &[], vec![])?;
    // Without what normalizes over time, a frame sees its own samples alone.
    let config =
        SpeechEncoderConfig { weighted_sum: true, normalize: Some(false), ..WAVLM_LARGE.config() };
    let block = Wavlm::new(&config, &mut build)?;
    let call = testing::training_call(0, 0);
    let (samples, mask) = batch(&[1234, 800], call.device());
    let samples = samples.require_grad();
    let inputs = Tensors::new().with("audio", samples.clone()).with("mask", mask);
    let features = block.forward(inputs, &call)?.tensors.float::<3>("features")?;
    assert_eq!(features.dims(), [2, 3, 32]);
    let weights = Tensor::<1>::from_floats(audio(5, 192).as_slice(), call.device());
    let gradients = (features * weights.reshape([2, 3, 32])).sum().backward();
    let audio = samples.grad(&gradients).expect("the audio has a gradient");
    let audio: Vec<f32> = audio.into_data().try_into_vec().expect("floats");
    // Frame 2 of the first item ends at sample 1040, frame 1 of the second at 720.
    assert!(audio[..1040].iter().all(|&value| value != 0.0));
    assert!(audio[1040..1234].iter().chain(&audio[1234 + 720..]).all(|&value| value == 0.0));
    let mut unreached = Unreached(&gradients, Vec::new());
    block.visit(&mut unreached);
    // Nothing uses the mask embedding. A bias of keys adds the same to all scores of a query.
    assert!(unreached.1.iter().all(|shape| shape[..] == [32]), "{:?}", unreached.1);
    Ok(())
}

#[test]
fn parameters_are_in_three_groups() {
    for (path, group) in [
        ("encoder.waveform.layers.0.weight", "feature-extractor"),
        ("encoder.projection.weight", "transformer"),
        ("encoder.layers.2.attention.key.bias", "transformer"),
        ("encoder.layer_weights", "layer-weights"),
    ] {
        assert_eq!(Wavlm::group(path), group, "{path}");
    }
}

#[test]
fn items_too_short_for_a_frame_are_refused_and_nothing_gives_nothing() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let encoder = HUBERT_BASE.encoder(&device);
        let (samples, mask) = batch(&[800, 399], &device);
        let error = encoder.forward(samples, &mask).expect_err("must fail").to_string();
        assert_eq!(
            error,
            "item 1 of the batch has 399 samples, one frame takes 400 (25 ms at 16 kHz): leave out \
             what is shorter"
        );
        let (samples, mask) = batch(&[400, 0], &device);
        let (features, valid) = encoder.forward(samples, &mask).expect("it is computed");
        let flags: Vec<bool> = valid.into_data().iter::<bool>().collect();
        assert_eq!(flags, [true, false]);
        assert!(frames(&features, 1, 1).iter().all(|&value| value == 0.0));
        let samples = Tensor::<2>::ones([1, 9], &device);
        let mask = Tensor::full([1, 9], false, &device);
        let (features, valid) = encoder.forward(samples, &mask).expect("it is computed");
        assert_eq!((features.dims(), valid.dims()), ([1, 1, 32], [1, 1]));
        assert!(!valid.any().into_scalar::<bool>());
    }
}

/// φ = Σ weight · feature along random directions of the audio.
#[test]
fn the_gradient_of_the_audio_is_the_derivative() {
    let device = Device::flex().autodiff();
    for tiny in [&HUBERT_BASE, &WAVLM_LARGE] {
        let encoder = tiny.encoder(&device);
        let (samples, mask) = batch(&[1234, 800], &device);
        let samples = samples.require_grad();
        let weights = Tensor::<1>::from_floats(audio(5, 192).as_slice(), &device);
        let value = |samples: Tensor<2>| {
            let (features, _) = encoder.forward(samples, &mask).expect("computed");
            (features * weights.clone().reshape([2, 3, 32])).sum()
        };
        let gradients = value(samples.clone()).backward();
        let gradient = samples.grad(&gradients).expect("the audio has a gradient");
        for seed in 1..4 {
            let direction = Tensor::<1>::from_floats(audio(seed, 2468).as_slice(), &device);
            let direction: Tensor<2> = direction.reshape([2, 1234]);
            let product = (gradient.clone() * direction.clone().inner()).sum().into_scalar::<f32>();
            let at = |step: f32| {
                value(samples.clone().detach() + direction.clone() * step).into_scalar::<f32>()
            };
            let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
            let off = (product - difference).abs();
            assert!(off < 0.02 * product.abs().max(1.0), "{product}, by differences {difference}");
        }
    }
}
