//! Claims on trials: an OS file lock, which the system releases when its holder dies.

use std::{fs::TryLockError, path::Path, thread, time::Duration};

use fs_err as fs;

use crate::{Error, durable};

/// How often a claim is tried again: a look at the status of a trial holds its lock for some microseconds.
const ATTEMPTS: usize = 5;

/// The right to run a trial, given back when it is dropped or the process ends.
#[derive(Debug)]
pub struct Claim {
    // The lock belongs to the open file; dropping the file releases it.
    _file: fs::File,
    identity: String,
}

impl Claim {
    /// The trial that is claimed.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

pub(crate) fn claim(trials: &Path, identity: &str) -> Result<Option<Claim>, Error> {
    let path = lock_path(trials, identity)?;
    let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(Duration::from_millis(2));
        }
        match file.try_lock() {
            Ok(()) => return Ok(Some(Claim { _file: file, identity: identity.to_owned() })),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Whether somebody holds the lock of a trial.
pub(crate) fn is_held(trials: &Path, identity: &str) -> Result<bool, Error> {
    let path = lock_path(trials, identity)?;
    if !path.exists() {
        return Ok(false);
    }
    // A shared lock, so that several processes may look at the same time.
    match fs::OpenOptions::new().read(true).write(true).open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn lock_path(trials: &Path, identity: &str) -> Result<std::path::PathBuf, Error> {
    durable::check_name("identity", identity)?;
    Ok(trials.join(format!("{identity}.lock")))
}
