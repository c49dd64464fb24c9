//! What the user is told when something fails: one text, hints, and an exit code.

use ablate_abi::v1::{ErrorKind, PluginError};
use std::error::Error;

/// An error on its way to the terminal.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Failure {
    /// What failed, outermost first, joined by colons.
    pub(crate) message: String,
    /// What to do about it.
    #[serde(default)]
    pub(crate) hints: Vec<String>,
    /// 1 the user's input or a failed trial, 2 incomplete or unexpected.
    #[serde(default = "user")]
    pub(crate) code: u8,
    /// The backtrace of a panic where one was asked for: for logs, not for the terminal.
    #[serde(default)]
    pub(crate) trace: Option<String>,
}

fn user() -> u8 {
    1
}

impl Failure {
    /// The user's input is wrong.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), code: 1, trace: None }
    }

    /// Something that should not happen.
    pub(crate) fn unexpected(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), code: 2, trace: None }
    }

    /// With advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The error and its sources, each said once.
    pub(crate) fn chain(error: &dyn Error, hints: Vec<String>, code: u8) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self { message, hints, code, trace: None }
    }
}

macro_rules! from_error {
    ($($error:ty => $code:expr),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let hints = error.hints();
                Self::chain(&error, hints, $code)
            }
        })*
    };
}

from_error! {
    ablate_config::Error => 1,
    ablate_conformance::Error => 1,
    ablate_catalog::Error => 1,
    ablate_export::Error => 1,
    ablate_loader::Error => 1,
    ablate_report::Error => 1,
    ablate_runs::Error => 1,
    ablate_sweep::Error => 1,
}

impl From<ablate_train::Error> for Failure {
    fn from(error: ablate_train::Error) -> Self {
        let mut hints = error.hints();
        let mut trace = None;
        if let ablate_train::Error::Component { source, .. } = &error {
            hints.extend(panic_place(source));
            trace = backtrace(source);
        }
        Self { trace, ..Self::chain(&error, hints, 1) }
    }
}

/// Where in its sources a component panicked: its author will need to know.
fn panic_place(error: &PluginError) -> Option<String> {
    let place = error.backtrace.lines().next()?;
    (error.kind == ErrorKind::PANIC).then(|| format!("it panicked at {place}"))
}

/// What stands below the place: a backtrace where `RUST_BACKTRACE` asked for one.
fn backtrace(error: &PluginError) -> Option<String> {
    let (_, trace) = error.backtrace.split_once('\n')?;
    Some(trace.trim_end().to_owned())
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::chain(&error, Vec::new(), 2)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::chain(&error, Vec::new(), 2)
    }
}

impl Failure {
    /// An error that a component reported.
    pub(crate) fn from_plugin(path: &str, name: &str, error: &PluginError) -> Self {
        let mut failure = Self::user(format!("`{path}` (`{name}`): {error}"));
        failure.hints.extend(error.hints().map(ToOwned::to_owned));
        failure.hints.extend(panic_place(error));
        failure.trace = backtrace(error);
        failure
    }
}
