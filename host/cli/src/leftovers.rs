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
    let identity = name.strip_suffix(".lease").filter(|_| of_trial);
    let writer = writer(name, of_trial);
    let unnamed = name.starts_with('.') && path.extension() == Some(OsStr::new("tmp"));
    if (identity.is_none() && writer.is_none() && !unnamed) || !is_old(path) {
        return;
    }
    if let Some(identity) = identity {
        // Whoever has the trial gives it back without a lease; a living one is renewed all the time.
        let _ = store.claim(identity);
    } else if writer.is_none_or(is_gone) {
        let _ =
            if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
    }
}

/// The process that wrote a file which only it needs: `NAME.new-PID` and `NAME.new-PID-NUMBER` are becoming `NAME`; a
/// trial is started by `IDENTITY.PID.json`, with `.stderr` and `.inside` beside it.
fn writer(name: &str, of_trial: bool) -> Option<u32> {
    let process = match name.rsplit_once(".new-") {
        Some((_, numbers)) => numbers.split('-').next(),
        None if of_trial => name.split('.').nth(1),
        None => None,
    };
    process?.parse().ok()
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
    fn left(old: &[&str], new: &[&str]) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
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
        // No process has a number above the largest one that Linux gives.
        let leftovers = [
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
        let own = format!("trials/abc.{}.json", std::process::id());
        let needed = [
            own.as_str(),
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
