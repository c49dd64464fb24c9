//! What a sweep looks like while it runs: a block at the bottom of a terminal, one line per event
//! elsewhere.
//!
//! `model` is what is known, `frame` and `story` turn it into lines of text, `painter` brings them
//! onto a terminal; only this file has a thread, a clock and an output.

mod figures;
mod frame;
mod line;
mod model;
mod painter;
mod story;
mod usage;

use crate::progress::{Logged, Progress};
use chrono::Local;
use console::Term;
use line::{Ink, Line};
use model::Model;
use painter::Painter;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use story::Form;
use usage::Sampler;

/// Between two frames of a terminal.
const FRAME: Duration = Duration::from_millis(100);
/// Between two looks at the processes; clocks on the screen go on as often.
const LOOK: Duration = Duration::from_secs(1);
/// Between two signs of life in a log.
const ALIVE: Duration = Duration::from_mins(1);
/// A terminal that does not say its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// A sweep at the moment when its trials begin.
pub(crate) struct Overview {
    pub(crate) experiment: String,
    /// The measurement that variants are compared by.
    pub(crate) objective: Option<Objective>,
    /// Trials at once.
    pub(crate) jobs: usize,
    /// Threads of each.
    pub(crate) threads: usize,
    /// Cores of the machine.
    pub(crate) cores: usize,
    pub(crate) variants: Vec<VariantOverview>,
    /// Trials of the sweep.
    pub(crate) total: usize,
    /// Those of them that are done already.
    pub(crate) done: usize,
}

/// A metric that variants are compared by.
pub(crate) struct Objective {
    pub(crate) metric: String,
    /// Where it is measured; empty if only the results will tell.
    pub(crate) split: String,
    pub(crate) higher_is_better: Option<bool>,
}

/// One variant at that moment.
pub(crate) struct VariantOverview {
    pub(crate) name: String,
    pub(crate) baseline: bool,
    /// Its trials.
    pub(crate) seeds: usize,
    /// The objective of those that are done, by seed.
    pub(crate) values: Vec<(u64, f64)>,
    pub(crate) done: usize,
    /// Those that failed and are not tried again.
    pub(crate) failed: usize,
    /// How long one of them takes, if earlier runs tell.
    pub(crate) expected: Option<Duration>,
}

/// What happens to the trials. `job` names a trial from its start to its end; `variant` is a position
/// in the overview; `run` is what `ablate show` takes, or empty.
pub(crate) enum TrialEvent<'a> {
    Started {
        job: usize,
        variant: usize,
        seed: u64,
        /// Counts from one.
        attempt: u32,
        pid: u32,
    },
    /// It goes on after a step of an earlier process.
    Resumed {
        job: usize,
        step: u64,
    },
    Step {
        job: usize,
        epoch: u64,
        epochs: u64,
        step: u64,
        steps: u64,
        loss: f64,
    },
    /// It computes what its artifacts are made of.
    Publishing {
        job: usize,
        split: &'a str,
        batch: u64,
        batches: u64,
    },
    Measured {
        job: usize,
        metric: &'a str,
        split: &'a str,
        value: f64,
    },
    Done {
        job: usize,
        /// The objective.
        value: Option<f64>,
        text: &'a str,
        wall: Duration,
        run: &'a str,
    },
    Failed {
        job: usize,
        class: &'a str,
        message: &'a str,
        hints: &'a [String],
        run: &'a str,
        log: Option<&'a Path>,
        /// The attempt that will be made, and how many are made at most.
        retry: Option<(u32, u32)>,
        wall: Duration,
    },
    /// It was asked to stop, and saved its state.
    Stopped {
        job: usize,
        run: &'a str,
    },
    /// Another process runs it.
    Elsewhere {
        job: usize,
    },
    /// Another process has finished it.
    ElsewhereDone {
        variant: usize,
        seed: u64,
        value: Option<f64>,
    },
    /// It has saved its state and waits for others, to go on later or never.
    Paused {
        job: usize,
        epoch: u64,
        run: &'a str,
    },
    /// It does not go on because its variant has no prospects.
    Pruned {
        variant: usize,
        seed: u64,
        epoch: u64,
        text: &'a str,
    },
}

/// Shows a sweep. All output happens in a thread of its own: a terminal that takes no text does not
/// hold up the trials.
pub(crate) struct Screen {
    shared: Arc<Shared>,
    logged: Logged,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    start: Instant,
    form: Form,
}

struct State {
    model: Model,
    /// Lines that wait to be written.
    waiting: Vec<Line>,
    changed: bool,
    closed: bool,
}

/// Where the text goes.
struct Output {
    writer: Box<dyn Write + Send>,
    color: bool,
    /// Columns and rows of the terminal.
    size: Box<dyn Fn() -> (usize, usize) + Send>,
    painter: Painter,
}

impl Screen {
    /// From now on this screen alone writes to stderr, until it is closed. What a plugin said while
    /// data was prepared is not said again.
    pub(crate) fn new(overview: Overview, prepared: &Progress) -> Self {
        let term = Term::stderr();
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let live = term.is_term() && variable("TERM") != "dumb";
        let color = live && variable("NO_COLOR").is_empty();
        let output = Output {
            writer: Box::new(std::io::stderr()),
            color,
            size: Box::new(move || terminal_size(&term)),
            painter: Painter::new(color, reflows(variable)),
        };
        let form = if live { Form::Live } else { Form::Plain };
        Self::with(overview, prepared.logged(), form, output)
    }

    fn with(overview: Overview, logged: Logged, form: Form, output: Output) -> Self {
        let state = State {
            model: Model::new(overview),
            waiting: Vec::new(),
            changed: true,
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            start: Instant::now(),
            form,
        });
        let theirs = shared.clone();
        // A sweep that nobody can watch is better than none.
        let thread = std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || theirs.show(output))
            .ok();
        Self { shared, logged, thread: Mutex::new(thread) }
    }

    /// Something happened to a trial.
    pub(crate) fn trial(&self, event: TrialEvent<'_>) {
        let now = self.shared.start.elapsed();
        let mut state = self.shared.state();
        let Some(trial) = state.model.trial(&event) else { return };
        state.model.apply(&event, now);
        state.changed = true;
        let lines = story::lines(&state.model, trial, &event, now, self.shared.form);
        self.shared.say(&mut state, lines);
    }

    /// What variants are compared by, as the first result tells it: its split and its direction.
    pub(crate) fn objective(&self, objective: Objective) {
        let mut state = self.shared.state();
        state.model.objective = Some(objective);
        state.changed = true;
    }

    /// What a plugin has to say, unless it was said before: every trial reads the same data.
    pub(crate) fn log(&self, label: &str, message: &str) {
        let new = self.logged.lock().is_ok_and(|mut logged| logged.insert(message.to_owned()));
        match label {
            _ if !new => {}
            "" => self.note(message),
            label => self.note(&format!("{label}: {message}")),
        }
    }

    /// A line that stays.
    pub(crate) fn note(&self, text: &str) {
        self.shared.say(&mut self.shared.state(), story::message(text));
    }

    /// Takes the block away; what was said stays. Afterwards stderr is free again.
    pub(crate) fn close(&self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_all();
        let thread = self.thread.lock().map(|mut thread| thread.take());
        if let Ok(Some(thread)) = thread {
            // It only writes; that it cannot is no reason to end otherwise.
            let _ = thread.join();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is shown may be half an event old after a panic; that is no harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts lines into the queue; those that begin something get the time.
    fn say(&self, state: &mut State, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let time = Local::now().format("%H:%M:%S ").to_string();
        state.waiting.extend(stamped(&time, lines));
        self.wake.notify_all();
    }

    /// The work of the thread.
    fn show(&self, mut output: Output) {
        let mut sampler = Sampler::new("/proc");
        let (mut looked, mut lived) = (Duration::ZERO, Duration::ZERO);
        let pause = if self.form == Form::Live { FRAME } else { LOOK };
        loop {
            let mut state = self.state();
            if state.waiting.is_empty() && !state.closed {
                let waited = self.wake.wait_timeout(state, pause);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let now = self.start.elapsed();
            if now.saturating_sub(looked) >= LOOK {
                looked = now;
                let processes = state.model.processes();
                drop(state);
                let usage = sampler.look(&processes, now);
                state = self.state();
                state.model.usage = usage;
                state.changed = true;
            }
            if self.form == Form::Plain && now.saturating_sub(lived) >= ALIVE {
                lived = now;
                let line = story::alive(&state.model, now);
                self.say(&mut state, vec![line]);
            }
            let closed = state.closed;
            let text = self.next_text(&mut state, &mut output, now);
            // Writing may take long.
            drop(state);
            // A terminal that went away must not end a sweep.
            let _ = output.writer.write_all(text.as_bytes()).and_then(|()| output.writer.flush());
            if closed {
                return;
            }
        }
    }

    fn next_text(&self, state: &mut State, output: &mut Output, now: Duration) -> String {
        let lines = std::mem::take(&mut state.waiting);
        if self.form == Form::Plain {
            return lines.iter().map(|line| line.paint(output.color) + "\n").collect();
        }
        let size @ (columns, rows) = (output.size)();
        if lines.is_empty() && !state.changed && !state.closed && !output.painter.resized(size) {
            return String::new();
        }
        state.changed = false;
        let block =
            if state.closed { Vec::new() } else { frame::frame(&state.model, now, columns, rows) };
        output.painter.draw(&lines, &block, size)
    }
}

fn stamped(time: &str, lines: Vec<Line>) -> impl Iterator<Item = Line> {
    lines.into_iter().map(move |line| {
        let belongs_above = line.text().starts_with(story::INDENT);
        let mut whole = if belongs_above { Line::default() } else { Line::new(time, Ink::Faint) };
        whole.append(line);
        whole
    })
}

fn terminal_size(term: &Term) -> (usize, usize) {
    match term.size_checked() {
        Some((rows, columns)) if rows > 0 && columns > 0 => (columns.into(), rows.into()),
        _ => USUAL_SIZE,
    }
}

/// Whether the terminal breaks its lines again when it becomes narrower; nearly all do.
fn reflows(variable: impl Fn(&str) -> String) -> bool {
    let term = variable("TERM");
    let inside_tmux = !variable("TMUX").is_empty();
    inside_tmux
        || !(term == "linux" || term.starts_with("screen") || !variable("XTERM_VERSION").is_empty())
}

#[cfg(test)]
mod tests;
