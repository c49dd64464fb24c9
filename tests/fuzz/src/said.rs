//! What must hold for the text of any error.

use std::error::Error;

/// No message is longer than this, in bytes, whatever it speaks of.
const LONGEST: usize = 2_000;

/// Fails unless `text` is a message that a person can read.
pub(crate) fn readable(text: &str) {
    assert!(!text.trim().is_empty(), "an error without a text");
    assert!(text.len() <= LONGEST, "an error of {} bytes: {text}", text.len());
    assert!(!text.contains(char::is_control), "control characters in {text:?}");
}

/// As [`readable`], for an error with its causes; gives the whole text.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    readable(&text);
    text
}

/// As [`readable`], for each of the lines that say what to try; lists of names may be long.
pub(crate) fn advice(hints: &[String]) {
    for hint in hints {
        assert!(!hint.trim().is_empty(), "an empty hint");
        assert!(!hint.contains(char::is_control), "control characters in {hint:?}");
    }
}
