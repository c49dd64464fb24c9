//! Live progress on a terminal, one line per event elsewhere.

use crate::printer;
use chrono::Local;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A preparation that takes longer is announced.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// Shows what the trials of a sweep are doing.
pub(crate) struct Progress {
    live: Option<Live>,
    /// The task of a preparation, since when, and whether it was announced, for output that is no
    /// terminal.
    announced: Mutex<Option<(String, Instant, bool)>>,
    logged: Mutex<BTreeSet<String>>,
}

struct Live {
    all: MultiProgress,
    total: ProgressBar,
    task: Mutex<Option<ProgressBar>>,
    jobs: Mutex<BTreeMap<usize, ProgressBar>>,
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants")
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

impl Progress {
    /// Progress of `trials` trials.
    pub(crate) fn new(trials: usize) -> Self {
        let live = printer::live().then(|| {
            let all = MultiProgress::new();
            let total = all.add(ProgressBar::new(trials as u64));
            total
                .set_style(style("{bar:30} {pos}/{len} trials  {elapsed} so far, eta {eta} {msg}"));
            Live { all, total, task: Mutex::new(None), jobs: Mutex::new(BTreeMap::new()) }
        });
        Self { live, announced: Mutex::new(None), logged: Mutex::default() }
    }

    /// A line that stays.
    pub(crate) fn note(&self, text: &str) {
        match &self.live {
            // A terminal that went away takes nothing from the result.
            Some(live) => drop(live.all.println(text)),
            None => printer::note(&format!("{} {text}", Local::now().format("%H:%M:%S"))),
        }
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

    /// How far a preparation is.
    pub(crate) fn preparing(&self, task: &str, done: u64, total: u64) {
        if let Some(live) = &self.live {
            if let Ok(mut bar) = live.task.lock() {
                let bar = bar.get_or_insert_with(|| {
                    let bar = live.all.insert_before(&live.total, ProgressBar::new(total));
                    bar.set_style(style("{bar:30} {pos}/{len} {msg}  eta {eta}"));
                    bar
                });
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

    /// A trial has started.
    pub(crate) fn started(&self, job: usize, label: &str) {
        if let Some(live) = &self.live
            && let Ok(mut jobs) = live.jobs.lock()
        {
            let bar = live.all.insert_before(&live.total, ProgressBar::new(0));
            bar.set_style(style("  {prefix:36!} {bar:20} {msg}"));
            bar.set_prefix(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            jobs.insert(job, bar);
            live.total.enable_steady_tick(Duration::from_millis(500));
        }
    }

    /// A trial is at `step` of `steps`.
    pub(crate) fn step(&self, job: usize, step: u64, steps: u64, text: &str) {
        if let Some(live) = &self.live
            && let Ok(jobs) = live.jobs.lock()
            && let Some(bar) = jobs.get(&job)
        {
            bar.set_length(steps);
            bar.set_position(step);
            bar.set_message(text.to_owned());
        }
    }

    /// A trial has ended; `line` says how.
    pub(crate) fn finished(&self, job: usize, line: &str) {
        if let Some(live) = &self.live {
            if let Ok(mut jobs) = live.jobs.lock()
                && let Some(bar) = jobs.remove(&job)
            {
                bar.finish_and_clear();
            }
            live.total.inc(1);
        }
        self.note(line);
    }

    /// Removes what is live.
    pub(crate) fn close(&self) {
        if let Some(live) = &self.live {
            live.total.finish_and_clear();
            drop(live.all.clear());
        }
    }
}
