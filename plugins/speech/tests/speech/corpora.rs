//! Real corpora, below the folder that `ABLATE_DATA` names.

use ablate_sdk::Dataset;
use ablate_speech::{AudioFolder, CorpusConfig, LibriSpeech, SplitBy};

use crate::support::{data, ids, whole};

#[test]
fn sixty_utterances_of_six_speakers() {
    let Some(data) = data() else { return };
    let cache = tempfile::tempdir().unwrap();
    let root = data.join("librispeech_to");
    let config = CorpusConfig { root: Some(root), ..CorpusConfig::default() };
    let dataset = LibriSpeech::open(config.clone(), cache.path()).unwrap();
    let start = std::time::Instant::now();
    let report = dataset.prepare().unwrap();
    println!("prepared in {:?}: {report}", start.elapsed());
    assert_eq!((&report["files"], &report["speakers"]), (&60.into(), &6.into()));
    assert_eq!((&report["transcripts"], &report["skipped"]), (&60.into(), &0.into()));
    // The folder's description says 447 s, which is 447.5 s cut off.
    assert_eq!(report["seconds"], 447.5);
    let text = dataset.transcript("1688-142285-0002").unwrap();
    assert_eq!(text, "YOU DON'T MEAN THAT YOU THOUGHT ME SO SILLY");
    let counts: Vec<usize> =
        dataset.splits().iter().map(|split| ids(&dataset, split).len()).collect();
    assert_eq!(counts, [42, 9, 9]);
    for split in dataset.splits() {
        whole(&dataset, &split, 0);
        // 10 s: (160000 - 400) / 160 + 1.
        assert!(dataset.items(&split).unwrap().iter().all(|item| item.size <= 998));
    }
    let config = CorpusConfig { split_by: SplitBy::Speaker, ..config };
    let start = std::time::Instant::now();
    let dataset = LibriSpeech::open(config, cache.path()).unwrap();
    dataset.prepare().unwrap();
    println!("prepared from the cache in {:?}", start.elapsed());
    let counts: Vec<usize> =
        dataset.splits().iter().map(|split| ids(&dataset, split).len()).collect();
    assert_eq!(counts, [40, 10, 10]);
}

#[test]
fn chapters_without_transcripts_are_fine() {
    let Some(data) = data() else { return };
    let cache = tempfile::tempdir().unwrap();
    let config = CorpusConfig {
        root: Some(data.join("librispeech_tc100/LibriSpeech")),
        subset: Some("train-clean-100".into()),
        split_by: SplitBy::Speaker,
        memory_mib: 20,
        ..CorpusConfig::default()
    };
    let dataset = LibriSpeech::open(config, cache.path()).unwrap();
    let report = dataset.prepare().unwrap();
    println!("{report}");
    assert_eq!((&report["files"], &report["speakers"]), (&165.into(), &165.into()));
    assert_eq!(report["transcripts"], 0);
    // 165 first utterances of a chapter each, which are 2080.5 s altogether.
    assert_eq!(report["seconds"], 2080.5);
    // 165 times up to 998 frames of 80 values are 47 MiB, of which 20 are held.
    assert_eq!(report["in_memory"], false);
    for split in dataset.splits() {
        whole(&dataset, &split, 0);
    }
}

#[test]
fn eight_kilohertz_speech_is_resampled() {
    let Some(data) = data() else { return };
    let cache = tempfile::tempdir().unwrap();
    let config = CorpusConfig { root: Some(data.join("fsdd")), ..CorpusConfig::default() };
    let dataset = AudioFolder::open(config, cache.path()).unwrap();
    let start = std::time::Instant::now();
    let report = dataset.prepare().unwrap();
    println!("prepared in {:?}: {report}", start.elapsed());
    assert_eq!((&report["files"], &report["skipped"]), (&2000.into(), &0.into()));
    let batch = dataset.batch("test", &[0, 1, 2], 0).unwrap();
    assert_eq!(batch.shape("features").unwrap()[2], 80);
}

#[test]
fn every_container_is_read() {
    let Some(data) = data() else { return };
    let cache = tempfile::tempdir().unwrap();
    let config = CorpusConfig {
        root: Some(data.join("audio_formats")),
        skip_unreadable: true,
        ..CorpusConfig::default()
    };
    let dataset = AudioFolder::open(config, cache.path()).unwrap();
    let report = dataset.prepare().unwrap();
    println!("{report}");
    let read = report["items"].as_object().unwrap().values().map(|n| n.as_u64().unwrap());
    let read: u64 = read.sum();
    assert_eq!(read + report["skipped"].as_u64().unwrap(), report["files"].as_u64().unwrap());
    assert_eq!(report["files"], 17);
    for split in dataset.splits() {
        let items = dataset.items(&split).unwrap();
        let indices: Vec<usize> = (0..items.len()).collect();
        let batch = dataset.batch(&split, &indices, 0).unwrap();
        assert!(batch.slice::<f32>("features").unwrap().iter().all(|x| x.is_finite()));
    }
}
