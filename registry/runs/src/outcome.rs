//! How a run ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Artifact, Measurement, measurement::any_float};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// No result yet, and a process holds the lock of the trial.
    Running,
    /// Finished, with measurements to use.
    Done,
    /// Finished with an error.
    Failed,
    /// No result, and nobody is working on it any more.
    Lost,
}

impl Status {
    /// The word for it, as in the JSON files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A word for programs, such as `non-finite` or `crash`.
    pub kind: String,
    /// The error text.
    pub message: String,
    /// Advice, one sentence each.
    #[serde(default)]
    pub hints: Vec<String>,
}

/// What is known when a run ends; a run with an error is [`Status::Failed`], any other [`Status::Done`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why the run failed, if it did.
    pub error: Option<Failure>,
    /// Seconds from start to end.
    #[serde(with = "any_float")]
    pub wall_s: f64,
    /// The most memory the process had resident.
    pub peak_memory_bytes: Option<u64>,
    /// The measurements that the tables are made of.
    pub finals: Vec<Measurement>,
    /// The files that it left. Results of older hosts list none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

impl Outcome {
    /// [`Status::Failed`] or [`Status::Done`].
    pub const fn status(&self) -> Status {
        if self.error.is_some() { Status::Failed } else { Status::Done }
    }
}

/// The content of `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Done or failed.
    pub status: Status,
    /// When the run ended.
    pub finished: DateTime<Utc>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}
