//! What is known about libraries from earlier calls: hashes of files, descriptions of hashes.
//!
//! One file for everything, because a listing of many plugins should read one file. It can be lost
//! at any time: it is then made again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::catalog::{Probe, ProbeFailure, Work};
use crate::description::Description;
use crate::freshness::nanoseconds;
use crate::store::file_sha256;

/// Raised when [`Description`] gains a field that older caches lack.
pub(crate) const REVISION: u32 = 3;

/// A file changed this recently could change again without a visible change of its time, whose
/// resolution is some milliseconds; its hash is not kept.
const SETTLED: Duration = Duration::from_millis(50);

pub(crate) struct Cache {
    path: PathBuf,
    content: Content,
    used: BTreeSet<String>,
    dirty: bool,
    pub(crate) work: Work,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    revision: u32,
    /// By absolute path.
    files: BTreeMap<String, FileEntry>,
    /// By sha256.
    descriptions: BTreeMap<String, Description>,
    /// What is not asked again, by absolute path.
    #[serde(default)]
    failures: BTreeMap<String, FailureEntry>,
}

#[derive(Serialize, Deserialize)]
struct FailureEntry {
    state: FileState,
    failure: ProbeFailure,
}

#[derive(Serialize, Deserialize)]
struct FileEntry {
    state: FileState,
    sha256: String,
}

/// What must be equal for the bytes to be taken as equal.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct FileState {
    device: u64,
    file: u64,
    size: u64,
    modified_ns: u64,
}

impl Cache {
    /// Reads the cache, or starts an empty one.
    pub(crate) fn load(home: &Path) -> Self {
        let path = home.join("cache").join("plugins").join("descriptions.json");
        let bytes = fs_err::read(&path).unwrap_or_default();
        let content = serde_json::from_slice::<Content>(&bytes)
            .ok()
            .filter(|content| content.revision == REVISION)
            .unwrap_or_else(|| Content { revision: REVISION, ..Content::default() });
        Self { path, content, used: BTreeSet::new(), dirty: false, work: Work::default() }
    }

    /// The sha256 of a library whose description is then known.
    pub(crate) fn describe(
        &mut self,
        library: &Path,
        probe: &dyn Probe,
    ) -> Result<String, ProbeFailure> {
        let state = FileState::of(library)?;
        let known = library.to_str().and_then(|path| self.content.failures.get(path));
        if let Some(known) = known.filter(|known| known.state == state) {
            return Err(known.failure.clone());
        }
        let sha256 = self.sha256(library, &state)?;
        if !self.content.descriptions.contains_key(&sha256) {
            self.work.probed += 1;
            let json = probe.describe(library).inspect_err(|failure| {
                self.keep_failure(library, state, failure);
            })?;
            let description = Description::read(&json).map_err(|message| {
                let hint = "build the plugin again with the present SDK".to_owned();
                ProbeFailure::new("description", message, vec![hint])
            })?;
            if FileState::of(library)? != state {
                let hint = "run the command again when its build is finished".to_owned();
                let message = "it changed while it was being read";
                return Err(ProbeFailure::new("changed", message, vec![hint]));
            }
            self.content.descriptions.insert(sha256.clone(), description);
            self.dirty = true;
        }
        self.used.insert(sha256.clone());
        Ok(sha256)
    }

    pub(crate) fn description(&self, sha256: &str) -> &Description {
        self.content.descriptions.get(sha256).expect("described before it is asked for")
    }

    /// Writes the cache if something changed, without what no file has any more; then gives the
    /// descriptions by sha256.
    pub(crate) fn finish(mut self) -> (BTreeMap<String, Description>, Work) {
        if self.dirty {
            self.content.files.retain(|path, _| Path::new(path).exists());
            self.content.failures.retain(|path, _| Path::new(path).exists());
            let files = self.content.files.values().map(|entry| &entry.sha256);
            let kept: BTreeSet<String> = files.cloned().chain(self.used).collect();
            self.content.descriptions.retain(|sha256, _| kept.contains(sha256));
            let bytes = serde_json::to_vec(&self.content).expect("plain data is valid JSON");
            // A home that cannot be written to makes the next call slower and nothing else.
            let _ = atomic::write(&self.path, &bytes);
        }
        (self.content.descriptions, self.work)
    }

    fn keep_failure(&mut self, library: &Path, state: FileState, failure: &ProbeFailure) {
        let kept = failure.lasting && state.settled(nanoseconds(SystemTime::now()));
        if let Some(path) = library.to_str().filter(|_| kept) {
            let entry = FailureEntry { state, failure: failure.clone() };
            self.content.failures.insert(path.to_owned(), entry);
            self.dirty = true;
        }
    }

    fn sha256(&mut self, library: &Path, state: &FileState) -> Result<String, ProbeFailure> {
        let key = library.to_str();
        let known = key.and_then(|key| self.content.files.get(key));
        if let Some(entry) = known.filter(|entry| entry.state == *state) {
            return Ok(entry.sha256.clone());
        }
        self.work.hashed += 1;
        let sha256 = file_sha256(library).map_err(unreadable)?;
        if let Some(key) = key.filter(|_| state.settled(nanoseconds(SystemTime::now()))) {
            let entry = FileEntry { state: *state, sha256: sha256.clone() };
            self.content.files.insert(key.to_owned(), entry);
            self.dirty = true;
        }
        Ok(sha256)
    }
}

impl FileState {
    fn of(path: &Path) -> Result<Self, ProbeFailure> {
        let data = fs_err::metadata(path).map_err(unreadable)?;
        let modified = data.modified().map_err(unreadable)?;
        #[cfg(unix)]
        let (device, file) = {
            use std::os::unix::fs::MetadataExt;
            (data.dev(), data.ino())
        };
        // Elsewhere the time of creation tells a new file under an old name.
        #[cfg(not(unix))]
        let (device, file) = (0, data.created().map_or(0, nanoseconds));
        Ok(Self { device, file, size: data.len(), modified_ns: nanoseconds(modified) })
    }

    fn settled(&self, now_ns: u64) -> bool {
        // A time in the future comes from another machine's clock and says nothing.
        now_ns.checked_sub(self.modified_ns).is_none_or(|age| age > SETTLED.as_nanos() as u64)
    }
}

fn unreadable(error: std::io::Error) -> ProbeFailure {
    ProbeFailure::new("unreadable", error.to_string(), Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_kept_only_when_the_next_change_will_show() {
        let check = |modified_ms: u64, now_ms: u64, expected: bool| {
            let modified_ns = modified_ms * 1_000_000;
            let state = FileState { device: 0, file: 0, size: 0, modified_ns };
            assert_eq!(state.settled(now_ms * 1_000_000), expected);
        };
        check(1000, 1000, false);
        check(1000, 1050, false);
        check(1000, 1051, true);
        check(1000, 999, true);
    }
}
