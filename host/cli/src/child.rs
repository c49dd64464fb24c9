//! Children of this process: the same program with a hidden command.

use crate::failure::Failure;
use ablate_runs::Measurement;
use ablate_sweep::Exit;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a child may say nothing while an experiment is planned, unless `ABLATE_PLAN_TIMEOUT` says otherwise: a
/// fingerprint may need a look at all of the data.
const SILENCE: Duration = Duration::from_mins(10);

/// What a child says on its stdout, one JSON document a line.
#[derive(Debug, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// What it is about to enter: named if it dies there.
    Entering(String),
    /// How far a task is.
    Progress { task: String, done: u64, total: u64 },
    /// The run and the attempt that a trial writes to.
    Run { id: String, attempt: u32 },
    /// The step that it goes on from.
    Resumed { step: u64 },
    /// How far training is.
    Step { epoch: u64, epochs: u64, step: u64, steps: u64, loss: f64 },
    /// How far a trial is with what its artifacts are made of.
    Publishing { split: String, batch: u64, batches: u64 },
    /// A value that was measured while training.
    Measured { metric: String, split: String, value: f64 },
    /// What a finished trial measured that decides.
    Final { objective: Option<Measurement> },
    /// The trial failed; `kind` is a class of failures.
    TrialFailed { kind: String, failure: Failure },
    /// A line for people.
    Log { level: u32, message: String },
    /// The answer.
    Answer(Value),
    /// It failed.
    Failed(Failure),
}

/// A command that runs this program with `arguments`.
pub(crate) fn command(arguments: &[&OsStr]) -> Result<Command, Failure> {
    let mut command = Command::new(this_program()?);
    command
        .args(arguments)
        .stdin(Stdio::null())
        // Burn picks its default device from it, and panics when that backend is not built in.
        .env_remove("BURN_DEVICE");
    Ok(command)
}

/// This very program, even if its file was replaced by a new build since it started.
fn this_program() -> Result<PathBuf, Failure> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_path_buf());
    }
    std::env::current_exe()
        .map_err(|error| Failure::unexpected(format!("failed to find this program: {error}")))
}

/// How a process ended, in words.
pub(crate) fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.code().unwrap_or_default()),
    }
    .describe()
}

/// How the text begins about a process that said nothing before it ended.
const DEATH: &str = "a plugin ended its process with ";

/// How the text begins about a process that was ended because it said nothing.
const HANG: &str = "a plugin did not answer within ";

/// Whether a child died or was ended, instead of saying what failed.
pub(crate) fn is_death(failure: &Failure) -> bool {
    [DEATH, HANG].iter().any(|start| failure.message.starts_with(start))
}

/// What ends a child before it has answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// This flag: it is asked to end.
    Stopped(&'static AtomicBool),
    /// That it says nothing for ten minutes, or what `ABLATE_PLAN_TIMEOUT` says.
    Silent,
}

impl Until {
    /// The time without a word that is waited for.
    fn silence(self) -> Result<Option<Duration>, Failure> {
        let Self::Silent = self else { return Ok(None) };
        let Some(value) = std::env::var_os("ABLATE_PLAN_TIMEOUT") else { return Ok(Some(SILENCE)) };
        let seconds = value.to_str().and_then(|text| text.parse().ok()).filter(|time| *time > 0.0);
        let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        limit.map(Some).ok_or_else(|| {
            let value = value.to_string_lossy();
            Failure::user(format!(
                "`ABLATE_PLAN_TIMEOUT` is `{value}`, expected a number of seconds"
            ))
        })
    }
}

fn hung(limit: Duration, entering: &str) -> Failure {
    Failure::user(format!("{HANG}{} s in {entering}", limit.as_secs_f64())).hint(
        "`ABLATE_PLAN_TIMEOUT` is how many seconds a component may take without reporting progress",
    )
}

fn died(status: ExitStatus, entering: &str, stderr: &str) -> Failure {
    let how = ended(status);
    let failure = Failure::user(format!("{DEATH}{how} in {entering}"));
    match stderr.trim().lines().last() {
        Some(line) => {
            let line: String = line.chars().take(300).collect();
            failure.hint(format!("its last words: {line}"))
        }
        None => failure,
    }
}

/// Sends `input` to a child and waits for its answer, telling `listen` what it says meanwhile.
pub(crate) fn ask<A: DeserializeOwned>(
    name: &str,
    input: &impl Serialize,
    until: Until,
    mut listen: impl FnMut(&Said),
) -> Result<A, Failure> {
    let silence = until.silence()?;
    let mut child = command(&[name.as_ref()])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let text = serde_json::to_string(input)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that dies before it has read everything is reported below.
        let _ = stdin.write_all(text.as_bytes());
    }
    let stderr = child.stderr.take();
    let rest = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            // What is left of a dead child's words is a courtesy.
            let _ = stderr.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let watch = Watch::start(&child, until, silence);
    let (mut entering, mut answer, mut failed) = (String::new(), None, None);
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            // A plugin's texts may be anything.
            let line = String::from_utf8_lossy(&line);
            let Ok(said) = serde_json::from_str::<Said>(&line) else { continue };
            watch.heard();
            listen(&said);
            match said {
                Said::Entering(what) => entering = what,
                Said::Answer(value) => answer = Some(value),
                Said::Failed(failure) => failed = Some(failure),
                _ => {}
            }
        }
    }
    // Before `wait`, after which the process id may be somebody else's.
    let hangs = watch.end();
    let status = child.wait()?;
    let stderr = rest.join().unwrap_or_default();
    match (failed, answer) {
        (Some(failure), _) => Err(failure),
        // Whatever ended it then: the answer was complete.
        (None, Some(answer)) => Ok(serde_json::from_value(answer)?),
        _ if hangs => Err(hung(silence.unwrap_or(SILENCE), &entering)),
        _ if entering.is_empty() => Err(Failure::unexpected(format!(
            "`ablate {name}` ended with {}: {}",
            ended(status),
            stderr.trim()
        ))),
        _ => Err(died(status, &entering, &stderr)),
    }
}

/// Ends a child in time.
struct Watch {
    shared: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

struct Watched {
    over: AtomicBool,
    hangs: AtomicBool,
    heard: Mutex<Instant>,
}

impl Watch {
    fn start(child: &Child, until: Until, silence: Option<Duration>) -> Self {
        let (over, hangs, heard) = (AtomicBool::new(false), AtomicBool::new(false), Instant::now());
        let shared = Arc::new(Watched { over, hangs, heard: Mutex::new(heard) });
        let (process, watched) = (Pid::from_child(child), shared.clone());
        let thread = std::thread::spawn(move || {
            while !watched.over.load(Ordering::SeqCst) {
                let signal = match until {
                    Until::Stopped(stop) => stop.load(Ordering::SeqCst).then_some(Signal::TERM),
                    Until::Silent => {
                        silence.filter(|limit| watched.silence() > *limit).map(|_| Signal::KILL)
                    }
                };
                if let Some(signal) = signal {
                    watched.hangs.store(signal == Signal::KILL, Ordering::SeqCst);
                    // That it has just ended by itself is no error.
                    let _ = kill_process(process, signal);
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(50));
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// The child has said something.
    fn heard(&self) {
        *self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it was ended because it said nothing.
    fn end(mut self) -> bool {
        self.join();
        self.shared.hangs.load(Ordering::SeqCst)
    }

    fn join(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only waits and looks.
            let _ = thread.join();
        }
    }
}

impl Watched {
    fn silence(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

/// The request on stdin, for the child's side.
pub(crate) fn request<R: DeserializeOwned>() -> Result<R, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Runs the child's side: its answer or its failure goes to stdout.
pub(crate) fn serve<A: Serialize>(
    work: impl FnOnce() -> Result<A, Failure>,
) -> Result<u8, Failure> {
    crate::printer::keep_stdout()?;
    match work() {
        Ok(answer) => {
            crate::printer::line(&Said::Answer(serde_json::to_value(answer)?));
            Ok(0)
        }
        Err(failure) => {
            let code = failure.code;
            crate::printer::line(&Said::Failed(failure));
            Ok(code)
        }
    }
}

/// Sets `stop` when the parent is gone or a signal asks for the end.
pub(crate) fn stop_with_parent(stop: &'static AtomicBool) {
    // Only the first handler of a process can be set; later calls keep it.
    let _ = ctrlc::set_handler(move || stop.store(true, Ordering::SeqCst));
    #[cfg(unix)]
    std::thread::spawn(move || {
        let parent = std::os::unix::process::parent_id();
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::SeqCst);
    });
}
