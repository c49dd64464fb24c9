//! Base spec and axes to an ordered list of trials, and the queue that runs each in a process.
//!
//! [`expand`] is pure: the same experiment gives the same variants in the same order, and so are
//! [`next_seeds`] and [`Halving`], which decide what comes next from what is known so far. [`run`]
//! knows nothing about trials: it runs commands, a bounded number at once.
//!
//! ```
//! use std::process::Command;
//! use std::sync::atomic::AtomicBool;
//! use ablate_sweep::{Driver, Event, Job, Limits, Next, run};
//!
//! /// Echoes words, the last one first.
//! struct Echo {
//!     words: Vec<&'static str>,
//!     heard: Vec<String>,
//! }
//!
//! impl Driver for Echo {
//!     fn next(&mut self) -> Next {
//!         let Some(word) = self.words.pop() else { return Next::Done };
//!         let mut command = Command::new("echo");
//!         command.arg(word);
//!         let limits = Limits::default();
//!         Next::Start(Box::new(Job { label: word.to_owned(), command, stderr: None, limits }))
//!     }
//!
//!     fn event(&mut self, event: Event<'_>) {
//!         if let Event::Line { line, .. } = event {
//!             self.heard.push(line.to_owned());
//!         }
//!     }
//! }
//!
//! let mut echo = Echo { words: vec!["two", "one"], heard: Vec::new() };
//! let summary = run(&mut echo, 1, &AtomicBool::new(false))?;
//! assert_eq!(echo.heard, ["one", "two"]);
//! assert_eq!(summary.succeeded, 2);
//! # Ok::<(), ablate_sweep::Error>(())
//! ```

mod classify;
mod error;
mod halving;
mod plan;
mod queue;
mod sequential;

pub use classify::{Ending, classify};
pub use error::Error;
pub use halving::{Contender, Halving, Verdict};
pub use plan::{Form, Trial, Variant, expand, trials};
pub use queue::{Driver, Event, Exit, Job, Limit, Limits, Next, Summary, run};
pub use sequential::{Evidence, Round, SeedVerdict, next_seeds};
