//! `synthetic-speech`: reproducible, and its words can be told apart.

use ablate_sdk::Dataset;
use ablate_speech::{Encoder, LogMelConfig, SyntheticConfig, SyntheticSpeech};

use crate::support::{Counter, ids, whole};

fn open(config: SyntheticConfig) -> SyntheticSpeech {
    SyntheticSpeech::open(config).unwrap()
}

/// Mean features of `segments` equal parts of each item, and the item's label.
fn segments(
    dataset: &SyntheticSpeech,
    split: &str,
    label: &str,
    segments: usize,
) -> Vec<(Vec<f64>, i64)> {
    let batch = whole(dataset, split, 0);
    let shape = batch.shape("features").unwrap();
    let (frames, bins) = (shape[1], shape[2]);
    let features = batch.slice::<f32>("features").unwrap();
    let labels = batch.integers(label).unwrap();
    let items = dataset.items(split).unwrap();
    let mut points = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut point = vec![0.0; segments * bins];
        let mut counts = vec![0.0; segments];
        for t in 0..item.size {
            let segment = t * segments / item.size;
            counts[segment] += 1.0;
            for bin in 0..bins {
                point[segment * bins + bin] +=
                    f64::from(features[(index * frames + t) * bins + bin]);
            }
        }
        for (place, value) in point.iter_mut().enumerate() {
            *value /= counts[place / bins];
        }
        points.push((point, labels[index]));
    }
    points
}

/// Part of the split `test` that is nearest to the mean of its own label in `train`.
fn nearest_centroid(dataset: &SyntheticSpeech, label: &str, parts: usize) -> f64 {
    let mut centroids: std::collections::BTreeMap<i64, (Vec<f64>, f64)> =
        std::collections::BTreeMap::new();
    for (point, label) in segments(dataset, "train", label, parts) {
        let (sum, count) = centroids.entry(label).or_insert((vec![0.0; point.len()], 0.0));
        sum.iter_mut().zip(&point).for_each(|(sum, x)| *sum += x);
        *count += 1.0;
    }
    let test = segments(dataset, "test", label, parts);
    let distance = |point: &[f64], (sum, count): &(Vec<f64>, f64)| -> f64 {
        point.iter().zip(sum).map(|(x, sum)| (x - sum / count).powi(2)).sum()
    };
    let right = test.iter().filter(|(point, label)| {
        let nearest = centroids
            .iter()
            .min_by(|a, b| distance(point, a.1).total_cmp(&distance(point, b.1)))
            .unwrap();
        nearest.0 == label
    });
    right.count() as f64 / test.len() as f64
}

#[test]
fn nearest_centroids_tell_words_and_speakers_apart() {
    let words = nearest_centroid(&open(SyntheticConfig::default()), "word", 4);
    let more = SyntheticConfig { items_train: 800, items_test: 200, ..SyntheticConfig::default() };
    let unnormalized = SyntheticConfig { normalize: false, ..more };
    let speakers = nearest_centroid(&open(unnormalized), "speaker", 1);
    println!("accuracy: words {words:.2} (chance 0.05), speakers {speakers:.2} (chance 0.12)");
    assert!(words > 0.6, "{words}");
    assert!(speakers > 0.3, "{speakers}");
}

#[test]
fn the_same_configuration_gives_the_same_bits_in_any_order_of_calls() {
    let (one, other) = (open(SyntheticConfig::default()), open(SyntheticConfig::default()));
    let test = whole(&other, "test", 5);
    for split in ["train", "valid", "test"] {
        let (a, b) = (whole(&one, split, 1), whole(&other, split, 2));
        for name in ["word", "speaker"] {
            assert_eq!(a.integers(name).unwrap(), b.integers(name).unwrap());
        }
        assert_eq!(a.slice::<f32>("features").unwrap(), b.slice::<f32>("features").unwrap());
    }
    let again = whole(&one, "test", 6);
    assert_eq!(test.slice::<f32>("features").unwrap(), again.slice::<f32>("features").unwrap());
    assert_eq!(one.fingerprint().unwrap(), other.fingerprint().unwrap());
}

#[test]
fn the_seed_decides_the_data_and_the_fingerprint() {
    let one = open(SyntheticConfig::default());
    let other = open(SyntheticConfig { data_seed: 1, ..SyntheticConfig::default() });
    assert_ne!(one.fingerprint().unwrap(), other.fingerprint().unwrap());
    assert_ne!(
        whole(&one, "test", 0).slice::<f32>("features").unwrap(),
        whole(&other, "test", 0).slice::<f32>("features").unwrap()
    );
}

#[test]
fn splits_have_their_sizes_and_words_are_balanced() {
    let dataset = open(SyntheticConfig { words: 6, items_test: 0, ..SyntheticConfig::default() });
    assert_eq!(dataset.splits(), ["train", "valid"]);
    assert_eq!((ids(&dataset, "train").len(), ids(&dataset, "valid").len()), (192, 48));
    let words = whole(&dataset, "train", 0).integers("word").unwrap();
    assert!((0..6).all(|word| words.iter().filter(|&&w| w == word).count() == 32));
    let speakers = whole(&dataset, "train", 0).integers("speaker").unwrap();
    assert!((0..8).all(|speaker| speakers.contains(&speaker)));
    let error = dataset.items("test").unwrap_err().to_string();
    assert_eq!(error, "there is no split `test`, only `train`, `valid`");
}

#[test]
fn lengths_are_between_the_bounds_and_features_normalized() {
    let dataset = open(SyntheticConfig::default());
    // 0.8 s are 12800 samples, (12800 - 400) / 160 + 1 frames; likewise 1.6 s.
    let sizes: Vec<usize> = dataset.items("train").unwrap().iter().map(|item| item.size).collect();
    assert!(sizes.iter().all(|size| (78..=158).contains(size)));
    assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() > 60);
    let one = dataset.batch("train", &[0], 0).unwrap();
    let features = one.slice::<f32>("features").unwrap();
    for bin in 0..80 {
        let column = || features.iter().skip(bin).step_by(80).map(|&x| f64::from(x));
        let count = column().count() as f64;
        let mean = column().sum::<f64>() / count;
        let variance = column().map(|x| x * x).sum::<f64>() / count;
        assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
    }
}

#[test]
fn waveforms_are_speech_like() {
    let dataset = open(SyntheticConfig { noise: 0.0, ..SyntheticConfig::default() });
    for index in 0..48 {
        let samples = dataset.waveform("test", index).unwrap();
        let peak = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        assert!(peak > 0.05 && peak < 2.0, "item {index}: peak {peak}");
        let mean = samples.iter().sum::<f32>() / samples.len() as f32;
        assert!(mean.abs() < 0.01, "item {index}: mean {mean}");
    }
    assert!(dataset.waveform("test", 48).is_err());
}

#[test]
fn generates_the_defaults_quickly() {
    let dataset = open(SyntheticConfig::default());
    let start = std::time::Instant::now();
    let report = dataset.prepare().unwrap();
    let elapsed = start.elapsed();
    println!("288 items in {elapsed:?}: {report}");
    // Takes 0.2 s alone; the machine may be busy.
    assert!(elapsed.as_secs_f64() < 10.0, "{elapsed:?}");
}

#[test]
fn extreme_settings_give_finite_features() {
    for (mel_bins, frame_shift_ms) in [(1, 10.0), (23, 2.5), (120, 40.0)] {
        let config = SyntheticConfig {
            noise: 0.0,
            min_seconds: 0.1,
            max_seconds: 0.1,
            ..SyntheticConfig::default()
        };
        let log_mel = LogMelConfig { mel_bins, frame_shift_ms, ..LogMelConfig::default() };
        let encoder = Encoder::log_mel(&log_mel).unwrap();
        let dataset = SyntheticSpeech::open_with(config, None, encoder).unwrap();
        let shape = whole(&dataset, "train", 0).shape("features").unwrap();
        // 0.1 s are 1600 samples, a frame 400.
        assert_eq!(shape[1..], [1200 / (frame_shift_ms * 16.0) as usize + 1, mel_bins]);
    }
}

#[test]
fn batches_hold_audio_when_they_are_asked_to() {
    let config = SyntheticConfig { audio: true, ..SyntheticConfig::default() };
    let dataset = open(config);
    let batch = dataset.batch("valid", &[3, 1], 0).unwrap();
    let (audio, mask) = (batch.slice::<f32>("audio").unwrap(), batch.slice::<bool>("audio_mask"));
    let (mask, longest) = (mask.unwrap(), batch.shape("audio").unwrap()[1]);
    let seconds = batch.slice::<f32>("seconds").unwrap();
    for (row, index) in [3, 1].into_iter().enumerate() {
        let spoken = dataset.waveform("valid", index).unwrap();
        assert_eq!(audio[row * longest..][..spoken.len()], spoken);
        assert_eq!(
            mask.iter().skip(row * longest).take_while(|valid| **valid).count(),
            spoken.len()
        );
        assert_eq!(seconds[row], spoken.len() as f32 / 16000.0);
    }
}

#[test]
fn an_encoder_runs_once_and_its_features_are_kept_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let config = SyntheticConfig {
        items_train: 6,
        items_valid: 2,
        items_test: 0,
        ..SyntheticConfig::default()
    };
    let counter = Counter::default();
    let open = |identity: &str| {
        let encoder = counter.encoder(Some(identity));
        SyntheticSpeech::open_with(config.clone(), Some(folder.path()), encoder).unwrap()
    };
    let first = whole(&open("a"), "train", 0).slice::<f32>("features").unwrap().to_vec();
    assert_eq!(counter.count(), 8);
    assert_eq!(whole(&open("a"), "train", 0).slice::<f32>("features").unwrap(), first);
    assert_eq!(counter.count(), 8);
    whole(&open("b"), "train", 0);
    assert_eq!(counter.count(), 16);
}

#[test]
fn fails_on_settings_that_make_no_sense() {
    let fails = |config: SyntheticConfig| match SyntheticSpeech::open(config) {
        Ok(_) => panic!("must fail"),
        Err(error) => error.to_string(),
    };
    let defaults = SyntheticConfig::default;
    assert_eq!(
        fails(SyntheticConfig { max_seconds: 0.5, ..defaults() }),
        "`max_seconds` must be from `min_seconds` to 60, not `0.5`"
    );
    assert_eq!(
        fails(SyntheticConfig { words: 0, ..defaults() }),
        "`words` must be from 1 to 10000, not `0`"
    );
    let error = Encoder::log_mel(&LogMelConfig { mel_bins: 500, ..LogMelConfig::default() });
    assert!(error.err().unwrap().to_string().starts_with("`mel_bins` must be"));
    assert!(fails(SyntheticConfig { items_train: 0, ..defaults() }).starts_with("`items_train`"));
}

#[test]
fn the_generator_has_not_changed() {
    // Stored from revision 1: who changes the data raises the revision, so that no stored result is
    // taken for one of the new data.
    let dataset = open(SyntheticConfig::default());
    let ids: Vec<String> = ids(&dataset, "valid").into_iter().take(3).collect();
    assert_eq!(
        ids,
        [
            "valid-00000-speaker0-word10",
            "valid-00001-speaker7-word9",
            "valid-00002-speaker4-word13"
        ]
    );
    let batch = dataset.batch("valid", &[0, 1, 2], 0).unwrap();
    let features = batch.slice::<f32>("features").unwrap();
    let stored = [0.1144, -0.3659, 0.5580, 0.8573, 0.8652, 0.4351, 0.5405, 0.8568];
    for (found, stored) in features[20 * 80..].iter().zip(stored) {
        // Processors differ in the last digits.
        assert!((found - stored).abs() < 2e-3, "{found} {stored}");
    }
}
