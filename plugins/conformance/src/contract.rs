//! Tensor contracts as plugins write them, and real tensors held against them.

use ablate_abi::v1::DType;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a component takes and gives, and what it asks of the blocks in its slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) slots: BTreeMap<String, Contract>,
}

/// One named tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<Dim>,
    pub(crate) optional: bool,
}

/// One dimension of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dim {
    Size(usize),
    Symbol(String),
    /// `...`: any dimensions, also none.
    Any,
}

/// Sizes by symbol, and what `...` stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) symbols: BTreeMap<String, usize>,
    pub(crate) any: Vec<usize>,
}

const TYPES: [&str; 9] = ["f32", "f64", "f16", "bf16", "i64", "i32", "int", "u8", "bool"];

impl Contract {
    /// Reads a contract as it crosses the border; the error says what is wrong with it.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let json: Value =
            serde_json::from_str(json).map_err(|error| format!("it is no JSON: {error}"))?;
        Self::from_value(&json)
    }

    fn from_value(json: &Value) -> Result<Self, String> {
        if !json.is_object() {
            return Err("it is no JSON object".to_owned());
        }
        let ports = |key: &str| -> Result<Vec<Port>, String> {
            let list = match json.get(key) {
                None => return Ok(Vec::new()),
                Some(list) => list.as_array().ok_or_else(|| format!("`{key}` is no list"))?,
            };
            let ports = list.iter().map(Port::from_value).collect::<Result<Vec<_>, _>>()?;
            for (index, port) in ports.iter().enumerate() {
                if ports[..index].iter().any(|other| other.name == port.name) {
                    return Err(format!("`{}` is twice in `{key}`", port.name));
                }
            }
            Ok(ports)
        };
        let slots = json.get("slots").and_then(Value::as_object).into_iter().flatten();
        let slots = slots.map(|(name, slot)| Ok((name.clone(), Self::from_value(slot)?)));
        Ok(Self {
            inputs: ports("inputs")?,
            outputs: ports("outputs")?,
            slots: slots.collect::<Result<_, String>>()?,
        })
    }

    /// Symbols of the inputs, each once, in order.
    pub(crate) fn input_symbols(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for symbol in self.inputs.iter().flat_map(Port::symbols) {
            if !found.contains(&symbol) {
                found.push(symbol);
            }
        }
        found
    }

    /// Symbols that look like sizes of the data, such as `D` in `features: f32[B, T, D]` and `L` in
    /// `codes: int[B, W, L]`, in contrast to sizes of a batch: a last dimension that is nowhere
    /// another one, and that no mask has.
    pub(crate) fn data_symbols(&self) -> Vec<&str> {
        let of_batch = |symbol: &str| {
            self.inputs.iter().any(|port| {
                let last =
                    if port.dtype == "bool" { None } else { port.shape.len().checked_sub(1) };
                let mut places = port.shape.iter().enumerate();
                places.any(|(at, dim)| dim.symbol() == Some(symbol) && Some(at) != last)
            })
        };
        // Integers in two dimensions are more often a sequence than a vector.
        let wide = |port: &&Port| port.shape.len() > if port.is_float() { 1 } else { 2 };
        let mut found: Vec<&str> = Vec::new();
        for port in self.inputs.iter().filter(|port| port.dtype != "bool").filter(wide) {
            if let Some(Dim::Symbol(symbol)) = port.shape.last()
                && !of_batch(symbol)
                && !found.contains(&symbol.as_str())
            {
                found.push(symbol);
            }
        }
        found
    }

    /// The same with sizes in place of symbols.
    pub(crate) fn bound(&self, sizes: &BTreeMap<String, usize>) -> Self {
        let ports = |ports: &[Port]| ports.iter().map(|port| port.bound(sizes)).collect();
        let slots = self.slots.iter();
        Self {
            inputs: ports(&self.inputs),
            outputs: ports(&self.outputs),
            slots: slots.map(|(name, slot)| (name.clone(), slot.bound(sizes))).collect(),
        }
    }
}

impl Port {
    fn from_value(json: &Value) -> Result<Self, String> {
        let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(format!("a port has no name: {json}"));
        }
        let dtype = json.get("dtype").and_then(Value::as_str).unwrap_or_default();
        if !TYPES.contains(&dtype) {
            return Err(format!("`{name}` has the unknown element type `{dtype}`"));
        }
        let shape = json.get("shape").and_then(Value::as_array);
        let shape = shape.ok_or_else(|| format!("`{name}` has no list `shape`"))?;
        let shape = shape.iter().map(|dim| match (dim.as_u64(), dim.as_str()) {
            (Some(0), _) => Err(format!("`{name}` has a dimension of size 0")),
            (Some(size), _) => Ok(Dim::Size(size as usize)),
            (_, Some("...")) => Ok(Dim::Any),
            (_, Some(symbol)) if !symbol.is_empty() => Ok(Dim::Symbol(symbol.to_owned())),
            _ => Err(format!("`{name}` has the unknown dimension {dim}")),
        });
        let shape = shape.collect::<Result<Vec<_>, _>>()?;
        if shape.iter().filter(|dim| **dim == Dim::Any).count() > 1 {
            return Err(format!("`{name}` has more than one `...`"));
        }
        let optional = json.get("optional").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { name: name.to_owned(), dtype: dtype.to_owned(), shape, optional })
    }

    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.shape.iter().filter_map(|dim| match dim {
            Dim::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        })
    }

    /// The first dimensions, if they are symbols.
    pub(crate) fn leading(&self, count: usize) -> Option<Vec<&str>> {
        let leading: Vec<&str> = self.shape.get(..count)?.iter().map_while(Dim::symbol).collect();
        (leading.len() == count).then_some(leading)
    }

    pub(crate) fn is_float(&self) -> bool {
        matches!(self.dtype.as_str(), "f32" | "f64" | "f16" | "bf16")
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self.dtype.as_str(), "i64" | "i32" | "int" | "u8")
    }

    /// Whether it is a mask over rows of a batch: `mask: bool[B, T]`.
    pub(crate) fn is_mask(&self) -> bool {
        self.dtype == "bool"
            && self.shape.len() == 2
            && self.name.contains("mask")
            && self.leading(2).is_some_and(|leading| leading[0] != leading[1])
    }

    /// Whether its first dimensions are those of `mask`.
    pub(crate) fn is_under(&self, mask: &Self) -> bool {
        self.leading(2).is_some_and(|leading| mask.leading(2) == Some(leading))
    }

    fn bound(&self, sizes: &BTreeMap<String, usize>) -> Self {
        let mut port = self.clone();
        for dim in &mut port.shape {
            if let Dim::Symbol(symbol) = dim
                && let Some(size) = sizes.get(symbol)
            {
                *dim = Dim::Size(*size);
            }
        }
        port
    }

    pub(crate) fn admits(&self, dtype: DType) -> bool {
        match self.dtype.as_str() {
            "int" => dtype.is_integer(),
            exact => dtype.to_string() == exact,
        }
    }

    /// Holds a real shape against the port; symbols that had no size get the one that is there.
    pub(crate) fn fits(&self, shape: &[usize], sizes: &mut Sizes) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("has shape {shape:?}, which is not `{self}`{why}"));
        let any = self.shape.iter().position(|dim| *dim == Dim::Any);
        let fixed = self.shape.len() - usize::from(any.is_some());
        if shape.len() < fixed || (any.is_none() && shape.len() != fixed) {
            return wrong("");
        }
        let split = any.unwrap_or(self.shape.len());
        let back = self.shape.len() - split - usize::from(any.is_some());
        let front = self.shape[..split].iter().zip(shape);
        let tail = self.shape[self.shape.len() - back..].iter().zip(&shape[shape.len() - back..]);
        for (dim, &size) in front.chain(tail) {
            match dim {
                Dim::Size(expected) if *expected != size => return wrong(""),
                Dim::Symbol(symbol) => {
                    let known = *sizes.symbols.entry(symbol.clone()).or_insert(size);
                    if known != size {
                        return wrong(&format!(" with {symbol} = {known}"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The real shape under `sizes`, which know every symbol.
    pub(crate) fn shape(&self, sizes: &Sizes) -> Vec<usize> {
        let mut shape = Vec::new();
        for dim in &self.shape {
            match dim {
                Dim::Size(size) => shape.push(*size),
                Dim::Symbol(symbol) => shape.push(sizes.symbols.get(symbol).copied().unwrap_or(1)),
                Dim::Any => shape.extend(&sizes.any),
            }
        }
        shape
    }
}

impl Dim {
    pub(crate) fn symbol(&self) -> Option<&str> {
        match self {
            Self::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dims: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        let mark = if self.optional { "?" } else { "" };
        write!(f, "{}{mark}: {}[{}]", self.name, self.dtype, dims.join(", "))
    }
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size(size) => size.fmt(f),
            Self::Symbol(symbol) => symbol.fmt(f),
            Self::Any => f.write_str("..."),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A port written as in the SDK: `name?: type[dimension, …]`.
    pub(crate) fn port(text: &str) -> Value {
        let (name, rest) = text.split_once(": ").expect("a colon");
        let (dtype, shape) = rest.trim_end_matches(']').split_once('[').expect("a bracket");
        let shape: Vec<Value> = shape
            .split(", ")
            .filter(|dim| !dim.is_empty())
            .map(|dim| dim.parse::<u64>().map_or_else(|_| Value::from(dim), Value::from))
            .collect();
        let optional = name.ends_with('?');
        let name = name.trim_end_matches('?');
        serde_json::json!({ "name": name, "dtype": dtype, "shape": shape, "optional": optional })
    }

    pub(crate) fn contract(inputs: &[&str], outputs: &[&str]) -> Contract {
        let list = |ports: &[&str]| ports.iter().map(|text| port(text)).collect::<Vec<_>>();
        let json = serde_json::json!({ "inputs": list(inputs), "outputs": list(outputs) });
        Contract::read(&json.to_string()).expect("well written")
    }

    #[test]
    fn shapes_are_held_against_ports() {
        let contract = contract(&["x: f32[B, T, 3]", "y: int[..., T]"], &[]);
        let mut sizes = Sizes::default();
        assert_eq!(contract.inputs[0].fits(&[2, 5, 3], &mut sizes), Ok(()));
        assert_eq!(contract.inputs[1].fits(&[5], &mut sizes), Ok(()));
        assert_eq!(contract.inputs[1].fits(&[9, 9, 5], &mut sizes), Ok(()));
        let wrong = |port: usize, shape: &[usize]| {
            contract.inputs[port].fits(shape, &mut sizes.clone()).expect_err("must not fit")
        };
        assert_eq!(wrong(0, &[2, 5]), "has shape [2, 5], which is not `x: f32[B, T, 3]`");
        assert_eq!(wrong(0, &[2, 5, 4]), "has shape [2, 5, 4], which is not `x: f32[B, T, 3]`");
        assert_eq!(
            wrong(0, &[2, 6, 3]),
            "has shape [2, 6, 3], which is not `x: f32[B, T, 3]` with T = 5"
        );
        assert_eq!(wrong(1, &[4]), "has shape [4], which is not `y: int[..., T]` with T = 5");
        assert_eq!(wrong(1, &[]), "has shape [], which is not `y: int[..., T]`");
    }

    #[test]
    fn sizes_of_the_data_are_told_from_sizes_of_a_batch() {
        let pooling = contract(&["features: f32[B, T, D]", "mask?: bool[B, T]"], &[]);
        assert_eq!(pooling.data_symbols(), ["D"]);
        let classes = contract(&["logits: f32[B, C]", "labels: int[B]"], &[]);
        assert_eq!(classes.data_symbols(), ["C"]);
        let codes = contract(&["codes: int[B, W, L]", "code_mask?: bool[B, W]"], &[]);
        assert_eq!(codes.data_symbols(), ["L"]);
        let tokens = contract(&["tokens: int[B, T]"], &[]);
        assert!(tokens.data_symbols().is_empty());
        let frames = contract(&["energy: f32[B, T]", "mask: bool[B, T]"], &[]);
        assert!(frames.data_symbols().is_empty());
        assert!(frames.inputs[1].is_mask() && frames.inputs[0].is_under(&frames.inputs[1]));
    }

    #[test]
    fn says_what_is_wrong_with_a_contract() {
        let error = |ports: Value| {
            let json = serde_json::json!({ "inputs": ports, "outputs": [] });
            Contract::read(&json.to_string()).expect_err("must be refused")
        };
        let port = |name: &str, dtype: &str, shape: Value| serde_json::json!([{ "name": name, "dtype": dtype, "shape": shape }]);
        assert_eq!(
            error(port("x", "float", serde_json::json!([]))),
            "`x` has the unknown element type `float`"
        );
        assert_eq!(
            error(port("x", "f32", serde_json::json!([0]))),
            "`x` has a dimension of size 0"
        );
        assert_eq!(
            error(port("x", "f32", serde_json::json!(["...", "..."]))),
            "`x` has more than one `...`"
        );
        assert_eq!(Contract::read("[]").expect_err("must be refused"), "it is no JSON object");
    }
}
