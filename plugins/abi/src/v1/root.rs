//! The root of a plugin: the few functions that everything starts from.

use super::component::{CallOutput, Component, Create, Kind};
use super::error::PluginError;
use super::host::{InitOptions, SharedHost};
use super::tensor::NamedTensor;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RResult, RStr, RString, RVec};
use abi_stable::{StableAbi, declare_root_module_statics};

/// Every plugin exports its root under a symbol of its own that starts with this, so that two
/// plugins can also be linked into one program.
pub const SYMBOL_PREFIX: &str = "ablate_plugin_";

/// How a plugin was built; checked before anything that could panic is called.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct BuildInfo {
    /// Whether panics abort the process: such a plugin is refused.
    pub panic_aborts: bool,
    /// Whether it was built without optimizations.
    pub debug: bool,
    /// Target triple or `arch-os`.
    pub target: RString,
    /// Version of the SDK that built it.
    pub sdk: RString,
}

/// The root table. Frozen: later revisions have tables of their own.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = Plugin_Ref)))]
#[sabi(missing_field(panic))]
pub struct Plugin {
    /// [`super::REVISION`].
    pub revision: u32,
    /// How it was built.
    pub build_info: extern "C" fn() -> BuildInfo,
    /// Called exactly once per image, before `create`.
    pub init: extern "C" fn(SharedHost, InitOptions) -> RResult<(), PluginError>,
    /// The plugin's description, as JSON; needs no `init`.
    pub list: extern "C" fn() -> RResult<RString, PluginError>,
    /// The tensor contract of a component with this configuration, as JSON; needs no `init`.
    pub describe: extern "C" fn(Kind, RStr<'_>, RStr<'_>) -> RResult<RString, PluginError>,
    /// Makes a component.
    pub create: extern "C" fn(Create) -> RResult<Component, PluginError>,
    /// Anything else, by name.
    #[sabi(last_prefix_field)]
    pub call:
        extern "C" fn(RStr<'_>, RStr<'_>, RVec<NamedTensor>) -> RResult<CallOutput, PluginError>,
}

impl RootModule for Plugin_Ref {
    declare_root_module_statics! {Plugin_Ref}
    const BASE_NAME: &'static str = "ablate_plugin";
    const NAME: &'static str = "ablate plugin";
    // The revision in the place of the major version: a host reads it before it checks a layout.
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}
