//! Log-mel filter banks as Kaldi computes them.
//!
//! Follows `compute-fbank-feats` with dither 0, energy not used and edges snipped: per frame the
//! mean is removed, then pre-emphasis, window, power spectrum, triangular mel filters, logarithm.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Features};

/// Kaldi works on 16-bit integers; samples in -1..1 are scaled to that.
const INTEGER_SCALE: f32 = 32768.0;

/// Shape of the window that each frame is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Kaldi's own: a Hann window to the power 0.85, zero at both ends.
    #[default]
    Povey,
    /// `0.54 - 0.46 cos`.
    Hamming,
}

/// Settings of [`Fbank`]; the defaults are 80 bins at 16 kHz, 25 ms frames every 10 ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FbankConfig {
    /// Sample rate in Hz; audio of another rate is resampled to it.
    pub sample_rate: u32,
    /// Number of mel filters, which is the number of features per frame.
    pub num_mel_bins: usize,
    /// Length of a frame in milliseconds.
    pub frame_length_ms: f32,
    /// Distance between the starts of two frames in milliseconds.
    pub frame_shift_ms: f32,
    /// Lower edge of the first filter in Hz.
    pub low_frequency_hz: f32,
    /// Upper edge of the last filter in Hz; half of the sample rate if not given.
    pub high_frequency_hz: Option<f32>,
    /// Each sample minus this times the one before it.
    pub preemphasis: f32,
    /// Shape of the window.
    pub window: Window,
}

impl Default for FbankConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16000,
            num_mel_bins: 80,
            frame_length_ms: 25.0,
            frame_shift_ms: 10.0,
            low_frequency_hz: 20.0,
            high_frequency_hz: None,
            preemphasis: 0.97,
            window: Window::Povey,
        }
    }
}

/// Computes log-mel filter banks; made once, used for many clips and from many threads.
pub struct Fbank {
    config: FbankConfig,
    frame_length: usize,
    frame_shift: usize,
    /// `frame_length` values.
    window: Vec<f32>,
    filters: Vec<Filter>,
    fft: Arc<dyn RealToComplex<f32>>,
}

/// One triangle: weights of consecutive bins of the spectrum.
struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl Fbank {
    /// Window, filters and transform of `config`.
    ///
    /// # Errors
    /// `Config` names the key that makes no sense, for example more filters than the spectrum has
    /// bins for.
    pub fn new(config: FbankConfig) -> Result<Self, Error> {
        check(&config)?;
        let samples = |ms: f32| (f64::from(config.sample_rate) * f64::from(ms) * 0.001) as usize;
        let frame_length = samples(config.frame_length_ms);
        let frame_shift = samples(config.frame_shift_ms);
        if frame_length < 2 {
            return Err(bad("frame_length_ms", "at least two samples", config.frame_length_ms));
        }
        if frame_shift < 1 {
            return Err(bad("frame_shift_ms", "at least one sample", config.frame_shift_ms));
        }
        let fft_length = frame_length.next_power_of_two();
        let filters = filters(&config, fft_length)?;
        let fft = RealFftPlanner::new().plan_fft_forward(fft_length);
        let window = window(config.window, frame_length);
        Ok(Self { config, frame_length, frame_shift, window, filters, fft })
    }

    /// The settings that it was made from.
    pub fn config(&self) -> &FbankConfig {
        &self.config
    }

    /// Frames that `samples` samples give: only whole frames count.
    pub fn frames(&self, samples: usize) -> usize {
        samples.checked_sub(self.frame_length).map_or(0, |rest| rest / self.frame_shift + 1)
    }

    /// Samples of the shortest audio that gives a frame.
    pub fn shortest(&self) -> usize {
        self.frame_length
    }

    /// Log-mel energies of `samples` (in -1..1, at the configured rate), shape `[frames, bins]`.
    ///
    /// # Errors
    /// `TooShort` when the audio gives no frame, `NonFiniteFeature` when samples are so large (or
    /// not finite) that energies are.
    pub fn compute(&self, samples: &[f32]) -> Result<Features, Error> {
        let frames = self.frames(samples.len());
        if frames == 0 {
            return Err(Error::TooShort { samples: samples.len(), shortest: self.frame_length });
        }
        let bins = self.filters.len();
        let mut data = Vec::with_capacity(frames * bins);
        let mut padded = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = vec![0.0_f32; spectrum.len()];
        for frame in 0..frames {
            let start = frame * self.frame_shift;
            self.prepare(&samples[start..start + self.frame_length], &mut padded);
            self.fft
                .process_with_scratch(&mut padded, &mut spectrum, &mut scratch)
                .expect("the buffers are the plan's own");
            for (power, value) in power.iter_mut().zip(&spectrum) {
                *power = value.norm_sqr();
            }
            data.extend(self.filters.iter().map(|filter| filter.log_energy(&power)));
        }
        let features = Features { frames, bins, data };
        features.check_finite()?;
        Ok(features)
    }

    /// Scales, centers, emphasizes and windows one frame into the zero-padded FFT input.
    fn prepare(&self, frame: &[f32], padded: &mut [f32]) {
        let (head, tail) = padded.split_at_mut(frame.len());
        tail.fill(0.0);
        let sum: f64 = frame.iter().map(|&x| f64::from(x * INTEGER_SCALE)).sum();
        let mean = (sum / frame.len() as f64) as f32;
        // Kaldi takes the first sample as its own predecessor.
        let mut previous = frame[0] * INTEGER_SCALE - mean;
        for ((out, &sample), &weight) in head.iter_mut().zip(frame).zip(&self.window) {
            let centered = sample * INTEGER_SCALE - mean;
            *out = (centered - self.config.preemphasis * previous) * weight;
            previous = centered;
        }
    }
}

impl Filter {
    fn log_energy(&self, power: &[f32]) -> f32 {
        let bins = &power[self.first_bin..self.first_bin + self.weights.len()];
        let energy: f32 =
            bins.iter().zip(&self.weights).map(|(power, weight)| power * weight).sum();
        // `max` would turn NaN into the floor and hide it.
        if energy < f32::EPSILON { f32::EPSILON.ln() } else { energy.ln() }
    }
}

fn check(config: &FbankConfig) -> Result<(), Error> {
    let nyquist = config.sample_rate as f32 / 2.0;
    let high = config.high_frequency_hz.unwrap_or(nyquist);
    if !(1000..=768_000).contains(&config.sample_rate) {
        return Err(bad("sample_rate", "1000 to 768000", config.sample_rate));
    }
    // Negated comparisons also refuse NaN.
    if !(config.frame_length_ms > 0.0 && config.frame_length_ms <= 10_000.0) {
        return Err(bad("frame_length_ms", "positive, up to 10000", config.frame_length_ms));
    }
    if !(config.frame_shift_ms > 0.0 && config.frame_shift_ms <= 10_000.0) {
        return Err(bad("frame_shift_ms", "positive, up to 10000", config.frame_shift_ms));
    }
    if !(high > 0.0 && high <= nyquist) {
        return Err(bad("high_frequency_hz", format!("positive, up to {nyquist}"), high));
    }
    if !(config.low_frequency_hz >= 0.0 && config.low_frequency_hz < high) {
        let expected = format!("from 0 to below {high}");
        return Err(bad("low_frequency_hz", expected, config.low_frequency_hz));
    }
    if !(0.0..=1.0).contains(&config.preemphasis) {
        return Err(bad("preemphasis", "from 0 to 1", config.preemphasis));
    }
    Ok(())
}

fn bad(key: &'static str, expected: impl Into<String>, value: impl ToString) -> Error {
    Error::Config { key, expected: expected.into(), value: value.to_string() }
}

fn window(shape: Window, length: usize) -> Vec<f32> {
    let step = TAU / (length - 1) as f64;
    let value = |n: usize| {
        let cos = (step * n as f64).cos();
        match shape {
            Window::Povey => (0.5 - 0.5 * cos).powf(0.85),
            Window::Hamming => 0.54 - 0.46 * cos,
        }
    };
    (0..length).map(|n| value(n) as f32).collect()
}

/// Kaldi's mel scale, after O'Shaughnessy.
fn mel(frequency: f64) -> f64 {
    1127.0 * (1.0 + frequency / 700.0).ln()
}

/// Triangles of equal width on the mel scale, each from its left neighbor's peak to its right
/// neighbor's. The bin at half of the sample rate belongs to none, as in Kaldi.
fn filters(config: &FbankConfig, fft_length: usize) -> Result<Vec<Filter>, Error> {
    let rate = f64::from(config.sample_rate);
    let high = config.high_frequency_hz.map_or(rate / 2.0, f64::from);
    let low = mel(f64::from(config.low_frequency_hz));
    let width = (mel(high) - low) / (config.num_mel_bins + 1) as f64;
    let mels: Vec<f64> =
        (0..fft_length / 2).map(|bin| mel(bin as f64 * rate / fft_length as f64)).collect();
    let filter = |index: usize| {
        let (left, right) = (low + index as f64 * width, low + (index + 2) as f64 * width);
        let first_bin = mels.partition_point(|&mel| mel <= left);
        let end_bin = mels.partition_point(|&mel| mel < right);
        let weight = |&mel: &f64| ((mel - left).min(right - mel) / width) as f32;
        let weights: Vec<f32> = mels[first_bin.min(end_bin)..end_bin].iter().map(weight).collect();
        (!weights.is_empty()).then_some(Filter { first_bin, weights })
    };
    let filters: Option<Vec<Filter>> = (0..config.num_mel_bins).map(filter).collect();
    filters.filter(|filters| !filters.is_empty()).ok_or_else(|| {
        let expected = "positive and so small that every filter covers a bin of the spectrum";
        bad("num_mel_bins", expected, config.num_mel_bins)
    })
}
