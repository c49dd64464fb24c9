//! What a sweep meets outside: a full disk, a home that cannot be written, a clock that was set
//! back, folders and files that somebody removed or cut.
//!
//! Each of them ends in a clear error or heals by itself, and what is told of it afterwards is what
//! an undisturbed sweep tells.

use crate::harness::{Answer, Place, RunFolder, results};
use crate::plain_library::place;
use crate::processes::{Running, send};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Four trials of two dozen steps.
const SWEEP: [&str; 3] = ["sweep", "plain", "train.total_epochs=6"];

/// The same, slow enough to be met on its way.
const SLOW: [&str; 6] = [
    "sweep",
    "plain",
    "train.total_epochs=6",
    "dataset.sleep_ms=10",
    "train.checkpoint_every_steps=3",
    "--jobs=1",
];

/// What an undisturbed place has after a sweep.
fn undisturbed(arguments: &[&str]) -> (Place, Answer) {
    let place = place(&[]);
    let answer = place.ablate(arguments).expect(0);
    (place, answer)
}

/// The same command again ends well, with the table and the bits of an undisturbed sweep.
#[track_caller]
fn heals(place: &Place, arguments: &[&str]) {
    let (whole, expected) = undisturbed(arguments);
    let answer = place.ablate(arguments).expect(0);
    assert_eq!(answer.stdout, expected.stdout);
    let done: Vec<RunFolder> = place.runs().into_iter().filter(|r| r.status() == "done").collect();
    assert_eq!(results(&done), results(&whole.runs()));
}

/// No panic, and the cause is told.
#[track_caller]
fn says_why(answer: &Answer, why: &str) {
    assert!(matches!(answer.code, Some(1 | 2)), "{:?}: {}", answer.code, answer.stderr);
    assert!(answer.stderr.contains(why), "no `{why}` in\n{}", answer.stderr);
    assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_when_there_is_room_again() {
    let place = place(&[]);
    let Some(disk) = Disk::mount(&place) else { return };
    // With more and more room: the library does not fit, the first run, its checkpoints, the last.
    let mut failures = 0;
    for free_kib in (0..4000).step_by(100) {
        disk.leave(free_kib);
        let answer = place.ablate(&SWEEP);
        disk.leave(1 << 20);
        if answer.code == Some(0) {
            break;
        }
        says_why(&answer, "No space left on device");
        failures += 1;
    }
    assert!(failures > 5, "{failures} failures");
    heals(&place, &SWEEP);
    place.ablate(&["registry", "rebuild"]).expect(0);
    disk.leave(0);
    place.ablate(&["table", "plain", "train.total_epochs=6"]).expect(0);
    place.ablate(&["show", &place.runs()[0].id]).expect(0);
}

#[test]
fn a_home_that_cannot_be_written_is_named_and_can_be_read() {
    let place = place(&[]);
    let Some(disk) = Disk::mount(&place) else { return };
    let half = ["plain", "train.total_epochs=6", "sweep.seeds=[0]"];
    let swept = place.ablate(&[&["sweep"], &half[..]].concat()).expect(0);
    let runs = place.ablate(&["runs"]).expect(0).stdout;
    disk.remount("ro");
    let refused = place.ablate(&SWEEP);
    says_why(&refused, "Read-only file system");
    assert!(refused.stderr.contains("[PLACE]/home"), "{}", refused.stderr);
    assert_eq!(place.ablate(&["runs"]).expect(0).stdout, runs);
    place.ablate(&["show", &place.runs()[0].id]).expect(0);
    let table = place.ablate(&[&["table"], &half[..]].concat()).expect(0);
    assert_eq!(table.stdout, swept.stdout);
    disk.remount("rw");
    heals(&place, &SWEEP);
}

#[test]
fn a_clock_that_was_set_back_changes_nothing() {
    let place = place(&[]);
    let first = ["sweep", "plain", "train.total_epochs=6", "sweep.seeds=[0]"];
    place.ablate(&first).expect(0);
    // All that was done seems to come from tomorrow.
    for run in place.runs() {
        move_to_tomorrow(&place, &run);
    }
    fs::remove_file(place.path("home/index.sqlite")).unwrap();
    let tomorrow = SystemTime::now() + Duration::from_hours(24);
    let runs = fs::File::open(place.path("home/runs")).unwrap();
    runs.file().set_modified(tomorrow).unwrap();
    let old = place.runs();
    let swept = place.ablate(&SWEEP).expect(0);
    assert!(swept.stderr.contains("2 done, 2 to run"), "{}", swept.stderr);
    for run in &old {
        let kept = place.runs().into_iter().find(|kept| kept.id == run.id).unwrap();
        assert_eq!(kept.results(), run.results());
    }
    // Who claimed a trial tomorrow, on this machine or another, does not hold it.
    let lease = |boot: &str| {
        let time = "2099-01-01T00:00:00Z";
        json!({
            "host": "elsewhere", "boot": boot, "pid": 1, "run": null, "started": time,
            "alive": time, "beat": time, "step": 1, "steps": 2,
        })
    };
    let here = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    for (run, boot) in place.runs().iter().zip([here.trim(), "another"]) {
        let trial = format!("home/trials/{}.lease", run.identity);
        place.write(&trial, lease(boot).to_string());
        fs::remove_dir_all(&run.folder).unwrap();
    }
    heals(&place, &SWEEP);
}

/// Gives a run the id and the time of a day later.
fn move_to_tomorrow(place: &Place, run: &RunFolder) {
    let id = run.id.replace('-', "");
    let later = u64::from_str_radix(&id[..12], 16).unwrap() + 24 * 60 * 60 * 1000;
    let digits = format!("{later:012x}{}", &id[12..]);
    let id = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    let id = id.join("-");
    let mut manifest = run.manifest();
    manifest["run"]["id"] = Value::from(id.as_str());
    manifest["run"]["created"] = Value::from("2099-01-01T00:00:00Z");
    fs::write(run.folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::rename(&run.folder, place.path("home/runs").join(id)).unwrap();
}

#[test]
fn run_folders_that_are_removed_in_mid_sweep_are_made_again() {
    let place = place(&[]);
    let mut running = Running::start(&place, &SLOW);
    // One run is done, the next on its way.
    let run = loop {
        let run = running.wait_for_checkpoint(1);
        if place.runs().iter().any(|run| run.status() == "done") {
            break run;
        }
    };
    let done = place.runs().into_iter().find(|run| run.status() == "done").unwrap();
    fs::remove_dir_all(&done.folder).unwrap();
    remove_while_used(&run.folder);
    let answer = running.finish();
    assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    heals(&place, &SLOW);
}

#[test]
fn what_is_left_of_a_removed_run_folder_keeps_nobody_from_anything() {
    // A process that still writes makes some folders again.
    let place = interrupted();
    let folder = unfinished(&place).folder;
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir_all(folder.join("checkpoints/.last.new/model")).unwrap();
    place.ablate(&["runs"]).expect(0);
    place.ablate(&SLOW).expect(0);
    // It is reported and left alone, until somebody removes it.
    let rebuilt = place.ablate(&["registry", "rebuild"]).expect(0);
    assert!(rebuilt.stderr.contains("[PLACE]/home/runs/[RUN]"), "{}", rebuilt.stderr);
    fs::remove_dir_all(&folder).unwrap();
    heals(&place, &SLOW);
}

/// Another process may be writing a file while its folder is emptied.
fn remove_while_used(folder: &Path) {
    for _ in 0..100 {
        if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
    }
    panic!("{} cannot be removed", folder.display());
}

#[test]
fn a_result_that_was_cut_is_told_and_its_trial_runs_again() {
    let place = undisturbed(&SWEEP).0;
    let run = &place.runs()[1];
    let file = run.folder.join("result.json");
    cut(&file, 40);
    let rebuilt = place.ablate(&["registry", "rebuild"]).expect(0);
    let named = "failed to read `[PLACE]/home/runs/[RUN]/result.json`";
    assert!(rebuilt.stderr.contains(named), "{}", rebuilt.stderr);
    place.ablate(&["runs"]).expect(0);
    place.ablate(&["table", "plain", "train.total_epochs=6"]).expect(2);
    let shown = place.ablate(&["show", &run.id]);
    assert!(!shown.stderr.contains("panicked"), "{}", shown.stderr);
    heals(&place, &SWEEP);
}

#[test]
fn measurements_that_were_cut_are_those_before_the_cut() {
    // Of a finished run: its results stand elsewhere too.
    let (place, expected) = undisturbed(&SWEEP);
    let run = &place.runs()[1];
    cut(&run.folder.join("measurements.jsonl"), 333);
    place.ablate(&["show", &run.id]).expect(0);
    assert_eq!(place.ablate(&SWEEP).expect(0).stdout, expected.stdout);
    // Of one that goes on: a checkpoint of later steps must not hide what is missing.
    let place = interrupted();
    let run = unfinished(&place);
    let length = run.measurements.len() as u64;
    cut(&run.folder.join("measurements.jsonl"), length / 2);
    heals(&place, &SLOW);
}

#[test]
fn an_index_that_is_gone_or_garbage_is_made_again() {
    let (place, expected) = undisturbed(&SWEEP);
    let listed = place.ablate(&["runs", "--format", "json"]).expect(0).raw;
    let index = place.path("home/index.sqlite");
    let whole = fs::read(&index).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    let garbage: [Option<Vec<u8>>; 5] = [
        None,
        Some(Vec::new()),
        Some(b"this is no database".repeat(1000)),
        Some(whole[..whole.len() / 2].to_vec()),
        Some(flipped),
    ];
    for content in garbage {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(place.path(&format!("home/index.sqlite{suffix}")));
        }
        if let Some(content) = content {
            fs::write(&index, content).unwrap();
        }
        assert_eq!(place.ablate(&["runs", "--format", "json"]).expect(0).raw, listed);
        let again = place.ablate(&SWEEP).expect(0);
        assert_eq!(again.stdout, expected.stdout);
        assert!(again.stderr.contains("4 done, 0 to run"), "{}", again.stderr);
    }
    assert_eq!(place.runs().len(), 4);
}

#[test]
fn a_checkpoint_that_was_half_written_is_not_gone_on_from() {
    // Beside a whole one; in its place; and with a file of it missing.
    for damage in 0..3 {
        let place = interrupted();
        let checkpoints = unfinished(&place).folder.join("checkpoints");
        let (last, new) = (checkpoints.join("last"), checkpoints.join(".last.new"));
        // The kill may have left one too.
        let _ = fs::remove_dir_all(&new);
        match damage {
            0 => copy_some(&last, &new),
            1 => {
                fs::rename(&last, &new).unwrap();
                fs::remove_file(new.join("checksums.json")).unwrap();
            }
            _ => fs::remove_file(last.join("train.json")).unwrap(),
        }
        heals(&place, &SLOW);
        let leftover: Vec<PathBuf> = crate::recovery::files(&place.path("home/runs"));
        assert!(!leftover.iter().any(|path| path.to_string_lossy().contains(".last.")));
    }
}

/// A small place whose second variant goes wrong in its fourth step.
fn misbehaving(how: &str) -> Place {
    let place = Place::new();
    place.edit("seeds = [0, 1]", "seeds = [0]");
    place.edit("name = \"mean\"", "name = \"bad\"");
    let set = format!("{{ use = \"misbehaving\", how = \"{how}\", after_steps = 3 }}");
    place.edit("{ use = \"mean\" }", &set);
    place
}

/// Sweeps: the other variant is done, the bad one failed with this class after so many attempts.
#[track_caller]
fn fails(how: &str, setting: &str, class: &str, message: &str, attempts: usize) -> Answer {
    let place = misbehaving(how);
    let answer = place.ablate(&["sweep", "pooling", setting]).expect(1);
    assert!(answer.stderr.contains(message), "no `{message}` in\n{}", answer.stderr);
    let runs = place.runs();
    let found: Vec<_> = runs.iter().map(|run| (run.variant.as_str(), run.status())).collect();
    assert_eq!(found, [("attentive", "done"), ("bad", "failed")], "{}", answer.stderr);
    assert_eq!(runs[1].result["error"]["kind"], class);
    let made = fs::read_dir(runs[1].folder.join("attempts")).unwrap().count();
    assert_eq!(made, attempts, "{}", answer.stderr);
    answer
}

#[test]
fn a_failed_trial_is_tried_as_often_as_its_class_allows() {
    fails("abort", "sweep.retry={ signal = 2 }", "signal", "attempt 2 of 3 follows", 3);
    fails("abort", "sweep.retry=0", "signal", "signal 6 (SIGABRT)", 1);
    // Where the next attempt would meet the same, there is none.
    fails("nan", "sweep.retry={ signal = 2 }", "not-finite", "holds NaN", 1);
}

#[test]
fn a_trial_that_was_killed_once_goes_on_in_the_same_sweep() {
    let place = place(&[]);
    let mut running = Running::start(&place, &SLOW);
    running.wait_for_checkpoint(6);
    send(running.trial(), Signal::KILL);
    let answer = running.finish().expect(0);
    assert!(answer.stderr.contains("signal 9 (SIGKILL)"), "{}", answer.stderr);
    assert!(answer.stderr.contains("goes on after step"), "{}", answer.stderr);
    assert_eq!(place.runs().len(), 4);
    heals(&place, &SLOW);
}

/// A place whose sweep was killed while a trial was on its way.
fn interrupted() -> Place {
    let place = place(&[]);
    let mut running = Running::start(&place, &SLOW);
    running.wait_for_checkpoint(6);
    let trial = running.trial();
    send(running.pid(), Signal::KILL);
    send(trial, Signal::KILL);
    running.finish();
    crate::processes::wait_until_gone(trial);
    place
}

fn unfinished(place: &Place) -> RunFolder {
    place.runs().into_iter().find(|run| run.result.is_null()).unwrap()
}

/// The first part of a folder, as a process leaves it that dies while it writes.
fn copy_some(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("model")).unwrap();
    let file = "model/state.safetensors";
    let bytes = fs::read(from.join(file)).unwrap();
    fs::write(to.join(file), &bytes[..bytes.len() / 2]).unwrap();
}

fn cut(file: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
}

/// A small file system of its own in place of the home.
struct Disk(PathBuf);

impl Disk {
    /// `None`, said on stderr, where that is not permitted.
    fn mount(place: &Place) -> Option<Self> {
        let folder = place.path("home");
        fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "ablate-test"])
            .arg(&folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                eprintln!("skipped: a file system cannot be mounted here");
                None
            }
        }
    }

    /// Fills it up to so much free space, or as much as there is.
    fn leave(&self, free_kib: u64) {
        let filler = self.0.join("filler");
        let _ = fs::remove_file(&filler);
        let output = Command::new("df").args(["--output=avail", "-k"]).arg(&self.0).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let free: u64 = text.lines().nth(1).unwrap().trim().parse().unwrap();
        if let Some(surplus) = free.checked_sub(free_kib) {
            fs::write(filler, vec![0; surplus as usize * 1024]).unwrap();
        }
    }

    fn remount(&self, how: &str) {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,{how}")]).arg(&self.0);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whatever still uses it must not keep it in the list of mounts.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
