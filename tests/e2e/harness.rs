//! A temporary place to run the command in: libraries, a home and an experiment of its own.

use fs_err as fs;
use regex::Regex;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The plugins that a place has unless a test says otherwise.
pub(crate) const PLUGINS: [&str; 6] =
    ["fixture", "losses", "metrics", "pooling", "rqvae", "speech"];

/// A small experiment: two variants, two seeds, six steps a trial, a fraction of a second each.
pub(crate) const EXPERIMENT: &str = r#"question = "Which pooling?"

[plugins]
folders = ["../plugins"]

[dataset]
use = "synthetic-speech"
speakers = 2
words = 3
items_train = 12
items_valid = 4
items_test = 4
min_seconds = 0.3
max_seconds = 0.5
encoder = { use = "log-mel", mel_bins = 20 }

[model]
use = "rqvae"
latent_dim = 16
encoder = { use = "convolution", layers = 1, kernel = 3 }
decoder = { use = "located", heads = 2 }
quantizer.use = "ema"
quantizer.levels = 2
quantizer.codebook_size = 8
[model.pooling]
use = "attentive-mean"
hidden = 8

[loss.reconstruction]
use = "masked-mse"
inputs = { prediction = "reconstruction", target = "features" }

[loss.commitment]
use = "output"
inputs = { value = "commitment" }

[metric.utilization]
use = "codebook-utilization"
objective = true

[train]
total_epochs = 2
batch_size = 4
optimizer = { use = "adamw", learning_rate = 1e-3 }

[sweep]
seeds = [0, 1]
base_name = "attentive"

[[sweep.variant]]
name = "mean"
set = { "model.pooling" = { use = "mean" } }
"#;

/// A temporary folder with `plugins/`, `home/` and `pooling/experiment.toml`; commands run in it.
pub(crate) struct Place {
    temporary: TempDir,
    folder: PathBuf,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    /// Data, with what differs from call to call filtered out.
    pub(crate) stdout: String,
    /// Everything else, filtered too.
    pub(crate) stderr: String,
    /// Data as it was.
    pub(crate) raw: String,
    pub(crate) took: Duration,
}

/// A run as its folder says.
#[derive(Debug)]
pub(crate) struct RunFolder {
    pub(crate) folder: PathBuf,
    pub(crate) id: String,
    pub(crate) variant: String,
    pub(crate) seed: u64,
    pub(crate) identity: String,
    /// The bytes of `measurements.jsonl`.
    pub(crate) measurements: String,
    /// `result.json`, or null.
    pub(crate) result: Value,
}

/// The library of a plugin that was built beside this test.
pub(crate) fn library(plugin: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().join(format!("libablate_{plugin}.so"))
}

impl Place {
    /// With all usual plugins and the small experiment.
    pub(crate) fn new() -> Self {
        Self::with_plugins(&PLUGINS)
    }

    /// With these plugins and the small experiment.
    pub(crate) fn with_plugins(plugins: &[&str]) -> Self {
        let temporary = tempfile::Builder::new().prefix("ablate e2e ü ").tempdir().unwrap();
        let folder = fs::canonicalize(temporary.path()).unwrap();
        let place = Self { temporary, folder };
        fs::create_dir(place.path("plugins")).unwrap();
        for plugin in plugins {
            place.add_plugin(plugin);
        }
        place.write("pooling/experiment.toml", EXPERIMENT);
        place
    }

    /// A link where that is possible: a build puts new files in the place of old ones, and tests
    /// must do so too.
    pub(crate) fn add_plugin(&self, plugin: &str) -> PathBuf {
        let file = self.path(&format!("plugins/libablate_{plugin}.so"));
        let from = library(plugin);
        if fs::hard_link(&from, &file).is_err() {
            fs::copy(from, &file).unwrap();
        }
        file
    }

    /// A path inside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside)
    }

    /// Writes a file inside.
    pub(crate) fn write(&self, inside: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // What is there may be a link.
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        path
    }

    /// Replaces `from`, which must be there, in the experiment.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let file = self.path("pooling/experiment.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` is not in the experiment");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
    }

    /// The command, in this place and in no workspace, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ablate"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ABLATE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("ABLATE_HOME", self.path("home"))
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn ablate(&self, arguments: &[&str]) -> Answer {
        self.answer(self.command(arguments))
    }

    /// Runs a command to its end.
    pub(crate) fn answer(&self, mut command: Command) -> Answer {
        let start = Instant::now();
        let output = command.output().unwrap();
        self.answer_of(output, start.elapsed())
    }

    /// What a finished process answered.
    pub(crate) fn answer_of(&self, output: Output, took: Duration) -> Answer {
        let raw = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Answer {
            code: output.status.code(),
            stdout: self.filter(&raw),
            stderr: self.filter(&stderr),
            raw,
            took,
        }
    }

    /// `text` without paths, times and ids of this call.
    pub(crate) fn filter(&self, text: &str) -> String {
        static FILTERS: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
        let filters = FILTERS.get_or_init(|| {
            let filters = [
                (r"\b[0-9a-f]{64}\b", "[SHA256]"),
                (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[RUN]"),
                // A UUIDv7 begins with the time, and so with 01 for some more years.
                (r"\b01[0-9a-f]{6,30}\b", "[RUN]"),
                (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "[DATE]"),
                (r"\b\d\d:\d\d:\d\d\b", "[TIME]"),
                (r" +\d+\.\d s\b", " [TOOK]"),
                (r"tests/fixtures/plugin/src/\w+\.rs:\d+:\d+", "[FIXTURE]"),
            ];
            filters.map(|(from, to)| (Regex::new(from).unwrap(), to)).into()
        });
        let mut text = text.replace(self.folder.to_str().unwrap(), "[PLACE]");
        for (from, to) in filters {
            text = from.replace_all(&text, *to).into_owned();
        }
        text
    }

    /// All runs, by variant and seed.
    pub(crate) fn runs(&self) -> Vec<RunFolder> {
        let folder = self.path("home/runs");
        if !folder.exists() {
            return Vec::new();
        }
        let mut runs: Vec<RunFolder> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // A run appears under its name when all of it is there.
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .map(|path| RunFolder::read(&path))
            .collect();
        runs.sort_by_key(|run| (run.variant.clone(), run.seed, run.id.clone()));
        runs
    }

    /// Leaves the folder behind, for a look at it.
    #[allow(dead_code, reason = "for debugging")]
    pub(crate) fn keep(self) -> PathBuf {
        self.temporary.keep()
    }
}

impl Answer {
    /// Fails with everything that was printed unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        let Self { code: found, stdout, stderr, .. } = &self;
        assert_eq!(*found, Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// The data as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.raw).unwrap_or_else(|error| panic!("{error}: {}", self.raw))
    }

    /// Fails unless stderr is exactly `expected`.
    #[track_caller]
    pub(crate) fn says(&self, expected: &str) {
        assert!(self.stderr == expected, "expected:\n{expected}\nfound:\n{}", self.stderr);
    }

    /// Fails unless stderr has this line, leading and trailing blanks aside.
    #[track_caller]
    pub(crate) fn says_line(&self, expected: &str) {
        let found = self.stderr.lines().any(|line| line.trim() == expected);
        assert!(found, "expected the line:\n{expected}\nin:\n{}", self.stderr);
    }
}

impl RunFolder {
    fn read(folder: &Path) -> Self {
        let json = |name: &str| {
            let bytes = fs::read(folder.join(name)).unwrap_or_default();
            serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
        };
        let manifest = json("manifest.json");
        let about = &manifest["run"];
        let text = |key: &str| about[key].as_str().unwrap().to_owned();
        Self {
            id: text("id"),
            variant: text("variant"),
            identity: text("identity"),
            seed: about["seed"].as_u64().unwrap(),
            measurements: fs::read_to_string(folder.join("measurements.jsonl")).unwrap_or_default(),
            result: json("result.json"),
            folder: folder.to_owned(),
        }
    }

    /// `manifest.json`.
    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder.join("manifest.json")).unwrap()).unwrap()
    }

    /// `done`, `failed`, or null without a result.
    pub(crate) fn status(&self) -> &str {
        self.result["status"].as_str().unwrap_or("null")
    }

    /// What must not differ between two executions of the same trial: its identity, its
    /// measurements byte for byte, and the values that tables are made of.
    pub(crate) fn results(&self) -> (&str, u64, &str, &str, &Value) {
        assert_eq!(self.status(), "done", "{}", self.folder.display());
        assert!(!self.measurements.is_empty(), "{}", self.folder.display());
        let finals = &self.result["finals"];
        (&self.variant, self.seed, &self.identity, &self.measurements, finals)
    }
}

/// The results of all runs of a place.
pub(crate) fn results(runs: &[RunFolder]) -> Vec<(&str, u64, &str, &str, &Value)> {
    runs.iter().map(RunFolder::results).collect()
}

/// The keys of a JSON object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The folder with recordings; `None`, said on stderr, where there is none.
pub(crate) fn data_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ABLATE_DATA").filter(|value| !value.is_empty());
    if folder.is_none() {
        eprintln!("skipped: no data");
    }
    folder.map(PathBuf::from)
}

/// Whether tests that take minutes are wanted; said on stderr where they are not.
pub(crate) fn slow() -> bool {
    let slow = std::env::var_os("ABLATE_SLOW").is_some_and(|value| !value.is_empty());
    if !slow {
        eprintln!("skipped: slow (set ABLATE_SLOW)");
    }
    slow
}
