//! Writing so that a crash leaves either the old file or the new one.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use fs_err as fs;
use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// How many files are synced at the same time.
const AT_ONCE: usize = 16;

/// Puts `bytes` in place of `path` by an atomic rename, after they have reached the disk, and waits until that has too.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_after(path, bytes, &[], &[])
}

/// Like [`write_atomically`], but the files `before` reach the disk before the rename, and the folders `after` after it.
///
/// Two rounds of syncs: without the first a power failure may leave the new name with nothing in it, or without what it
/// was made from; without the second the old content. Within a round all wait together, since what a sync costs is
/// mostly the wait for the file system's next commit.
pub(crate) fn write_after(
    path: &Path,
    bytes: &[u8],
    before: &[PathBuf],
    after: &[PathBuf],
) -> Result<(), Error> {
    write_temporary(path, bytes, |temporary| {
        let written = temporary.to_path_buf();
        sync(&[&[written], before].concat())?;
        Ok(fs::rename(temporary, path)?)
    })?;
    let folder = path.parent().map(Path::to_path_buf);
    sync(&[folder.as_slice(), after].concat())
}

/// Puts `bytes` in place of `path` by an atomic rename. Readers never see a part of it; a power failure may leave
/// nothing or an empty file. For what is no loss.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_temporary(path, bytes, |temporary| Ok(fs::rename(temporary, path)?))
}

/// Writes a file as a whole unless it exists already; true when it did not. As lasting as [`replace`].
pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let mut written = true;
    write_temporary(path, bytes, |temporary| match fs::hard_link(temporary, path) {
        Ok(()) => Ok(fs::remove_file(temporary)?),
        Err(_) if path.exists() => {
            written = false;
            Ok(fs::remove_file(temporary)?)
        }
        // Not every file system has hard links. Two writers within these microseconds overwrite each other.
        Err(_) => Ok(fs::rename(temporary, path)?),
    })?;
    Ok(written)
}

/// Whether a file of this name is a temporary one of this module: `measurements.jsonl.new-31018-3`.
pub(crate) fn is_temporary(name: &str) -> bool {
    let numbers = name.rsplit_once(".new-").and_then(|(_, numbers)| numbers.split_once('-'));
    numbers.is_some_and(|(process, number)| {
        process.parse::<u32>().is_ok() && number.parse::<u64>().is_ok()
    })
}

/// Writes a temporary file beside `path` and lets `publish` do the rest; after a failure it is removed.
fn write_temporary(
    path: &Path,
    bytes: &[u8],
    publish: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Process and number keep two writers from sharing one temporary file.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = sibling(path, &format!(".new-{}-{number}", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| file.write_all(bytes));
    written.map_err(Error::from).and_then(|()| publish(&temporary)).inspect_err(|_| {
        // On a full disk it would only take the last of the space. That it cannot be removed is no second failure.
        let _ = fs::remove_file(&temporary);
    })
}

/// Makes files and folders reach the disk, several at the same time.
pub(crate) fn sync(paths: &[PathBuf]) -> Result<(), Error> {
    for paths in paths.chunks(AT_ONCE) {
        let Some((first, rest)) = paths.split_first() else { continue };
        thread::scope(|scope| {
            let rest: Vec<_> = rest.iter().map(|path| scope.spawn(|| sync_one(path))).collect();
            let first = sync_one(first);
            let rest = rest.into_iter().map(|thread| thread.join().expect("a sync does not panic"));
            rest.fold(first, Result::and)
        })?;
    }
    Ok(())
}

fn sync_one(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return sync_folder(path);
    }
    let mut options = fs::OpenOptions::new();
    // Windows syncs only what may be written.
    options.read(true).write(cfg!(windows));
    Ok(options.open(path)?.sync_all()?)
}

/// Writes a value as indented JSON, atomically and durably.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write_atomically(path, &json(path, value)?)
}

/// A value as indented JSON for the file at `path`.
pub(crate) fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::Json { path: path.to_owned(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// `path` with `suffix` appended to its file name.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a rename inside the folder of `path` reach the disk.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the list of files of a folder reach the disk; a folder cannot be opened for that on Windows.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Refuses names that would leave their folder or be no file name at all.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let valid = !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if valid { Ok(()) } else { Err(Error::Name { what, name: name.to_owned() }) }
}
