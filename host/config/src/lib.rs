//! Experiment files: TOML to a resolved spec, with errors that name file and key.
//!
//! [`load`] merges the layers (files, environment, command line) with figment into a [`Tree`] whose
//! values know where they came from; [`Experiment::with`] puts a variant over it; [`resolve`] turns a
//! tree into a [`Spec`] with the help of what is known about components ([`Schemas`]).
//!
//! ```
//! use ablate_config::{ComponentSchema, Layers, Schemas, Unknown, load, resolve};
//!
//! struct Anything;
//! impl Schemas for Anything {
//!     fn component(&self, _: &str, _: &str, _: Option<&str>) -> Result<ComponentSchema, Unknown> {
//!         let schema = serde_json::json!({ "type": "object" });
//!         Ok(ComponentSchema { schema, ..ComponentSchema::default() })
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("experiment.toml");
//! fs_err::write(
//!     &file,
//!     "dataset.use = 'digits'\nmodel.use = 'linear'\nloss.fit.use = 'mse'\ntrain.total_epochs = 2\n",
//! )?;
//! let layers = Layers { overrides: vec!["train.batch_size=8".into()], ..Layers::default() };
//! let experiment = load(&file, &layers)?;
//! let spec = resolve(experiment.tree(), &Anything)?;
//! assert_eq!(spec.train.batch_size, 8);
//! # Ok(())
//! # }
//! ```

#![expect(clippy::unnecessary_box_returns, reason = "errors hold their place boxed, to stay small")]

mod conform;
mod error;
mod experiment;
mod identity;
mod json_schema;
mod key_path;
mod load;
mod resolve;
mod schema;
mod section;
mod source;
mod spec;
mod sweep;
#[cfg(test)]
mod tests;
mod train;
mod tree;

pub use error::{At, Error, UnknownComponent, nearest};
pub use experiment::Experiment;
pub use identity::{InputFile, identity_json, input_files};
pub use key_path::{KeyPath, Segment};
pub use load::{Layers, load};
pub use resolve::resolve;
pub use schema::{ComponentSchema, Schemas, SlotSchema, Unknown};
pub use spec::{
    Algorithm, ComponentSpec, EarlyStoppingSpec, GroupSpec, LossSpec, MetricSpec, OptimizerSpec,
    ReportCheckpoint, ReportSpec, ScheduleSpec, SlotSpec, Spec, TrainSpec,
};
pub use sweep::{Axis, Sweep, VariantSpec};
pub use tree::{Data, Node, Origin, Tree};
