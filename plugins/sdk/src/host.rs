//! The host's services, as a plugin author calls them.
//!
//! Records of the crate `log` and events of `tracing`, of the plugin itself and of every crate
//! inside it, go to the run's log as well, from any thread:
//!
//! ```
//! ablate_sdk::log::warn!("{} of {} files cannot be read", 2, 14);
//! ```
//!
//! `ablate logs` shows them with the plugin's name, the place of the component that was at work, and
//! the module that spoke. What is printed goes to the file `stderr.txt` of the attempt.

use crate::{logging, panics};
use ablate_abi::v1::{LogLevel, SharedHost};
use std::path::PathBuf;
use std::sync::OnceLock;

static HOST: OnceLock<SharedHost> = OnceLock::new();
static LOG_LEVEL: OnceLock<LogLevel> = OnceLock::new();
static IMAGE: OnceLock<u64> = OnceLock::new();

/// The number of plugins that are linked into the host's program.
const LINKED_IMAGE: u64 = u64::MAX;

/// Keeps the services for the life of the image; false when they were given before.
pub(crate) fn install(host: SharedHost, level: LogLevel, image: u64) -> bool {
    let first = HOST.set(host).is_ok();
    if first {
        // The host decides both exactly once, together with the services.
        let _ = LOG_LEVEL.set(level);
        let _ = IMAGE.set(image);
        panics::install_hook();
        // A program that plugins are linked into has a log of its own.
        if is_a_library() {
            logging::install(level);
        }
    }
    first
}

/// The number of this image, 0 before `init`.
pub(crate) fn image() -> u64 {
    IMAGE.get().copied().unwrap_or(0)
}

/// Whether this image is a library that was given to the host, and has statics of its own.
pub(crate) fn is_a_library() -> bool {
    !matches!(image(), 0 | LINKED_IMAGE)
}

/// Whether the host wants to see lines of this level.
pub(crate) fn wants(level: LogLevel) -> bool {
    level <= LOG_LEVEL.get().copied().unwrap_or(LogLevel::INFO)
}

/// Hands a line to the host as it is.
pub(crate) fn pass_on(level: LogLevel, target: &str, message: &str) {
    if let Some(host) = HOST.get() {
        host.log(level, target.into(), message.into());
    }
}

/// Adds a line to the run's log; `target` is what speaks.
pub fn log(level: LogLevel, target: &str, message: &str) {
    if wants(level) {
        logging::say(level, target, message);
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

/// A path for an artifact of this run, where nothing is yet: a file or a folder may be made there.
/// A component that may occur twice puts its place into the name.
///
/// # Errors
/// Outside of a run.
pub fn new_artifact(name: &str) -> Result<PathBuf, crate::Error> {
    let host = HOST.get().ok_or_else(|| crate::Error::unsupported("there is no host"))?;
    let path = host.new_artifact(name.into()).into_result()?;
    Ok(PathBuf::from(path.as_str()))
}
