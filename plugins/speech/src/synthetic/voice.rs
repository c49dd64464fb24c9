//! A word as sound: a source of pulses or noise through resonators that move between targets.
//!
//! A cascade of two-pole resonators as in Klatt, "Software for a cascade/parallel formant
//! synthesizer" (1980), behind Rosenberg's glottal pulse.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::lexicon::{Speaker, Word};
use super::phones::{Manner, Phone};
use crate::random::Draw;

/// Filters get new coefficients this often, per second.
const CONTROL_RATE: usize = 400;
/// Part of a unit at each end in which it blends with its neighbor.
const BLEND: f64 = 0.3;
/// Bandwidths in Hz of the three formants of a vowel; those of noise are wider.
const BANDWIDTHS_HZ: [f64; 3] = [70.0, 100.0, 150.0];
/// Frequency and bandwidth of a resonance that all voiced sounds have.
const FOURTH_FORMANT_HZ: (f64, f64) = (3500.0, 300.0);
/// Brings vowels to a root mean square of about 1.
const VOICE_GAIN: f64 = 14.0;
/// The same for noise.
const NOISE_GAIN: f64 = 0.6;
/// Root mean square of an utterance, before its own random level.
const LEVEL: f64 = 0.08;

/// What the synthesizer aims at, at one moment.
#[derive(Clone, Copy)]
struct Target {
    formants_hz: [f64; 3],
    noise_hz: [f64; 3],
    bandwidth_scale: f64,
    voice: f64,
    level: f64,
}

/// One saying of a word.
struct Utterance {
    /// The sounds with the times at which they end, as parts of the whole.
    units: Vec<(Phone, f64)>,
    pitch_hz: f64,
    /// Change of pitch from the start to the end, as a part of it.
    fall: f64,
    formant_scale: f64,
}

/// `seconds` of `word`, said by `speaker`, with noise of `noise` times the speech's level.
pub(super) fn say(
    word: &Word,
    speaker: &Speaker,
    seconds: f64,
    sample_rate: u32,
    noise: f64,
    draw: &mut Draw,
) -> Vec<f32> {
    let count = (seconds * f64::from(sample_rate)).round() as usize;
    let before = (count as f64 * draw.between(0.03, 0.10)) as usize;
    let after = (count as f64 * draw.between(0.03, 0.10)) as usize;
    let utterance = Utterance::new(word, speaker, draw);
    let speech = utterance.render(speaker, count - before - after, f64::from(sample_rate), draw);
    let power = speech.iter().map(|x| x * x).sum::<f64>() / speech.len().max(1) as f64;
    // Recordings are not equally loud: 12 dB between the extremes.
    let level = LEVEL * 10.0_f64.powf(draw.between(-0.3, 0.3));
    let gain = level / power.sqrt().max(1e-9);
    let mut samples: Vec<f32> = Vec::with_capacity(count);
    samples.resize(before, 0.0);
    samples.extend(speech.iter().map(|x| (x * gain) as f32));
    samples.resize(count, 0.0);
    if noise > 0.0 {
        for sample in &mut samples {
            *sample += (draw.noise() * noise * level) as f32;
        }
    }
    samples
}

impl Utterance {
    fn new(word: &Word, speaker: &Speaker, draw: &mut Draw) -> Self {
        let lengths: Vec<f64> =
            word.units.iter().map(|(_, length)| length * draw.between(0.7, 1.3)).collect();
        let total: f64 = lengths.iter().sum();
        let mut end = 0.0;
        let mut units = Vec::with_capacity(lengths.len());
        for ((phone, _), length) in word.units.iter().zip(lengths) {
            end += length / total;
            let mut phone = *phone;
            for resonance in phone.formants_hz.iter_mut().chain(&mut phone.noise_hz) {
                *resonance *= draw.between(0.94, 1.06);
            }
            units.push((phone, end));
        }
        Self {
            units,
            pitch_hz: speaker.pitch_hz * draw.between(0.93, 1.07),
            fall: draw.between(-0.3, 0.05),
            formant_scale: speaker.formant_scale * draw.between(0.99, 1.01),
        }
    }

    /// Targets at `time` (0 to 1): in the middle of a sound its own, near its ends halfway to the
    /// neighbor's.
    fn target(&self, time: f64) -> Target {
        let index = self.units.partition_point(|&(_, end)| end <= time).min(self.units.len() - 1);
        let start = if index == 0 { 0.0 } else { self.units[index - 1].1 };
        let place = (time - start) / (self.units[index].1 - start);
        let own = Target::of(&self.units[index].0, place);
        if place < BLEND {
            let part = smooth(0.5 + 0.5 * place / BLEND);
            let silence = Target { level: 0.0, ..own };
            let before = index.checked_sub(1).map(|before| Target::of(&self.units[before].0, 1.0));
            before.unwrap_or(silence).blend(&own, part)
        } else if place > 1.0 - BLEND {
            let part = smooth(0.5 * (place - 1.0 + BLEND) / BLEND);
            let silence = Target { level: 0.0, ..own };
            let after = self.units.get(index + 1).map(|(phone, _)| Target::of(phone, 0.0));
            own.blend(&after.unwrap_or(silence), part)
        } else {
            own
        }
    }

    fn render(&self, speaker: &Speaker, count: usize, rate: f64, draw: &mut Draw) -> Vec<f64> {
        let control = (rate as usize / CONTROL_RATE).max(1);
        let mut samples = Vec::with_capacity(count);
        let mut glottis = Glottis { phase: 0.0, jitter: 1.0, low_pass: 0.0, tilt: speaker.tilt };
        let mut tract = Tract::default();
        let mut level = 0.0;
        for start in (0..count).step_by(control) {
            let time = start as f64 / count as f64;
            let target = self.target(time);
            tract.tune(&target, self.formant_scale, speaker.bandwidth_scale, rate);
            let step = self.pitch_hz * (1.0 + self.fall * time) / rate;
            let breath = speaker.breath * target.voice + (1.0 - target.voice);
            let slope = (target.level - level) / control as f64;
            for _ in start..count.min(start + control) {
                let voice = target.voice * glottis.next(step, draw);
                level += slope;
                samples.push(tract.next(voice, breath * draw.noise()) * level);
            }
        }
        samples
    }
}

impl Target {
    fn of(phone: &Phone, place: f64) -> Self {
        // Noise has wider resonances; a nose damps.
        let bandwidth_scale = match phone.manner {
            Manner::Vowel => 1.0,
            Manner::Sonorant => 1.5,
            Manner::Fricative | Manner::Stop => 4.0,
        };
        let Phone { formants_hz, noise_hz, voice, .. } = *phone;
        Self { formants_hz, noise_hz, bandwidth_scale, voice, level: phone.level_at(place) }
    }

    fn blend(&self, other: &Self, part: f64) -> Self {
        let mix = |a: f64, b: f64| a + (b - a) * part;
        let formant = |index| mix(self.formants_hz[index], other.formants_hz[index]);
        Self {
            formants_hz: std::array::from_fn(formant),
            // Noise does not glide: it arises somewhere else.
            noise_hz: if part < 0.5 { self.noise_hz } else { other.noise_hz },
            bandwidth_scale: mix(self.bandwidth_scale, other.bandwidth_scale),
            voice: mix(self.voice, other.voice),
            level: mix(self.level, other.level),
        }
    }
}

/// 0 to 1 with slope 0 at both ends.
fn smooth(x: f64) -> f64 {
    x * x * (3.0 - 2.0 * x)
}

/// A train of glottal pulses behind a low-pass filter.
struct Glottis {
    /// Place within the period, 0 to 1.
    phase: f64,
    /// Length of this period relative to the regular one.
    jitter: f64,
    low_pass: f64,
    tilt: f64,
}

impl Glottis {
    fn next(&mut self, step: f64, draw: &mut Draw) -> f64 {
        self.phase += step * self.jitter;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            self.jitter = draw.between(0.985, 1.015);
        }
        self.low_pass = self.low_pass * self.tilt + pulse(self.phase) * (1.0 - self.tilt);
        self.low_pass
    }
}

/// Flow at `phase` of a period: opens over 40 %, closes over 10 % (Rosenberg 1971, pulse B's
/// trigonometric form).
fn pulse(phase: f64) -> f64 {
    const OPENING: f64 = 0.40;
    const CLOSING: f64 = 0.10;
    if phase < OPENING {
        0.5 * (1.0 - (PI * phase / OPENING).cos())
    } else if phase < OPENING + CLOSING {
        (FRAC_PI_2 * (phase - OPENING) / CLOSING).cos()
    } else {
        0.0
    }
}

/// The mouth: a cascade of resonators for the voice; resonators side by side for noise, which arises
/// in front.
#[derive(Default)]
struct Tract {
    voice: [Resonator; 4],
    noise: [Resonator; 3],
    last: f64,
    /// Factor on the change of the flow.
    slope: f64,
}

impl Tract {
    fn tune(&mut self, target: &Target, formant_scale: f64, bandwidth_scale: f64, rate: f64) {
        // Low sample rates have no place for high resonances.
        let place = |hertz: f64| (hertz * formant_scale).min(0.45 * rate);
        let width = |hertz: f64| hertz * bandwidth_scale;
        for (index, bandwidth) in BANDWIDTHS_HZ.into_iter().enumerate() {
            let bandwidth = width(bandwidth * target.bandwidth_scale);
            self.voice[index].tune(place(target.formants_hz[index]), bandwidth, rate);
            self.voice[index].pass_direct_current();
            self.noise[index].tune(place(target.noise_hz[index]), bandwidth, rate);
            self.noise[index].keep_noise_power();
        }
        let (fourth, bandwidth) = FOURTH_FORMANT_HZ;
        self.voice[3].tune(place(fourth), width(bandwidth), rate);
        self.voice[3].pass_direct_current();
        // What leaves the mouth is the change of the flow, which is less per sample at high rates.
        self.slope = VOICE_GAIN * rate / 16000.0;
    }

    fn next(&mut self, voice: f64, noise: f64) -> f64 {
        let flow = self.voice.iter_mut().fold(voice, |x, filter| filter.next(x));
        let voiced = (flow - self.last) * self.slope;
        self.last = flow;
        voiced + self.noise.iter_mut().map(|filter| filter.next(noise)).sum::<f64>() * NOISE_GAIN
    }
}

/// A two-pole filter.
#[derive(Default)]
struct Resonator {
    gain: f64,
    first: f64,
    second: f64,
    past: [f64; 2],
}

impl Resonator {
    fn tune(&mut self, frequency_hz: f64, bandwidth_hz: f64, rate: f64) {
        let radius = (-PI * bandwidth_hz / rate).exp();
        self.second = -radius * radius;
        self.first = 2.0 * radius * (TAU * frequency_hz / rate).cos();
    }

    /// Gain 1 at 0 Hz.
    fn pass_direct_current(&mut self) {
        self.gain = 1.0 - self.first - self.second;
    }

    /// Power 1 for white noise of power 1.
    fn keep_noise_power(&mut self) {
        // The variance of an autoregressive process of order two.
        let (a, b) = (self.first, self.second);
        let power = (1.0 - b) / ((1.0 + b) * ((1.0 - b).powi(2) - a * a));
        self.gain = power.sqrt().recip();
    }

    fn next(&mut self, input: f64) -> f64 {
        let output = self.gain * input + self.first * self.past[0] + self.second * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::{Resonator, Utterance};
    use crate::random::Draw;
    use crate::synthetic::lexicon::{Lexicon, Word};
    use crate::synthetic::phones::{CONSONANTS, VOWELS};

    fn power(samples: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = samples.len() as f64;
        samples.map(|x| x * x).sum::<f64>() / count
    }

    #[test]
    fn sounds_have_about_their_level_in_every_voice() {
        for speaker in &Lexicon::new(8, 0, 0).speakers {
            for phone in VOWELS.iter().chain(&CONSONANTS) {
                let word = Word { units: vec![(*phone, 1.0)] };
                let mut draw = Draw::new(0, &[]);
                let utterance = Utterance::new(&word, speaker, &mut draw);
                let samples = utterance.render(speaker, 8000, 16000.0, &mut draw);
                let found = power(samples[5000..6500].iter().copied()).sqrt() / phone.level;
                assert!((0.2..4.0).contains(&found), "{phone:?}: {found}");
            }
        }
    }

    #[test]
    fn a_resonator_keeps_the_power_of_noise_and_has_its_peak_at_its_frequency() {
        let mut filter = Resonator::default();
        filter.tune(1500.0, 100.0, 16000.0);
        filter.keep_noise_power();
        let mut draw = Draw::new(0, &["noise"]);
        let output: Vec<f64> = (0..200_000).map(|_| filter.next(draw.noise())).collect();
        assert!((power(output.into_iter()) - 1.0).abs() < 0.05);
        let response = |hertz: f64| {
            let mut filter = Resonator { past: [0.0; 2], ..filter };
            let step = TAU * hertz / 16000.0;
            let output: Vec<f64> =
                (0..8000).map(|n| filter.next((step * n as f64).sin())).collect();
            power(output[4000..].iter().copied())
        };
        assert!(response(1500.0) > response(1400.0) && response(1500.0) > response(1600.0));
        // The bandwidth is where half of the power is left.
        assert!((response(1550.0) / response(1500.0) - 0.5).abs() < 0.05);
    }

    #[test]
    fn a_resonator_passes_direct_current() {
        let mut filter = Resonator::default();
        filter.tune(300.0, 60.0, 16000.0);
        filter.pass_direct_current();
        let last = (0..4000).map(|_| filter.next(1.0)).last();
        assert!((last.unwrap() - 1.0).abs() < 1e-6);
    }
}
