//! The hash of an audio file's content, remembered by path, size and time of change.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FeatureCache, hex};
use crate::Error;

/// A file changed twice within the resolution of its time of change looks unchanged, so a hash is
/// remembered only once the last change is this long ago.
const SETTLED: Duration = Duration::from_secs(2);

/// What tells a file from its earlier self without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified: SystemTime,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::read(path, source);
        let metadata = fs_err::metadata(path).map_err(read)?;
        Ok(Self { size: metadata.len(), modified: metadata.modified().map_err(read)? })
    }

    fn modified_ns(&self) -> i128 {
        match self.modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        }
    }

    fn is_settled(&self) -> bool {
        SystemTime::now().duration_since(self.modified).is_ok_and(|age| age >= SETTLED)
    }
}

/// One remembered hash, a JSON file named after the path.
#[derive(Serialize, Deserialize)]
struct Known {
    path: PathBuf,
    size: u64,
    modified_ns: i128,
    sha256: String,
}

impl FeatureCache {
    /// Content hash of `path`, and the stamp that it holds for.
    pub(super) fn fingerprint(&self, path: &Path) -> Result<(String, Stamp), Error> {
        let absolute = fs_err::canonicalize(path).map_err(|source| Error::read(path, source))?;
        let stamp = Stamp::of(&absolute)?;
        let name = hex(&Sha256::digest(absolute.as_os_str().as_encoded_bytes()));
        let file = self.folder.join("files").join(&name[..2]).join(&name);
        if let Some(hash) = recall(&file, &absolute, stamp) {
            return Ok((hash, stamp));
        }
        let sha256 = hash(&absolute)?;
        // Paths that are not Unicode have no JSON; their hash is computed every time.
        if stamp.is_settled() && absolute.to_str().is_some() {
            let (size, modified_ns) = (stamp.size, stamp.modified_ns());
            let known = Known { path: absolute, size, modified_ns, sha256: sha256.clone() };
            let json = serde_json::to_vec(&known).map_err(|source| Error::ConfigJson { source })?;
            self.write(&file, &json)?;
        }
        Ok((sha256, stamp))
    }
}

/// The hash that `file` remembers, if it is of this very path, size and time.
fn recall(file: &Path, path: &Path, stamp: Stamp) -> Option<String> {
    let known: Known = serde_json::from_slice(&fs_err::read(file).ok()?).ok()?;
    let is_hash = known.sha256.len() == 64 && known.sha256.bytes().all(|b| b.is_ascii_hexdigit());
    let is_same =
        known.path == path && known.size == stamp.size && known.modified_ns == stamp.modified_ns();
    (is_hash && is_same).then_some(known.sha256)
}

fn hash(path: &Path) -> Result<String, Error> {
    let read = |source| Error::read(path, source);
    let mut file = fs_err::File::open(path).map_err(read)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(read)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}
