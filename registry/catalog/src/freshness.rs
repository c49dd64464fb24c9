//! Whether a plugin's library is as new as its sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use crate::atomic;
use crate::workspace::{PluginCrate, Workspace};

/// Lies in the build folder, because it says something about the files there.
const STAMPS: &str = ".ablate-built.json";

/// How a plugin's library compares with its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// There is no library.
    Missing,
    /// A source is newer than the library.
    Stale {
        /// The newest source.
        newer: PathBuf,
    },
    /// The library is as new as its sources.
    Fresh,
}

/// What the last successful build saw. Times are nanoseconds since 1970.
///
/// Cargo leaves the old time on a library that it did not need to build again, so without this a
/// changed readme beside the sources, or a touched manifest, would call for a build for ever.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stamp {
    /// The newest source before the build began: what was edited meanwhile is not in the library.
    sources_ns: u64,
    /// The library after the build; one with another time was built by somebody else.
    library_ns: u64,
}

type Stamps = BTreeMap<String, Stamp>;

impl Workspace {
    /// Compares a plugin's library with the sources of the crate, of its path dependencies and
    /// with the workspace's manifest, by modification time.
    #[must_use]
    pub fn freshness(&self, plugin: &PluginCrate) -> Freshness {
        let Some((built, _)) = self.library_with_time(plugin) else { return Freshness::Missing };
        let Some((changed, newer)) = newest_source(self.root(), plugin) else {
            return Freshness::Fresh;
        };
        let built_ns = nanoseconds(built);
        let stamp = read_stamps(self.build_folder()).get(&plugin.package).copied();
        let seen_ns = match stamp {
            Some(stamp) if stamp.library_ns == built_ns => stamp.sources_ns,
            _ => built_ns,
        };
        if nanoseconds(changed) > seen_ns { Freshness::Stale { newer } } else { Freshness::Fresh }
    }

    /// The newest source of each crate, to be recorded when the build that follows succeeds.
    pub(crate) fn newest_sources(&self, crates: &[PluginCrate]) -> BTreeMap<String, u64> {
        crates
            .iter()
            .filter_map(|plugin| {
                let (changed, _) = newest_source(self.root(), plugin)?;
                Some((plugin.package.clone(), nanoseconds(changed)))
            })
            .collect()
    }

    pub(crate) fn record_build(&self, crates: &[PluginCrate], sources: &BTreeMap<String, u64>) {
        let mut stamps = read_stamps(self.build_folder());
        for plugin in crates {
            let library = self.library_with_time(plugin);
            if let (Some((built, _)), Some(&sources_ns)) = (library, sources.get(&plugin.package)) {
                let stamp = Stamp { sources_ns, library_ns: nanoseconds(built) };
                stamps.insert(plugin.package.clone(), stamp);
            }
        }
        let bytes = serde_json::to_vec(&stamps).expect("numbers under strings are valid JSON");
        // Without the record the next command asks Cargo once more, which is only slower.
        let _ = atomic::write(&self.build_folder().join(STAMPS), &bytes);
    }
}

fn read_stamps(build_folder: &Path) -> Stamps {
    let bytes = fs_err::read(build_folder.join(STAMPS)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn newest_source(root: &Path, plugin: &PluginCrate) -> Option<(SystemTime, PathBuf)> {
    let manifest = root.join("Cargo.toml");
    let shared = modified(&manifest).map(|time| (time, manifest));
    let sources = plugin.sources.iter().flat_map(|folder| {
        WalkDir::new(folder).into_iter().filter_entry(is_source).filter_map(|entry| {
            let entry = entry.ok()?;
            // A folder changes when a file in it is removed; the outermost also when a readme is.
            let counts = entry.depth() > 0;
            counts.then(|| Some((modified(entry.path())?, entry.into_path())))?
        })
    });
    shared.into_iter().chain(sources).max_by_key(|(time, _)| *time)
}

/// Leaves out what a library cannot depend on: its tests, hidden files, readmes, other packages.
fn is_source(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let name = entry.file_name().to_string_lossy();
    let outer = entry.depth() == 1;
    if name.starts_with('.') {
        return false;
    }
    if entry.file_type().is_dir() {
        let aside = ["target", "tests", "benches", "examples"].contains(&name.as_ref());
        let package = entry.path().join("Cargo.toml").is_file();
        return !(package || outer && aside);
    }
    !(outer && name.ends_with(".md"))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs_err::metadata(path).ok()?.modified().ok()
}

pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    // Fits until the year 2554; a time before 1970 is a broken clock and counts as oldest.
    time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_nanos() as u64)
}
