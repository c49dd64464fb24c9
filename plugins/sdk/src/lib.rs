//! What a plugin author imports: ordinary Burn code in, a safe border out.
//!
//! A plugin is a library crate (`crate-type = ["cdylib", "rlib"]`) that implements one of the
//! component traits and lists its components:
//!
//! ```
//! use ablate_sdk::burn::{self, module::Module, tensor::{Bool, Tensor}};
//! use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};
//!
//! /// The largest value over time.
//! #[derive(Module, Debug)]
//! pub struct Max {}
//!
//! impl Block for Max {
//!     type Config = NoConfig;
//!     const NAME: &'static str = "max";
//!     const ROLE: &'static str = "pooling";
//!     const DOC: &'static str = "The largest value over time.";
//!
//!     fn contract(_: &NoConfig) -> Result<Contract, Error> {
//!         Ok(Contract::new()
//!             .input("features: f32[B, T, D]")
//!             .output("pooled: f32[B, 1, D]")
//!             .output("mask: bool[B, 1]"))
//!     }
//!
//!     fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
//!         Ok(Self {})
//!     }
//!
//!     fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
//!         let features = inputs.float::<3>("features")?;
//!         let mask = Tensor::<2, Bool>::full([features.dims()[0], 1], true, &features.device());
//!         Ok(Tensors::new().with("pooled", features.max_dim(1)).with("mask", mask).into())
//!     }
//! }
//!
//! ablate_sdk::export_plugin!(ablate_plugin_max, [block Max]);
//! # fn main() {}
//! ```
//!
//! Everything else is done here: autodiff across libraries, panic guards, seeding, optimizers,
//! state on disk.
//!
//! # Components
//!
//! | trait | what it is | works on |
//! | --- | --- | --- |
//! | [`Model`] | what is trained; may have slots | Burn tensors |
//! | [`Block`] | fits into a slot of its role, and may have slots | Burn tensors |
//! | [`Loss`] | a differentiable function to a scalar | Burn tensors |
//! | [`Dataset`] | a source of batches | slices |
//! | [`Metric`] | a measure over a split | slices |
//!
//! Each is made from a [`Config`] and a [`Build`], and states its [`Contract`]; [`export_plugin!`]
//! lists them. The module [`testing`] makes them without a host, and the crate `ablate-conformance`
//! checks a whole plugin in one line.
//!
//! # Features
//!
//! - `burn`, on by default: [`Model`], [`Block`], [`Loss`], and Burn itself as [`burn`]. Without it
//!   no Burn is compiled.
#![deny(missing_docs)]
// Shows on docs.rs which feature an item needs; only nightly compilers can.
#![cfg_attr(all(docsrs, nightly), feature(doc_cfg))]

#[cfg(feature = "burn")]
mod any;
mod arrays;
mod artifact;
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
pub mod frames;
#[cfg(feature = "burn")]
mod graph;
pub mod host;
mod logging;
pub mod metric_state;
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
pub use artifact::{ArtifactSource, PublishedBy};
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
pub use {log, rand, schemars, serde, serde_json};
