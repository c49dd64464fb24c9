//! Trials that are made from what other trials published: what runs first, what is reused, what is written
//! down about it, and what is said where it cannot be had.

use crate::harness::{Answer, Place, RunFolder, results};
use crate::plain_library::place;
use crate::plugins::sha256_of;
use crate::processes::{Running, send};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;

/// `base` reads what `straight` of the experiment `plain` published, `gained` what `gain` did, `alone` nothing.
const READER: &str = r#"
[plugins]
folders = ["../plugins"]

[dataset]
use = "plain-points"

[model]
use = "plain-linear"
[model.front]
use = "plain-gain"
start = { from = "plain", artifact = "map" }

[loss.error]
use = "plain-mse"

[metric.r2]
use = "plain-r2"
objective = true

[train]
total_epochs = 3
batch_size = 8

[sweep]
seeds = [0, 1]

[[sweep.variant]]
name = "gained"
set = { "model.front.start" = { from = "../plain:gain", artifact = "map" } }

[[sweep.variant]]
name = "alone"
set = { "model.front" = { use = "plain-gain" } }
"#;

/// A reader of one variant, whose data is made from a map.
const DATA: &str = r#"extends = "../reader"
[dataset]
use = "plain-points"
shift = { from = "plain", artifact = "map" }
[model]
use = "plain-linear"
[model.front]
use = "plain-gain"
[sweep]
variant = []
"#;

/// The experiment `plain`, which publishes `map`, and `reader`.
fn places() -> Place {
    let place = place(&[]);
    let file = place.path("plain/experiment.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("total_epochs = 20", "total_epochs = 4");
    fs::write(&file, format!("{text}\n[artifact.map]\nuse = \"plain-map\"\n")).unwrap();
    place.write("reader/experiment.toml", READER);
    place
}

/// Replaces `from`, which must be there, in a file.
fn edit(place: &Place, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(place.path(file)).unwrap();
    assert!(text.contains(from), "`{from}` is not in {file}");
    place.write(file, text.replacen(from, to, 1));
}

fn experiment(run: &RunFolder) -> String {
    run.manifest()["run"]["experiment"].as_str().unwrap().to_owned()
}

/// The runs of an experiment.
fn runs_of(place: &Place, name: &str) -> Vec<RunFolder> {
    place.runs().into_iter().filter(|run| experiment(run) == name).collect()
}

fn run_of(place: &Place, name: &str, variant: &str, seed: u64) -> RunFolder {
    let found = |run: &RunFolder| run.variant == variant && run.seed == seed;
    runs_of(place, name).into_iter().find(found).expect("such a run")
}

fn map(run: &RunFolder) -> PathBuf {
    run.folder.join("artifacts/map/plain_map.json")
}

fn mean(map: &PathBuf) -> f64 {
    let map: Value = serde_json::from_slice(&fs::read(map).unwrap()).unwrap();
    let rows = map.as_object().unwrap();
    rows.values().map(|row| row[0].as_f64().unwrap()).sum::<f64>() / rows.len() as f64
}

#[track_caller]
fn refused(place: &Place, arguments: &[&str], expected: &str) {
    place.ablate(arguments).expect(1).says(expected);
}

#[test]
fn what_is_needed_runs_first_once_and_as_its_own_experiment_says() {
    let place = places();
    let answer =
        place.ablate(&["sweep", "reader", "train.total_epochs=2", "--jobs", "2"]).expect(0);
    answer.says_line(
        "needs plain · straight  to run first: seeds 0, 1 · `map` as `model.front.start` of base",
    );
    assert_eq!((runs_of(&place, "reader").len(), runs_of(&place, "plain").len()), (6, 4));
    for (variant, producer) in [("base", "straight"), ("gained", "gain")] {
        for seed in [0, 1] {
            let (made, reader) =
                (run_of(&place, "plain", producer, seed), run_of(&place, "reader", variant, seed));
            let input = &reader.manifest()["inputs"][0];
            assert_eq!(input["key"], "model.front.start");
            let from = &input["from"];
            assert_eq!(
                (&from["run"], &from["identity"]),
                (&made.id.clone().into(), &made.identity.clone().into())
            );
            assert_eq!((&from["artifact"], &from["seed"]), (&"map".into(), &seed.into()));
            assert_eq!(input["sha256"], sha256_of(&map(&made)));
            assert_eq!(input["bytes"], fs::metadata(map(&made)).unwrap().len());
            let time = |value: &Value| value.as_str().unwrap().to_owned();
            let began = time(&reader.manifest()["run"]["created"]);
            assert!(
                time(&made.result["finished"]) <= began,
                "{variant} began before its artifact was there"
            );
            // What was typed for the reader holds for the reader alone.
            let spec: Value =
                serde_json::from_slice(&fs::read(made.folder.join("spec.json")).unwrap()).unwrap();
            assert_eq!(spec["train"]["total_epochs"], 4);
        }
    }
    let reader = run_of(&place, "reader", "alone", 0);
    assert_eq!(reader.manifest().get("inputs"), None);
    let shown = place.ablate(&["show", "reader:base:1"]).expect(0);
    let line = "made from  model.front.start: map of run [RUN] (plain · straight · seed 1)";
    assert!(shown.stdout.lines().any(|found| found == line), "{}", shown.stdout);
    // They are those that a sweep of their own experiment would have run.
    place.ablate(&["sweep", "plain"]).expect(0);
    place.ablate(&["sweep", "reader", "train.total_epochs=2"]).expect(0);
    assert_eq!(place.runs().len(), 10);
    place.ablate(&["reproduce", "plain:straight:0"]).expect(0);
}

#[test]
fn the_component_is_given_the_file() {
    let place = places();
    let tiny = ["run", "reader", "train.optimizer.learning_rate=1e-30", "train.total_epochs=1"];
    place.ablate(&[&tiny[..], &["--seed", "1"]].concat()).expect(0);
    let run = run_of(&place, "reader", "base", 1);
    let weights = run.folder.join("checkpoints/last");
    let expected = mean(&map(&run_of(&place, "plain", "straight", 1))) as f32;
    let found = walk(&weights).into_iter().any(|file| {
        let bytes = fs::read(file).unwrap();
        bytes.windows(16).any(|found| found == [expected.to_le_bytes(); 4].concat())
    });
    assert!(found, "no checkpoint begins with the mean of the map, {expected}");
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_finished_run_is_reused_and_a_changed_one_makes_others_of_its_readers() {
    let place = places();
    place.ablate(&["sweep", "plain"]).expect(0);
    place.ablate(&["sweep", "reader"]).expect(0);
    assert_eq!(place.runs().len(), 10);
    edit(&place, "plain/experiment.toml", "total_epochs = 4", "total_epochs = 5");
    let dry = place.ablate(&["sweep", "reader", "--dry-run"]).expect(0);
    for line in [
        "needs plain · straight  to run first: seeds 0, 1",
        "base    to run: seeds 0, 1",
        "alone   done: seeds 0, 1",
    ] {
        assert!(dry.stdout.contains(line), "{}", dry.stdout);
    }
    place.ablate(&["sweep", "reader"]).expect(0);
    // Two variants of two seeds of each; nothing that reads nothing.
    assert_eq!((runs_of(&place, "plain").len(), runs_of(&place, "reader").len()), (8, 10));
    // What does not change what is made changes nothing.
    edit(&place, "plain/experiment.toml", "question = ", "question = \"x\" # ");
    place.ablate(&["sweep", "reader"]).expect(0);
    assert_eq!(place.runs().len(), 18);
}

#[test]
fn a_dry_run_says_what_runs_first_and_why() {
    let place = places();
    place.ablate(&["run", "plain", "--seed", "1"]).expect(0);
    let dry = place.ablate(&["sweep", "reader", "--dry-run", "--jobs", "1"]).expect(0);
    let lines: Vec<&str> = dry.stdout.lines().filter(|line| line.contains("needs")).collect();
    assert_eq!(lines.len(), 2, "{}", dry.stdout);
    assert!(
        lines[0].starts_with("  needs plain · straight  done: seed 1 · to run first: seed 0 · ")
    );
    assert!(lines[0].ends_with(" · `map` as `model.front.start` of base"), "{lines:?}");
    assert!(lines[1].starts_with("  needs plain · gain  to run first: seeds 0, 1 · "), "{lines:?}");
    dry.says_line(
        "components are made and their parameters counted once what they read is there: \
         `model.front.start`",
    );
    let json = place.ablate(&["sweep", "reader", "--dry-run", "--format", "json"]).expect(0).json();
    let needs = json["needs"].as_array().unwrap();
    assert_eq!(needs.len(), 4);
    assert_eq!(needs.iter().filter(|need| need["done"] == true).count(), 1);
    assert_eq!(needs[0]["experiment"], "plain");
    assert_eq!(place.runs().len(), 1);
    let described = place.ablate(&["describe", "reader", "--variant", "gained"]).expect(0);
    for line in [
        "gained: its parameters are counted once what it reads is made",
        "<= start: `map` of plain · gain",
    ] {
        assert!(described.stdout.lines().any(|found| found.trim() == line), "{}", described.stdout);
    }
}

#[test]
fn two_sweeps_at_once_share_what_is_needed() {
    let (whole, shared) = (places(), places());
    let sweep = ["sweep", "reader", "dataset.sleep_ms=2", "--jobs", "2"];
    let expected = whole.ablate(&sweep).expect(0);
    let both = [Running::start(&shared, &sweep), Running::start(&shared, &sweep)];
    for answer in both.map(Running::finish) {
        assert_eq!(answer.expect(0).stdout, expected.stdout);
    }
    assert_eq!(results(&shared.runs()), results(&whole.runs()));
    for run in shared.runs() {
        let attempts = fs::read_dir(run.folder.join("attempts")).unwrap().count();
        assert_eq!(attempts, 1, "{} {} seed {}", experiment(&run), run.variant, run.seed);
    }
}

#[test]
fn a_sweep_that_is_killed_while_it_makes_what_it_needs_goes_on() {
    let (whole, broken) = (places(), places());
    for place in [&whole, &broken] {
        edit(place, "plain/experiment.toml", "jitter = 0.05", "jitter = 0.05\nsleep_ms = 5");
        edit(place, "plain/experiment.toml", "[train]", "[train]\ncheckpoint_every_steps = 1");
    }
    let sweep = ["sweep", "reader", "--jobs", "1"];
    whole.ablate(&sweep).expect(0);
    let mut running = Running::start(&broken, &sweep);
    let begun = running.wait_for_checkpoint(2);
    assert_eq!(experiment(&begun), "plain");
    let trial = running.trial();
    send(running.pid(), Signal::KILL);
    send(trial, Signal::KILL);
    running.finish();
    broken.ablate(&sweep).expect(0);
    assert_eq!(results(&broken.runs()), results(&whole.runs()));
    assert!(broken.runs().iter().any(|run| run.id == begun.id));
}

#[test]
fn readers_of_what_failed_are_not_run_and_say_so() {
    let place = places();
    // It fails while it publishes.
    edit(&place, "plain/experiment.toml", "use = \"plain-map\"", "use = \"plain-map\"\nfault = 4");
    edit(&place, "reader/experiment.toml", "seeds = [0, 1]", "seeds = [0]");
    let answer = place.ablate(&["sweep", "reader", "--jobs", "1"]).expect(1);
    for text in [
        "the map is torn",
        "not run base seed 0: it is made from plain · straight seed 0, which failed; ablate show [RUN]",
        "warning: not run: 2 trials, because what is to be made from others could not be",
        "hint: once the failure above is repaired, the same command runs them: ablate sweep reader",
    ] {
        assert!(answer.stderr.contains(text), "no `{text}` in:\n{}", answer.stderr);
    }
    let done: Vec<String> = place
        .runs()
        .into_iter()
        .filter(|run| run.status() == "done")
        .map(|run| run.variant)
        .collect();
    assert_eq!(done, ["alone"]);
    edit(&place, "plain/experiment.toml", "\nfault = 4", "");
    place.ablate(&["sweep", "reader"]).expect(0);
    assert_eq!(runs_of(&place, "reader").len(), 3);
}

#[test]
fn seeds_that_are_added_bring_what_they_are_made_from() {
    let place = places();
    edit(&place, "plain/experiment.toml", "seeds = [0, 1]", "seeds = [0, 1, 2, 3]");
    let seeds = "sweep.seeds={start=2, max=3, until_ci_half_width=1e-12, metric=\"loss\"}";
    place.ablate(&["sweep", "reader", seeds]).expect(0);
    let seeds = |variant: &str| -> Vec<u64> {
        let runs = place.runs().into_iter().filter(|run| run.variant == variant);
        runs.map(|run| run.seed).collect()
    };
    for variant in ["base", "gained", "alone", "straight", "gain"] {
        assert_eq!(seeds(variant), [0, 1, 2], "{variant}");
    }
    place.ablate(&["sweep", "reader", "sweep.seeds=3"]).expect(0);
    assert_eq!(place.runs().len(), 15);
}

#[test]
fn a_bundle_has_what_its_runs_were_made_from() {
    let place = places();
    place.ablate(&["sweep", "reader", "sweep.seeds=[0]"]).expect(0);
    place.ablate(&["bundle", "reader"]).expect(0);
    fs::remove_dir_all(place.path("home")).unwrap();
    let bundle = ["--bundle", "reader.ablate"];
    let with = |arguments: &[&str]| place.ablate(&[&bundle[..], arguments].concat());
    let shown = with(&["show", "reader:base:0"]).expect(0);
    assert!(
        shown.stdout.contains("\nmade from  model.front.start: map of run "),
        "{}",
        shown.stdout
    );
    with(&["reproduce", "reader:base:0"]).expect(0);
}

#[test]
fn data_that_is_made_from_artifacts_is_known_once_they_are() {
    let place = places();
    place.write("data/experiment.toml", DATA);
    let dry = place.ablate(&["sweep", "data", "--dry-run"]).expect(0);
    assert!(
        dry.stdout.contains("needs plain · straight  to run first: seeds 0, 1"),
        "{}",
        dry.stdout
    );
    let answer = place.ablate(&["sweep", "data"]).expect(0);
    answer.says_line("data: its data is made from what 2 trials will publish, which are run first");
    assert_eq!((runs_of(&place, "plain").len(), runs_of(&place, "data").len()), (2, 2));
    for seed in [0, 1] {
        let made = run_of(&place, "plain", "straight", seed);
        let manifest = run_of(&place, "data", "base", seed).manifest();
        assert_eq!(manifest["inputs"][0]["from"]["run"], made.id);
        assert_eq!(manifest["inputs"][0]["component"], "dataset");
        assert!(manifest["dataset"]["prepared"].is_object(), "{}", manifest["dataset"]);
    }
    // Known again, whichever of them are looked at.
    place.ablate(&["sweep", "data"]).expect(0);
    place.ablate(&["run", "data", "--seed", "1"]).expect(0);
    assert_eq!(place.runs().len(), 4);
    place.ablate(&["table", "data"]).expect(0);
    place.ablate(&["reproduce", "data:base:1"]).expect(0);
    // The trials of one seed for all.
    let fixed = "dataset.shift={from='plain',artifact='map',seed=1}";
    place.ablate(&["sweep", "data", fixed]).expect(0);
    let runs = runs_of(&place, "data");
    let from = |run: &RunFolder| run.manifest()["inputs"][0]["from"]["seed"].as_u64().unwrap();
    let mut seeds: Vec<(u64, u64)> = runs.iter().map(|run| (run.seed, from(run))).collect();
    seeds.sort_unstable();
    // Seed 1 from seed 1 is what it was.
    assert_eq!(seeds, [(0, 0), (0, 1), (1, 1)]);
}

#[test]
fn data_whose_artifacts_cannot_be_made_is_not_run() {
    let place = places();
    place.write("data/experiment.toml", DATA);
    edit(&place, "plain/experiment.toml", "use = \"plain-map\"", "use = \"plain-map\"\nfault = 4");
    let answer = place.ablate(&["sweep", "data", "sweep.seeds=[0]"]).expect(1);
    let text = "not run base seed 0: it is made from plain · straight seed 0, which failed";
    assert!(answer.stderr.contains(text), "{}", answer.stderr);
    assert_eq!(place.runs().len(), 1);
}

#[test]
fn chains_run_in_their_order_and_circles_are_refused() {
    let place = places();
    let middle = format!("{READER}\n[artifact.second]\nuse = \"plain-map\"\n");
    place.write("middle/experiment.toml", middle);
    edit(
        &place,
        "reader/experiment.toml",
        "{ from = \"plain\", artifact = \"map\" }",
        "{ from = \"middle:base\", artifact = \"second\" }",
    );
    let answer = place.ablate(&["run", "reader", "--seed", "1"]).expect(0);
    answer.says_line(
        "needs middle · base  to run first: seed 1 · `second` as `model.front.start` of base",
    );
    answer.says_line("needs plain · straight  to run first: seed 1 · `map` as `model.front.start` of middle · base");
    let order: Vec<String> = {
        let mut runs = place.runs();
        runs.sort_by_key(|run| run.id.clone());
        runs.iter().map(experiment).collect()
    };
    assert_eq!(order, ["plain", "middle", "reader"]);
    edit(
        &place,
        "middle/experiment.toml",
        "{ from = \"plain\", artifact = \"map\" }",
        "{ from = \"reader\", artifact = \"third\" }",
    );
    edit(
        &place,
        "reader/experiment.toml",
        "[sweep]",
        "[artifact.third]\nuse = \"plain-map\"\n[sweep]",
    );
    refused(
        &place,
        &["sweep", "reader"],
        "error: trials are made from each other's artifacts in a circle: \
         `reader · base` ← `middle · base` ← `reader · base`\n\
         hint: one of them has to name a file, or a variant that needs none of the others\n",
    );
}

#[test]
fn one_variant_may_read_what_another_of_its_experiment_publishes() {
    let place = places();
    let variant = "\n[[sweep.variant]]\nname = \"second\"\nset = { \"model.front\" = { use = \"plain-gain\", start = { from = \"./\", artifact = \"map\" } } }\n";
    let text = fs::read_to_string(place.path("plain/experiment.toml")).unwrap();
    let text = text.replace("\n[artifact.map]", &format!("{variant}\n[artifact.map]"));
    place.write("plain/experiment.toml", text);
    place.ablate(&["sweep", "plain", "--jobs", "2"]).expect(0);
    assert_eq!(place.runs().len(), 6);
    let from = &run_of(&place, "plain", "second", 1).manifest()["inputs"][0]["from"];
    assert_eq!(from["run"], run_of(&place, "plain", "straight", 1).id);
    let table = place.ablate(&["table", "plain"]).expect(0);
    assert!(table.stdout.contains("second"), "{}", table.stdout);
}

#[test]
fn a_file_counts_by_its_content() {
    let place = places();
    place.write("maps/one.json", "{\"a\": [0.5]}");
    let start = |path: &str| format!("model.front.start={path}");
    let run = |path: &str| place.ablate(&["run", "reader", &start(path)]);
    run("maps/one.json").expect(0);
    let made = place.runs();
    assert_eq!(made.len(), 1);
    let input = &made[0].manifest()["inputs"][0];
    assert_eq!((input.get("from"), &input["bytes"]), (None, &12.into()));
    // Elsewhere it is the same, with another content it is not.
    fs::rename(place.path("maps/one.json"), place.path("maps/two.json")).unwrap();
    run("maps/two.json").expect(0);
    assert_eq!(place.runs().len(), 1);
    place.write("maps/two.json", "{\"a\": [0.6]}");
    run("maps/two.json").expect(0);
    assert_eq!(place.runs().len(), 2);
    let answer = run("maps/three.json").expect(1);
    let text = "error: command line `model.front.start=maps/three.json`: `model.front.start`: ";
    assert!(answer.stderr.starts_with(text), "{}", answer.stderr);
    assert!(answer.stderr.contains("hint: it names a file, relative to the current folder; "));
}

#[test]
fn what_was_changed_since_it_was_published_is_not_read() {
    let place = places();
    place.ablate(&["run", "plain"]).expect(0);
    let made = place.runs().remove(0);
    let whole = fs::read(map(&made)).unwrap();
    let read = || place.ablate(&["run", "reader"]);
    let says = |answer: &Answer, text: &str| {
        assert!(answer.stderr.contains(text), "no `{text}` in:\n{}", answer.stderr);
    };
    let way_out =
        format!("hint: remove the folder `{}`", place.filter(made.folder.to_str().unwrap()));
    // Of another length it is seen before anything runs.
    fs::write(map(&made), &whole[1..]).unwrap();
    let answer = read().expect(1);
    says(&answer, "`map` of run [RUN] (plain · straight · seed 0) has ");
    says(&answer, &way_out);
    assert_eq!(place.runs().len(), 1);
    // Of the same length it is seen by who reads it, which names both runs.
    let mut other = whole.clone();
    let digit = other.iter().rposition(u8::is_ascii_digit).unwrap();
    other[digit] = if other[digit] == b'1' { b'2' } else { b'1' };
    fs::write(map(&made), &other).unwrap();
    let answer = read().expect(1);
    says(
        &answer,
        "`model.front.start`: `map` of run [RUN] (plain · straight · seed 0) was changed since it was published",
    );
    says(&answer, "so run [RUN] (reader · base · seed 0) cannot be made from it");
    says(&answer, &way_out);
    // The way out leads out.
    fs::remove_dir_all(&made.folder).unwrap();
    read().expect(0);
    let again = run_of(&place, "plain", "straight", 0);
    assert_eq!(fs::read(map(&again)).unwrap(), whole);
    // What was made from it can be made again only from the same.
    place.ablate(&["reproduce", "reader:base:0"]).expect(0);
    fs::write(map(&again), &other).unwrap();
    let answer = place.ablate(&["reproduce", "reader:base:0"]).expect(2);
    says(&answer, "was changed since it was published");
}

#[test]
fn says_what_is_wrong_with_a_name_before_anything_runs() {
    let place = places();
    let with = |value: &str| format!("model.front.start={value}");
    let at = |value: &str| format!("command line `model.front.start={value}`: `model.front.start`");
    let check = |value: &str, expected: &str| {
        refused(
            &place,
            &["sweep", "reader", &with(value)],
            &format!("error: {}: {expected}", at(value)),
        );
    };
    check(
        "{from='plian',artifact='map'}",
        "`plian`: `plian`: no such experiment\nhint: did you mean `plain`?\n\
         hint: an experiment is a folder with an `experiment.toml`, or a TOML file\n",
    );
    check(
        "{from='plain:gian',artifact='map'}",
        "`plain:gian`: the experiment has no variant `gian`\nhint: did you mean `gain`?\n\
         hint: it has `straight`, `gain`\n",
    );
    check(
        "{from='plain',artifact='mop'}",
        "`plain · straight` publishes no artifact `mop`\nhint: did you mean `map`?\n\
         hint: it publishes `map`\n",
    );
    check(
        "{from='reader:alone',artifact='map'}",
        "`reader · alone` publishes no artifact `map`\n\
         hint: it publishes none; `[artifact.NAME]` in `reader/experiment.toml` asks for one\n",
    );
    check(
        "{from='plain',artifact='map',seed=7}",
        "`plain · straight` has no seed 7\nhint: `sweep.seeds` in `plain/experiment.toml` are 0, 1\n\
         hint: `seed = 0` beside `artifact` names one of them for all trials\n",
    );
    let number = place.ablate(&["sweep", "reader", &with("3")]).expect(1);
    assert!(number.stderr.contains("`model.front.start`: expected "), "{}", number.stderr);
    let answer =
        place.ablate(&["sweep", "reader", &with("{from='plain',artifcat='map'}")]).expect(1);
    assert!(answer.stderr.contains("hint: did you mean `artifact`?"), "{}", answer.stderr);
    assert_eq!(place.runs().len(), 0);
}
