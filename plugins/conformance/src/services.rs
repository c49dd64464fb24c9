//! The kit as a host: what a plugin that is linked into a test program is given.

use ablate_abi::v1::{
    CallOutput, ErrorKind, Host, Host_TO, InitOptions, LogLevel, NamedTensor, Plugin_Ref,
    PluginError, RArc, RErr, ROk, RResult, RStr, RString, RVec, SharedHost, TD_Opaque,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Why the checks cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plugin does not start.
    #[error("the plugin does not start")]
    Init {
        /// Its error.
        #[source]
        source: Box<PluginError>,
    },
    /// The plugin does not say what it has.
    #[error("the plugin does not describe itself: {reason}")]
    Description {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// What can be done about it.
    pub fn hints(&self) -> Vec<String> {
        vec!["`ablate plugins info` shows what a plugin says about itself".to_owned()]
    }
}

/// The image number of plugins that are linked into this program.
const LINKED_IMAGE: u64 = u64::MAX;

struct Services {
    threads: u32,
    cancelled: Arc<AtomicBool>,
    cache: PathBuf,
}

impl Host for Services {
    fn log(&self, _: LogLevel, _: RStr<'_>, _: RStr<'_>) {}

    fn progress(&self, _: RStr<'_>, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn threads(&self) -> u32 {
        self.threads
    }

    fn cache_folder(&self) -> RString {
        self.cache.display().to_string().into()
    }

    fn artifact(&self, name: RStr<'_>) -> RResult<RString, PluginError> {
        RErr(PluginError::new(ErrorKind::UNSUPPORTED, format!("no artifact `{name}` here")))
    }

    fn new_artifact(&self, name: RStr<'_>) -> RResult<RString, PluginError> {
        ROk(self.cache.join(name.as_str()).display().to_string().into())
    }

    fn call(
        &self,
        name: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        RErr(PluginError::unsupported(format!("the kit has no service `{name}`")))
    }
}

/// What all plugins that are linked into this program share: an image takes services once, from
/// whoever starts it first.
pub(crate) struct Linked {
    /// The switch that cancels what they do.
    pub(crate) cancelled: Arc<AtomicBool>,
    /// Their caches, which last as long as one run of the checks.
    cache: PathBuf,
    /// Held while checks run: the switch, the memory and the threads belong to the process.
    pub(crate) turn: Mutex<()>,
}

/// The services of this program.
pub(crate) fn linked() -> &'static Linked {
    static LINKED: OnceLock<Linked> = OnceLock::new();
    LINKED.get_or_init(|| Linked {
        cancelled: Arc::default(),
        cache: std::env::temp_dir().join(format!("ablate-conformance-{}", std::process::id())),
        turn: Mutex::new(()),
    })
}

impl Linked {
    /// Starts a plugin.
    pub(crate) fn start(&self, root: Plugin_Ref, threads: u32) -> Result<(), Error> {
        let (cancelled, cache) = (self.cancelled.clone(), self.cache.clone());
        let services = Services { threads, cancelled, cache };
        let host: SharedHost = Host_TO::from_ptr(RArc::new(services), TD_Opaque);
        let options = InitOptions { image: LINKED_IMAGE, threads, log_level: LogLevel::WARN };
        let answer = (root.init())(host, options).into_result();
        answer.map_err(|source| Error::Init { source: Box::new(source) })
    }

    /// Forgets what was cached.
    pub(crate) fn clear(&self) {
        // It is there only if something was cached.
        let _ = fs_err::remove_dir_all(&self.cache);
    }
}
