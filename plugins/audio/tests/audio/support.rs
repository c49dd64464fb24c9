//! Signals, files and measures that several tests share.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};

/// The stored fixtures and references.
pub(crate) fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn stored_json(name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs_err::read(stored(name)).unwrap()).unwrap()
}

/// Folder with real corpora; tests that need it pass without it.
pub(crate) fn corpora() -> Option<PathBuf> {
    let root = std::env::var_os("ABLATE_DATA").map(PathBuf::from);
    if root.is_none() {
        println!("skipped: no data");
    }
    root
}

/// A tone at 300 Hz, another one per further channel, at most 0.7.
pub(crate) fn tone(rate: u32, channels: u16, count: usize) -> Vec<f64> {
    let sample = |index: usize| {
        let (n, channel) = (index / usize::from(channels), index % usize::from(channels));
        let frequency = 300.0 * (1 + channel) as f64;
        0.7 * (TAU * frequency * n as f64 / f64::from(rate)).sin()
    };
    (0..count * usize::from(channels)).map(sample).collect()
}

/// Writes interleaved samples in -1..1 as integers of `bits` bits, or as 32-bit floats.
pub(crate) fn write_wav(
    path: &Path,
    rate: u32,
    channels: u16,
    bits: u16,
    format: SampleFormat,
    samples: &[f64],
) {
    let spec =
        WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for &sample in samples {
        match format {
            SampleFormat::Float => writer.write_sample(sample as f32).unwrap(),
            SampleFormat::Int => {
                let scale = f64::from(1_u32 << (bits - 1));
                writer.write_sample((sample * scale).round() as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
}

/// A canonical 44-byte header before `data`, with any codec.
pub(crate) fn wav_bytes(codec: u16, rate: u32, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend([codec.to_le_bytes(), channels.to_le_bytes()].concat());
    bytes.extend([rate.to_le_bytes(), (rate * u32::from(block)).to_le_bytes()].concat());
    bytes.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// Pearson's correlation over the common length.
pub(crate) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let length = a.len().min(b.len());
    let (a, b) = (&a[..length], &b[..length]);
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
