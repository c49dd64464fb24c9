//! A home with ten thousand runs and ten million measurements: made quickly, listed quickly.
//!
//! Runs only where `ABLATE_SLOW` is set, since it writes a gigabyte. With `ABLATE_SIZE_HOME` the home is made there and
//! kept, to try the commands on it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use ablate_runs::{
    AttemptEnd, AttemptOutcome, Failure, Filter, Measurement, NewAttempt, NewRun, Outcome, Status,
    Store, SweepRecord,
};
use chrono::Utc;
use serde_json::{Value, json};

const RUNS: u32 = 10_000;
const LINES: u32 = 1_000;
const VARIANTS: u32 = 50;
const EXPERIMENTS: u32 = 10;
const METRICS: [&str; 8] = [
    "loss",
    "loss.reconstruction",
    "loss.commitment",
    "utilization",
    "perplexity",
    "mse",
    "mcd",
    "snr",
];

/// The files of a run as the store writes them, with placeholders for what differs between runs.
struct Template {
    manifest: String,
    spec: String,
    done: String,
    failed: String,
    attempt: String,
    end: String,
}

impl Template {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        // About as much as the manifest of a real run.
        let component =
            json!({ "plugin": "pooling", "sha256": "5f2c".repeat(16), "schema": "x".repeat(700) });
        let new = |identity: &str| NewRun {
            identity: identity.into(),
            experiment: "@experiment@".into(),
            variant: "@variant@".into(),
            seed: 123_456_789,
            spec: json!({ "model": { "use": "rqvae" }, "rest": "x".repeat(1500) }),
            manifest: json!({ "host": "0.1.0", "components": vec![component.clone(); 6] }),
        };
        let finals = METRICS.iter().map(|metric| Measurement {
            unit: Some("dB".into()),
            higher_is_better: Some(true),
            ..Measurement::new(metric, "test", 1000, 10, 0.123_456_789)
        });
        let run = store.create(new("_identity_")).unwrap();
        let attempt = run.begin_attempt(&NewAttempt::here()).unwrap();
        attempt.end(&AttemptEnd::now(12.5, AttemptOutcome::Done)).unwrap();
        let outcome = Outcome { finals: finals.collect(), wall_s: 12.5, ..Outcome::default() };
        run.finish(&outcome).unwrap();
        let other = store.create(new("other")).unwrap();
        let error = Failure { kind: "signal".into(), message: "killed".into(), hints: Vec::new() };
        other.finish(&Outcome { error: Some(error), ..Outcome::default() }).unwrap();
        let read = |path: PathBuf| fs_err::read_to_string(path).unwrap();
        let manifest = read(run.folder().join("manifest.json"));
        Self {
            manifest: manifest
                .replace(&run.id().to_string(), "@id@")
                .replace("123456789", "@seed@"),
            spec: read(run.folder().join("spec.json")),
            done: read(run.folder().join("result.json")),
            failed: read(other.folder().join("result.json")),
            attempt: read(attempt.folder().join("attempt.json")),
            end: read(attempt.folder().join("end.json")),
        }
    }

    fn write(&self, runs: &Path, number: u32) {
        let (id, experiment, variant, seed) = names(number);
        let folder = runs.join(&id);
        let attempt = folder.join("attempts/001");
        fs_err::create_dir_all(&attempt).unwrap();
        fs_err::create_dir(folder.join("checkpoints")).unwrap();
        fs_err::create_dir(folder.join("artifacts")).unwrap();
        let manifest = self.manifest.replace("@id@", &id).replace("_identity_", &identity(number));
        let manifest = manifest.replace("@experiment@", &experiment).replace("@variant@", &variant);
        let manifest = manifest.replace("@seed@", &seed.to_string());
        fs_err::write(folder.join("manifest.json"), manifest).unwrap();
        fs_err::write(folder.join("spec.json"), &self.spec).unwrap();
        fs_err::write(folder.join("measurements.jsonl"), measurements(number)).unwrap();
        fs_err::write(attempt.join("attempt.json"), &self.attempt).unwrap();
        // Of a hundred runs 95 are done, 3 failed, 2 lost.
        let result = match number % 100 {
            0..=94 => &self.done,
            95..=97 => &self.failed,
            _ => return,
        };
        fs_err::write(attempt.join("end.json"), &self.end).unwrap();
        fs_err::write(folder.join("result.json"), result).unwrap();
    }
}

/// Id, experiment, variant and seed of the run of this number.
fn names(number: u32) -> (String, String, String, u32) {
    // A run every 20 s, each with other random digits.
    let time = 0x0199_0000_0000_u64 + u64::from(number) * 20_000;
    let random = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let id = format!(
        "{:08x}-{:04x}-7{:03x}-8000-{random:012x}",
        time >> 16,
        time & 0xffff,
        number % 4096
    );
    let seed = number / EXPERIMENTS / VARIANTS;
    let variant = number / EXPERIMENTS % VARIANTS;
    (id, format!("experiment-{}", number % EXPERIMENTS), format!("variant-{variant}"), seed)
}

fn identity(number: u32) -> String {
    format!("{number:08x}{}", "5f2cab01".repeat(7))
}

fn measurements(number: u32) -> String {
    let mut text = String::with_capacity(100_000);
    for line in 0..LINES {
        let metric = METRICS[line as usize % METRICS.len()];
        let value = f64::from(line * 7919 + number) / 65_536.0;
        writeln!(
            text,
            "{{\"metric\":\"{metric}\",\"split\":\"train\",\"step\":{line},\"epoch\":{},\"value\":{value}}}",
            line / 100
        )
        .unwrap();
    }
    text
}

fn fill(home: &Path) {
    let runs = home.join("runs");
    fs_err::create_dir_all(&runs).unwrap();
    let template = Template::new();
    thread::scope(|scope| {
        for worker in 0..4 {
            let (template, runs) = (&template, &runs);
            scope.spawn(move || {
                (worker..RUNS).step_by(4).for_each(|number| template.write(runs, number));
            });
        }
    });
}

/// The sweep of one experiment: a thousand trials.
fn sweep() -> SweepRecord {
    let numbers: Vec<u32> = (0..RUNS).step_by(EXPERIMENTS as usize).collect();
    let trials = numbers.iter().map(|number| {
        let (_, _, variant, seed) = names(*number);
        json!({ "variant": variant, "seed": seed, "identity": identity(*number) })
    });
    let json = json!({
        "experiment": "experiment-0", "question": "", "file": "experiment.toml", "created": Utc::now(),
        "baseline": "variant-0", "seeds": [0], "variants": [], "trials": trials.collect::<Vec<Value>>(),
    });
    serde_json::from_value(json).unwrap()
}

/// Prints how long something takes in a store that is opened for it, and fails when that is too long.
fn timed<T>(home: &Path, what: &str, work: impl Fn(&Store) -> T) -> T {
    timed_after(|| {}, home, what, work)
}

/// The same, each time after something has happened.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn timed_after<T>(before: impl Fn(), home: &Path, what: &str, work: impl Fn(&Store) -> T) -> T {
    let mut times = Vec::new();
    let mut result = None;
    for _ in 0..5 {
        before();
        let start = Instant::now();
        let store = Store::open(home).unwrap();
        let opened = start.elapsed();
        result = Some(work(&store));
        drop(store);
        times.push((start.elapsed(), opened));
    }
    times.sort();
    let (whole, opened) = times[2];
    println!("{what:<44} {whole:>10.1?}  (open {opened:.1?})");
    assert!(whole < Duration::from_millis(200), "{what}: {times:?}");
    result.unwrap()
}

#[test]
fn ten_thousand_runs_are_listed_in_the_blink_of_an_eye() {
    if std::env::var_os("ABLATE_SLOW").is_none() {
        println!("SKIPPED: writes a gigabyte; set ABLATE_SLOW");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("ABLATE_SIZE_HOME").map(PathBuf::from);
    let home = kept.as_deref().unwrap_or(temporary.path());
    let start = Instant::now();
    if !home.join("runs").exists() {
        fill(home);
        println!("written in {:.1?}", start.elapsed());
    }
    let start = Instant::now();
    let store = Store::open(home).unwrap();
    println!("first open in {:.1?}", start.elapsed());
    let start = Instant::now();
    let mut heard = 0;
    let rebuilt = store.rebuild_with(&mut |_, _| heard += 1).unwrap();
    println!("rebuilt {} runs in {:.1?}", rebuilt.indexed, start.elapsed());
    assert_eq!((rebuilt.indexed, rebuilt.unreadable.len()), (RUNS as usize, 0));
    assert!(heard >= RUNS, "progress is told");
    store.record_sweep(&sweep()).unwrap();
    drop(store);

    let all = Filter::default();
    let newest = Filter { limit: Some(40), ..all.clone() };
    let listed = timed(home, "the newest 40", |store| store.runs(&newest).unwrap());
    assert_eq!(listed.len(), 40);
    let change = || {
        let folder = home.join("runs").join("changed");
        fs_err::create_dir(&folder).and_then(|()| fs_err::remove_dir(&folder)).unwrap();
    };
    timed_after(change, home, "the newest 40, right after a change", |s| s.runs(&newest).unwrap());
    let every = timed(home, "all 10,000", |store| store.runs(&all).unwrap());
    assert_eq!(every.len(), RUNS as usize);
    for (what, status, expected) in [
        ("done", Status::Done, 9500),
        ("failed", Status::Failed, 300),
        ("lost", Status::Lost, 200),
        ("running", Status::Running, 0),
    ] {
        let filter = Filter { status: Some(status), ..all.clone() };
        let found =
            timed(home, &format!("all that are {what}"), |store| store.runs(&filter).unwrap());
        assert_eq!(found.len(), expected);
    }
    let filter = Filter {
        experiment: Some("experiment-3".into()),
        variant: Some("variant-7".into()),
        ..all
    };
    let found = timed(home, "one variant", |store| store.runs(&filter).unwrap());
    assert_eq!(found.len(), 20);
    let cells = timed(home, "a table of 1,000 trials: runs and finals", |store| {
        let sweep = store.last_sweep("experiment-0").unwrap().unwrap();
        let latest = store.latest(sweep.trials.iter().map(|trial| &trial.identity)).unwrap();
        let ids: Vec<_> = latest.values().map(|run| run.id).collect();
        store.done_variants("experiment-0").unwrap();
        store.finals(&ids).unwrap().values().map(Vec::len).sum::<usize>()
    });
    // The numbers of this experiment end in 00, 10, … 90: all of them are done.
    assert_eq!(cells, 1000 * METRICS.len());
    timed(home, "the states of 1,000 trials", |store| store.trial_states(&sweep()).unwrap().len());
    let short = &listed[20].short;
    let shown = timed(home, "one run with its 1,000 measurements", |store| {
        let run = store.find(short).unwrap();
        (run.status().unwrap(), run.attempts().unwrap().len(), run.measurements().unwrap().len())
    });
    assert_eq!(shown.2, LINES as usize);
    timed(home, "a run that is not there", |store| store.find("ffff").unwrap_err().hints());
}
