//! What the run folders say, read for the index.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fs_err as fs;

use crate::{Error, Measurement, RunId, rows::Entry, run};

/// What the names of folders of runs that are being created begin with.
pub(crate) const NEW: &str = ".new-";

/// Held shared while a run folder is made, so that nobody takes it for what a dead process left.
const CREATING: &str = ".creating.lock";

/// A folder is made in milliseconds: an older one is nobody's, also where locks do not cross machines.
const LEFTOVER_AGE: Duration = Duration::from_mins(10);

/// How old the last change must be to be sure that its time tells it from the next one.
const SETTLED: Duration = Duration::from_secs(2);

/// What the index was made from.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// How many runs it holds.
    pub indexed: usize,
    /// The run folders that could not be read, wholly or in part. They are left alone.
    pub unreadable: Vec<Unreadable>,
    /// Folders of runs that were never started, left by processes that died while making them, and removed.
    pub removed: Vec<PathBuf>,
}

/// A run folder that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The folder.
    pub folder: PathBuf,
    /// Why.
    pub reason: String,
}

/// One run folder as it was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    pub(crate) finals: Vec<Measurement>,
    /// What is wrong with the part that does not decide whether this is a run.
    pub(crate) damage: Option<Error>,
}

/// Several of them.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) found: Vec<Found>,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// The names under `runs`.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Run folders by the digits of their ids.
    pub(crate) runs: BTreeMap<String, PathBuf>,
    /// Folders of runs being created, or what is left of them.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// When the list of folders was last changed.
pub(crate) struct Looked {
    pub(crate) text: String,
    /// Long enough ago for the next change to have another time.
    pub(crate) settled: bool,
}

pub(crate) fn modified(runs: &Path) -> Result<Looked, Error> {
    let modified = fs::metadata(runs)?.modified()?;
    let age = SystemTime::now().duration_since(modified).unwrap_or_default();
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Looked { text: since.as_nanos().to_string(), settled: age > SETTLED })
}

pub(crate) fn list(runs: &Path) -> Result<Listed, Error> {
    let mut listed = Listed::default();
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(NEW) {
            listed.leftovers.push(entry.path());
        } else if let Ok(id) = name.parse::<RunId>() {
            listed.runs.insert(id.digits(), entry.path());
        }
    }
    Ok(listed)
}

/// Reads run folders; `progress` hears how many of how many are read.
pub(crate) fn scan(
    folders: &BTreeMap<String, PathBuf>,
    progress: &mut dyn FnMut(usize, usize),
) -> Scan {
    let mut scan = Scan::default();
    for (done, folder) in folders.values().enumerate() {
        progress(done, folders.len());
        let mut damaged = |error: &Error| {
            scan.unreadable.push(Unreadable { folder: folder.clone(), reason: reason(error) });
        };
        match read(folder) {
            Ok(found) => {
                found.damage.iter().for_each(&mut damaged);
                scan.found.push(found);
            }
            Err(error) => damaged(&error),
        }
    }
    progress(folders.len(), folders.len());
    scan
}

/// Reads one run folder.
pub(crate) fn read(folder: &Path) -> Result<Found, Error> {
    let found = run::read(folder)?;
    let named = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if named.parse() != Ok(found.entry.id) {
        let run = found.entry.id.to_string();
        return Err(Error::Misplaced { folder: folder.to_owned(), run });
    }
    Ok(found)
}

/// An error and its causes on one line.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Marks that a run folder is being made, until it is dropped.
pub(crate) fn creating(runs: &Path) -> Result<fs::File, Error> {
    let file = fs::OpenOptions::new().create(true).append(true).open(runs.join(CREATING))?;
    file.lock_shared()?;
    Ok(file)
}

/// Removes what processes left that died while they made a run folder; nothing of it was ever run. What cannot be
/// removed stays: it is in nobody's way.
pub(crate) fn remove_leftovers(runs: &Path, leftovers: &[PathBuf]) -> Vec<PathBuf> {
    let is_old = |path: &PathBuf| {
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > LEFTOVER_AGE))
    };
    let old: Vec<_> = leftovers.iter().filter(|path| is_old(path)).cloned().collect();
    if old.is_empty() {
        return old;
    }
    let lock = fs::OpenOptions::new().create(true).append(true).open(runs.join(CREATING));
    let Ok(lock) = lock else { return Vec::new() };
    if lock.try_lock().is_err() {
        return Vec::new();
    }
    old.into_iter().filter(|path| fs::remove_dir_all(path).is_ok()).collect()
}
