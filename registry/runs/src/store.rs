//! The store: all runs under one home folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use fs_err as fs;
use serde::Serialize;

use crate::{
    Claim, Error, NewRun, Rebuilt, Run, RunId, Status, claim,
    id::unique_length,
    index::{Ends, Entry, Index, Selection},
    run,
};

/// How many runs an error lists.
const LISTED: usize = 5;

/// All runs under one home folder. Cheap to clone; any number of processes may use the same home.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: PathBuf,
    runs: PathBuf,
    trials: PathBuf,
    index: Index,
}

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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Seconds that it took, if it has ended.
    pub wall_s: Option<f64>,
    /// The most memory that it had resident, if known.
    pub peak_memory_bytes: Option<u64>,
    /// The error text of a failed run.
    pub error: Option<String>,
}

impl Store {
    /// Opens the store under `home`, making what is not there yet.
    pub fn open(home: impl Into<PathBuf>) -> Result<Self, Error> {
        let home = home.into();
        let runs = home.join("runs");
        let trials = home.join("trials");
        fs::create_dir_all(&runs)?;
        fs::create_dir_all(&trials)?;
        let index = Index::new(&home);
        index.reconcile()?;
        Ok(Self { shared: Arc::new(Shared { home, runs, trials, index }) })
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.shared.home
    }

    /// Makes the index anew from the run folders.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        self.index().rebuild()
    }

    /// Creates a run without a result. It counts as running while its trial is claimed.
    pub fn create(&self, new: NewRun) -> Result<Run, Error> {
        let run = Run::create(self, &self.shared.runs, new)?;
        self.index().put(&run.entry())?;
        Ok(run)
    }

    /// Claims a trial; `None` when somebody else has it.
    pub fn claim(&self, identity: &str) -> Result<Option<Claim>, Error> {
        claim::claim(&self.shared.trials, identity)
    }

    /// All runs of a trial, newest first.
    pub fn by_identity(&self, identity: &str) -> Result<Vec<RunSummary>, Error> {
        self.runs(&Filter { identity: Some(identity.to_owned()), ..Filter::default() })
    }

    /// The runs that a filter lets through, newest first.
    pub fn runs(&self, filter: &Filter) -> Result<Vec<RunSummary>, Error> {
        let running = self.running()?;
        let ids = self.index().ids()?;
        let (end, by_lock) = match filter.status {
            None => (Ends::Any, None),
            Some(status @ (Status::Done | Status::Failed)) => (Ends::With(status), None),
            Some(status @ (Status::Running | Status::Lost)) => (Ends::Open, Some(status)),
        };
        let entries = self.index().select(&Selection {
            identity: filter.identity.as_deref(),
            experiment: filter.experiment.as_deref(),
            variant: filter.variant.as_deref(),
            end,
            // Whether a lock is held is not in the index.
            limit: filter.limit.filter(|_| by_lock.is_none()),
        })?;
        let mut summaries: Vec<_> =
            entries.into_iter().map(|entry| summary(entry, &running, &ids)).collect();
        if let Some(status) = by_lock {
            summaries.retain(|summary| summary.status == status);
            summaries.truncate(filter.limit.unwrap_or(usize::MAX));
        }
        Ok(summaries)
    }

    /// The shortest prefix of an id that no other run shares, without hyphens.
    pub fn short(&self, id: &RunId) -> Result<String, Error> {
        Ok(shorten(id, &self.index().ids()?))
    }

    /// The run with this id.
    pub fn run(&self, id: &RunId) -> Result<Run, Error> {
        let folder = self.shared.runs.join(id.to_string());
        if folder.exists() {
            Run::load(self, folder)
        } else {
            Err(self.not_found(&id.to_string())?)
        }
    }

    /// The run whose id starts so, with or without hyphens.
    pub fn find(&self, prefix: &str) -> Result<Run, Error> {
        let digits = prefix.replace('-', "").to_ascii_lowercase();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.not_found(prefix)?);
        }
        let found = self.index().starting_with(&digits, LISTED + 1)?;
        match found.as_slice() {
            [] => Err(self.not_found(prefix)?),
            [id] => self.run(id),
            _ => {
                let candidates = self.describe(|summary| found.contains(&summary.id))?;
                Err(Error::Ambiguous { prefix: prefix.to_owned(), candidates })
            }
        }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.shared.index
    }

    /// Running or lost, for a run without a result.
    pub(crate) fn open_status(&self, id: &RunId, identity: &str) -> Result<Status, Error> {
        let selection = Selection {
            identity: Some(identity),
            end: Ends::Open,
            limit: Some(1),
            ..Selection::default()
        };
        let newest = self.index().select(&selection)?.first().is_none_or(|entry| entry.id <= *id);
        let running = newest && claim::is_held(&self.shared.trials, identity)?;
        Ok(if running { Status::Running } else { Status::Lost })
    }

    /// The runs without a result that somebody is working on: of each claimed trial the newest.
    fn running(&self) -> Result<BTreeSet<RunId>, Error> {
        let mut newest = BTreeMap::new();
        for entry in self.index().select(&Selection { end: Ends::Open, ..Selection::default() })? {
            let folder = self.shared.runs.join(entry.id.to_string());
            if run::is_finished(&folder) {
                // Its process died after the result was in place and before the index was told.
                self.index().put(&run::read_entry(&folder)?)?;
            } else {
                newest.entry(entry.identity).or_insert(entry.id);
            }
        }
        let mut running = BTreeSet::new();
        for (identity, id) in newest {
            if claim::is_held(&self.shared.trials, &identity)? {
                running.insert(id);
            }
        }
        Ok(running)
    }

    fn not_found(&self, prefix: &str) -> Result<Error, Error> {
        Ok(Error::NotFound { prefix: prefix.to_owned(), recent: self.describe(|_| true)? })
    }

    /// One short text for each of the newest runs that `wanted` lets through.
    fn describe(&self, wanted: impl Fn(&RunSummary) -> bool) -> Result<Vec<String>, Error> {
        let summaries = self.runs(&Filter::default())?;
        Ok(summaries.iter().filter(|summary| wanted(summary)).take(LISTED).map(describe).collect())
    }
}

fn describe(summary: &RunSummary) -> String {
    let RunSummary { short, experiment, variant, seed, .. } = summary;
    format!("`{short}` ({experiment} {variant} seed {seed})")
}

fn summary(entry: Entry, running: &BTreeSet<RunId>, ids: &[String]) -> RunSummary {
    let open = if running.contains(&entry.id) { Status::Running } else { Status::Lost };
    let end = entry.end.as_ref();
    RunSummary {
        id: entry.id,
        short: shorten(&entry.id, ids),
        status: end.map_or(open, |end| end.status),
        finished: end.map(|end| end.finished),
        wall_s: end.map(|end| end.wall_s),
        peak_memory_bytes: end.and_then(|end| end.peak_memory_bytes),
        error: entry.end.and_then(|end| end.error),
        identity: entry.identity,
        experiment: entry.experiment,
        variant: entry.variant,
        seed: entry.seed,
        created: entry.created,
    }
}

fn shorten(id: &RunId, ids: &[String]) -> String {
    let mut digits = id.digits();
    let at = ids.partition_point(|other| *other < digits);
    let before = at.checked_sub(1).and_then(|index| ids.get(index));
    let after = ids.get(at..).and_then(|rest| rest.iter().find(|other| **other != digits));
    let length = unique_length(&digits, before.map(String::as_str), after.map(String::as_str));
    digits.truncate(length);
    digits
}
