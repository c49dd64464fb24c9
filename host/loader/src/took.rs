//! How long the steps of opening a library took.

use std::time::{Duration, Instant};

/// The time of each step of [`Loader::open`](crate::Loader::open).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Took {
    /// Finding out that the file is the one that was asked for: reading, hashing and parsing it, or
    /// recalling that this was done before.
    pub inspect: Duration,
    /// Mapping it: the system's linker and the library's constructors.
    pub map: Duration,
    /// Header, layout and build.
    pub check: Duration,
    /// The plugin's `init`.
    pub init: Duration,
}

impl Took {
    /// All steps together.
    pub fn total(&self) -> Duration {
        self.inspect + self.map + self.check + self.init
    }
}

/// Measures one step after the other.
pub(crate) struct Laps(Instant);

impl Laps {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the last lap.
    pub(crate) fn lap(&mut self) -> Duration {
        let before = std::mem::replace(&mut self.0, Instant::now());
        self.0 - before
    }
}
