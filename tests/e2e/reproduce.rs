//! Running a finished run again and comparing; what differs between runs; what runs have written.

use crate::harness::{Answer, Place, RunFolder, keys, library};
use crate::plugins::sha256_of;
use fs_err as fs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Measures on `valid` after each of the six steps.
const EVERY_STEP: &str = "train.eval_every_steps=1";

/// A place with one finished run: six steps, a fraction of a second.
fn place_with_run() -> (Place, RunFolder) {
    let place = Place::new();
    place.ablate(&["run", "pooling", EVERY_STEP]).expect(0);
    let run = place.runs().remove(0);
    (place, run)
}

/// A place whose finished run multiplies by a constant of the plugin `fixture` from its fourth step
/// on.
fn place_with_constant() -> (Place, RunFolder) {
    let place = Place::new();
    let block = "use = \"misbehaving\"\nhow = \"scale\"\nafter_steps = 3";
    place.edit("use = \"attentive-mean\"\nhidden = 8", block);
    place.ablate(&["run", "pooling", EVERY_STEP]).expect(0);
    let run = place.runs().remove(0);
    (place, run)
}

/// Puts a library in the place of the plugin `fixture` that differs in one constant.
fn change_constant(place: &Place) {
    let before = b"the factor of the misbehaving block: 1.0625";
    let mut bytes = fs::read(library("fixture")).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - before.len()).filter(|at| bytes[*at..].starts_with(before)).collect();
    assert_eq!(places.len(), 1, "the constant stands in the library once");
    bytes[places[0] + before.len() - 1] = b'6';
    place.write("plugins/libablate_fixture.so", bytes);
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// Multiplies the value of the loss on `valid` at `step`, and says what it was.
fn tamper(run: &RunFolder, step: u64, factor: f64) -> f64 {
    let mut before = None;
    let lines: Vec<String> = run
        .measurements
        .lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if line["step"] == step && line["split"] == "valid" && line["metric"] == "loss" {
                before = line["value"].as_f64();
                line["value"] = json!(before.unwrap() * factor);
            }
            line.to_string() + "\n"
        })
        .collect();
    fs::write(run.folder.join("measurements.jsonl"), lines.concat()).unwrap();
    before.unwrap()
}

fn reproduce(place: &Place, run: &RunFolder, more: &[&str]) -> Answer {
    place.ablate(&[&["reproduce", &run.id], more].concat())
}

#[test]
fn a_run_is_reproduced_bit_for_bit_and_left_alone() {
    let (place, run) = place_with_run();
    let before = files(&run.folder);
    let answer = reproduce(&place, &run, &[]).expect(0);
    let points = run.measurements.lines().count();
    let finals = run.result["finals"].as_array().unwrap().len();
    assert!(points > 20 && finals > 2, "{points} {finals}");
    let expected =
        format!("equal: all {points} measurements and {finals} final values, bit for bit\n");
    assert_eq!(answer.stdout, expected);
    answer.says("reproducing run [RUN]: pooling · attentive · seed 0\nnext: ablate show [RUN]\n");
    assert_eq!(files(&run.folder), before);
    assert_eq!(place.runs().len(), 1);
    // From the beginning of the id, from what the trial is called, and from elsewhere.
    fs::create_dir(place.path("elsewhere")).unwrap();
    for name in [&run.id[..13], "pooling:attentive:0"] {
        let mut command = place.command(&["reproduce", name, "--format", "json"]);
        command.current_dir(place.path("elsewhere"));
        let json = place.answer(command).expect(0).json();
        assert_eq!((&json["agreement"], &json["run"]), (&json!("equal"), &json!(run.id)));
        assert_eq!(json["measurements"]["equal"], points);
        assert_eq!((&json["first"], &json["folder"]), (&Value::Null, &Value::Null));
        assert_eq!(json["warnings"], json!([]));
        let libraries = json["libraries"].as_array().unwrap();
        assert!(!libraries.is_empty());
        for library in libraries {
            assert_eq!(library["used_sha256"], library["sha256"]);
            assert_eq!(library["installed_sha256"], library["sha256"]);
        }
    }
}

#[test]
fn a_measurement_that_was_changed_is_found_with_its_step_and_metric() {
    let (place, run) = place_with_run();
    let value = tamper(&run, 4, 1.0 + 1e-9);
    let answer = reproduce(&place, &run, &[]).expect(1);
    let changed = value * (1.0 + 1e-9);
    let points = run.measurements.lines().count();
    let expected = format!(
        "different from step 4 on (equal up to step 3), first in valid loss: {changed} in the run, \
         {value} now\n  \
         1 of {points} measurements differ, relatively by up to 1.0e-9 (valid loss at step 4)\n  \
         nothing that decides results has changed: a component does not compute the same twice\n"
    );
    assert_eq!(answer.stdout, expected);
    answer.says_line("next: ablate reproduce [RUN] --keep");
    let json = reproduce(&place, &run, &["--format", "json"]).expect(1).json();
    let first = &json["first"];
    assert_eq!((&first["step"], &first["metric"]), (&json!(4), &json!("loss")));
    assert_eq!((&first["left"], &first["right"]), (&json!(changed), &json!(value)));
    let near = reproduce(&place, &run, &["--tolerance", "1e-6"]).expect(0);
    let expected = "within tolerance: no value is relatively more than 1e-6 apart\n";
    assert!(near.stdout.starts_with(expected), "{}", near.stdout);
    reproduce(&place, &run, &["--tolerance", "1e-12"]).expect(1);
    let wrong = reproduce(&place, &run, &["--tolerance=-1"]).expect(1);
    assert!(wrong.stderr.contains("expected a number that is not negative"), "{}", wrong.stderr);
}

#[test]
fn a_measurement_that_is_missing_is_found() {
    let (place, run) = place_with_run();
    let lines: Vec<&str> = run.measurements.split_inclusive('\n').collect();
    let file = run.folder.join("measurements.jsonl");
    fs::write(file, lines[..lines.len() - 1].concat()).unwrap();
    let answer = reproduce(&place, &run, &["--tolerance", "0.5"]).expect(1);
    let expected = format!("  1 of {} measurements are in the reproduction only\n", lines.len());
    assert!(answer.stdout.contains(&expected), "{}", answer.stdout);
    let first = answer.stdout.lines().next().unwrap();
    assert!(first.contains(": none in the run, "), "{first}");
}

#[test]
fn a_constant_that_changed_in_a_plugin_is_found_with_the_library_and_the_step() {
    let (place, run) = place_with_constant();
    change_constant(&place);
    let changed = sha256_of(&place.path("plugins/libablate_fixture.so"));
    // The library of the run is in the store: nothing differs.
    let stored = reproduce(&place, &run, &[]).expect(0);
    assert!(stored.stdout.starts_with("equal: "), "{}", stored.stdout);
    let line = "warning: the library of plugin `fixture` is another now (";
    assert!(stored.stderr.contains(line), "{}", stored.stderr);
    stored.says_line("hint: `ablate reproduce [RUN] --current` uses what is installed");
    let current = reproduce(&place, &run, &["--current"]).expect(1);
    let first = "different from step 4 on (equal up to step 3), first in valid loss: ";
    assert!(current.stdout.starts_with(first), "{}", current.stdout);
    let line = format!(
        "  the library of plugin `fixture` is not what it was: fixture.sha256 {} then, {} now",
        &sha256(&run)[..12],
        &changed[..12]
    );
    assert!(current.stdout.lines().any(|found| found == line), "{line}\n{}", current.stdout);
    current.says_line("next: ablate reproduce [RUN] --current --keep");
    let json = reproduce(&place, &run, &["--current", "--format", "json"]).expect(1).json();
    assert_eq!((&json["first"]["step"], &json["first"]["split"]), (&json!(4), &json!("valid")));
    let different: Vec<_> = json["libraries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|library| library["used_sha256"] != library["sha256"])
        .map(|library| (&library["plugin"], &library["used_sha256"]))
        .collect();
    assert_eq!(different, [(&json!("fixture"), &json!(changed))]);
}

/// The sha256 of the library of the plugin `fixture` that a run used.
fn sha256(run: &RunFolder) -> String {
    let manifest = run.manifest();
    let plugins = manifest["plugins"].as_array().unwrap();
    let plugin = plugins.iter().find(|plugin| plugin["name"] == "fixture").unwrap();
    plugin["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_library_that_is_gone_from_the_store_is_named_with_the_way_out() {
    let (place, run) = place_with_constant();
    let folder = place.path("home/store").join(sha256(&run));
    fs::remove_dir_all(&folder).unwrap();
    // The installed library has the same bytes.
    reproduce(&place, &run, &[]).expect(0);
    change_constant(&place);
    let answer = reproduce(&place, &run, &[]).expect(2);
    answer.says(
        "error: the library of plugin `fixture` 0.1.0 that run `[RUN]` used is no longer in the \
         store, and no other file has its bytes\n\
         hint: bring the file back as `[PLACE]/home/store/[SHA256]/libablate_fixture.so`: its sha256 \
         is [SHA256]\n\
         hint: `ablate reproduce [RUN] --current` uses the plugins that are installed now\n",
    );
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("libablate_fixture.so"), "half a library").unwrap();
    let answer = reproduce(&place, &run, &[]).expect(2);
    let expected = "used is damaged: `[PLACE]/home/store/[SHA256]/libablate_fixture.so` has other";
    assert!(answer.stderr.contains(expected), "{}", answer.stderr);
    fs::copy(library("fixture"), folder.join("libablate_fixture.so")).unwrap();
    reproduce(&place, &run, &[]).expect(0);
}

#[test]
fn only_finished_runs_can_be_reproduced() {
    let (place, run) = place_with_run();
    fs::rename(run.folder.join("result.json"), place.path("result.json")).unwrap();
    place.ablate(&["registry", "rebuild"]).expect(0);
    let lost = reproduce(&place, &run, &[]).expect(2);
    lost.says(
        "error: run `[RUN]` was lost before its end: there is nothing to compare with\n\
         hint: the same command as before goes on from its last checkpoint\n",
    );
    let mut result = run.result.clone();
    result["status"] = json!("failed");
    result["error"] = json!({ "kind": "crash", "message": "it fell", "hints": [] });
    fs::write(run.folder.join("result.json"), result.to_string()).unwrap();
    let failed = reproduce(&place, &run, &[]).expect(2);
    failed.says(
        "error: run `[RUN]` failed (it fell): there is nothing to compare with\n\
         hint: `ablate show [RUN]` says more\n",
    );
    let unknown = place.ablate(&["reproduce", "ffff"]).expect(2);
    assert!(unknown.stderr.starts_with("error: no run `ffff`\nhint: recent runs: "));
    let variant = place.ablate(&["reproduce", "pooling:nothing:0"]).expect(2);
    variant.says(
        "error: no run `pooling:nothing:0`\nhint: experiment `pooling` has runs of `attentive`\n",
    );
    let seed = place.ablate(&["reproduce", "pooling:attentive:7"]).expect(2);
    seed.says(
        "error: no run `pooling:attentive:7`\n\
         hint: variant `attentive` has runs of the seeds 0\n",
    );
}

#[test]
fn what_changed_since_a_run_is_said() {
    let (place, run) = place_with_run();
    let file = run.folder.join("manifest.json");
    let mut manifest = run.manifest();
    manifest["dataset"]["fingerprint"] = json!("a".repeat(64));
    manifest["machine"]["cpu"] = json!("another processor");
    fs::write(&file, manifest.to_string()).unwrap();
    let answer = reproduce(&place, &run, &[]).expect(0);
    let data = "warning: the data is not what it was: fingerprint aaaaaaaaaaaa then, ";
    assert!(answer.stderr.contains(data), "{}", answer.stderr);
    let machine = "warning: the machine is not what it was: cpu another processor then, ";
    assert!(answer.stderr.contains(machine), "{}", answer.stderr);
    assert!(answer.stdout.starts_with("equal: "), "{}", answer.stdout);
    // A spec that is not the one that was run is not a reproduction.
    fs::write(&file, run.manifest().to_string()).unwrap();
    let file = run.folder.join("spec.json");
    let spec = fs::read_to_string(&file).unwrap().replace("0.001", "0.002");
    fs::write(file, spec).unwrap();
    fs::write(run.folder.join("manifest.json"), {
        manifest["dataset"]["fingerprint"] = json!(null);
        manifest["machine"] = json!({});
        manifest.to_string()
    })
    .unwrap();
    let answer = reproduce(&place, &run, &[]).expect(1);
    let spec = "warning: a file that the spec names, or the spec of the run itself, is not what";
    assert!(answer.stderr.contains(spec), "{}", answer.stderr);
}

#[test]
fn a_reproduction_can_be_kept_and_is_no_run_of_the_registry() {
    let (place, run) = place_with_run();
    let answer = reproduce(&place, &run, &["--keep"]).expect(0);
    let folder = run.folder.join("reproductions/1");
    answer.says_line("kept: [PLACE]/home/runs/[RUN]/reproductions/1");
    assert_eq!(place.runs().len(), 1);
    let rebuilt = place.ablate(&["registry", "rebuild"]).expect(0);
    assert!(rebuilt.stderr.contains("indexed 1 run"), "{}", rebuilt.stderr);
    let second = reproduce(&place, &run, &["--keep", "--format", "json"]).expect(0).json();
    let expected = run.folder.join("reproductions/2");
    assert_eq!(second["folder"], expected.to_str().unwrap());
    let diff = place.ablate(&["diff", &run.id, folder.to_str().unwrap()]).expect(0);
    let headline = "nothing that decides results differs, and the results are equal";
    assert_eq!(diff.stdout.lines().next(), Some(headline));
}

#[test]
fn the_manifest_holds_what_it_takes_to_run_again() {
    let (place, run) = place_with_run();
    let manifest = run.manifest();
    let program = sha256_of(Path::new(env!("CARGO_BIN_EXE_ablate")));
    assert_eq!(manifest["program"]["sha256"], program);
    assert_eq!(manifest["folder"], place.path("").to_str().unwrap().trim_end_matches('/'));
    let file = place.path("pooling/experiment.toml");
    assert_eq!(manifest["experiment_file"], file.to_str().unwrap());
    assert_eq!((&manifest["threads"], &manifest["device"]), (&json!(1), &json!("flex")));
    assert_eq!(manifest["git"], Value::Null);
    for plugin in manifest["plugins"].as_array().unwrap() {
        assert!(plugin["rustc"].as_str().unwrap().contains("1."), "{plugin}");
        let with_burn = plugin["name"] == "rqvae" || plugin["name"] == "pooling";
        assert!(plugin["burn"].is_string() || !with_burn, "{plugin}");
        let library = Path::new(plugin["library"].as_str().unwrap());
        let store = place.path("home/store").join(plugin["sha256"].as_str().unwrap());
        assert_eq!(library.parent(), Some(store.as_path()));
    }
}

#[test]
fn a_diff_names_what_differs_between_variants_seeds_and_libraries() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let runs = place.runs();
    let ids: Vec<(&str, u64)> = runs.iter().map(|run| (run.variant.as_str(), run.seed)).collect();
    assert_eq!(ids, [("attentive", 0), ("attentive", 1), ("mean", 0), ("mean", 1)]);
    let diff = place.ablate(&["diff", &runs[0].id, "pooling:mean:0"]).expect(0);
    let mut lines = diff.stdout.lines();
    let headline = "only `model.pooling` differs (attentive-mean, mean); the results differ";
    assert_eq!(lines.next(), Some(headline), "{}", diff.stdout);
    // How wide a column is depends on the ids of the runs.
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for wanted in ["model.pooling.use attentive-mean mean", "model.pooling.hidden 8 —"] {
        let found = diff.stdout.lines().any(|line| words(line) == words(wanted));
        assert!(found, "{wanted}\n{}", diff.stdout);
    }
    let step = "  different from step 3 on, first in valid loss: ";
    assert!(diff.stdout.contains(step), "{}", diff.stdout);
    let seeds = place.ablate(&["diff", &runs[0].id, &runs[1].id]).expect(0);
    let headline = "only the seed differs (0, 1); the results differ";
    assert_eq!(seeds.stdout.lines().next(), Some(headline));
    let json =
        place.ablate(&["diff", &runs[0].id, &runs[2].id, "--format", "json"]).expect(0).json();
    let expected = ["differences", "finals", "headline", "measurements", "runs", "same_result"];
    assert_eq!(keys(&json), expected);
    for value in json["finals"].as_array().unwrap() {
        let number = |key: &str| value[key].as_f64().unwrap();
        assert_eq!(number("difference"), number("right") - number("left"));
    }
    let same = place.ablate(&["diff", &runs[0].id, &runs[0].id]).expect(0);
    let headline = "nothing that decides results differs, and the results are equal";
    assert_eq!(same.stdout.lines().next(), Some(headline));
    place.ablate(&["diff", &runs[0].id, "ffff"]).expect(1);
}

#[test]
fn a_diff_names_the_library_of_a_plugin_that_was_built_again() {
    let (place, first) = place_with_constant();
    change_constant(&place);
    place.ablate(&["run", "pooling", EVERY_STEP]).expect(0);
    let runs = place.runs();
    let second = runs.iter().find(|run| run.id != first.id).unwrap();
    let diff = place.ablate(&["diff", &first.id, &second.id]).expect(0);
    let headline = diff.stdout.lines().next().unwrap();
    assert!(headline.starts_with("only the library of plugin `fixture` differs ("), "{headline}");
    let step = "  different from step 4 on (equal up to step 3), first in valid loss: ";
    assert!(diff.stdout.contains(step), "{}", diff.stdout);
}

#[test]
fn logs_are_those_of_the_newest_attempt_unless_another_is_asked_for() {
    let (place, run) = place_with_run();
    let answer = place.ablate(&["logs", &run.id]).expect(0);
    assert!(answer.stdout.contains("started by process "), "{}", answer.stdout);
    assert!(answer.stdout.contains("finished after step 6"), "{}", answer.stdout);
    assert!(answer.stderr.starts_with("attempt 1 of 1, done; started [DATE]"), "{}", answer.stderr);
    answer.says_line("next: ablate show [RUN]");
    let followed = place.ablate(&["logs", "pooling:attentive:0", "--follow"]).expect(0);
    assert_eq!(followed.stdout, answer.stdout);
    let json = place.ablate(&["logs", &run.id, "--format", "json"]).expect(0).json();
    assert_eq!(json["log"].as_str().unwrap(), answer.raw);
    assert_eq!((&json["attempt"], &json["running"]), (&json!(1), &json!(false)));
    let none = place.ablate(&["logs", &run.id, "--attempt", "3"]).expect(1);
    none.says("error: run `[RUN]` has no attempt 3\nhint: it has one attempt: 1\n");
}
