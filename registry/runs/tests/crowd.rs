//! Many processes at one store: nobody waits for a reader, nobody hears "locked".

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ablate_runs::{Filter, Measurement, NewAttempt, NewRun, Outcome, Status, Store};
use serde_json::json;

const HOME: &str = "ABLATE_RUNS_TEST_CROWD";
const WRITERS: u64 = 32;
const RUNS: u64 = 10;

/// A home in memory where there is such a place: what is tested here does not depend on the disk.
fn quick_home() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn trial(writer: u64, seed: u64) -> NewRun {
    NewRun {
        identity: format!("trial-{writer}-{seed}"),
        experiment: "crowd".into(),
        variant: format!("variant-{writer}"),
        seed,
        spec: json!({}),
        manifest: json!({}),
    }
}

fn spawn(test: &str, home: &std::path::Path, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(HOME, format!("{number}:{}", home.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn assigned() -> Option<(u64, String)> {
    let text = std::env::var(HOME).ok()?;
    let (number, home) = text.split_once(':')?;
    Some((number.parse().ok()?, home.to_owned()))
}

/// Not a test of its own: what a writing process does.
#[test]
fn writer() {
    let Some((writer, home)) = assigned() else { return };
    for seed in 0..RUNS {
        let store = Store::open(&home).unwrap();
        let claim = store.claim(&format!("trial-{writer}-{seed}")).unwrap().unwrap();
        let run = store.create(trial(writer, seed)).unwrap();
        claim.set_run(run.id()).unwrap();
        run.begin_attempt(&NewAttempt::here()).unwrap();
        run.append(&Measurement::new("loss", "train", 1, 0, 0.5)).unwrap();
        run.finish(&Outcome::default()).unwrap();
    }
}

/// Not a test of its own: what a reading process does.
#[test]
fn reader() {
    let Some((_, home)) = assigned() else { return };
    let mut before = 0;
    while !std::path::Path::new(&home).join("over").exists() {
        let listed = Store::open(&home).unwrap().runs(&Filter::default()).unwrap().len();
        assert!(listed >= before, "runs must not vanish: {before}, then {listed}");
        before = listed;
    }
}

#[test]
fn thirty_two_processes_write_while_others_read() {
    let home = quick_home();
    let start = Instant::now();
    let readers: Vec<_> = (0..4).map(|number| spawn("reader", home.path(), number)).collect();
    let writers: Vec<_> = (0..WRITERS).map(|number| spawn("writer", home.path(), number)).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    println!("{} runs by {WRITERS} processes in {:?}", WRITERS * RUNS, start.elapsed());
    fs_err::write(home.path().join("over"), "").unwrap();
    for mut reader in readers {
        assert!(reader.wait().unwrap().success());
    }
    let store = Store::open(home.path()).unwrap();
    let runs = store.runs(&Filter::default()).unwrap();
    assert_eq!(runs.len() as u64, WRITERS * RUNS);
    assert!(runs.iter().all(|run| run.status == Status::Done));
    store.rebuild().unwrap();
    assert_eq!(store.runs(&Filter::default()).unwrap(), runs);
}

#[test]
fn a_run_that_does_nothing_costs_little() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let mut times: Vec<_> = (0..41)
        .map(|seed| {
            let start = Instant::now();
            let run = store.create(trial(0, seed)).unwrap();
            run.begin_attempt(&NewAttempt::here()).unwrap();
            run.finish(&Outcome::default()).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("create, begin an attempt and finish: {:?} (median of 41)", times[20]);
    // About a millisecond and a half on a disk that syncs in 0.1 ms; a spinning one takes longer.
    assert!(times[20] < Duration::from_millis(500), "{times:?}");
}
