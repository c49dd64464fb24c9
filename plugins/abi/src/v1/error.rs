//! Errors as they cross the border, and the guard that keeps panics from crossing.

use abi_stable::StableAbi;
use abi_stable::std_types::{RErr, ROk, RResult, RString, RVec};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What kind of failure it was: an open set, so that old hosts accept new kinds.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorKind(pub u32);

impl ErrorKind {
    /// The component panicked; it is poisoned and refuses further calls.
    pub const PANIC: Self = Self(1);
    /// The configuration is wrong.
    pub const CONFIG: Self = Self(2);
    /// The user's data is missing, unreadable or not what it claims to be.
    pub const DATA: Self = Self(3);
    /// A tensor does not fit the contract.
    pub const CONTRACT: Self = Self(4);
    /// A value is NaN or infinite.
    pub const NOT_FINITE: Self = Self(5);
    /// The host asked to stop.
    pub const CANCELLED: Self = Self(6);
    /// The component does not know this method, device or format.
    pub const UNSUPPORTED: Self = Self(7);
    /// The call is wrong at this point: a second `backward`, a poisoned instance.
    pub const STATE: Self = Self(8);
    /// Anything else.
    pub const OTHER: Self = Self(9);
}

/// An error with its chain of causes.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct PluginError {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// What failed: lower case, no final period, values in backticks.
    pub message: RString,
    /// Why, outermost cause first. One that begins with [`PluginError::HINT`] is no cause but
    /// advice: a sentence without a final period, shown apart.
    pub causes: RVec<RString>,
    /// Where, for panics: file, line and column in the first line, a backtrace below if there is
    /// one; may be empty.
    pub backtrace: RString,
}

impl PluginError {
    /// What advice among the causes begins with.
    pub const HINT: &'static str = "hint: ";

    /// An error of `kind` without causes.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into().into(),
            causes: RVec::new(),
            backtrace: RString::new(),
        }
    }

    /// The configuration is wrong.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::CONFIG, message)
    }

    /// The user's data is wrong.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::DATA, message)
    }

    /// A tensor does not fit the contract.
    pub fn contract(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::CONTRACT, message)
    }

    /// This method, device or format is not known.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UNSUPPORTED, message)
    }

    /// The call is wrong at this point.
    pub fn state(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::STATE, message)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OTHER, message)
    }

    /// The error with its chain of sources as causes.
    pub fn from_error(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut built = Self::new(kind, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            built.causes.push(cause.to_string().into());
            source = cause.source();
        }
        built
    }

    /// The error with advice: a sentence without a final period.
    #[must_use]
    pub fn hint(mut self, advice: impl Into<String>) -> Self {
        self.causes.push(format!("{}{}", Self::HINT, advice.into()).into());
        self
    }

    /// What to try instead.
    pub fn hints(&self) -> impl Iterator<Item = &str> {
        self.causes.iter().filter_map(|cause| cause.strip_prefix(Self::HINT))
    }

    /// The same error as the cause of `message`.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into().into());
        self.causes.insert(0, inner);
        self
    }
}

impl PluginError {
    /// The error as a host can show it, whatever library it comes from: bytes that are no UTF-8 are
    /// replaced, and what is longer than anyone reads is cut.
    #[must_use]
    pub fn readable(self) -> Self {
        Self {
            kind: self.kind,
            message: readable(&self.message, 600),
            causes: self.causes.iter().take(8).map(|cause| readable(cause, 400)).collect(),
            backtrace: readable(&self.backtrace, 16 << 10),
        }
    }
}

/// The text without what is no UTF-8, and not much longer than `bytes`.
fn readable(text: &RString, bytes: usize) -> RString {
    let whole = text.as_bytes();
    // What this function gives is not cut again.
    if whole.len() <= bytes + 40 {
        return String::from_utf8_lossy(whole).into_owned().into();
    }
    let shown = String::from_utf8_lossy(&whole[..bytes]);
    // The cut may have gone through a character.
    let shown = shown.trim_end_matches(char::REPLACEMENT_CHARACTER);
    format!("{shown} … ({} bytes in all)", whole.len()).into()
}

impl std::fmt::Display for PluginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        for cause in self.causes.iter().filter(|cause| !cause.starts_with(Self::HINT)) {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PluginError {}

/// Runs `call` and turns a panic into an error, so that none crosses the border.
///
/// A panic whose payload is a [`PluginError`] (thrown with `resume_unwind` from inside a backward
/// pass, which has no error channel) comes out as that error.
pub fn guard<T>(call: impl FnOnce() -> Result<T, PluginError>) -> RResult<T, PluginError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => ROk(value),
        Ok(Err(error)) => RErr(error),
        Err(payload) => {
            let error = if let Some(error) = payload.downcast_ref::<PluginError>() {
                error.clone()
            } else {
                let text = payload
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "a panic without a message".to_owned());
                PluginError::new(ErrorKind::PANIC, text)
            };
            // The payload's own drop may panic.
            std::mem::forget(payload);
            RErr(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PluginError;

    #[test]
    fn advice_is_shown_apart_from_message_and_causes() {
        let error = PluginError::data("no weights").hint("download `base.safetensors`");
        let error = error.context("failed to start");
        assert_eq!(error.to_string(), "failed to start: no weights");
        assert_eq!(error.hints().collect::<Vec<_>>(), ["download `base.safetensors`"]);
        assert_eq!(PluginError::data("no weights").hints().count(), 0);
    }

    #[test]
    fn an_error_is_small_enough_to_be_returned_by_value() {
        // Beyond 128 bytes compilers warn every author about every function that can fail.
        assert!(size_of::<PluginError>() <= 104, "{}", size_of::<PluginError>());
    }
}
