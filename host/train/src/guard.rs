//! Checks tensors against the bound contract of the component that gives or takes them.

use std::fmt::Write as _;

use ablate_abi::v1::{DType, ErrorKind, NamedTensor, PluginError, Tensor};
use ablate_config::shown;

use crate::contract::{Contract, Dim, Port, find, is_name};
use crate::error::{ComponentId, quoted};
use crate::finite::{NotFinite, find_not_finite};
use crate::tensors::text;

/// A component with its contract, in which known sizes stand in place of symbols.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) id: ComponentId,
    pub(crate) contract: Contract,
}

/// When a tensor was seen, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When<'a> {
    /// In the step of this number, counted from 1.
    Step(u64),
    /// In a call of another method after so many steps.
    After { method: &'a str, step: u64 },
    /// In a batch of a split, of the items with these ids.
    Batch { split: &'a str, items: &'a [&'a str] },
}

impl<'a> When<'a> {
    pub(crate) fn of_call(method: &'a str, train: bool, step: u64) -> Self {
        if train { Self::Step(step + 1) } else { Self::After { method, step } }
    }

    fn text(self, index: &[usize], shape: &[usize]) -> String {
        match self {
            Self::Step(step) => format!(" in step {step}"),
            Self::After { method, step } => format!(" in `{method}` after step {step}"),
            Self::Batch { split, items } => {
                let mut text = format!(" in a batch of split `{split}`");
                let item = index.first().filter(|_| shape.first() == Some(&items.len()));
                if let Some(item) = item.and_then(|position| items.get(*position)) {
                    let _ = write!(text, " (item `{item}`)");
                }
                text
            }
        }
    }
}

/// Sizes of the symbols of one call: equal symbols are equal sizes.
#[derive(Default)]
pub(crate) struct Sizes<'a>(Vec<(&'a str, u64, &'a str)>);

/// Which tensors of a call are looked at, and how closely.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) direction: &'static str,
    /// Whether all tensors that are not optional must be there.
    pub(crate) complete: bool,
    /// Whether floats must be finite.
    pub(crate) finite: bool,
}

/// Whoever takes a truth value takes it for 0 or 1.
fn sound_bools(tensor: &Tensor) -> Result<(), PluginError> {
    match tensor.dtype() {
        DType::BOOL => tensor.as_slice::<bool>().map(|_| ()),
        _ => Ok(()),
    }
}

impl Guard {
    /// Checks the tensors of one direction. Tensors that the contract does not name pass.
    pub(crate) fn check<'a>(
        &self,
        ports: &'a [Port],
        tensors: &[NamedTensor],
        sizes: &mut Sizes<'a>,
        look: Look,
        when: When<'_>,
    ) -> Result<(), PluginError> {
        let Look { direction, complete, finite } = look;
        for (position, NamedTensor { name, tensor }) in tensors.iter().enumerate() {
            if std::str::from_utf8(name.as_bytes()).is_err() {
                let name = text(name);
                let text = format!("the name of {direction} `{name}` is no UTF-8");
                return Err(self.broken(&text));
            }
            if !is_name(name) {
                let name = shown(name);
                let text =
                    format!("the name `{name}` of an {direction} is empty, too long, or no text");
                return Err(self.broken(&text));
            }
            let what = || format!("{direction} `{name}`");
            let sound = tensor.validate().and_then(|()| sound_bools(tensor));
            sound.map_err(|error| error.context(format!("{}: {}", self.id, what())))?;
            if tensors[..position].iter().any(|other| other.name == *name) {
                return Err(self.broken(&format!("two {direction}s are called `{name}`")));
            }
            if let Some(port) = find(ports, name) {
                self.fits(port, tensor, direction, sizes)?;
            }
            if finite {
                self.finite(&what(), tensor, when)?;
            }
        }
        let there = |port: &&Port| tensors.iter().any(|given| given.name == port.name.as_str());
        match ports.iter().filter(|port| complete && !port.optional).find(|port| !there(port)) {
            None => Ok(()),
            Some(absent) => {
                let names: Vec<&str> = tensors.iter().map(|given| given.name.as_str()).collect();
                let text =
                    format!("{direction} `{absent}` is missing; there is {}", quoted(&names));
                Err(self.broken(&text))
            }
        }
    }

    /// Looks for NaN and infinity in one tensor.
    pub(crate) fn finite(
        &self,
        what: &str,
        tensor: &Tensor,
        when: When<'_>,
    ) -> Result<(), PluginError> {
        let Some(NotFinite { value, index, count, total }) = find_not_finite(tensor) else {
            return Ok(());
        };
        let when = when.text(&index, &tensor.shape());
        let text = format!("{}: {what} holds {value} at {index:?}{when}", self.id);
        let text = format!("{text} ({count} of {total} values)");
        Err(PluginError::new(ErrorKind::NOT_FINITE, text))
    }

    /// An error of kind `CONTRACT` about this component.
    pub(crate) fn broken(&self, text: &str) -> PluginError {
        PluginError::contract(format!("{}: {text}", self.id)).readable()
    }

    fn fits<'a>(
        &self,
        port: &'a Port,
        tensor: &Tensor,
        direction: &str,
        sizes: &mut Sizes<'a>,
    ) -> Result<(), PluginError> {
        let shape = tensor.shape();
        let broken = |reason: &str| {
            let Port { name, .. } = port;
            let text = format!(
                "{direction} `{name}` is {}{shape:?}, its contract says `{port}`{reason}",
                tensor.dtype()
            );
            Err(self.broken(&text))
        };
        if !port.dtype.admits(tensor.dtype()) {
            return broken("");
        }
        let dims = &port.shape;
        let (front, back) = match dims.iter().position(|dim| *dim == Dim::Any) {
            Some(any) if dims.len() - 1 <= shape.len() => (any, dims.len() - any - 1),
            None if dims.len() == shape.len() => (dims.len(), 0),
            _ => return broken(""),
        };
        let ends = dims[dims.len() - back..].iter().zip(&shape[shape.len() - back..]);
        for (dim, size) in dims[..front].iter().zip(&shape).chain(ends) {
            let size = *size as u64;
            match dim {
                Dim::Size(expected) if *expected != size => return broken(""),
                Dim::Symbol(symbol) => match sizes.0.iter().find(|(known, _, _)| known == symbol) {
                    None => sizes.0.push((symbol, size, &port.name)),
                    Some((_, expected, _)) if *expected == size => {}
                    Some((_, expected, by)) => {
                        return broken(&format!(" and {symbol} = {expected} by `{by}`"));
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Guard, Look, Sizes, When};
    use crate::contract::Contract;
    use crate::error::ComponentId;
    use ablate_abi::v1::{NamedTensor, Tensor};
    use serde_json::json;

    fn check(tensors: Vec<NamedTensor>) -> String {
        let contract = Contract::read(json!({ "inputs": [
            { "name": "x", "dtype": "f32", "shape": ["B", "...", 2] },
            { "name": "labels", "dtype": "int", "shape": ["B"] },
            { "name": "mask", "dtype": "bool", "shape": ["B"], "optional": true },
        ] }));
        let id = ComponentId { path: "loss.a".into(), name: "a".into() };
        let guard = Guard { id, contract: contract.unwrap() };
        let look = Look { direction: "input", complete: true, finite: true };
        let mut sizes = Sizes::default();
        let inputs = &guard.contract.inputs;
        match guard.check(inputs, &tensors, &mut sizes, look, When::Step(1)) {
            Ok(()) => "passes".to_owned(),
            Err(error) => error.to_string().replace("`loss.a` (`a`): ", ""),
        }
    }

    fn floats(shape: &[usize]) -> NamedTensor {
        NamedTensor::new("x", Tensor::from_vec(vec![0.0f32; shape.iter().product()], shape))
    }

    fn labels<T: ablate_abi::v1::Element>(values: Vec<T>) -> NamedTensor {
        let count = values.len();
        NamedTensor::new("labels", Tensor::from_vec(values, &[count]))
    }

    #[test]
    fn names_what_breaks_the_contract() {
        assert_eq!(check(vec![floats(&[3, 2]), labels(vec![1i64; 3])]), "passes");
        assert_eq!(check(vec![floats(&[3, 4, 5, 2]), labels(vec![1i32; 3])]), "passes");
        assert_eq!(
            check(vec![floats(&[3, 2]), labels(vec![1i32; 4])]),
            "input `labels` is i32[4], its contract says `labels: int[B]` and B = 3 by `x`"
        );
        assert_eq!(
            check(vec![floats(&[3, 2]), labels(vec![1.0f32; 3])]),
            "input `labels` is f32[3], its contract says `labels: int[B]`"
        );
        assert_eq!(
            check(vec![floats(&[2]), labels(vec![1i32; 2])]),
            "input `x` is f32[2], its contract says `x: f32[B, ..., 2]`"
        );
        let renamed = |name: &str| check(vec![NamedTensor::new(name, floats(&[3, 2]).tensor)]);
        let text = "the name `x\\u{1b}[31m` of an input is empty, too long, or no text";
        assert_eq!(renamed("x\u{1b}[31m"), text);
        assert!(renamed(&"n".repeat(10_000)).len() < 1_000);
        assert_eq!(check(vec![floats(&[3, 2])]), "input `labels: int[B]` is missing; there is `x`");
        assert_eq!(check(vec![floats(&[3, 2]), floats(&[3, 2])]), "two inputs are called `x`");
    }
}
