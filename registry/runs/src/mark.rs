//! What is said about an unfinished run beside its status.

use serde::{Deserialize, Serialize};

/// A mark on an unfinished run, which lasts until its next attempt begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mark")]
#[non_exhaustive]
pub enum Mark {
    /// Its variant was stopped early for having no prospect of winning.
    Pruned {
        /// The epoch of the rung at which it was left behind.
        rung_epoch: u64,
        /// Why, in words.
        reason: String,
    },
}
