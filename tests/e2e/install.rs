//! `plugins build`, `add` and `remove`: plugins from a file, a folder and a registry, found by name.

use crate::harness::{Answer, Place, slow};
use crate::plain_library;
use fs_err as fs;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A place whose experiment `plain` names no folder, with the library that it needs in `plugins/`.
pub(crate) fn place() -> Place {
    let place = plain_library::place(&[]);
    let file = place.path("plain/experiment.toml");
    let text = fs::read_to_string(&file).unwrap();
    let folders = "[plugins]\nfolders = [\"../plugins\"]\n";
    assert!(text.contains(folders), "{text}");
    fs::write(file, text.replace(folders, "")).unwrap();
    place
}

/// The library of [`place`].
pub(crate) const LIBRARY: &str = "plugins/libablate_plain.so";

/// The sources of that library.
fn sources(fixture: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fixtures.canonicalize().unwrap().join(fixture)
}

/// A command that compiles into the folder in which the library was built already.
fn in_built_target(place: &Place, arguments: &[&str]) -> Answer {
    let library = plain_library::outside("plain");
    let mut command = place.command(arguments);
    command.env("CARGO_TARGET_DIR", library.ancestors().nth(2).unwrap());
    place.answer(command)
}

/// What is installed, as JSON.
fn list(place: &Place) -> Vec<Value> {
    let json = place.ablate(&["plugins", "list", "--format", "json"]).expect(0).json();
    json["plugins"].as_array().unwrap().clone()
}

fn stored(place: &Place) -> usize {
    fs::read_dir(place.path("home/store")).map_or(0, Iterator::count)
}

#[test]
fn a_library_is_added_and_found_by_name_wherever_the_experiment_lies() {
    let place = place();
    let unknown = place.ablate(&["sweep", "plain"]).expect(1);
    assert!(unknown.stderr.contains("plain-points"), "{}", unknown.stderr);
    let added = place.ablate(&["plugins", "add", LIBRARY]).expect(0);
    assert!(added.stdout.starts_with("plain 1.0.0  v1  no Burn  store  "), "{}", added.stdout);
    assert!(added.stderr.starts_with("installed `plain` 1.0.0 ("), "{}", added.stderr);
    assert!(added.stderr.ends_with("next: ablate plugins check plain\n"), "{}", added.stderr);
    let again = place.ablate(&["plugins", "add", LIBRARY, "--format", "json"]).expect(0);
    assert_eq!(again.json()["changed"], Value::Bool(false));
    assert!(again.stderr.contains(") was installed already\n"), "{}", again.stderr);
    // What was added is a copy.
    fs::remove_file(place.path(LIBRARY)).unwrap();
    let plugins = list(&place);
    assert_eq!((plugins.len(), &plugins[0]["origin"]), (1, &"store".into()));
    let installed = &plugins[0]["installed"];
    assert_eq!(installed["source"]["kind"], "file");
    assert_eq!(installed["source"]["path"], place.path(LIBRARY).to_str().unwrap());
    assert!(installed["added"].as_str().unwrap().ends_with('Z'), "{installed}");
    let info = place.ablate(&["plugins", "info", "plain"]).expect(0).stdout;
    let line = "installed: [DATE] from the file `[PLACE]/plugins/libablate_plain.so`\n";
    assert!(info.contains(line), "{info}");
    let json = place.ablate(&["plugins", "info", "plain", "--format", "json"]).expect(0).json();
    assert_eq!((&json["installed"], &json["origin"]), (installed, &"store".into()));
    place.ablate(&["sweep", "plain"]).expect(0);
    assert_eq!(place.runs().len(), 4);
    let removed = place.ablate(&["plugins", "remove", "plain"]).expect(0);
    assert!(removed.stderr.starts_with("removed `plain` 1.0.0 ("), "{}", removed.stderr);
    assert!(list(&place).is_empty());
    let run = &place.runs()[0].id;
    place.ablate(&["reproduce", run]).expect(0);
    place.ablate(&["plugins", "remove", "plain"]).expect(1);
}

#[test]
fn a_crate_in_a_folder_is_built_and_added() {
    let place = place();
    let folder = sources("plain");
    let folder = folder.to_str().unwrap();
    let built = in_built_target(&place, &["plugins", "build", folder]).expect(0);
    let library = plain_library::outside("plain");
    let line = format!("  library: {}\n", library.display());
    assert!(built.raw.starts_with("plain 1.0.0  v1  no Burn"), "{}", built.raw);
    assert!(built.raw.ends_with(&line), "{}", built.raw);
    let start = format!("building `ablate-plain` 1.0.0 in `{folder}`\n");
    assert!(built.stderr.starts_with(&start), "{}", built.stderr);
    let next = format!("next: ablate plugins check {}\n", library.display());
    assert!(built.stderr.ends_with(&next), "{}", built.stderr);
    assert!(list(&place).is_empty());
    in_built_target(&place, &["plugins", "add", &format!("{folder}/Cargo.toml")]).expect(0);
    let plugins = list(&place);
    let source = serde_json::json!({ "kind": "folder", "path": folder });
    assert_eq!(plugins[0]["installed"]["source"], source);
    place.ablate(&["run", "plain"]).expect(0);
}

#[test]
fn what_cannot_be_added_is_one_clear_error_and_leaves_nothing_behind() {
    let place = place();
    let bytes = fs::read(place.path(LIBRARY)).unwrap();
    place.write("libtext.so", "no library at all, only text that somebody renamed");
    place.write("libempty.so", "");
    place.write("libhalf.so", &bytes[..bytes.len() / 2]);
    // The machine of an ELF file; 183 is that of AArch64.
    let mut foreign = bytes.clone();
    foreign[18..20].copy_from_slice(&183_u16.to_le_bytes());
    place.write("libforeign.so", foreign);
    place.write("empty/readme.md", "");
    let package = "[package]\nname = \"own\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    place.write("library/Cargo.toml", package);
    place.write("library/src/lib.rs", "");
    place.write("wrong/Cargo.toml", format!("{package}[lib]\ncrate-type = [\"cdylib\"]\n"));
    place.write("wrong/src/lib.rs", "pub fn wrong() -> u32 { missing }");
    place.write("bare/Cargo.toml", format!("{package}[lib]\ncrate-type = [\"cdylib\"]\n"));
    place.write("bare/src/lib.rs", "");
    let check = |text: &str, expected: &str| {
        let mut command = place.command(&["plugins", "add", text]);
        command.env("CARGO_NET_OFFLINE", "true").env("CARGO_HOME", place.path("no cargo home"));
        let answer = place.answer(command).expect(1);
        // Cargo's own errors may follow.
        let error = answer.stderr.lines().find(|line| line.starts_with("error: "));
        let error = error.unwrap_or_else(|| panic!("{}", answer.stderr));
        assert!(error.contains(expected), "{text}: {}", answer.stderr);
        assert!(answer.stderr.len() < 1500, "{}", answer.stderr);
        assert!(answer.stdout.is_empty(), "{}", answer.stdout);
        assert_eq!(stored(&place), 0, "{text}");
        answer.stderr
    };
    check("libtext.so", "`libtext.so` is not a usable plugin: ");
    check("libempty.so", "the file is empty");
    check("libhalf.so", "truncated");
    check("libforeign.so", "arch64");
    check("./libgone.so", "`./libgone.so` does not exist");
    check("gone/crate", "`gone/crate` does not exist");
    check("./empty", "`./empty` is no crate: it has no `Cargo.toml`");
    check(
        "two words",
        "`two words` is neither a file nor a crate's folder nor the name of a crate",
    );
    let text = check("library", "is no plugin: it builds no `cdylib`");
    assert!(text.contains("\nhint: a plugin has `crate-type = [\"cdylib\", \"rlib\"]`"), "{text}");
    let text = check("wrong", "failed with exit status: 101");
    assert!(text.contains("cannot find value `missing`"), "{text}");
    check("bare", "exports no symbol `ablate_plugin_");
    let text =
        check("ablate-no-such-crate", "cargo cannot provide the crate `ablate-no-such-crate`");
    assert!(text.contains("\nhint: without a network, Cargo builds"), "{text}");
    let mut command = place.command(&["plugins", "build", "library/../bare"]);
    command.env("CARGO", "/nowhere/cargo");
    let missing = place.answer(command).expect(1);
    assert!(missing.stderr.contains("cannot start `/nowhere/cargo`"), "{}", missing.stderr);
    assert!(missing.stderr.contains("\nhint: install Rust"), "{}", missing.stderr);
    assert!(list(&place).is_empty());
}

#[test]
fn plugins_that_hide_it_or_export_the_same_are_told() {
    let place = place();
    for plugin in ["metrics", "duplicate"] {
        place.add_plugin(plugin);
    }
    let quiet = place.ablate(&["plugins", "add", "plugins/libablate_metrics.so"]).expect(0);
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
    let told = place.ablate(&["plugins", "add", "plugins/libablate_duplicate.so"]).expect(0);
    let line = "warning: the metric `mae` is exported by plugin `duplicate`";
    assert!(told.stderr.contains(line), "{}", told.stderr);
    told.says_line("hint: an experiment that names it is refused");
    // A workspace with a plugin of the same name, first without and then with its library.
    place.write("Cargo.toml", "[workspace]\nmembers = [\"own\"]\n");
    let manifest = "[package]\nname = \"own\"\nversion = \"0.1.0\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
                    [package.metadata.ablate]\nplugin = \"plain\"\n";
    place.write("own/Cargo.toml", manifest);
    place.write("own/src/lib.rs", "");
    let told = place.ablate(&["plugins", "add", LIBRARY]).expect(0);
    told.says_line("warning: the workspace here has a plugin `plain` too");
    let mut bytes = fs::read(place.path(LIBRARY)).unwrap();
    bytes.extend_from_slice(b"built here");
    place.write("target/release/libown.so", bytes);
    let told = place.ablate(&["plugins", "add", LIBRARY]).expect(0);
    told.says_line(
        "warning: the workspace build `[PLACE]/target/release/libown.so` 1.0.0 is used here instead \
         of what was installed",
    );
}

#[test]
fn two_that_add_at_the_same_time_lose_nothing() {
    let place = place();
    place.add_plugin("metrics");
    place.add_plugin("losses");
    let all = ["plain", "metrics", "losses"].map(|plugin| {
        let mut command =
            place.command(&["plugins", "add", &format!("plugins/libablate_{plugin}.so")]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    for mut child in all {
        assert!(child.wait().unwrap().success());
    }
    let plugins = list(&place);
    let names: Vec<_> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["losses", "metrics", "plain"]);
    assert_eq!(stored(&place), 3);
}

#[test]
fn a_published_crate_is_fetched_built_and_swept_by_name() {
    if !slow() {
        return;
    }
    let place = place();
    publish(&place);
    let mut command = place.command(&["plugins", "add", "ablate-plain@1.0.0"]);
    command.env("CARGO_NET_OFFLINE", "true");
    let added = place.answer(command).expect(0);
    added.says_line("building `ablate-plain` 1.0.0 in `[PLACE]/home/builds`");
    // It was written for a path that a published crate has not.
    let warned = added.stderr.contains("warning: the `Cargo.lock` of `ablate-plain` is not used: ");
    assert!(warned, "{}", added.stderr);
    let source = &list(&place)[0]["installed"]["source"];
    let expected =
        serde_json::json!({ "kind": "crate", "name": "ablate-plain", "version": "1.0.0" });
    assert_eq!(*source, expected);
    place.ablate(&["sweep", "plain", "--update-lock"]).expect(0);
    let missing = place.ablate(&["plugins", "add", "ablate-plain@7.0.0"]).expect(1);
    let versions = "candidate versions found which didn't match: 1.1.0, 1.0.0";
    assert!(missing.stderr.contains(versions), "{}", missing.stderr);
    // Without a version, the newest.
    let newer = place.ablate(&["plugins", "add", "ablate-plain"]).expect(0);
    assert!(newer.stderr.contains("installed `plain` 1.1.0 ("), "{}", newer.stderr);
    let before = "from the crate `ablate-plain` 1.0.0";
    assert!(newer.stderr.contains(before), "{}", newer.stderr);
    newer.says_line("next: ablate sweep plain --update-lock");
    let refused = place.ablate(&["sweep", "plain"]).expect(1);
    assert!(refused.stderr.contains("plugin `plain` 1.1.0 ("), "{}", refused.stderr);
    assert!(refused.stderr.contains(") is pinned to 1.0.0 ("), "{}", refused.stderr);
    let run = &place.runs()[0].id;
    let again = place.ablate(&["reproduce", run]).expect(0);
    assert!(again.stdout.starts_with("equal: "), "{}", again.stdout);
    // A panic in such a build would end the process.
    let mut command = place.command(&["plugins", "add", "ablate-plain@1.1.0"]);
    command.env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    let aborts = place.answer(command).expect(1);
    assert!(aborts.stderr.contains("`panic = \"abort\"`"), "{}", aborts.stderr);
    assert_eq!(list(&place)[0]["installed"]["sha256"], list(&place)[0]["sha256"]);
    assert_eq!(list(&place)[0]["version"], "1.1.0");
}

/// Makes a folder of published crates: `ablate-plain` in two versions and all that they need.
fn publish(place: &Place) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let vendored = Command::new(cargo)
        .args(["vendor", "--offline", "--locked", "--manifest-path"])
        .arg(sources("plain").join("Cargo.toml"))
        .arg(place.path("vendor"))
        .output()
        .unwrap();
    assert!(vendored.status.success(), "{}", String::from_utf8_lossy(&vendored.stderr));
    let config = "[source.crates-io]\nreplace-with = \"vendored\"\n\
                  [source.vendored]\ndirectory = \"vendor\"\n";
    place.write(".cargo/config.toml", config);
    let abi = "[package]\nname = \"ablate-abi\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
               [dependencies]\nabi_stable = { version = \"=0.11.3\", default-features = false }\n";
    publish_one(place, &sources("../../plugins/abi"), "ablate-abi", abi);
    let manifest = fs::read_to_string(sources("plain").join("Cargo.toml")).unwrap();
    let (manifest, _) = manifest.split_once("[profile.release]").unwrap();
    let path = "{ path = \"../../../plugins/abi\" }";
    let manifest = manifest.replacen(path, "\"1\"", 1).replacen("[workspace]\n", "", 1);
    for version in ["1.0.0", "1.1.0"] {
        let manifest = manifest.replacen("\"1.0.0\"", &format!("\"{version}\""), 1);
        let folder = format!("ablate-plain-{version}");
        publish_one(place, &sources("plain"), &folder, &manifest);
    }
}

fn publish_one(place: &Place, from: &Path, folder: &str, manifest: &str) {
    let inside = |name: &str| format!("vendor/{folder}/{name}");
    place.write(&inside("Cargo.toml"), manifest);
    place.write(&inside(".cargo-checksum.json"), r#"{"files": {}}"#);
    if let Ok(lock) = fs::read(from.join("Cargo.lock")) {
        place.write(&inside("Cargo.lock"), lock);
    }
    let mut waiting = vec![PathBuf::from("src")];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(from.join(&path)).unwrap() {
            let entry = entry.unwrap();
            let path = path.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                waiting.push(path);
            } else {
                place.write(&inside(path.to_str().unwrap()), fs::read(entry.path()).unwrap());
            }
        }
    }
}
