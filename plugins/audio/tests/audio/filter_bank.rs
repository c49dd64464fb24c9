//! Log-mel filter banks against stored values of kaldi-native-fbank.

use std::f64::consts::TAU;

use ablate_audio::{Error, Fbank, FbankConfig, FeatureConfig, Window};

use crate::support::stored_json;

/// The signal of `make_fbank.py`.
fn signal(rate: u32) -> Vec<f32> {
    let mut state = 12345_u32;
    let sample = |n: u32| {
        let t = f64::from(n) / f64::from(rate);
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state) / 4_294_967_296.0 - 0.5;
        let chirp = 0.3 * (TAU * (150.0 * t + 1200.0 * t * t)).sin();
        let tone = 0.1 * (TAU * 1234.5 * t).sin();
        (chirp + tone + 0.02 * noise + 0.01) as f32
    };
    (0..rate).map(sample).collect()
}

#[test]
fn agrees_with_kaldi_native_fbank() {
    for case in stored_json("fbank.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let number = |key: &str| case[key].as_f64().unwrap();
        let config = FbankConfig {
            sample_rate: number("sample_rate") as u32,
            num_mel_bins: number("num_mel_bins") as usize,
            frame_length_ms: number("frame_length_ms") as f32,
            low_frequency_hz: number("low_frequency_hz") as f32,
            high_frequency_hz: case["high_frequency_hz"].as_f64().map(|hz| hz as f32),
            window: if case["window"] == "povey" { Window::Povey } else { Window::Hamming },
            ..FbankConfig::default()
        };
        let rate = config.sample_rate;
        let features = Fbank::new(config).unwrap().compute(&signal(rate)).unwrap();
        assert_eq!(features.frames as u64, case["count"].as_u64().unwrap(), "{name}");
        let mut worst = 0.0_f64;
        for (frame, expected) in case["frames"].as_object().unwrap() {
            let found = features.frame(frame.parse().unwrap());
            let expected = expected.as_array().unwrap();
            assert_eq!(found.len(), expected.len());
            for (&found, expected) in found.iter().zip(expected) {
                worst = worst.max((f64::from(found) - expected.as_f64().unwrap()).abs());
            }
        }
        println!("{name}: differs by at most {worst:.1e}");
        assert!(worst < 1e-3, "{name}: {worst}");
    }
}

#[test]
fn frames_follow_from_samples_with_edges_snipped() {
    let fbank = Fbank::new(FbankConfig::default()).unwrap();
    // floor((n - 400) / 160) + 1.
    for (samples, frames) in [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)] {
        assert_eq!(fbank.frames(samples), frames, "{samples} samples");
    }
    assert_eq!(fbank.shortest(), 400);
}

#[test]
fn fails_on_audio_shorter_than_a_frame() {
    let error = Fbank::new(FbankConfig::default()).unwrap().compute(&[0.0; 399]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "audio of 399 samples is shorter than one frame: at least 400 samples are needed"
    );
}

#[test]
fn silence_gives_the_floor() {
    let features = Fbank::new(FbankConfig::default()).unwrap().compute(&[0.0; 400]).unwrap();
    assert_eq!(features.data, vec![f32::EPSILON.ln(); 80]);
}

#[test]
fn fails_where_energies_overflow() {
    let mut samples = vec![0.0; 800];
    samples[700] = 1e30;
    let error = Fbank::new(FbankConfig::default()).unwrap().compute(&samples).unwrap_err();
    assert!(matches!(error, Error::NonFiniteFeature { frame: 2, .. }), "{error}");
}

#[test]
fn fails_on_settings_that_make_no_sense() {
    let fails = |json: &str, expected: &str| {
        let config: FbankConfig = serde_json::from_str(json).unwrap();
        let error = Fbank::new(config).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(expected));
    };
    let few = "`num_mel_bins` must be positive and so small that every filter covers a bin of the \
               spectrum, not";
    fails(r#"{"num_mel_bins": 0}"#, &format!("{few} `0`"));
    fails(r#"{"num_mel_bins": 200}"#, &format!("{few} `200`"));
    fails(r#"{"sample_rate": 0}"#, "`sample_rate` must be 1000 to 768000, not `0`");
    fails(r#"{"frame_shift_ms": 0}"#, "`frame_shift_ms` must be positive, up to 10000, not `0`");
    fails(
        r#"{"high_frequency_hz": 9000}"#,
        "`high_frequency_hz` must be positive, up to 8000, not `9000`",
    );
}

#[test]
fn configuration_refuses_unknown_keys() {
    let error = serde_json::from_str::<FeatureConfig>(r#"{"fbank": {"num_mels": 80}}"#);
    assert!(error.unwrap_err().to_string().contains("unknown field `num_mels`"));
}
