//! Runs jobs in child processes, a bounded number at once, and stops them when asked to.
//!
//! Each child leads a process group of its own, so that what it starts ends with it and a Ctrl-C in
//! the terminal reaches only the parent, which then stops the children in order. A child does not
//! end by itself when the parent is killed: it has to watch its parent's process id, and leave when
//! that changes.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// How often children are asked whether they have ended; much less than a trial takes.
const POLL: Duration = Duration::from_millis(10);
/// The same for a child that has closed its output, and so is about to end.
const SOON: Duration = Duration::from_micros(500);
/// How often the driver is asked again after it had nothing to start.
const AGAIN: Duration = Duration::from_millis(100);
/// How often the memory of children that have a limit is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a stopped child may take to write its last checkpoint.
const GRACE: Duration = Duration::from_secs(10);
/// How long output may still come once a child has ended, if something it started holds the pipe.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A command to run.
#[derive(Debug)]
pub struct Job {
    /// What errors call it.
    pub label: String,
    /// The command. Its standard output is read line by line.
    pub command: Command,
    /// Where its standard error is appended; `None` leaves it as the command says.
    pub stderr: Option<PathBuf>,
    /// What it may use.
    pub limits: Limits,
}

/// What a job may use. A job that goes beyond is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run. It is asked to end, and made to after ten seconds.
    pub time: Option<Duration>,
    /// How long it may print nothing. It is ended as if its time were over.
    pub silence: Option<Duration>,
    /// How much memory its process may have resident, in bytes; looked at twenty times a second. It is killed.
    pub memory: Option<u64>,
}

/// The limit that ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::time`].
    Time(Duration),
    /// [`Limits::silence`].
    Silence(Duration),
    /// [`Limits::memory`].
    Memory(u64),
}

/// What the queue asks for when a place is free.
#[derive(Debug)]
pub enum Next {
    /// Start this.
    Start(Box<Job>),
    /// There is nothing to start now; ask again after a moment, or when a job has ended.
    Wait,
    /// Nothing is left. Asked again when a job ends later, since that may give new work.
    Done,
}

/// Says what to run, and is told what happens.
pub trait Driver {
    /// The next job, asked for when a place is free.
    fn next(&mut self) -> Next;

    /// Something happened to a job.
    fn event(&mut self, event: Event<'_>);
}

/// What happens to the jobs. `job` counts the jobs from zero in the order they were started.
#[derive(Debug)]
pub enum Event<'a> {
    /// A process has started.
    Started {
        /// The job.
        job: usize,
        /// Its process id.
        pid: u32,
    },
    /// A line of its standard output, without the line end.
    Line {
        /// The job.
        job: usize,
        /// The text; what is not UTF-8 is replaced.
        line: &'a str,
    },
    /// The process has ended, and all of its lines were handed over.
    Finished {
        /// The job.
        job: usize,
        /// How it ended.
        exit: Exit,
        /// The limit that it went beyond, if that ended it.
        limit: Option<Limit>,
        /// How long it ran.
        wall: Duration,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// `exit code 3` or `signal 11 (SIGSEGV)`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Code(code) => format!("exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => format!("signal {signal} ({name})"),
                None => format!("signal {signal}"),
            },
        }
    }

    /// Whether the process ended by itself with exit code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

/// What became of the jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Jobs that ended with exit code 0.
    pub succeeded: usize,
    /// Jobs that ended otherwise.
    pub failed: usize,
    /// Whether `stop` ended it before the jobs did.
    pub stopped: bool,
}

/// Runs what `driver` gives, at most `at_once` (at least one) jobs at a time.
///
/// A job that fails does not end the others. Once `stop` is set no job is started any more, the running ones get
/// SIGTERM, and after ten seconds SIGKILL. What a job leaves running in its process group ends with it.
///
/// # Errors
/// A process that cannot be started or waited for, or a log that cannot be opened. The running jobs
/// are stopped first.
pub fn run(driver: &mut dyn Driver, at_once: usize, stop: &AtomicBool) -> Result<Summary, Error> {
    let (sender, receiver) = channel();
    let mut queue =
        Queue { running: Vec::new(), started: 0, sender, receiver, looked: Instant::now() };
    let mut summary = Summary::default();
    let mut stopping: Option<Instant> = None;
    let mut ask_again: Option<Instant> = None;
    loop {
        let mut done = false;
        while stopping.is_none()
            && queue.running.len() < at_once.max(1)
            && ask_again.is_none_or(|at| Instant::now() >= at)
            && !stop.load(Ordering::Relaxed)
        {
            ask_again = None;
            match driver.next() {
                Next::Start(job) => {
                    let (job, pid) = queue.start(*job)?;
                    driver.event(Event::Started { job, pid });
                }
                Next::Wait => ask_again = Some(Instant::now() + AGAIN),
                Next::Done => {
                    done = true;
                    break;
                }
            }
        }
        if stopping.is_none() && stop.load(Ordering::Relaxed) {
            summary.stopped = !(done && queue.running.is_empty());
            stopping = Some(Instant::now());
            queue.running.iter().for_each(|process| process.signal(End::Ask));
        }
        if queue.running.is_empty() {
            if done || stopping.is_some() {
                return Ok(summary);
            }
            thread::sleep(POLL);
            continue;
        }
        if stopping.is_some_and(|since| since.elapsed() > GRACE) {
            queue.running.iter().for_each(|process| process.signal(End::Force));
        }
        queue.enforce_limits();
        queue.deliver(driver);
        while let Some((process, exit)) = queue.take_ended()? {
            let wall = process.since.elapsed();
            if !process.ended_output {
                queue.deliver_rest(process.job, driver);
            }
            if exit.is_success() {
                summary.succeeded += 1;
            } else {
                summary.failed += 1;
            }
            let limit = process.over.map(|(limit, _)| limit);
            driver.event(Event::Finished { job: process.job, exit, limit, wall });
            ask_again = None;
        }
    }
}

/// What a thread read from a child's standard output.
enum Output {
    Line(usize, String),
    End(usize),
}

struct Queue {
    running: Vec<Process>,
    started: usize,
    sender: Sender<Output>,
    receiver: Receiver<Output>,
    /// When the limits were looked at last.
    looked: Instant,
}

struct Process {
    job: usize,
    label: String,
    child: Child,
    since: Instant,
    limits: Limits,
    /// When it printed last.
    spoke: Instant,
    /// The limit that it went beyond, and when.
    over: Option<(Limit, Instant)>,
    ended_output: bool,
}

impl Queue {
    fn start(&mut self, job: Job) -> Result<(usize, u32), Error> {
        let Job { label, mut command, stderr, limits } = job;
        if let Some(path) = stderr {
            let file = fs_err::OpenOptions::new().create(true).append(true).open(&path);
            let file = file.map_err(|source| Error::Log { label: label.clone(), path, source })?;
            command.stderr(Stdio::from(file.into_file()));
        }
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let since = Instant::now();
        let mut child = command.spawn().map_err(|source| {
            let program = command.get_program().to_string_lossy().into_owned();
            Error::Start { label: label.clone(), program, source }
        })?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let job = self.started;
        let sender = self.sender.clone();
        thread::spawn(move || read_lines(job, BufReader::new(stdout), &sender));
        let pid = child.id();
        self.started += 1;
        self.running.push(Process {
            job,
            label,
            child,
            since,
            limits,
            spoke: since,
            over: None,
            ended_output: false,
        });
        Ok((job, pid))
    }

    /// Hands over what was read, waiting a moment for it.
    fn deliver(&mut self, driver: &mut dyn Driver) {
        let ending = self.running.iter().any(|process| process.ended_output);
        let mut wait = if ending { SOON } else { POLL };
        while let Ok(output) = self.receiver.recv_timeout(wait) {
            self.pass_on(output, driver);
            wait = Duration::ZERO;
        }
    }

    /// Hands over the last lines of a job that has ended.
    fn deliver_rest(&mut self, job: usize, driver: &mut dyn Driver) {
        let until = Instant::now() + LAST_LINES;
        loop {
            match self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Output::End(ended)) if ended == job => return,
                Ok(output) => self.pass_on(output, driver),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A process that has ended since the last look, no longer among the running ones.
    fn take_ended(&mut self) -> Result<Option<(Process, Exit)>, Error> {
        for (position, process) in self.running.iter_mut().enumerate() {
            let wait = |source| Error::Wait { label: process.label.clone(), source };
            if !has_ended(&process.child).map_err(wait)? {
                continue;
            }
            // Before its process id is given back, which others may get then.
            process.signal(End::Force);
            let status = process.child.wait().map_err(wait)?;
            return Ok(Some((self.running.remove(position), exit(status))));
        }
        Ok(None)
    }

    fn pass_on(&mut self, output: Output, driver: &mut dyn Driver) {
        let (Output::Line(job, _) | Output::End(job)) = output;
        if let Some(process) = self.running.iter_mut().find(|process| process.job == job) {
            process.spoke = Instant::now();
            process.ended_output |= matches!(output, Output::End(_));
        }
        if let Output::Line(job, line) = output {
            driver.event(Event::Line { job, line: &line });
        }
    }

    /// Ends what uses more than it may.
    fn enforce_limits(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        for process in &mut self.running {
            match process.over {
                Some((_, since)) if since.elapsed() > GRACE => process.signal(End::Force),
                Some(_) => {}
                None => process.over = process.limit().map(|limit| (limit, Instant::now())),
            }
        }
    }
}

/// Whether a child has ended; it stays a zombie, so that its process id is not given to others.
fn has_ended(child: &Child) -> std::io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

/// Whoever leaves early, by an error or a panic, leaves no process behind.
impl Drop for Queue {
    fn drop(&mut self) {
        let since = Instant::now();
        self.running.iter().for_each(|process| process.signal(End::Ask));
        while !self.running.is_empty() {
            self.running.retain_mut(|process| {
                let running = has_ended(&process.child).is_ok_and(|ended| !ended);
                if !running {
                    process.signal(End::Force);
                    // It has ended: this only takes it off the system's list.
                    let _ = process.child.wait();
                }
                running
            });
            if since.elapsed() > GRACE {
                self.running.iter().for_each(|process| process.signal(End::Force));
            }
            thread::sleep(POLL);
        }
    }
}

#[derive(Clone, Copy)]
enum End {
    Ask,
    Force,
}

impl Process {
    /// The limit that it has gone beyond, after it was told to end for that.
    fn limit(&self) -> Option<Limit> {
        let Limits { time, silence, memory } = self.limits;
        if let Some(bytes) =
            memory.filter(|bytes| resident(&self.child).is_some_and(|r| r > *bytes))
        {
            self.signal(End::Force);
            return Some(Limit::Memory(bytes));
        }
        let time = time.filter(|time| self.since.elapsed() > *time).map(Limit::Time);
        let silence = silence.filter(|silence| self.spoke.elapsed() > *silence).map(Limit::Silence);
        let limit = time.or(silence)?;
        self.signal(End::Ask);
        Some(limit)
    }

    /// Sent to the whole group. That nobody is there any more is no error: `try_wait` will say so.
    fn signal(&self, end: End) {
        let signal = match end {
            End::Ask => rustix::process::Signal::TERM,
            End::Force => rustix::process::Signal::KILL,
        };
        let group = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process_group(group, signal);
    }
}

/// Bytes that the process of a child has resident, where the system tells.
fn resident(child: &Child) -> Option<u64> {
    let statm = fs_err::read_to_string(format!("/proc/{}/statm", child.id())).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn read_lines(job: usize, mut stdout: impl BufRead, sender: &Sender<Output>) {
    let mut bytes = Vec::new();
    while stdout.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        bytes.clear();
        if sender.send(Output::Line(job, line)).is_err() {
            return;
        }
    }
    let _nobody_listens = sender.send(Output::End(job));
}

fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    names.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests;
