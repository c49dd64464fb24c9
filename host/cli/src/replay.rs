//! A trial run again in a place of its own, where it neither counts as work done nor touches any.

use crate::child::{self, Said};
use crate::failure::Failure;
use crate::printer;
use crate::trial::{STOPPED, TrialFile};
use ablate_runs::{Run, Store};
use ablate_sweep::{Driver, Event, Exit, Job, Limits, Next};
use chrono::Local;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

static STOP: AtomicBool = AtomicBool::new(false);

/// Where there is no terminal, so often a line says how far the trial is.
const LINES: Duration = Duration::from_secs(15);

/// A home for one trial.
pub(crate) enum Place {
    /// Removed when it is no longer needed.
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Place {
    /// A temporary home.
    pub(crate) fn temporary() -> Result<Self, Failure> {
        Ok(Self::Temporary(tempfile::Builder::new().prefix("ablate-reproduction-").tempdir()?))
    }

    /// A new numbered folder in `folder`.
    pub(crate) fn kept(folder: &Path) -> Result<Self, Failure> {
        fs_err::create_dir_all(folder)?;
        for number in 1.. {
            let place = folder.join(number.to_string());
            match fs_err::create_dir(&place) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return Ok(made.map(|()| Self::Kept(place))?),
            }
        }
        Err(Failure::unexpected("there is no number left for a reproduction"))
    }

    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    /// The folder, if it stays.
    pub(crate) fn kept_folder(&self) -> Option<&Path> {
        match self {
            Self::Temporary(_) => None,
            Self::Kept(folder) => Some(folder),
        }
    }
}

/// Runs the trial in its home, which is empty but for caches, and gives its finished run.
pub(crate) fn replay(trial: &TrialFile, cache: &Path) -> Result<Run, Failure> {
    // Only the first handler of a process can be set, and this is the only place.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst));
    let home = &trial.home;
    // What is prepared from the data is the same for every trial, and may have taken hours.
    let link = home.join("cache");
    if fs_err::create_dir_all(cache).is_ok() {
        fs_err::os::unix::fs::symlink(cache, &link)?;
    }
    let file = home.join("trial.json");
    fs_err::write(&file, serde_json::to_vec(trial)?)?;
    let mut replay = Replay {
        stderr: home.join("stderr.txt"),
        file: Some(file),
        entering: String::new(),
        failure: None,
        exit: None,
        screen: Screen::new(),
        error: None,
    };
    let summary = ablate_sweep::run(&mut replay, 1, &STOP);
    replay.screen.close();
    if link.is_symlink() {
        fs_err::remove_file(link)?;
    }
    if let Some(error) = replay.error {
        return Err(error);
    }
    let stopped = summary?.stopped || STOP.load(Ordering::SeqCst);
    match (replay.exit, replay.failure) {
        _ if stopped => Err(Failure::unexpected("stopped: nothing was compared")),
        (Some(Exit::Code(STOPPED)), _) => Err(Failure::unexpected("the reproduction was stopped")),
        (_, Some(mut failure)) => {
            failure.message = format!("the reproduction failed: {}", failure.message);
            Err(failure)
        }
        (Some(Exit::Code(0)), None) => finished(home, &trial.identity),
        (exit, None) => {
            let how = exit.map_or("nothing".to_owned(), |exit| exit.describe());
            let place = match replay.entering.as_str() {
                "" => String::new(),
                place => format!(" in {place}"),
            };
            let message = format!("the process of the reproduction ended with {how}{place}");
            let words = fs_err::read_to_string(&replay.stderr).unwrap_or_default();
            let failure = Failure::unexpected(message);
            Err(match words.trim().lines().last() {
                Some(line) => failure.hint(format!("its last words: {line}")),
                None => failure,
            })
        }
    }
}

/// The run that the trial has left.
fn finished(home: &Path, identity: &str) -> Result<Run, Failure> {
    let store = Store::open(home)?;
    let runs = store.by_identity(identity)?;
    let run = runs.first().map(|run| store.run(&run.id)).transpose()?;
    match run {
        Some(run) if run.result()?.is_some() => Ok(run),
        _ => Err(Failure::unexpected(
            "the process of the reproduction ended with success, and without a result",
        )),
    }
}

/// Drives the queue with the one trial.
struct Replay {
    /// What the trial has to know, until it is started.
    file: Option<PathBuf>,
    stderr: PathBuf,
    entering: String,
    failure: Option<Failure>,
    exit: Option<Exit>,
    screen: Screen,
    error: Option<Failure>,
}

impl Driver for Replay {
    fn next(&mut self) -> Next {
        let Some(file) = self.file.take() else { return Next::Done };
        match child::command(&["__trial".as_ref(), file.as_os_str()]) {
            Ok(command) => Next::Start(Box::new(Job {
                label: "the reproduction".to_owned(),
                command,
                stderr: Some(self.stderr.clone()),
                limits: Limits::default(),
            })),
            Err(error) => {
                self.error = Some(error);
                Next::Done
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Started { .. } => {}
            Event::Finished { exit, .. } => self.exit = Some(exit),
            Event::Line { line, .. } => match serde_json::from_str::<Said>(line) {
                Ok(Said::Entering(what)) => self.entering = what,
                Ok(Said::TrialFailed { failure, .. } | Said::Failed(failure)) => {
                    self.failure = Some(failure);
                }
                Ok(Said::Progress { task, done, total }) => self.screen.show(done, total, &task),
                Ok(Said::Step { epoch, epochs, step, steps, loss }) => {
                    let text = format!("epoch {epoch}/{epochs}  loss {loss:.4}");
                    self.screen.show(step, steps, &text);
                }
                Ok(Said::Publishing { split, batch, batches }) => {
                    self.screen.show(batch, batches, &format!("artifacts: split {split}"));
                }
                Ok(Said::Log { level, message }) if level <= 2 => self.screen.note(&message),
                _ => {}
            },
        }
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Screen {
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Screen {
    fn new() -> Self {
        let bar = printer::live().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}  eta {eta}")
                .expect("the template is a constant")
                .progress_chars("█▉▊▋▌▍▎▏ ");
            let bar = ProgressBar::new(0).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, said: Instant::now() }
    }

    fn show(&mut self, done: u64, total: u64, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(text.to_owned());
        } else if self.said.elapsed() > LINES {
            self.said = Instant::now();
            self.note(&format!("{done} of {total}  {text}"));
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => printer::note(&format!("{} {text}", Local::now().format("%H:%M:%S"))),
        }
    }

    fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
