//! What is wrong with the plugin at the moment.

use std::sync::{Mutex, PoisonError};

static FLAW: Mutex<&str> = Mutex::new("none");

pub(crate) fn set(flaw: &'static str) {
    *FLAW.lock().unwrap_or_else(PoisonError::into_inner) = flaw;
}

/// Whether the plugin has this flaw.
pub(crate) fn is(flaw: &str) -> bool {
    *FLAW.lock().unwrap_or_else(PoisonError::into_inner) == flaw
}
