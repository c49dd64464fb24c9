//! Libraries that were built when a revision of the border was published, and stay as they are: this
//! host opens each, trains with it to the numbers of then, goes on with it, and checks it.
//!
//! `ABLATE_WRITE_GOLDEN=1` writes the numbers of libraries that have none, or after a change that
//! raised `RESULTS_REV`.

use crate::harness::{Place, results};
use crate::processes::{Running, send};
use fs_err as fs;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Eighty steps; part of what the numbers mean, so it stays as it is.
const EXPERIMENT: &str = r#"question = "Does a learned gain in front help a linear model?"

[plugins]
folders = ["../plugins"]

[dataset]
use = "plain-points"
jitter = 0.05

[model]
use = "plain-linear"
[model.front]
use = "plain-gain"

[loss.error]
use = "plain-mse"

[metric.r2]
use = "plain-r2"
objective = true

[train]
total_epochs = 20
batch_size = 8
eval_every_epochs = 4
optimizer = { use = "adamw", learning_rate = 0.05 }

[sweep]
seeds = [0]
"#;

/// What these libraries are built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// One entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    file: String,
    sha256: String,
    revision: u32,
    target: String,
    /// The crate, and how it was built.
    built_from: String,
    built_with: String,
    /// The name of its components' stem: `plain` for `plain-linear`.
    plugin: String,
    /// The numbers that it gave.
    numbers: String,
}

/// One measurement: metric, split, step and the bits of the value.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Number(String, String, u64, f64);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").canonicalize().unwrap()
}

/// All libraries for this machine; none, said on stderr, elsewhere.
fn golden() -> Vec<Golden> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        eprintln!("skipped: golden libraries are built for {TARGET}");
        return Vec::new();
    }
    let manifest = fs::read(folder().join("manifest.json")).unwrap();
    let all: Vec<Golden> = serde_json::from_slice(&manifest).unwrap();
    all.into_iter().filter(|golden| golden.target == TARGET).collect()
}

impl Golden {
    /// The library, if its bytes are those that were published.
    fn library(&self) -> PathBuf {
        let file = folder().join(&self.file);
        let problem = self.difference(&fs::read(&file).unwrap());
        assert!(problem.is_none(), "{}: {}", file.display(), problem.unwrap_or_default());
        file
    }

    fn difference(&self, bytes: &[u8]) -> Option<String> {
        let digest = Sha256::digest(bytes);
        let found: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = found.concat();
        let text = || {
            format!(
                "its sha256 is {found}, published was {}: add a file, never change one",
                self.sha256
            )
        };
        (found != self.sha256).then(text)
    }
}

/// A place with a library of its own, with `others` of today, and with the experiment.
fn place_with(library: &Path, others: &[&str]) -> Place {
    let place = Place::with_plugins(others);
    fs::copy(library, place.path("plugins/libablate_plain.so")).unwrap();
    place.write("golden/experiment.toml", EXPERIMENT);
    place
}

/// The measurements of the one run of a place, and what it measured last.
fn numbers(place: &Place) -> Vec<Number> {
    let run = &place.runs()[0];
    assert_eq!(run.status(), "done");
    let lines = run.measurements.lines().map(|line| serde_json::from_str(line).unwrap());
    let number = |line: Value| {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        Number(
            text("metric"),
            text("split"),
            line["step"].as_u64().unwrap(),
            line["value"].as_f64().unwrap(),
        )
    };
    lines.map(number).collect()
}

const TRIAL: [&str; 2] = ["run", "golden"];

#[test]
fn published_libraries_are_as_they_were_and_a_touched_one_is_noticed() {
    for golden in golden() {
        let bytes = fs::read(golden.library()).unwrap();
        assert!(bytes.len() < 1 << 20, "{} has {} bytes", golden.file, bytes.len());
        for position in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut touched = bytes.clone();
            touched[position] ^= 1;
            assert!(golden.difference(&touched).is_some(), "byte {position}");
        }
        assert!(golden.difference(&bytes[..bytes.len() - 1]).is_some());
        assert!(!golden.built_from.is_empty() && !golden.built_with.is_empty());
    }
}

#[test]
fn published_libraries_describe_themselves() {
    for golden in golden() {
        let place = place_with(&golden.library(), &[]);
        let arguments = ["plugins", "list", "--folder", "plugins", "--format", "json"];
        let listed = place.ablate(&arguments).expect(0).json();
        let plugin = &listed["plugins"][0];
        assert_eq!(plugin["name"], golden.plugin.as_str());
        assert_eq!(plugin["abi"], format!("v{}", golden.revision));
        let components = plugin["components"].as_array().unwrap().iter();
        let kinds: Vec<_> =
            components.map(|component| component["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["dataset", "model", "block", "loss", "metric"]);
    }
}

#[test]
fn published_libraries_give_the_numbers_that_they_gave() {
    for golden in golden() {
        let place = place_with(&golden.library(), &[]);
        place.ablate(&TRIAL).expect(0);
        let found = numbers(&place);
        let file = folder().join(&golden.numbers);
        if std::env::var_os("ABLATE_WRITE_GOLDEN").is_some() {
            let lines: Vec<String> =
                found.iter().map(|number| serde_json::to_string(number).unwrap()).collect();
            fs::write(&file, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
        }
        let expected: Vec<Number> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.3.to_bits(), expected.3.to_bits(), "{found:?} {expected:?}");
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn published_libraries_go_on_from_checkpoints() {
    for golden in golden() {
        let library = golden.library();
        let arguments =
            [&TRIAL[..], &["train.checkpoint_every_steps=3", "dataset.sleep_ms=5"]].concat();
        let (whole, broken) = (place_with(&library, &[]), place_with(&library, &[]));
        whole.ablate(&arguments).expect(0);
        let mut running = Running::start(&broken, &arguments);
        let run = running.wait_for_checkpoint(8);
        send(running.trial(), Signal::KILL);
        running.finish();
        let resumed = broken.ablate(&arguments).expect(0);
        let runs = broken.runs();
        assert_eq!((runs.len(), &runs[0].id), (1, &run.id), "{}", resumed.stderr);
        assert_eq!(results(&runs), results(&whole.runs()));
    }
}

#[test]
fn published_libraries_pass_the_conformance_checks() {
    for golden in golden() {
        let place = place_with(&golden.library(), &[]);
        let checked = place.ablate(&["plugins", "check", "plugins/libablate_plain.so"]);
        assert_eq!(checked.code, Some(0), "{}\n{}", checked.stdout, checked.stderr);
    }
}

#[test]
fn published_libraries_work_with_blocks_and_losses_of_today() {
    for golden in golden() {
        let place = place_with(&golden.library(), &["losses"]);
        let arguments = [&TRIAL[..], &["loss.error.use=mse"]].concat();
        place.ablate(&arguments).expect(0);
        assert_eq!(place.runs()[0].status(), "done");
    }
}
