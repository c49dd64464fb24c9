//! Which packages of a folder are plugins.

use super::*;

/// A folder with crates in it.
struct Crates(tempfile::TempDir);

impl Crates {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("kisten für ").tempdir().unwrap())
    }

    fn path(&self, inside: &str) -> PathBuf {
        fs_err::canonicalize(self.0.path()).unwrap().join(inside)
    }

    fn write(&self, inside: &str, content: &str) {
        let path = self.path(inside);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    /// A package; `more` is the rest of its manifest.
    fn package(&self, folder: &str, name: &str, more: &str, code: &str) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.3.0\"\nedition = \"2021\"\n{more}\n"
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
        self.write(&format!("{folder}/src/lib.rs"), code);
    }

    fn find(&self, inside: &str, wanted: Option<&str>) -> Result<Vec<String>, Error> {
        let found = PluginPackages::find(&self.path(inside), wanted)?;
        Ok(found.packages().iter().map(|package| package.name.clone()).collect())
    }
}

const PLUGIN: &str = "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n[package.metadata.ablate]\n";
const CODE: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> u32 { 42 }";

#[test]
fn a_crate_is_built_where_cargo_builds_it() {
    let crates = Crates::new();
    crates.package("my plugin", "my-own-plugin", PLUGIN, CODE);
    let found = PluginPackages::find(&crates.path("my plugin/Cargo.toml"), None).unwrap();
    assert_eq!(found.only().unwrap().folder, crates.path("my plugin"));
    assert_eq!(found.packages()[0].version, "0.3.0");
    let mut lines = Vec::new();
    let target = crates.path("target");
    let libraries =
        found.build(Some(&target), &mut |line| lines.push(line.trim().to_owned())).unwrap();
    let file = crate::workspace::library_file_name("my_own_plugin");
    assert_eq!(libraries, [target.join("release").join(file)]);
    assert!(lines.iter().any(|line| line.starts_with("Compiling my-own-plugin")), "{lines:?}");
    // Nothing to do: the library is named all the same.
    assert_eq!(found.build(Some(&target), &mut |_| {}).unwrap(), libraries);
}

#[test]
fn what_does_not_compile_is_shown_by_the_end_of_what_cargo_said() {
    let crates = Crates::new();
    crates.package("p", "p", PLUGIN, "fn wrong() { missing }");
    let found = PluginPackages::find(&crates.path("p"), None).unwrap();
    let error = found.build(Some(&crates.path("target")), &mut |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with('`') && text.contains("build --release --lib --package p` failed"));
    assert!(text.contains("cannot find value `missing`"), "{text}");
    assert!(error.hints().is_empty(), "{:?}", error.hints());
}

#[test]
fn a_workspace_stands_for_its_plugins_and_a_package_for_itself() {
    let crates = Crates::new();
    crates.write("w/Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"*\"]\n");
    crates.package("w/one", "one", PLUGIN, CODE);
    crates.package("w/two", "two", &format!("{PLUGIN}plugin = \"second\"\n"), CODE);
    crates.package("w/plain", "plain", "", CODE);
    crates.package("w/python", "python", "[lib]\ncrate-type = [\"cdylib\"]", CODE);
    assert_eq!(crates.find("w", None).unwrap(), ["one", "two"]);
    assert_eq!(crates.find("w/one", None).unwrap(), ["one"]);
    assert_eq!(crates.find("w", Some("two")).unwrap(), ["two"]);
    assert_eq!(crates.find("w", Some("second")).unwrap(), ["two"]);
    // Whoever asks for it gets it: what it exports is seen when it is built.
    assert_eq!(crates.find("w/python", None).unwrap(), ["python"]);
    let several = PluginPackages::find(&crates.path("w"), None).unwrap().only().unwrap_err();
    assert!(several.to_string().ends_with("has several plugins: `one`, `two`"), "{several}");
    assert_eq!(several.hints(), ["choose one with `--package`: `one`, `two`"]);
    let error = crates.find("w", Some("tow")).unwrap_err();
    assert!(error.to_string().ends_with("/w/Cargo.toml` has no package `tow`"), "{error}");
    assert_eq!(error.hints(), ["did you mean `two`?", "its plugins: `one`, `two`"]);
    let error = crates.find("w/plain", None).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the package `plain` in `"), "{text}");
    assert!(text.ends_with("/w/plain/Cargo.toml` is no plugin: it builds no `cdylib`"), "{text}");
    assert_eq!(error.hints(), ["choose one with `--package`: `one`, `two`"]);
}

#[test]
fn a_path_that_leads_to_no_crate_says_what_it_is() {
    let crates = Crates::new();
    crates.write("empty/readme.md", "");
    crates.write("broken/Cargo.toml", "[package\n");
    crates.package("library", "library", "", CODE);
    let error = |inside: &str| crates.find(inside, None).unwrap_err();
    let text = |inside: &str| error(inside).to_string();
    assert!(text("gone").ends_with("/gone` does not exist"), "{}", text("gone"));
    assert!(text("empty").ends_with("/empty` is no crate: it has no `Cargo.toml`"));
    let file = text("empty/readme.md");
    assert!(file.ends_with("/empty/readme.md` is a file, and not a `Cargo.toml`"), "{file}");
    assert!(error("empty").hints()[0].contains("ablate plugins new"));
    let broken = text("broken");
    assert!(broken.contains("metadata") && broken.contains("--> Cargo.toml:1"), "{broken}");
    assert!(text("library").contains("is no plugin: it builds no `cdylib`"));
    assert!(error("library").hints()[0].contains("crate-type = [\"cdylib\", \"rlib\"]"));
}
