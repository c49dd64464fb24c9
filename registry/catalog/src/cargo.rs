//! Runs Cargo: which program, with which environment, and what it says meanwhile.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::error::Error;

/// How many of the last lines an error shows.
const TAIL: usize = 30;

/// A call of Cargo (`CARGO`, by default `cargo`).
pub(crate) struct Cargo {
    command: Command,
    program: String,
    shown: String,
    folder: PathBuf,
}

/// What Cargo answered.
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
    pub(crate) status: ExitStatus,
    /// The last lines that it printed.
    pub(crate) tail: Vec<String>,
    shown: String,
    folder: PathBuf,
}

impl Cargo {
    /// Runs in `folder`, whose configuration counts.
    pub(crate) fn new(arguments: &[&str], folder: &Path) -> Self {
        let program = std::env::var_os("CARGO").filter(|program| !program.is_empty());
        let program = program.unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        // What is printed is read here.
        command.env("CARGO_TERM_COLOR", "never");
        if let Some(target) = target_variable() {
            command.env("CARGO_TARGET_DIR", target);
        }
        // `cargo run` and `cargo test` describe their own package in the environment, and some
        // build scripts run again when that differs.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|p| text.starts_with(p)) {
                command.env_remove(&name);
            }
        }
        let program = program.display().to_string();
        let shown = format!("{program} {}", arguments.join(" "));
        Self { command, program, shown, folder: folder.to_owned() }
    }

    /// With a path, which need not be text.
    pub(crate) fn path(mut self, option: &str, path: impl AsRef<OsStr>) -> Self {
        self.command.arg(option).arg(path);
        self
    }

    /// With an option that has a value.
    pub(crate) fn option(mut self, option: &str, value: &str) -> Self {
        self.shown = format!("{} {option} {value}", self.shown);
        self.command.args([option, value]);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs to the end. Every line on stderr goes to `on_line`.
    ///
    /// # Errors
    /// [`Error::Cargo`] when it does not start; that it fails is an answer.
    pub(crate) fn run(mut self, on_line: &mut dyn FnMut(&str)) -> Result<Answer, Error> {
        let failed = |source| Error::Cargo { program: self.program.clone(), source };
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(failed)?;
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut tail = VecDeque::new();
        let mut bytes = Vec::new();
        while lines.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            let line = text.trim_end();
            on_line(line);
            tail.push_back(line.to_owned());
            if tail.len() > TAIL {
                tail.pop_front();
            }
            bytes.clear();
        }
        let stdout = reader.join().expect("reading does not panic").map_err(failed)?;
        let status = child.wait().map_err(failed)?;
        let tail = tail.into();
        Ok(Answer { stdout, status, tail, shown: self.shown, folder: self.folder })
    }
}

impl Answer {
    /// What it printed, if it succeeded.
    ///
    /// # Errors
    /// [`Error::Build`] with the last lines that it printed.
    pub(crate) fn success(self) -> Result<Vec<u8>, Error> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        let Self { status, tail, shown: command, folder: root, .. } = self;
        Err(Error::Build { command, root, status, tail })
    }
}

/// The target folder that the environment asks for, as an absolute path: Cargo would read a
/// relative one against the folder that it runs in.
pub(crate) fn target_variable() -> Option<PathBuf> {
    ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]
        .iter()
        .filter_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
        .map(|path| std::path::absolute(&path).unwrap_or_else(|_| path.into()))
        .next()
}

/// The triple of the machine that Cargo runs on.
pub(crate) fn host_triple(folder: &Path) -> Result<Option<String>, Error> {
    let answer = Cargo::new(&["-vV"], folder).run(&mut |_| {})?;
    let text = String::from_utf8_lossy(&answer.stdout);
    Ok(text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned))
}
