//! Pictures read back: positions against values by mappings of their own, equal bytes, and input of every odd kind.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod curves;
mod forest;
mod heatmap;
mod odd;
mod sheet;
