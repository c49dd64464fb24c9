//! Base spec and axes to an ordered list of trials, and the queue that runs each in a process.
//!
//! [`expand`] is pure: the same experiment gives the same variants in the same order. [`run`] knows
//! nothing about trials: it runs commands, a bounded number at once.
//!
//! ```
//! use std::process::Command;
//! use std::sync::atomic::AtomicBool;
//! use ablate_sweep::{Event, Job, run};
//!
//! let jobs = ["one", "two"].map(|word| {
//!     let mut command = Command::new("echo");
//!     command.arg(word);
//!     Job { label: word.to_owned(), command, stderr: None }
//! });
//! let mut lines = Vec::new();
//! let summary = run(jobs, 1, &AtomicBool::new(false), |event| {
//!     if let Event::Line { line, .. } = event {
//!         lines.push(line.to_owned());
//!     }
//! })?;
//! assert_eq!(lines, ["one", "two"]);
//! assert_eq!(summary.succeeded, 2);
//! # Ok::<(), ablate_sweep::Error>(())
//! ```

mod error;
mod plan;
mod queue;

pub use error::Error;
pub use plan::{Trial, Variant, expand, trials};
pub use queue::{Event, Exit, Job, Summary, run};
