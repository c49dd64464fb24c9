//! Homes that cannot be written, full disks, folders that were deleted, copied or left half-made.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use ablate_runs::{
    Error, Failure, Filter, Measurement, NewAttempt, NewRun, Outcome, Run, Status, Store,
};
use serde_json::json;

/// Tells a test that it runs in a file system of its own, and where.
const INSIDE: &str = "ABLATE_RUNS_TEST_INSIDE";

fn create(store: &Store, seed: u64) -> Result<Run, Error> {
    store.create(NewRun {
        identity: format!("trial-{seed}"),
        experiment: "pooling".into(),
        variant: "mean".into(),
        seed,
        spec: json!({}),
        manifest: json!({}),
    })
}

fn fill(store: &Store) {
    for seed in 0..3 {
        let run = create(store, seed).unwrap();
        run.append(&Measurement::new("loss", "train", 1, 0, 0.5)).unwrap();
        let finals = vec![Measurement::new("loss", "test", 1, 0, 0.25)];
        run.finish(&Outcome { finals, ..Outcome::default() }).unwrap();
    }
}

/// Runs a test of this file again, in a mount namespace of its own after `prepare` has run there; false when the
/// system does not allow that.
#[expect(clippy::print_stdout, reason = "what is skipped is said")]
fn inside(test: &str, home: &Path, prepare: &str) -> bool {
    let program = std::env::current_exe().unwrap();
    let script = format!("{prepare} || exit 99; exec \"$PROGRAM\" --exact {test} --nocapture");
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let status = Command::new("unshare")
        .args(user)
        .args(["--mount", "sh", "-c", &script])
        .env("PROGRAM", program)
        .env("DIR", home)
        .env(INSIDE, home)
        .status();
    match status {
        Ok(status) if status.success() => true,
        // 1 is what `unshare` says when it is not allowed; a failed test ends with 101.
        Ok(status) if matches!(status.code(), Some(1 | 99)) => {
            println!("SKIPPED {test}: this system does not let tests mount ({status})");
            false
        }
        Ok(status) => panic!("{test} inside: {status}"),
        Err(error) => {
            println!("SKIPPED {test}: no `unshare` here ({error})");
            false
        }
    }
}

#[test]
fn a_home_that_cannot_be_written_can_be_read() {
    let Some(home) = std::env::var_os(INSIDE) else {
        for log_left in [true, false] {
            let home = tempfile::tempdir().unwrap();
            fill(&Store::open(home.path()).unwrap());
            if !log_left {
                // As after a copy that left the index behind.
                for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "index.lock"] {
                    let _ = fs_err::remove_file(home.path().join(name));
                }
            }
            let before = listing(home.path());
            let mount = "mount --bind \"$DIR\" \"$DIR\" && mount -o remount,ro,bind \"$DIR\"";
            inside("a_home_that_cannot_be_written_can_be_read", home.path(), mount);
            assert_eq!(listing(home.path()), before);
        }
        return;
    };
    let store = Store::open(&home).unwrap();
    assert!(store.is_read_only());
    let runs = store.runs(&Filter::default()).unwrap();
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run.status == Status::Done));
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    assert_eq!(store.finals(&ids).unwrap().len(), 3);
    assert_eq!(store.latest(["trial-1"]).unwrap()["trial-1"].seed, 1);
    let run = store.find(&runs[0].short).unwrap();
    assert_eq!(run.measurements().unwrap().len(), 1);
    assert!(!store.is_claimed("trial-1").unwrap());
    let refused = [
        create(&store, 9).map(drop).unwrap_err(),
        store.claim("trial-1").map(drop).unwrap_err(),
        store.rebuild().map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(
            error.to_string(),
            format!("cannot write into `{}`", Path::new(&home).display())
        );
        assert!(error.is_read_only() && error.hints()[0].contains("ABLATE_HOME"));
    }
    let error = run.append(&Measurement::new("loss", "train", 2, 0, 0.5)).unwrap_err();
    assert!(error.is_read_only() && error.to_string().contains("measurements.jsonl"), "{error}");
}

fn listing(folder: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            files.extend(listing(&entry.path()));
        } else {
            let path = entry.path().display().to_string();
            files.push((path, entry.metadata().unwrap().len()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let Some(home) = std::env::var_os(INSIDE) else {
        let home = tempfile::tempdir().unwrap();
        let mount = "mount -t tmpfs -o size=3m tmpfs \"$DIR\"";
        inside("a_full_disk_is_an_error_and_nothing_is_lost", home.path(), mount);
        return;
    };
    let store = Store::open(&home).unwrap();
    fill(&store);
    let run = create(&store, 7).unwrap();
    run.append(&Measurement::new("loss", "train", 1, 0, 0.5)).unwrap();
    let checkpoint = run.checkpoint("last").unwrap();
    let save = |size: usize| {
        checkpoint.write(|folder| {
            fs_err::write(folder.join("weights"), vec![7; size]).map_err(Error::from)
        })
    };
    save(100).unwrap();
    let ballast = Path::new(&home).join("ballast");
    for full in 0..3 {
        // Lets go of the index that was removed under it, whose space would be free in the midst of this.
        store.runs(&Filter::default()).unwrap();
        fill_up(&ballast);
        let mut refused = Vec::new();
        refused.push((save(200_000).unwrap_err(), "weights"));
        // Lines of which a part still fits.
        let many: Vec<_> =
            (2..40_000).map(|step| Measurement::new("loss", "train", step, 0, 0.5)).collect();
        refused.push((run.append_all(&many).unwrap_err(), "measurements.jsonl"));
        fill_up(&ballast);
        refused.push((run.finish(&Outcome::default()).unwrap_err(), "result.json"));
        refused.push((create(&store, 8).map(drop).unwrap_err(), ".new-"));
        if full == 1 {
            for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
                let _ = fs_err::remove_file(Path::new(&home).join(name));
            }
            fill_up(&ballast);
        }
        for (error, file) in refused {
            let text = format!("{error}: {:?}", std::error::Error::source(&error));
            assert!(error.is_full() && text.contains(file), "{file}: {text}");
            assert!(error.hints()[0].contains("free some space"), "{:?}", error.hints());
        }
        // Whoever only looks is not kept from it.
        let looking = Store::open(&home).unwrap();
        assert_eq!(looking.runs(&Filter::default()).unwrap().len(), 4, "round {full}");
        assert_eq!(looking.latest(["trial-1"]).unwrap()["trial-1"].status, Status::Done);
        assert!(checkpoint.open().unwrap().is_some());
        fs_err::remove_file(&ballast).unwrap();
        // The torn line goes with the next append.
        run.append(&Measurement::new("loss", "train", 99, 0, 0.5)).unwrap();
        run.measurements().unwrap();
        run.truncate_measurements_after(1).unwrap();
    }
    save(200_000).unwrap();
    run.finish(&Outcome::default()).unwrap();
    create(&store, 8).unwrap();
    let store = Store::open(&home).unwrap();
    let runs = store.runs(&Filter::default()).unwrap();
    assert_eq!(runs.len(), 5);
    let rebuilt = store.rebuild().unwrap();
    assert_eq!((rebuilt.indexed, rebuilt.unreadable), (5, Vec::new()));
    assert_eq!(store.runs(&Filter::default()).unwrap(), runs);
}

/// Writes until nothing fits any more.
fn fill_up(ballast: &Path) {
    let mut file = fs_err::OpenOptions::new().create(true).append(true).open(ballast).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_deleted_run_folder_leaves_the_index() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    fill(&store);
    let lost = create(&store, 3).unwrap();
    let done = store.latest(["trial-1"]).unwrap()["trial-1"].id;
    fs_err::remove_dir_all(lost.folder()).unwrap();
    assert!(store.latest(["trial-3"]).unwrap().is_empty(), "also in an open store");
    fs_err::remove_dir_all(store.run(&done).unwrap().folder()).unwrap();
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.runs(&Filter::default()).unwrap().len(), 2);
    assert!(store.latest(["trial-1"]).unwrap().is_empty());
    assert!(store.finals(&[done]).unwrap().is_empty());
    assert!(matches!(store.run(&done), Err(Error::NotFound { .. })));
}

#[test]
fn a_child_takes_the_index_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::attach(home.path()).unwrap();
    fill(&store);
    let index = home.path().join("index.sqlite");
    drop(store);
    let before = fs_err::read(&index).unwrap();
    create(&Store::attach(home.path()).unwrap(), 3).unwrap();
    // The index as a process leaves it that dies before it has told of the fourth run.
    fs_err::write(&index, before).unwrap();
    let count = |store: &Store| store.runs(&Filter::default()).unwrap().len();
    assert_eq!(count(&Store::attach(home.path()).unwrap()), 3);
    assert_eq!(count(&Store::open(home.path()).unwrap()), 4);
    assert_eq!(count(&Store::attach(home.path()).unwrap()), 4);
}

#[test]
fn folders_that_are_no_runs_are_reported_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    fill(&store);
    let runs = home.path().join("runs");
    let whole = store.runs(&Filter::default()).unwrap().remove(0);
    // A copy by hand, an empty folder, a torn manifest, a torn result.
    let name = |digit: u32| format!("01990000-0000-7000-8000-{digit:012}");
    copy(&runs.join(whole.id.to_string()), &runs.join(name(1)));
    fs_err::create_dir(runs.join(name(2))).unwrap();
    fs_err::create_dir(runs.join(name(3))).unwrap();
    fs_err::write(runs.join(name(3)).join("manifest.json"), "{\"run\":{\"id\":").unwrap();
    fs_err::write(runs.join(whole.id.to_string()).join("result.json"), "").unwrap();
    for rebuild in [false, true] {
        if rebuild {
            assert_eq!(store.rebuild().unwrap().unreadable.len(), 4);
        }
        let store = Store::open(home.path()).unwrap();
        let unreadable = store.unreadable().unwrap();
        let expected = if rebuild { 4 } else { 3 };
        assert_eq!(unreadable.len(), expected, "{unreadable:?}");
        let reason = |digit| {
            let folder = runs.join(name(digit));
            unreadable.iter().find(|one| one.folder == folder).unwrap().reason.clone()
        };
        assert!(reason(1).contains(&format!("holds run `{}`", whole.id)), "{}", reason(1));
        assert!(reason(2).contains("manifest.json"), "{}", reason(2));
        assert!(reason(3).contains("EOF"), "{}", reason(3));
        assert_eq!(store.runs(&Filter::default()).unwrap().len(), 3);
        assert_eq!(fs_err::read_dir(&runs).unwrap().count(), 7, "3 runs, 3 others, 1 lock");
    }
    let damaged = store.latest([&whole.identity]).unwrap().remove(&whole.identity).unwrap();
    assert_eq!((damaged.status, damaged.kind.as_deref()), (Status::Failed, Some("damaged")));
    // Put right by hand, it is a run again without anybody asking.
    fs_err::remove_file(runs.join(whole.id.to_string()).join("result.json")).unwrap();
    fs_err::remove_dir_all(runs.join(name(1))).unwrap();
    let fixed = store.run(&whole.id).unwrap();
    fixed.reopen().unwrap();
    let manifest = fs_err::read_to_string(fixed.folder().join("manifest.json")).unwrap();
    let manifest = manifest.replace(&whole.id.to_string(), &name(2));
    fs_err::write(runs.join(name(2)).join("manifest.json"), manifest).unwrap();
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.runs(&Filter::default()).unwrap().len(), 4);
    assert_eq!(store.unreadable().unwrap().len(), 1);
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs_err::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_damaged_result_can_be_reopened() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = create(&store, 0).unwrap();
    let error = Failure { kind: "nan".into(), message: "NaN".into(), hints: Vec::new() };
    run.finish(&Outcome { error: Some(error), ..Outcome::default() }).unwrap();
    fs_err::write(run.folder().join("result.json"), "").unwrap();
    run.reopen().unwrap();
    run.begin_attempt(&NewAttempt::here()).unwrap();
    run.finish(&Outcome::default()).unwrap();
    assert_eq!(run.status().unwrap(), Status::Done);
}

#[test]
fn what_dead_processes_left_half_made_is_removed_when_it_is_old() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    fill(&store);
    let leftover = |name: &str, age: u64| {
        let folder = home.path().join("runs").join(name);
        fs_err::create_dir(&folder).unwrap();
        fs_err::write(folder.join("spec.json"), "{}").unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::open(&folder).unwrap().set_modified(time).unwrap();
        folder
    };
    let old = leftover(".new-0199", 3600);
    let young = leftover(".new-019a", 5);
    let rebuilt = store.rebuild().unwrap();
    assert_eq!(rebuilt.removed, std::slice::from_ref(&old));
    assert!(!old.exists() && young.exists());
    leftover(".new-0199", 3600);
    let store = Store::open(home.path()).unwrap();
    assert!(!old.exists(), "opening does the same");
    assert_eq!(store.runs(&Filter::default()).unwrap().len(), 3);
}
