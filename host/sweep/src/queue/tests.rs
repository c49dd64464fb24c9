//! The queue with real processes.

use std::cell::Cell;
use std::path::Path;

use super::*;

fn job(script: &str) -> Job {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Job { label: script.to_owned(), command, stderr: None, limits: Limits::default() }
}

/// A list of jobs, and somebody who listens.
struct Listed<I, F> {
    jobs: I,
    on_event: F,
}

impl<I: Iterator<Item = Job>, F: FnMut(Event<'_>)> Driver for Listed<I, F> {
    fn next(&mut self) -> Next {
        self.jobs.next().map_or(Next::Done, |job| Next::Start(Box::new(job)))
    }

    fn event(&mut self, event: Event<'_>) {
        (self.on_event)(event);
    }
}

fn run(
    jobs: impl IntoIterator<Item = Job>,
    at_once: usize,
    stop: &AtomicBool,
    on_event: impl FnMut(Event<'_>),
) -> Result<Summary, Error> {
    super::run(&mut Listed { jobs: jobs.into_iter().fuse(), on_event }, at_once, stop)
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

#[test]
fn a_job_beyond_its_time_is_asked_to_end() {
    let start = Instant::now();
    let mut ends = Vec::new();
    let time = Duration::from_millis(200);
    let limits = Limits { time: Some(time), ..Limits::default() };
    let polite = "trap 'echo saved; exit 7' TERM; while :; do sleep 0.01; done";
    let jobs = [polite, "sleep 60", "true"].map(|script| Job { limits, ..job(script) });
    run(jobs, 2, &go(), |event| {
        if let Event::Finished { job, exit, limit, .. } = event {
            ends.push((job, exit, limit));
        }
    })
    .unwrap();
    ends.sort_by_key(|(job, ..)| *job);
    let over = Some(Limit::Time(time));
    let expected =
        [(0, Exit::Code(7), over), (1, Exit::Signal(15), over), (2, Exit::Code(0), None)];
    assert_eq!(ends, expected);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_silent_job_is_ended_and_one_that_speaks_is_not() {
    let mut ends = Vec::new();
    let silence = Duration::from_millis(600);
    let limits = Limits { silence: Some(silence), ..Limits::default() };
    let speaks = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done";
    let jobs = ["sleep 60", speaks].map(|script| Job { limits, ..job(script) });
    run(jobs, 2, &go(), |event| {
        if let Event::Finished { job, limit, .. } = event {
            ends.push((job, limit));
        }
    })
    .unwrap();
    ends.sort_by_key(|(job, _)| *job);
    assert_eq!(ends, [(0, Some(Limit::Silence(silence))), (1, None)]);
}

#[test]
fn a_job_beyond_its_memory_is_killed() {
    let mut end = None;
    let limits = Limits { memory: Some(64 << 20), ..Limits::default() };
    // `tail` keeps its last line, which is endless here.
    let greedy = Job { limits, ..job("exec tail -n 1 /dev/zero") };
    run([greedy], 1, &go(), |event| {
        if let Event::Finished { exit, limit, .. } = event {
            end = Some((exit, limit));
        }
    })
    .unwrap();
    assert_eq!(end, Some((Exit::Signal(9), Some(Limit::Memory(64 << 20)))));
}

/// Gives one job, then says `Wait` until some time has passed, then gives another.
struct Patient {
    given: usize,
    from: Instant,
    asked: usize,
}

impl Driver for Patient {
    fn next(&mut self) -> Next {
        self.asked += 1;
        if self.given == 1 && self.from.elapsed() < Duration::from_millis(400) {
            return Next::Wait;
        }
        if self.given == 2 {
            return Next::Done;
        }
        self.given += 1;
        Next::Start(Box::new(job("true")))
    }

    fn event(&mut self, _: Event<'_>) {}
}

#[test]
fn waits_for_work_that_comes_later() {
    let mut driver = Patient { given: 0, from: Instant::now(), asked: 0 };
    let summary = super::run(&mut driver, 2, &go()).unwrap();
    assert_eq!(summary.succeeded, 2);
    assert!((5..20).contains(&driver.asked), "asked {} times", driver.asked);
}

#[test]
fn what_a_job_leaves_running_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticks");
    let script =
        format!("(while :; do echo x >> {}; sleep 0.02; done) & sleep 0.1", path.display());
    run([job(&script)], 1, &go(), |_| {}).unwrap();
    let size = fs_err::metadata(&path).unwrap().len();
    assert!(size > 0);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(fs_err::metadata(&path).unwrap().len(), size);
}
