//! What plugins say and print, how they panic, and how many processors a trial takes.

use crate::harness::{Place, RunFolder};
use crate::processes::{Running, send};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A place whose model pools with the block that does this.
fn place_with(doing: &str) -> Place {
    let place = Place::new();
    let block = format!("use = \"talkative\"\ndoing = \"{doing}\"");
    place.edit("use = \"attentive-mean\"\nhidden = 8", &block);
    place
}

fn run(place: &Place) -> Command {
    place.command(&["run", "pooling"])
}

/// The attempt's file of this name.
fn file(run: &RunFolder, name: &str) -> String {
    let attempt = fs::read_dir(run.folder.join("attempts")).unwrap().next().unwrap().unwrap();
    fs::read_to_string(attempt.path().join(name)).unwrap()
}

/// The only run of a place, with what `ablate logs` gives as data.
fn logged(place: &Place) -> (RunFolder, Vec<Value>) {
    let run = place.runs().remove(0);
    let json = place.ablate(&["logs", &run.id, "--format", "json"]).expect(0).json();
    (run, json["lines"].as_array().unwrap().clone())
}

/// Level and message of what the plugin `fixture` logged.
fn of_the_fixture(lines: &[Value]) -> Vec<(&str, &str)> {
    let own = lines.iter().filter(|line| line["plugin"] == "fixture");
    own.map(|line| (line["level"].as_str().unwrap(), line["message"].as_str().unwrap())).collect()
}

#[test]
fn logs_of_plugins_stand_in_the_log_of_the_run_with_name_and_level() {
    let place = place_with("log");
    let answer = place.answer(run(&place)).expect(0);
    let (run, lines) = logged(&place);
    let own = of_the_fixture(&lines);
    let here = "model.pooling/ablate_fixture::talkative: ";
    let expected = [
        ("info", format!("{here}made at model.pooling")),
        ("error", format!("{here}an error at step 0")),
        ("warning", format!("{here}a warning\nof two lines")),
        ("info", format!("{here}information")),
        ("info", "model.pooling/a_dependency::inside: a crate inside says something".to_owned()),
        ("info", format!("{here}an event answer=42 name=x")),
        ("info", "model.pooling/by hand: the host's own service".to_owned()),
        ("info", "ablate_fixture::talkative: from a thread".to_owned()),
        ("warning", "ablate_fixture::talkative: an event from a thread".to_owned()),
    ];
    let expected: Vec<_> = expected.iter().map(|(level, text)| (*level, text.as_str())).collect();
    assert_eq!(own[..expected.len()], expected);
    // Each of the six steps says as much.
    assert_eq!(own.len(), 1 + 6 * (expected.len() - 1));
    let text = place.ablate(&["logs", &run.id]).expect(0).stdout;
    let line = " error: fixture: model.pooling/ablate_fixture::talkative: an error at step 5";
    assert!(text.lines().any(|found| found.ends_with(line)), "{text}");
    for time in lines.iter().map(|line| line["time"].as_str().unwrap()) {
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    }
    // The terminal has what is severe, a line each.
    for said in ["fixture: an error at step 0", "fixture: a warning", "fixture: an event from"] {
        assert!(answer.stderr.contains(said), "{said} in:\n{}", answer.stderr);
    }
    for silent in ["information", "of two lines", "a detail"] {
        assert!(!answer.stderr.contains(silent), "{silent} in:\n{}", answer.stderr);
    }
}

#[test]
fn the_environment_chooses_how_much_is_logged() {
    let place = place_with("log");
    let mut command = run(&place);
    command.env("ABLATE_LOG", "debug");
    place.answer(command).expect(0);
    let (_, lines) = logged(&place);
    let own = of_the_fixture(&lines);
    let here = "model.pooling/ablate_fixture::talkative: ";
    for detail in ["a detail", "an event in detail"] {
        assert!(own.contains(&("debug", &format!("{here}{detail}"))), "{own:?}");
    }
    assert!(own.iter().all(|(level, _)| *level != "trace"), "{own:?}");
    let place = place_with("log");
    let mut command = run(&place);
    command.env("ABLATE_LOG", "loud");
    let refused = place.answer(command).expect(1);
    refused.says(
        "error: environment variable `ABLATE_LOG`: unknown level `loud`\n\
         hint: known levels: `error`, `warning`, `info`, `debug`, `trace`\n",
    );
    assert!(place.runs().is_empty());
}

#[test]
fn what_a_plugin_prints_goes_to_the_file_of_the_attempt_and_tears_nothing() {
    let place = place_with("print");
    let answer = place.answer(run(&place)).expect(0);
    let run = place.runs().remove(0);
    let printed = file(&run, "stderr.txt");
    let count = |text: &str| printed.matches(text).count();
    assert_eq!((count("printed to stdout"), count("printed to stderr")), (6, 6), "{printed}");
    assert!(!answer.stdout.contains("printed"), "{}", answer.stdout);
    assert!(!answer.stderr.contains("printed"), "{}", answer.stderr);
    let logs = place.ablate(&["logs", &run.id]).expect(0);
    assert!(logs.stdout.contains("printed to stdout"), "{}", logs.stdout);
}

#[test]
fn a_plugin_that_never_stops_talking_fills_neither_disk_nor_terminal() {
    let place = place_with("flood");
    let answer = place.answer(run(&place)).expect(0);
    let (_, lines) = logged(&place);
    let own = of_the_fixture(&lines);
    // Sixty thousand lines: two thousand at once, a hundred in each second after that.
    let allowed = 2000 + 100 * (answer.took.as_secs() as usize + 1) + 20;
    assert!((1900..=allowed).contains(&own.len()), "{} lines", own.len());
    // Not one is missing without a word.
    let said = own.iter().filter(|(_, message)| message.contains("talkative: line ")).count();
    let left_out: usize = own
        .iter()
        .filter_map(|(_, message)| {
            message.strip_prefix("so many lines that ")?.split(' ').next()?.parse::<usize>().ok()
        })
        .sum();
    assert_eq!(said + left_out, 60_000);
    let shown = answer.stderr.lines().filter(|line| line.contains("fixture: line ")).count();
    assert!((10..=22 + answer.took.as_secs() as usize).contains(&shown), "{shown} lines");
}

#[test]
fn a_panic_leaves_its_message_its_place_and_its_backtrace_in_the_log() {
    let place = Place::new();
    let block = "use = \"misbehaving\"\nhow = \"panic\"";
    place.edit("use = \"attentive-mean\"\nhidden = 8", block);
    for (backtrace, lines_min) in [(None, 1), (Some("1"), 5)] {
        let mut command = run(&place);
        command.env_remove("RUST_BACKTRACE").envs(backtrace.map(|on| ("RUST_BACKTRACE", on)));
        let answer = place.answer(command).expect(1);
        let expected = "the misbehaving block panicked";
        assert!(answer.stderr.contains(expected), "{}", answer.stderr);
        assert!(answer.stderr.contains("hint: it panicked at [FIXTURE]"), "{}", answer.stderr);
        assert!(!answer.stderr.contains("rust_begin_unwind"), "{}", answer.stderr);
        let run = place.runs().remove(0);
        let json = place.ablate(&["logs", &run.id, "--format", "json"]).expect(0).json();
        let failed = json["lines"].as_array().unwrap().iter().find_map(|line| {
            line["message"].as_str().filter(|message| message.starts_with("failed: "))
        });
        let failed = failed.unwrap_or_else(|| panic!("no failure in {json}"));
        assert!(failed.contains(expected), "{failed}");
        assert!(failed.contains("fixtures/plugin/src/misbehaving.rs:"), "{failed}");
        let below = failed.lines().skip(1).count();
        assert!(below >= lines_min, "{failed}");
        assert_eq!(failed.contains("rust_begin_unwind"), backtrace.is_some(), "{failed}");
        let attempts = fs::read_dir(run.folder.join("attempts")).unwrap().count();
        assert_eq!(attempts, 1, "each case has an attempt of its own");
        fs::remove_dir_all(place.path("home/runs")).unwrap();
        place.ablate(&["registry", "rebuild"]).expect(0);
    }
}

#[test]
fn a_panic_of_a_plugins_own_thread_is_in_the_log_and_the_trial_goes_on() {
    let place = place_with("panic-in-thread");
    let answer = place.answer(run(&place)).expect(0);
    let (run, lines) = logged(&place);
    assert_eq!(run.status(), "done");
    let panics: Vec<_> =
        of_the_fixture(&lines).into_iter().filter(|line| line.0 == "error").collect();
    assert_eq!(panics.len(), 6, "{panics:?}");
    for (_, message) in panics {
        assert!(message.starts_with("panic: `worker` panicked at "), "{message}");
        let first = message.lines().next().unwrap();
        assert!(first.ends_with(": a thread of the talkative block panicked"), "{message}");
    }
    assert!(answer.stderr.contains("fixture: `worker` panicked at "), "{}", answer.stderr);
    assert!(!file(&run, "stderr.txt").contains("panicked"));
}

#[test]
fn a_trial_takes_no_more_processor_time_than_its_threads() {
    let place = Place::new();
    // Batches that Burn would spread over all processors.
    let arguments = [
        "run",
        "pooling",
        "threads=1",
        "train.total_epochs=100000",
        "train.batch_size=12",
        "model.latent_dim=128",
        "dataset.encoder.mel_bins=80",
        "dataset.max_seconds=4.0",
        "dataset.min_seconds=3.0",
        "train.checkpoint_every_epochs=1",
    ];
    let mut running = Running::start(&place, &arguments);
    running.wait_for_checkpoint(1);
    let trial = running.trial();
    let id = trial.as_raw_nonzero();
    let (start, before) = (Instant::now(), used(id));
    let mut threads = names_of_threads(id);
    while start.elapsed() < Duration::from_secs(2) {
        sleep(Duration::from_millis(20));
        // A thread that fetches batches has no name at first, and comes and goes; pools stay.
        let now = names_of_threads(id);
        if now.len() < threads.len() {
            threads = now;
        }
    }
    let (wall, spent) =
        (start.elapsed().as_secs_f64(), used(id).saturating_sub(before).as_secs_f64());
    send(running.pid(), Signal::TERM);
    running.finish();
    eprintln!("{spent:.2} s of processor time in {wall:.2} s, threads {threads:?}");
    assert!(spent > 0.05, "it has trained: {spent} s");
    assert!(spent <= 1.1 * wall + 0.04, "{spent} s of processor time in {wall} s");
    // The loop, three that wait for signals, for the parent and for the next beat of the lease, and
    // a pool of one in each of the five libraries.
    assert!(threads.len() <= 4 + 5, "{threads:?}");
}

/// Names of the threads of a process, without those that fetch batches.
fn names_of_threads(id: impl std::fmt::Display) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap().filter_map(Result::ok);
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| !name.starts_with("batches-")).collect()
}

/// Processor time of all threads of a process.
fn used(id: impl std::fmt::Display) -> Duration {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
    // utime and stime, fields 14 and 15 of proc(5), in ticks of 10 ms.
    let ticks = fields.skip(11).take(2).map(|number| number.parse::<u64>().unwrap());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

#[test]
fn as_data_a_log_is_a_list_of_lines() {
    let place = Place::new();
    place.answer(run(&place)).expect(0);
    let (_, lines) = logged(&place);
    let first = &lines[0];
    assert_eq!((&first["level"], &first["plugin"]), (&json!(null), &json!(null)));
    let message = first["message"].as_str().unwrap();
    assert!(message.starts_with("started by process "), "{message}");
    assert_eq!(lines.last().unwrap()["message"], "finished after step 6");
}
