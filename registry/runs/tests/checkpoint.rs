//! Checkpoints: replaced as a whole, checked when read, and never lost to a crash.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};

use ablate_runs::{Error, NewRun, Run, Store};
use serde_json::json;

fn run(home: &tempfile::TempDir) -> Run {
    let new = NewRun {
        identity: "trial".into(),
        experiment: "pooling".into(),
        variant: "mean".into(),
        seed: 0,
        spec: json!({}),
        manifest: json!({}),
    };
    Store::open(home.path()).unwrap().create(new).unwrap()
}

fn write(run: &Run, content: &str) {
    let checkpoint = run.checkpoint("last").unwrap();
    checkpoint
        .write(|folder| {
            fs_err::create_dir(folder.join("model"))?;
            fs_err::write(folder.join("model/weights.bin"), content)?;
            fs_err::write(folder.join("state.json"), "{}")?;
            Ok::<(), Error>(())
        })
        .unwrap();
}

fn read(run: &Run) -> Option<String> {
    let folder = run.checkpoint("last").unwrap().open().unwrap()?;
    Some(fs_err::read_to_string(folder.join("model/weights.bin")).unwrap())
}

fn path(run: &Run, name: &str) -> PathBuf {
    run.folder().join("checkpoints").join(name)
}

#[test]
fn the_newest_replaces_the_one_before() {
    let home = tempfile::tempdir().unwrap();
    let run = run(&home);
    assert_eq!(read(&run), None);
    write(&run, "one");
    write(&run, "two");
    assert_eq!(read(&run).as_deref(), Some("two"));
    let names: Vec<_> =
        fs_err::read_dir(path(&run, "")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["last"]);
}

#[test]
fn damage_is_an_error_that_names_the_file() {
    type Damage = fn(&Path);
    let home = tempfile::tempdir().unwrap();
    let damages: [(&str, Damage); 4] = [
        ("weights.bin", |folder| fs_err::write(folder.join("model/weights.bin"), "onf").unwrap()),
        ("weights.bin", |folder| fs_err::write(folder.join("model/weights.bin"), "on").unwrap()),
        ("state.json", |folder| fs_err::remove_file(folder.join("state.json")).unwrap()),
        ("checksums.json", |folder| fs_err::remove_file(folder.join("checksums.json")).unwrap()),
    ];
    for (name, damage) in damages {
        let run = run(&home);
        write(&run, "one");
        damage(&path(&run, "last"));
        let error = run.checkpoint("last").unwrap().open().unwrap_err();
        let Error::Damaged { file, .. } = &error else { panic!("{error}") };
        assert!(file.ends_with(name), "{error}");
        // Writing goes on.
        write(&run, "two");
        assert_eq!(read(&run).as_deref(), Some("two"));
    }
}

#[test]
fn a_failed_write_keeps_the_old_one() {
    let home = tempfile::tempdir().unwrap();
    let run = run(&home);
    write(&run, "one");
    let result = run.checkpoint("last").unwrap().write(|folder| {
        fs_err::write(folder.join("half"), "x")?;
        Err(Error::Manifest)
    });
    assert!(matches!(result, Err(Error::Manifest)));
    assert_eq!(read(&run).as_deref(), Some("one"));
}

/// The states of the folder after a crash at each point of replacing `one` by `two`.
#[test]
fn a_crash_at_any_point_leaves_a_usable_checkpoint() {
    type Crash = fn(&Run);
    let crashes: [(&str, Crash); 4] = [
        // While the new one was being written: nothing lists its files yet.
        ("one", |run| {
            fs_err::create_dir(path(run, ".last.new")).unwrap();
            fs_err::write(path(run, ".last.new/state.json"), "{").unwrap();
        }),
        // Between the two renames.
        ("two", |run| {
            fs_err::rename(path(run, "last"), path(run, "aside")).unwrap();
            write(run, "two");
            fs_err::rename(path(run, "last"), path(run, ".last.new")).unwrap();
            fs_err::rename(path(run, "aside"), path(run, ".last.old")).unwrap();
        }),
        // Between the two renames, and the new one did not reach the disk whole.
        ("one", |run| {
            fs_err::rename(path(run, "last"), path(run, ".last.old")).unwrap();
            fs_err::create_dir(path(run, ".last.new")).unwrap();
        }),
        // Before the old one was removed.
        ("one", |run| {
            fs_err::create_dir(path(run, ".last.old")).unwrap();
        }),
    ];
    for (expected, crash) in crashes {
        let home = tempfile::tempdir().unwrap();
        let run = run(&home);
        write(&run, "one");
        crash(&run);
        assert_eq!(read(&run).as_deref(), Some(expected));
        // What failed to be written next must not take the checkpoint along.
        let failed = run.checkpoint("last").unwrap().write(|_| Err(Error::Manifest));
        assert!(failed.is_err());
        assert_eq!(read(&run).as_deref(), Some(expected));
        write(&run, "three");
        assert_eq!(read(&run).as_deref(), Some("three"));
    }
}

#[test]
fn refuses_names_that_leave_the_folder() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(run(&home).checkpoint("../best"), Err(Error::Name { .. })));
}
