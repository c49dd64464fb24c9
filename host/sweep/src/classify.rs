//! What kind of failure ended a trial's process: what a retry policy is about.

use ablate_config::FailureClass;

use crate::queue::{Exit, Limit};

/// How a process ended that did not finish its trial.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Its exit.
    pub exit: Exit,
    /// The limit that it went beyond, if that ended it.
    pub limit: Option<Limit>,
    /// The kind of failure that it reported itself.
    pub reported: Option<&'a str>,
    /// What it wrote to its standard error.
    pub stderr: &'a str,
    /// Whether the system killed some process for memory while it ran.
    pub system_was_out_of_memory: bool,
}

/// The class of a failure: what the process said itself, else what can be seen from outside.
#[must_use]
pub fn classify(ending: &Ending<'_>) -> FailureClass {
    match ending.limit {
        Some(Limit::Memory(_)) => return FailureClass::OutOfMemory,
        Some(Limit::Time(_) | Limit::Silence(_)) => return FailureClass::Timeout,
        None => {}
    }
    if let Some(kind) = ending.reported {
        return kind.parse().unwrap_or(FailureClass::Other);
    }
    match ending.exit {
        Exit::Signal(KILL) if ending.system_was_out_of_memory => FailureClass::OutOfMemory,
        // Rust's allocator says so before it aborts.
        Exit::Signal(ABRT) if ending.stderr.contains("memory allocation of") => {
            FailureClass::OutOfMemory
        }
        Exit::Signal(_) => FailureClass::Signal,
        Exit::Code(_) => FailureClass::Other,
    }
}

const ABRT: i32 = rustix::process::Signal::ABORT.as_raw();
const KILL: i32 = rustix::process::Signal::KILL.as_raw();

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ABRT, Ending, KILL, classify};
    use crate::{Exit, Limit};

    fn class(ending: Ending<'_>) -> &'static str {
        classify(&ending).as_str()
    }

    #[test]
    fn limits_then_words_then_signals_decide() {
        let ending = Ending {
            exit: Exit::Code(1),
            limit: None,
            reported: Some("not-finite"),
            stderr: "",
            system_was_out_of_memory: false,
        };
        assert_eq!(class(ending), "not-finite");
        assert_eq!(class(Ending { reported: Some("moon"), ..ending }), "other");
        assert_eq!(class(Ending { limit: Some(Limit::Memory(1)), ..ending }), "out-of-memory");
        let late = Some(Limit::Time(Duration::from_secs(1)));
        assert_eq!(class(Ending { limit: late, ..ending }), "timeout");
        let silent = Ending { reported: None, ..ending };
        assert_eq!(class(silent), "other");
        let killed = Ending { exit: Exit::Signal(KILL), ..silent };
        assert_eq!(class(killed), "signal");
        assert_eq!(class(Ending { system_was_out_of_memory: true, ..killed }), "out-of-memory");
        let aborted = Ending { exit: Exit::Signal(ABRT), ..silent };
        assert_eq!(class(aborted), "signal");
        let stderr = "memory allocation of 8589934592 bytes failed";
        assert_eq!(class(Ending { stderr, ..aborted }), "out-of-memory");
        assert_eq!(class(Ending { exit: Exit::Signal(11), ..silent }), "signal");
    }
}
