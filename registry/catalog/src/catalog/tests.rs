//! Fake libraries of any bytes, and a probe that reads them as text and counts its calls.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::cache::REVISION;
use crate::description::Kind;
use crate::install::{Installation, Source, install};
use crate::workspace::library_file_name;

/// Takes the library's bytes as its description; `{"fails": ..}` is a failure.
#[derive(Default)]
struct TextProbe {
    asked: RefCell<Vec<PathBuf>>,
}

impl Probe for TextProbe {
    fn describe(&self, library: &Path) -> Result<String, ProbeFailure> {
        self.asked.borrow_mut().push(library.to_owned());
        let text = fs_err::read_to_string(library).unwrap();
        let failure = serde_json::from_str::<Value>(&text).ok();
        match failure.as_ref().and_then(|value| value["fails"].as_str()) {
            Some(message) => Err(ProbeFailure {
                lasting: message.starts_with("hung"),
                ..ProbeFailure::new("test", message, vec!["copy it again".to_owned()])
            }),
            None => Ok(text),
        }
    }
}

struct Fixture {
    folder: TempDir,
    options: CatalogOptions,
    probe: TextProbe,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        fs_err::create_dir(&plugins).unwrap();
        let options = CatalogOptions {
            home: folder.path().join("home"),
            workspace: None,
            folders: vec![plugins],
        };
        Self { folder, options, probe: TextProbe::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.options.folders[0].join(library_file_name(name))
    }

    /// Writes a library that settled long ago.
    fn library(&self, name: &str, text: &str) -> PathBuf {
        write_settled(&self.path(name), text);
        self.path(name)
    }

    fn open(&self) -> Catalog {
        Catalog::open(self.options.clone(), &self.probe).unwrap()
    }

    fn asked(&self) -> usize {
        self.probe.asked.borrow().len()
    }
}

fn install_file(fixture: &Fixture, library: &Path) -> Result<Installation, Error> {
    let source = Source::File { path: library.display().to_string() };
    install(&fixture.options.home, library, source, &fixture.probe)
}

fn write_settled(path: &Path, text: &str) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
    set_age(path, Duration::from_secs(100));
}

fn set_age(path: &Path, age: Duration) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn plugin(name: &str, version: &str, components: &[(&str, &str, Option<&str>)]) -> String {
    let components: Vec<Value> = components
        .iter()
        .map(|(kind, name, role)| json!({"kind": kind, "name": name, "role": role}))
        .collect();
    json!({"name": name, "version": version, "abi": "v1", "components": components}).to_string()
}

fn pooling() -> String {
    let role = Some("pooling");
    let components = [("block", "mean", role), ("block", "attentive-stats", role)];
    plugin("pooling", "0.1.0", &components)
}

#[test]
fn second_call_neither_probes_nor_hashes() {
    let fixture = Fixture::new();
    fixture.library("pooling", &pooling());
    let first = fixture.open();
    assert_eq!(first.work(), Work { hashed: 1, probed: 1 });
    let second = fixture.open();
    assert_eq!(second.work(), Work::default());
    assert_eq!(fixture.asked(), 1);
    assert_eq!(first.plugins(), second.plugins());
    assert_eq!(second.plugin("pooling").unwrap().origin, Origin::Folder);
}

#[test]
fn same_bytes_elsewhere_are_hashed_but_not_probed() {
    let fixture = Fixture::new();
    fixture.library("pooling", &pooling());
    fixture.library("pooling_copy", &pooling());
    let catalog = fixture.open();
    assert_eq!(catalog.work(), Work { hashed: 2, probed: 1 });
    assert_eq!(catalog.plugins().len(), 1);
    assert!(catalog.duplicates().is_empty());
    assert!(catalog.plugins()[0].shadows.is_empty());
    assert!(catalog.resolve(Kind::Block, "mean", Some("pooling")).is_ok());
}

#[test]
fn other_bytes_of_the_same_size_are_seen() {
    let fixture = Fixture::new();
    let library = fixture.library("a", &plugin("a", "0.1.0", &[]));
    let before = fixture.open().plugins()[0].sha256.clone();
    fs_err::write(&library, plugin("a", "0.2.0", &[])).unwrap();
    set_age(&library, Duration::from_secs(50));
    let catalog = fixture.open();
    assert_eq!(catalog.work(), Work { hashed: 1, probed: 1 });
    assert_ne!(catalog.plugins()[0].sha256, before);
    assert_eq!(catalog.plugins()[0].description.version, "0.2.0");
}

#[test]
fn a_damaged_cache_is_made_again() {
    let fixture = Fixture::new();
    fixture.library("pooling", &pooling());
    fixture.open();
    let cache = fixture.options.home.join("cache/plugins/descriptions.json");
    let good = fs_err::read_to_string(&cache).unwrap();
    let half = &good[..good.len() / 2];
    let older = good.replace(&format!("\"revision\":{REVISION}"), "\"revision\":1");
    assert_ne!(older, good);
    for bad in ["", "{", half, &older, "[1, 2]"] {
        fs_err::write(&cache, bad).unwrap();
        let catalog = fixture.open();
        assert_eq!(catalog.work(), Work { hashed: 1, probed: 1 }, "{bad}");
        assert_eq!(fs_err::read_to_string(&cache).unwrap(), good);
    }
}

#[test]
fn the_cache_forgets_what_no_file_has() {
    let fixture = Fixture::new();
    fixture.library("a", &plugin("a", "0.1.0", &[]));
    let gone = fixture.library("b", &plugin("b-is-gone", "0.1.0", &[]));
    fixture.open();
    fs_err::remove_file(gone).unwrap();
    fixture.library("c", &plugin("c", "0.1.0", &[]));
    fixture.open();
    let cache = fixture.options.home.join("cache/plugins/descriptions.json");
    let text = fs_err::read_to_string(cache).unwrap();
    assert!(text.contains(r#""name":"a""#) && text.contains(r#""name":"c""#));
    assert!(!text.contains("b-is-gone") && !text.contains(&library_file_name("b")));
}

#[test]
fn concurrent_callers_all_see_everything() {
    let fixture = Fixture::new();
    for index in 0..10 {
        fixture.library(&format!("p{index}"), &plugin(&format!("p{index}"), "1", &[]));
    }
    std::thread::scope(|scope| {
        let options = &fixture.options;
        let open = || Catalog::open(options.clone(), &TextProbe::default()).unwrap();
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap().plugins().len(), 10);
        }
    });
    assert_eq!(fixture.open().work(), Work::default());
}

#[test]
fn broken_libraries_are_told_each_time_and_break_nothing() {
    let fixture = Fixture::new();
    fixture.library("pooling", &pooling());
    let truncated = fixture.library("truncated", r#"{"fails": "it is cut short"}"#);
    let nonsense = fixture.library("nonsense", "not json");
    for _ in 0..2 {
        let catalog = fixture.open();
        let files: Vec<_> = catalog.broken().iter().map(|broken| broken.file.clone()).collect();
        assert_eq!(files, [nonsense.clone(), truncated.clone()]);
        assert_eq!(catalog.broken()[1].hints, ["copy it again"]);
        assert!(catalog.resolve(Kind::Block, "mean", Some("pooling")).is_ok());
        let error = catalog.resolve(Kind::Block, "median", Some("pooling")).unwrap_err();
        let expected = format!("`{}` could not be read: it is cut short", truncated.display());
        assert!(error.hints().contains(&expected), "{:?}", error.hints());
    }
    assert_eq!(fixture.asked(), 1 + 2 * 2);
}

#[test]
fn a_library_that_hung_is_asked_again_only_when_its_file_changes() {
    let fixture = Fixture::new();
    let hung = fixture.library("hung", r#"{"fails": "hung for a minute"}"#);
    for _ in 0..3 {
        let catalog = fixture.open();
        assert_eq!(catalog.broken()[0].message, "hung for a minute");
        assert_eq!(fixture.asked(), 1);
    }
    set_age(&hung, Duration::from_secs(50));
    fixture.open();
    assert_eq!(fixture.asked(), 2);
    fs_err::remove_file(&hung).unwrap();
    fixture.library("other", &plugin("other", "1", &[]));
    assert!(fixture.open().broken().is_empty());
    let cache = fixture.options.home.join("cache/plugins/descriptions.json");
    assert!(!fs_err::read_to_string(cache).unwrap().contains("hung"));
}

#[test]
fn a_folder_and_a_link_to_nothing_are_broken_libraries() {
    let fixture = Fixture::new();
    fs_err::create_dir(fixture.path("folder")).unwrap();
    std::os::unix::fs::symlink("nothing", fixture.path("link")).unwrap();
    let catalog = fixture.open();
    let kinds: Vec<_> = catalog.broken().iter().map(|broken| broken.kind.as_str()).collect();
    assert_eq!(kinds, ["not-a-library", "unreadable"]);
    assert_eq!(fixture.asked(), 0);
}

#[test]
fn an_unknown_name_shows_near_match_valid_names_and_places() {
    let fixture = Fixture::new();
    fixture.library("pooling", &pooling());
    let error = fixture.open().resolve(Kind::Block, "atentive-stats", Some("pooling")).unwrap_err();
    assert_eq!(error.to_string(), "unknown block `atentive-stats` of role `pooling`");
    let folder = fixture.options.folders[0].display().to_string();
    let store = fixture.options.home.join("store").display().to_string();
    assert_eq!(
        error.hints(),
        [
            "did you mean `attentive-stats`?".to_owned(),
            format!(
                "known blocks of role `pooling`: `attentive-stats`, `mean`; \
                 searched `{folder}` (1 plugin), `{store}` (0 plugins)"
            ),
        ]
    );
}

#[test]
fn a_name_of_another_role_or_kind_is_pointed_to() {
    let fixture = Fixture::new();
    let components = [("block", "attention", Some("refiner")), ("loss", "mse", None)];
    fixture.library("x", &plugin("x", "0.1.0", &components));
    let catalog = fixture.open();
    let check = |kind: Kind, name: &str, role: Option<&str>, expected: &[&str]| {
        let hints = catalog.resolve(kind, name, role).unwrap_err().hints();
        for (hint, expected) in hints.iter().zip(expected) {
            assert!(hint.starts_with(expected), "{hint}");
        }
    };
    check(
        Kind::Block,
        "attention",
        Some("pooling"),
        &[
            "`attention` exists as a block of role `refiner` (plugin `x`)",
            "no blocks of role `pooling` found; searched ",
        ],
    );
    check(Kind::Metric, "mse", None, &["`mse` exists as a loss (plugin `x`)", "no metrics found"]);
    assert!(catalog.resolve(Kind::Block, "attention", None).is_ok());
    assert!(catalog.resolve(Kind::Loss, "mse", None).is_ok());
}

#[test]
fn two_plugins_with_one_component_are_refused_by_name() {
    let fixture = Fixture::new();
    let first = fixture.library("pooling", &pooling());
    let mean = [("block", "mean", Some("pooling"))];
    let second = fixture.library("other", &plugin("other", "2.0.0", &mean));
    let catalog = fixture.open();
    let error = catalog.resolve(Kind::Block, "mean", Some("pooling")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the block `mean` is exported by plugin `other` (`{}`) and by plugin `pooling` (`{}`)",
            second.display(),
            first.display()
        )
    );
    assert!(!error.hints().is_empty());
    let duplicates = catalog.duplicates();
    assert_eq!(duplicates.len(), 1);
    assert_eq!(duplicates[0].to_string(), error.to_string());
    assert!(catalog.resolve(Kind::Block, "attentive-stats", Some("pooling")).is_ok());
}

#[test]
fn blocks_of_different_roles_may_share_a_name() {
    let fixture = Fixture::new();
    fixture.library("pooling", &pooling());
    fixture.library("fusion", &plugin("fusion", "1", &[("block", "mean", Some("fusion"))]));
    let catalog = fixture.open();
    assert!(catalog.duplicates().is_empty());
    let found = catalog.resolve(Kind::Block, "mean", Some("fusion")).unwrap();
    assert_eq!(found.plugin.name(), "fusion");
    // Without a role nothing says which is meant.
    let error = catalog.resolve(Kind::Block, "mean", None).unwrap_err();
    assert!(matches!(error, Error::Duplicate(_)));
}

#[test]
fn the_workspace_build_wins_over_folder_and_store() {
    let mut fixture = Fixture::new();
    let root = fixture.folder.path().join("w");
    let build = root.join("target/release");
    fs_err::create_dir_all(root.join("pooling/src")).unwrap();
    fs_err::write(root.join("Cargo.toml"), "[workspace]\nmembers = [\"pooling\"]").unwrap();
    let manifest = "[package]\nname = \"my-pooling\"\n[package.metadata.ablate]\n\
                    plugin = \"pooling\"\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]";
    fs_err::write(root.join("pooling/Cargo.toml"), manifest).unwrap();
    fixture.options.workspace = Some(Workspace::at(&root, &build));

    let old = fixture.folder.path().join(library_file_name("old"));
    write_settled(&old, &plugin("pooling", "0.1.0", &[]));
    let installed = install_file(&fixture, &old).unwrap().plugin;
    let in_folder = fixture.library("pooling", &plugin("pooling", "0.2.0", &[]));

    let catalog = fixture.open();
    assert_eq!(catalog.unbuilt(), ["pooling"]);
    assert_eq!(catalog.plugins()[0].library, in_folder);

    let built = build.join("deps").join(library_file_name("my_pooling"));
    write_settled(&built, &plugin("pooling", "0.3.0", &[]));
    let catalog = fixture.open();
    assert!(catalog.unbuilt().is_empty());
    let chosen = &catalog.plugins()[0];
    assert_eq!((chosen.origin, &chosen.library), (Origin::Workspace, &built));
    let hidden: Vec<_> = chosen.shadows.iter().map(|hidden| &hidden.library).collect();
    assert_eq!(hidden, [&in_folder, &installed.library]);
    assert_eq!(
        chosen.notes()[1],
        format!(
            "the workspace build is used instead of `{}` 0.1.0 from the store",
            installed.library.display()
        )
    );
    // A place in the workspace is shown as the user would type it.
    assert_eq!(catalog.searched()[0].to_string(), "`target/release` (1 plugin)");
}

#[test]
fn installed_plugins_are_found_and_replaced() {
    let mut fixture = Fixture::new();
    fixture.options.folders.clear();
    let home = fixture.options.home.clone();
    let library = fixture.folder.path().join(library_file_name("anything"));
    write_settled(&library, &pooling());
    install_file(&fixture, &library).unwrap();
    write_settled(&library, &plugin("pooling", "0.2.0", &[]));
    let second = install_file(&fixture, &library).unwrap().plugin;
    fs_err::remove_file(&library).unwrap();

    let catalog = fixture.open();
    assert_eq!(catalog.plugins().len(), 1);
    assert_eq!(catalog.plugins()[0].sha256, second.sha256);
    assert_eq!(catalog.plugins()[0].origin, Origin::Store);
    assert_eq!(catalog.plugins()[0].installed, second.installed);

    fs_err::remove_file(&second.library).unwrap();
    let catalog = fixture.open();
    assert!(catalog.plugins().is_empty());
    assert!(catalog.broken()[0].message.contains("`pooling` is not there"));
    let hint = format!("it came from the file `{}`: install it again", library.display());
    assert_eq!(catalog.broken()[0].hints, [hint]);

    fs_err::write(home.join("plugins/installed.json"), "{").unwrap();
    let error = Catalog::open(fixture.options.clone(), &fixture.probe).unwrap_err();
    assert!(matches!(error, Error::Installed { .. }) && !error.hints().is_empty());
}

#[test]
fn a_broken_library_is_not_installed() {
    let fixture = Fixture::new();
    let library = fixture.library("bad", r#"{"fails": "not a plugin"}"#);
    let error = install_file(&fixture, &library).unwrap_err();
    let expected = format!("`{}` is not a usable plugin: not a plugin", library.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.hints(), ["copy it again"]);
    assert!(!fixture.options.home.join("plugins/installed.json").exists());
}

#[test]
fn a_missing_folder_is_an_error_that_names_it() {
    let mut fixture = Fixture::new();
    let missing = fixture.folder.path().join("missing");
    fixture.options.folders.push(missing.clone());
    let error = Catalog::open(fixture.options.clone(), &fixture.probe).unwrap_err();
    let expected = format!("cannot search the plugin folder `{}`", missing.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_folder_may_be_a_single_library_and_other_files_are_ignored() {
    let mut fixture = Fixture::new();
    let library = fixture.library("pooling", &pooling());
    fixture.library("other", &plugin("other", "1", &[]));
    fs_err::write(fixture.options.folders[0].join("notes.txt"), "x").unwrap();
    assert_eq!(fixture.open().plugins().len(), 2);
    fixture.options.folders = vec![library];
    assert_eq!(fixture.open().plugins().len(), 1);
}

#[test]
fn lists_fifty_plugins_quickly() {
    let fixture = Fixture::new();
    let schema = json!({"type": "object", "properties": (0..20).map(|index| {
        let text = "A sentence about the key, about as long as such sentences are.";
        (format!("key_{index}"), json!({"type": "integer", "description": text, "default": index}))
    }).collect::<serde_json::Map<_, _>>()});
    for index in 0..50 {
        let name = format!("plugin-{index}");
        let components: Vec<Value> = (0..5)
            .map(|part| {
                json!({"kind": "block", "name": format!("{name}-{part}"),
                               "role": "pooling", "schema": schema})
            })
            .collect();
        let text = json!({"name": name, "version": "1", "abi": "v1", "components": components});
        fixture.library(&name, &text.to_string());
    }
    fixture.open();
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            let start = Instant::now();
            let catalog = fixture.open();
            assert_eq!((catalog.plugins().len(), catalog.work()), (50, Work::default()));
            start.elapsed()
        })
        .collect();
    times.sort();
    let cache = fixture.options.home.join("cache/plugins/descriptions.json");
    let size = fs_err::metadata(cache).unwrap().len();
    println!("50 plugins, cache of {size} bytes: median {:?}, worst {:?}", times[10], times[20]);
}
