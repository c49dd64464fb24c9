//! What this process offers to the plugins it has opened: everything becomes a line for the parent.

use crate::child::Said;
use crate::printer;
use ablate_loader::Services;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Says progress and log lines to the parent process.
pub(crate) struct Reporting {
    cache: PathBuf,
    artifacts: Option<PathBuf>,
    stop: &'static AtomicBool,
    last: Mutex<Option<Instant>>,
}

impl Reporting {
    pub(crate) fn new(home: &std::path::Path, stop: &'static AtomicBool) -> Self {
        Self { cache: home.join("cache"), artifacts: None, stop, last: Mutex::new(None) }
    }

    /// With a folder for the artifacts of this run.
    pub(crate) fn with_artifacts(mut self, folder: PathBuf) -> Self {
        self.artifacts = Some(folder);
        self
    }
}

impl Services for Reporting {
    fn log(&self, level: u32, target: &str, message: &str) {
        printer::line(&Said::Log { level, message: format!("{target}: {message}") });
    }

    fn progress(&self, task: &str, done: u64, total: u64) {
        // Plugins may report every item; people read ten lines a second.
        if let Ok(mut last) = self.last.lock() {
            let due = last.is_none_or(|last| last.elapsed() > Duration::from_millis(100));
            if due || done >= total {
                *last = Some(Instant::now());
                printer::line(&Said::Progress { task: task.to_owned(), done, total });
            }
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn cache_folder(&self) -> PathBuf {
        self.cache.clone()
    }

    fn new_artifact(&self, name: &str) -> Option<PathBuf> {
        self.artifacts.as_ref().map(|folder| folder.join(name))
    }
}
