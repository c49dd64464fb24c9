//! Checks that every plugin must pass, whoever wrote it, with no code of its own.
//!
//! The checks drive a plugin through the border only, so they need neither Burn nor the SDK and
//! hold for plugins built by other means. A plugin crate runs them in one test:
//!
//! ```
//! # mod my_plugin {
//! #     pub mod ablate_plugin_root {
//! #         pub fn plugin() -> ablate_abi::v1::Plugin_Ref {
//! #             unimplemented!()
//! #         }
//! #     }
//! # }
//! // A `#[test]` in the plugin's folder `tests`.
//! fn conforms() {
//!     ablate_conformance::assert_conforms(my_plugin::ablate_plugin_root::plugin());
//! }
//! ```
//!
//! A host that has opened a library makes a [`Kit`] itself and reads the [`Report`]. Components
//! are configured by their defaults and by the `examples` of their config's schema. What a check
//! could not look at is `skipped`, with the reason; only `failed` means that the plugin is wrong.
#![deny(missing_docs)]

mod report;

mod kit;

mod services;

mod verdict;

mod roster;

mod contract;

mod array;

mod sample;

mod subject;

mod slots;

mod plain_block;

mod drive;

mod description;

mod shapes;

mod gradients;

mod difference;

mod linearity;

mod contexts;

mod seeds;

mod saving;

mod padding;

mod averaging;

mod misuse;

mod resources;

mod dataset;

mod metric;

pub use kit::{Event, Kit, assert_conforms};
pub use report::{Check, ComponentReport, Outcome, Report};
pub use services::Error;
