//! Annotations against worked cases, an independent scorer and real files.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests fail by panicking and say what they skip"
)]

mod files;
mod real;
mod scores;
