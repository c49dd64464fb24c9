//! The host's services behind the border's trait object.

use ablate_abi::v1::{
    CallOutput, ErrorKind, Host, Host_TO, LogLevel, NamedTensor, PluginError, RArc, RErr, ROk,
    RResult, RStr, RString, RVec, SharedHost, TD_Opaque, guard,
};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

/// What the program around the loader offers to plugins.
pub trait Services: Send + Sync + 'static {
    /// A line for the run's log from `plugin`; `level` 1 is an error, 2 a warning, 3 information,
    /// 4 debugging detail, and what is above is more of it. `target` is what speaks: the place of
    /// the component that is at work, a module of the plugin or of a crate inside it, or both with
    /// a slash in between. Called from any thread of the plugin.
    fn log(&self, plugin: &str, level: u32, target: &str, message: &str);

    /// The least severe level that plugins should pass on; they are told once, in `init`.
    fn log_level(&self) -> u32 {
        LogLevel::INFO.0
    }

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
    fn log(&self, _: &str, _: u32, _: &str, _: &str) {}

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

/// The services as one plugin gets them.
struct Guarded {
    services: Arc<dyn Services>,
    plugin: String,
    threads: u32,
}

/// A panic of the host must not unwind into a plugin: it becomes the given answer.
fn shielded<T>(fallback: T, call: impl FnOnce() -> T) -> T {
    guard(|| Ok(call())).unwrap_or(fallback)
}

/// The text of a plugin that may be broken: nothing checks on the way that it is UTF-8.
fn readable<'a>(text: &'a RStr<'_>) -> Cow<'a, str> {
    String::from_utf8_lossy(text.as_bytes())
}

fn path_or_error(path: Option<PathBuf>, name: &str) -> RResult<RString, PluginError> {
    match path {
        Some(path) => ROk(path.display().to_string().into()),
        None => {
            RErr(PluginError::new(ErrorKind::UNSUPPORTED, format!("no artifact `{name}` here")))
        }
    }
}

impl Host for Guarded {
    fn log(&self, level: LogLevel, target: RStr<'_>, message: RStr<'_>) {
        shielded((), || {
            self.services.log(&self.plugin, level.0, &readable(&target), &readable(&message));
        });
    }

    fn progress(&self, task: RStr<'_>, done: u64, total: u64) {
        shielded((), || self.services.progress(&readable(&task), done, total));
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

    fn call(
        &self,
        name: RStr<'_>,
        _json: RStr<'_>,
        _tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        let text = format!("this host has no service `{name}`");
        RErr(PluginError::new(ErrorKind::UNSUPPORTED, text))
    }
}

/// The services as `plugin` sees them.
pub(crate) fn share(services: &Arc<dyn Services>, threads: u32, plugin: &str) -> SharedHost {
    let (services, plugin) = (services.clone(), plugin.to_owned());
    Host_TO::from_ptr(RArc::new(Guarded { services, plugin, threads }), TD_Opaque)
}
