//! The rules of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Who may import whom: a crate and those of ours that it may name in `[dependencies]`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("plugins/abi", &[]),
    ("plugins/sdk", &["plugins/abi"]),
    ("plugins/audio", &[]),
    ("plugins/codes", &["plugins/sdk"]),
    ("plugins/conformance", &["plugins/abi"]),
    ("plugins/diarization", &[]),
    ("plugins/losses", &["plugins/sdk"]),
    ("plugins/metrics", &["plugins/sdk"]),
    ("plugins/pooling", &["plugins/sdk"]),
    ("plugins/rqvae", &["plugins/sdk"]),
    ("plugins/speech", &["plugins/sdk", "plugins/audio"]),
    ("plugins/ssl", &["plugins/sdk"]),
    ("plugins/tokens", &["plugins/sdk"]),
    ("host/config", &[]),
    ("host/loader", &["plugins/abi"]),
    ("host/train", &["plugins/abi", "host/config"]),
    ("host/sweep", &["host/config", "registry/catalog"]),
    ("host/plot", &[]),
    ("host/report", &["registry/runs"]),
    (
        "host/cli",
        &[
            "plugins/abi",
            "host/config",
            "host/loader",
            "host/plot",
            "host/report",
            "host/sweep",
            "host/train",
            "plugins/conformance",
            "registry/catalog",
            "registry/export",
            "registry/runs",
        ],
    ),
    ("registry/catalog", &[]),
    ("registry/export", &["registry/runs"]),
    ("registry/runs", &[]),
    ("tests/fixtures/duplicate", &["plugins/sdk"]),
    ("tests/fixtures/liar", &["plugins/abi"]),
    ("tests/fixtures/plugin", &["plugins/sdk"]),
    (
        "tests/border",
        &[
            "plugins/abi",
            "plugins/codes",
            "plugins/conformance",
            "plugins/losses",
            "plugins/metrics",
            "plugins/pooling",
            "plugins/rqvae",
            "plugins/sdk",
            "plugins/speech",
            "plugins/ssl",
            "plugins/tokens",
            "host/loader",
            "tests/fixtures/plugin",
        ],
    ),
    (
        "tests/fuzz",
        &[
            "plugins/abi",
            "host/config",
            "host/loader",
            "host/sweep",
            "host/train",
            "registry/catalog",
        ],
    ),
    ("tests/tidy", &[]),
];

/// What belongs to few rooms: a dependency from outside and the crates that may name it.
const RESERVED: &[(&str, &[&str])] = &[
    ("abi_stable", &["plugins/abi", "plugins/sdk", "host/loader", "tests/fixtures/liar"]),
    ("burn", &["plugins/sdk"]),
    ("libloading", &["host/loader"]),
    ("rusqlite", &["registry/runs"]),
    ("figment", &["host/config"]),
    ("clap", &["host/cli"]),
    ("parquet", &["registry/export"]),
    ("indicatif", &["host/cli"]),
    ("symphonia", &["plugins/audio"]),
];

/// Crates that may hold `unsafe` code, each for a reason that the code states.
const UNSAFE: &[&str] =
    &["plugins/abi", "plugins/sdk", "host/loader", "host/cli", "tests/fixtures/liar", "tests/fuzz"];

const BANNED_NAMES: &[&str] =
    &["base.rs", "utils.rs", "common.rs", "misc.rs", "helpers.rs", "types.rs", "mod.rs"];

const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(folder: &str) -> toml::Table {
    read(&root().join(folder).join("Cargo.toml")).parse().expect("a manifest is TOML")
}

/// The folders of all member crates.
fn members() -> Vec<String> {
    let workspace: toml::Table = read(&root().join("Cargo.toml")).parse().expect("TOML");
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    members.iter().map(|member| member.as_str().expect("a path").to_owned()).collect()
}

/// Rust files of a crate, build outputs left out.
fn sources(folder: &str) -> Vec<PathBuf> {
    WalkDir::new(root().join(folder))
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "target")
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn crates_import_only_what_they_may() {
    let members = members();
    let packages: BTreeMap<String, &String> = members
        .iter()
        .map(|folder| {
            (manifest(folder)["package"]["name"].as_str().expect("a name").to_owned(), folder)
        })
        .collect();
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(folder, _)| *folder).collect();
    let actual: BTreeSet<&str> = members.iter().map(String::as_str).collect();
    assert_eq!(listed, actual, "the table of imports and the members of the workspace differ");
    let mut wrong = Vec::new();
    for (folder, allowed) in MAY_IMPORT {
        let manifest = manifest(folder);
        let Some(dependencies) = manifest.get("dependencies").and_then(|d| d.as_table()) else {
            continue;
        };
        for name in dependencies.keys() {
            if let Some(ours) = packages.get(name)
                && !allowed.contains(&ours.as_str())
            {
                wrong.push(format!("{folder} imports {ours}"));
            }
            for (reserved, rooms) in RESERVED {
                if name == reserved && !rooms.contains(folder) {
                    wrong.push(format!("{folder} imports {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_start_with_what_they_are_for() {
    let files = members().into_iter().flat_map(|folder| sources(&folder));
    let wrong: Vec<String> =
        files.filter(|path| !read(path).starts_with("//! ")).map(|path| shown(&path)).collect();
    assert!(wrong.is_empty(), "no `//! ` in the first line of\n{}", wrong.join("\n"));
}

#[test]
fn files_are_named_for_what_they_hold_and_stay_small() {
    let mut wrong = Vec::new();
    for path in members().into_iter().flat_map(|folder| sources(&folder)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if BANNED_NAMES.contains(&name.as_str()) {
            wrong.push(format!("{}: a name that says nothing", shown(&path)));
        }
        let text = read(&path);
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, at most {LINES_MAX}", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stays_at_the_border() {
    let mut wrong = Vec::new();
    for folder in members() {
        if UNSAFE.contains(&folder.as_str()) {
            continue;
        }
        for path in sources(&folder).into_iter().filter(|path| !path.ends_with("tidy.rs")) {
            let text = read(&path);
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            if code.into_iter().any(|line| line.contains("unsafe ") && !line.contains('"')) {
                wrong.push(shown(&path));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe code in\n{}", wrong.join("\n"));
}

#[test]
fn plugins_are_libraries_that_say_their_name() {
    for folder in members().into_iter().filter(|folder| folder.starts_with("plugins/")) {
        let manifest = manifest(&folder);
        let metadata = manifest["package"].get("metadata").and_then(|m| m.get("ablate"));
        let Some(plugin) = metadata.and_then(|m| m.get("plugin")).and_then(toml::Value::as_str)
        else {
            continue;
        };
        assert_eq!(format!("plugins/{plugin}"), folder, "the plugin is named after its folder");
        let kinds = manifest["lib"]["crate-type"].to_string();
        assert!(kinds.contains("cdylib") && kinds.contains("rlib"), "{folder}: crate-type {kinds}");
        let symbol = format!("ablate_plugin_{}", plugin.replace('-', "_"));
        let library = read(&root().join(&folder).join("src/lib.rs"));
        assert!(library.contains(&symbol), "{folder} does not export `{symbol}`");
    }
}

#[test]
fn every_crate_has_a_readme_and_a_place_in_the_architecture() {
    let architecture = read(&root().join("ARCHITECTURE.md"));
    for folder in members() {
        let readme = root().join(&folder).join("README.md");
        assert!(readme.exists(), "{folder} has no README.md");
        assert!(
            architecture.contains(&format!("`{folder}`")),
            "ARCHITECTURE.md does not name `{folder}`"
        );
    }
    for word in architecture.split('`').skip(1).step_by(2) {
        let top = ["host/", "plugins/", "registry/", "tests/", "experiments/"];
        if top.iter().any(|top| word.starts_with(top)) && !word.contains(['*', '<', ' ']) {
            assert!(
                root().join(word).exists(),
                "ARCHITECTURE.md names `{word}`, which is not there"
            );
        }
    }
}

#[test]
fn every_experiment_is_in_the_index_and_has_a_readme() {
    let index = read(&root().join("experiments/README.md"));
    let folders = std::fs::read_dir(root().join("experiments")).expect("the experiments");
    for entry in folders.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(entry.path().join("README.md").exists(), "experiments/{name} has no README.md");
        assert!(
            entry.path().join("experiment.toml").exists(),
            "experiments/{name} has no experiment"
        );
        assert!(
            index.contains(&format!("`{name}`")),
            "experiments/README.md does not name `{name}`"
        );
    }
}
