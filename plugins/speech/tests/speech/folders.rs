//! `librispeech` and `audio-folder` on small folders: layouts, splits, cropping, caching.

use std::collections::BTreeSet;

use ablate_sdk::Dataset;
use ablate_speech::{
    AudioFolder, CorpusConfig, Crop, LibriSpeech, SplitBy, SyntheticConfig, SyntheticSpeech,
};

use crate::support::{Folder, copy, ids, whole};

fn all_ids<D: Dataset>(dataset: &D) -> BTreeSet<String> {
    dataset.splits().iter().flat_map(|split| ids(dataset, split)).collect()
}

#[test]
fn librispeech_is_found_at_any_depth_with_one_fingerprint() {
    let folder = Folder::new();
    folder.librispeech("LibriSpeech/test-other/", 3, 6);
    // The speaker list of the whole corpus names speakers who are not there.
    folder.file("LibriSpeech/SPEAKERS.TXT", b"14   | F | train-clean-360  | 25.03 | Nobody\n");
    let fingerprint = |below: &str| {
        let config = CorpusConfig { root: Some(folder.root().join(below)), ..folder.config() };
        let dataset = LibriSpeech::open(config, &folder.cache()).unwrap();
        assert_eq!(all_ids(&dataset).len(), 18);
        dataset.fingerprint().unwrap()
    };
    let one = fingerprint("");
    assert_eq!(fingerprint("LibriSpeech"), one);
    assert_eq!(fingerprint("LibriSpeech/test-other"), one);
}

#[test]
fn the_fingerprint_follows_content_and_settings_but_not_the_place() {
    let folder = Folder::new();
    folder.librispeech("", 3, 6);
    let elsewhere = Folder::new();
    copy(&folder.root(), &elsewhere.root());
    let fingerprint = |config: CorpusConfig, folder: &Folder| {
        LibriSpeech::open(config, &folder.cache()).unwrap().fingerprint().unwrap()
    };
    let one = fingerprint(folder.config(), &folder);
    assert_eq!(fingerprint(elsewhere.config(), &elsewhere), one);
    assert_eq!(fingerprint(CorpusConfig { memory_mib: 0, ..folder.config() }, &folder), one);
    for config in [
        CorpusConfig { audio: true, ..folder.config() },
        CorpusConfig { normalize: false, ..folder.config() },
        CorpusConfig { max_seconds: 0.2, ..folder.config() },
        CorpusConfig { split_seed: 3, ..folder.config() },
    ] {
        assert_ne!(fingerprint(config, &folder), one);
    }
    elsewhere.wave("100/7/100-7-0000.wav", 3200, 333.0);
    assert_ne!(fingerprint(elsewhere.config(), &elsewhere), one);
}

#[test]
fn speakers_are_numbered_and_kept_apart() {
    let folder = Folder::new();
    folder.librispeech("dev-clean/", 6, 3);
    let config = CorpusConfig { split_by: SplitBy::Speaker, ..folder.config() };
    let dataset = LibriSpeech::open(config, &folder.cache()).unwrap();
    let mut seen = BTreeSet::new();
    for (split, count) in [("train", 12), ("valid", 3), ("test", 3)] {
        let (ids, batch) = (ids(&dataset, split), whole(&dataset, split, 0));
        assert_eq!(ids.len(), count);
        let speakers = batch.integers("speaker").unwrap();
        for (id, speaker) in ids.iter().zip(&speakers) {
            // Speakers 100 to 105 are 0 to 5.
            assert_eq!(id.split('-').next().unwrap(), (100 + speaker).to_string());
        }
        let speakers: BTreeSet<i64> = speakers.into_iter().collect();
        assert!(seen.is_disjoint(&speakers));
        seen.extend(speakers);
    }
    assert_eq!(seen.len(), 6);
}

#[test]
fn one_subset_is_used_when_it_is_named() {
    let folder = Folder::new();
    folder.librispeech("dev-clean/", 2, 5);
    folder.wave("dev-other/9/8/9-8-0000.wav", 4000, 200.0);
    let config = CorpusConfig { subset: Some("dev-clean".into()), ..folder.config() };
    let dataset = LibriSpeech::open(config.clone(), &folder.cache()).unwrap();
    assert_eq!(all_ids(&dataset).len(), 10);
    let dataset = AudioFolder::open(config.clone(), &folder.cache()).unwrap();
    assert_eq!(all_ids(&dataset).len(), 10);
    let config = CorpusConfig { subset: Some("dev".into()), ..config };
    let root = folder.root();
    let expected = format!(
        "`subset`: no audio of `dev` in `{}`; there is `dev-clean`, `dev-other`",
        root.display()
    );
    let error = LibriSpeech::open(config.clone(), &folder.cache()).err().unwrap();
    assert_eq!(error.to_string(), expected);
    let error = AudioFolder::open(config, &folder.cache()).err().unwrap();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn transcripts_are_read_where_there_are_some() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    folder.file("100/7/100-7.trans.txt", b"100-7-0000 HELLO WORLD\n100-7-0001 AGAIN\r\n\nodd\n");
    let dataset = LibriSpeech::open(folder.config(), &folder.cache()).unwrap();
    assert_eq!(dataset.transcript("100-7-0000"), Some("HELLO WORLD"));
    assert_eq!(dataset.transcript("100-7-0001"), Some("AGAIN"));
    assert_eq!(dataset.transcript("101-7-0000"), None);
    let report = dataset.prepare().unwrap();
    assert_eq!((&report["transcripts"], &report["files"]), (&2.into(), &10.into()));
}

#[test]
fn long_utterances_are_cut_at_their_start_or_in_a_random_place() {
    let folder = Folder::new();
    for index in 0..4 {
        folder.wave(&format!("a/{index}.wav"), 16000, 150.0 + 50.0 * index as f32);
    }
    // Normalized features of a part are no part of those of the whole.
    let config = CorpusConfig { valid_fraction: 0.25, normalize: false, ..folder.config() };
    let open = |crop, max_seconds, memory_mib| {
        let config = CorpusConfig { crop, max_seconds, memory_mib, ..config.clone() };
        AudioFolder::open(config, &folder.cache()).unwrap()
    };
    let features = |dataset: &AudioFolder, split: &str, stream| {
        whole(dataset, split, stream).slice::<f32>("features").unwrap().to_vec()
    };
    let uncut = open(Crop::Start, 0.0, 1024);
    // 1 s is 98 frames; 0.5 s are (8000 - 400) / 160 + 1 = 48.
    assert_eq!(uncut.items("train").unwrap()[0].size, 98);
    let all = features(&uncut, "train", 0);
    let start = open(Crop::Start, 0.5, 1024);
    assert_eq!(start.items("train").unwrap()[0].size, 48);
    assert_eq!(start.prepare().unwrap()["cropped"], 4);
    let cut = features(&start, "train", 0);
    assert_eq!(cut[..48 * 80], all[..48 * 80]);
    assert_eq!(cut, features(&start, "train", 1));

    let random = open(Crop::Random, 0.5, 1024);
    let (one, two) = (features(&random, "train", 1), features(&random, "train", 2));
    assert_eq!(one, features(&random, "train", 1));
    assert_ne!(one, two);
    let piece = &one[..48 * 80];
    assert!((0..=50).any(|start| all[start * 80..(start + 48) * 80] == *piece));
    // Nothing is random in evaluation.
    assert_eq!(features(&random, "valid", 1), features(&random, "valid", 2));
    assert_eq!(features(&random, "valid", 1), features(&start, "valid", 1));

    // Without memory the same comes from the cache.
    let lazy = open(Crop::Random, 0.5, 0);
    assert_eq!(lazy.prepare().unwrap()["in_memory"], false);
    assert_eq!(features(&lazy, "train", 1), one);
    assert_eq!(features(&lazy, "valid", 1), features(&start, "valid", 1));
}

#[test]
fn a_second_run_computes_nothing() {
    let folder = Folder::new();
    folder.librispeech("", 3, 4);
    let open = || LibriSpeech::open(folder.config(), &folder.cache()).unwrap();
    let first = open();
    assert_eq!(first.prepare().unwrap()["in_memory"], true);
    let entries = || {
        let mut entries = Vec::new();
        for folder in fs_err::read_dir(folder.cache().join("audio/features")).unwrap() {
            for entry in fs_err::read_dir(folder.unwrap().path()).unwrap() {
                let entry = entry.unwrap();
                entries.push((entry.file_name(), entry.metadata().unwrap().modified().unwrap()));
            }
        }
        entries.sort();
        entries
    };
    let before = entries();
    assert_eq!(before.len(), 12);
    let second = open();
    let (a, b) = (whole(&first, "train", 0), whole(&second, "train", 0));
    assert_eq!(a.slice::<f32>("features").unwrap(), b.slice::<f32>("features").unwrap());
    assert_eq!(entries(), before);
}

#[test]
fn audio_folder_takes_the_folder_for_the_speaker() {
    let folder = Folder::new();
    for name in ["x/ann/1.wav", "x/ann/2.wav", "y/bob/1.wav", "3.wav", "trñ00.wav"] {
        folder.wave(name, 4000, 200.0);
    }
    let config = CorpusConfig { valid_fraction: 0.0, test_fraction: 0.0, ..folder.config() };
    let dataset = AudioFolder::open(config, &folder.cache()).unwrap();
    assert_eq!(dataset.splits(), ["train"]);
    let names = ["3.wav", "trñ00.wav", "x/ann/1.wav", "x/ann/2.wav", "y/bob/1.wav"];
    assert_eq!(ids(&dataset, "train"), names);
    assert_eq!(whole(&dataset, "train", 0).integers("speaker").unwrap(), [0, 0, 1, 1, 2]);
}

#[test]
fn the_contract_names_what_batches_hold() {
    let config = CorpusConfig::default();
    let contract = LibriSpeech::contract(&config).unwrap().to_json().unwrap();
    let port = |name: &str, dtype: &str, shape: serde_json::Value| serde_json::json!({ "name": name, "dtype": dtype, "shape": shape, "optional": false });
    let expected = [
        port("features", "f32", serde_json::json!(["B", "T", "F"])),
        port("mask", "bool", serde_json::json!(["B", "T"])),
        port("seconds", "f32", serde_json::json!(["B"])),
        port("speaker", "int", serde_json::json!(["B"])),
    ];
    assert_eq!(contract["outputs"], serde_json::json!(expected));
    // The block in the slot fixes the features' size.
    let slot = &contract["slots"]["encoder"]["outputs"][0];
    assert_eq!(slot, &port("features", "f32", serde_json::json!(["N", "Y", "F"])));
    let config = CorpusConfig { audio: true, ..config };
    let contract = LibriSpeech::contract(&config).unwrap().to_json().unwrap();
    assert_eq!(contract["outputs"][4], port("audio", "f32", serde_json::json!(["B", "S"])));
    assert_eq!(contract["outputs"][5], port("audio_mask", "bool", serde_json::json!(["B", "S"])));
    let contract = SyntheticSpeech::contract(&SyntheticConfig::default()).unwrap();
    assert_eq!(contract.to_json().unwrap()["outputs"][4]["name"], "word");
}

#[test]
fn the_root_is_a_location_and_nothing_is_required() {
    let schema = schemars::schema_for!(CorpusConfig).to_value();
    assert_eq!(schema["properties"]["root"]["x-ablate"], "location");
    let config: CorpusConfig = serde_json::from_str("{}").unwrap();
    assert_eq!((config.max_seconds, config.crop), (10.0, Crop::Start));
    let parse = serde_json::from_str::<CorpusConfig>;
    assert!(parse(r#"{"split_by": "speaker", "crop": "random", "root": "x"}"#).is_ok());
    assert!(parse(r#"{"max_second": 3}"#).is_err());
}
