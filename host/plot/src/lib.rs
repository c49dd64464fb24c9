//! Pictures of ablations: learning curves, forest plots of differences, heat maps and lines over axes.
//!
//! The crate takes numbers and returns [`Picture`]s, which are SVG text and, drawn from that text with a font of
//! their own, PNG bytes. It reads no files and prints nothing; equal numbers give equal bytes.
//!
//! ```
//! use ablate_plot::{Forest, ForestRow, Measure, forest};
//!
//! let picture = forest(&Forest {
//!     experiment: "pooling".into(),
//!     measure: Measure {
//!         name: "utilization".into(),
//!         split: "test".into(),
//!         unit: None,
//!         higher_is_better: Some(true),
//!     },
//!     baseline: "mean".into(),
//!     rows: vec![ForestRow {
//!         variant: "window".into(),
//!         n: 8,
//!         delta: Some(0.25),
//!         ci_low: Some(0.125),
//!         ci_high: Some(0.375),
//!         p_holm: Some(0.0078125),
//!     }],
//!     notes: vec![],
//! })?;
//! assert!(picture.svg().starts_with("<svg"));
//! assert!(picture.png()?.starts_with(b"\x89PNG"));
//! # Ok::<(), ablate_plot::Error>(())
//! ```

mod axis;
mod canvas;
mod color_bar;
mod curves;
mod error;
mod forest;
mod frame;
mod heading;
mod heatmap;
mod labels;
mod lineup;
mod measure;
mod numbers;
mod palette;
mod picture;
mod scale;
mod summary;
mod text;
mod ticks;

pub use crate::{
    axis::{AxisCurve, AxisPoint, axis_curve},
    curves::{CurveVariant, Curves, curves},
    error::Error,
    forest::{Forest, ForestRow, forest},
    heatmap::{Heatmap, HeatmapCell, HeatmapValue, heatmap},
    measure::Measure,
    picture::Picture,
};
