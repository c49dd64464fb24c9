//! Leases: who works on a trial, across machines and clocks that are set back.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{path::Path, thread, time::Duration};

use ablate_runs::{Filter, Lease, NewRun, Run, Status, Store};
use chrono::{TimeDelta, Utc};
use serde_json::json;

fn create(store: &Store) -> Run {
    store
        .create(NewRun {
            identity: "trial".into(),
            experiment: "pooling".into(),
            variant: "mean".into(),
            seed: 0,
            spec: json!({}),
            manifest: json!({}),
        })
        .unwrap()
}

/// A lease as a process of another machine leaves it, last alive so many seconds ago.
fn foreign(home: &Path, seconds_ago: i64) {
    let alive = Utc::now() - TimeDelta::seconds(seconds_ago);
    let lease = Lease {
        host: "elsewhere".into(),
        boot: "another machine".into(),
        pid: 1,
        run: None,
        started: alive,
        alive,
        beat: alive,
        step: 7,
        steps: 10,
    };
    fs_err::write(home.join("trials/trial.lease"), serde_json::to_vec(&lease).unwrap()).unwrap();
}

#[test]
fn a_claim_says_who_works_and_how_far_it_is() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.lease("trial"), None);
    let claim = store.claim("trial").unwrap().unwrap();
    let run = create(&store);
    claim.set_run(run.id()).unwrap();
    claim.beat(1, 400);
    let lease = store.lease("trial").unwrap();
    assert_eq!((lease.pid, lease.run), (std::process::id(), Some(*run.id())));
    assert_eq!(lease.step, 0, "written at most every two seconds");
    thread::sleep(Duration::from_millis(2050));
    claim.beat(120, 400);
    let lease = store.runs(&Filter::default()).unwrap().remove(0).lease.unwrap();
    assert_eq!((lease.step, lease.steps), (120, 400));
    assert!(store.is_claimed("trial").unwrap());
    drop(claim);
    assert_eq!(store.lease("trial"), None);
    assert!(!store.is_claimed("trial").unwrap());
}

#[test]
fn a_young_lease_of_another_machine_holds_a_trial() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = create(&store);
    drop(store.claim("trial").unwrap());
    // Seconds since it was last alive; below zero its clock is ahead, or ours was set back.
    for (seconds, held) in [(0, true), (55, true), (65, false), (-55, true), (-65, false)] {
        foreign(home.path(), seconds);
        assert_eq!(store.is_claimed("trial").unwrap(), held, "{seconds} s ago");
        let status = if held { Status::Running } else { Status::Lost };
        assert_eq!(run.status().unwrap(), status, "{seconds} s ago");
        assert_eq!(store.runs(&Filter::default()).unwrap()[0].status, status, "{seconds} s ago");
        assert_eq!(store.claim("trial").unwrap().is_none(), held, "{seconds} s ago");
    }
}

#[test]
fn a_lease_without_its_process_holds_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    create(&store);
    let claim = store.claim("trial").unwrap().unwrap();
    let left = fs_err::read(home.path().join("trials/trial.lease")).unwrap();
    drop(claim);
    // As after SIGKILL: young, of this machine, but nobody has the lock. And what a power failure leaves.
    for content in [&left[..], b"", b"{"] {
        fs_err::write(home.path().join("trials/trial.lease"), content).unwrap();
        assert!(!store.is_claimed("trial").unwrap());
        assert_eq!(store.runs(&Filter::default()).unwrap()[0].status, Status::Lost);
        assert!(store.claim("trial").unwrap().is_some());
    }
}

#[test]
fn a_run_made_while_the_clock_is_set_back_is_still_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = create(&store);
    // The same run as if it had been made in the year 10889, the last one that ids know.
    let later = "ffffffff-ffff-7fff-bfff-000000000000";
    let folder = home.path().join("runs").join(later);
    fs_err::rename(run.folder(), &folder).unwrap();
    let manifest = fs_err::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest = manifest.replace(&run.id().to_string(), later);
    fs_err::write(folder.join("manifest.json"), manifest).unwrap();
    let store = Store::open(home.path()).unwrap();
    let claim = store.claim("trial").unwrap().unwrap();
    let newer = create(&store);
    assert!(newer.id().to_string().as_str() > later);
    assert_eq!(store.latest(["trial"]).unwrap()["trial"].id, *newer.id());
    assert_eq!(newer.status().unwrap(), Status::Running);
    drop(claim);
}
