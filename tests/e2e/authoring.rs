//! `plugins new`, and the guide for authors from its first command to a row in the table.

use crate::harness::{Answer, Place, library, slow};
use fs_err as fs;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kinds with the options that they need.
const KINDS: [(&str, &[&str]); 6] = [
    ("metric", &[]),
    ("dataset", &[]),
    ("loss", &[]),
    ("model", &[]),
    ("block", &["--role", "pooling"]),
    // Nobody has such a slot.
    ("block", &["--role", "fusion"]),
];

fn repository() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

/// Crates outside the repository are built here: a lock of its own, and kept from call to call.
fn target() -> PathBuf {
    let target = library("x").ancestors().nth(3).unwrap().join("authoring");
    fs::create_dir_all(&target).unwrap();
    target
}

fn new(place: &Place, arguments: &[&str]) -> Answer {
    let sdk = repository().to_str().unwrap().to_owned();
    let all = [&["plugins", "new"], arguments, &["--sdk", &sdk, "--folder", "plugins"]].concat();
    place.ablate(&all)
}

/// The crates of all kinds.
fn crates(place: &Place) -> Vec<PathBuf> {
    let made = KINDS.iter().enumerate().map(|(index, (kind, options))| {
        let name = format!("my-{kind}-{}", char::from(b'a' + index as u8));
        new(place, &[&[name.as_str(), "--kind", kind], *options].concat()).expect(0);
        place.path(&name)
    });
    made.collect()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("cargo");
    // What `cargo test` says of this very package is not for others.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    run(command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target()))
}

#[test]
fn a_new_crate_of_every_kind_is_complete_and_formatted() {
    let place = Place::with_plugins(&["pooling", "rqvae"]);
    let before: Vec<_> = fs::read_dir(place.path("plugins")).unwrap().collect();
    for folder in crates(&place) {
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            ".gitignore",
            "rustfmt.toml",
            ".github/workflows/ci.yml",
            "src/lib.rs",
            "tests/conformance.rs",
        ] {
            assert!(folder.join(file).is_file(), "{}: {file}", folder.display());
        }
        // Parses, and is as rustfmt wants it.
        cargo(&folder, &["fmt", "--check"]);
        let json = cargo(&folder, &["metadata", "--no-deps", "--format-version", "1", "--offline"]);
        let json = json.lines().find(|line| line.starts_with('{')).unwrap();
        let metadata: Value = serde_json::from_str(json).unwrap();
        let package = &metadata["packages"][0];
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert_eq!(package["name"], name);
        assert_eq!(package["metadata"]["ablate"]["plugin"], name);
        assert_eq!(metadata["workspace_root"], folder.to_str().unwrap());
    }
    assert_eq!(before.len(), fs::read_dir(place.path("plugins")).unwrap().count());
}

#[test]
fn a_role_is_what_slots_of_installed_components_say() {
    let place = Place::with_plugins(&["pooling", "rqvae"]);
    let answer = new(&place, &["first", "--kind", "block", "--role", "pooling"]).expect(0);
    answer.says_line("next: ablate plugins build first");
    let code = fs::read_to_string(place.path("first/src/first.rs")).unwrap();
    let contract = r#"    /// The tensors of slot `pooling` of `rqvae` and slot `inner` of `sliding-window`.
    fn contract(_: &FirstConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("features: f32[B, T, D]")
            .input("mask: bool[B, T]")
            .output("pooled: f32[B, 1, D]")
            .output("mask: bool[B, 1]"))
    }
"#;
    assert!(code.contains(contract), "{code}");
    assert!(code.contains("const ROLE: &'static str = \"pooling\";"), "{code}");

    let answer = new(&place, &["second", "--kind", "block", "--role", "poling"]).expect(0);
    answer.says_line("note: did you mean `pooling`?");
    let text =
        "note: the block keeps the shape of one input: write its contract as its slot has it";
    answer.says_line(text);
    let code = fs::read_to_string(place.path("second/src/second.rs")).unwrap();
    assert!(code.contains(".output(\"output: f32[B, T, D]\")"), "{code}");
}

#[test]
fn what_was_written_is_told_as_json_too() {
    let place = Place::with_plugins(&[]);
    let arguments = ["ablate-hits", "--kind", "metric", "--path", "deep/er", "--format", "json"];
    let json = new(&place, &arguments).expect(0).json();
    assert_eq!(json["folder"], place.path("deep/er/ablate-hits").to_str().unwrap());
    assert_eq!((&json["package"], &json["plugin"]), (&"ablate-hits".into(), &"hits".into()));
    assert_eq!((&json["kind"], &json["role"]), (&"metric".into(), &Value::Null));
    for file in json["files"].as_array().unwrap() {
        assert!(place.path("deep/er/ablate-hits").join(file.as_str().unwrap()).is_file());
    }
    // Without a checkout: what is published.
    let arguments = ["plugins", "new", "other", "--kind", "metric"];
    place.ablate(&arguments).expect(0);
    let manifest = fs::read_to_string(place.path("other/Cargo.toml")).unwrap();
    let line = "ablate-sdk = { version = \"0.1.0\", default-features = false }";
    assert!(manifest.lines().any(|found| found == line), "{manifest}");
    assert!(!place.path("other/Cargo.lock").exists());
}

#[test]
fn what_cannot_be_made_is_one_clear_error_and_nothing_is_written() {
    let place = Place::with_plugins(&["pooling", "rqvae"]);
    fs::create_dir(place.path("there")).unwrap();
    fs::write(place.path("there/mine"), "mine").unwrap();
    fs::write(place.path("file"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("dangling")).unwrap();
    let check = |arguments: &[&str], wanted: &str| {
        let answer = new(&place, arguments).expect(1);
        assert!(answer.stderr.starts_with(wanted), "wanted:\n{wanted}\nfound:\n{}", answer.stderr);
        assert!(!answer.stderr.contains("next:"), "{}", answer.stderr);
    };
    check(&["x-y", "--kind", "layer"], "error: invalid value 'layer' for '--kind <KIND>'\n");
    check(
        &["x-y"],
        "error: the following required arguments were not provided:\n  --kind <KIND>\n",
    );
    check(
        &["x-y", "--kind", "block"],
        "error: a block needs a role: what slots it fits\n\
         hint: for example `--role pooling`; `ablate plugins list` shows those that there are\n",
    );
    check(
        &["x-y", "--kind", "loss", "--role", "pooling"],
        "error: a loss has no role, but `--role pooling` was given\n",
    );
    check(
        &["x-y", "--kind", "block", "--role", "My Role"],
        "error: `My Role` cannot be a role: 'M' is neither a small letter, nor a digit, nor a hyphen\n",
    );
    check(
        &["Segment_Mean", "--kind", "metric"],
        "error: `Segment_Mean` cannot be the name of a crate: 'S' is neither a small letter, nor a \
         digit, nor a hyphen\nhint: a name is in kebab case, such as `segment-mean`\n",
    );
    check(
        &["tensors", "--kind", "metric"],
        "error: `tensors` cannot be the name of a plugin: its code needs `tensors` for something \
         else\n",
    );
    check(
        &["pooling", "--kind", "metric", "--path", "elsewhere"],
        "error: there is a plugin `pooling` already\nhint: nothing was written: choose another name\n",
    );
    check(
        &["ablate-mean", "--kind", "metric"],
        "error: there is a block `mean` already, in plugin `pooling`\n",
    );
    for name in ["there", "file", "dangling"] {
        check(
            &[name, "--kind", "metric"],
            &format!(
                "error: `{name}` is there already\n\
                 hint: nothing was written: choose another name, or another place with `--path`\n"
            ),
        );
    }
    check(&["x-y", "--kind", "metric", "--path", "file"], "error: ");
    let arguments = ["plugins", "new", "x-y", "--kind", "metric", "--sdk", "plugins"];
    let answer = place.ablate(&arguments).expect(1);
    answer.says(
        "error: there is no `ablate-sdk` in `plugins`\n\
         hint: `--sdk` takes the folder of a checkout of `ablate`, or of `plugins/sdk` in it\n",
    );
    assert!(!place.path("x-y").exists() && !place.path("elsewhere").exists());
    assert_eq!(fs::read_dir(place.path("there")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "mine");
}

#[test]
fn a_crate_of_every_kind_passes_its_own_tests_and_lints() {
    if !slow() {
        return;
    }
    let place = Place::with_plugins(&["pooling", "rqvae"]);
    for folder in crates(&place) {
        let text = cargo(&folder, &["test", "--release"]);
        assert!(text.contains("test conforms ... ok"), "{text}");
        let passed = text.lines().filter(|line| line.starts_with("test result: ok.")).count();
        assert!(passed >= 2, "{text}");
        cargo(&folder, &["clippy", "--release", "--all-targets", "--", "-D", "warnings"]);
    }
}

/// A block of code in the guide.
struct Code {
    language: String,
    /// The file that it changes or is.
    file: String,
    lines: Vec<String>,
}

fn guide() -> Vec<Code> {
    let text = fs::read_to_string(repository().join("plugins/README.md")).unwrap();
    let mut blocks: Vec<Code> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(start)) => {
                let (language, file) = start.split_once(' ').unwrap_or((start, ""));
                let (language, file) = (language.to_owned(), file.to_owned());
                blocks.push(Code { language, file, lines: Vec::new() });
                inside = true;
            }
            (true, Some(_)) => inside = false,
            (true, None) => blocks.last_mut().unwrap().lines.push(line.to_owned()),
            (false, None) => {}
        }
    }
    blocks
}

fn commands(guide: &[Code]) -> Vec<String> {
    guide.iter().filter(|code| code.language == "sh").flat_map(|code| code.lines.clone()).collect()
}

/// Puts what the guide says into the crate; the lines that an author writes.
fn follow(guide: &[Code], folder: &Path) -> usize {
    let mut written = 0;
    for Code { language, file, lines } in guide.iter().filter(|code| !code.file.is_empty()) {
        let path = folder.join(file);
        if language != "diff" {
            written += lines.iter().filter(|line| !line.is_empty()).count();
            fs::write(path, lines.join("\n") + "\n").unwrap();
            continue;
        }
        let side = |without: char| -> String {
            let kept = lines.iter().filter(|line| !line.starts_with(without));
            kept.flat_map(|line| [line.get(1..).unwrap_or_default(), "\n"]).collect()
        };
        let (old, new) = (side('+'), side('-'));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(&old).count(), 1, "in {file} once:\n{old}\nfound:\n{text}");
        fs::write(path, text.replacen(&old, &new, 1)).unwrap();
        written += lines.iter().filter(|line| line.starts_with('+')).count();
    }
    written
}

#[test]
fn the_guide_fits_what_is_generated_and_is_short() {
    let place = Place::with_plugins(&["pooling", "rqvae"]);
    let guide = guide();
    assert_eq!(commands(&guide).len(), 4, "four commands from nothing to a row");
    new(&place, &["segment-mean", "--kind", "block", "--role", "pooling"]).expect(0);
    let folder = place.path("segment-mean");
    let written = follow(&guide, &folder);
    assert!(written < 60, "{written} lines of the author's own");
    assert!(written > 20, "{written} lines, which cannot be all");
    cargo(&folder, &["fmt", "--check"]);
}

/// The guide as it is written, in a folder outside the repository. One segment is a mean over all
/// frames, so its row must be that of `mean` of another library, to the last bit.
#[test]
fn the_guide_leads_to_a_row_in_the_table() {
    if !slow() {
        return;
    }
    let own = ["losses", "metrics", "pooling", "rqvae", "speech"];
    let place = Place::with_plugins(&own);
    let home = place.path("author");
    fs::create_dir_all(home.join(".cargo")).unwrap();
    // The repository but for the members of its workspace: those would be built again where they
    // are out of date, under the feet of other tests. They are installed instead.
    fs::create_dir_all(home.join("ablate")).unwrap();
    fs::write(home.join("ablate/Cargo.toml"), "[workspace]\n").unwrap();
    for part in ["experiments", "plugins"] {
        let link = home.join("ablate").join(part);
        std::os::unix::fs::symlink(repository().join(part), link).unwrap();
    }
    for plugin in own {
        let file = place.path(&format!("plugins/libablate_{plugin}.so"));
        place.ablate(&["plugins", "add", file.to_str().unwrap()]).expect(0);
    }
    let folder = home.join("segment-mean");
    // Cargo reads it for crates below; the workspace keeps its own.
    let setting = format!("[build]\ntarget-dir = {:?}\n", target());
    fs::write(home.join(".cargo/config.toml"), setting).unwrap();
    // A fraction of a second for each trial.
    let small = "train.total_epochs=2 train.batch_size=4 'sweep.seeds=[0, 1]' \
                 dataset.speakers=2 dataset.words=3 dataset.items_train=12 dataset.items_valid=4 \
                 dataset.items_test=4 model.latent_dim=16 model.quantizer.codebook_size=8";
    let guide = guide();
    for command in commands(&guide) {
        let sized = command.contains("sweep");
        let line = if sized { format!("{command} {small}") } else { command.clone() };
        let answer = typed(&place, &home, &line).expect(0);
        eprintln!("{line}: {:?}\n{}{}", answer.took, answer.stderr, answer.stdout);
        if command.contains("plugins new") {
            follow(&guide, &folder);
        }
    }
    let line = format!("ablate table ~/segment-mean/experiment.toml --format json {small}");
    let table = typed(&place, &home, &line).expect(0).json();
    let rows = table.to_string();
    for row in ["pooling=segment-mean(segments=1)", "pooling=segment-mean(segments=4)"] {
        assert!(rows.contains(row), "{rows}");
    }
    let runs = place.runs();
    let of = |variant: &str| {
        let found: Vec<_> = runs.iter().filter(|run| run.variant.contains(variant)).collect();
        assert_eq!(found.len(), 2, "{variant}: one run for each seed");
        found.into_iter().map(super::harness::RunFolder::results).collect::<Vec<_>>()
    };
    let mean: Vec<_> = runs.iter().filter(|run| run.variant == "mean").collect();
    assert_eq!((runs.len(), mean.len()), (14, 2));
    let (one, four) = (of("segments=1"), of("segments=4"));
    for ((mean, one), four) in mean.iter().zip(one).zip(four) {
        let (_, seed, identity, measurements, finals) = mean.results();
        assert_eq!((seed, measurements, finals), (one.1, one.3, one.4));
        assert_ne!(identity, one.2);
        assert_ne!(measurements, four.3);
    }
}

/// A line of the guide in a shell whose home is the author's.
fn typed(place: &Place, home: &Path, line: &str) -> Answer {
    let program = Path::new(env!("CARGO_BIN_EXE_ablate"));
    let path = std::env::var("PATH").unwrap();
    let given = |variable: &str, folder: &str| {
        std::env::var(variable)
            .unwrap_or_else(|_| format!("{}/{folder}", std::env::var("HOME").unwrap()))
    };
    let ours = place.command(&[]);
    let mut command = Command::new("bash");
    command.args(["-euc", line]).current_dir(home.join("ablate"));
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .env("CARGO_HOME", given("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", given("RUSTUP_HOME", ".rustup"))
        .env("HOME", home)
        .env_remove("CARGO_TARGET_DIR");
    place.answer(command)
}
