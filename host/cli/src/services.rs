//! What this process offers to the plugins it has opened: everything becomes a line for the parent,
//! and in a trial what is logged stands in the run's log too.

use crate::child::Said;
use crate::failure::Failure;
use crate::flood::{Allowance, Flood, Verdict, shortened};
use crate::printer;
use ablate_loader::Services;
use ablate_runs::Run;
use chrono::{SecondsFormat, Utc};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Names of the levels at which plugins log, from the most severe; their numbers start at 1.
pub(crate) const LEVELS: [&str; 5] = ["error", "warning", "info", "debug", "trace"];
/// The environment variable with the least severe level that is wanted.
const LEVEL_VARIABLE: &str = "ABLATE_LOG";

/// What each plugin may add to a run's log.
const IN_THE_LOG: Allowance = Allowance { burst: 2000, per_second: 100 };
/// What each plugin may say to whoever watches the terminal.
const ON_THE_SCREEN: Allowance = Allowance { burst: 20, per_second: 1 };
/// The longest line, which may be a backtrace.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Says progress and log lines to the parent process.
pub(crate) struct Reporting {
    cache: PathBuf,
    artifacts: Option<PathBuf>,
    level: u32,
    log: Arc<PluginLog>,
    stop: &'static AtomicBool,
    last: Mutex<Option<Instant>>,
}

/// What plugins say, within limits.
pub(crate) struct PluginLog {
    file: Option<PathBuf>,
    floods: Mutex<Floods>,
}

struct Floods {
    log: Flood,
    screen: Flood,
}

impl Reporting {
    /// # Errors
    /// If the environment names no level of logs.
    pub(crate) fn new(home: &Path, stop: &'static AtomicBool) -> Result<Self, Failure> {
        let cache = home.join("cache");
        let log = Arc::new(PluginLog::new(None));
        let level = wanted_level()?;
        Ok(Self { cache, artifacts: None, level, log, stop, last: Mutex::new(None) })
    }

    /// With the log of an attempt and its run's folder for artifacts.
    pub(crate) fn with_run(mut self, run: &Run, log: &Path) -> Self {
        self.artifacts = Some(run.artifacts());
        self.log = Arc::new(PluginLog::new(Some(log.to_owned())));
        self
    }

    /// Where the plugins' lines go.
    pub(crate) fn log(&self) -> Arc<PluginLog> {
        self.log.clone()
    }
}

/// The level that `ABLATE_LOG` asks for; information and what is more severe unless it says otherwise.
pub(crate) fn wanted_level() -> Result<u32, Failure> {
    let Some(name) = std::env::var_os(LEVEL_VARIABLE).filter(|name| !name.is_empty()) else {
        return Ok(3);
    };
    let index = LEVELS.iter().position(|level| name == *level);
    index.map(|index| index as u32 + 1).ok_or_else(|| {
        let name = name.to_string_lossy();
        let known = LEVELS.map(|level| format!("`{level}`")).join(", ");
        Failure::user(format!("environment variable `{LEVEL_VARIABLE}`: unknown level `{name}`"))
            .hint(format!("known levels: {known}"))
    })
}

/// Adds a line to a log. The lines after the first of a text are indented, so that each line
/// without is one of its own.
pub(crate) fn write_log(log: &Path, text: &str) {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = text.trim_end().replace('\n', "\n    ");
    let file = fs_err::OpenOptions::new().create(true).append(true).open(log);
    // A log that cannot be written must not end the trial; its measurements are elsewhere. One
    // write, so that lines of several threads do not mix.
    let _ = file.and_then(|mut file| file.write_all(format!("{time} {text}\n").as_bytes()));
}

impl PluginLog {
    fn new(file: Option<PathBuf>) -> Self {
        let floods = Floods { log: Flood::new(IN_THE_LOG), screen: Flood::new(ON_THE_SCREEN) };
        Self { file, floods: Mutex::new(floods) }
    }

    fn line(&self, plugin: &str, level: u32, target: &str, message: &str) {
        let now = Instant::now();
        let (in_the_log, on_the_screen) = {
            let mut floods = self.floods.lock().unwrap_or_else(PoisonError::into_inner);
            let in_the_log = floods.log.judge(plugin, now);
            // The parent shows errors and warnings.
            let on_the_screen = (level <= 2).then(|| floods.screen.judge(plugin, now));
            (in_the_log, on_the_screen)
        };
        let message = shortened(message, LINE_BYTES_MAX);
        if let Verdict::Say { left_out } = in_the_log {
            self.confess(plugin, left_out);
            let name = LEVELS.get((level as usize).wrapping_sub(1)).copied().unwrap_or("trace");
            // A plugin's name says it all where it gives nothing else.
            let target = if target == plugin { String::new() } else { format!("{target}: ") };
            self.write(&format!("{name}: {plugin}: {target}{message}"));
        }
        if let Some(Verdict::Say { left_out }) = on_the_screen {
            if left_out > 0 {
                let message = format!("{plugin}: {left_out} lines were left out here");
                printer::line(&Said::Log { level: 2, message });
            }
            let first = message.lines().next().unwrap_or_default();
            printer::line(&Said::Log { level, message: format!("{plugin}: {first}") });
        }
    }

    /// Says how many lines there would have been.
    fn confess(&self, plugin: &str, left_out: u64) {
        if left_out > 0 {
            self.write(&format!("warning: {plugin}: so many lines that {left_out} were left out"));
        }
    }

    fn write(&self, text: &str) {
        if let Some(file) = &self.file {
            write_log(file, text);
        }
    }

    /// Says what was left out at the end.
    pub(crate) fn close(&self) {
        let silenced = self.floods.lock().unwrap_or_else(PoisonError::into_inner).log.silenced();
        for (plugin, left_out) in silenced {
            self.confess(&plugin, left_out);
        }
    }
}

impl Services for Reporting {
    fn log(&self, plugin: &str, level: u32, target: &str, message: &str) {
        self.log.line(plugin, level, target, message);
    }

    fn log_level(&self) -> u32 {
        self.level
    }

    fn progress(&self, task: &str, done: u64, total: u64) {
        // Plugins may report every item; people read ten lines a second.
        if let Ok(mut last) = self.last.lock() {
            let due = last.is_none_or(|last| last.elapsed() > Duration::from_millis(100));
            if due || done >= total {
                *last = Some(Instant::now());
                printer::line(&Said::Progress { task: task.to_owned(), done, total });
            }
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn cache_folder(&self) -> PathBuf {
        self.cache.clone()
    }

    fn new_artifact(&self, name: &str) -> Option<PathBuf> {
        self.artifacts.as_ref().map(|folder| folder.join(name))
    }
}
