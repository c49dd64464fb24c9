//! The queue with real processes.

use std::cell::Cell;
use std::path::Path;

use super::*;

fn job(script: &str) -> Job {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Job { label: script.to_owned(), command, stderr: None }
}

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

/// Runs scripts and tells what happened, one line per event, without process ids and times.
fn log(scripts: &[&str], at_once: usize) -> (Vec<String>, Summary) {
    let mut log = Vec::new();
    let jobs = scripts.iter().map(|script| job(script));
    let summary = run(jobs, at_once, &go(), |event| {
        log.push(match event {
            Event::Started { job, .. } => format!("{job} started"),
            Event::Line { job, line } => format!("{job}: {line}"),
            Event::Finished { job, exit, .. } => format!("{job} {}", exit.describe()),
        });
    });
    (log, summary.unwrap())
}

#[test]
fn runs_jobs_in_order() {
    let (log, summary) = log(&["echo a", "echo b; exit 3", "printf 'c\\nd'"], 1);
    let expected = [
        "0 started",
        "0: a",
        "0 exit code 0",
        "1 started",
        "1: b",
        "1 exit code 3",
        "2 started",
        "2: c",
        "2: d",
        "2 exit code 0",
    ];
    assert_eq!(log, expected);
    assert_eq!(summary, Summary { succeeded: 2, failed: 1, stopped: false });
}

#[test]
fn nothing_to_do_is_done() {
    assert_eq!(log(&[], 2), (Vec::new(), Summary::default()));
}

#[test]
fn takes_jobs_only_when_a_place_is_free() {
    let (taken, finished, running, most) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let jobs = (0..7).map(|_| {
        taken.set(taken.get() + 1);
        assert!(taken.get() - finished.get() <= 3, "a job was taken too early");
        job("sleep 0.05")
    });
    let summary = run(jobs, 3, &go(), |event| match event {
        Event::Started { .. } => {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
        }
        Event::Finished { .. } => {
            running.set(running.get() - 1);
            finished.set(finished.get() + 1);
        }
        Event::Line { .. } => {}
    });
    assert_eq!(summary.unwrap().succeeded, 7);
    assert_eq!((most.get(), running.get()), (3, 0));
}

#[test]
fn reports_signals_by_name() {
    let (log, summary) = log(&["kill -SEGV $$", "kill -KILL $$"], 1);
    assert_eq!(log[1], "0 signal 11 (SIGSEGV)");
    assert_eq!(log[3], "1 signal 9 (SIGKILL)");
    assert_eq!(summary.failed, 2);
    assert_eq!(Exit::Signal(64).describe(), "signal 64");
}

#[test]
fn hands_over_every_line_before_the_end() {
    let (log, _) = log(&["seq 1 20000", "printf 'a\\377b\\r\\n\\n'"], 2);
    let lines = |job: &str| -> Vec<String> {
        log.iter().filter_map(|line| Some(line.strip_prefix(job)?.to_owned())).collect()
    };
    let numbers: Vec<String> = (1..=20000).map(|number: i32| number.to_string()).collect();
    assert_eq!(lines("0: "), numbers);
    assert_eq!(lines("1: "), ["a\u{fffd}b", ""]);
    let end = log.iter().position(|line| line == "0 exit code 0").unwrap();
    assert!(log[end..].iter().all(|line| !line.starts_with("0: ")));
}

#[test]
fn a_pipe_held_by_a_grandchild_does_not_hold_the_queue() {
    let start = Instant::now();
    let (log, _) = log(&["sleep 5 & echo done"], 1);
    assert_eq!(log, ["0 started", "0: done", "0 exit code 0"]);
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn writes_standard_error_to_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stderr.log");
    let once = || Job { stderr: Some(path.clone()), ..job("echo oops >&2") };
    run([once(), once()], 1, &go(), |_| {}).unwrap();
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "oops\noops\n");
}

#[test]
fn stop_ends_running_jobs_and_starts_no_more() {
    let stop = go();
    let start = Instant::now();
    let mut ends = Vec::new();
    let polite = "trap 'echo saved; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let scripts = [polite, "echo ready; sleep 60", "echo never"];
    let mut lines = Vec::new();
    let summary = run(scripts.map(job), 2, &stop, |event| match event {
        Event::Line { line, .. } => {
            lines.push(line.to_owned());
            stop.store(lines.len() == 2 || stop.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Event::Finished { job, exit, .. } => ends.push((job, exit.describe())),
        Event::Started { .. } => {}
    });
    ends.sort();
    let expected = [(0, "exit code 7".to_owned()), (1, "signal 15 (SIGTERM)".to_owned())];
    assert_eq!(ends, expected);
    assert_eq!(summary.unwrap(), Summary { succeeded: 0, failed: 2, stopped: true });
    assert_eq!(lines, ["ready", "ready", "saved"]);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn stop_kills_what_does_not_listen() {
    let stop = go();
    let start = Instant::now();
    let mut end = String::new();
    let deaf = job("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    run([deaf], 1, &stop, |event| match event {
        Event::Line { .. } => stop.store(true, Ordering::Relaxed),
        Event::Finished { exit, .. } => end = exit.describe(),
        Event::Started { .. } => {}
    })
    .unwrap();
    assert_eq!(end, "signal 9 (SIGKILL)");
    assert!((10..15).contains(&start.elapsed().as_secs()));
}

#[test]
fn a_job_that_cannot_start_ends_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Job { command: Command::new("/no/such/program"), ..job("trial 2") };
    let path = folder.path().join("alive");
    let first = job(&format!(
        "trap 'rm {0}; exit' TERM; touch {0}; while :; do sleep 0.01; done",
        path.display()
    ));
    let wait_for = path.clone();
    let jobs = std::iter::once(first).chain(std::iter::once_with(|| {
        while !wait_for.exists() {
            thread::sleep(POLL);
        }
        missing
    }));
    let error = run(jobs, 2, &go(), |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "failed to start `/no/such/program` for `trial 2`");
    assert!(!path.exists());
    let bad_log = Job { stderr: Some(Path::new("/no/such/folder/log").into()), ..job("true") };
    let error = run([bad_log], 1, &go(), |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "failed to open the log `/no/such/folder/log` of `true`");
}
