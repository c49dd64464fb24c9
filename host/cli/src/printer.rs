//! All printing: data to stdout, everything else to stderr.
use crate::failure::Failure;
use serde::Serialize;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, OnceLock, PoisonError};

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

/// Where stdout of this process went before plugins got it.
static PARENT: OnceLock<Mutex<File>> = OnceLock::new();

/// From now on what plugins print, to stdout or to stderr, goes to stderr, and what this process has
/// to say goes where stdout went before: a plugin's `print!` must not tear a line for the parent.
pub(crate) fn keep_stdout() -> std::io::Result<()> {
    let parent = std::io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    // The first one is the one.
    let _ = PARENT.set(Mutex::new(File::from(parent)));
    Ok(())
}

/// Writes to whoever reads this process's data. A reader that went away is no error.
fn write_data(text: &str) {
    if let Some(parent) = PARENT.get() {
        let mut parent = parent.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = parent.write_all(text.as_bytes());
    } else {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Prints data.
pub(crate) fn data(text: &str) {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    write_data(&format!("{text}{newline}"));
}

/// Prints data as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    data(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// One machine-readable line, for the parent of this process.
pub(crate) fn line(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        write_data(&format!("{text}\n"));
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
