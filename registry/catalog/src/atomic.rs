//! Files that appear whole or not at all.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::Error;

/// A temporary file beside its later place, with the permissions of an ordinary file.
pub(crate) fn temporary_beside(path: &Path) -> Result<NamedTempFile, Error> {
    let folder = path.parent().expect("a file lies in a folder");
    fs_err::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    // Temporary files are private by default; a home folder may be shared by a group.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|source| write_error(path, source))
}

/// Puts the file in its place, over what may be there.
pub(crate) fn put_in_place(file: NamedTempFile, path: &Path) -> Result<(), Error> {
    file.persist(path).map(drop).map_err(|error| write_error(path, error.error))
}

/// Writes a whole file. Readers see the old bytes or the new ones, never a part.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(|source| write_error(path, source))?;
    put_in_place(file, path)
}

pub(crate) fn write_error(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}
