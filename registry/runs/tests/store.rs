//! The store from outside: index against folders, many writers, crashes.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ablate_runs::{Error, Failure, Filter, Measurement, NewRun, Outcome, RunId, Status, Store};
use serde_json::json;

fn trial(variant: &str, seed: u64) -> NewRun {
    NewRun {
        identity: format!("{variant}-{seed}"),
        experiment: "pooling".into(),
        variant: variant.into(),
        seed,
        spec: json!({ "model": { "use": "rqvae", "rate": 0.1 } }),
        manifest: json!({ "host": "0.1.0" }),
    }
}

fn failed() -> Outcome {
    let error = Failure {
        kind: "non-finite".into(),
        message: "loss is NaN".into(),
        hints: vec!["lower the learning rate".into()],
    };
    Outcome { error: Some(error), wall_s: 0.5, ..Outcome::default() }
}

fn done() -> Outcome {
    Outcome {
        error: None,
        wall_s: 1.25,
        peak_memory_bytes: Some(1 << 20),
        finals: vec![Measurement::new("utilization", "test", 10, 1, f64::NAN)],
        artifacts: Vec::new(),
    }
}

/// Done, failed and lost runs, three variants, extreme seeds.
fn fill(store: &Store) {
    for seed in [0, 1, u64::MAX] {
        store.create(trial("mean", seed)).unwrap().finish(&done()).unwrap();
        store.create(trial("attentive", seed)).unwrap().finish(&failed()).unwrap();
        store.create(trial("window", seed)).unwrap();
    }
}

#[test]
fn keeps_what_it_was_given() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = store.create(trial("mean", 7)).unwrap();
    run.append(&Measurement::new("loss", "train", 1, 0, 0.5)).unwrap();
    run.finish(&done()).unwrap();
    let read = Store::open(home.path()).unwrap().run(run.id()).unwrap();
    assert_eq!(read.spec().unwrap(), json!({ "model": { "use": "rqvae", "rate": 0.1 } }));
    assert_eq!(read.manifest().unwrap()["host"], "0.1.0");
    assert_eq!(read.manifest().unwrap()["run"]["seed"], 7);
    assert_eq!(read.measurements().unwrap().len(), 1);
    let result = read.result().unwrap().unwrap();
    assert_eq!(result.status, Status::Done);
    assert!(result.outcome.finals[0].value.is_nan());
    assert_eq!((read.variant(), read.seed(), read.status().unwrap()), ("mean", 7, Status::Done));
    assert!(matches!(run.finish(&done()), Err(Error::AlreadyFinished { .. })));
}

#[test]
fn rebuilt_index_equals_the_incremental_one() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    fill(&store);
    let reopened = store.create(trial("mean", 2)).unwrap();
    reopened.finish(&failed()).unwrap();
    reopened.reopen().unwrap();
    let incremental = store.runs(&Filter::default()).unwrap();
    assert_eq!(incremental.len(), 10);
    let rebuilt = store.rebuild().unwrap();
    assert_eq!((rebuilt.indexed, rebuilt.unreadable.len()), (10, 0));
    assert_eq!(store.runs(&Filter::default()).unwrap(), incremental);
}

#[test]
fn a_damaged_or_missing_index_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    fill(&store);
    let expected = store.runs(&Filter::default()).unwrap();
    let file = home.path().join("index.sqlite");
    let healthy = fs_err::read(&file).unwrap();
    let mut scribbled = healthy.clone();
    scribbled[4096..].fill(0xa5);
    let damages = [
        Vec::new(),
        b"not a database at all, but longer than a header".repeat(9),
        scribbled,
        healthy[..5000].to_vec(),
    ];
    for damage in damages {
        fs_err::write(&file, damage).unwrap();
        assert_eq!(store.runs(&Filter::default()).unwrap(), expected);
        assert_eq!(Store::open(home.path()).unwrap().runs(&Filter::default()).unwrap(), expected);
    }
    fs_err::remove_file(&file).unwrap();
    assert_eq!(store.runs(&Filter::default()).unwrap(), expected);
}

#[test]
fn heals_what_a_dead_process_left_out_of_the_index() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let index = home.path().join("index.sqlite");
    let run = store.create(trial("mean", 0)).unwrap();
    let before = fs_err::read(&index).unwrap();
    run.finish(&done()).unwrap();
    let other = store.create(trial("mean", 1)).unwrap();
    // The index as it was before the result and the second run.
    fs_err::write(&index, before).unwrap();
    assert_eq!(store.by_identity("mean-0").unwrap()[0].status, Status::Done);
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.runs(&Filter::default()).unwrap().len(), 2);
    fs_err::remove_dir_all(other.folder()).unwrap();
    assert_eq!(Store::open(home.path()).unwrap().runs(&Filter::default()).unwrap().len(), 1);
}

#[test]
fn an_unreadable_run_folder_stops_nothing_and_is_reported() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = store.create(trial("mean", 0)).unwrap();
    store.create(trial("mean", 1)).unwrap();
    fs_err::write(run.folder().join("manifest.json"), "{").unwrap();
    let rebuilt = store.rebuild().unwrap();
    assert_eq!(rebuilt.indexed, 1);
    assert_eq!(rebuilt.unreadable[0].folder, run.folder());
    assert_eq!(Store::open(home.path()).unwrap().runs(&Filter::default()).unwrap().len(), 1);
}

#[test]
fn filters_select_and_limit() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    fill(&store);
    let count = |filter: Filter| store.runs(&filter).unwrap().len();
    let all = Filter::default();
    assert_eq!(count(Filter { status: Some(Status::Done), ..all.clone() }), 3);
    assert_eq!(count(Filter { status: Some(Status::Failed), limit: Some(2), ..all.clone() }), 2);
    assert_eq!(count(Filter { status: Some(Status::Lost), limit: Some(2), ..all.clone() }), 2);
    assert_eq!(count(Filter { status: Some(Status::Running), ..all.clone() }), 0);
    assert_eq!(count(Filter { variant: Some("mean".into()), ..all.clone() }), 3);
    assert_eq!(count(Filter { experiment: Some("other".into()), ..all.clone() }), 0);
    let newest = store.runs(&Filter { limit: Some(1), ..all }).unwrap();
    assert_eq!((newest[0].variant.as_str(), newest[0].seed), ("window", u64::MAX));
}

#[test]
fn only_the_newest_open_run_of_a_claimed_trial_is_running() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let old = store.create(trial("mean", 0)).unwrap();
    let claim = store.claim("mean-0").unwrap().unwrap();
    let new = store.create(trial("mean", 0)).unwrap();
    let listed: Vec<_> =
        store.by_identity("mean-0").unwrap().iter().map(|run| run.status).collect();
    assert_eq!(listed, [Status::Running, Status::Lost]);
    assert_eq!((new.status().unwrap(), old.status().unwrap()), (Status::Running, Status::Lost));
    drop(claim);
    assert_eq!(new.status().unwrap(), Status::Lost);
}

#[test]
fn finds_by_prefix_and_lists_what_else_may_be_meant() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let error = store.find("0199").unwrap_err();
    assert_eq!(error.hints(), ["there are no runs yet: start one with `ablate run EXPERIMENT`"]);
    let runs: Vec<_> = (0..3).map(|seed| store.create(trial("mean", seed)).unwrap()).collect();
    for run in &runs {
        let short = store.short(run.id()).unwrap();
        assert_eq!(store.find(&short).unwrap().id(), run.id());
        assert_eq!(store.find(&run.id().to_string().to_uppercase()).unwrap().id(), run.id());
        // One digit less is ambiguous, unless the fewest digits already suffice.
        assert!(short.len() == 8 || store.find(&short[..short.len() - 1]).is_err());
    }
    let Err(Error::Ambiguous { candidates, .. }) = store.find("0") else { panic!("unique") };
    assert_eq!(candidates.len(), 3);
    for unknown in ["ffff", "pooling", ""] {
        let error = store.find(unknown).unwrap_err();
        assert_eq!(error.to_string(), format!("no run `{unknown}`"));
        assert!(error.hints()[0].contains("(pooling mean seed 2)"), "{:?}", error.hints());
    }
}

#[test]
fn refuses_identities_that_are_no_file_names() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    for identity in ["", "../x", "a/b", "a b"] {
        assert!(matches!(store.claim(identity), Err(Error::Name { .. })));
        let new = NewRun { identity: identity.into(), ..trial("mean", 0) };
        assert!(matches!(store.create(new), Err(Error::Name { .. })));
    }
    let new = NewRun { manifest: json!(["no object"]), ..trial("mean", 0) };
    assert!(matches!(store.create(new), Err(Error::Manifest)));
    assert_eq!(store.runs(&Filter::default()).unwrap(), []);
}

#[test]
fn many_handles_write_at_once() {
    let home = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for worker in 0..8 {
            let home = home.path();
            scope.spawn(move || {
                let store = Store::open(home).unwrap();
                for seed in 0..12 {
                    let run = store.create(trial(&format!("variant-{worker}"), seed)).unwrap();
                    run.append(&Measurement::new("loss", "train", 1, 0, 0.5)).unwrap();
                    run.finish(&done()).unwrap();
                    if seed == 5 && worker % 4 == 0 {
                        store.rebuild().unwrap();
                    }
                    if seed == 8 && worker == 3 {
                        // Somebody damages the file while the others write.
                        let _ = fs_err::remove_file(home.join("index.sqlite"));
                    }
                }
            });
        }
    });
    let store = Store::open(home.path()).unwrap();
    let incremental = store.runs(&Filter::default()).unwrap();
    assert_eq!(incremental.len(), 96);
    assert!(incremental.iter().all(|run| run.status == Status::Done));
    store.rebuild().unwrap();
    assert_eq!(store.runs(&Filter::default()).unwrap(), incremental);
}

#[test]
fn one_of_many_claims_succeeds() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let claims: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| store.claim("trial").unwrap())).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(claims.iter().flatten().count(), 1);
}

/// Not a test of its own: what the next test runs in a process that it kills.
#[test]
fn child_that_is_killed() {
    let Some(home) = std::env::var_os("ABLATE_RUNS_TEST_HOME") else { return };
    let store = Store::open(home).unwrap();
    let _claim = store.claim("mean-0").unwrap().unwrap();
    let run = store.create(trial("mean", 0)).unwrap();
    run.append(&Measurement::new("loss", "train", 1, 0, 0.5)).unwrap();
    println!("\nclaimed {}", run.id());
    thread::sleep(Duration::from_mins(1));
}

#[test]
fn a_killed_process_loses_its_claim() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env("ABLATE_RUNS_TEST_HOME", home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id: RunId = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("claimed ").map(|id| id.parse().unwrap()))
        .unwrap();
    assert_eq!(store.run(&id).unwrap().status().unwrap(), Status::Running);
    assert_eq!(store.by_identity("mean-0").unwrap()[0].status, Status::Running);
    assert!(store.claim("mean-0").unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(store.by_identity("mean-0").unwrap()[0].status, Status::Lost);
    assert!(store.claim("mean-0").unwrap().is_some());
    assert_eq!(store.run(&id).unwrap().measurements().unwrap().len(), 1);
}

#[test]
fn lists_a_thousand_runs_quickly() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = store.create(trial("mean", 0)).unwrap();
    run.finish(&done()).unwrap();
    let template = fs_err::read_to_string(run.folder().join("manifest.json")).unwrap();
    let result = fs_err::read(run.folder().join("result.json")).unwrap();
    for number in 1..1000 {
        let id = format!("01990000-0000-7000-8000-{number:012x}");
        let folder = home.path().join("runs").join(&id);
        fs_err::create_dir(&folder).unwrap();
        let manifest = template.replace(&run.id().to_string(), &id);
        fs_err::write(folder.join("manifest.json"), manifest).unwrap();
        fs_err::write(folder.join("result.json"), &result).unwrap();
    }
    let start = Instant::now();
    store.rebuild().unwrap();
    println!("rebuild: {:?}", start.elapsed());
    let mut cold = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        let listed = Store::open(home.path()).unwrap().runs(&Filter::default()).unwrap();
        cold.push(start.elapsed());
        assert_eq!(listed.len(), 1000);
    }
    cold.sort();
    println!("open and list 1000 runs: {:?} (median of 21)", cold[10]);
    // Generous, for slow machines: what counts is that no run folder is read.
    assert!(cold[10] < Duration::from_millis(200), "{cold:?}");
}
