//! Workspaces made in temporary folders.

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::error::Error;
use crate::freshness::Freshness;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    /// Two plugins, a library that both use and one that only the second does, a program.
    fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        fixture.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\", \"host\"]\n\
             exclude = [\"plugins/excluded\"]\n\
             [workspace.dependencies]\nsdk = { path = \"plugins/sdk\" }\nserde = \"1\"\n",
        );
        let plugin = |name: &str, more: &str| {
            format!(
                "[package]\nname = \"my-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                 [package.metadata.ablate]\nplugin = \"{name}\"\n\
                 [lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n{more}"
            )
        };
        let sdk = "[dependencies]\nsdk = { workspace = true }\n";
        fixture.package("plugins/pooling", &plugin("pooling", sdk));
        let audio = "[dependencies]\nsdk.workspace = true\n\
                     [target.'cfg(unix)'.dependencies]\naudio = { path = \"../audio\" }\n";
        fixture.package("plugins/speech", &plugin("speech", audio));
        fixture.package("plugins/excluded", &plugin("excluded", ""));
        let library = |name: &str, more: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
        };
        fixture.package(
            "plugins/sdk",
            &library("sdk", "[dependencies]\nabi = { path = \"../abi\" }\n"),
        );
        fixture
            .package("plugins/abi", &library("abi", "[dev-dependencies]\nsdk.workspace = true\n"));
        fixture.package("plugins/audio", &library("audio", ""));
        // The table alone does not make a plugin: it must also be a dynamic library.
        let host = "[package.metadata.ablate]\nplugin = \"host\"\n";
        fixture.package("host", &library("host", host));
        fixture.write("plugins/README.md", "not a package");
        fixture
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    }

    fn package(&self, folder: &str, manifest: &str) {
        self.write(&format!("{folder}/Cargo.toml"), manifest);
        self.write(&format!("{folder}/src/lib.rs"), "");
    }

    fn root(&self) -> PathBuf {
        // On some platforms the temporary folder is reached through a link.
        fs_err::canonicalize(self.folder.path()).unwrap()
    }

    fn workspace(&self) -> Workspace {
        Workspace::at(self.root(), self.root().join("target/release"))
    }

    fn plugin(&self, name: &str) -> PluginCrate {
        let crates = self.workspace().plugin_crates().unwrap();
        crates.into_iter().find(|plugin| plugin.plugin == name).unwrap()
    }

    /// Gives every file and folder an age.
    fn settle(&self, seconds: u64) {
        for entry in walkdir::WalkDir::new(self.root()) {
            set_age(entry.unwrap().path(), seconds);
        }
    }
}

fn set_age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn finds_the_root_from_inside_and_nothing_outside() {
    let fixture = Fixture::new();
    for start in ["", "plugins/pooling/src", "plugins"] {
        let workspace = Workspace::find(&fixture.root().join(start)).unwrap();
        assert_eq!(workspace.root(), fixture.root());
    }
    assert_eq!(Workspace::find(tempfile::tempdir().unwrap().path()), None);
}

#[test]
fn lists_members_that_are_marked_dynamic_libraries() {
    let fixture = Fixture::new();
    let crates = fixture.workspace().plugin_crates().unwrap();
    let names: Vec<_> = crates
        .iter()
        .map(|one| (one.package.as_str(), one.plugin.as_str(), one.library.clone()))
        .collect();
    assert_eq!(
        names,
        [
            ("my-pooling", "pooling", library_file_name("my_pooling")),
            ("my-speech", "speech", library_file_name("my_speech")),
        ]
    );
    assert_eq!(crates[0].folder, fixture.root().join("plugins/pooling"));
}

#[test]
fn follows_path_dependencies_to_the_end() {
    let fixture = Fixture::new();
    let check = |plugin: &str, expected: &[&str]| {
        let sources = fixture.plugin(plugin).sources;
        let names: Vec<_> =
            sources.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, expected);
    };
    check("pooling", &["abi", "pooling", "sdk"]);
    check("speech", &["abi", "audio", "sdk", "speech"]);
}

#[test]
fn a_damaged_manifest_is_named() {
    let fixture = Fixture::new();
    let manifest = fixture.write("plugins/pooling/Cargo.toml", "[package");
    let error = fixture.workspace().plugin_crates().unwrap_err();
    assert!(error.to_string().contains(&manifest.display().to_string()), "{error}");
    // A damaged root is still the root, so that the error is about it.
    fixture.write("Cargo.toml", "[workspace]\nmembers = [");
    let workspace = Workspace::find(&fixture.root().join("host")).unwrap();
    assert_eq!(workspace.root(), fixture.root());
    assert!(matches!(workspace.plugin_crates(), Err(Error::Manifest { .. })));
}

#[test]
fn build_folders_follow_cargo_settings_and_the_program() {
    let fixture = Fixture::new();
    let root = fixture.root();
    let check = |variable: Option<&str>, triple: Option<&str>, program: &str, expected: &[&str]| {
        let variable = variable.map(|path| root.join(path));
        let program = root.join(program);
        let triple = triple.map(str::to_owned);
        let workspace = Workspace::located(&root, variable, triple, Some(&program));
        let expected: Vec<PathBuf> = expected.iter().map(|path| root.join(path)).collect();
        assert_eq!(workspace.build_folders(), expected);
    };
    fs_err::create_dir_all(root.join("target/debug/deps")).unwrap();
    fs_err::create_dir_all(root.join("elsewhere/release")).unwrap();
    check(None, None, "target/release/ablate", &["target/release"]);
    check(None, None, "target/debug/deps/e2e-0", &["target/release", "target/debug"]);
    check(None, None, "/usr/bin/ablate", &["target/release"]);
    check(None, Some("arch-os"), "/usr/bin/ablate", &["target/arch-os/release"]);
    check(Some("other"), None, "/usr/bin/ablate", &["other/release"]);
    // Cargo notes beside a program which sources it was made of.
    check(None, None, "elsewhere/release/ablate", &["target/release"]);
    fixture
        .write("elsewhere/release/ablate.d", &format!("ablate: {}/host/main.rs", root.display()));
    check(None, None, "elsewhere/release/ablate", &["target/release", "elsewhere/release"]);
    fixture.write(".cargo/config.toml", "[build]\ntarget-dir = \"made\"");
    check(None, None, "made/release/ablate", &["made/release"]);
    check(Some("other"), None, "/usr/bin/ablate", &["other/release"]);
}

#[test]
fn the_newest_build_counts_wherever_cargo_put_it() {
    let fixture = Fixture::new();
    let (workspace, plugin) = (fixture.workspace(), fixture.plugin("pooling"));
    assert_eq!(workspace.library(&plugin), None);
    let outer = fixture.write(&format!("target/release/{}", plugin.library), "old");
    let inner = fixture.write(&format!("target/release/deps/{}", plugin.library), "new");
    set_age(&outer, 100);
    set_age(&inner, 50);
    assert_eq!(workspace.library(&plugin), Some(inner.clone()));
    set_age(&inner, 200);
    assert_eq!(workspace.library(&plugin), Some(outer));
}

#[test]
fn freshness_follows_sources_and_path_dependencies() {
    let fixture = Fixture::new();
    let (workspace, plugin) = (fixture.workspace(), fixture.plugin("pooling"));
    assert_eq!(workspace.freshness(&plugin), Freshness::Missing);
    let library = format!("target/release/{}", plugin.library);
    let library = fixture.write(&library, "library");
    let check = |changed: &str, fresh: bool| {
        let path = fixture.root().join(changed);
        if !path.exists() {
            fixture.write(changed, "");
        }
        fixture.settle(1000);
        set_age(&library, 500);
        assert_eq!(workspace.freshness(&plugin), Freshness::Fresh);
        set_age(&path, 100);
        let expected = if fresh { Freshness::Fresh } else { Freshness::Stale { newer: path } };
        assert_eq!(workspace.freshness(&plugin), expected, "{changed}");
    };
    check("plugins/pooling/src/lib.rs", false);
    check("plugins/pooling/src/deep/inside.rs", false);
    check("plugins/pooling/Cargo.toml", false);
    check("plugins/pooling/src", false);
    check("plugins/sdk/src/lib.rs", false);
    check("plugins/abi/src/lib.rs", false);
    check("Cargo.toml", false);
    check("Cargo.lock", true);
    check("plugins/audio/src/lib.rs", true);
    check("plugins/speech/src/lib.rs", true);
    check("plugins/pooling/README.md", true);
    check("plugins/pooling/tests/all.rs", true);
    check("plugins/pooling/src/.lib.rs.swp", true);
}

#[test]
fn a_source_touched_before_a_build_is_not_stale_for_ever() {
    let fixture = Fixture::new();
    let (workspace, plugin) = (fixture.workspace(), fixture.plugin("pooling"));
    let library = fixture.write(&format!("target/release/{}", plugin.library), "library");
    fixture.settle(1000);
    let source = fixture.root().join("plugins/pooling/src/lib.rs");
    set_age(&source, 500);
    let crates = [plugin.clone()];
    assert!(matches!(workspace.freshness(&plugin), Freshness::Stale { .. }));
    // Cargo finds nothing to do and leaves the library's old time.
    workspace.record_build(&crates, &workspace.newest_sources(&crates));
    assert_eq!(workspace.freshness(&plugin), Freshness::Fresh);
    set_age(&source, 400);
    assert!(matches!(workspace.freshness(&plugin), Freshness::Stale { .. }));
    // What is edited while Cargo runs is not in the library, although the library is newer.
    let before = workspace.newest_sources(&crates);
    set_age(&source, 300);
    set_age(&library, 200);
    workspace.record_build(&crates, &before);
    assert!(matches!(workspace.freshness(&plugin), Freshness::Stale { .. }));
    // A later build by hand is believed.
    set_age(&library, 100);
    assert_eq!(workspace.freshness(&plugin), Freshness::Fresh);
}

#[test]
fn builds_all_plugins_and_reports_failures() {
    if std::env::var_os("CARGO").is_none() {
        println!("skipped: no cargo");
        return;
    }
    let fixture = Fixture::new();
    let root = fixture.root();
    // Of its own, whatever the tests themselves were built into.
    let target = Some(root.join("target"));
    let workspace = Workspace::located(&root, target, None, None);
    fixture.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/pooling\", \"program\"]\n\
         [workspace.dependencies]\nsdk = { path = \"plugins/sdk\" }\n",
    );
    // A member without a library.
    let program = "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fixture.write("program/Cargo.toml", program);
    fixture.write("program/src/main.rs", "fn main() {}");

    let plugin = fixture.plugin("pooling");
    let mut lines = Vec::new();
    let mut collect = |line: &str| lines.push(line.to_owned());
    workspace.build(std::slice::from_ref(&plugin), &mut collect).unwrap();
    assert!(lines.iter().any(|line| line.contains("Compiling my-pooling")), "{lines:?}");
    assert!(workspace.library(&plugin).unwrap().starts_with(root.join("target/release")));
    assert_eq!(workspace.freshness(&plugin), Freshness::Fresh);

    fixture.write("plugins/pooling/src/lib.rs", "fn broken( {}");
    let error = workspace.build(&[plugin], &mut |_| ()).unwrap_err();
    let Error::Build { tail, .. } = &error else { panic!("{error}") };
    assert!(tail.len() <= 30);
    assert!(error.to_string().contains("could not compile `my-pooling`"), "{error}");
}
