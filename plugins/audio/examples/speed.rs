//! Prints how much faster than real time decoding, resampling and filter banks are, for the files
//! that are named as arguments or for generated audio.

use std::time::Instant;

use ablate_audio::{Audio, Error, Fbank, FbankConfig, decode, resample};

fn main() -> Result<(), Error> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let start = Instant::now();
    let clips: Vec<Audio> = if paths.is_empty() {
        vec![generated()]
    } else {
        paths.iter().map(decode).collect::<Result<_, _>>()?
    };
    let seconds: f64 = clips.iter().map(|clip| clip.duration_s).sum();
    if !paths.is_empty() {
        report("decode", start, seconds);
    }
    let start = Instant::now();
    let resampled: Vec<Vec<f32>> =
        clips.iter().map(|clip| resample(&clip.samples, clip.sample_rate, 16000)).collect();
    report("resample", start, seconds);
    let fbank = Fbank::new(FbankConfig::default())?;
    let start = Instant::now();
    for samples in &resampled {
        fbank.compute(samples)?;
    }
    report("filter bank", start, seconds);
    Ok(())
}

/// A minute of a tone at 44.1 kHz.
fn generated() -> Audio {
    let samples = (0..44100 * 60).map(|n| (n as f32 * 0.06).sin() * 0.3).collect();
    Audio { samples, sample_rate: 44100, channels: 1, duration_s: 60.0 }
}

#[expect(clippy::print_stdout, reason = "an example may print")]
fn report(step: &str, start: Instant, seconds: f64) {
    let elapsed = start.elapsed().as_secs_f64();
    println!(
        "{step}: {seconds:.1} s of audio in {elapsed:.4} s, {:.0} times real time",
        seconds / elapsed
    );
}
