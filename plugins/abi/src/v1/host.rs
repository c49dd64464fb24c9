//! What a plugin may ask of the host.

use super::component::CallOutput;
use super::error::PluginError;
use super::tensor::NamedTensor;
use abi_stable::std_types::{RArc, RResult, RStr, RString, RVec};
use abi_stable::{StableAbi, sabi_trait};

/// Severity of a log line: an open set.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// Something failed.
    pub const ERROR: Self = Self(1);
    /// Something looks wrong.
    pub const WARN: Self = Self(2);
    /// Progress worth a line.
    pub const INFO: Self = Self(3);
    /// Detail for whoever debugs.
    pub const DEBUG: Self = Self(4);
}

/// Services of the host. May be called from any thread of the plugin.
#[sabi_trait]
pub trait Host: Send + Sync {
    /// Adds a line to the run's log.
    fn log(&self, level: LogLevel, target: RStr<'_>, message: RStr<'_>);

    /// Says how far `task` is; `total` 0 means unknown.
    fn progress(&self, task: RStr<'_>, done: u64, total: u64);

    /// Whether to stop as soon as possible with an error of kind `CANCELLED`.
    fn cancelled(&self) -> bool;

    /// Threads that the plugin may use.
    fn threads(&self) -> u32;

    /// A folder for caches that outlive the run.
    fn cache_folder(&self) -> RString;

    /// The file of an artifact that the trial was given.
    fn artifact(&self, name: RStr<'_>) -> RResult<RString, PluginError>;

    /// A path to write an artifact of this run to.
    fn new_artifact(&self, name: RStr<'_>) -> RResult<RString, PluginError>;

    /// Anything else, by name; a service that this host does not have fails with `UNSUPPORTED`.
    #[sabi(last_prefix_field)]
    fn call(
        &self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError>;
}

/// The host's services, shared with a plugin for ever.
pub type SharedHost = Host_TO<'static, RArc<()>>;

/// What a plugin is told once, before anything else.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct InitOptions {
    /// Number of this image in the process; see [`super::Differentiable::image`].
    pub image: u64,
    /// Threads of the plugin's own pool.
    pub threads: u32,
    /// The least severe level that the host wants to see.
    pub log_level: LogLevel,
}
