//! Watching the processes of a sweep, to end one of them at a chosen moment.

use crate::harness::{Answer, Place, RunFolder};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// What a test waits for at most.
const PATIENCE: Duration = Duration::from_mins(1);

/// A command that is running.
pub(crate) struct Running<'a> {
    place: &'a Place,
    child: Option<Child>,
    stderr: NamedTempFile,
    start: Instant,
}

impl<'a> Running<'a> {
    pub(crate) fn start(place: &'a Place, arguments: &[&str]) -> Self {
        let stderr = NamedTempFile::new().unwrap();
        let mut command = place.command(arguments);
        command.stdout(Stdio::piped()).stderr(stderr.reopen().unwrap());
        let child = Some(command.spawn().unwrap());
        Self { place, child, stderr, start: Instant::now() }
    }

    /// Waits until a trial has written a checkpoint after at least `measurements` measurements.
    pub(crate) fn wait_for_checkpoint(&mut self, measurements: usize) -> RunFolder {
        self.wait("a checkpoint in an unfinished run", |place| {
            place.runs().into_iter().find(|run| {
                run.result.is_null()
                    && run.folder.join("checkpoints/last/checksums.json").exists()
                    && run.measurements.lines().count() >= measurements
            })
        })
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) {
        let file = self.stderr.path().to_owned();
        self.wait(text, |_| fs::read_to_string(&file).unwrap().contains(text).then_some(()));
    }

    /// The process of a trial.
    pub(crate) fn trial(&mut self) -> Pid {
        let parent = self.pid();
        self.wait("the process of a trial", |_| trials_of(parent).pop())
    }

    /// The processes of all trials that run now.
    pub(crate) fn trials(&self) -> Vec<Pid> {
        trials_of(self.pid())
    }

    /// This process, not its children.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Answer {
        let mut output = self.child.take().unwrap().wait_with_output().unwrap();
        output.stderr = fs::read(self.stderr.path()).unwrap();
        self.place.answer_of(output, self.start.elapsed())
    }

    /// Waits until `look` finds something while it is running.
    pub(crate) fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&Place) -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = look(self.place) {
                return found;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended before there was {what}");
            assert!(since.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
            sleep(Duration::from_millis(2));
        }
    }
}

/// A test that fails leaves no process behind.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal; that nobody is there any more is no error.
pub(crate) fn send(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// Waits until there is no such process.
pub(crate) fn wait_until_gone(process: Pid) {
    let since = Instant::now();
    while is_there(process) {
        assert!(since.elapsed() < PATIENCE, "process {process:?} goes on");
        sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there; a zombie is not, once all of its threads have ended.
fn is_there(process: Pid) -> bool {
    let folder = format!("/proc/{}", process.as_raw_nonzero());
    let stat = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
    let Some((_, after_name)) = stat.rsplit_once(") ") else { return false };
    let threads = fs::read_dir(format!("{folder}/task")).map_or(0, Iterator::count);
    !after_name.starts_with('Z') || threads > 1
}

fn trials_of(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let stat = read("stat");
        // pid (name) state parent …
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let of = after_name.split(' ').nth(1).and_then(|text| text.parse::<i32>().ok());
        of == Some(parent.as_raw_nonzero().get()) && read("cmdline").contains("\0__trial\0")
    })
    .filter_map(Pid::from_raw)
    .collect()
}
