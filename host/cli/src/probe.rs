//! Asking a new library about itself, in a child process: a broken file may end the process, or
//! never come back.

use crate::failure::Failure;
use crate::{child, printer};
use ablate_catalog::{Probe, ProbeFailure};
use ablate_loader::{Error, Loader, NoServices};
use ablate_sweep::Exit;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a library may take to be opened and to describe itself, unless `ABLATE_PROBE_TIMEOUT`
/// says otherwise. It takes milliseconds where the disk is not slow.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The longest description that is read.
const DESCRIPTION_MAX: u64 = 16 << 20;

/// How much is read of what the child writes to its standard error.
const STDERR_MAX: u64 = 64 << 10;

/// Characters of the last line of it that are shown.
const LAST_WORDS: usize = 200;

/// Probes by running this program again.
pub(crate) struct ChildProbe;

/// What the child says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Description(String),
    Failed { kind: String, failure: Failure },
}

/// How the child ended.
enum Ending {
    Exited(ExitStatus),
    TooLate,
}

impl Probe for ChildProbe {
    fn describe(&self, library: &Path) -> Result<String, ProbeFailure> {
        // What can be seen without running anything gives better errors than a crash.
        if let Err(error) = ablate_loader::inspect(library) {
            return Err(nameless(error.kind(), Failure::from(error), library));
        }
        let timeout = timeout()?;
        let asked = ask(library, timeout);
        let (ending, stdout, stderr) =
            asked.map_err(|failure| nameless("other", failure, library))?;
        if stdout.len() as u64 > DESCRIPTION_MAX {
            let text = format!("its description is longer than {} MiB", DESCRIPTION_MAX >> 20);
            return Err(ProbeFailure::new("description", text, Vec::new()));
        }
        // Once it has answered, how it ends is not of interest.
        match (serde_json::from_slice(&stdout), ending) {
            (Ok(Answer::Description(text)), _) => Ok(text),
            (Ok(Answer::Failed { kind, failure }), _) => Err(nameless(&kind, failure, library)),
            (Err(_), Ending::TooLate) => Err(too_late(timeout)),
            (Err(_), Ending::Exited(status)) => Err(died(status, &stderr)),
        }
    }
}

fn timeout() -> Result<Duration, ProbeFailure> {
    let Some(value) = std::env::var_os("ABLATE_PROBE_TIMEOUT") else { return Ok(TIMEOUT) };
    let seconds =
        value.to_str().and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0.0);
    let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    limit.ok_or_else(|| {
        let text = format!(
            "it was not opened: `ABLATE_PROBE_TIMEOUT` is `{}`, expected a number of seconds",
            value.to_string_lossy()
        );
        ProbeFailure::new("other", text, Vec::new())
    })
}

/// Runs the child to its end or to that of its time: how it ended, its answer, its last words.
fn ask(library: &Path, timeout: Duration) -> Result<(Ending, Vec<u8>, Vec<u8>), Failure> {
    let until = Instant::now() + timeout;
    let mut child = child::command(&["__probe".as_ref(), library.as_os_str()])?
        // What the library starts ends with it.
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = collect(child.stdout.take(), DESCRIPTION_MAX + 1);
    let stderr = collect(child.stderr.take(), STDERR_MAX);
    let left = || until.saturating_duration_since(Instant::now());
    // Its end closes the pipe; one that closes it and goes on is waited for below.
    let answer = stdout.recv_timeout(left());
    let mut ended = None;
    let ends = answer.as_ref().is_ok_and(|answer| answer.len() as u64 <= DESCRIPTION_MAX);
    while ends && ended.is_none() && !left().is_zero() {
        ended = child.try_wait()?;
        std::thread::sleep(Duration::from_micros(if ended.is_some() { 0 } else { 500 }));
    }
    if ended.is_none() {
        end(&mut child)?;
    }
    // The pipes are closed now, unless somebody in another group holds them.
    let rest = |pipe: &Receiver<Vec<u8>>| pipe.recv_timeout(Duration::from_secs(1));
    let answer = answer.or_else(|_| rest(&stdout)).unwrap_or_default();
    let stderr = rest(&stderr).unwrap_or_default();
    Ok((ended.map_or(Ending::TooLate, Ending::Exited), answer, stderr))
}

/// Ends the child with all that it has started.
fn end(child: &mut Child) -> Result<(), Failure> {
    // That it has just ended by itself is no error.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    child.wait()?;
    Ok(())
}

/// All that comes out of a pipe, cut at `bytes_max`.
fn collect(pipe: Option<impl Read + Send + 'static>, bytes_max: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        // What was read before an error is all there is.
        let _ = pipe.by_ref().take(bytes_max).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
        // The rest is taken as well, so that the child does not wait for a reader.
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    });
    receiver
}

fn too_late(timeout: Duration) -> ProbeFailure {
    let text = format!("it was not open after {} s", timeout.as_secs_f64());
    let hints = vec![
        "it is not tried again before the file changes, for example by `touch`".to_owned(),
        "`ABLATE_PROBE_TIMEOUT` is how many seconds a library may take to be opened".to_owned(),
    ];
    ProbeFailure { lasting: true, ..ProbeFailure::new("timeout", text, hints) }
}

fn died(status: ExitStatus, stderr: &[u8]) -> ProbeFailure {
    use std::os::unix::process::ExitStatusExt;
    let exit = status.signal().map_or(Exit::Code(status.code().unwrap_or_default()), Exit::Signal);
    let text = format!("it ended the process that opened it: {}", exit.describe());
    let mut hints = vec!["the file is broken, or its code crashes while it is loaded".to_owned()];
    let stderr = String::from_utf8_lossy(stderr);
    if let Some(line) = stderr.trim().lines().last() {
        let line: String = line.chars().take(LAST_WORDS).collect();
        hints.push(format!("its last words: {line}"));
    }
    ProbeFailure::new("crash", text, hints)
}

/// The failure as a sentence about "it": whoever shows it names the file.
fn nameless(kind: &str, failure: Failure, library: &Path) -> ProbeFailure {
    let path = library.display();
    let message = failure
        .message
        .replace(&format!("failed to open plugin `{path}`: "), "it cannot be opened: ")
        .replace(&format!("failed to read plugin `{path}`: "), "it cannot be read: ")
        .replace(&format!("plugin `{path}`: "), "")
        .replace(&format!("plugin `{path}` "), "it ")
        .replace(&format!("`{path}` "), "it ")
        .replace(&format!("{path}: "), "");
    ProbeFailure::new(kind, message, failure.hints)
}

/// The child's side: opens the library and prints its description.
pub(crate) fn probe(library: &Path) -> Result<u8, Failure> {
    // What the library prints is no answer.
    printer::keep_stdout()?;
    let loader = Loader::new(NoServices, 1);
    let answer = match loader.open(library, None).and_then(|library| library.description()) {
        Ok(description) => Answer::Description(description),
        Err(error) => failed(error),
    };
    printer::line(&answer);
    Ok(0)
}

fn failed(error: Error) -> Answer {
    Answer::Failed { kind: error.kind().to_owned(), failure: Failure::from(error) }
}
