//! What was found in libraries before, so that one which a thousand trials open is read once.
//!
//! A library is known by its sha256. That a file still has that content is taken from what the
//! system says about it, as long as not even the time of its last change differs.

use crate::Inspection;
use crate::natives::Natives;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file changed this recently could change again without a visible change of its times, whose
/// resolution is some milliseconds: nothing is kept about it.
const SETTLED: Duration = Duration::from_millis(50);

/// A folder with one small file for each library.
#[derive(Debug)]
pub(crate) struct Inspected {
    folder: Option<PathBuf>,
}

/// One of these files.
#[derive(Serialize, Deserialize)]
struct Known {
    symbol: String,
    natives: Natives,
    state: FileState,
}

/// What must be equal for the bytes to be taken as equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    device: u64,
    file: u64,
    size: u64,
    modified_ns: u64,
    /// Of anything about the file; no program can set it back.
    changed_ns: u64,
}

impl Inspected {
    /// Without a folder, nothing is kept.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// What is known about the library with this sha256, if the file at `path` is still it.
    pub(crate) fn recall(&self, path: &Path, sha256: &str) -> Option<Inspection> {
        let known = fs_err::read(self.file(sha256)?).ok()?;
        let Known { symbol, natives, state } = serde_json::from_slice(&known).ok()?;
        let sha256 = sha256.to_owned();
        (FileState::of(path)? == state).then_some(Inspection { symbol, sha256, natives })
    }

    /// Keeps what was found in a file that was in `state` before it was read.
    ///
    /// A folder that cannot be written to makes the next call slower and nothing else.
    pub(crate) fn keep(&self, path: &Path, state: Option<FileState>, found: &Inspection) {
        let Some(state) = state.filter(|state| FileState::of(path) == Some(*state)) else { return };
        let Some(file) = self.file(&found.sha256).filter(|_| state.settled()) else { return };
        let (symbol, natives) = (found.symbol.clone(), found.natives.clone());
        let known = Known { symbol, natives, state };
        let json = serde_json::to_vec(&known).expect("plain data is valid JSON");
        // One name for all writers, so that what a killed one left is not left for ever. They all
        // write the same, and an entry that is damaged all the same is written again.
        let temporary = file.with_extension("new");
        let _ = file.parent().map(fs_err::create_dir_all);
        if fs_err::write(&temporary, json).and_then(|()| fs_err::rename(&temporary, file)).is_err()
        {
            let _ = fs_err::remove_file(temporary);
        }
    }

    fn file(&self, sha256: &str) -> Option<PathBuf> {
        // The text becomes a part of a path.
        let plain = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        let folder = self.folder.as_ref().filter(|_| plain)?;
        Some(folder.join(format!("{sha256}.json")))
    }
}

impl FileState {
    /// `None` where the system does not say all of it, or the file is not there.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let data = fs_err::metadata(path).ok()?;
        let nanoseconds = |seconds: i64, rest: i64| {
            let seconds = u64::try_from(seconds).ok()?;
            seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(rest).ok()?)
        };
        Some(Self {
            device: data.dev(),
            file: data.ino(),
            size: data.len(),
            modified_ns: nanoseconds(data.mtime(), data.mtime_nsec())?,
            changed_ns: nanoseconds(data.ctime(), data.ctime_nsec())?,
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_: &Path) -> Option<Self> {
        None
    }

    fn settled(&self) -> bool {
        // A time in the future comes from a clock that was set back: it may come again.
        let changed = UNIX_EPOCH + Duration::from_nanos(self.changed_ns);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection() -> Inspection {
        let (symbol, sha256) = ("ablate_plugin_x".to_owned(), "0a".repeat(32));
        Inspection { symbol, sha256, natives: Natives::default() }
    }

    /// A kept library and its place.
    fn kept(folder: &tempfile::TempDir) -> (Inspected, PathBuf) {
        let path = folder.path().join("libx.so");
        fs_err::write(&path, "first").expect("a writable folder");
        std::thread::sleep(2 * SETTLED);
        let inspected = Inspected::new(Some(folder.path().join("libraries")));
        inspected.keep(&path, FileState::of(&path), &inspection());
        (inspected, path)
    }

    #[test]
    fn a_library_is_known_until_anything_about_its_file_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (inspected, path) = kept(&folder);
        let recall = || inspected.recall(&path, &inspection().sha256);
        assert_eq!(recall(), Some(inspection()));
        assert_eq!(inspected.recall(&path, &"0b".repeat(32)), None);
        // Other bytes of the same length and with the old time of modification.
        let modified = fs_err::metadata(&path).and_then(|m| m.modified()).expect("it is there");
        fs_err::write(&path, "other").expect("writable");
        let file = fs_err::OpenOptions::new().write(true).open(&path).expect("writable");
        file.file().set_modified(modified).expect("its owner may");
        assert_eq!(fs_err::metadata(&path).and_then(|m| m.modified()).expect("there"), modified);
        assert_eq!(recall(), None);
        fs_err::remove_file(&path).expect("it is there");
        assert_eq!(recall(), None);
    }

    #[test]
    fn nothing_is_kept_of_a_file_that_changed_meanwhile_or_just_now() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (inspected, path) = kept(&folder);
        let before = FileState::of(&path);
        fs_err::write(&path, "changed while it was read").expect("writable");
        let other = Inspection { sha256: "0c".repeat(32), ..inspection() };
        inspected.keep(&path, before, &other);
        assert_eq!(inspected.recall(&path, &other.sha256), None);
        fs_err::write(&path, "changed just now").expect("writable");
        inspected.keep(&path, FileState::of(&path), &other);
        assert_eq!(inspected.recall(&path, &other.sha256), None);
    }

    #[test]
    fn a_damaged_entry_and_a_missing_folder_are_as_good_as_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (inspected, path) = kept(&folder);
        let sha256 = inspection().sha256;
        let entry = folder.path().join("libraries").join(format!("{sha256}.json"));
        fs_err::write(entry, "{").expect("writable");
        assert_eq!(inspected.recall(&path, &sha256), None);
        let nowhere = Inspected::new(None);
        nowhere.keep(&path, FileState::of(&path), &inspection());
        assert_eq!(nowhere.recall(&path, &sha256), None);
    }
}
