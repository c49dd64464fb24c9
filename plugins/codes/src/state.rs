//! States of metrics as bytes, files, and the error for having measured nothing.

use ablate_sdk::{Error, serde_json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

pub(crate) fn write<S: Serialize>(state: &S) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(state).map_err(|error| Error::other(error.to_string()))
}

/// Reads the state of the metric called `name`.
pub(crate) fn read<S: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<S, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::data(error.to_string()).context(format!("the bytes are not a state of `{name}`"))
    })
}

/// The error of a metric that was given nothing to measure; `what` is what it counts.
pub(crate) fn nothing_measured(what: &str) -> Error {
    Error::data(format!("nothing was measured: no batch held {what}"))
}

/// Writes what a metric publishes.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    // The error of `fs_err` names the path.
    fs_err::write(path, bytes).map_err(|error| Error::data(error.to_string()))
}
