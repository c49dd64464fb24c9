//! What a plugin author imports: ordinary Burn code in, a safe border out.
//!
//! A plugin is a library crate (`crate-type = ["cdylib", "rlib"]`) that implements one of the
//! component traits and lists its components:
//!
//! ```
//! use ablate_sdk::burn::module::Module;
//! use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};
//!
//! /// Passes its input on.
//! #[derive(Module, Debug)]
//! pub struct Same {}
//!
//! impl Block for Same {
//!     type Config = NoConfig;
//!     const NAME: &'static str = "same";
//!     const ROLE: &'static str = "refiner";
//!     const DOC: &'static str = "Passes its input on.";
//!
//!     fn contract(_: &NoConfig) -> Result<Contract, Error> {
//!         Ok(Contract::new().input("x: f32[B, D]").output("y: f32[B, D]"))
//!     }
//!
//!     fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
//!         Ok(Self {})
//!     }
//!
//!     fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
//!         Ok(Tensors::new().with("y", inputs.float::<2>("x")?).into())
//!     }
//! }
//!
//! # use ablate_sdk::burn;
//! ablate_sdk::export_plugin!(ablate_plugin_same, [block Same]);
//! # fn main() {}
//! ```
//!
//! Everything else is done here: autodiff across libraries, panic guards, seeding, optimizers,
//! state on disk. The feature `burn` (on by default) may be left out by plugins that have only
//! datasets and metrics.
#![deny(missing_docs)]

#[cfg(feature = "burn")]
mod any;
mod arrays;
#[cfg(feature = "burn")]
mod border;
mod build;
#[cfg(feature = "burn")]
mod call;
#[cfg(feature = "burn")]
mod component;
mod contract;
mod data;
#[cfg(feature = "burn")]
mod device;
mod entry;
#[doc(hidden)]
pub mod export;
#[cfg(feature = "burn")]
mod foreign;
#[cfg(feature = "burn")]
mod graph;
pub mod host;
#[cfg(feature = "burn")]
mod optimizer;
mod panics;
pub mod seed;
#[cfg(feature = "burn")]
mod served;
#[cfg(feature = "burn")]
mod slot;
#[cfg(feature = "burn")]
mod state;
#[cfg(feature = "burn")]
pub mod testing;
#[cfg(feature = "burn")]
mod trained;
#[cfg(feature = "burn")]
mod walk;

pub use ablate_abi::v1::{ErrorKind, LogLevel, PluginError as Error};
pub use arrays::Arrays;
pub use build::Build;
pub use contract::Contract;
pub use data::{Dataset, Direction, Item, Metric, MetricValue};
pub use entry::{Config, Entry, NoConfig, SlotSpec};
#[doc(hidden)]
pub use export::border_types;
#[cfg(feature = "burn")]
pub use {
    any::{AnyTensor, Ranked, Tensors},
    call::Call,
    component::{Block, Loss, LossValue, Model, Output},
    slot::BlockSlot,
};

#[cfg(feature = "burn")]
pub use burn;
pub use {rand, schemars, serde, serde_json};
