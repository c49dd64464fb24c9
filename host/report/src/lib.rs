//! Ablation tables: variants by metrics over seeds, with paired differences to a baseline, for people and programs.
//!
//! The crate takes numbers and returns text. It reads no files and prints nothing.
//!
//! ```
//! use ablate_report::{MetricColumn, SeedValue, Table, TableInput};
//!
//! let value = |variant: &str, seed, value| SeedValue {
//!     variant: variant.into(),
//!     seed,
//!     metric: "utilization".into(),
//!     value,
//!     run: format!("{variant}-{seed}"),
//! };
//! let table = Table::new(TableInput {
//!     experiment: "pooling".into(),
//!     baseline: "mean".into(),
//!     variants: vec!["mean".into(), "window".into()],
//!     seeds: vec![0, 1],
//!     metrics: vec![MetricColumn {
//!         name: "utilization".into(),
//!         split: "test".into(),
//!         unit: None,
//!         higher_is_better: Some(true),
//!         objective: true,
//!     }],
//!     cells: vec![
//!         value("mean", 0, 0.25),
//!         value("mean", 1, 0.5),
//!         value("window", 0, 0.5),
//!         value("window", 1, 1.0),
//!     ],
//!     missing: vec![],
//!     checkpoint: "best".into(),
//!     test_variants: 2,
//! })?;
//! assert_eq!(table.rows()[1].delta, Some(0.375));
//! println!("{}", table.term(80, false));
//! # Ok::<(), ablate_report::Error>(())
//! ```

mod data;
mod digits;
mod error;
mod grid;
mod input;
mod latex;
mod markdown;
mod notes;
mod statistics;
mod table;
mod terminal;

pub use crate::{
    error::Error,
    input::{MetricColumn, MissingTrial, SeedValue, TableInput},
    table::{Row, Table},
};
