//! What this process offers to the plugins it has opened: everything becomes a line for the parent,
//! and in a trial what is logged stands in the run's log too.

use crate::child::Said;
use crate::printer;
use ablate_loader::Services;
use ablate_runs::Run;
use chrono::{SecondsFormat, Utc};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Says progress and log lines to the parent process.
pub(crate) struct Reporting {
    cache: PathBuf,
    artifacts: Option<PathBuf>,
    log: Option<PathBuf>,
    stop: &'static AtomicBool,
    last: Mutex<Option<Instant>>,
}

impl Reporting {
    pub(crate) fn new(home: &Path, stop: &'static AtomicBool) -> Self {
        let cache = home.join("cache");
        Self { cache, artifacts: None, log: None, stop, last: Mutex::new(None) }
    }

    /// With the log of an attempt and its run's folder for artifacts.
    pub(crate) fn with_run(mut self, run: &Run, log: &Path) -> Self {
        self.artifacts = Some(run.artifacts());
        self.log = Some(log.to_owned());
        self
    }
}

/// Adds a line to a log.
pub(crate) fn write_log(log: &Path, text: &str) {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let file = fs_err::OpenOptions::new().create(true).append(true).open(log);
    // A log that cannot be written must not end the trial; its measurements are elsewhere.
    let _ = file.and_then(|mut file| writeln!(file, "{time} {text}"));
}

impl Services for Reporting {
    fn log(&self, level: u32, target: &str, message: &str) {
        let message = format!("{target}: {message}");
        if let Some(log) = &self.log {
            let names = ["", "error", "warning", "info", "debug"];
            let name = names.get(level as usize).copied().unwrap_or_default();
            write_log(log, &format!("{name}: {message}"));
        }
        printer::line(&Said::Log { level, message });
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
