//! Three libraries, one gradient: a model on the SDK's Burn whose pooling computes on Burn 0.21, and
//! a block and a loss that know no Burn at all.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod gradients;
mod lifetime;
mod mathematics;
mod parts;
