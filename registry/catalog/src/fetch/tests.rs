//! Fetching: crates from a folder that stands for the registry.

use super::*;

/// A user's folder whose Cargo takes crates from a folder instead of the registry.
struct Place(tempfile::TempDir);

const PLUGIN: &str = "[lib]\ncrate-type = [\"cdylib\"]\n";
const CODE: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> u32 { 42 }";

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::Builder::new().prefix("ein platz ").tempdir().unwrap());
        place.source("directory = \"vendor\"");
        fs_err::create_dir(place.path("vendor")).unwrap();
        place
    }

    fn path(&self, inside: &str) -> PathBuf {
        fs_err::canonicalize(self.0.path()).unwrap().join(inside)
    }

    fn write(&self, inside: &str, content: &str) {
        let path = self.path(inside);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    fn source(&self, source: &str) {
        let text = format!(
            "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\n{source}\n[net]\noffline = true\n"
        );
        self.write(".cargo/config.toml", &text);
    }

    /// Publishes a crate; `more` is the rest of its manifest.
    fn publish(&self, name: &str, version: &str, more: &str) {
        let folder = format!("vendor/{name}-{version}");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n{more}\n"
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
        self.write(&format!("{folder}/src/lib.rs"), CODE);
        self.write(&format!("{folder}/.cargo-checksum.json"), r#"{"files": {}}"#);
    }

    fn builds(&self) -> Builds {
        Builds::open(&self.path("home"), &self.0.path().canonicalize().unwrap(), || {}).unwrap()
    }

    fn fetch(&self, request: &str) -> Result<Fetched, Error> {
        self.builds().fetch(&request.parse().unwrap(), &mut |_| {})
    }

    fn version(&self, request: &str) -> String {
        self.fetch(request).unwrap().packages.only().unwrap().version.clone()
    }
}

#[test]
fn cargo_chooses_the_version_and_the_copy_is_built() {
    let place = Place::new();
    place.publish("my-plugin", "1.0.0", PLUGIN);
    place.publish("my-plugin", "1.2.0", PLUGIN);
    place.publish("my-plugin", "2.0.0-rc.1", PLUGIN);
    // The home of a workspace lies inside it.
    place.write("Cargo.toml", "[workspace]\nmembers = []\n");
    assert_eq!(place.version("my-plugin@1.0"), "1.2.0");
    assert_eq!(place.version("my-plugin@1.0.0"), "1.0.0");
    assert_eq!(place.version("my-plugin@2.0.0-rc.1"), "2.0.0-rc.1");
    let builds = place.builds();
    let fetched = builds.fetch(&"my-plugin".parse().unwrap(), &mut |_| {}).unwrap();
    assert_eq!(fetched.packages.only().unwrap().version, "1.2.0");
    assert_eq!(fetched.without_lock, None);
    let library = builds.build(&fetched, &mut |_| {}).unwrap();
    let file = crate::workspace::library_file_name("my_plugin");
    assert_eq!(library, place.path("home/builds/target/release").join(file));
    // What lies in the registry's folder is not touched.
    let published = place.path("vendor/my-plugin-1.2.0");
    assert!(!published.join("Cargo.lock").exists() && !published.join("target").exists());
    assert!(!fs_err::read_to_string(published.join("Cargo.toml")).unwrap().contains("workspace"));
}

#[test]
fn a_version_that_cannot_be_had_is_explained_in_cargos_words() {
    let place = Place::new();
    place.publish("my-plugin", "1.0.0", PLUGIN);
    place.publish("my-plugin", "1.2.0", PLUGIN);
    place.publish("library", "1.0.0", "");
    let text = place.fetch("my-plugin@3.0.0").unwrap_err().to_string();
    assert!(text.starts_with("cargo cannot provide the crate `my-plugin@3.0.0`: "), "{text}");
    assert!(text.contains("candidate versions found which didn't match: 1.2.0, 1.0.0"), "{text}");
    assert!(!text.contains(REQUEST), "{text}");
    let error = place.fetch("my-plogin").unwrap_err();
    assert!(error.to_string().contains("my-plugin"), "{error}");
    assert!(error.hints()[0].contains("the name of the crate"), "{:?}", error.hints());
    let error = place.fetch("library").unwrap_err();
    assert!(error.to_string().starts_with("the package `library` in `"), "{error}");
    assert!(matches!(error, Error::NotAPlugin { .. }));
    // Nothing was copied for any of them.
    assert!(!place.path("home/builds/sources").exists());
}

#[test]
fn a_yanked_version_is_not_taken() {
    let place = Place::new();
    place.source("local-registry = \"registry\"");
    let line = format!(
        r#"{{"name":"gone","vers":"1.0.0","deps":[],"cksum":"{}","features":{{}},"yanked":true}}"#,
        "0".repeat(64)
    );
    place.write("registry/index/go/ne/gone", &line);
    let error = place.fetch("gone@1.0.0").unwrap_err();
    assert!(error.to_string().contains("version 1.0.0 is yanked"), "{error}");
    assert!(error.hints()[0].contains("withdrew"), "{:?}", error.hints());
}

#[test]
fn its_own_lock_is_used_or_the_reason_is_told() {
    let place = Place::new();
    place.publish("dependency", "1.0.0", "");
    place.publish("dependency", "1.1.0", "");
    let manifest = format!("{PLUGIN}[dependencies]\ndependency = \"1\"\n");
    place.publish("my-plugin", "1.0.0", &manifest);
    let locked = |version: &str| {
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        let lock = format!(
            "version = 4\n\n[[package]]\nname = \"dependency\"\nversion = \"{version}\"\n\
             source = \"{registry}\"\n\n[[package]]\nname = \"my-plugin\"\nversion = \"1.0.0\"\n\
             dependencies = [\n \"dependency\",\n]\n"
        );
        place.write("vendor/my-plugin-1.0.0/Cargo.lock", &lock);
        let fetched = place.fetch("my-plugin").unwrap();
        let lock = place.path("home/builds/sources/my-plugin-1.0.0/Cargo.lock");
        (fetched.without_lock, fs_err::read_to_string(lock).unwrap())
    };
    let (reason, lock) = locked("1.0.0");
    assert_eq!(reason, None);
    assert!(lock.contains("\"1.0.0\"\nsource"), "{lock}");
    let (reason, lock) = locked("1.0.7");
    let reason = reason.unwrap();
    assert!(reason.contains("dependency"), "{reason}");
    assert!(lock.contains("\"1.1.0\"\nsource"), "{lock}");
}

#[test]
fn what_only_its_tests_need_may_be_missing() {
    let place = Place::new();
    let manifest = format!(
        "{PLUGIN}[dev-dependencies]\nmissing = \"1\"\n\
         [target.'cfg(unix)'.dev-dependencies]\nmissing-too = \"1\"\n"
    );
    place.publish("my-plugin", "1.0.0", &manifest);
    assert_eq!(place.version("my-plugin"), "1.0.0");
}

#[test]
fn only_one_process_builds_at_a_time() {
    let place = Place::new();
    let first = place.builds();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let (sender, place) = (&sender, &place);
        let second = scope.spawn(move || {
            let here = place.path("");
            Builds::open(&place.path("home"), &here, || sender.send("waits").unwrap()).unwrap();
            sender.send("works").unwrap();
        });
        assert_eq!(receiver.recv().unwrap(), "waits");
        assert!(receiver.try_recv().is_err());
        drop(first);
        second.join().unwrap();
    });
    assert_eq!(receiver.recv().unwrap(), "works");
}
