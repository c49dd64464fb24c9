//! All printing: data to stdout, everything else to stderr.
use crate::failure::Failure;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Whether stdout shows colors: a terminal, and `NO_COLOR` not set.
pub(crate) fn color() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Whether stderr is a terminal, so that live progress makes sense.
pub(crate) fn live() -> bool {
    std::io::stderr().is_terminal()
}

/// Columns of the terminal; 100 where there is none.
pub(crate) fn width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(100)
}

/// Prints data. A reader that went away is no error.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{newline}").and_then(|()| out.flush());
}

/// Prints data as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    data(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// One machine-readable line, for the parent of this process.
pub(crate) fn line(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

/// A line about what is going on.
///
/// A terminal that went away must not end a sweep: like stdout, stderr may fail.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A failure, printed once.
pub(crate) fn failure(failure: &Failure) {
    note(&format!("error: {}", failure.message));
    hints(&failure.hints);
}

/// Something that does not stop the work.
pub(crate) fn warning(text: &str, advice: &[String]) {
    note(&format!("warning: {text}"));
    hints(advice);
}

fn hints(list: &[String]) {
    for hint in list {
        note(&format!("hint: {hint}"));
    }
}
