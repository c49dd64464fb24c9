//! Where a panic happened: kept by a hook, put into the error that crosses the border.

use crate::Error;
use ablate_abi::v1::{ErrorKind, guard};
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics of this image silent and remembers their place.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map_or_else(String::new, ToString::to_string);
            let trace = std::backtrace::Backtrace::capture();
            let text = match trace.status() {
                std::backtrace::BacktraceStatus::Captured => format!("{place}\n{trace}"),
                _ => place,
            };
            // A panic inside this hook would abort; an unreadable slot only loses the place.
            let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut l| *l = Some(text)));
        }));
    });
}

/// Runs `call`; a panic becomes an error that says where it happened.
pub(crate) fn catch<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    guard(call).into_result().map_err(|mut error| {
        if error.kind == ErrorKind::PANIC && error.backtrace.is_empty() {
            let place = LAST.with(|last| last.borrow_mut().take());
            error.backtrace = place.unwrap_or_default().into();
        }
        error
    })
}
