//! The store: all runs under one home folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use fs_err as fs;

use crate::{
    Claim, Error, Filter, Lease, Measurement, NewRun, Rebuilt, Run, RunId, RunSummary, Status,
    SweepRecord, SweepSummary, TrialState, Unreadable, claim, folders,
    index::Index,
    lease,
    rows::{self, Ends, Entry, Selection},
    run,
    summary::{describe, summary},
    sweeps,
};

/// How many runs an error lists.
const LISTED: usize = 5;

/// Up to so many trials are looked at one by one.
const FEW: usize = 256;

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
    sweeps: PathBuf,
    index: Index,
    /// Nothing in the home can be written.
    read_only: bool,
}

impl Store {
    /// Opens the store under `home`, making what is not there yet, and brings the index up to date with the folders.
    ///
    /// A home that cannot be written is opened for reading: what reads works, what writes says
    /// [`Error::ReadOnly`].
    pub fn open(home: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::new(home.into(), true)
    }

    /// Opens the store under `home` for a child of a process that has just opened it: takes the index as it is.
    ///
    /// Comparing thousands of folders with the index takes some milliseconds, which every trial would pay. Only a run
    /// whose process died between making its folder and telling the index is not seen before the next [`Store::open`].
    pub fn attach(home: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::new(home.into(), false)
    }

    fn new(home: PathBuf, reconcile: bool) -> Result<Self, Error> {
        let (runs, trials, sweeps) = (home.join("runs"), home.join("trials"), home.join("sweeps"));
        let index = Index::new(&home);
        let made = fs::create_dir_all(&runs)
            .and_then(|()| fs::create_dir_all(&trials))
            .map_err(Error::from)
            .and_then(|()| index.probe());
        let opened = match made {
            Ok(()) if reconcile => index.reconcile(),
            other => other,
        };
        let (index, read_only) = match opened {
            Ok(()) => (index, false),
            // Also a full disk must not keep anybody from looking.
            Err(error) if runs.is_dir() && (error.is_read_only() || error.is_full()) => {
                let index = Index::in_memory(&home)?;
                index.reconcile()?;
                (index, error.is_read_only())
            }
            Err(error) => return Err(error),
        };
        Ok(Self { shared: Arc::new(Shared { home, runs, trials, sweeps, index, read_only }) })
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.shared.home
    }

    /// Whether nothing in the home can be written.
    pub fn is_read_only(&self) -> bool {
        self.shared.read_only
    }

    /// Makes the index anew from the run folders.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        self.rebuild_with(&mut |_, _| {})
    }

    /// Makes the index anew; `progress` hears how many run folders of how many are read.
    pub fn rebuild_with(&self, progress: &mut dyn FnMut(usize, usize)) -> Result<Rebuilt, Error> {
        self.writable()?;
        self.index().rebuild(progress)
    }

    /// The run folders that cannot be read, wholly or in part.
    pub fn unreadable(&self) -> Result<Vec<Unreadable>, Error> {
        let unreadable = self.index().unreadable()?.into_iter();
        let folder = |name: String| self.shared.runs.join(name);
        Ok(unreadable.map(|(name, reason)| Unreadable { folder: folder(name), reason }).collect())
    }

    /// Creates a run without a result. It counts as running while its trial is claimed.
    pub fn create(&self, new: NewRun) -> Result<Run, Error> {
        self.writable()?;
        let run = Run::create(self, &self.shared.runs, new)?;
        self.index().put(&run.entry(), &[])?;
        Ok(run)
    }

    /// Claims a trial; `None` when somebody else has it.
    pub fn claim(&self, identity: &str) -> Result<Option<Claim>, Error> {
        self.writable()?;
        claim::claim(&self.shared.trials, identity)
    }

    /// Whether somebody has claimed a trial.
    pub fn is_claimed(&self, identity: &str) -> Result<bool, Error> {
        claim::is_held(&self.shared.trials, identity)
    }

    /// Who has claimed a trial, as far as it said so; it may be gone since.
    pub fn lease(&self, identity: &str) -> Option<Lease> {
        lease::read(&self.shared.trials, identity)
    }

    /// Where the trials of a sweep stand, by identity. A trial is queued until it has a run.
    pub fn trial_states(&self, sweep: &SweepRecord) -> Result<BTreeMap<String, TrialState>, Error> {
        let latest = self.latest(sweep.trials.iter().map(|trial| &trial.identity))?;
        let state = |identity: &String| {
            latest.get(identity).map_or(TrialState::Queued, |run| TrialState::from(run.status))
        };
        let trials = sweep.trials.iter();
        Ok(trials.map(|trial| (trial.identity.clone(), state(&trial.identity))).collect())
    }

    /// All runs of a trial, newest first.
    pub fn by_identity(&self, identity: &str) -> Result<Vec<RunSummary>, Error> {
        self.runs(&Filter { identity: Some(identity.to_owned()), ..Filter::default() })
    }

    /// Of each of these trials the run that counts: the one that is done, else the newest.
    /// Trials without a run are left out.
    pub fn latest<I: AsRef<str>>(
        &self,
        identities: impl IntoIterator<Item = I>,
    ) -> Result<BTreeMap<String, RunSummary>, Error> {
        let identities: BTreeSet<String> =
            identities.into_iter().map(|identity| identity.as_ref().to_owned()).collect();
        let identities: Vec<_> = identities.into_iter().collect();
        let entries =
            self.healed(|index| index.with(|connection| rows::of_trials(connection, &identities)))?;
        let mut counts: BTreeMap<String, Entry> = BTreeMap::new();
        for entry in entries {
            let is_done =
                |entry: &Entry| entry.end.as_ref().is_some_and(|end| end.status == Status::Done);
            match counts.get(&entry.identity) {
                Some(known) if is_done(known) || !is_done(&entry) => {}
                _ => drop(counts.insert(entry.identity.clone(), entry)),
            }
        }
        let summaries = self.summaries(counts.into_values().collect())?;
        Ok(summaries.into_iter().map(|summary| (summary.identity.clone(), summary)).collect())
    }

    /// The measurements that the tables are made of, of finished runs; runs without any are left out.
    pub fn finals(&self, ids: &[RunId]) -> Result<BTreeMap<RunId, Vec<Measurement>>, Error> {
        let texts = self.index().with(|connection| rows::finals(connection, ids))?;
        let parse = |(id, text): (RunId, String)| match serde_json::from_str(&text) {
            Ok(finals) => Ok((id, finals)),
            // Whatever is wrong with the index: the folder has them too.
            Err(_) => Ok((id, self.run(&id)?.result()?.map_or(Vec::new(), |r| r.outcome.finals))),
        };
        texts.into_iter().map(parse).collect()
    }

    /// The names of the variants of an experiment that have a finished run.
    pub fn done_variants(&self, experiment: &str) -> Result<Vec<String>, Error> {
        self.heal_all()?;
        let sql = "SELECT DISTINCT variant FROM runs WHERE experiment = ?1 AND status = ?2 ORDER BY variant";
        let done = Status::Done.as_str();
        self.index().with(|connection| rows::texts(connection, sql, &[&experiment, &done]))
    }

    /// The names of all experiments that have runs.
    pub fn experiments(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT DISTINCT experiment FROM runs ORDER BY experiment";
        self.index().with(|connection| rows::texts(connection, sql, &[]))
    }

    /// The runs that a filter lets through, newest first.
    pub fn runs(&self, filter: &Filter) -> Result<Vec<RunSummary>, Error> {
        let (end, by_claim) = match filter.status {
            None => (Ends::Any, None),
            Some(status @ (Status::Done | Status::Failed)) => (Ends::With(status), None),
            Some(status @ (Status::Running | Status::Lost)) => (Ends::Open, Some(status)),
        };
        if matches!(end, Ends::With(_)) {
            self.heal_all()?;
        }
        let selection = Selection {
            identity: filter.identity.as_deref(),
            experiment: filter.experiment.as_deref(),
            variant: filter.variant.as_deref(),
            end,
            // Whether a trial is claimed is not in the index.
            limit: filter.limit.filter(|_| by_claim.is_none()),
        };
        let mut entries = self.healed(|index| index.select(&selection))?;
        if let Some(status) = by_claim {
            let running = self.running(&entries)?;
            let wanted = status == Status::Running;
            entries.retain(|entry| running.contains_key(&entry.id) == wanted);
            entries.truncate(filter.limit.unwrap_or(usize::MAX));
        }
        self.summaries(entries)
    }

    /// The line of the list for one run.
    pub fn summary(&self, run: &Run) -> Result<RunSummary, Error> {
        let entry = folders::read(run.folder())?.entry;
        Ok(self.summaries(vec![entry])?.remove(0))
    }

    /// The shortest prefix of an id that no other run shares, without hyphens.
    pub fn short(&self, id: &RunId) -> Result<String, Error> {
        Ok(self.index().shorten(&[*id])?.pop().unwrap_or_default())
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
        let found =
            self.index().with(|connection| rows::starting_with(connection, &digits, LISTED + 1))?;
        match found.as_slice() {
            [] => Err(self.not_found(prefix)?),
            [only] => self.run(&only.id),
            _ => {
                let candidates = self.described(found)?;
                Err(Error::Ambiguous { prefix: prefix.to_owned(), candidates })
            }
        }
    }

    /// Keeps a sweep, unless it is the same as the last one of its experiment; true when it was written.
    pub fn record_sweep(&self, record: &SweepRecord) -> Result<bool, Error> {
        self.writable()?;
        sweeps::record(&self.shared.sweeps, record)
    }

    /// The file of the last sweep of an experiment.
    pub fn last_sweep_file(&self, experiment: &str) -> Result<Option<PathBuf>, Error> {
        sweeps::last_file(&self.shared.sweeps, experiment)
    }

    /// The sweep of an experiment that was recorded last.
    pub fn last_sweep(&self, experiment: &str) -> Result<Option<SweepRecord>, Error> {
        sweeps::last(&self.shared.sweeps, experiment)
    }

    /// All recorded sweeps, newest first.
    pub fn sweeps(&self) -> Result<Vec<SweepSummary>, Error> {
        sweeps::list(&self.shared.sweeps)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.shared.index
    }

    /// Running or lost, for a run without a result.
    pub(crate) fn open_status(&self, id: &RunId, identity: &str) -> Result<Status, Error> {
        if !claim::is_held(&self.shared.trials, identity)? {
            return Ok(Status::Lost);
        }
        let run = match self.lease(identity).and_then(|lease| lease.run) {
            Some(run) => Some(run),
            None => self.newest(identity, Ends::Open)?,
        };
        Ok(if run.is_none_or(|run| run == *id) { Status::Running } else { Status::Lost })
    }

    /// For whoever is about to write: whether that is possible.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] names the home.
    pub fn writable(&self) -> Result<(), Error> {
        if !self.shared.read_only {
            return Ok(());
        }
        match Index::new(&self.shared.home).probe() {
            Ok(()) => Ok(()),
            Err(source) => {
                Err(Error::ReadOnly { home: self.shared.home.clone(), source: Box::new(source) })
            }
        }
    }

    /// The unfinished ones among these that somebody is working on: of a claimed trial the run that its lease names,
    /// else the newest.
    fn running(&self, entries: &[Entry]) -> Result<BTreeMap<RunId, Option<Lease>>, Error> {
        let trials = &self.shared.trials;
        let open = entries.iter().filter(|entry| entry.end.is_none());
        let mut identities: BTreeSet<&str> = open.map(|entry| entry.identity.as_str()).collect();
        if identities.len() > FEW {
            // One look at the folder instead of one at each trial.
            let leases = lease::identities(trials)?;
            identities.retain(|identity| leases.contains(*identity));
        }
        let mut running = BTreeMap::new();
        for identity in identities {
            let Some(lease) = lease::read(trials, identity) else { continue };
            if claim::is_held(trials, identity)? {
                let run =
                    lease.run.map_or_else(|| self.newest(identity, Ends::Open), |r| Ok(Some(r)));
                running.extend(run?.map(|run| (run, Some(lease))));
            }
        }
        Ok(running)
    }

    fn newest(&self, identity: &str, end: Ends) -> Result<Option<RunId>, Error> {
        let identity = Some(identity);
        let newest = Selection { identity, end, limit: Some(1), ..Selection::default() };
        Ok(self.index().select(&newest)?.first().map(|entry| entry.id))
    }

    /// The newest run of a trial.
    pub(crate) fn newest_run(&self, identity: &str) -> Result<Option<RunId>, Error> {
        self.newest(identity, Ends::Any)
    }

    /// What a query of the index says, after the rows of runs have been put right whose process died after the
    /// result was in place and before the index was told.
    fn healed(
        &self,
        query: impl Fn(&Index) -> Result<Vec<Entry>, Error>,
    ) -> Result<Vec<Entry>, Error> {
        let entries = query(self.index())?;
        if self.heal(&entries)? { query(self.index()) } else { Ok(entries) }
    }

    fn heal_all(&self) -> Result<(), Error> {
        let open = Selection { end: Ends::Open, ..Selection::default() };
        self.heal(&self.index().select(&open)?).map(drop)
    }

    fn heal(&self, entries: &[Entry]) -> Result<bool, Error> {
        let mut healed = false;
        for entry in entries.iter().filter(|entry| entry.end.is_none()) {
            let folder = self.shared.runs.join(entry.id.to_string());
            if run::is_finished(&folder) {
                let found = folders::read(&folder)?;
                self.index().put(&found.entry, &found.finals)?;
                healed = true;
            } else if !run::is_there(&folder) {
                // Somebody removed it since the store was opened, perhaps not all of it.
                let id = entry.id.digits();
                self.index().with(|connection| rows::remove(connection, &id))?;
                healed = true;
            }
        }
        Ok(healed)
    }

    fn summaries(&self, entries: Vec<Entry>) -> Result<Vec<RunSummary>, Error> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let mut running = self.running(&entries)?;
        let shorts = self.index().shorten(&ids)?;
        let summary = |(entry, short)| summary(entry, short, &mut running);
        Ok(entries.into_iter().zip(shorts).map(summary).collect())
    }

    fn not_found(&self, prefix: &str) -> Result<Error, Error> {
        let newest = Selection { limit: Some(LISTED), ..Selection::default() };
        let recent = self.described(self.index().select(&newest)?)?;
        Ok(Error::NotFound { prefix: prefix.to_owned(), recent })
    }

    /// One short text for each.
    fn described(&self, mut entries: Vec<Entry>) -> Result<Vec<String>, Error> {
        entries.truncate(LISTED);
        Ok(self.summaries(entries)?.iter().map(describe).collect())
    }
}
