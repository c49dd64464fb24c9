//! Where a panic happened: kept by a hook, put into the error that crosses the border. A panic that
//! no error can speak of, because it ends a thread of the plugin's own, is logged.

use crate::{Error, host};
use ablate_abi::v1::{ErrorKind, LogLevel, guard};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, Once, PoisonError};

/// A panic: what it said, where, and the backtrace where `RUST_BACKTRACE` asks for one.
struct Panicked {
    message: String,
    place: String,
    trace: String,
}

/// How many panics of other threads are remembered.
const REMEMBERED: usize = 16;

thread_local! {
    static LAST: RefCell<Option<Panicked>> = const { RefCell::new(None) };
    /// Guards that this thread is inside of.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
}

/// The last panics of threads that no call of the host is on. A pool hands a panic of its threads on
/// to whoever waits for them, without its place.
static ELSEWHERE: Mutex<VecDeque<Panicked>> = Mutex::new(VecDeque::new());

/// Makes panics of this image silent, remembers their places, and logs those outside of calls.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Nothing in here may panic, which would end the process.
            let guarded = GUARDS.try_with(|guards| guards.get() > 0).unwrap_or(false);
            if guarded {
                let _ = LAST.try_with(|last| {
                    last.try_borrow_mut().map(|mut last| *last = Some(describe(info)))
                });
            } else if host::is_a_library() {
                remember_and_log(describe(info));
            } else {
                // Linked into a program: its panics are its own.
                before(info);
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> Panicked {
    let message = info.payload_as_str().unwrap_or("a panic without a message").to_owned();
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let trace = Backtrace::capture();
    let trace = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    Panicked { message, place, trace }
}

fn remember_and_log(panicked: Panicked) {
    let thread = std::thread::current();
    let name = thread.name().map_or_else(|| "a thread".to_owned(), |name| format!("`{name}`"));
    let Panicked { message, place, trace } = &panicked;
    host::log(LogLevel::ERROR, "panic", &format!("{name} panicked at {place}: {message}{trace}"));
    let mut list = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back(panicked);
}

/// Where the panic that said `message` happened, and its backtrace.
fn place_of(message: &str) -> Option<String> {
    let own = LAST.with(|last| last.borrow_mut().take());
    if let Some(own) = own.filter(|own| own.message == message) {
        return Some(own.place + &own.trace);
    }
    let mut list = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    let index = list.iter().rposition(|panicked| panicked.message == message)?;
    list.remove(index).map(|panicked| panicked.place + &panicked.trace)
}

/// Counts a guard for as long as it lives.
struct Inside;

impl Inside {
    fn enter() -> Self {
        GUARDS.set(GUARDS.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        GUARDS.set(GUARDS.get() - 1);
    }
}

/// Runs `call`; a panic becomes an error that says where it happened.
pub(crate) fn catch<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let inside = Inside::enter();
    let result = guard(call).into_result();
    drop(inside);
    result.map_err(|mut error| {
        if error.kind == ErrorKind::PANIC && error.backtrace.is_empty() {
            error.backtrace = place_of(&error.message).unwrap_or_default().into();
        }
        error
    })
}
