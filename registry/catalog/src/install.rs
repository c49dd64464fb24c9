//! The list of installed plugins: what is in the store by the user's wish, and where it came from.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::candidates::Origin;
use crate::catalog::{Broken, Plugin, Probe, ProbeFailure};
use crate::description::Description;
use crate::error::Error;
use crate::store::{Store, file_sha256};

/// What a killed installation left is removed after this time.
const LEFT: Duration = Duration::from_hours(1);

/// How the folders of installations on their way begin.
const ADDING: &str = ".adding-";

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The plugin.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The sha256 of its library.
    pub sha256: String,
    /// Where it came from; lists of older versions of this program do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// When it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<DateTime<Utc>>,
}

/// Where an installed plugin came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A library.
    File {
        /// Its path.
        path: String,
    },
    /// A crate on this machine, built to be installed.
    Folder {
        /// Its folder.
        path: String,
    },
    /// A published crate.
    Crate {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "the file `{path}`"),
            Self::Folder { path } => write!(f, "the folder `{path}`"),
            Self::Crate { name, version } => write!(f, "the crate `{name}` {version}"),
        }
    }
}

/// What [`install`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    /// The plugin as it is in the store.
    pub plugin: Plugin,
    /// The one of the same name that was installed before; it may have the same bytes.
    pub before: Option<Installed>,
}

#[derive(Default, Serialize, Deserialize)]
struct List {
    plugins: Vec<Installed>,
}

/// Asks a library what it is.
///
/// # Errors
///
/// [`Error::Broken`] when it is not a usable plugin.
pub fn describe(library: &Path, probe: &dyn Probe) -> Result<Plugin, Error> {
    let sha256 = file_sha256(library)?;
    let description = ask(library, library, probe)?;
    let library = library.to_owned();
    let (origin, installed, shadows) = (Origin::Folder, None, Vec::new());
    Ok(Plugin { description, library, sha256, origin, installed, shadows })
}

/// Copies a library into the store under `home` and puts it on the list of installed plugins, in
/// place of an older one with the same name.
///
/// # Errors
///
/// [`Error::Broken`] when the library is not a usable plugin, [`Error::Changed`] when it is being
/// written: then nothing is installed, and the store is as it was.
pub fn install(
    home: &Path,
    library: &Path,
    source: Source,
    probe: &dyn Probe,
) -> Result<Installation, Error> {
    // A file that grows or changes meanwhile must not be probed as one thing and stored as another:
    // everything that follows looks at a copy that is nobody else's.
    let store = Store::new(home);
    remove_left_over(store.folder());
    fs_err::create_dir_all(store.folder())?;
    let own = tempfile::Builder::new().prefix(ADDING).tempdir_in(store.folder())?;
    let name = library.file_name().ok_or_else(|| Error::NoManifest {
        path: library.to_owned(),
        exists: library.exists(),
        file: false,
    })?;
    let copy = own.path().join(name);
    fs_err::copy(library, &copy)?;
    let sha256 = file_sha256(&copy)?;
    let found = file_sha256(library)?;
    if found != sha256 {
        return Err(Error::Changed { library: library.to_owned(), expected: sha256, found });
    }
    let description = ask(&copy, library, probe)?;
    let stored = store.store_anew(&copy, &sha256)?;
    let installed = Installed {
        name: description.name.clone(),
        version: description.version.clone(),
        sha256: sha256.clone(),
        source: Some(source),
        added: Some(Utc::now().trunc_subsecs(3)),
    };
    let entry = installed.clone();
    let before = change(home, |list| {
        let position = list.iter().position(|plugin| plugin.name == entry.name);
        let before = position.map(|position| list.remove(position));
        list.push(entry);
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(before)
    })?;
    let (origin, shadows) = (Origin::Store, Vec::new());
    let installed = Some(installed);
    let plugin = Plugin { description, library: stored, sha256, origin, installed, shadows };
    Ok(Installation { plugin, before })
}

/// Takes a plugin off the list of installed plugins. Its library stays in the store until it is
/// collected as garbage, which it is not while runs refer to it.
///
/// # Errors
///
/// [`Error::NotInstalled`].
pub fn uninstall(home: &Path, name: &str) -> Result<Installed, Error> {
    change(home, |list| match list.iter().position(|plugin| plugin.name == name) {
        Some(position) => Ok(list.remove(position)),
        None => Err(Error::NotInstalled {
            name: name.to_owned(),
            installed: list.iter().map(|plugin| plugin.name.clone()).collect(),
        }),
    })
}

/// The list of installed plugins, by name.
///
/// # Errors
///
/// A list that is not what [`install`] writes.
pub fn installed(home: &Path) -> Result<Vec<Installed>, Error> {
    let path = list_path(home);
    let bytes = match fs_err::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice::<List>(&bytes)
        .map(|list| list.plugins)
        .map_err(|source| Error::Installed { path, source })
}

/// The sha256 of every installed library.
///
/// # Errors
///
/// A list that is not what [`install`] writes.
pub fn installed_libraries(home: &Path) -> Result<BTreeSet<String>, Error> {
    Ok(installed(home)?.into_iter().map(|plugin| plugin.sha256).collect())
}

/// How to get a plugin back whose library is gone.
pub(crate) fn again(installed: &Installed) -> String {
    match &installed.source {
        Some(Source::Crate { name, version }) => {
            format!("`ablate plugins add {name}@{version}` installs it again")
        }
        Some(source) => format!("it came from {source}: install it again"),
        None => format!("install `{}` again", installed.name),
    }
}

/// Changes the list. Two processes at the same time must not lose what one of them did.
fn change<T>(
    home: &Path,
    edit: impl FnOnce(&mut Vec<Installed>) -> Result<T, Error>,
) -> Result<T, Error> {
    let path = list_path(home);
    fs_err::create_dir_all(home.join("plugins"))?;
    let lock = fs_err::File::create(path.with_extension("lock"))?;
    lock.file().lock().map_err(|source| atomic::write_error(&path, source))?;
    let mut list = List { plugins: installed(home)? };
    let answer = edit(&mut list.plugins)?;
    let bytes = serde_json::to_vec_pretty(&list).expect("plain data is valid JSON");
    atomic::write(&path, &bytes)?;
    Ok(answer)
}

/// What the copy at `file` says about itself; errors name `library`.
fn ask(file: &Path, library: &Path, probe: &dyn Probe) -> Result<Description, Error> {
    let broken = |failure| Error::Broken(Box::new(Broken::new(library.to_owned(), failure)));
    let json = probe.describe(file).map_err(broken)?;
    Description::read(&json)
        .map_err(|message| broken(ProbeFailure::new("description", message, Vec::new())))
}

fn remove_left_over(store: &Path) {
    for entry in fs_err::read_dir(store).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(ADDING);
        let time = entry.metadata().and_then(|data| data.modified());
        let old = time.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > LEFT));
        if ours && old {
            // Somebody else may just be doing the same.
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

fn list_path(home: &Path) -> PathBuf {
    home.join("plugins").join("installed.json")
}

#[cfg(test)]
mod tests;
