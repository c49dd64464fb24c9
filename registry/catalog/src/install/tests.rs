//! Installing: what is on the list, what was replaced, what is refused.

use std::time::SystemTime;

use super::*;
use crate::workspace::library_file_name;

/// Takes the bytes as the description, and does something before it answers.
struct TextProbe<F: Fn(&Path)>(F);

impl<F: Fn(&Path)> Probe for TextProbe<F> {
    fn describe(&self, library: &Path) -> Result<String, ProbeFailure> {
        let text = fs_err::read_to_string(library).unwrap();
        (self.0)(library);
        if text == "broken" {
            return Err(ProbeFailure::new("broken", "it is broken", Vec::new()));
        }
        Ok(text)
    }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("plätze und so ").tempdir().unwrap() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn library(&self, content: &str) -> PathBuf {
        let file = self.folder.path().join(library_file_name("x"));
        fs_err::write(&file, content).unwrap();
        file
    }

    fn add(&self, content: &str) -> Result<Installation, Error> {
        let library = self.library(content);
        let source = Source::File { path: library.display().to_string() };
        install(&self.home(), &library, source, &TextProbe(|_| {}))
    }

    /// Names in the store.
    fn stored(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.home().join("store"));
        let names = entries.into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

fn plugin(name: &str, version: &str) -> String {
    format!(r#"{{"name": "{name}", "version": "{version}", "abi": "v1"}}"#)
}

#[test]
fn the_list_says_where_a_plugin_came_from_and_when() {
    let place = Place::new();
    let start = Utc::now() - chrono::TimeDelta::milliseconds(1);
    let first = place.add(&plugin("a", "1.0.0")).unwrap();
    assert_eq!(first.before, None);
    let entry = first.plugin.installed.unwrap();
    assert!(entry.added.is_some_and(|added| added >= start && added <= Utc::now()));
    assert_eq!(installed(&place.home()).unwrap(), std::slice::from_ref(&entry));
    let second = place.add(&plugin("a", "2.0.0")).unwrap();
    assert_eq!(second.before, Some(entry));
    assert_eq!(installed(&place.home()).unwrap().len(), 1);
    // Both libraries stay: runs may refer to the older one.
    assert_eq!(place.stored().len(), 2);
    let same = place.add(&plugin("a", "2.0.0")).unwrap();
    assert_eq!(same.before.unwrap().sha256, same.plugin.sha256);
}

#[test]
fn a_list_without_sources_is_still_read() {
    let place = Place::new();
    let text = r#"{"plugins": [{"name": "a", "version": "1", "sha256": "00"}]}"#;
    fs_err::create_dir_all(place.home().join("plugins")).unwrap();
    fs_err::write(list_path(&place.home()), text).unwrap();
    place.add(&plugin("b", "1.0.0")).unwrap();
    let list = installed(&place.home()).unwrap();
    assert_eq!((list[0].name.as_str(), &list[0].source), ("a", &None));
    assert!(list[1].source.is_some());
    assert_eq!(again(&list[0]), "install `a` again");
}

#[test]
fn what_is_probed_is_what_is_stored() {
    let place = Place::new();
    let library = place.library(&plugin("a", "1.0.0"));
    let overwrite = TextProbe(|_| fs_err::write(&library, "something else").unwrap());
    let source = Source::Folder { path: "x".to_owned() };
    let done = install(&place.home(), &library, source, &overwrite).unwrap();
    let stored = fs_err::read_to_string(&done.plugin.library).unwrap();
    assert_eq!(stored, plugin("a", "1.0.0"));
    assert_eq!(file_sha256(&done.plugin.library).unwrap(), done.plugin.sha256);
    assert_eq!(place.stored(), [done.plugin.sha256]);
}

#[test]
fn what_cannot_be_used_leaves_nothing_behind() {
    let place = Place::new();
    let error = place.add("broken").unwrap_err();
    let file = place.folder.path().join(library_file_name("x"));
    let expected = format!("`{}` is not a usable plugin: it is broken", file.display());
    assert_eq!(error.to_string(), expected);
    assert!(place.stored().is_empty());
    assert_eq!(installed(&place.home()).unwrap(), []);
    fs_err::remove_file(&file).unwrap();
    let source = Source::File { path: String::new() };
    let error = install(&place.home(), &file, source, &TextProbe(|_| {})).unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.to_string().contains("libx")), "{error}");
}

#[test]
fn what_a_killed_installation_left_is_removed_when_it_is_old() {
    let place = Place::new();
    let (old, young) = (place.home().join("store/.adding-old"), ".adding-young");
    fs_err::create_dir_all(&old).unwrap();
    fs_err::create_dir_all(place.home().join("store").join(young)).unwrap();
    fs_err::write(old.join("libx.so"), "half a lib").unwrap();
    let past = SystemTime::now() - 2 * LEFT;
    std::fs::File::open(&old).unwrap().set_modified(past).unwrap();
    let added = place.add(&plugin("a", "1.0.0")).unwrap();
    let mut stored = place.stored();
    stored.sort();
    assert_eq!(stored, [young, &added.plugin.sha256]);
    // Neither is taken for a library.
    let garbage =
        Store::new(&place.home()).collect_garbage(&BTreeSet::new(), Duration::ZERO, true).unwrap();
    assert_eq!(garbage.removed, [added.plugin.sha256]);
}

#[test]
fn two_installations_at_once_lose_none() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let place = &place;
            scope.spawn(move || {
                let file = place.folder.path().join(format!("lib{number}.so"));
                // Two at once of each.
                fs_err::write(&file, plugin(&format!("p{}", number / 2), "1.0.0")).unwrap();
                let source = Source::File { path: file.display().to_string() };
                install(&place.home(), &file, source, &TextProbe(|_| {})).unwrap();
            });
        }
    });
    let names: Vec<String> =
        installed(&place.home()).unwrap().into_iter().map(|plugin| plugin.name).collect();
    assert_eq!(names, ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]);
    assert_eq!(place.stored().len(), 8);
}

#[test]
fn a_damaged_copy_in_the_store_is_repaired() {
    let place = Place::new();
    let first = place.add(&plugin("a", "1.0.0")).unwrap();
    let stored = first.plugin.library;
    let damaged = fs_err::read_to_string(&stored).unwrap().replace("1.0.0", "1.0.9");
    fs_err::write(&stored, damaged).unwrap();
    let second = place.add(&plugin("a", "1.0.0")).unwrap();
    assert_eq!(second.plugin.library, stored);
    assert_eq!(file_sha256(&stored).unwrap(), first.plugin.sha256);
}

#[test]
fn a_removed_plugin_is_off_the_list_and_still_in_the_store() {
    let place = Place::new();
    let error = uninstall(&place.home(), "a").unwrap_err();
    assert_eq!(error.to_string(), "no installed plugin is called `a`");
    assert_eq!(error.hints(), ["no plugin is installed"]);
    place.add(&plugin("pooling", "1.0.0")).unwrap();
    let error = uninstall(&place.home(), "poling").unwrap_err();
    assert_eq!(error.hints(), ["did you mean `pooling`?", "installed plugins: `pooling`"]);
    let removed = uninstall(&place.home(), "pooling").unwrap();
    assert_eq!(removed.version, "1.0.0");
    assert_eq!(installed(&place.home()).unwrap(), []);
    assert_eq!(place.stored(), [removed.sha256]);
}
