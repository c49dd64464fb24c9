//! The folder of an export, which appears as a whole.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{Error, Written};

/// The file that says what an export holds, and with it what may be replaced.
pub(crate) const ABOUT: &str = "export.json";

/// Lets `fill` write into a new folder, which takes the place of `folder` when all of it is there.
pub(crate) fn replace(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<Written, Error>,
) -> Result<Written, Error> {
    // Where a link leads is replaced, not the link.
    let folder = if folder.exists() { fs::canonicalize(folder)? } else { folder.to_path_buf() };
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(Error::Unnamed { path: folder });
    };
    check_replaceable(&folder)?;
    let beside = |what: &str| {
        parent.join(format!(".{}.{what}-{}", name.to_string_lossy(), std::process::id()))
    };
    let (new, old) = (beside("new"), beside("old"));
    if !parent.as_os_str().is_empty() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(&new)?;
    let written = fill(&new).and_then(|written| {
        let path = new.join(ABOUT);
        let text = serde_json::to_vec_pretty(&written)
            .map_err(|source| Error::Json { path: path.clone(), source })?;
        fs::write(path, text)?;
        // Something may have come there meanwhile.
        if check_replaceable(&folder)? {
            fs::rename(&folder, &old)?;
        }
        if let Err(error) = fs::rename(&new, &folder) {
            if old.exists() {
                fs::rename(&old, &folder)?;
            }
            return Err(error.into());
        }
        Ok(written)
    });
    // What is left over is of no use to anybody; that it cannot be removed is no second failure.
    let _ = fs::remove_dir_all(&new);
    let _ = fs::remove_dir_all(&old);
    written
}

/// Whether there is a folder; an error unless it is empty or all of it was written by an export.
fn check_replaceable(folder: &Path) -> Result<bool, Error> {
    if !folder.exists() {
        return Ok(false);
    }
    if !folder.is_dir() {
        return Err(Error::NotFolder { path: folder.to_path_buf() });
    }
    let mut known = BTreeSet::new();
    match fs::read(folder.join(ABOUT)) {
        // Another file of that name is not ours.
        Ok(text) => {
            if let Ok(written) = serde_json::from_slice::<Written>(&text) {
                known.insert(PathBuf::from(ABOUT));
                known.extend(written.files.into_iter().map(|file| file.file));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let is_ours = |file: &Path| known.contains(file);
    match foreign(folder, Path::new(""), &is_ours)? {
        Some(file) => Err(Error::Foreign { folder: folder.to_path_buf(), file }),
        None => Ok(true),
    }
}

/// The first file under `inside` that is not ours.
fn foreign(
    folder: &Path,
    inside: &Path,
    is_ours: &impl Fn(&Path) -> bool,
) -> Result<Option<PathBuf>, Error> {
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if let Some(file) = foreign(folder, &path, is_ours)? {
                return Ok(Some(file));
            }
        } else if !is_ours(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
