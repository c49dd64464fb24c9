//! Experiment files: TOML to a resolved spec, with errors that name file and key.
//!
//! [`load`] merges the layers (files, environment, command line) with figment into a [`Tree`] whose
//! values know where they came from; [`Experiment::with`] puts a variant over it; [`resolve`] turns a
//! tree into a [`Spec`] with the help of what is known about components ([`Schemas`]).
//!
//! ```
//! use std::sync::Arc;
//!
//! use ablate_config::{ComponentSchema, Layers, Schemas, Unknown, load, resolve};
//!
//! struct Anything;
//! impl Schemas for Anything {
//!     fn component(
//!         &self,
//!         _kind: &str,
//!         _name: &str,
//!         _role: Option<&str>,
//!     ) -> Result<Arc<ComponentSchema>, Unknown> {
//!         let schema = serde_json::json!({ "type": "object" });
//!         Ok(Arc::new(ComponentSchema { schema, ..ComponentSchema::default() }))
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

mod artifacts;
mod conform;
mod error;
mod experiment;
mod failure_class;
mod identity;
mod json_schema;
mod key_path;
mod known;
mod load;
mod memory;
mod quantity;
mod references;
mod resolve;
mod schema;
mod section;
mod sound;
mod source;
mod spec;
mod spec_value;
mod sweep;
#[cfg(test)]
mod tests;
mod train;
mod tree;

pub use error::{At, Error, UnknownComponent, nearest, shown};
pub use experiment::Experiment;
pub use failure_class::{FailureClass, UnknownFailureClass};
pub use identity::{InputFile, identity_json, input_files};
pub use key_path::{KeyPath, Segment};
pub use load::{Layers, load};
pub use references::{ArtifactReference, ReferenceSource, artifact_references};
pub use resolve::{Resolver, resolve};
pub use schema::{ComponentSchema, Schemas, SlotSchema, Unknown};
pub use spec::{
    Algorithm, ArtifactSpec, ComponentSpec, EarlyStoppingSpec, GroupSpec, LossSpec, MetricSpec,
    OptimizerSpec, ReportCheckpoint, ReportSpec, ScheduleSpec, SlotSpec, Spec, TrainSpec,
};
pub use sweep::{
    Axis, Block, Distribution, Draw, Exclusion, ExclusionRule, HalvingSpec, Random, Removal,
    RetryPolicy, Seeds, SequentialSeeds, Sweep, VariantSpec,
};
pub use tree::{Data, Node, Origin, Tree};
