//! The states of a trial, and what leads from one to another.
//!
//! The state is nowhere stored: it follows from the run folders and the claims. This table says which changes may be
//! seen, and [`Run::reopen`](crate::Run::reopen) refuses what is not in it.

use serde::{Deserialize, Serialize};

use crate::Status;

/// Where a trial of a sweep stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// It has no run.
    Queued,
    /// A process works on its run.
    Running,
    /// Its run is done. Nothing but removing the run leads out of this.
    Done,
    /// Its run failed. It may be tried again.
    Failed,
    /// Its run has no end and nobody works on it: it was stopped, or its process died. The next attempt goes on from
    /// its last checkpoint.
    Lost,
}

/// What happens to a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrialEvent {
    /// A process that has claimed it creates its run, or reopens it, or goes on with it.
    Start,
    /// Its run is finished without an error.
    Finish,
    /// Its run is finished with an error, by its process or by whoever saw that die.
    Fail,
    /// Its process gives the claim back without an end of the run, having saved its state.
    Stop,
    /// Its process dies.
    Die,
    /// Somebody removes its runs.
    Remove,
}

/// All changes: from, by, to. What is not here does not happen.
const CHANGES: [(TrialState, TrialEvent, TrialState); 11] = {
    use TrialEvent::{Die, Fail, Finish, Remove, Start, Stop};
    use TrialState::{Done, Failed, Lost, Queued, Running};
    [
        (Queued, Start, Running),
        (Failed, Start, Running),
        (Lost, Start, Running),
        (Running, Finish, Done),
        (Running, Fail, Failed),
        (Running, Stop, Lost),
        (Running, Die, Lost),
        (Lost, Fail, Failed),
        (Done, Remove, Queued),
        (Failed, Remove, Queued),
        (Lost, Remove, Queued),
    ]
};

impl TrialState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Lost];

    /// The state after an event; `None` when that cannot happen.
    #[must_use]
    pub fn after(self, event: TrialEvent) -> Option<Self> {
        let change = CHANGES.iter().find(|(from, by, _)| (*from, *by) == (self, event));
        change.map(|(_, _, to)| *to)
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for TrialState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl From<Status> for TrialState {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Done => Self::Done,
            Status::Failed => Self::Failed,
            Status::Lost => Self::Lost,
        }
    }
}
