//! Named arrays as plain slices: what datasets give and metrics take.

use crate::Error;
use abi_stable::std_types::RVec;
use ablate_abi::v1::{DType, Element, NamedTensor, Tensor};

/// Named arrays, in order.
#[derive(Debug, Default)]
pub struct Arrays {
    entries: Vec<NamedTensor>,
}

impl Arrays {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more, row-major. Element types: `f32`, `f64`, `i64`, `i32`, `u8`, `bool`.
    ///
    /// # Panics
    /// If `values` has not as many elements as `shape` says: a bug of the component.
    #[must_use]
    pub fn with<T: Element>(mut self, name: &str, values: Vec<T>, shape: &[usize]) -> Self {
        self.entries.push(NamedTensor::new(name, Tensor::from_vec(values, shape)));
        self
    }

    /// The elements of the array called `name`.
    ///
    /// # Errors
    /// If there is none or it has another element type.
    pub fn slice<T: Element>(&self, name: &str) -> Result<&[T], Error> {
        let tensor = self.get(name)?;
        tensor.as_slice().map_err(|error| error.context(format!("`{name}`")))
    }

    /// Elements of any integer type.
    ///
    /// # Errors
    /// If there is none or it holds no integers.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, Error> {
        self.get(name)?.to_integers().map_err(|error| error.context(format!("`{name}`")))
    }

    /// Sizes of the dimensions of the array called `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>, Error> {
        Ok(self.get(name)?.shape())
    }

    /// Element type of the array called `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn dtype(&self, name: &str) -> Result<DType, Error> {
        Ok(self.get(name)?.dtype())
    }

    /// Whether there is an array called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// The boolean mask called `name`, or all true with `count` elements when there is none.
    ///
    /// # Errors
    /// If it holds no booleans.
    pub fn mask_or_all(&self, name: &str, count: usize) -> Result<Vec<bool>, Error> {
        if self.contains(name) { Ok(self.slice(name)?.to_vec()) } else { Ok(vec![true; count]) }
    }

    fn get(&self, name: &str) -> Result<&Tensor, Error> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.map(|entry| &entry.tensor).ok_or_else(|| {
            let known: Vec<String> = self.entries.iter().map(|e| format!("`{}`", e.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::contract(format!("no array called `{name}`; there is {known}"))
        })
    }

    pub(crate) fn into_border(self) -> RVec<NamedTensor> {
        self.entries.into()
    }

    pub(crate) fn from_border(entries: RVec<NamedTensor>) -> Self {
        Self { entries: RVec::into_vec(entries) }
    }
}
