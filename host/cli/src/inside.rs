//! What the process of a trial notes about the components that it is inside of, read once it has died.
//!
//! It is noted several times a step, so it stands in memory that is shared with a file: that takes no
//! system call, and the system keeps what was written whatever the process dies of.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// Room for the names of a few components.
const BYTES: usize = 256;

/// Where it stands, beside the file that a trial is started by.
pub(crate) fn file(trial: &Path) -> PathBuf {
    trial.with_extension("inside")
}

/// What was noted last; empty outside of components.
pub(crate) fn read(trial: &Path) -> String {
    let noted = fs_err::read(file(trial)).unwrap_or_default();
    String::from_utf8_lossy(&noted).trim().to_owned()
}

/// Has it noted from here on. Where that cannot be, a crash is told without its place.
pub(crate) fn keep(trial: &Path) {
    let Ok(memory) = shared(&file(trial)) else { return };
    ablate_train::watch_components(move |inside| {
        // All of it, so that nothing is left of what stood there.
        let text = inside.bytes().chain(std::iter::repeat(b' '));
        memory.iter().zip(text).for_each(|(place, byte)| place.store(byte, Ordering::Relaxed));
    });
}

/// Memory that is the content of a new file, for the life of the process.
fn shared(file: &Path) -> std::io::Result<&'static [AtomicU8]> {
    let mut file =
        fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(file)?;
    // Written and not only made so long: a full disk is to be noticed here, not by the memory.
    file.write_all(&[b' '; BYTES])?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let descriptor = file.file().as_raw_fd();
    #[expect(unsafe_code, reason = "shared memory has no safe wrapper")]
    // SAFETY: a new mapping at a place of the system's choice, of a file that is as long and that
    // nobody makes shorter. It is never taken away, and bytes that others may see are atomic.
    unsafe {
        let start =
            libc::mmap(std::ptr::null_mut(), BYTES, protection, libc::MAP_SHARED, descriptor, 0);
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(std::slice::from_raw_parts(start.cast::<AtomicU8>(), BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, file, read, shared};
    use std::sync::atomic::Ordering;

    #[test]
    fn what_is_noted_can_be_read_by_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let trial = folder.path().join("identity.1.json");
        assert_eq!(read(&trial), "");
        let memory = shared(&file(&trial)).expect("a writable folder");
        assert_eq!((memory.len(), read(&trial).as_str()), (BYTES, ""));
        memory
            .iter()
            .zip(*b"`model`")
            .for_each(|(place, byte)| place.store(byte, Ordering::Relaxed));
        assert_eq!(read(&trial), "`model`");
    }
}
