//! The loop driven with components in plain Rust: what it computes, what it refuses, and how it resumes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod artifacts;
mod checks;
mod components;
mod contracts;
mod dataset;
mod frozen;
mod harness;
mod optimizer;
mod outcome;
mod resume;
