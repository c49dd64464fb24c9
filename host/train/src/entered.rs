//! Which components the process is inside of, for whoever finds it dead.
//!
//! A segmentation fault, an `exit` or an endless loop in a library leaves no error behind. So the
//! loop notes every component that it calls, and somebody may keep the note where it outlives the
//! process.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{ThreadId, current};

use crate::error::ComponentId;

/// Told what the process is inside of: components joined by ` or `, one for each thread that is in
/// one; empty when there is none.
type Watcher = Box<dyn Fn(&str) + Send + Sync>;

static WATCHER: OnceLock<Watcher> = OnceLock::new();
static OPEN: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());

/// Has `watcher` told which components the loop enters and leaves, from here on and for the life of
/// the process. Later calls change nothing.
pub fn watch_components(watcher: impl Fn(&str) + Send + Sync + 'static) {
    let _ = WATCHER.set(Box::new(watcher));
}

/// The process is inside of a component as long as this lives.
pub(crate) struct Entered(bool);

/// Notes that the thread enters a component.
pub(crate) fn entered(component: &ComponentId) -> Entered {
    if WATCHER.get().is_none() {
        return Entered(false);
    }
    change(|open| open.push((current().id(), component.to_string())));
    Entered(true)
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.0 {
            let here = current().id();
            change(|open| {
                let last = open.iter().rposition(|(thread, _)| *thread == here);
                last.map(|last| open.remove(last));
            });
        }
    }
}

fn change(change: impl FnOnce(&mut Vec<(ThreadId, String)>)) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut open);
    if let Some(watcher) = WATCHER.get() {
        watcher(&innermost(&open));
    }
}

/// The component that each thread entered last.
fn innermost<T: PartialEq>(open: &[(T, String)]) -> String {
    let is_last = |(position, (thread, _)): &(usize, &(T, String))| {
        open[position + 1..].iter().all(|(later, _)| later != thread)
    };
    let names: Vec<&str> =
        open.iter().enumerate().filter(is_last).map(|(_, (_, name))| name.as_str()).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::innermost;

    #[test]
    fn each_thread_is_in_what_it_entered_last() {
        let open = |list: &[(u8, &str)]| {
            let list: Vec<_> = list.iter().map(|(t, name)| (*t, (*name).to_owned())).collect();
            innermost(&list)
        };
        assert_eq!(open(&[]), "");
        assert_eq!(open(&[(1, "model"), (1, "block")]), "block");
        assert_eq!(open(&[(1, "model"), (2, "dataset"), (1, "block")]), "dataset or block");
    }
}
