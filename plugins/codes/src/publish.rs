//! Files that metrics publish.

use ablate_sdk::Error;
use std::path::Path;

/// Writes what a metric publishes.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    // The error of `fs_err` names the path.
    fs_err::write(path, bytes).map_err(|error| Error::data(error.to_string()))
}
