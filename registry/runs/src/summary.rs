//! The list of runs: what is asked for, and its lines.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Lease, Mark, RunId, Status, rows::Entry};

/// Which runs to list; what is not set does not restrict.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only runs of this trial.
    pub identity: Option<String>,
    /// Only runs of this experiment.
    pub experiment: Option<String>,
    /// Only runs of variants of this name.
    pub variant: Option<String>,
    /// Only runs that stand so.
    pub status: Option<Status>,
    /// Only the newest so many.
    pub limit: Option<usize>,
}

/// One line of the list of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The full id.
    pub id: RunId,
    /// The shortest prefix of the id that no other run shares.
    pub short: String,
    /// The identity of the trial.
    pub identity: String,
    /// The experiment's name.
    pub experiment: String,
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Where the run stands.
    pub status: Status,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it ended, if it has.
    pub finished: Option<DateTime<Utc>>,
    /// Seconds that all its attempts took, if it has ended.
    pub wall_s: Option<f64>,
    /// The most memory that it had resident, if known.
    pub peak_memory_bytes: Option<u64>,
    /// The class of the failure of a failed run, such as `non-finite`.
    pub kind: Option<String>,
    /// The error text of a failed run.
    pub error: Option<String>,
    /// Whether a lost run was asked to stop, and saved its state first.
    pub stopped: bool,
    /// What is said about an unfinished run.
    pub mark: Option<Mark>,
    /// Who works on a running run, and how far that is.
    pub lease: Option<Lease>,
}

/// A run in a few words.
pub(crate) fn describe(summary: &RunSummary) -> String {
    let RunSummary { short, experiment, variant, seed, .. } = summary;
    format!("`{short}` ({experiment} {variant} seed {seed})")
}

/// A row as a line of the list; takes its lease out of `running`.
pub(crate) fn summary(
    entry: Entry,
    short: String,
    running: &mut BTreeMap<RunId, Option<Lease>>,
) -> RunSummary {
    let lease = running.remove(&entry.id).filter(|_| entry.end.is_none());
    let open = if lease.is_some() { Status::Running } else { Status::Lost };
    let end = entry.end.as_ref();
    RunSummary {
        id: entry.id,
        short,
        status: end.map_or(open, |end| end.status),
        finished: end.map(|end| end.finished),
        wall_s: end.map(|end| end.wall_s),
        peak_memory_bytes: end.and_then(|end| end.peak_memory_bytes),
        kind: end.and_then(|end| end.kind.clone()),
        error: entry.end.and_then(|end| end.error),
        identity: entry.identity,
        experiment: entry.experiment,
        variant: entry.variant,
        seed: entry.seed,
        created: entry.created,
        stopped: entry.stopped,
        mark: entry.mark,
        lease: lease.flatten(),
    }
}
