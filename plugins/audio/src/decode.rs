//! Audio files to mono samples; the format is recognized by content.

mod format;
mod mpeg;
mod opus;
mod stream;
mod wave;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::Error;
use format::Format;

/// Sample rates in Hz outside of these come from a damaged header.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 1000..=768_000;

/// A decoded audio file.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// The mean of the channels, full scale is -1..1; integer formats are divided by their range,
    /// float formats are taken as they are.
    pub samples: Vec<f32>,
    /// Samples per second. Opus is always decoded at 48 kHz.
    pub sample_rate: u32,
    /// Channels in the file.
    pub channels: u16,
    /// Length in seconds.
    pub duration_s: f64,
}

/// What a format's own decoder gives: mono samples and what the file says about itself.
struct Decoded {
    samples: Vec<f32>,
    sample_rate: u32,
    channels: usize,
    /// Samples per channel that the header promises, if it does.
    expected: Option<u64>,
}

/// Decodes wav (8 to 32-bit integer, 32 and 64-bit float), flac, mp3, Ogg Vorbis and Ogg Opus.
///
/// Delay and padding that an encoder added are removed where the file declares them. Files are
/// read whole.
///
/// # Errors
/// Every error names the file: not audio, an unsupported format or codec by its name, truncated
/// (fewer samples than the header says), corrupt (against a checksum, where the format has one),
/// without samples, with non-finite samples. A panic of a decoder becomes an error too.
pub fn decode(path: impl AsRef<Path>) -> Result<Audio, Error> {
    let path = path.as_ref();
    let bytes = fs_err::read(path).map_err(|source| Error::read(path, source))?;
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_bytes(path, &bytes)));
    let decoded = decoded.map_err(|panic| Error::DecoderPanicked {
        path: path.to_owned(),
        message: panic_message(&*panic),
    })??;
    checked(path, decoded)
}

fn decode_bytes(path: &Path, bytes: &[u8]) -> Result<Decoded, Error> {
    match format::recognize(path, bytes)? {
        Format::Wave => wave::decode(path, bytes),
        Format::Flac { start } => stream::decode_flac(path, &bytes[start..]),
        Format::Mp3 { start } => stream::decode_mp3(path, &bytes[start..]),
        Format::Vorbis => stream::decode_vorbis(path, bytes),
        Format::Opus => opus::decode(path, bytes),
    }
}

fn checked(path: &Path, decoded: Decoded) -> Result<Audio, Error> {
    let Decoded { samples, sample_rate, channels, expected } = decoded;
    let path = path.to_owned();
    if let Some(expected) = expected.filter(|&expected| (samples.len() as u64) < expected) {
        return Err(Error::Truncated { path, expected, decoded: samples.len() as u64 });
    }
    if samples.is_empty() {
        return Err(Error::Empty { path });
    }
    if !SAMPLE_RATES.contains(&sample_rate) {
        return Err(Error::Corrupt { path, reason: format!("sample rate of {sample_rate} Hz") });
    }
    if let Some(index) = samples.iter().position(|sample| !sample.is_finite()) {
        return Err(Error::NonFinite { path, index });
    }
    let duration_s = samples.len() as f64 / f64::from(sample_rate);
    Ok(Audio { samples, sample_rate, channels: channels as u16, duration_s })
}

/// Appends the mean over the channels of `interleaved` to `mono`.
fn downmix(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    match channels {
        1 => mono.extend_from_slice(interleaved),
        2 => mono.extend(interleaved.chunks_exact(2).map(|pair| (pair[0] + pair[1]) * 0.5)),
        _ => mono.extend(interleaved.chunks_exact(channels).map(|frame| {
            let sum: f64 = frame.iter().map(|&sample| f64::from(sample)).sum();
            (sum / channels as f64) as f32
        })),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
