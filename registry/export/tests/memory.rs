//! Memory while exporting, in a process of its own: its peak is that of all that runs in it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

use std::collections::BTreeMap;

use ablate_export::{Form, Selection, Setting, write};
use ablate_runs::{Measurement, NewRun, Outcome, Store};
use fs_err as fs;
use serde_json::json;

/// Ten million measurements of one run, in little memory. Prints the speed.
#[test]
fn memory_does_not_grow_with_measurements() {
    if std::env::var_os("ABLATE_SLOW").is_none_or(|value| value.is_empty()) {
        eprintln!("skipped: slow (set ABLATE_SLOW)");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let store = Store::open(temporary.path().join("home")).unwrap();
    let new = NewRun {
        identity: "mean-0".into(),
        experiment: "pooling".into(),
        variant: "mean".into(),
        seed: 0,
        spec: json!({}),
        manifest: json!({}),
    };
    let run = store.create(new).unwrap();
    let count = 10_000_000_u64;
    for start in (0..count).step_by(100_000) {
        let some: Vec<Measurement> = (start..start + 100_000)
            .map(|step| Measurement::new("loss", "train", step, step / 1000, 1.0 / step as f64))
            .collect();
        run.append_all(&some).unwrap();
    }
    run.finish(&Outcome::default()).unwrap();
    let runs = [run];
    let settings: Vec<Setting> = Setting::differing([("mean", BTreeMap::new())]);
    for form in [Form::Csv, Form::Parquet, Form::Tensorboard] {
        let start = std::time::Instant::now();
        let folder = temporary.path().join(form.as_str());
        let selection = Selection { experiment: Some("pooling"), runs: &runs, settings: &settings };
        let written = write(&folder, form, &selection, &mut |_| ()).unwrap();
        let rows = written.measurements as f64 / start.elapsed().as_secs_f64();
        let bytes: u64 = written.files.iter().map(|file| file.bytes).sum();
        assert_eq!(written.measurements, count);
        eprintln!("{}: {:.2} million rows/s, {bytes} bytes", form.as_str(), rows / 1e6);
        fs::remove_dir_all(folder).unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    eprintln!("peak memory: {} MiB", kibibytes / 1024);
    // The measurements alone would take more than 800 MiB.
    assert!(kibibytes < 256 * 1024, "{kibibytes} KiB");
}
