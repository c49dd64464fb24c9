//! Tests of the public interface, on generated files, stored references and, if there, real data.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests panic and print")]

mod cached;
mod corpus;
mod damaged;
mod encoded;
mod filter_bank;
mod support;
mod waves;
