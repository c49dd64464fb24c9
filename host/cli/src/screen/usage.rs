//! What the processes of the trials and all that they started use, read from `/proc`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The kernel counts processor time for programs in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What all trials use together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Percent of one core.
    pub(super) cpu_percent: f64,
    /// Resident memory; pages that processes share count in each.
    pub(super) memory_bytes: u64,
}

/// Looks again and again.
pub(super) struct Sampler {
    /// `/proc`, or what a test has in its place.
    folder: PathBuf,
    since: Duration,
    ticks: BTreeMap<u32, u64>,
}

impl Sampler {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), since: Duration::ZERO, ticks: BTreeMap::new() }
    }

    /// What the processes `trials` use now, and of the processors since the last look. `None` where
    /// no process can be looked at.
    pub(super) fn look(&mut self, trials: &[u32], now: Duration) -> Option<Usage> {
        let (mut known, mut new_ticks, mut memory_bytes) = (BTreeMap::new(), 0, 0);
        for &trial in trials {
            let (mut ticks, mut tree) = (0, vec![trial]);
            while let Some(process) = tree.pop() {
                let folder = self.folder.join(process.to_string());
                // It may end at any moment.
                let Some(used) = processor_ticks(&folder) else { continue };
                ticks += used;
                memory_bytes += resident_bytes(&folder).unwrap_or(0);
                tree.extend(children(&folder));
                known.insert(trial, ticks);
            }
            // A trial that was not there the last time has started since.
            new_ticks += ticks.saturating_sub(self.ticks.get(&trial).copied().unwrap_or(0));
        }
        let passed = now.saturating_sub(self.since).as_secs_f64();
        let any = !known.is_empty();
        (self.since, self.ticks) = (now, known);
        let cpu_percent = 100.0 * new_ticks as f64 / TICKS_PER_SECOND / passed;
        (any && passed > 0.0).then_some(Usage { cpu_percent, memory_bytes })
    }
}

/// Processor time of a process and of its children that have ended.
fn processor_ticks(folder: &Path) -> Option<u64> {
    let stat = fs_err::read_to_string(folder.join("stat")).ok()?;
    // The name before it may hold blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let fields = after_name.split(' ').skip(11).take(4);
    Some(fields.filter_map(|field| field.parse::<u64>().ok()).sum())
}

fn resident_bytes(folder: &Path) -> Option<u64> {
    let status = fs_err::read_to_string(folder.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn children(folder: &Path) -> Vec<u32> {
    let Ok(threads) = fs_err::read_dir(folder.join("task")) else { return Vec::new() };
    let lists = threads
        .filter_map(Result::ok)
        .filter_map(|thread| fs_err::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Sampler, Usage};
    use std::path::Path;
    use std::time::Duration;

    fn process(proc: &Path, pid: u32, ticks: [u64; 4], kibibytes: u64, children: &str) {
        let folder = proc.join(pid.to_string());
        fs_err::create_dir_all(folder.join(format!("task/{pid}"))).unwrap();
        let ticks = ticks.map(|ticks| ticks.to_string()).join(" ");
        let stat = format!("{pid} (a) b (c) R 1 {pid} 1 0 -1 0 0 0 0 0 {ticks} 20 0 4 0 99 9 9\n");
        fs_err::write(folder.join("stat"), stat).unwrap();
        let status = format!("Name:\ta) b (c\nVmPeak:\t  99999 kB\nVmRSS:\t  {kibibytes} kB\n");
        fs_err::write(folder.join("status"), status).unwrap();
        fs_err::write(folder.join(format!("task/{pid}/children")), children).unwrap();
    }

    #[test]
    fn trials_count_with_all_that_they_started() {
        let proc = tempfile::tempdir().unwrap();
        let mut sampler = Sampler::new(proc.path());
        let second = Duration::from_secs;
        assert_eq!(sampler.look(&[], second(1)), None);
        assert_eq!(sampler.look(&[10], second(2)), None);

        // 110 ticks in a second are 110 percent.
        process(proc.path(), 10, [70, 20, 10, 10], 1000, "");
        process(proc.path(), 20, [900, 900, 0, 0], 7777, "");
        let used = |cpu_percent, kibibytes: u64| {
            Some(Usage { cpu_percent, memory_bytes: kibibytes * 1024 })
        };
        assert_eq!(sampler.look(&[10], second(3)), used(110.0, 1000));

        // A child with a child of its own: 40 + 30 + 20 ticks more in two seconds.
        process(proc.path(), 10, [100, 20, 20, 10], 2000, "11 ");
        process(proc.path(), 11, [30, 0, 0, 0], 300, "12 13 ");
        process(proc.path(), 12, [0, 20, 0, 0], 50, "");
        assert_eq!(sampler.look(&[10], second(5)), used(45.0, 2350));

        // The children ended and count with their parent.
        fs_err::remove_dir_all(proc.path().join("11")).unwrap();
        process(proc.path(), 10, [100, 20, 60, 20], 500, "");
        assert_eq!(sampler.look(&[10], second(6)), used(0.0, 500));
        assert_eq!(sampler.look(&[10], second(6)), None);
    }

    #[test]
    fn a_busy_process_of_this_machine_is_seen() {
        if !Path::new("/proc/self/stat").exists() {
            return;
        }
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done & sleep 60 & wait"])
            .spawn()
            .unwrap();
        let mut sampler = Sampler::new("/proc");
        sampler.look(&[child.id()], Duration::from_millis(1));
        let start = std::time::Instant::now();
        let mut seen = false;
        while !seen && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(100));
            let used = sampler.look(&[child.id()], start.elapsed() + Duration::from_millis(1));
            // The loop is a child of the process that was started.
            seen = used.is_some_and(|used| used.cpu_percent > 1.0 && used.memory_bytes > 100_000);
        }
        let list = format!("/proc/{0}/task/{0}/children", child.id());
        let children = fs_err::read_to_string(list).unwrap_or_default();
        for pid in children.split_whitespace() {
            std::process::Command::new("kill").args(["-9", pid]).status().unwrap();
        }
        child.wait().unwrap();
        assert!(seen);
    }
}
