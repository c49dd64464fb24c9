//! End-to-end tests: the `ablate` binary on real plugin libraries, each test in a place of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod ablation;
mod artifacts;
mod authoring;
mod bundle;
mod burn;
mod check_plugin;
mod data;
mod describe;
mod errors;
mod export;
mod failing;
mod golden;
mod guided;
mod harness;
mod identity;
mod install;
mod limits;
mod lineage;
mod memory;
mod pins;
mod plain;
mod plain_library;
mod plots;
mod plugins;
mod process_state;
mod processes;
mod recovery;
mod reproduce;
mod resume;
mod rqvae;
mod shared;
mod sweep;
mod tables;
mod terminal;
mod versions;
mod zoo;

// A dependency that nothing names would be left out, and with it the library that tests load.
use {
    ablate_duplicate as _, ablate_fixture as _, ablate_liar as _, ablate_losses as _,
    ablate_metrics as _, ablate_pooling as _, ablate_rqvae as _, ablate_speech as _,
};
