//! A value that is made on first use, where making it may fail.

use std::sync::{Mutex, OnceLock, PoisonError};

use ablate_sdk::Error;

/// As `OnceLock`, but a failed attempt leaves it empty and the next use tries again.
#[derive(Default)]
pub(crate) struct TryOnce<T> {
    value: OnceLock<T>,
    making: Mutex<()>,
}

impl<T> TryOnce<T> {
    pub(crate) fn new() -> Self {
        Self { value: OnceLock::new(), making: Mutex::new(()) }
    }

    /// The value, made by `make` when there is none. Others wait meanwhile.
    pub(crate) fn get_or_try(&self, make: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = make()?;
        Ok(self.value.get_or_init(|| value))
    }
}

#[cfg(test)]
mod tests {
    use super::TryOnce;
    use ablate_sdk::Error;

    #[test]
    fn tries_again_after_a_failure_and_never_after_success() {
        let once = TryOnce::new();
        assert!(once.get_or_try(|| Err(Error::data("not yet"))).is_err());
        assert_eq!(once.get_or_try(|| Ok(1)).unwrap(), &1);
        assert_eq!(once.get_or_try(|| Ok(2)).unwrap(), &1);
    }
}
