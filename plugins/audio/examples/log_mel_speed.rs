//! Prints the real-time factor of the log-mel front end on one core: decoding, resampling and the
//! filter bank apart, and all of it as one.
//!
//! Takes the audio files that are named as arguments and all those below the folders among them; of
//! nothing, speech-like noise is made. Each figure is the best of five passes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ablate_audio::{Audio, Error, Fbank, FbankConfig, FeatureConfig, decode, resample, walk_audio};

const PASSES: usize = 5;

fn main() -> Result<(), Error> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for argument in std::env::args().skip(1) {
        let path = Path::new(&argument);
        if path.is_dir() { paths.extend(walk_audio(path)?) } else { paths.push(path.to_owned()) }
    }
    let fbank = Fbank::new(FbankConfig::default())?;
    let clips: Vec<Audio> = if paths.is_empty() {
        vec![noise()]
    } else {
        paths.iter().map(decode).collect::<Result<_, _>>()?
    };
    let rate = fbank.config().sample_rate;
    let at_rate = |clip: &Audio| resample(&clip.samples, clip.sample_rate, rate);
    let seconds: f64 = clips.iter().map(|clip| clip.duration_s).sum();
    say(&format!("{} recordings, {seconds:.1} s, one core", clips.len()));
    if !paths.is_empty() {
        report(
            "decode",
            seconds,
            best(|| paths.iter().try_for_each(|path| decode(path).map(drop)))?,
        );
    }
    let resampling = || {
        for clip in &clips {
            drop(at_rate(clip));
        }
        Ok(())
    };
    report("resample", seconds, best(resampling)?);
    let resampled: Vec<Vec<f32>> = clips.iter().map(at_rate).collect();
    let features = || resampled.iter().try_for_each(|samples| fbank.compute(samples).map(drop));
    report("log-mel", seconds, best(features)?);
    if !paths.is_empty() {
        let config = FeatureConfig { normalize: true, ..FeatureConfig::default() };
        let whole =
            || paths.iter().try_for_each(|path| config.extract_with(&fbank, path).map(drop));
        report("file to features", seconds, best(whole)?);
    }
    Ok(())
}

/// A minute of noise at 16 kHz, from a linear congruential generator.
fn noise() -> Audio {
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let samples = (0..16000 * 60).map(|_| draw()).collect();
    Audio { samples, sample_rate: 16000, channels: 1, duration_s: 60.0 }
}

fn best(mut pass: impl FnMut() -> Result<(), Error>) -> Result<Duration, Error> {
    let mut best = Duration::MAX;
    for _ in 0..PASSES {
        let start = Instant::now();
        pass()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn report(step: &str, seconds: f64, took: Duration) {
    let factor = seconds / took.as_secs_f64();
    say(&format!("{step:>16}: {:8.4} s, {factor:6.0} times real time", took.as_secs_f64()));
}

#[expect(clippy::print_stdout, reason = "an example may print")]
fn say(line: &str) {
    println!("{line}");
}
