//! The root of a plugin, made from its list of components.

use crate::entry::Entry;
use crate::logging::AtWork;
use crate::panics::catch;
use crate::{Error, host};
use abi_stable::std_types::{RResult, RStr, RString};
use ablate_abi::v1::{
    BuildInfo, CallOutput, Component, Create, InitOptions, Kind, REVISION, SYMBOL_PREFIX,
    SharedHost,
};
use serde_json::{Value, json};

/// Exports a library's components under a root symbol of its own.
///
/// The symbol is `ablate_plugin_` and the plugin's name with underscores; the list names the kind
/// and the type of each component. A program may link several plugins if their symbols differ.
///
/// Makes a module `ablate_plugin_root` where it stands, which belongs at the top of the crate;
/// `ablate_plugin_root::plugin()` is the root for programs that link the plugin, such as its tests.
///
/// ```
/// use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
///
/// /// Rows seen.
/// pub struct Rows(u64);
///
/// impl Metric for Rows {
///     type Config = NoConfig;
///     const NAME: &'static str = "rows";
///     const DOC: &'static str = "Rows seen.";
///
///     // …
/// #     fn contract(_: &NoConfig) -> Result<Contract, Error> {
/// #         Ok(Contract::new().input("x: f32[B, F]"))
/// #     }
/// #     fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
/// #         Ok(Self(0))
/// #     }
/// #     fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
/// #         self.0 += inputs.shape("x")?[0] as u64;
/// #         Ok(())
/// #     }
/// #     fn compute(&self) -> Result<Vec<MetricValue>, Error> {
/// #         let (name, direction) = (String::new(), Direction::Neither);
/// #         Ok(vec![MetricValue { name, value: self.0 as f64, unit: "", direction }])
/// #     }
/// #     fn reset(&mut self) {
/// #         self.0 = 0;
/// #     }
/// #     fn state(&self) -> Result<Vec<u8>, Error> {
/// #         Ok(self.0.to_le_bytes().to_vec())
/// #     }
/// #     fn merge(&mut self, state: &[u8]) -> Result<(), Error> {
/// #         let state = state.try_into().map_err(|_| Error::data("not a state of `rows`"))?;
/// #         self.0 += u64::from_le_bytes(state);
/// #         Ok(())
/// #     }
/// }
///
/// // At the top of `src/lib.rs`; the kinds are `model`, `block`, `loss`, `dataset` and `metric`.
/// ablate_sdk::export_plugin!(ablate_plugin_row_counts, [metric Rows]);
///
/// # fn main() {
/// // What the library says about itself, which `ablate plugins info row-counts` shows.
/// let description = (ablate_plugin_root::plugin().list())().unwrap();
/// let description: serde_json::Value = serde_json::from_str(&description).unwrap();
/// assert_eq!(description["name"], "row-counts");
/// assert_eq!(description["components"][0]["name"], "rows");
/// # }
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($symbol:ident, [$($kind:ident $component:ty),+ $(,)?]) => {
        #[allow(unsafe_code, missing_docs, non_upper_case_globals, unreachable_pub)]
        #[doc(hidden)]
        pub mod ablate_plugin_root {
            use super::*;
            use $crate::border_types as border;

            fn entries() -> Vec<$crate::Entry> {
                vec![$($crate::Entry::$kind::<$component>()),+]
            }

            extern "C" fn build_info() -> border::BuildInfo {
                $crate::export::build_info()
            }

            extern "C" fn init(
                host: border::SharedHost,
                options: border::InitOptions,
            ) -> border::Answer<()> {
                $crate::export::init(host, options)
            }

            extern "C" fn list() -> border::Answer<border::RString> {
                $crate::export::list(stringify!($symbol), env!("CARGO_PKG_VERSION"), entries)
            }

            extern "C" fn describe(
                kind: border::Kind,
                name: border::RStr<'_>,
                config: border::RStr<'_>,
            ) -> border::Answer<border::RString> {
                $crate::export::describe(entries, kind, name, config)
            }

            extern "C" fn create(request: border::Create) -> border::Answer<border::Component> {
                $crate::export::create(entries, request)
            }

            extern "C" fn call(
                name: border::RStr<'_>,
                _json: border::RStr<'_>,
                _tensors: border::RVec<border::NamedTensor>,
            ) -> border::Answer<border::CallOutput> {
                $crate::export::call(name)
            }

            extern "C" fn root() -> border::RootModuleResult {
                border::call_root_module_loader(|| {
                    border::leak(border::Plugin {
                        revision: border::REVISION,
                        build_info,
                        init,
                        list,
                        describe,
                        create,
                        call,
                    })
                })
            }

            /// The plugin's root, for programs that it is linked into, such as tests.
            pub fn plugin() -> border::Plugin_Ref {
                border::root_of(&$symbol)
            }

            // SAFETY: the symbol carries the plugin's name and is exported once; the constructor
            // gives the module type that the header promises.
            #[unsafe(no_mangle)]
            pub static $symbol: border::LibHeader = unsafe {
                border::LibHeader::from_constructor::<border::Plugin_Ref>(
                    root,
                    border::CheckTypeLayout::Yes,
                )
            };
        }
    };
}

type Entries = fn() -> Vec<Entry>;

/// How this plugin was built.
#[doc(hidden)]
pub fn build_info() -> BuildInfo {
    BuildInfo {
        panic_aborts: cfg!(panic = "abort"),
        debug: cfg!(debug_assertions),
        target: env!("ABLATE_TARGET").into(),
        sdk: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Takes the host's services and sets up the image: panic hook, log, thread pool.
#[doc(hidden)]
pub fn init(services: SharedHost, options: InitOptions) -> RResult<(), Error> {
    catch(|| {
        if !host::install(services, options.log_level, options.image) {
            // Two plugins linked into one program share the image: the first call counts.
            return Ok(());
        }
        // A pool that exists already keeps its size; results do not depend on it.
        let threads = options.threads.max(1) as usize;
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        Ok(())
    })
    .into()
}

/// The plugin's description.
#[doc(hidden)]
pub fn list(symbol: &str, version: &str, entries: Entries) -> RResult<RString, Error> {
    catch(|| {
        let name = symbol.strip_prefix(SYMBOL_PREFIX).unwrap_or(symbol).replace('_', "-");
        let components: Vec<Value> = entries().iter().map(Entry::describe).collect();
        let description = json!({
            "name": name,
            "version": version,
            "abi": format!("v{REVISION}"),
            "sdk": env!("CARGO_PKG_VERSION"),
            "rustc": env!("ABLATE_RUSTC"),
            "burn": BURN_VERSION,
            "backends": backends(),
            "target": env!("ABLATE_TARGET"),
            "debug": cfg!(debug_assertions),
            "components": components,
        });
        Ok(description.to_string().into())
    })
    .into()
}

#[cfg(feature = "burn")]
const BURN_VERSION: Option<&str> = Some("0.22.1");
#[cfg(not(feature = "burn"))]
const BURN_VERSION: Option<&str> = None;

#[cfg(feature = "burn")]
fn backends() -> &'static [&'static str] {
    crate::device::BACKENDS
}

#[cfg(not(feature = "burn"))]
fn backends() -> &'static [&'static str] {
    &[]
}

fn find(entries: Entries, kind: Kind, name: &str) -> Result<Entry, Error> {
    let all = entries();
    let known: Vec<String> =
        all.iter().filter(|e| e.kind == kind).map(|e| format!("`{}`", e.name)).collect();
    all.into_iter().find(|e| e.kind == kind && e.name == name).ok_or_else(|| {
        let kind = kind.name();
        Error::config(format!("no {kind} `{name}` in this plugin; it has {}", known.join(", ")))
    })
}

/// The contract of a component under a configuration.
#[doc(hidden)]
pub fn describe(
    entries: Entries,
    kind: Kind,
    name: RStr<'_>,
    config: RStr<'_>,
) -> RResult<RString, Error> {
    catch(|| {
        let entry = find(entries, kind, name.as_str())?;
        Ok((entry.contract)(config.as_str())?.to_string().into())
    })
    .into()
}

/// Makes a component.
#[doc(hidden)]
pub fn create(entries: Entries, request: Create) -> RResult<Component, Error> {
    catch(|| {
        let entry = find(entries, request.kind, &request.name)?;
        let _at_work = AtWork::at(&request.path.as_str().into());
        (entry.create)(request)
    })
    .into()
}

/// There are no calls on a plugin yet.
#[doc(hidden)]
pub fn call(name: RStr<'_>) -> RResult<CallOutput, Error> {
    RResult::RErr(Error::unsupported(format!("this plugin has no call `{name}`")))
}

/// What the export macro names.
#[doc(hidden)]
pub mod border_types {
    pub use abi_stable::library::{
        __call_root_module_loader as call_root_module_loader, CheckTypeLayout, LibHeader,
        RootModuleResult,
    };
    pub use abi_stable::std_types::{RStr, RString, RVec};
    pub use ablate_abi::v1::{
        BuildInfo, CallOutput, Component, Create, InitOptions, Kind, NamedTensor, Plugin,
        Plugin_Ref, REVISION, SharedHost,
    };

    /// A result as it crosses.
    pub type Answer<T> = abi_stable::std_types::RResult<T, ablate_abi::v1::PluginError>;

    /// The root of a plugin that is linked into this program.
    ///
    /// # Panics
    /// If the program was linked with another revision of the border than the plugin.
    pub fn root_of(header: &'static LibHeader) -> Plugin_Ref {
        match header.init_root_module::<Plugin_Ref>() {
            Ok(root) => root,
            Err(error) => panic!("the linked plugin does not fit: {error}"),
        }
    }

    /// Makes the root table live for ever.
    pub fn leak(plugin: Plugin) -> Plugin_Ref {
        use abi_stable::prefix_type::PrefixTypeTrait;
        plugin.leak_into_prefix()
    }
}
