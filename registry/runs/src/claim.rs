//! Claims on trials: an OS file lock, which the system releases when its holder dies, and a lease that says who it is.

use std::{
    fs::TryLockError,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chrono::Utc;
use fs_err as fs;

use crate::{
    Error, RunId, durable,
    lease::{self, Lease},
};

/// How often a claim is tried again: a look at the status of a trial holds its lock for some microseconds.
const ATTEMPTS: usize = 5;

/// How often a lease is written at most for its steps.
const BEAT: Duration = Duration::from_secs(2);

/// How often a lease is written at least, while its process is alive. A lease of another machine counts for a minute.
const ALIVE: Duration = Duration::from_secs(10);

/// The right to run a trial, given back when it is dropped or the process ends.
#[derive(Debug)]
pub struct Claim {
    identity: String,
    lease: Arc<Renewed>,
    /// Dropping the sender ends the thread that keeps the lease alive.
    renewal: Option<(Sender<()>, JoinHandle<()>)>,
    // The lock belongs to the open file; dropping the file releases it, after the lease is gone.
    _file: fs::File,
}

/// A lease and its file.
#[derive(Debug)]
struct Renewed {
    path: PathBuf,
    state: Mutex<(Lease, Instant)>,
}

impl Claim {
    /// The trial that is claimed.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Says which run the work is for.
    pub fn set_run(&self, run: &RunId) -> Result<(), Error> {
        let mut state = self.lease.state();
        state.0.run = Some(*run);
        self.lease.write(&mut state)
    }

    /// Says that the work goes on: `step` optimizer updates of `steps` are done. Cheap: others read it with a delay of
    /// up to two seconds.
    pub fn beat(&self, step: u64, steps: u64) {
        let mut state = self.lease.state();
        state.0.beat = Utc::now();
        (state.0.step, state.0.steps) = (step, steps);
        if state.1.elapsed() >= BEAT {
            // Who holds the trial is decided by the lock: a lease that cannot be written must not end the work.
            let _ = self.lease.write(&mut state);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.renewal.take() {
            drop(sender);
            // It only waits and writes; should it have panicked, there is nothing left to do for it.
            let _ = thread.join();
        }
        // One that stays behind says nothing once the lock is free.
        let _ = fs::remove_file(&self.lease.path);
    }
}

impl Renewed {
    fn state(&self) -> MutexGuard<'_, (Lease, Instant)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut (Lease, Instant)) -> Result<(), Error> {
        state.0.alive = Utc::now();
        state.1 = Instant::now();
        lease::write(&self.path, &state.0)
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
            Ok(()) => return hold(trials, identity, file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Writes the lease of a trial whose lock is had, unless another machine holds it.
fn hold(trials: &Path, identity: &str, file: fs::File) -> Result<Option<Claim>, Error> {
    if lease::read(trials, identity).is_some_and(|lease| lease.holds_from_afar(Utc::now())) {
        return Ok(None);
    }
    let path = lease::path(trials, identity);
    let state = Mutex::new((Lease::here(), Instant::now()));
    let lease = Arc::new(Renewed { path, state });
    lease.write(&mut lease.state())?;
    let renewal = renew(lease.clone());
    Ok(Some(Claim { identity: identity.to_owned(), lease, renewal, _file: file }))
}

/// Keeps a lease alive while its process is. Without a thread it is as alive as its beats.
fn renew(lease: Arc<Renewed>) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("lease".into()).spawn(move || {
        while receiver.recv_timeout(ALIVE) == Err(RecvTimeoutError::Timeout) {
            let mut state = lease.state();
            if state.1.elapsed() >= BEAT {
                // The next one may succeed.
                let _ = lease.write(&mut state);
            }
        }
    });
    Some((sender, thread.ok()?))
}

/// Whether somebody holds a trial.
pub(crate) fn is_held(trials: &Path, identity: &str) -> Result<bool, Error> {
    let path = lock_path(trials, identity)?;
    if !path.exists() {
        return Ok(false);
    }
    // A shared lock, so that several processes may look at the same time.
    match fs::File::open(path)?.try_lock_shared() {
        Ok(()) => {
            let lease = lease::read(trials, identity);
            Ok(lease.is_some_and(|lease| lease.holds_from_afar(Utc::now())))
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn lock_path(trials: &Path, identity: &str) -> Result<PathBuf, Error> {
    durable::check_name("identity", identity)?;
    Ok(trials.join(format!("{identity}.lock")))
}
