//! The content-addressed store: libraries under the sha256 of their bytes.
//!
//! A sweep copies its libraries here and its trials load only from here, so that a rebuild half-way
//! cannot mix two versions, and an old run can be loaded again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::atomic;
use crate::error::Error;

/// What [`Store::collect_garbage`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// The sha256 of each library that nothing refers to, sorted.
    pub removed: Vec<String>,
    /// Their bytes.
    pub removed_bytes: u64,
    /// How many libraries stay.
    pub kept: usize,
    /// Their bytes.
    pub kept_bytes: u64,
}

/// The store of one home folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store under `home`; nothing is created before something is stored.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self { folder: home.join("store") }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The library with this sha256, if it is in the store.
    ///
    /// Its bytes are not read here: whoever loads it checks them first.
    #[must_use]
    pub fn stored(&self, sha256: &str) -> Option<PathBuf> {
        let folder = self.folder_of(sha256).ok()?;
        let mut files: Vec<PathBuf> = fs_err::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| !is_hidden(path) && path.is_file())
            .collect();
        files.sort();
        files.into_iter().next()
    }

    /// Copies a library into the store, unless it is there, and gives its place.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] when the library no longer has this sha256.
    pub fn store_library(&self, library: &Path, sha256: &str) -> Result<PathBuf, Error> {
        let folder = self.folder_of(sha256)?;
        let size = fs_err::metadata(library)?.len();
        if let Some(stored) = self.stored(sha256) {
            if fs_err::metadata(&stored)?.len() == size {
                // So that nobody removes it as garbage before there is a run that refers to it. A store that cannot be
                // written is not collected either.
                let now = std::time::SystemTime::now();
                let _ = std::fs::File::open(&folder).and_then(|folder| folder.set_modified(now));
                return Ok(stored);
            }
            // A disk that was full or a copy by hand left a part of it: write it again, same name.
            copy_verified(library, &stored, sha256)?;
            return Ok(stored);
        }
        let name = library.file_name().expect("a library that has a size has a name");
        let stored = folder.join(name);
        copy_verified(library, &stored, sha256)?;
        Ok(stored)
    }

    /// Like [`Self::store_library`], and what was there before is read too: installing a library
    /// again repairs it.
    pub(crate) fn store_anew(&self, library: &Path, sha256: &str) -> Result<PathBuf, Error> {
        let stored = self.store_library(library, sha256)?;
        if file_sha256(&stored)? != sha256 {
            copy_verified(library, &stored, sha256)?;
        }
        Ok(stored)
    }

    /// Removes the libraries whose sha256 is not in `keep` and that nobody has asked for since `grace` ago.
    ///
    /// # Errors
    /// A folder that cannot be read or removed.
    pub fn collect_garbage(
        &self,
        keep: &BTreeSet<String>,
        grace: Duration,
        dry_run: bool,
    ) -> Result<Garbage, Error> {
        let mut garbage = Garbage::default();
        if !self.folder.exists() {
            return Ok(garbage);
        }
        for entry in fs_err::read_dir(&self.folder)? {
            let folder = entry?.path();
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(sha256) = name.filter(|name| self.folder_of(name).is_ok()) else { continue };
            let mut bytes = 0;
            for file in fs_err::read_dir(&folder)? {
                bytes += file?.metadata()?.len();
            }
            let touched = fs_err::metadata(&folder)?.modified()?;
            // A time in the future counts as now.
            let young = touched.elapsed().map_or(true, |age| age < grace);
            if young || keep.contains(&sha256) {
                garbage.kept += 1;
                garbage.kept_bytes += bytes;
                continue;
            }
            garbage.removed.push(sha256);
            garbage.removed_bytes += bytes;
            if !dry_run {
                fs_err::remove_dir_all(&folder)?;
            }
        }
        garbage.removed.sort();
        Ok(garbage)
    }

    fn folder_of(&self, sha256: &str) -> Result<PathBuf, Error> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        // The text becomes a part of a path.
        if sha256.len() != 64 || !sha256.bytes().all(digits) {
            return Err(Error::Sha256 { text: sha256.to_owned() });
        }
        Ok(self.folder.join(sha256))
    }
}

/// The sha256 of a file's bytes, as 64 lowercase hexadecimal digits.
pub fn file_sha256(path: &Path) -> Result<String, std::io::Error> {
    let mut file = fs_err::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 18];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    }))
}

fn copy_verified(library: &Path, target: &Path, sha256: &str) -> Result<(), Error> {
    let mut source = fs_err::File::open(library)?;
    let mut copy = atomic::temporary_beside(target)?;
    let failed = |source| atomic::write_error(target, source);
    std::io::copy(&mut source, copy.as_file_mut()).map_err(failed)?;
    copy.as_file().sync_all().map_err(failed)?;
    let found = file_sha256(copy.path())?;
    if found != sha256 {
        let (library, expected) = (library.to_owned(), sha256.to_owned());
        return Err(Error::Changed { library, expected, found });
    }
    atomic::put_in_place(copy, target)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    // printf abc | sha256sum, also the first example of FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn fixture() -> (tempfile::TempDir, PathBuf, Store) {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libabc.so");
        fs_err::write(&library, b"abc").unwrap();
        let store = Store::new(&folder.path().join("home"));
        (folder, library, store)
    }

    #[test]
    fn stores_under_the_hash_and_finds_it_again() {
        let (folder, library, store) = fixture();
        assert_eq!(file_sha256(&library).unwrap(), ABC);
        assert_eq!(store.stored(ABC), None);
        let stored = store.store_library(&library, ABC).unwrap();
        assert_eq!(stored, folder.path().join("home/store").join(ABC).join("libabc.so"));
        assert_eq!(fs_err::read(&stored).unwrap(), b"abc");
        assert_eq!(store.stored(ABC), Some(stored.clone()));
        // Nothing temporary stays behind.
        assert_eq!(fs_err::read_dir(stored.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn reuses_what_is_there() {
        let (folder, library, store) = fixture();
        let stored = store.store_library(&library, ABC).unwrap();
        let past = std::time::SystemTime::now() - std::time::Duration::from_secs(1000);
        std::fs::File::options().write(true).open(&stored).unwrap().set_modified(past).unwrap();
        let renamed = folder.path().join("librenamed.so");
        fs_err::rename(&library, &renamed).unwrap();
        assert_eq!(store.store_library(&renamed, ABC).unwrap(), stored);
        let modified = fs_err::metadata(&stored).unwrap().modified().unwrap();
        assert!(modified < std::time::SystemTime::now() - std::time::Duration::from_mins(15));
    }

    #[test]
    fn repairs_a_truncated_copy() {
        let (_folder, library, store) = fixture();
        let stored = store.store_library(&library, ABC).unwrap();
        fs_err::write(&stored, b"a").unwrap();
        assert_eq!(store.store_library(&library, ABC).unwrap(), stored);
        assert_eq!(fs_err::read(&stored).unwrap(), b"abc");
    }

    #[test]
    fn refuses_a_library_that_changed() {
        let (_folder, library, store) = fixture();
        fs_err::write(&library, b"abd").unwrap();
        let error = store.store_library(&library, ABC).unwrap_err();
        assert!(matches!(&error, Error::Changed { expected, .. } if expected == ABC), "{error}");
        assert!(!error.hints().is_empty());
        assert_eq!(store.stored(ABC), None);
    }

    #[test]
    fn refuses_a_hash_that_is_a_path() {
        let (_folder, library, store) = fixture();
        for text in ["", "../../etc", &ABC.to_uppercase()] {
            let error = store.store_library(&library, text).unwrap_err();
            assert!(matches!(error, Error::Sha256 { .. }));
            assert_eq!(store.stored(text), None);
        }
    }

    #[test]
    fn garbage_is_what_nobody_refers_to_or_asked_for_lately() {
        let (folder, library, store) = fixture();
        let (none, hour) = (BTreeSet::new(), Duration::from_hours(1));
        assert_eq!(store.collect_garbage(&none, hour, false).unwrap(), Garbage::default());
        let stored = store.store_library(&library, ABC).unwrap();
        let fresh = store.collect_garbage(&none, hour, false).unwrap();
        assert_eq!((fresh.removed.len(), fresh.kept, fresh.kept_bytes), (0, 1, 3));
        let old = || {
            let past = std::time::SystemTime::now() - 2 * hour;
            let place = std::fs::File::open(stored.parent().unwrap()).unwrap();
            place.set_modified(past).unwrap();
        };
        old();
        let keep = BTreeSet::from([ABC.to_owned()]);
        assert_eq!(store.collect_garbage(&keep, hour, false).unwrap().kept, 1);
        // Asked for again.
        store.store_library(&library, ABC).unwrap();
        assert_eq!(store.collect_garbage(&none, hour, false).unwrap().kept, 1);
        old();
        let found = store.collect_garbage(&none, hour, true).unwrap();
        assert_eq!((found.removed.as_slice(), found.removed_bytes), (&[ABC.to_owned()][..], 3));
        assert!(stored.exists());
        fs_err::write(folder.path().join("home/store/README"), "not mine").unwrap();
        assert_eq!(store.collect_garbage(&none, hour, false).unwrap(), found);
        assert!(!stored.exists());
        assert!(folder.path().join("home/store/README").exists());
    }

    #[test]
    fn concurrent_writers_agree() {
        let (_folder, library, store) = fixture();
        std::thread::scope(|scope| {
            let (store, library) = (&store, &library);
            let writers: Vec<_> =
                (0..8).map(|_| scope.spawn(move || store.store_library(library, ABC))).collect();
            for writer in writers {
                let stored = writer.join().unwrap().unwrap();
                assert_eq!(fs_err::read(stored).unwrap(), b"abc");
            }
        });
    }
}
