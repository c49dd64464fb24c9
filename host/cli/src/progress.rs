//! How far a preparation is: a bar on a terminal, a line where it takes long elsewhere.

use crate::printer;
use chrono::Local;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A preparation that takes longer is announced.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// What plugins have said already.
pub(crate) type Logged = Arc<Mutex<BTreeSet<String>>>;

/// Shows what is prepared before the trials of a sweep begin.
pub(crate) struct Progress {
    live: Option<Live>,
    /// The task, since when, and whether it was announced, for output that is no terminal.
    announced: Mutex<Option<(String, Instant, bool)>>,
    logged: Logged,
}

/// On a terminal.
struct Live {
    all: MultiProgress,
    task: Mutex<Option<ProgressBar>>,
}

impl Progress {
    /// Nothing is prepared yet.
    pub(crate) fn new() -> Self {
        let live =
            printer::live().then(|| Live { all: MultiProgress::new(), task: Mutex::new(None) });
        Self { live, announced: Mutex::new(None), logged: Logged::default() }
    }

    /// A line that stays.
    pub(crate) fn note(&self, text: &str) {
        match &self.live {
            // A terminal that went away takes nothing from the result.
            Some(live) => drop(live.all.println(text)),
            None => printer::note(&format!("{} {text}", Local::now().format("%H:%M:%S"))),
        }
    }

    /// What was said so far, for whoever shows what comes next.
    pub(crate) fn logged(&self) -> Logged {
        self.logged.clone()
    }

    /// What a plugin has to say, unless it was said before: every variant reads the same data.
    pub(crate) fn log(&self, label: &str, message: &str) {
        let new = self.logged.lock().is_ok_and(|mut logged| logged.insert(message.to_owned()));
        match label {
            _ if !new => {}
            "" => self.note(message),
            label => self.note(&format!("{label}: {message}")),
        }
    }

    /// How far a preparation is.
    pub(crate) fn preparing(&self, task: &str, done: u64, total: u64) {
        if let Some(live) = &self.live {
            if let Ok(mut bar) = live.task.lock() {
                let bar = bar.get_or_insert_with(|| live.all.add(bar_of(total)));
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(task.to_owned());
            }
        } else if let Ok(mut announced) = self.announced.lock() {
            // What is cached takes no time and is not worth a line.
            match announced.as_mut().filter(|(known, _, _)| known == task) {
                Some((_, since, said)) if !*said && since.elapsed() > WORTH_A_LINE => {
                    *said = true;
                    self.note(&format!("preparing {task}: {done} of {total}"));
                }
                Some(_) => {}
                None => *announced = Some((task.to_owned(), Instant::now(), false)),
            }
        }
    }

    /// The preparation is over.
    pub(crate) fn prepared(&self) {
        if let Some(live) = &self.live
            && let Ok(mut bar) = live.task.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    /// Removes what is live.
    pub(crate) fn close(&self) {
        self.prepared();
        if let Some(live) = &self.live {
            drop(live.all.clear());
        }
    }
}

fn bar_of(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  eta {eta}")
        .expect("the template is a constant")
        .progress_chars("█▉▊▋▌▍▎▏ ");
    ProgressBar::new(total).with_style(style)
}
