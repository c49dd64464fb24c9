//! Recorded sweeps.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_runs::{Store, SweepRecord};
use chrono::{TimeDelta, Utc};

fn sweep(experiment: &str, seeds: &[u64]) -> SweepRecord {
    let json = serde_json::json!({
        "experiment": experiment,
        "question": "",
        "file": "experiment.toml",
        "created": Utc::now(),
        "baseline": "mean",
        "seeds": seeds,
        "variants": [{ "name": "mean", "set": [], "spec": { "rate": 0.1 } }],
        "trials": [{ "variant": "mean", "seed": 0, "identity": "trial" }],
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_sweep_is_recorded_when_it_differs_from_the_last() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.last_sweep("pooling").unwrap(), None);
    let first = sweep("pooling", &[0]);
    assert!(store.record_sweep(&first).unwrap());
    let again = SweepRecord { created: first.created + TimeDelta::hours(1), ..first.clone() };
    assert!(!store.record_sweep(&again).unwrap());
    let second = sweep("pooling", &[0, 1]);
    assert!(store.record_sweep(&second).unwrap());
    assert_eq!(store.last_sweep("pooling").unwrap(), Some(second));
    // Back to the first: what was run last is what is asked for.
    assert!(store.record_sweep(&again).unwrap());
    assert_eq!(store.last_sweep("pooling").unwrap(), Some(again));
    let listed = store.sweeps().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!((listed[0].variants, listed[0].trials), (1, 1));
    assert!(listed[0].file.exists());
}

#[test]
fn the_last_sweep_is_the_last_whatever_the_clock_says() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    store.record_sweep(&sweep("pooling", &[0])).unwrap();
    let file = store.sweeps().unwrap().remove(0).file;
    // As if it had been recorded in a far future, before the clock was set back.
    fs_err::rename(&file, file.with_file_name("f0000000-0000-7000-8000-000000000000.json"))
        .unwrap();
    let last = sweep("pooling", &[0, 1]);
    store.record_sweep(&last).unwrap();
    assert_eq!(store.last_sweep("pooling").unwrap(), Some(last));
}

#[test]
fn experiments_with_any_name_are_kept_apart() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let names = ["a b", "a-b", "a/b", "../escape", "", "größe", &"long ".repeat(80)];
    for name in names {
        assert!(store.record_sweep(&sweep(name, &[7])).unwrap(), "{name}");
    }
    for name in names {
        assert_eq!(store.last_sweep(name).unwrap().unwrap().experiment, name);
    }
    let inside = fs_err::read_dir(home.path().join("sweeps")).unwrap().count();
    assert_eq!(inside, names.len());
    assert!(!home.path().join("escape").exists());
}
