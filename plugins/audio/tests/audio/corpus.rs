//! Real recordings, where `ABLATE_DATA` names the folder with the corpora.

use std::path::Path;

use ablate_audio::{Audio, Error, FeatureConfig, decode, walk_audio};

use crate::support::{corpora, correlation};

/// Samples that `b` is later than `a`, up to 600, and their correlation there.
fn alignment(a: &[f32], b: &[f32]) -> (isize, f64) {
    let at = |lag: isize| match usize::try_from(lag) {
        Ok(lag) => correlation(a, &b[lag..]),
        Err(_) => correlation(&a[lag.unsigned_abs()..], b),
    };
    (-600..=600).map(|lag| (lag, at(lag))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

fn load(root: &Path, name: &str) -> Audio {
    decode(root.join(name)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_container_decodes_or_names_its_reason() {
    let Some(root) = corpora().map(|root| root.join("audio_formats")) else { return };
    // File, sample rate, channels, samples per channel; counted with libsndfile, which decodes Opus
    // at its original 8 kHz: 4043 and 8043 samples.
    let expected = [
        ("lhotse/2412-153948-0000.flac", 16000, 1, 186_560),
        ("lhotse/2412-153948-0001.flac", 16000, 1, 168_160),
        ("lhotse/ES2011a.Headset-0-40s-46s.wav", 16000, 1, 96000),
        ("lhotse/libri-1088-134315-0000.wav", 16000, 1, 256_640),
        ("lhotse/mono_c0.opus", 48000, 1, 24260),
        ("lhotse/mono_c0.wav", 8000, 1, 4000),
        ("lhotse/stereo.mp3", 8000, 2, 8000),
        ("lhotse/stereo.opus", 48000, 2, 48260),
        ("lhotse/stereo.wav", 8000, 2, 8000),
        ("mfa/cold_corpus.wav", 16000, 1, 411_481),
        ("mfa/cold_corpus_24bit.wav", 16000, 1, 411_481),
        ("mfa/cold_corpus_32bit_float.wav", 16000, 1, 411_481),
        ("mfa/dummy.mp3", 16000, 1, 17280),
        ("mfa/dummy.wav", 16000, 1, 16000),
        ("mfa/mfa_um.flac", 16000, 1, 142_896),
        ("pyannote/empty.wav", 16000, 1, 16000),
    ];
    for (name, rate, channels, count) in expected {
        let audio = load(&root, name);
        let found = (audio.sample_rate, audio.channels, audio.samples.len());
        assert_eq!(found, (rate, channels, count), "{name}");
    }
    for path in walk_audio(&root).unwrap() {
        let audio = decode(&path).unwrap_or_else(|error| panic!("{error}"));
        println!("{}: {} Hz, {} s", path.display(), audio.sample_rate, audio.duration_s);
    }
    for (name, reason) in [
        ("lhotse/stereo.sph", "is NIST SPHERE, which is not supported"),
        ("lhotse/cuts.json", "is not audio: it is text"),
        ("lhotse/ES2011a_sups.jsonl.gz", "is not audio: it is a gzip archive"),
        ("mfa/cold_corpus.lab", "is not audio: it is text"),
    ] {
        let error = decode(root.join(name)).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}

#[test]
fn sample_formats_of_one_recording_agree() {
    let Some(root) = corpora().map(|root| root.join("audio_formats/mfa")) else { return };
    let base = load(&root, "cold_corpus.wav");
    for name in ["cold_corpus_24bit.wav", "cold_corpus_32bit_float.wav"] {
        let other = load(&root, name);
        assert_eq!(other.sample_rate, base.sample_rate);
        let (lag, correlation) = alignment(&base.samples[..16000 * 5], &other.samples[..16000 * 5]);
        assert!(lag == 0 && correlation > 0.9999, "{name}: {correlation} at {lag}");
    }
}

#[test]
fn speech_in_opus_has_the_loudness_that_libsndfile_decodes() {
    let Some(root) = corpora().map(|root| root.join("audio_formats/lhotse")) else { return };
    for (name, expected) in [("mono_c0.opus", 0.011_789), ("stereo.opus", 0.062_770)] {
        let samples = load(&root, name).samples;
        let power: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
        let found = (power / samples.len() as f64).sqrt();
        println!("{name}: root mean square {found:.6}, expected {expected:.6}");
        // It decodes at 8 kHz, which drops what little is above 4 kHz.
        assert!((found / expected - 1.0).abs() < 0.01);
    }
}

#[test]
fn wav_flac_and_mp3_of_one_clip_agree() {
    let Some(root) = corpora().map(|root| root.join("ljspeech32")) else { return };
    for clip in 1..=32 {
        let name = format!("LJ001-{clip:04}");
        let wav = load(&root, &format!("wavs/{name}.wav"));
        let flac = load(&root, &format!("flac/{name}.flac"));
        assert_eq!(flac, wav, "{name}");
        let mp3 = load(&root, &format!("mp3/{name}.mp3"));
        // Two of the encoder's files say a length that is 18 too long.
        let longer = mp3.samples.len() - wav.samples.len();
        assert!(longer == 0 || longer == 18, "{name}: {longer}");
        // The worst one, 0.92, is so in libsndfile too: the encoder had few bits.
        let count = wav.samples.len().min(40000);
        let (lag, correlation) = alignment(&wav.samples[..count], &mp3.samples[..count]);
        assert!(lag == 0 && correlation > 0.9, "{name}: {correlation} at {lag}");
    }
}

#[test]
fn librispeech_has_its_durations() {
    let Some(root) = corpora() else { return };
    // Total seconds of the folders, from their description.
    for (name, files, seconds) in
        [("librispeech_to", 60, 447.0), ("librispeech_tc100", 165, 2080.0)]
    {
        let paths = walk_audio(root.join(name)).unwrap();
        assert_eq!(paths.len(), files);
        let mut total = 0.0;
        for path in paths {
            let audio = decode(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((audio.sample_rate, audio.channels), (16000, 1));
            total += audio.duration_s;
        }
        assert!((total - seconds).abs() < 1.0, "{name}: {total} s");
    }
}

#[test]
fn float_wavs_with_any_name_decode() {
    let Some(root) = corpora().map(|root| root.join("pyannote_debug")) else { return };
    let paths = walk_audio(&root).unwrap();
    assert_eq!(paths.len(), 15);
    assert!(paths.iter().any(|path| path.ends_with("data/trñ00.wav")));
    for path in paths {
        let audio = decode(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((audio.sample_rate, audio.channels), (16000, 1));
        // All but the sample are one longer than their 30 s.
        assert_eq!(
            audio.samples.len(),
            if path.ends_with("sample.wav") { 480_000 } else { 480_001 }
        );
    }
}

#[test]
fn features_of_every_clip_are_finite_and_normalized() {
    let Some(root) = corpora() else { return };
    let config = FeatureConfig { normalize: true, ..FeatureConfig::default() };
    for name in ["audio_formats", "ravdess", "ljspeech32/wavs"] {
        for path in walk_audio(root.join(name)).unwrap() {
            match config.extract(&path) {
                Ok(features) => assert!(features.data.iter().all(|x| x.abs() < 100.0)),
                Err(error @ Error::Features { .. }) => panic!("{}: {error}", path.display()),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
