//! The host's services behind the border's trait object.

use ablate_abi::v1::{
    ErrorKind, Host, Host_TO, LogLevel, PluginError, RArc, RErr, ROk, RResult, RStr, RString,
    SharedHost, TD_Opaque, guard,
};
use std::path::PathBuf;

/// What the program around the loader offers to plugins.
pub trait Services: Send + Sync + 'static {
    /// A line for the run's log; `level` 1 is an error, 4 is debugging detail.
    fn log(&self, level: u32, target: &str, message: &str);

    /// How far a task is; `total` 0 means unknown.
    fn progress(&self, task: &str, done: u64, total: u64);

    /// Whether plugins should stop as soon as possible.
    fn cancelled(&self) -> bool;

    /// A folder for caches that outlive the run.
    fn cache_folder(&self) -> PathBuf;

    /// A folder to keep what was found in libraries, so that one with a known sha256 is read once.
    fn library_cache(&self) -> Option<PathBuf> {
        Some(self.cache_folder().join("libraries"))
    }

    /// The file of an artifact that the trial was given.
    fn artifact(&self, name: &str) -> Option<PathBuf> {
        let _ = name;
        None
    }

    /// A path to write an artifact of this run to.
    fn new_artifact(&self, name: &str) -> Option<PathBuf> {
        let _ = name;
        None
    }
}

/// Services for asking a plugin about itself: nothing is kept.
#[derive(Clone, Copy, Debug)]
pub struct NoServices;

impl Services for NoServices {
    fn log(&self, _: u32, _: &str, _: &str) {}

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn cache_folder(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn library_cache(&self) -> Option<PathBuf> {
        // Others may write to the folder for temporary files.
        None
    }
}

struct Guarded<S> {
    services: S,
    threads: u32,
}

/// A panic of the host must not unwind into a plugin: it becomes the given answer.
fn shielded<T>(fallback: T, call: impl FnOnce() -> T) -> T {
    guard(|| Ok(call())).unwrap_or(fallback)
}

fn path_or_error(path: Option<PathBuf>, name: &str) -> RResult<RString, PluginError> {
    match path {
        Some(path) => ROk(path.display().to_string().into()),
        None => {
            RErr(PluginError::new(ErrorKind::UNSUPPORTED, format!("no artifact `{name}` here")))
        }
    }
}

impl<S: Services> Host for Guarded<S> {
    fn log(&self, level: LogLevel, target: RStr<'_>, message: RStr<'_>) {
        shielded((), || self.services.log(level.0, target.as_str(), message.as_str()));
    }

    fn progress(&self, task: RStr<'_>, done: u64, total: u64) {
        shielded((), || self.services.progress(task.as_str(), done, total));
    }

    fn cancelled(&self) -> bool {
        shielded(false, || self.services.cancelled())
    }

    fn threads(&self) -> u32 {
        self.threads
    }

    fn cache_folder(&self) -> RString {
        shielded(RString::new(), || self.services.cache_folder().display().to_string().into())
    }

    fn artifact(&self, name: RStr<'_>) -> RResult<RString, PluginError> {
        shielded(path_or_error(None, name.as_str()), || {
            path_or_error(self.services.artifact(name.as_str()), name.as_str())
        })
    }

    fn new_artifact(&self, name: RStr<'_>) -> RResult<RString, PluginError> {
        shielded(path_or_error(None, name.as_str()), || {
            path_or_error(self.services.new_artifact(name.as_str()), name.as_str())
        })
    }

    fn call(&self, name: RStr<'_>, _json: RStr<'_>) -> RResult<RString, PluginError> {
        let text = format!("this host has no service `{name}`");
        RErr(PluginError::new(ErrorKind::UNSUPPORTED, text))
    }
}

/// The services as plugins see them.
pub(crate) fn share<S: Services>(services: S, threads: u32) -> SharedHost {
    Host_TO::from_ptr(RArc::new(Guarded { services, threads }), TD_Opaque)
}
