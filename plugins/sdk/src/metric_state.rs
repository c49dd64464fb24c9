//! States of metrics as bytes, and the error for having measured nothing: what most metrics answer
//! [`Metric::state`](crate::Metric::state), [`merge`](crate::Metric::merge) and
//! [`compute`](crate::Metric::compute) with.
//!
//! ```
//! use ablate_sdk::{Error, metric_state};
//!
//! let bytes = metric_state::write(&(3_u64, 4_u64))?;
//! let (hits, rows): (u64, u64) = metric_state::read("hits", &bytes)?;
//! assert_eq!((hits, rows), (3, 4));
//!
//! let error = metric_state::read::<u64>("hits", b"}").unwrap_err();
//! assert!(error.to_string().starts_with("the bytes are not a state of `hits`"));
//!
//! let error = metric_state::nothing_measured("a row");
//! assert_eq!(error.to_string(), "nothing was measured: no batch held a row");
//! # Ok::<(), Error>(())
//! ```

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state as JSON.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn write<S: Serialize>(state: &S) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(state).map_err(|error| Error::other(error.to_string()))
}

/// Reads the state of the metric called `name`.
///
/// # Errors
/// If the bytes are no such state.
pub fn read<S: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<S, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::data(error.to_string()).context(format!("the bytes are not a state of `{name}`"))
    })
}

/// The error of a metric that was given nothing to measure; `what` is what it counts.
pub fn nothing_measured(what: &str) -> Error {
    Error::data(format!("nothing was measured: no batch held {what}"))
}
