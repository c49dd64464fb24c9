//! The same trial gives the same bits: in another home, with more jobs or workers, and after it was
//! killed or stopped in the middle.

use crate::harness::{Place, results, slow};
use crate::processes::{Running, send, wait_until_gone};
use rustix::process::Signal;

/// Long enough to be caught in the middle: 120 steps with a checkpoint every third.
const LONG: [&str; 4] = [
    "train.total_epochs=40",
    "train.checkpoint_every_steps=3",
    "train.eval_every_steps=7",
    "sweep.seeds=[0]",
];

fn long(command: &str) -> Vec<&str> {
    [&[command, "pooling"], &LONG[..]].concat()
}

/// The experiment with one variant, run without interruption.
fn uninterrupted(place: &Place) {
    place.ablate(&long("run")).expect(0);
}

#[test]
fn another_home_more_jobs_and_more_workers_give_the_same_bits() {
    let places = [Place::new(), Place::new(), Place::new()];
    let arguments =
        [["1", "train.prefetch_workers=1"], ["2", "train.prefetch_workers=2"], ["1", "threads=2"]];
    for (place, [jobs, setting]) in places.iter().zip(arguments) {
        place.ablate(&["sweep", "pooling", "--jobs", jobs, setting]).expect(0);
    }
    let [first, second, third] = places.each_ref().map(Place::runs);
    assert_eq!(first.len(), 4);
    assert_eq!(results(&first), results(&second));
    assert_eq!(results(&first), results(&third));
    // The number of workers is no part of what a trial is.
    let again = places[0].ablate(&["sweep", "pooling", "train.prefetch_workers=2"]).expect(0);
    assert!(again.stderr.contains("4 done, 0 to run"), "{}", again.stderr);
    // Two seeds are two trials: equal bits would mean that the seed is not used.
    assert_ne!(first[0].measurements, first[1].measurements);
}

#[test]
fn a_killed_trial_goes_on_from_its_checkpoint_with_the_same_bits() {
    let (whole, broken) = (Place::new(), Place::new());
    uninterrupted(&whole);
    let mut running = Running::start(&broken, &long("run"));
    let run = running.wait_for_checkpoint(8);
    send(running.trial(), Signal::KILL);
    // It is tried again at once.
    let killed = running.finish().expect(0);
    assert!(killed.stderr.contains("signal 9 (SIGKILL)"), "{}", killed.stderr);
    assert!(killed.stderr.contains("attempt 2 of 2 follows"), "{}", killed.stderr);
    check_resumed(&killed.stderr);
    let runs = broken.runs();
    assert_eq!((runs.len(), &runs[0].id), (1, &run.id));
    assert_eq!(results(&runs), results(&whole.runs()));
}

#[test]
fn a_trial_whose_parent_was_killed_too_goes_on_from_its_checkpoint() {
    let (whole, broken) = (Place::new(), Place::new());
    uninterrupted(&whole);
    let mut running = Running::start(&broken, &long("run"));
    let run = running.wait_for_checkpoint(8);
    let (parent, trial) = (running.pid(), running.trial());
    send(parent, Signal::KILL);
    send(trial, Signal::KILL);
    running.finish();
    wait_until_gone(trial);
    let listed = broken.ablate(&["runs", "--format", "json"]).expect(0).json();
    assert_eq!(listed["runs"][0]["status"], "lost");
    let resumed = broken.ablate(&long("run")).expect(0);
    check_resumed(&resumed.stderr);
    let runs = broken.runs();
    assert_eq!((runs.len(), &runs[0].id), (1, &run.id));
    assert_eq!(results(&runs), results(&whole.runs()));
}

#[test]
fn an_orphaned_trial_stops_by_itself() {
    let place = Place::new();
    let mut running = Running::start(&place, &long("run"));
    running.wait_for_checkpoint(1);
    let trial = running.trial();
    send(running.pid(), Signal::KILL);
    running.finish();
    wait_until_gone(trial);
    place.ablate(&long("run")).expect(0);
    assert_eq!(place.runs().len(), 1);
}

#[test]
fn an_interrupted_sweep_says_how_to_go_on_and_then_gives_the_same_bits() {
    check_interrupted(Signal::INT);
}

#[test]
fn a_sweep_that_is_asked_to_end_does_the_same() {
    check_interrupted(Signal::TERM);
}

fn check_interrupted(signal: Signal) {
    let (whole, broken) = (Place::new(), Place::new());
    whole.ablate(&long("sweep")).expect(0);
    let mut running = Running::start(&broken, &long("sweep"));
    running.wait_for_checkpoint(8);
    send(running.pid(), signal);
    let stopped = running.finish().expect(2);
    assert_eq!(stopped.stdout, "");
    let expected = format!(
        "stopped; finished trials and the checkpoints of the others are kept\n\
         next: ablate sweep pooling {}\n",
        LONG[..3].join(" ") + " 'sweep.seeds=[0]'"
    );
    assert!(stopped.stderr.ends_with(&expected), "{}", stopped.stderr);
    let resumed = broken.ablate(&long("sweep")).expect(0);
    // What asks for the end of a trial lets it write a checkpoint, at whatever step.
    assert!((1..120).contains(&resumed_step(&resumed.stderr)), "{}", resumed.stderr);
    assert_eq!(broken.runs().len(), 2);
    assert_eq!(results(&broken.runs()), results(&whole.runs()));
}

#[test]
fn a_sweep_can_be_stopped_while_its_data_is_prepared() {
    let place = Place::new();
    let arguments = ["sweep", "pooling", "dataset.items_train=100000"];
    let mut running = Running::start(&place, &arguments);
    running.wait_for_stderr("preparing synthesis: ");
    send(running.pid(), Signal::INT);
    let stopped = running.finish().expect(2);
    assert!(stopped.took < std::time::Duration::from_secs(20), "{:?}", stopped.took);
    let expected = "stopped; finished trials and the checkpoints of the others are kept\n\
                    next: ablate sweep pooling dataset.items_train=100000\n";
    assert!(stopped.stderr.ends_with(expected), "{}", stopped.stderr);
    assert!(place.runs().is_empty());
}

#[test]
fn a_damaged_checkpoint_is_not_gone_on_from() {
    let (whole, broken) = (Place::new(), Place::new());
    uninterrupted(&whole);
    let mut running = Running::start(&broken, &[&long("run")[..], &["sweep.retry=false"]].concat());
    let run = running.wait_for_checkpoint(8);
    send(running.trial(), Signal::KILL);
    running.finish().expect(1);
    let folder = run.folder.join("checkpoints/last");
    let files = walk(&folder);
    let largest = files.iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let mut bytes = fs_err::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(largest, bytes).unwrap();
    let again = broken.ablate(&long("run")).expect(0);
    assert!(again.stderr.contains("the trial starts anew"), "{}", again.stderr);
    assert!(!again.stderr.contains("goes on after step"), "{}", again.stderr);
    let runs = broken.runs();
    assert_eq!((runs.len(), &runs[0].id), (1, &run.id));
    assert_eq!(results(&runs), results(&whole.runs()));
}

#[test]
fn many_kills_at_any_moment_lose_nothing() {
    if !slow() {
        return;
    }
    let (whole, broken) = (Place::new(), Place::new());
    whole.ablate(&long("sweep")).expect(0);
    let mut killed = 0;
    for attempt in 0..60_u64 {
        let running = Running::start(&broken, &long("sweep"));
        // Spread over start, preparation, training and the writing of checkpoints.
        std::thread::sleep(std::time::Duration::from_millis(100 + attempt * 137 % 1500));
        let trials = running.trials();
        send(running.pid(), Signal::KILL);
        killed += u32::from(running.finish().code.is_none());
        for trial in trials {
            send(trial, Signal::KILL);
            wait_until_gone(trial);
        }
        if broken.runs().iter().filter(|run| run.status() == "done").count() == 2 {
            break;
        }
    }
    let last = broken.ablate(&long("sweep")).expect(0);
    assert!(killed > 3, "{killed} kills, then {}", last.stderr);
    let done: Vec<_> = broken.runs().into_iter().filter(|run| run.status() == "done").collect();
    assert_eq!(results(&done), results(&whole.runs()));
    eprintln!("the same bits after {killed} kills");
}

/// It must have gone on from one of the checkpoints of every third step.
#[track_caller]
fn check_resumed(stderr: &str) {
    let step = resumed_step(stderr);
    assert!(step > 0 && step.is_multiple_of(3) && step < 120, "{stderr}");
}

#[track_caller]
fn resumed_step(stderr: &str) -> u64 {
    let line = stderr.lines().find(|line| line.contains("goes on after step "));
    let line = line.unwrap_or_else(|| panic!("nothing was gone on with:\n{stderr}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
