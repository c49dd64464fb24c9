//! What runs leave as files: published once and in order, listed, handed out, compared, redone.

use crate::harness::{Place, RunFolder, keys};
use crate::plain_library::place;
use crate::plugins::sha256_of;
use crate::processes::{Running, send, wait_until_gone};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;

/// An artifact of the plain library, of two of its three splits.
const MAP: &str = "\n[artifact.map]\nuse = \"plain-map\"\nsplits = [\"test\", \"train\"]\n";

/// The small plain experiment with an artifact.
fn place_with(artifact: &str) -> Place {
    let place = place(&[]);
    let file = place.path("plain/experiment.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{artifact}")).unwrap();
    place
}

fn file(run: &RunFolder) -> PathBuf {
    run.folder.join("artifacts/map/plain_map.json")
}

fn text(run: &RunFolder) -> String {
    fs::read_to_string(file(run)).unwrap()
}

/// A place with one finished run.
fn one_run(artifact: &str, arguments: &[&str]) -> (Place, RunFolder) {
    let place = place_with(artifact);
    place.ablate(&[&["run", "plain"], arguments].concat()).expect(0);
    let run = place.runs().pop().unwrap();
    (place, run)
}

#[test]
fn an_artifact_has_every_item_of_its_splits_once_and_in_order() {
    let (place, run) = one_run(MAP, &["train.batch_size=5"]);
    let items: Vec<String> = text(&run)
        .lines()
        .filter_map(|line| Some(line.split_once("\": [")?.0.trim_matches('"').to_owned()))
        .collect();
    // 32 items of `train` in the order of the dataset, then the 8 of `test`, whatever the spec's order.
    let train = (0..32).map(|item| format!("train/train-{item}"));
    let expected: Vec<String> =
        train.chain((0..8).map(|item| format!("test/test-{item}"))).collect();
    assert_eq!(items, expected);
    // It is JSON of plain numbers, and predictions differ.
    let map: Value = serde_json::from_str(&text(&run)).unwrap();
    let numbers: Vec<f64> =
        map.as_object().unwrap().values().map(|codes| codes[0].as_f64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
    let listed = &run.result["artifacts"];
    let expected = json!([{
        "name": "map", "file": "map/plain_map.json", "component": "plain-map",
        "bytes": fs::metadata(file(&run)).unwrap().len(), "sha256": sha256_of(&file(&run)),
    }]);
    assert_eq!(*listed, expected);
    // What it measured is a final value on the split `all`.
    let finals = run.result["finals"].as_array().unwrap();
    let measured = |metric: &str| {
        let found = finals.iter().filter(|one| one["metric"] == metric && one["split"] == "all");
        found.map(|one| one["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(measured("map"), [40.0]);
    let mean = numbers.iter().sum::<f64>() / 40.0;
    assert!((measured("map/mean")[0] - mean).abs() < 1e-6);
    // Trials that differ only in what they publish are two.
    place.ablate(&["run", "plain", "train.batch_size=5", "artifact.map.splits=['test']"]).expect(0);
    place.ablate(&["run", "plain", "train.batch_size=5", "artifact.map=false"]).expect(0);
    let runs = place.runs();
    assert_eq!(runs.len(), 3);
    let counts: Vec<usize> =
        runs.iter().map(|run| run.result["artifacts"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(counts.iter().sum::<usize>(), 2, "{counts:?}");
    // Whatever is published, the training is the same.
    assert!(runs.iter().all(|run| run.measurements.lines().count() > 10));
    let trained = |run: &RunFolder| -> Vec<String> {
        let lines = run.measurements.lines().filter(|line| !line.contains("\"all\""));
        lines.map(str::to_owned).collect()
    };
    assert!(runs.iter().all(|run| trained(run) == trained(&runs[0])));
}

#[test]
fn artifacts_are_shown_listed_and_in_tables() {
    let note = format!("{MAP}note = 1\n");
    let (place, run) = one_run(&note, &[]);
    let shown = place.ablate(&["show", &run.id]).expect(0);
    let lines: Vec<&str> =
        shown.stdout.lines().filter(|line| line.starts_with("artifact ")).collect();
    assert_eq!(lines.len(), 2, "{}", shown.stdout);
    assert!(lines[0].starts_with("artifact   map        map/plain_map.json  "), "{lines:?}");
    assert!(lines[0].ends_with("  by `plain-map`"), "{lines:?}");
    // Nobody asked for it: it is listed by its file.
    assert!(lines[1].starts_with("artifact   notes.txt  notes.txt "), "{lines:?}");
    assert!(lines[1].ends_with(" 18 B"), "{lines:?}");
    shown.says_line("next: ablate export [RUN] --artifact map");
    let json = place.ablate(&["show", &run.id, "--format", "json"]).expect(0).json();
    assert_eq!(json["artifacts"], run.result["artifacts"]);
    assert_eq!(json["artifacts"][1]["component"], Value::Null);
    let runs = place.ablate(&["runs", "--format", "json"]).expect(0).json();
    assert_eq!(runs["runs"][0]["artifacts"], json!(["map", "notes.txt"]));
    let described = place.ablate(&["describe", "plain"]).expect(0);
    let line = "=> plain_map.json, of `test`, `train`";
    assert!(described.stdout.lines().any(|found| found.trim() == line), "{}", described.stdout);
    let json = place.ablate(&["describe", "plain", "--format", "json"]).expect(0).json();
    let expected = json!([{
        "name": "map", "use": "plain-map", "file": "plain_map.json", "splits": ["test", "train"],
    }]);
    assert_eq!(json["variants"][0]["artifacts"], expected);
    place.ablate(&["sweep", "plain"]).expect(0);
    let columns = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["table", "plain", "--format", "json"], arguments].concat();
        let table = place.ablate(&arguments).expect(0).json();
        let rows = table["rows"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["variant"] == "straight");
        rows.map(|row| format!("{} {}", row["split"], row["metric"]).replace('"', "")).collect()
    };
    // Where nobody asks for it the table is as it would be without.
    assert_eq!(columns(&[]), ["test r2", "test loss"]);
    assert_eq!(columns(&["--split", "all"]), ["all map"]);
    assert_eq!(columns(&["--metrics", "r2,map/mean"]), ["test r2", "all map/mean"]);
    let refused = place.ablate(&["table", "plain", "--split", "all", "--metrics", "r2"]).expect(1);
    assert!(refused.stderr.contains("nothing of `r2` was measured"), "{}", refused.stderr);
}

#[test]
fn an_artifact_is_handed_out_as_it_was_left_or_not_at_all() {
    let (place, run) = one_run(MAP, &[]);
    let export = |arguments: &[&str]| {
        place.ablate(&[&["export", &run.id, "--artifact"], arguments].concat())
    };
    let listed = export(&[]).expect(0);
    assert!(listed.stdout.starts_with("map  map/plain_map.json  "), "{}", listed.stdout);
    listed.says_line("next: ablate export [RUN] --artifact map");
    let json = export(&["--format", "json"]).expect(0).json();
    assert_eq!(json, json!({ "run": run.id, "artifacts": run.result["artifacts"] }));
    let copied = export(&["map"]).expect(0);
    assert!(copied.stdout.starts_with("plain_map.json: "), "{}", copied.stdout);
    assert!(copied.stdout.ends_with(", sha256 [SHA256]\n"), "{}", copied.stdout);
    let copy = || fs::read_to_string(place.path("plain_map.json")).unwrap();
    assert_eq!(copy(), text(&run));
    export(&["map"]).expect(1).says(
        "error: `plain_map.json` is there already\n\
         hint: `--force` replaces it, `--out` names another file\n",
    );
    place.write("plain_map.json", "mine");
    export(&["map", "--force"]).expect(0);
    assert_eq!(copy(), text(&run));
    fs::create_dir(place.path("maps")).unwrap();
    let json = export(&["map", "--out", "maps", "--format", "json"]).expect(0).json();
    assert_eq!(keys(&json), ["artifact", "path", "run"]);
    assert_eq!(json["path"], "maps/plain_map.json");
    export(&["map", "--out", "maps/mine.json"]).expect(0);
    assert_eq!(fs::read_dir(place.path("maps")).unwrap().count(), 2, "nothing else is left there");
    export(&["mop"])
        .expect(1)
        .says("error: run `[RUN]` has no artifact `mop`\nhint: its artifacts: `map`\n");
    export(&["--out", "maps"]).expect(1).says(
        "error: `--out maps` says where to, but not what\n\
         hint: name one: `--artifact NAME`; without `--out` they are listed\n",
    );
    let name = place.ablate(&["export", "plain:straight:0", "--artifact"]).expect(0);
    assert_eq!(name.stdout, listed.stdout);
    let wrong = place.ablate(&["export", &run.id]).expect(1);
    assert!(wrong.stderr.contains("--as <FILES>"), "{}", wrong.stderr);
    // Not as it was left: one clear error each, and nothing is written.
    let damaged = |reason: &str| {
        let answer = export(&["map", "--out", "other.json"]).expect(1);
        let expected = format!(
            "error: damaged artifact `map` of run `[RUN]`: \
             `[PLACE]/home/runs/[RUN]/artifacts/map/plain_map.json` {reason}\n\
             hint: `ablate reproduce [RUN] --keep` makes it again\n"
        );
        answer.says(&expected);
        assert!(!place.path("other.json").exists());
    };
    let length = text(&run).len();
    fs::write(file(&run), text(&run).replacen('0', "1", 1)).unwrap();
    damaged("does not have the content that was written");
    fs::write(file(&run), "{}").unwrap();
    damaged(&format!("has 2 bytes, {length} were written"));
    fs::remove_file(file(&run)).unwrap();
    damaged("is missing");
}

#[test]
fn a_run_without_artifacts_says_so() {
    let (place, run) = one_run("", &[]);
    assert_eq!(run.result.get("artifacts"), None);
    place.ablate(&["export", &run.id, "--artifact"]).expect(0).says(
        "run [RUN] left no artifacts\n\
         hint: an experiment asks for them with `[artifact.NAME]`\n\
         next: ablate show [RUN]\n",
    );
    place.ablate(&["export", &run.id, "--artifact", "map"]).expect(1).says(
        "error: run `[RUN]` has no artifact `map`\n\
         hint: it left none: an experiment asks for them with `[artifact.NAME]`\n",
    );
    place.ablate(&["sweep", "plain"]).expect(0);
    let answer = place.ablate(&["export", "plain", "--artifact"]).expect(1);
    answer.says_line(
        "hint: an artifact is of one run: `ablate runs plain` lists those of the experiment",
    );
}

#[test]
fn a_trial_killed_while_it_publishes_leaves_the_same_bytes_later() {
    let artifact = format!("{MAP}sleep_ms = 700\n");
    let (_whole, expected) = one_run(&artifact, &[]);
    let broken = place_with(&artifact);
    let mut running = Running::start(&broken, &["run", "plain"]);
    let trial = running.trial();
    let half = running.wait("half an artifact", |place| {
        let run = place.runs().pop()?;
        let bytes = fs::metadata(file(&run)).ok()?.len();
        (bytes > 0).then_some(run)
    });
    assert!(half.result.is_null(), "a run is done only when its artifacts are there");
    // Whoever would try it again goes first.
    send(running.pid(), Signal::KILL);
    send(trial, Signal::KILL);
    running.finish();
    wait_until_gone(trial);
    let half = broken.runs().pop().unwrap();
    assert!(half.result["status"] != "done" && text(&half).len() < text(&expected).len());
    let refused = broken.ablate(&["export", &half.id, "--artifact", "map"]).expect(1);
    let error = "error: run `[RUN]` is not done: its artifacts appear when it is\n";
    assert!(refused.stderr.starts_with(error), "{}", refused.stderr);
    broken.ablate(&["run", "plain"]).expect(0);
    let runs = broken.runs();
    assert_eq!((runs.len(), &runs[0].id), (1, &half.id));
    assert_eq!(runs[0].results(), expected.results());
    assert_eq!(text(&runs[0]), text(&expected));
    assert_eq!(runs[0].result["artifacts"], expected.result["artifacts"]);
}

#[test]
fn a_reproduction_compares_the_artifacts() {
    let (place, run) = one_run(MAP, &[]);
    let answer = place.ablate(&["reproduce", &run.id]).expect(0);
    let end = " final values and the artifact, bit for bit\n";
    assert!(answer.stdout.ends_with(end), "{}", answer.stdout);
    let json = place.ablate(&["reproduce", &run.id, "--format", "json"]).expect(0).json();
    let listed = &run.result["artifacts"][0];
    let content = json!({ "bytes": listed["bytes"], "sha256": listed["sha256"] });
    let expected =
        json!([{ "name": "map", "equal": true, "run": content, "reproduction": content }]);
    assert_eq!(json["artifacts"], expected);
    // A component that writes something else every time.
    let (place, run) = one_run(&format!("{MAP}fault = 3\n"), &[]);
    let answer = place.ablate(&["reproduce", &run.id]).expect(1);
    let first = "different: not all that the run left is the same\n  artifact `map`: 19 B (";
    assert!(answer.stdout.starts_with(first), "{}", answer.stdout);
    let json = place.ablate(&["reproduce", &run.id, "--format", "json"]).expect(1).json();
    assert_eq!(
        (&json["agreement"], &json["measurements"]["agreement"]),
        (&json!("different"), &json!("equal"))
    );
    assert_eq!(json["artifacts"][0]["equal"], false);
}

#[test]
fn a_bundle_carries_artifacts() {
    let (here, run) = one_run(MAP, &[]);
    here.ablate(&["bundle", &run.id, "--out", "one.ablate"]).expect(0);
    let there = place(&[]);
    let bundle = there.path("one.ablate");
    fs::copy(here.path("one.ablate"), &bundle).unwrap();
    let bundle = bundle.to_str().unwrap();
    let arguments = ["--bundle", bundle, "export", &run.id, "--artifact", "map"];
    there.ablate(&arguments).expect(0);
    assert_eq!(fs::read_to_string(there.path("plain_map.json")).unwrap(), text(&run));
}

#[test]
fn what_is_wrong_with_an_artifact_is_said_before_anything_runs() {
    let check = |artifact: &str, expected: &str| {
        let place = place_with(artifact);
        place.ablate(&["run", "plain"]).expect(1).says(expected);
        assert!(place.runs().is_empty());
    };
    check(
        &MAP.replace("plain-map", "plain-r2"),
        "error: plain/experiment.toml:34: `artifact.map`: metric `plain-r2` publishes nothing\n\
         hint: metrics that publish: `plain-map`\n\
         hint: what only measures stands under `[metric.map]`\n",
    );
    check(
        &MAP.replace("\"test\"", "\"tset\""),
        "error: `artifact.map` (`plain-map`) is of the split `tset`, which `dataset` \
         (`plain-points`) does not have\n\
         hint: did you mean `test`?\n\
         hint: its splits are `train`, `valid`, `test`\n",
    );
    check(
        &format!("{MAP}inputs = {{ predicton = \"prediction\" }}\n"),
        "error: `artifact.map` (`plain-map`) has no input `predicton`\n\
         hint: did you mean `prediction`?\n\
         hint: its inputs are `prediction`\n",
    );
    check(
        &format!("{MAP}inputs = {{ prediction = \"codes\" }}\n"),
        "error: input `prediction` of `artifact.map` (`plain-map`) is wired to `codes`, which is not \
         given: `model` gives `prediction: f32[B, 1]`; `dataset` gives `features: f32[B, 4]`, \
         `target: f32[B, 1]`\n",
    );
}

#[test]
fn what_fails_while_an_artifact_is_made_fails_the_run_by_name() {
    let check = |fault: u64, expected: &str| {
        let place = place_with(&format!("{MAP}fault = {fault}\n"));
        let answer = place.ablate(&["run", "plain"]).expect(1);
        assert!(answer.stderr.contains(expected), "{expected}\n{}", answer.stderr);
        let run = place.runs().pop().unwrap();
        assert_eq!(run.status(), "failed");
        assert_eq!(run.result.get("artifacts"), None);
    };
    check(
        1,
        "`artifact.map` (`plain-map`) did not publish `[PLACE]/home/runs/[RUN]/artifacts/map/plain_map.json`: there is no such file",
    );
    check(2, "`artifact.map` (`plain-map`): `map` is NaN on split `all`");
    check(4, "`artifact.map` (`plain-map`) failed to publish `plain_map.json`: the map is torn");
    check(5, "`artifact.map` (`plain-map`)");
}
