//! Tensors whose rank is known at run time only: what components take and give.

use crate::Error;
use burn::backend::DispatchTensor;
use burn::tensor::{Bool, Device, Float, Gradients, Int, Tensor};

/// A Burn tensor of rank 1 to 6 and one element kind.
#[derive(Clone, Debug)]
pub enum Ranked<K: burn::tensor::kind::Basic> {
    /// Rank 1.
    R1(Tensor<1, K>),
    /// Rank 2.
    R2(Tensor<2, K>),
    /// Rank 3.
    R3(Tensor<3, K>),
    /// Rank 4.
    R4(Tensor<4, K>),
    /// Rank 5.
    R5(Tensor<5, K>),
    /// Rank 6.
    R6(Tensor<6, K>),
}

/// The largest rank that a component's tensor may have.
pub(crate) const MAX_RANK: usize = 6;

/// Evaluates an expression on the tensor inside, whatever its rank.
macro_rules! on_rank {
    ($ranked:expr, $tensor:ident => $result:expr) => {
        match $ranked {
            Ranked::R1($tensor) => $result,
            Ranked::R2($tensor) => $result,
            Ranked::R3($tensor) => $result,
            Ranked::R4($tensor) => $result,
            Ranked::R5($tensor) => $result,
            Ranked::R6($tensor) => $result,
        }
    };
}

/// As `on_rank`, giving a tensor of the same rank back.
macro_rules! map_rank {
    ($ranked:expr, $tensor:ident => $result:expr) => {
        match $ranked {
            Ranked::R1($tensor) => Ranked::R1($result),
            Ranked::R2($tensor) => Ranked::R2($result),
            Ranked::R3($tensor) => Ranked::R3($result),
            Ranked::R4($tensor) => Ranked::R4($result),
            Ranked::R5($tensor) => Ranked::R5($result),
            Ranked::R6($tensor) => Ranked::R6($result),
        }
    };
}

/// A tensor of any element kind and of rank 1 to 6.
#[derive(Clone, Debug)]
pub enum AnyTensor {
    /// Floats: the only kind that gradients flow through.
    Float(Ranked<Float>),
    /// Integers.
    Int(Ranked<Int>),
    /// Booleans.
    Bool(Ranked<Bool>),
}

macro_rules! on_any {
    ($any:expr, $tensor:ident => $result:expr) => {
        match $any {
            AnyTensor::Float(ranked) => on_rank!(ranked, $tensor => $result),
            AnyTensor::Int(ranked) => on_rank!(ranked, $tensor => $result),
            AnyTensor::Bool(ranked) => on_rank!(ranked, $tensor => $result),
        }
    };
}

macro_rules! map_any {
    ($any:expr, $tensor:ident => $result:expr) => {
        match $any {
            AnyTensor::Float(ranked) => AnyTensor::Float(map_rank!(ranked, $tensor => $result)),
            AnyTensor::Int(ranked) => AnyTensor::Int(map_rank!(ranked, $tensor => $result)),
            AnyTensor::Bool(ranked) => AnyTensor::Bool(map_rank!(ranked, $tensor => $result)),
        }
    };
}

/// Wraps a dispatch tensor as rank `$rank` of kind `$kind`.
macro_rules! wrap_rank {
    ($rank:expr, $kind:ident, $dispatch:expr) => {
        match $rank {
            1 => AnyTensor::$kind(Ranked::R1(Tensor::from_dispatch($dispatch))),
            2 => AnyTensor::$kind(Ranked::R2(Tensor::from_dispatch($dispatch))),
            3 => AnyTensor::$kind(Ranked::R3(Tensor::from_dispatch($dispatch))),
            4 => AnyTensor::$kind(Ranked::R4(Tensor::from_dispatch($dispatch))),
            5 => AnyTensor::$kind(Ranked::R5(Tensor::from_dispatch($dispatch))),
            6 => AnyTensor::$kind(Ranked::R6(Tensor::from_dispatch($dispatch))),
            rank => return Err(Error::contract(format!("rank {rank} is not between 1 and 6"))),
        }
    };
}

macro_rules! from_tensor {
    ($($rank:literal => $variant:ident),*) => {
        $(
            impl From<Tensor<$rank>> for AnyTensor {
                fn from(tensor: Tensor<$rank>) -> Self { Self::Float(Ranked::$variant(tensor)) }
            }
            impl From<Tensor<$rank, Int>> for AnyTensor {
                fn from(tensor: Tensor<$rank, Int>) -> Self { Self::Int(Ranked::$variant(tensor)) }
            }
            impl From<Tensor<$rank, Bool>> for AnyTensor {
                fn from(tensor: Tensor<$rank, Bool>) -> Self { Self::Bool(Ranked::$variant(tensor)) }
            }
        )*
    };
}
from_tensor!(1 => R1, 2 => R2, 3 => R3, 4 => R4, 5 => R5, 6 => R6);

impl AnyTensor {
    /// Sizes of the dimensions.
    pub fn shape(&self) -> Vec<usize> {
        on_any!(self, tensor => tensor.dims().to_vec())
    }

    /// The device that the tensor lies on.
    pub fn device(&self) -> Device {
        on_any!(self, tensor => tensor.device())
    }

    /// Whether operations on it are recorded.
    pub fn is_autodiff(&self) -> bool {
        on_any!(self, tensor => tensor.is_autodiff())
    }

    /// Whether a gradient would reach it.
    pub(crate) fn is_tracked(&self) -> bool {
        match self {
            Self::Float(ranked) => on_rank!(ranked, tensor => tensor.is_tracked()),
            _ => false,
        }
    }

    /// Whether it holds floats.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// The tensor without its graph.
    #[must_use]
    pub fn inner(self) -> Self {
        map_any!(self, tensor => tensor.inner())
    }

    /// The tensor as a constant on the autodiff device.
    #[must_use]
    pub(crate) fn autodiff(self) -> Self {
        map_any!(self, tensor => tensor.autodiff())
    }

    /// A leaf that gradients are kept for.
    #[must_use]
    pub(crate) fn require_grad(self) -> Self {
        match self {
            Self::Float(ranked) => Self::Float(map_rank!(ranked, tensor => tensor.require_grad())),
            other => other,
        }
    }

    /// Takes the gradient of this leaf.
    pub(crate) fn take_gradient(&self, gradients: &mut Gradients) -> Option<Self> {
        match self {
            Self::Float(ranked) => {
                on_rank!(ranked, tensor => tensor.grad_remove(gradients).map(Into::into))
            }
            _ => None,
        }
    }

    pub(crate) fn into_dispatch(self) -> DispatchTensor {
        on_any!(self, tensor => tensor.into_dispatch())
    }

    /// A float tensor of `rank` around a dispatch tensor.
    pub(crate) fn float_from_dispatch(
        rank: usize,
        dispatch: DispatchTensor,
    ) -> Result<Self, Error> {
        Ok(wrap_rank!(rank, Float, dispatch))
    }

    /// `f32[2, 3]`, for messages.
    pub(crate) fn signature(&self) -> String {
        let kind = match self {
            Self::Float(_) => "float",
            Self::Int(_) => "int",
            Self::Bool(_) => "bool",
        };
        format!("{kind}{:?}", self.shape())
    }
}

/// Named tensors, in order: the inputs and outputs of components.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    entries: Vec<(String, AnyTensor)>,
}

impl Tensors {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, name: &str, tensor: impl Into<AnyTensor>) -> Self {
        self.entries.push((name.to_owned(), tensor.into()));
        self
    }

    /// With one more if there is one.
    #[must_use]
    pub fn with_optional(self, name: &str, tensor: Option<impl Into<AnyTensor>>) -> Self {
        match tensor {
            Some(tensor) => self.with(name, tensor),
            None => self,
        }
    }

    /// The float tensor called `name`, of rank `D`.
    ///
    /// # Errors
    /// If there is none, or it has another rank or element kind.
    pub fn float<const D: usize>(&self, name: &str) -> Result<Tensor<D>, Error> {
        match self.get(name)? {
            any @ AnyTensor::Float(_) if any.shape().len() == D => {
                Ok(Tensor::from_dispatch(any.clone().into_dispatch()))
            }
            other => Err(mismatch::<D>(name, "float", other)),
        }
    }

    /// The integer tensor called `name`, of rank `D`.
    ///
    /// # Errors
    /// As [`Tensors::float`].
    pub fn int<const D: usize>(&self, name: &str) -> Result<Tensor<D, Int>, Error> {
        match self.get(name)? {
            any @ AnyTensor::Int(_) if any.shape().len() == D => {
                Ok(Tensor::from_dispatch(any.clone().into_dispatch()))
            }
            other => Err(mismatch::<D>(name, "int", other)),
        }
    }

    /// The boolean tensor called `name`, of rank `D`.
    ///
    /// # Errors
    /// As [`Tensors::float`].
    pub fn bool<const D: usize>(&self, name: &str) -> Result<Tensor<D, Bool>, Error> {
        match self.get(name)? {
            any @ AnyTensor::Bool(_) if any.shape().len() == D => {
                Ok(Tensor::from_dispatch(any.clone().into_dispatch()))
            }
            other => Err(mismatch::<D>(name, "bool", other)),
        }
    }

    /// Whether there is a tensor called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
    }

    /// The tensor called `name`, whatever it is.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, name: &str) -> Result<&AnyTensor, Error> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, any)| any).ok_or_else(|| {
            let known: Vec<String> = self.entries.iter().map(|(n, _)| format!("`{n}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::contract(format!("no tensor called `{name}`; there is {known}"))
        })
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AnyTensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    pub(crate) fn into_entries(self) -> Vec<(String, AnyTensor)> {
        self.entries
    }
}

fn mismatch<const D: usize>(name: &str, kind: &str, found: &AnyTensor) -> Error {
    Error::contract(format!("`{name}` is {}, expected {kind} of rank {D}", found.signature()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_there_when_a_tensor_is_missing_or_of_another_rank() {
        let device = Device::flex();
        let tensors = Tensors::new()
            .with("features", Tensor::<3>::zeros([2, 4, 8], &device))
            .with("mask", Tensor::<2, Bool>::full([2, 4], true, &device));
        assert_eq!(tensors.float::<3>("features").expect("there").dims(), [2, 4, 8]);
        let text = |result: Result<(), Error>| result.expect_err("must fail").to_string();
        assert_eq!(
            text(tensors.float::<2>("features").map(drop)),
            "`features` is float[2, 4, 8], expected float of rank 2"
        );
        assert_eq!(
            text(tensors.int::<2>("mask").map(drop)),
            "`mask` is bool[2, 4], expected int of rank 2"
        );
        assert_eq!(
            text(tensors.float::<1>("codes").map(drop)),
            "no tensor called `codes`; there is `features`, `mask`"
        );
    }
}
