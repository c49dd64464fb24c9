//! Revision 1 of the border.
//!
//! Text that crosses is UTF-8. Configurations, descriptions and contracts cross as JSON, so that
//! they can grow without a change of layout.

// What `sabi_trait` and the prefix derive generate trips these two lints on current compilers.
#![allow(non_local_definitions, non_camel_case_types)]
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    unsafe_code,
    reason = "sabi_trait and StableAbi generate unsafe and undocumented companions of each item"
)]

mod component;
mod error;
mod host;
mod root;
mod tensor;

// The containers that cross, so that a crate which drives handles needs no other dependency.
pub use abi_stable::sabi_trait::TD_Opaque;
pub use abi_stable::std_types::{
    RArc, RBox, RErr, RNone, ROk, ROption, RResult, RSome, RStr, RString, RVec,
};
pub use component::{
    Call, CallOutput, Component, Context, Context_TO, Create, Dataset, Dataset_TO, Differentiable,
    Differentiable_TO, Dimension, ForwardOutput, GroupRate, Item, Kind, Metric, Metric_TO,
    MetricValue, OwnedContext, OwnedMetric, Parameter, Property, SharedDataset,
    SharedDifferentiable, Slot, share,
};
pub use error::{ErrorKind, PluginError, guard};
pub use host::{Host, Host_TO, InitOptions, LogLevel, SharedHost};
pub use root::{BuildInfo, Plugin, Plugin_Ref, SYMBOL_PREFIX};
pub use tensor::{DType, Device, Element, MAX_RANK, NamedTensor, Tensor};

/// The number of this revision; a plugin reports it in its root.
pub const REVISION: u32 = 1;
