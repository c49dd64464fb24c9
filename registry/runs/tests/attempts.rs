//! Attempts: several processes working on one run, one after the other.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_runs::{
    Attempt, AttemptEnd, AttemptOutcome, AttemptState, Error, Failure, Filter, Mark, NewAttempt,
    NewRun, Outcome, Run, RunSummary, Status, Store,
};
use serde_json::json;

fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    (home, store)
}

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

fn begin(run: &Run) -> Attempt<'_> {
    run.begin_attempt(&NewAttempt { pid: 42, host: "lab".into() }).unwrap()
}

fn failure() -> Failure {
    Failure { kind: "signal".into(), message: "killed by SIGSEGV".into(), hints: Vec::new() }
}

fn failed() -> AttemptOutcome {
    let Failure { kind, message, hints } = failure();
    AttemptOutcome::Failed { class: kind, message, hints }
}

fn end(wall_s: f64, peak: u64, outcome: AttemptOutcome) -> AttemptEnd {
    AttemptEnd { peak_memory_bytes: Some(peak), ..AttemptEnd::now(wall_s, outcome) }
}

fn states(run: &Run) -> Vec<AttemptState> {
    run.attempts().unwrap().iter().map(|attempt| attempt.state).collect()
}

fn listed(store: &Store) -> RunSummary {
    store.runs(&Filter::default()).unwrap().remove(0)
}

#[test]
fn a_run_takes_as_long_as_all_its_attempts() {
    let (_home, store) = store();
    let run = create(&store);
    begin(&run).end(&end(2.0, 500, AttemptOutcome::Stopped)).unwrap();
    let attempt = begin(&run);
    attempt.end(&end(3.5, 300, failed())).unwrap();
    run.finish(&Outcome { error: Some(failure()), wall_s: 3.5, ..Outcome::default() }).unwrap();
    assert_eq!(run.result().unwrap().unwrap().outcome.wall_s, 5.5);
    run.reopen().unwrap();
    // The run may be finished before its attempt says how long it took.
    begin(&run);
    run.finish(&Outcome { wall_s: 1.0, peak_memory_bytes: Some(400), ..Outcome::default() })
        .unwrap();
    let outcome = run.result().unwrap().unwrap().outcome;
    assert_eq!((outcome.wall_s, outcome.peak_memory_bytes), (6.5, Some(500)));
    assert_eq!(listed(&store).wall_s, Some(6.5));
}

#[test]
fn attempts_keep_their_logs_and_their_ends() {
    let (_home, store) = store();
    let run = create(&store);
    let claim = store.claim("trial").unwrap().unwrap();
    let first = begin(&run);
    assert_eq!((first.number(), states(&run)), (1, vec![AttemptState::Running]));
    fs_err::write(first.stderr_path(), "last words").unwrap();
    first.end(&end(1.0, 1, failed())).unwrap();
    run.finish(&Outcome { error: Some(failure()), wall_s: 1.0, ..Outcome::default() }).unwrap();
    assert!(matches!(run.begin_attempt(&NewAttempt::here()), Err(Error::AlreadyFinished { .. })));
    run.reopen().unwrap();
    let second = begin(&run);
    assert_eq!(second.number(), 2);
    let records = run.attempts().unwrap();
    assert_eq!(fs_err::read_to_string(records[0].folder.join("stderr.txt")).unwrap(), "last words");
    assert!(records[0].folder.join("result.json").exists(), "the result of a failed attempt");
    assert_eq!(records[0].end.as_ref().unwrap().outcome, failed());
    assert_eq!(records[0].by, Some(NewAttempt { pid: 42, host: "lab".into() }));
    assert_eq!(states(&run), [AttemptState::Failed, AttemptState::Running]);
    drop(claim);
    assert_eq!(states(&run), [AttemptState::Failed, AttemptState::Lost]);
}

#[test]
fn the_first_end_of_an_attempt_stands() {
    let (_home, store) = store();
    let run = create(&store);
    let attempt = begin(&run);
    assert!(attempt.end(&end(1.0, 1, AttemptOutcome::Stopped)).unwrap());
    assert!(!run.end_attempt(1, &end(9.0, 1, AttemptOutcome::Lost)).unwrap());
    assert_eq!(states(&run), [AttemptState::Stopped]);
    let error = run.end_attempt(2, &end(9.0, 1, AttemptOutcome::Lost)).unwrap_err();
    assert!(matches!(error, Error::NoAttempt { number: 2, .. }), "{error}");
    let names: Vec<_> = fs_err::read_dir(attempt.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "attempt.json and end.json: {names:?}");
}

#[test]
fn a_done_run_is_never_opened_again() {
    let (_home, store) = store();
    let run = create(&store);
    begin(&run).end(&end(1.0, 1, AttemptOutcome::Done)).unwrap();
    run.finish(&Outcome { wall_s: 1.0, ..Outcome::default() }).unwrap();
    assert!(matches!(run.reopen(), Err(Error::Final { .. })));
    assert!(matches!(run.begin_attempt(&NewAttempt::here()), Err(Error::AlreadyFinished { .. })));
    assert_eq!(listed(&store).status, Status::Done);
}

#[test]
fn a_stopped_run_says_so_until_it_goes_on() {
    let (_home, store) = store();
    let run = create(&store);
    begin(&run).end(&end(1.0, 1, AttemptOutcome::Stopped)).unwrap();
    let mark = Mark::Pruned { rung_epoch: 3, reason: "7th of 9 at epoch 3".into() };
    run.mark(&mark).unwrap();
    let check = |stopped: bool, mark: Option<&Mark>| {
        for rebuild in [false, true] {
            if rebuild {
                store.rebuild().unwrap();
            }
            let run = listed(&store);
            assert_eq!((run.status, run.stopped), (Status::Lost, stopped), "rebuilt {rebuild}");
            assert_eq!(run.mark.as_ref(), mark, "rebuilt {rebuild}");
        }
    };
    check(true, Some(&mark));
    assert_eq!(run.marked(), Some(mark));
    let attempt = begin(&run);
    check(false, None);
    attempt.end(&end(1.0, 1, AttemptOutcome::Done)).unwrap();
    run.finish(&Outcome::default()).unwrap();
    let mark = Mark::Pruned { rung_epoch: 4, reason: String::new() };
    assert!(matches!(run.mark(&mark), Err(Error::AlreadyFinished { .. })));
}

#[test]
fn a_dead_attempt_ends_the_run_unless_somebody_else_goes_on() {
    let (_home, store) = store();
    let run = create(&store);
    begin(&run);
    let end = end(2.0, 1, failed());
    let claim = store.claim("trial").unwrap().unwrap();
    assert!(!run.end_dead_attempt(1, &end, &failure()).unwrap(), "claimed by another");
    begin(&run);
    drop(claim);
    assert!(!run.end_dead_attempt(1, &end, &failure()).unwrap(), "the next attempt has begun");
    assert_eq!(run.status().unwrap(), Status::Lost);
    assert!(run.end_dead_attempt(2, &end, &failure()).unwrap());
    assert_eq!(run.status().unwrap(), Status::Failed);
    let outcome = run.result().unwrap().unwrap().outcome;
    assert_eq!((outcome.error, outcome.wall_s), (Some(failure()), 4.0));
    assert!(!run.end_dead_attempt(2, &end, &failure()).unwrap(), "ended already");
}

#[test]
fn records_that_a_power_failure_took_are_no_obstacle() {
    let (_home, store) = store();
    let run = create(&store);
    let attempt = begin(&run);
    attempt.end(&end(1.0, 1, AttemptOutcome::Stopped)).unwrap();
    for name in ["attempt.json", "end.json"] {
        fs_err::write(attempt.folder().join(name), "").unwrap();
    }
    let record = run.attempts().unwrap().remove(0);
    assert_eq!((record.state, record.by, record.end), (AttemptState::Lost, None, None));
    assert_eq!(begin(&run).number(), 2);
    store.rebuild().unwrap();
    assert!(!listed(&store).stopped);
}

#[test]
fn an_attempt_removes_what_killed_processes_were_writing_and_nothing_else() {
    let (_home, store) = store();
    let run = create(&store);
    let first = begin(&run).folder().to_owned();
    begin(&run);
    let half = [
        run.folder().join("measurements.jsonl.new-7-0"),
        first.join("end.json.new-20056-3"),
        run.folder().join("attempts/002/attempt.json.new-9-1"),
    ];
    let kept = [first.join("attempt.json"), first.join("log.txt"), first.join("end.json.new-x-3")];
    for path in half.iter().chain(&kept[1..]) {
        std::fs::write(path, "{").unwrap();
    }
    begin(&run);
    for path in half {
        assert!(!path.exists(), "{} is left", path.display());
    }
    for path in kept {
        assert!(path.exists(), "{} is gone", path.display());
    }
}
