//! Three libraries in one trial: a model on the SDK's Burn, its pooling on Burn 0.21, and data, a
//! block, a loss and a metric that know no Burn at all.

use crate::harness::{Place, RunFolder, library, results, slow};
use crate::plain_library::{self, outside};
use crate::processes::{Running, send};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;

/// Two variants that differ in the version of Burn alone, two seeds, 80 steps a trial.
const EXPERIMENT: &str = r#"question = "Does the version of Burn behind a pooling matter?"

[plugins]
folders = ["../plugins"]

[dataset]
use = "plain-points"
jitter = 0.05

[model]
use = "relay"
width = 8
[model.pooling]
use = "attentive-mean-0-21"
hidden = 8
[model.gain]
use = "plain-gain"

[loss.error]
use = "plain-mse"

[metric.r2]
use = "plain-r2"
objective = true

[train]
total_epochs = 20
batch_size = 8
optimizer = { use = "adamw", learning_rate = 0.05 }

[sweep]
seeds = [0, 1]
base_name = "burn-0-21"

[[sweep.variant]]
name = "burn-0-22"
set = { "model.pooling" = { use = "attentive-mean", hidden = 8 } }
"#;

/// A place with the three libraries, with `others` that were built beside this program, and with
/// the experiment `burn`; none where nobody wants to wait for another Burn to be built.
fn place(others: &[&str]) -> Option<Place> {
    if !slow() {
        return None;
    }
    let place = plain_library::place(&[&["fixture"], others].concat());
    add_library(&place);
    place.write("burn/experiment.toml", EXPERIMENT);
    Some(place)
}

fn add_library(place: &Place) {
    let file = place.path("plugins/libablate_burn_0_21.so");
    let from = outside("burn-0-21");
    if fs::hard_link(&from, &file).is_err() {
        fs::copy(from, file).unwrap();
    }
}

/// The versions of Burn in the libraries that a run used, by plugin.
fn versions(run: &RunFolder) -> BTreeMap<String, Value> {
    let manifest = run.manifest();
    let plugins = manifest["plugins"].as_array().unwrap().iter();
    plugins
        .map(|plugin| (plugin["name"].as_str().unwrap().to_owned(), plugin["burn"].clone()))
        .collect()
}

/// The loss on `valid`, in the order of the steps.
fn losses(run: &RunFolder) -> Vec<f64> {
    let lines = run.measurements.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["metric"] == "loss" && line["split"] == "valid")
        .map(|line| line["value"].as_f64().unwrap())
        .collect()
}

#[test]
fn a_sweep_with_three_versions_of_burn_learns_and_says_which_they_are() {
    let Some(place) = place(&["pooling"]) else { return };
    place.ablate(&["sweep", "burn"]).expect(0);
    let runs = place.runs();
    let variants: Vec<&str> = runs.iter().map(|run| run.variant.as_str()).collect();
    assert_eq!(variants, ["burn-0-21", "burn-0-21", "burn-0-22", "burn-0-22"]);
    let lock = fs::read_to_string(library_lock()).unwrap();
    for run in &runs {
        let losses = losses(run);
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < first / 4.0, "{} {}: from {first} to {last}", run.variant, run.seed);
        let versions = versions(run);
        assert_eq!(versions["plain"], Value::Null);
        let here = versions["fixture"].as_str().unwrap();
        assert!(!here.starts_with("0.21."), "{here}");
        if run.variant == "burn-0-21" {
            let there = versions["burn-0-21"].as_str().unwrap();
            assert!(lock.contains(&format!("name = \"burn\"\nversion = \"{there}\"\n")), "{there}");
            assert_eq!(versions.len(), 3);
        } else {
            assert_eq!((versions["pooling"].as_str(), versions.len()), (Some(here), 3));
        }
    }
    // Two rows, two metrics; what differs is what was drawn, for both learn the same function.
    let table = place.ablate(&["table", "burn", "--format", "json"]).expect(0).json();
    let rows = table["rows"].as_array().unwrap();
    let cells = rows.iter().map(|row| (row["variant"].as_str(), row["metric"].as_str()));
    let expected =
        [("burn-0-21", "r2"), ("burn-0-21", "loss"), ("burn-0-22", "r2"), ("burn-0-22", "loss")];
    assert_eq!(cells.collect::<Vec<_>>(), expected.map(|(v, m)| (Some(v), Some(m))));
    assert!(rows[0]["mean"].as_f64().unwrap() > 0.8, "{}", rows[0]);
    let list = place.ablate(&["plugins", "list", "--folder", "plugins"]).expect(0).stdout;
    for line in [
        "burn-0-21 1.0.0  v1  Burn 0.21.",
        "fixture 0.1.0  v1  Burn 0.",
        "plain 1.0.0  v1  no Burn  ",
    ] {
        assert!(list.lines().any(|found| found.starts_with(line)), "`{line}` is not in:\n{list}");
    }
    let block = "  block pooling    attentive-mean-0-21  The mean of the frames, weighted by attention, \
                 on Burn 0.21; for tests.";
    assert!(list.lines().any(|found| found == block), "{list}");
}

fn library_lock() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/burn-0-21/Cargo.lock")
}

#[test]
fn a_killed_trial_with_three_versions_of_burn_goes_on_with_the_same_bits() {
    for optimizer in ["{use = \"adamw\"}", "{use = \"sgd\", learning_rate = 0.02, momentum = 0.9}"]
    {
        let optimizer = format!("train.optimizer={optimizer}");
        let arguments = [
            "sweep",
            "burn",
            &optimizer,
            "sweep.seeds=[0]",
            "sweep.variant=[]",
            "train.checkpoint_every_steps=3",
            "dataset.sleep_ms=5",
        ];
        let (Some(whole), Some(broken)) = (place(&[]), place(&[])) else { return };
        whole.ablate(&arguments).expect(0);
        let mut running = Running::start(&broken, &arguments);
        let run = running.wait_for_checkpoint(8);
        let (parent, trial) = (running.pid(), running.trial());
        send(parent, Signal::KILL);
        send(trial, Signal::KILL);
        running.finish();
        let resumed = broken.ablate(&arguments).expect(0);
        assert!(resumed.stderr.contains("goes on after step "), "{}", resumed.stderr);
        let runs = broken.runs();
        assert_eq!((runs.len(), &runs[0].id), (1, &run.id));
        assert_eq!(results(&runs), results(&whole.runs()));
    }
}

#[test]
fn a_plugin_on_another_burn_conforms() {
    let Some(place) = place(&[]) else { return };
    let file = "plugins/libablate_burn_0_21.so";
    let answer = place.ablate(&["plugins", "check", file, "--folder", "plugins"]).expect(0);
    assert!(answer.raw.starts_with("plugin `burn-0-21` 1.0.0: "), "{}", answer.raw);
    assert!(answer.raw.contains("\n  block `attentive-mean-0-21`: 13 passed ("), "{}", answer.raw);
    assert!(!answer.raw.contains("FAILED"), "{}", answer.raw);
}

#[test]
fn a_block_on_another_burn_is_a_row_of_the_pooling_table() {
    if !slow() {
        return;
    }
    let place = Place::new();
    add_library(&place);
    let windows = "{name = \"windows\", set = {\"model.pooling\" = {use = \"sliding-window\", \
                   window = 10, stride = 5, inner = {use = \"attentive-mean-0-21\", hidden = 8}}}}";
    let other = "{name = \"burn-0-21\", set = {\"model.pooling\" = {use = \
                 \"attentive-mean-0-21\", hidden = 8}}}";
    let variants = format!("sweep.variant=[{other}, {windows}]");
    place.ablate(&["sweep", "pooling", &variants]).expect(0);
    let table = place.ablate(&["table", "pooling", &variants, "--format", "json"]).expect(0).json();
    let rows = table["rows"].as_array().unwrap();
    let utilization = rows.iter().filter(|row| row["metric"] == "utilization");
    let names: Vec<_> = utilization.map(|row| row["variant"].as_str().unwrap()).collect();
    assert_eq!(names, ["attentive", "burn-0-21", "windows"]);
    assert!(library("pooling").exists());
}
