//! Seconds of audio per second of a forward pass, with random weights.
//!
//! Arguments: `wavlm` or `hubert`, the size, and how many seconds the utterances have.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use ablate_sdk::burn::tensor::{Bool, Device, Distribution, Tensor};
use ablate_ssl::{Family, Size, SpeechEncoder, SpeechEncoderConfig};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument =
        |at: usize, default: &str| arguments.get(at).cloned().unwrap_or_else(|| default.to_owned());
    let family = if argument(0, "hubert") == "wavlm" { Family::Wavlm } else { Family::Hubert };
    let size = if argument(1, "base") == "large" { Size::Large } else { Size::Base };
    let seconds: f64 = argument(2, "10").parse().expect("a number of seconds");

    let device = Device::flex();
    let config = SpeechEncoderConfig { size, random: true, ..SpeechEncoderConfig::default() };
    let start = Instant::now();
    let encoder = SpeechEncoder::new(family, &config, &device).expect("a published size");
    let samples = (seconds * 16_000.0) as usize;
    let audio = Tensor::<2>::random([1, samples], Distribution::Normal(0.0, 0.1), &device);
    let mask = Tensor::<2, Bool>::full([1, samples], true, &device);
    let pass = || {
        let start = Instant::now();
        let (features, _) = encoder.forward(audio.clone(), &mask).expect("long enough");
        assert!(features.sum().into_scalar::<f32>().is_finite());
        start.elapsed().as_secs_f64()
    };
    pass();
    let drawn = start.elapsed().as_secs_f64();
    let mut times: Vec<f64> = (0..5).map(|_| pass()).collect();
    times.sort_by(f64::total_cmp);
    let (name, size, time) = (family.name(), size.name(), times[2]);
    println!(
        "{name} {size}, {seconds} s: {time:.3} s (median of 5), {:.1} times real time; the first \
         pass with drawing the weights {drawn:.1} s",
        seconds / time
    );
}
