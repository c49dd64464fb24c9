//! What killed processes left in the home: the files by which they started trials, their leases, and what they were just
//! writing. Run folders look after themselves: an attempt removes what the one before it left.

use ablate_runs::Store;
use fs_err::DirEntry;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All these files are written, read or renewed within moments. Not sooner: on a shared disk one may be another machine's.
const AGE: Duration = Duration::from_mins(10);

/// Folders of the home in which files are made, and how many levels below them.
const PLACES: [(&str, usize); 6] = [
    ("trials", 0),
    ("sweeps", 1),
    ("store", 1),
    ("plugins", 0),
    ("cache", 0),
    ("cache/plugins", 0),
];

/// Removes them. What cannot be removed is in nobody's way.
pub(crate) fn remove(home: &Path, store: &Store) {
    for (place, levels) in PLACES {
        let mut folders = vec![home.join(place)];
        for _ in 0..levels {
            folders.extend(folders.clone().iter().flat_map(|folder| folders_in(folder)));
        }
        for path in folders.iter().flat_map(|folder| entries(folder)).map(|entry| entry.path()) {
            remove_if_left(&path, place == "trials", store);
        }
    }
}

fn remove_if_left(path: &Path, of_trial: bool, store: &Store) {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let is_left = if is_half_written(path, name) {
        is_old(path)
    } else if !of_trial {
        false
    } else if let Some(identity) = name.strip_suffix(".lease") {
        if is_old(path) {
            // Whoever has the trial gives it back without a lease; a living one is renewed all the time.
            let _ = store.claim(identity);
        }
        false
    } else {
        starter(name).is_some_and(|(identity, process)| {
            is_old(path) && (is_gone(process) || !is_claimed(store, identity))
        })
    };
    if is_left {
        let _ =
            if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
    }
}

/// `NAME.new-PID` and `NAME.new-PID-NUMBER` are becoming `NAME`; those of other crates are called `.SOMETHING.tmp`.
fn is_half_written(path: &Path, name: &str) -> bool {
    let process = name.rsplit_once(".new-").and_then(|(_, numbers)| numbers.split('-').next());
    process.is_some_and(|process| process.parse::<u32>().is_ok())
        || (name.starts_with('.') && path.extension() == Some(OsStr::new("tmp")))
}

/// The trial that a file starts and the process that wrote it: `IDENTITY.PID.json`, with `.stderr` and `.inside` beside
/// it, which are written and read as long as the trial runs.
fn starter(name: &str) -> Option<(&str, u32)> {
    let mut parts = name.split('.');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Whether somebody runs a trial. The number of a dead process alone proves nothing: another one may have got it since.
fn is_claimed(store: &Store, identity: &str) -> bool {
    store.is_claimed(identity).unwrap_or(true)
}

fn is_gone(process: u32) -> bool {
    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    process.is_none_or(|process| {
        rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
    })
}

fn is_old(path: &Path) -> bool {
    let changed = path.metadata().and_then(|data| data.modified());
    changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > AGE))
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let is_folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries(folder).filter(is_folder).map(|entry| entry.path()).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs_err::read_dir(folder).into_iter().flatten().filter_map(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    /// Makes old files and new ones, and tells which are still there after a removal.
    /// Somebody holds the trial `held`.
    fn left(old: &[&str], new: &[&str]) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let _claim = store.claim("held").unwrap();
        for name in old.iter().chain(new) {
            let path = home.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs_err::File::create(&path).unwrap();
            if old.contains(name) {
                file.file().set_modified(SystemTime::now() - 2 * AGE).unwrap();
            }
        }
        remove(home.path(), &store);
        let names = old.iter().chain(new).filter(|name| home.path().join(name).exists());
        names.map(ToString::to_string).collect()
    }

    #[test]
    fn what_dead_processes_left_is_removed_once_it_is_old() {
        // No process has a number above the largest one that Linux gives. The numbers of dead processes are given again,
        // here to this one.
        let again = std::process::id();
        let again = [format!("trials/abc.{again}.json"), format!("trials/abc.lease.new-{again}-1")];
        let leftovers = [
            again[0].as_str(),
            again[1].as_str(),
            "trials/abc.lease",
            "trials/abc.4194305.json",
            "trials/abc.4194305.stderr",
            "trials/abc.lease.new-4194305-2",
            "sweeps/pooling/0.json.new-4194305-0",
            "store/abc/.Xy3.tmp",
            "plugins/.Xy3.tmp",
            "cache/program.json.new-4194305",
        ];
        assert_eq!(left(&leftovers, &[]), [] as [&str; 0]);
        assert_eq!(left(&[], &leftovers), leftovers);
    }

    #[test]
    fn what_somebody_needs_stays() {
        let own = std::process::id();
        let own = [".json", ".stderr"].map(|kind| format!("trials/held.{own}{kind}"));
        let needed = [
            own[0].as_str(),
            own[1].as_str(),
            "trials/abc.lock",
            "sweeps/pooling/0.json",
            "sweeps/pooling/1.2.json",
            "store/abc/libabc.so",
            "store/abc/deeper/.Xy3.tmp",
            "runs/abc/.Xy3.tmp",
        ];
        assert_eq!(left(&needed, &[]), needed);
    }
}
