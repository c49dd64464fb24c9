//! The list of installed plugins.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::candidates::Origin;
use crate::catalog::{Broken, Plugin, Probe, ProbeFailure};
use crate::description::Description;
use crate::error::Error;
use crate::store::{Store, file_sha256};

/// One line of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Installed {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
}

#[derive(Default, Serialize, Deserialize)]
struct List {
    plugins: Vec<Installed>,
}

/// Copies a library into the store under `home` and puts it on the list of installed plugins, in
/// place of an older one with the same name.
///
/// # Errors
///
/// [`Error::Broken`] when the library is not a usable plugin.
pub fn install(home: &Path, library: &Path, probe: &dyn Probe) -> Result<Plugin, Error> {
    let sha256 = file_sha256(library)?;
    // The copy is what will be loaded, so the copy is what is probed.
    let stored = Store::new(home).store_library(library, &sha256)?;
    let broken = |failure: ProbeFailure| {
        let (file, ProbeFailure { message, hints }) = (library.to_owned(), failure);
        Error::Broken(Box::new(Broken { file, message, hints }))
    };
    let json = probe.describe(&stored).map_err(broken)?;
    let description = Description::read(&json)
        .map_err(|message| broken(ProbeFailure { message, hints: Vec::new() }))?;
    let path = list_path(home);
    fs_err::create_dir_all(home.join("plugins"))?;
    // Two installations at the same time must not lose one of the two.
    let lock = fs_err::File::create(path.with_extension("lock"))?;
    lock.file().lock().map_err(|source| atomic::write_error(&path, source))?;
    let mut list = List { plugins: installed(home)? };
    list.plugins.retain(|plugin| plugin.name != description.name);
    list.plugins.push(Installed {
        name: description.name.clone(),
        version: description.version.clone(),
        sha256: sha256.clone(),
    });
    list.plugins.sort_by(|a, b| a.name.cmp(&b.name));
    let bytes = serde_json::to_vec_pretty(&list).expect("plain data is valid JSON");
    atomic::write(&path, &bytes)?;
    let (origin, shadows) = (Origin::Store, Vec::new());
    Ok(Plugin { description, library: stored, sha256, origin, shadows })
}

/// The sha256 of every installed library.
///
/// # Errors
///
/// A list that is not what [`install`] writes.
pub fn installed_libraries(home: &Path) -> Result<BTreeSet<String>, Error> {
    Ok(installed(home)?.into_iter().map(|plugin| plugin.sha256).collect())
}

pub(crate) fn installed(home: &Path) -> Result<Vec<Installed>, Error> {
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

fn list_path(home: &Path) -> PathBuf {
    home.join("plugins").join("installed.json")
}
