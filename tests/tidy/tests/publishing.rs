//! What must hold of the crates that are published, and of plugin crates, which show how it is done.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use walkdir::WalkDir;

/// The crates that the author of a plugin needs; `cargo publish --workspace` publishes these.
const PUBLISHED: [&str; 3] = ["ablate-abi", "ablate-conformance", "ablate-sdk"];

/// What the export macro expands to in a plugin is hidden from the plugin's documentation.
const MAY_ALLOW_MISSING_DOCS: &str = "plugins/sdk/src/export.rs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .expect("cargo runs its own tests");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {said}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("names of files and JSON are UTF-8")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    value[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// All crates of the workspace, inherited keys filled in.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let mut metadata: Value = serde_json::from_str(&metadata).expect("cargo writes JSON");
    serde_json::from_value(metadata["packages"].take()).expect("a list of packages")
}

fn folder(package: &Value) -> PathBuf {
    let folder = Path::new(text(package, "manifest_path")).parent().expect("a folder");
    folder.strip_prefix(root()).expect("a crate of ours").to_owned()
}

fn is_published(package: &Value) -> bool {
    PUBLISHED.contains(&text(package, "name"))
}

/// The published crates, and those that could be: libraries in `plugins`.
fn packaged() -> Vec<Value> {
    packages().into_iter().filter(|package| folder(package).starts_with("plugins")).collect()
}

#[test]
fn exactly_the_crates_that_a_plugin_author_needs_are_published() {
    let packages = packages();
    // Cargo writes an empty list of registries for `publish = false`.
    let published: BTreeSet<&str> = packages
        .iter()
        .filter(|package| package["publish"].is_null())
        .map(|package| text(package, "name"))
        .collect();
    assert_eq!(published, PUBLISHED.into());
    for package in packages.iter().filter(|package| is_published(package)) {
        for dependency in package["dependencies"].as_array().expect("a list") {
            let (name, wanted) = (text(dependency, "name"), text(dependency, "req"));
            if dependency["path"].is_string() {
                let why = format!("{} depends on {name} {wanted}", text(package, "name"));
                assert!(PUBLISHED.contains(&name), "{why}, which is not published");
                assert_ne!(wanted, "*", "{why}: it needs a version beside its path");
            }
        }
    }
}

#[test]
fn packages_say_what_they_are() {
    let workspace: toml::Table = read(&root().join("Cargo.toml")).parse().expect("TOML");
    let minimum = workspace["workspace"]["package"]["rust-version"].as_str().expect("a version");
    for package in packaged() {
        let name = text(&package, "name");
        let description = text(&package, "description");
        assert!((20..=120).contains(&description.len()), "{name}: description `{description}`");
        assert_eq!(text(&package, "license"), "MIT OR Apache-2.0", "{name}");
        assert_eq!(text(&package, "readme"), "README.md", "{name}");
        assert_eq!(text(&package, "rust_version"), minimum, "{name}");
        assert!(!list(&package, "categories").is_empty(), "{name} has no categories");

        // As crates.io wants them.
        let keywords = list(&package, "keywords");
        assert!((1..=5).contains(&keywords.len()), "{name}: one to five keywords");
        for keyword in &keywords {
            let fits = keyword.len() <= 20
                && keyword.starts_with(|first: char| first.is_ascii_alphanumeric())
                && keyword.chars().all(|c| c.is_ascii_alphanumeric() || "-_+".contains(c));
            assert!(fits, "{name}: keyword `{keyword}`");
        }
        // By this one plugins are found there.
        let is_plugin = package["metadata"]["ablate"]["plugin"].is_string();
        assert_eq!(keywords.contains(&"ablate-plugin"), is_plugin, "{name}: `ablate-plugin`");

        if is_published(&package) {
            assert_eq!(text(&package, "documentation"), format!("https://docs.rs/{name}"));
            assert!(package["metadata"]["docs"]["rs"].is_object(), "{name}: nothing for docs.rs");
        }
    }
}

#[test]
fn the_readme_for_authors_names_the_versions_that_there_are() {
    let readme = read(&root().join("plugins/sdk/README.md"));
    for package in packages().iter().filter(|package| is_published(package)) {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let (minor, _) = version.rsplit_once('.').expect("three numbers");
        let named = readme.lines().find(|line| line.starts_with(&format!("{name} = ")));
        if let Some(line) = named {
            assert_eq!(line, format!("{name} = \"{minor}\""));
        } else {
            assert_eq!(name, "ablate-abi", "the README does not name {name}");
        }
    }
}

#[test]
fn packages_hold_their_sources_their_readme_and_both_licenses() {
    for package in packaged() {
        let (name, folder) = (text(&package, "name"), folder(&package));
        let files = cargo(&["package", "--list", "--allow-dirty", "--package", name]);
        let files: BTreeSet<&str> = files.lines().collect();
        for wanted in ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"] {
            assert!(files.contains(wanted), "the package of {name} lacks {wanted}");
        }
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let ours = read(&root().join(&folder).join(license));
            assert!(ours == read(&root().join(license)), "{name}: another text of {license}");
        }
        for target in package["targets"].as_array().expect("a list") {
            let source = Path::new(text(target, "src_path"));
            let source = source.strip_prefix(root().join(&folder)).expect("inside of the crate");
            let source = source.to_str().expect("UTF-8");
            assert!(files.contains(source), "the package of {name} lacks {source}");
        }
    }
}

#[test]
fn published_crates_document_every_public_item_with_examples_that_run() {
    for package in packages().into_iter().filter(is_published) {
        let folder = root().join(folder(&package));
        let library = read(&folder.join("src/lib.rs"));
        let name = text(&package, "name");
        assert!(library.contains("\n#![deny(missing_docs)]\n"), "{name}: docs may be missing");
        let sources = WalkDir::new(folder.join("src")).into_iter().filter_map(Result::ok);
        for path in sources.map(walkdir::DirEntry::into_path).filter(|path| path.is_file()) {
            let shown = path.strip_prefix(root()).expect("a file of ours").display().to_string();
            let code = read(&path).replace("#![deny(missing_docs)]", "");
            let excepted = code.contains("missing_docs") && shown != MAY_ALLOW_MISSING_DOCS;
            assert!(!excepted, "{shown} lets docs be missing");
            for skipped in ["```ignore", "```no_run"] {
                assert!(!code.contains(skipped), "{shown}: an example is not run: {skipped}");
            }
        }
    }
}
