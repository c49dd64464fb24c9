//! Leases: who works on a trial, how far that is, and when it was last heard of.
//!
//! An OS file lock decides within one machine. Not every network file system carries locks from one machine to another:
//! there the lease of another machine counts as long as it is young.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, Utc};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, RunId, durable};

/// The ending of the files.
const ENDING: &str = ".lease";

/// How long a lease of another machine counts after it was renewed, and how far in the future it may lie: clocks differ,
/// and one that was set back must not make a trial held for ever.
const COUNTS: TimeDelta = TimeDelta::seconds(60);

/// Who works on a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The name of the machine.
    pub host: String,
    /// What tells this start of the machine from all others; the name where the system has no such thing.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// The run that it works on, once it has one.
    pub run: Option<RunId>,
    /// When the trial was claimed.
    pub started: DateTime<Utc>,
    /// When the process was last alive.
    pub alive: DateTime<Utc>,
    /// When the work last went on.
    pub beat: DateTime<Utc>,
    /// Optimizer updates done so far.
    pub step: u64,
    /// Optimizer updates in all; 0 when that is not known yet.
    pub steps: u64,
}

impl Lease {
    /// A lease of this process.
    pub(crate) fn here() -> Self {
        let now = Utc::now();
        Self {
            host: host(),
            boot: boot(),
            pid: std::process::id(),
            run: None,
            started: now,
            alive: now,
            beat: now,
            step: 0,
            steps: 0,
        }
    }

    /// How long the work has been silent.
    pub fn silence(&self, now: DateTime<Utc>) -> TimeDelta {
        (now - self.beat).max(TimeDelta::zero())
    }

    /// Whether it holds the trial by itself: it is another machine's, and young.
    pub(crate) fn holds_from_afar(&self, now: DateTime<Utc>) -> bool {
        self.boot != boot() && (now - self.alive).abs() <= COUNTS
    }
}

pub(crate) fn path(trials: &Path, identity: &str) -> PathBuf {
    trials.join(format!("{identity}{ENDING}"))
}

/// The lease of a trial. One that cannot be read was lost to a power failure, with its process.
pub(crate) fn read(trials: &Path, identity: &str) -> Option<Lease> {
    durable::read_json(&path(trials, identity)).ok()
}

/// Writes a lease; it need not outlive the machine.
pub(crate) fn write(path: &Path, lease: &Lease) -> Result<(), Error> {
    durable::replace(path, &durable::json(path, lease)?)
}

/// The identities of all trials with a lease, whether it counts or not.
pub(crate) fn identities(trials: &Path) -> Result<BTreeSet<String>, Error> {
    let mut identities = BTreeSet::new();
    if !trials.exists() {
        return Ok(identities);
    }
    for entry in fs::read_dir(trials)? {
        let name = entry?.file_name();
        let identity = name.to_str().and_then(|name| name.strip_suffix(ENDING));
        identities.extend(identity.map(ToOwned::to_owned));
    }
    Ok(identities)
}

/// The name of this machine.
pub(crate) fn host() -> String {
    let read = |path| fs::read_to_string(path).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| host(), |id| id.trim().to_owned())
}
