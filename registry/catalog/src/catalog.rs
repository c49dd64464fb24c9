//! The table of plugins, made from cached descriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::candidates::{Candidate, Candidates, Origin, Searched};
use crate::description::Description;
use crate::error::Error;
use crate::install::Installed;
use crate::store::Store;
use crate::workspace::Workspace;

/// Where to look, and where to keep what was found.
#[derive(Clone, Debug)]
pub struct CatalogOptions {
    /// The home folder: store, list of installed plugins, cache.
    pub home: PathBuf,
    /// The workspace whose build is searched first.
    pub workspace: Option<Workspace>,
    /// Folders (or single libraries) that the user gave, searched second.
    pub folders: Vec<PathBuf>,
}

/// Asks a library what it is. Called once per content, never for what is cached.
pub trait Probe {
    /// The plugin's description as JSON.
    fn describe(&self, library: &Path) -> Result<String, ProbeFailure>;
}

/// Why a library could not be described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFailure {
    /// A word for what is wrong, such as `truncated`.
    pub kind: String,
    /// What happened, without the file's name.
    pub message: String,
    /// What the user can do, one line each.
    pub hints: Vec<String>,
    /// Whether the library is not asked again before its file changes. For what costs much time and
    /// would hardly end otherwise; all else is tried again by every call, since what a library needs
    /// may be there by then.
    pub lasting: bool,
}

impl ProbeFailure {
    /// A failure that the next call may not meet.
    pub fn new(kind: impl Into<String>, message: impl Into<String>, hints: Vec<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), hints, lasting: false }
    }
}

/// A library that could not be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The library.
    pub file: PathBuf,
    /// A word for what is wrong, such as `truncated`.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What the user can do, one line each.
    pub hints: Vec<String>,
}

impl Broken {
    pub(crate) fn new(file: PathBuf, failure: ProbeFailure) -> Self {
        let ProbeFailure { kind, message, hints, lasting: _ } = failure;
        Self { file, kind, message, hints }
    }
}

/// A plugin that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// What it says about itself.
    pub description: Description,
    /// Its file.
    pub library: PathBuf,
    /// The sha256 of the file, as 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// Where it was found.
    pub origin: Origin,
    /// What the list of installed plugins says, if these bytes are installed.
    pub installed: Option<Installed>,
    /// Plugins of the same name and other content that it hides.
    pub shadows: Vec<Shadowed>,
}

/// A plugin hidden by one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// Its file.
    pub library: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Its version.
    pub version: String,
}

impl Plugin {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// Remarks for the user, one line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let note = |hidden: &Shadowed| {
            format!(
                "the {} is used instead of `{}` {} from the {}",
                self.origin,
                hidden.library.display(),
                hidden.version,
                hidden.origin
            )
        };
        self.shadows.iter().map(note).collect()
    }
}

/// What opening a catalog cost: nothing, when everything was cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Files whose bytes were read.
    pub hashed: usize,
    /// Libraries that the probe was asked about.
    pub probed: usize,
}

/// The installed plugins.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) searched: Vec<Searched>,
    pub(crate) unbuilt: Vec<String>,
    work: Work,
    store: Store,
}

impl Catalog {
    /// Finds every plugin, and describes those that are not cached.
    ///
    /// A library that cannot be described is no error here: see [`Self::broken`].
    pub fn open(options: CatalogOptions, probe: &dyn Probe) -> Result<Self, Error> {
        let Candidates { mut searched, files, mut broken, unbuilt, installed } =
            Candidates::find(&options)?;
        let mut cache = Cache::load(&options.home);
        let mut tried = BTreeSet::new();
        let mut described = Vec::new();
        for candidate in files {
            // A given folder may be the build folder.
            if !tried.insert(candidate.file.clone()) {
                continue;
            }
            match cache.describe(&candidate.file, probe) {
                Ok(sha256) => {
                    searched[candidate.place].plugins += 1;
                    described.push((candidate, sha256));
                }
                Err(failure) => broken.push(Broken::new(candidate.file, failure)),
            }
        }
        let chosen = choose(described, &cache);
        let (mut descriptions, work) = cache.finish();
        let mut plugins: Vec<Plugin> = chosen
            .into_iter()
            .map(|Chosen { candidate: Candidate { file, origin, .. }, sha256, shadows }| {
                let description = descriptions.remove(&sha256).expect("each content once");
                let installed = installed.iter().find(|one| one.sha256 == sha256).cloned();
                Plugin { description, library: file, sha256, origin, installed, shadows }
            })
            .collect();
        plugins.sort_by(|a, b| a.name().cmp(b.name()));
        let store = Store::new(&options.home);
        Ok(Self { plugins, broken, searched, unbuilt, work, store })
    }

    /// The plugins that can be used, by name.
    #[must_use]
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// The plugin of this name.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name() == name)
    }

    /// Libraries that could not be described.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Where plugins were looked for.
    #[must_use]
    pub fn searched(&self) -> &[Searched] {
        &self.searched
    }

    /// Plugin crates of the workspace, by plugin name, that have no library yet.
    #[must_use]
    pub fn unbuilt(&self) -> &[String] {
        &self.unbuilt
    }

    /// What opening it cost.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }

    /// The content-addressed store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}

struct Chosen {
    candidate: Candidate,
    sha256: String,
    shadows: Vec<Shadowed>,
}

/// One library per plugin name: the first in order of precedence. Equal bytes are one plugin,
/// wherever they lie.
fn choose(described: Vec<(Candidate, String)>, cache: &Cache) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (candidate, sha256) in described {
        if !seen.insert(sha256.clone()) {
            continue;
        }
        let description = cache.description(&sha256);
        if let Some(&index) = by_name.get(description.name.as_str()) {
            chosen[index].shadows.push(Shadowed {
                library: candidate.file,
                origin: candidate.origin,
                version: description.version.clone(),
            });
        } else {
            by_name.insert(&description.name, chosen.len());
            chosen.push(Chosen { candidate, sha256, shadows: Vec::new() });
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
