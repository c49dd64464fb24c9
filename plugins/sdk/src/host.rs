//! The host's services, as a plugin author calls them.

use ablate_abi::v1::{LogLevel, SharedHost};
use std::path::PathBuf;
use std::sync::OnceLock;

static HOST: OnceLock<SharedHost> = OnceLock::new();
static LOG_LEVEL: OnceLock<LogLevel> = OnceLock::new();
static IMAGE: OnceLock<u64> = OnceLock::new();

/// Keeps the services for the life of the image; false when they were given before.
pub(crate) fn install(host: SharedHost, level: LogLevel, image: u64) -> bool {
    let first = HOST.set(host).is_ok();
    if first {
        // The host decides both exactly once, together with the services.
        let _ = LOG_LEVEL.set(level);
        let _ = IMAGE.set(image);
    }
    first
}

/// The number of this image, 0 before `init`.
pub(crate) fn image() -> u64 {
    IMAGE.get().copied().unwrap_or(0)
}

/// Adds a line to the run's log.
pub fn log(level: LogLevel, target: &str, message: &str) {
    if let Some(host) = HOST.get()
        && level <= LOG_LEVEL.get().copied().unwrap_or(LogLevel::INFO)
    {
        host.log(level, target.into(), message.into());
    }
}

/// Says how far `task` is; `total` 0 means unknown.
pub fn progress(task: &str, done: usize, total: usize) {
    if let Some(host) = HOST.get() {
        host.progress(task.into(), done as u64, total as u64);
    }
}

/// Whether to stop as soon as possible with an error of kind `CANCELLED`.
pub fn cancelled() -> bool {
    HOST.get().is_some_and(SharedHost::cancelled)
}

/// Threads that this plugin may use.
pub fn threads() -> usize {
    HOST.get().map_or(1, |host| host.threads() as usize).max(1)
}

/// A folder for caches that outlive the run.
pub fn cache_folder() -> PathBuf {
    HOST.get().map_or_else(std::env::temp_dir, |host| PathBuf::from(host.cache_folder().as_str()))
}
