//! Every plugin of the workspace, as a library, passes the conformance checks with no code of its
//! own; what misbehaves is caught by the check that is for it.

use ablate_border::{alone, library};
use ablate_conformance::{Kit, Outcome, Report};
use ablate_loader::{Loader, Services};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Services whose caches are new, and which can be cancelled.
struct Fresh {
    cancelled: Arc<AtomicBool>,
    cache: PathBuf,
}

impl Services for Fresh {
    fn log(&self, _: &str, _: u32, _: &str, _: &str) {}

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn cache_folder(&self) -> PathBuf {
        self.cache.clone()
    }
}

/// Checks a plugin in a process with one thread for each; `others` lend blocks for slots.
fn check(plugin: &str, others: &[&str], adjust: impl FnOnce(Kit) -> Kit) -> Report {
    let _turn = alone();
    let cache = tempfile::tempdir().expect("a temporary folder");
    let cancelled = Arc::new(AtomicBool::new(false));
    let services = Fresh { cancelled: cancelled.clone(), cache: cache.path().to_path_buf() };
    let loader = Loader::new(services, 1);
    let open = |name: &str| loader.open(&library(name), None).expect("a library that opens");
    let kit = Kit::new(open(plugin).root(), 1).expect("it describes itself");
    let mut kit = kit.cancellation(cancelled);
    for other in others {
        kit = kit.with_blocks_of(open(other).root()).expect("it describes itself");
    }
    adjust(kit).run()
}

/// The checks of `component` that did not pass, with their outcomes.
fn open_ends(report: &Report, component: &str) -> Vec<(String, Outcome)> {
    let own = report.components.iter().filter(|own| own.name == component);
    let checks = own.flat_map(|own| &own.checks);
    checks
        .filter(|check| check.outcome != Outcome::Passed)
        .map(|check| (check.name.clone(), check.outcome))
        .collect()
}

#[test]
fn losses_conform() {
    let report = check("losses", &[], |kit| kit);
    assert!(report.passed(), "{report}");
    assert_eq!(open_ends(&report, "masked-mse"), []);
}

#[test]
fn metrics_conform() {
    let report = check("metrics", &[], |kit| kit);
    assert!(report.passed(), "{report}");
    assert_eq!(report.count(Outcome::Skipped), 0, "{report}");
}

#[test]
fn codes_conform() {
    let report = check("codes", &[], |kit| kit);
    assert!(report.passed(), "{report}");
    for block in ["all", "mean", "vote", "medoid", "first", "attention"] {
        let padding = open_ends(&report, block).into_iter().find(|(name, _)| name == "padding");
        assert_eq!(padding, None, "{report}");
    }
    assert_eq!(open_ends(&report, "id-map"), []);
    assert_eq!(open_ends(&report, "codes"), []);
}

#[test]
fn pooling_conforms() {
    let report = check("pooling", &[], |kit| kit);
    assert!(report.passed(), "{report}");
    for block in ["mean", "attentive-mean", "attentive-stats", "sliding-window"] {
        assert_eq!(open_ends(&report, block), []);
    }
}

#[test]
fn a_plugin_that_is_linked_into_its_test_conforms_in_one_line() {
    let _turn = alone();
    ablate_conformance::assert_conforms(ablate_pooling::ablate_plugin_root::plugin());
}

#[test]
fn rqvae_conforms_with_the_kits_own_pooling_and_with_another_plugins() {
    for others in [&[][..], &["pooling"]] {
        let report = check("rqvae", others, |kit| kit);
        assert!(report.passed(), "{report}");
        assert_eq!(open_ends(&report, "rqvae"), []);
    }
}

/// Encoders of a few numbers whose frames are every second sample, so that batches of any size have
/// frames. Their weights are drawn, biases too: at those that every training starts from, an item
/// of one sample is zero all the way, where a normalization is steeper than differences can see.
#[test]
fn ssl_conforms() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/ssl/tests/ssl/data/steps");
    let config = |name: &str| {
        let file = |file: &str| data.join(name).join(file);
        json!({
            "size": "custom",
            "architecture": file("config.json"),
            "weights": file("model.safetensors"),
        })
    };
    let mut sum = config("wavlm-base");
    sum["weighted_sum"] = json!(true);
    let given = json!({
        "wavlm": [sum, config("wavlm-large")],
        "hubert": [config("hubert-base"), config("hubert-large")],
    });
    let report = check("ssl", &[], |kit| kit.configurations(&given));
    assert!(report.passed(), "{report}");
    let own = report.components.iter().filter(|own| own.config.is_some());
    let exercised = own.filter(|own| own.checks.iter().all(|c| c.outcome == Outcome::Passed));
    assert_eq!(exercised.count(), 4, "{report}");
}

#[test]
fn speech_conforms() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = corpus(folder.path());
    let given = json!({
        "librispeech": { "root": root },
        "audio-folder": { "root": root, "max_seconds": 0.3, "crop": "random", "audio": true },
        // Frames of three and of sixteen samples: random inputs are far shorter than 25 ms.
        "log-mel": [
            { "mel_bins": 1, "frame_length_ms": 0.1875, "frame_shift_ms": 0.125 },
            { "mel_bins": 3, "frame_length_ms": 1.0, "frame_shift_ms": 0.5 },
        ],
    });
    let report = check("speech", &[], |kit| kit.configurations(&given));
    assert!(report.passed(), "{report}");
}

#[test]
fn tokens_conform() {
    let given = json!({
        "semantic-tokens": [
            { "clusters": 3, "initial_frames": 20, "reassignment_ratio": 0.1 },
            { "clusters": 1, "initial_rounds": 0 },
        ],
        "semantic-map": [{ "bpe_vocabulary": 5000 }, { "units": 4, "deduplicate": false }],
    });
    let report = check("tokens", &[], |kit| kit.configurations(&given));
    assert!(report.passed(), "{report}");
    assert_eq!(open_ends(&report, "semantic-tokens"), []);
}

/// A corpus in the layout of LibriSpeech, of short noisy tones.
fn corpus(folder: &Path) -> PathBuf {
    for (speaker, chapter) in [(7, 1), (7, 2), (8, 1)] {
        let place = folder.join(format!("{speaker}/{chapter}"));
        std::fs::create_dir_all(&place).expect("a temporary folder");
        for number in 0..6 {
            let samples = 6400 + 800 * number;
            let noise = ablate_border::numbers(samples, (speaker * 100 + number) as u64);
            let tone = noise.iter().enumerate().map(|(at, noise)| {
                let phase = at as f32 * 0.05 * speaker as f32;
                ((phase.sin() + 0.3 * noise) * 8000.0) as i16
            });
            let name = format!("{speaker}-{chapter}-{number:04}.wav");
            std::fs::write(place.join(name), wav(&tone.collect::<Vec<_>>())).expect("a file");
        }
    }
    folder.to_path_buf()
}

/// 16-bit mono at 16 kHz.
fn wav(samples: &[i16]) -> Vec<u8> {
    let size = 2 * samples.len() as u32;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend([1u16, 1].iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend([16_000u32, 32_000].iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend([2u16, 16].iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(b"data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[test]
fn components_that_misbehave_are_caught_by_the_check_that_is_for_it() {
    let cases = [
        ("panic", "shapes", "the misbehaving block panicked"),
        ("panic-in-new", "create", "the misbehaving block panicked while it was made"),
        ("nan", "shapes", "output `pooled` holds NaN or infinity"),
        ("nan-gradient", "shapes", "is not finite"),
        ("shape", "shapes", "which is not `pooled: f32[B, 1,"),
    ];
    let configs: Vec<Value> = cases.iter().map(|(how, _, _)| json!({ "how": how })).collect();
    let given = json!({ "misbehaving": configs });
    let report = check("fixture", &[], |kit| kit.configurations(&given).only("misbehaving"));
    for (how, check, text) in cases {
        let config = Some(json!({ "how": how }));
        let own = report.components.iter().find(|own| own.config == config);
        let own = own.unwrap_or_else(|| panic!("no report on {how}: {report}"));
        let failed = own.checks.iter().find(|check| check.outcome == Outcome::Failed);
        let failed = failed.unwrap_or_else(|| panic!("{how} was not noticed: {report}"));
        assert_eq!(failed.name, check, "{how}: {}", failed.detail);
        assert!(failed.detail.contains(text), "{how}: {}", failed.detail);
    }
    let report = check("fixture", &[], |kit| kit.only("wide"));
    assert!(open_ends(&report, "wide").contains(&("shapes".to_owned(), Outcome::Failed)));
}

#[test]
fn components_for_tests_conform_where_they_do_not_misbehave() {
    for component in ["tiny", "mixing", "noisy", "stats"] {
        let report = check("fixture", &[], |kit| kit.only(component));
        assert!(report.passed(), "{report}");
    }
}
