//! Sweeps that are killed at any moment, again and again: what is finished stays as it is, the rest
//! goes on, and the table is that of a sweep that nobody touched.

use crate::harness::{Answer, Place, RunFolder, results, slow};
use crate::plain_library::place;
use crate::processes::{Running, send, wait_until_gone};
use fs_err as fs;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// 20 trials of a fifth of a second, each with a checkpoint after every step.
const SWEEP: [&str; 8] = [
    "sweep",
    "plain",
    "--jobs",
    "2",
    "sweep.seeds=[0,1,2,3,4,5,6,7,8,9]",
    "train.total_epochs=3",
    "train.checkpoint_every_steps=1",
    "dataset.sleep_ms=10",
];
const TRIALS: usize = 20;

#[test]
fn a_few_kills_at_any_moment_change_nothing() {
    kill(8);
}

#[test]
fn a_hundred_kills_at_any_moment_change_nothing() {
    if slow() {
        kill(100);
    }
}

#[test]
fn two_sweeps_at_once_share_the_work() {
    let (whole, shared) = (place(&[]), place(&[]));
    let expected = whole.ablate(&SWEEP).expect(0);
    let both = [Running::start(&shared, &SWEEP), Running::start(&shared, &SWEEP)];
    for answer in both.map(Running::finish) {
        assert_eq!(answer.expect(0).stdout, expected.stdout);
    }
    check_runs(&shared, &whole);
    // No trial was begun twice, not even to find that there is nothing to do.
    for run in shared.runs() {
        let attempts = fs::read_dir(run.folder.join("attempts")).unwrap().count();
        assert_eq!(attempts, 1, "{} seed {}", run.variant, run.seed);
    }
    check_nothing_is_left(&shared);
}

/// Who is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// One of the processes that the command has started.
    Child,
    /// The command itself.
    Coordinator,
    /// The command and all that it has started.
    Both,
}

/// Kills so often, in one sweep after the other where one is finished before.
fn kill(times: usize) {
    let whole = place(&[]);
    let table = table(&whole.ablate(&SWEEP).expect(0), &whole);
    let mut random = Random(0x5eed);
    let mut kills: BTreeMap<String, usize> = BTreeMap::new();
    let mut sweeps = 0;
    while kills.values().sum::<usize>() < times {
        sweeps += 1;
        let broken = place(&[]);
        let mut finished = Finished::default();
        while kills.values().sum::<usize>() < times {
            let mut running = Running::start(&broken, &SWEEP);
            let ended = disturb(&mut running, &mut random, times, &mut kills);
            let answer = running.finish();
            let complete = ended && answer.code == Some(0);
            // Half of the time what was left behind ends in peace, before the next command comes.
            if complete || random.below(2) == 0 {
                wait_until_quiet(&broken);
                finished.check(&broken);
            }
            if complete {
                break;
            }
        }
        let last = broken.ablate(&SWEEP).expect(0);
        wait_until_quiet(&broken);
        finished.check(&broken);
        assert!(self::table(&last, &broken) == table, "another table:\n{}", last.stdout);
        check_runs(&broken, &whole);
        check_nothing_is_left(&broken);
    }
    eprintln!("the same table after {kills:?} in {sweeps} sweeps");
}

/// Kills until the command has ended; true when it did so by itself.
fn disturb(
    running: &mut Running<'_>,
    random: &mut Random,
    times: usize,
    kills: &mut BTreeMap<String, usize>,
) -> bool {
    loop {
        // Often in the first moments, when plan, preparation and checkpoints are read and written;
        // sometimes after the second or third trial.
        let most = [40, 120, 300, 700][random.below(4) as usize];
        let until = Instant::now() + Duration::from_millis(random.below(most));
        while Instant::now() < until {
            if has_ended(running.pid()) {
                return true;
            }
            sleep(Duration::from_millis(2));
        }
        if kills.values().sum::<usize>() >= times {
            // The rest of this command is left in peace.
            while !has_ended(running.pid()) {
                sleep(Duration::from_millis(5));
            }
            return true;
        }
        let children = children_of(running.pid());
        let victim = match random.below(3) {
            0 if !children.is_empty() => Victim::Child,
            2 => Victim::Both,
            _ => Victim::Coordinator,
        };
        *kills.entry(format!("{victim:?}")).or_default() += 1;
        match victim {
            Victim::Child => {
                let child = children[random.below(children.len() as u64) as usize];
                send(child, Signal::KILL);
                continue;
            }
            Victim::Coordinator => send(running.pid(), Signal::KILL),
            Victim::Both => {
                send(running.pid(), Signal::KILL);
                for child in children {
                    send(child, Signal::KILL);
                }
            }
        }
        return false;
    }
}

/// The bytes of all runs that were seen done, which nothing may change any more.
#[derive(Default)]
struct Finished(BTreeMap<PathBuf, BTreeMap<PathBuf, String>>);

impl Finished {
    /// Looks when no process is there that could be writing.
    fn check(&mut self, place: &Place) {
        let done = place.runs().into_iter().filter(|run| run.status() == "done");
        let now: BTreeMap<_, _> = done.map(|run| (run.folder.clone(), contents(&run))).collect();
        for (folder, before) in &self.0 {
            let after = now.get(folder).unwrap_or_else(|| panic!("{} is lost", folder.display()));
            let files: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            let is_changed = |file: &&&PathBuf| before.get(**file) != after.get(**file);
            let changed: Vec<_> = files.iter().filter(is_changed).collect();
            assert!(changed.is_empty(), "{changed:?} changed in the finished {}", folder.display());
        }
        self.0 = now;
    }
}

/// The sha256 of every file of a run.
fn contents(run: &RunFolder) -> BTreeMap<PathBuf, String> {
    let hash = |file: &PathBuf| format!("{:x?}", Sha256::digest(fs::read(file).unwrap()));
    files(&run.folder).into_iter().map(|file| (file.clone(), hash(&file))).collect()
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// What a sweep printed, and the same table as JSON in every bit but the ids of runs.
fn table(answer: &Answer, place: &Place) -> (String, Value) {
    let overrides = &SWEEP[4..];
    let json = place.ablate(&[&["table", "plain", "--format", "json"], overrides].concat());
    let mut json = json.expect(0).json();
    drop_runs(&mut json);
    (answer.stdout.clone(), json)
}

/// Takes the ids of runs away, and the stamp that is made of them.
fn drop_runs(json: &mut Value) {
    match json {
        Value::Object(map) => {
            map.retain(|key, _| key != "runs" && key != "stamp");
            map.values_mut().for_each(drop_runs);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_runs),
        _ => {}
    }
}

/// Every trial has exactly one run, it is done, nothing in it is doubled, and it is what it is in
/// `whole`.
fn check_runs(place: &Place, whole: &Place) {
    let runs = place.runs();
    let identities: BTreeSet<_> = runs.iter().map(|run| &run.identity).collect();
    assert_eq!((runs.len(), identities.len()), (TRIALS, TRIALS));
    assert_eq!(results(&runs), results(&whole.runs()));
    for run in &runs {
        let mut seen = BTreeSet::new();
        for line in run.measurements.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let key = ["metric", "split", "step"].map(|key| line[key].to_string());
            assert!(seen.insert(key), "{line} twice in {}", run.folder.display());
        }
    }
}

/// Neither processes nor temporary files stay behind.
fn check_nothing_is_left(place: &Place) {
    assert_eq!(processes_of(place), [], "processes are left");
    // What a killed process was just making is removed once nobody can be making it any more.
    let old = SystemTime::now() - Duration::from_hours(1);
    let half_made = fs::read_dir(place.path("home/runs")).unwrap();
    let half_made = half_made.map(|entry| entry.unwrap().path());
    for path in half_made.chain(files(&place.path("home"))) {
        fs::File::open(path).unwrap().file().set_modified(old).unwrap();
    }
    place.ablate(&["sweep", "plain", "sweep.seeds=[0]"]).expect(0);
    place.ablate(&["registry", "rebuild"]).expect(0);
    let lasting = |path: &PathBuf| {
        let inside = path.strip_prefix(place.path("home")).unwrap();
        let of_trial = inside.starts_with("trials");
        let temporary = [".new", ".tmp", ".old", ".part", ".stderr", ".lease"];
        let parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
        path.extension().is_some_and(|ending| ending == "lock")
            || (!of_trial
                && parts.into_iter().all(|part| {
                    !part.starts_with('.') && !temporary.iter().any(|text| part.contains(text))
                }))
    };
    let left: Vec<_> =
        files(&place.path("home")).into_iter().filter(|path| !lasting(path)).collect();
    assert!(left.is_empty(), "temporary files are left: {left:#?}");
}

/// Waits until no process of this place is there.
fn wait_until_quiet(place: &Place) {
    processes_of(place).into_iter().for_each(wait_until_gone);
}

/// All processes that work in the home of a place: their environment says so.
fn processes_of(place: &Place) -> Vec<Pid> {
    let home = format!("ABLATE_HOME={}", place.path("home").display());
    let of_home = |pid: &Pid| {
        let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
        let environment = fs::read(path).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == home.as_bytes())
    };
    all_processes().into_iter().filter(of_home).collect()
}

/// Whether a process is gone, or is only waited for.
fn has_ended(process: Pid) -> bool {
    state_and_parent(process).is_none_or(|(state, _)| state == "Z")
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().to_string();
    let is_child =
        |pid: &Pid| state_and_parent(*pid).is_some_and(|(state, of)| of == parent && state != "Z");
    all_processes().into_iter().filter(is_child).collect()
}

/// As the system writes them; `None` when there is no such process.
fn state_and_parent(process: Pid) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    // pid (name) state parent …
    let mut words = stat.rsplit_once(") ")?.1.split(' ').map(ToOwned::to_owned);
    Some((words.next()?, words.next()?))
}

fn all_processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// A small generator, so that the same kills are tried in the same order (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
