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
//!     split: "test".into(),
//!     run: format!("{variant}-{seed}"),
//!     ..SeedValue::default()
//! };
//! let table = Table::new(TableInput {
//!     experiment: "pooling".into(),
//!     baseline: "mean".into(),
//!     variants: vec!["mean".into(), "window".into()],
//!     seeds: vec![0, 1],
//!     metrics: vec![MetricColumn {
//!         name: "utilization".into(),
//!         split: "test".into(),
//!         higher_is_better: Some(true),
//!         objective: true,
//!         ..MetricColumn::default()
//!     }],
//!     cells: vec![
//!         value("mean", 0, 0.25),
//!         value("mean", 1, 0.5),
//!         value("window", 0, 0.5),
//!         value("window", 1, 1.0),
//!     ],
//!     checkpoint: "best".into(),
//!     test_variants: 2,
//!     ..TableInput::default()
//! })?;
//! assert_eq!(table.rows()[1].delta, Some(0.375));
//! println!("{}", table.term(80, false));
//! # Ok::<(), ablate_report::Error>(())
//! ```

mod check;
mod data;
mod digits;
mod effect;
mod error;
mod grid;
mod input;
mod interactions;
mod keys;
mod latex;
mod layout;
mod markdown;
mod marks;
mod missing;
mod notes;
mod overall;
mod quartiles;
mod random;
mod ranks;
mod statistics;
mod streams;
mod table;
mod terminal;
mod values;

pub use crate::{
    check::{CellState, Finding, FoundTable, find_tables},
    error::Error,
    input::{
        AbsentVariant, ChangePair, MetricColumn, MissingTrial, PrunedTrial, SeedValue,
        SequentialSeeds, TableInput, View,
    },
    interactions::{Interaction, change_pairs},
    keys::{
        Keys as SpecKeys, differing as differing_keys, flatten as spec_keys, show as show_value,
    },
    layout::{Axes, Layout, VariantKeys, lay_out},
    overall::{Aggregate, Friedman, MeanRank},
    streams::{Agreement, Difference, Point, StreamComparison, relative_difference},
    table::{Row, Table},
};
