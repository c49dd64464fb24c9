//! Progress of work that several threads do, and its cancellation.

use std::sync::{Mutex, PoisonError};

use ablate_sdk::{Error, ErrorKind, host};

/// Messages per task, at most: tasks of a million steps need no million messages.
const MESSAGES: usize = 500;

/// Counts steps and tells the host, in order.
pub(crate) struct Progress {
    task: &'static str,
    total: usize,
    done: Mutex<usize>,
}

impl Progress {
    pub(crate) fn new(task: &'static str, total: usize) -> Self {
        host::progress(task, 0, total);
        Self { task, total, done: Mutex::new(0) }
    }

    /// One step more.
    pub(crate) fn step(&self) {
        // Held while the host is told, so that numbers never go back.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        if *done == self.total || (*done).is_multiple_of(self.total / MESSAGES + 1) {
            host::progress(self.task, *done, self.total);
        }
    }

    /// # Errors
    /// When the host wants the task to stop.
    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        if host::cancelled() { Err(self.cancelled()) } else { Ok(()) }
    }

    pub(crate) fn cancelled(&self) -> Error {
        Error::new(ErrorKind::CANCELLED, format!("`{}` was cancelled", self.task))
    }
}
