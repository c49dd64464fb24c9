//! The attempts of a run: each process that worked on it, with its logs and its end.
//!
//! ```text
//! attempts/001/   attempt.json  log.txt  stderr.txt  end.json  result.json (of a failed run that was reopened)
//! ```
//!
//! Nothing here decides what a run is: that does its `result.json`. So nothing is synced: a power failure may cost the
//! record of an attempt, never a result.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Failure, Outcome, Run, Status, durable, lease, measurement::any_float, run::now,
};

/// Who makes an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAttempt {
    /// The process.
    pub pid: u32,
    /// The name of the machine.
    pub host: String,
}

impl NewAttempt {
    /// An attempt by this process.
    #[must_use]
    pub fn here() -> Self {
        Self { pid: std::process::id(), host: lease::host() }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Seconds from its start to its end.
    #[serde(with = "any_float")]
    pub wall_s: f64,
    /// The most memory that its process had resident, if known.
    pub peak_memory_bytes: Option<u64>,
    /// The step that it went on from, if known; 0 from the start.
    pub from_step: Option<u64>,
    /// The last step that it finished, if known.
    pub to_step: Option<u64>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: AttemptOutcome,
}

impl AttemptEnd {
    /// An end now, of which no more is known.
    #[must_use]
    pub fn now(wall_s: f64, outcome: AttemptOutcome) -> Self {
        let (from_step, to_step) = (None, None);
        Self { ended: now(), wall_s, peak_memory_bytes: None, from_step, to_step, outcome }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum AttemptOutcome {
    /// The run is done.
    Done,
    /// It was asked to stop and saved its state.
    Stopped,
    /// It failed.
    Failed {
        /// The class of the failure, such as `non-finite` or `signal`.
        class: String,
        /// The error text.
        message: String,
        /// Advice, one sentence each.
        #[serde(default)]
        hints: Vec<String>,
    },
    /// Its process is gone, and nobody knows how.
    Lost,
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// A process works on it.
    Running,
    /// It finished the run.
    Done,
    /// It was asked to stop and saved its state.
    Stopped,
    /// It failed.
    Failed,
    /// It has no end, and nobody is working on it any more.
    Lost,
}

impl AttemptState {
    /// The word for it, as in the JSON files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

/// An attempt as it is on disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptRecord {
    /// Its number, counted from one.
    pub number: u32,
    /// The folder with its logs.
    pub folder: PathBuf,
    /// When it began.
    pub started: DateTime<Utc>,
    /// Who makes it; `None` when a power failure took the record.
    pub by: Option<NewAttempt>,
    /// Where it stands.
    pub state: AttemptState,
    /// How it ended, if that is known.
    pub end: Option<AttemptEnd>,
}

/// An attempt at a run, for the process that makes it or the one that watches it.
#[derive(Debug)]
pub struct Attempt<'run> {
    run: &'run Run,
    number: u32,
    folder: PathBuf,
}

/// The content of `attempt.json`.
#[derive(Serialize, Deserialize)]
struct Begun {
    started: DateTime<Utc>,
    #[serde(flatten)]
    by: NewAttempt,
}

impl Attempt<'_> {
    /// Its number, counted from one.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The folder with its logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file for what its process writes to stderr; it exists once somebody writes it.
    #[must_use]
    pub fn stderr_path(&self) -> PathBuf {
        self.folder.join("stderr.txt")
    }

    /// The file for its log; it exists once somebody writes it.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// Ends it, unless somebody did already: true when this is the end that stands.
    pub fn end(&self, end: &AttemptEnd) -> Result<bool, Error> {
        self.run.end_attempt(self.number, end)
    }
}

impl Run {
    /// Begins the next attempt: makes its folder and clears what the last one left, such as a mark.
    ///
    /// # Errors
    /// [`Error::AlreadyFinished`] when the run has a result: a failed one is reopened first.
    pub fn begin_attempt(&self, new: &NewAttempt) -> Result<Attempt<'_>, Error> {
        if self.result()?.is_some() {
            return Err(Error::AlreadyFinished { run: self.id().to_string() });
        }
        remove_half_written(self.folder())?;
        fs::create_dir_all(attempts(self.folder()))?;
        let mut number = numbers(self.folder())?.last().copied().unwrap_or(0);
        let folder = loop {
            number += 1;
            let folder = folder_of(self.folder(), number);
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        };
        let path = folder.join("attempt.json");
        let begun = Begun { started: now(), by: new.clone() };
        durable::replace(&path, &durable::json(&path, &begun)?)?;
        if number > 1 {
            self.unmark()?;
            self.tell_index()?;
        }
        Ok(Attempt { run: self, number, folder })
    }

    /// The attempt of this number.
    ///
    /// # Errors
    /// [`Error::NoAttempt`] when there is none.
    pub fn attempt(&self, number: u32) -> Result<Attempt<'_>, Error> {
        let folder = folder_of(self.folder(), number);
        if folder.is_dir() {
            Ok(Attempt { run: self, number, folder })
        } else {
            Err(Error::NoAttempt { run: self.id().to_string(), number })
        }
    }

    /// All attempts, oldest first. One without an end is running while it is the last and its trial is claimed.
    pub fn attempts(&self) -> Result<Vec<AttemptRecord>, Error> {
        let numbers = numbers(self.folder())?;
        let mut records = Vec::with_capacity(numbers.len());
        for number in numbers {
            let folder = folder_of(self.folder(), number);
            let begun: Option<Begun> = durable::read_json(&folder.join("attempt.json")).ok();
            let end = read_end(&folder);
            let state = end.as_ref().map_or(AttemptState::Lost, |end| match end.outcome {
                AttemptOutcome::Done => AttemptState::Done,
                AttemptOutcome::Stopped => AttemptState::Stopped,
                AttemptOutcome::Failed { .. } => AttemptState::Failed,
                AttemptOutcome::Lost => AttemptState::Lost,
            });
            let started = begun.as_ref().map_or(self.created(), |begun| begun.started);
            let by = begun.map(|begun| begun.by);
            records.push(AttemptRecord { number, folder, started, by, state, end });
        }
        if let Some(last) = records.last_mut().filter(|last| last.end.is_none())
            && self.status()? == Status::Running
        {
            last.state = AttemptState::Running;
        }
        Ok(records)
    }

    /// Ends the attempt of this number unless somebody did already: true when this is the end that stands.
    ///
    /// Whoever sees a process die may say so here.
    pub fn end_attempt(&self, number: u32, end: &AttemptEnd) -> Result<bool, Error> {
        let path = end_path(self.attempt(number)?.folder());
        let written = durable::write_once(&path, &durable::json(&path, end)?)?;
        // The end of a run tells the index by itself.
        if written && matches!(end.outcome, AttemptOutcome::Stopped | AttemptOutcome::Lost) {
            self.tell_index()?;
        }
        Ok(written)
    }
}

impl Run {
    /// For whoever saw the process of an attempt die: ends that attempt, and with it the run, as failed. True when the
    /// run ended by this; it does not when it has a result, or when somebody has begun another attempt or claimed the
    /// trial meanwhile.
    pub fn end_dead_attempt(
        &self,
        number: u32,
        end: &AttemptEnd,
        failure: &Failure,
    ) -> Result<bool, Error> {
        self.end_attempt(number, end)?;
        let Some(_claim) = self.claim()? else { return Ok(false) };
        if self.result()?.is_some() || numbers(self.folder())?.last() != Some(&number) {
            return Ok(false);
        }
        self.finish(&Outcome {
            error: Some(failure.clone()),
            wall_s: end.wall_s,
            peak_memory_bytes: end.peak_memory_bytes,
            ..Outcome::default()
        })?;
        Ok(true)
    }
}

/// An outcome over all attempts of a run: seconds add up, memory is the most of any.
pub(crate) fn total(run: &Path, outcome: &Outcome) -> Result<Outcome, Error> {
    let mut outcome = outcome.clone();
    let numbers = numbers(run)?;
    let ends = numbers.iter().map(|number| read_end(&folder_of(run, *number)));
    let ends: Vec<Option<AttemptEnd>> = ends.collect();
    let earlier: f64 = ends.iter().flatten().map(|end| end.wall_s).sum();
    outcome.wall_s = match ends.last() {
        // The last attempt has said how long it took: it is in the sum.
        Some(Some(_)) => earlier.max(outcome.wall_s),
        _ => earlier + outcome.wall_s,
    };
    let peaks = ends.iter().flatten().filter_map(|end| end.peak_memory_bytes);
    outcome.peak_memory_bytes = peaks.chain(outcome.peak_memory_bytes).max();
    Ok(outcome)
}

/// Whether the last attempt was asked to stop.
pub(crate) fn is_stopped(run: &Path) -> Result<bool, Error> {
    let end = last_folder(run)?.and_then(|folder| read_end(&folder));
    Ok(end.is_some_and(|end| end.outcome == AttemptOutcome::Stopped))
}

/// The folder of the last attempt.
pub(crate) fn last_folder(run: &Path) -> Result<Option<PathBuf>, Error> {
    let last = numbers(run)?.last().copied();
    Ok(last.map(|number| folder_of(run, number)))
}

/// Removes what killed processes left of files that they were writing, in the run and in its attempts. Whoever begins an
/// attempt holds the claim, so no trial is writing beside it; a coordinator that is just ending an earlier attempt loses
/// that end, which is not worth keeping what dead ones left.
fn remove_half_written(run: &Path) -> Result<(), Error> {
    let of_attempts = numbers(run)?.into_iter().map(|number| folder_of(run, number));
    for folder in std::iter::once(run.to_path_buf()).chain(of_attempts) {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let half = entry.file_name().to_str().is_some_and(durable::is_temporary);
            if half && entry.file_type()?.is_file() {
                // The one who was writing it may have come to its end meanwhile.
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// The numbers of all attempts, sorted.
fn numbers(run: &Path) -> Result<Vec<u32>, Error> {
    let attempts = attempts(run);
    if !attempts.exists() {
        return Ok(Vec::new());
    }
    let mut numbers = Vec::new();
    for entry in fs::read_dir(attempts)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn attempts(run: &Path) -> PathBuf {
    run.join("attempts")
}

fn folder_of(run: &Path, number: u32) -> PathBuf {
    attempts(run).join(format!("{number:03}"))
}

fn end_path(attempt: &Path) -> PathBuf {
    attempt.join("end.json")
}

/// An end that cannot be read was lost to a power failure: the attempt has none.
fn read_end(attempt: &Path) -> Option<AttemptEnd> {
    durable::read_json(&end_path(attempt)).ok()
}
