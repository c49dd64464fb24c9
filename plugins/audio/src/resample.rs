//! Changes the sample rate of a whole clip, without delay.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Length of the filter's block at the lower rate, in samples; a longer one is steeper.
/// 1024 passes up to 97 % of the band at full level.
const BLOCK: usize = 1024;

/// `samples` at rate `from` (Hz) as samples at rate `to`, band-limited, aligned with the input.
///
/// The output has `ceil(samples.len() * to / from)` samples. Frequencies above half of the lower
/// rate are removed.
///
/// # Panics
/// When a rate is 0.
#[must_use]
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    assert!(from > 0 && to > 0, "sample rates are positive");
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let length = (samples.len() as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize;
    // The block is counted at the input, in whole steps of the ratio. An even number of steps puts
    // the middle of the filter on a sample at both rates, so that the delay is removed exactly.
    let step = 2 * (from / greatest_common_divisor(from, to)) as usize;
    let wanted = BLOCK * from.div_ceil(to.min(from)) as usize;
    let block = wanted.next_multiple_of(step);
    let window = WindowFunction::BlackmanHarris2;
    let (from, to) = (from as usize, to as usize);
    let mut resampler = Fft::<f32>::new_custom(from, to, block, 1, 1, window, FixedSync::Both)
        .expect("both rates are positive");
    let input = InterleavedSlice::new(samples, 1, samples.len()).expect("one channel");
    let mut output = resampler
        .process_all(&input, samples.len(), None)
        .expect("the buffers are of the size asked for")
        .take_data();
    // rubato computes the length in floating point and may be one off.
    output.resize(length, 0.0);
    output
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::resample;

    fn sine(frequency: f64, rate: u32, count: usize, shift: f64) -> Vec<f32> {
        let step = TAU * frequency / f64::from(rate);
        (0..count).map(|n| (0.5 * (step * (n as f64 + shift)).sin()) as f32).collect()
    }

    /// Signal-to-noise ratio in dB of `found` against `expected`, in the middle half.
    fn snr(expected: &[f32], found: &[f32]) -> f64 {
        let middle = expected.len() / 4..expected.len() * 3 / 4;
        let (mut signal, mut noise) = (0.0, 0.0);
        for index in middle {
            signal += f64::from(expected[index]).powi(2);
            noise += f64::from(expected[index] - found[index]).powi(2);
        }
        10.0 * (signal / noise.max(1e-30)).log10()
    }

    #[test]
    fn keeps_a_sine_in_place() {
        let rates = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000];
        for from in rates {
            for frequency in [50.0, 440.0, 3000.0] {
                let input = sine(frequency, from, from as usize, 0.0);
                let output = resample(&input, from, 16000);
                let here = snr(&sine(frequency, 16000, 16000, 0.0), &output);
                assert!(here > 80.0, "{from} Hz, {frequency} Hz: {here:.1} dB");
            }
        }
    }

    #[test]
    fn delay_is_less_than_a_hundredth_of_a_sample() {
        let output = resample(&sine(1000.0, 44100, 44100, 0.0), 44100, 16000);
        let at = |shift| snr(&sine(1000.0, 16000, 16000, shift), &output);
        assert!(at(0.0) > at(0.01) + 20.0 && at(0.0) > at(-0.01) + 20.0);
    }

    #[test]
    fn removes_what_the_lower_rate_cannot_hold() {
        let output = resample(&sine(9000.0, 48000, 48000, 0.0), 48000, 16000);
        let peak = output[4000..12000].iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        assert!(peak < 1e-4, "a 9 kHz tone came through at {peak}");
    }

    #[test]
    fn passes_most_of_the_band() {
        let output = resample(&sine(7700.0, 48000, 48000, 0.0), 48000, 16000);
        let here = snr(&sine(7700.0, 16000, 16000, 0.0), &output);
        assert!(here > 40.0, "{here:.1} dB at 7.7 kHz");
    }

    #[test]
    fn equal_rates_change_nothing() {
        let input = sine(440.0, 16000, 1000, 0.0);
        assert_eq!(resample(&input, 16000, 16000), input);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn length_follows_the_rates(
            count in 0_usize..9000,
            from in prop::sample::select(vec![8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000]),
            to in prop::sample::select(vec![8000, 16000, 22050, 44100]),
        ) {
            let output = resample(&vec![0.25; count], from, to);
            let expected = (count as u64 * u64::from(to)).div_ceil(u64::from(from));
            prop_assert_eq!(output.len() as u64, expected);
            prop_assert!(output.iter().all(|x| x.is_finite()));
        }
    }
}
