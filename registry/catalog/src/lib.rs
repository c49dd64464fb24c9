//! Installed plugins: content-addressed store, cached descriptions, name to component.
//!
//! A library is described once by a [`Probe`] (a child process in the command line) and after that
//! from a cache keyed by sha256, so that this crate never loads foreign code.
//!
//! ```
//! use std::path::Path;
//!
//! use ablate_catalog::{Catalog, CatalogOptions, Kind, Probe, ProbeFailure};
//!
//! struct Fake;
//!
//! impl Probe for Fake {
//!     fn describe(&self, _library: &Path) -> Result<String, ProbeFailure> {
//!         Ok(r#"{"name": "pooling", "version": "0.1.0", "abi": "v1",
//!                "components": [{"kind": "block", "name": "mean", "role": "pooling"}]}"#
//!             .to_owned())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let name = ablate_catalog::library_file_name("pooling");
//! std::fs::write(folder.path().join(name), b"stands for a library")?;
//!
//! let options = CatalogOptions {
//!     home: folder.path().join("home"),
//!     workspace: None,
//!     folders: vec![folder.path().to_owned()],
//! };
//! let catalog = Catalog::open(options, &Fake)?;
//! let found = catalog.resolve(Kind::Block, "mean", Some("pooling"))?;
//! assert_eq!(found.plugin.name(), "pooling");
//! # Ok(())
//! # }
//! ```

mod atomic;
mod cache;
mod candidates;
mod cargo;
mod catalog;
mod compile;
mod crate_request;
mod description;
mod error;
mod fetch;
mod freshness;
mod home;
mod install;
mod lock;
mod manifest;
mod plugin_package;
mod resolve;
mod store;
mod workspace;

pub use candidates::{Origin, Searched};
pub use catalog::{Broken, Catalog, CatalogOptions, Plugin, Probe, ProbeFailure, Shadowed, Work};
pub use crate_request::CrateRequest;
pub use description::{ComponentDescription, Description, Kind, SlotDescription, UnknownKind};
pub use error::{Duplicate, Elsewhere, Error, Exporter, Unknown};
pub use fetch::{Builds, Fetched};
pub use freshness::Freshness;
pub use home::home;
pub use install::{
    Installation, Installed, Source, describe, install, installed, installed_libraries, uninstall,
};
pub use lock::{Lock, Pin, Unpinned};
pub use plugin_package::{PluginPackage, PluginPackages};
pub use resolve::Found;
pub use store::{Garbage, Store, file_sha256};
pub use workspace::{PluginCrate, Workspace, library_file_name};
