//! Tensor contracts as components write them: named ports with element types and dimensions.

use std::collections::BTreeMap;
use std::fmt;

use ablate_abi::v1::{DType, MAX_RANK};
use ablate_config::shown;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a component takes and gives, and what it asks of the blocks in its slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The tensors that it takes.
    #[serde(default)]
    pub inputs: Vec<Port>,
    /// The tensors that it gives.
    #[serde(default)]
    pub outputs: Vec<Port>,
    /// By slot: the inputs that a block there is given, and the outputs that it must give.
    #[serde(default)]
    pub slots: BTreeMap<String, Contract>,
    /// The name of the file that it publishes, for a metric that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishes: Option<String>,
}

/// One named tensor. Displayed as `name: type[dimension, …]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: ElementType,
    /// Its dimensions.
    pub shape: Vec<Dim>,
    /// Whether it may be absent.
    #[serde(default)]
    pub optional: bool,
}

/// The element type of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// `int`: integers of any width.
    Integer,
    /// Just this one.
    Exactly(DType),
}

/// One dimension of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A known size.
    Size(u64),
    /// A size that has a name; in one component equal names are equal sizes.
    Symbol(String),
    /// `...`: any dimensions, also none.
    Any,
}

const ELEMENT_TYPES: [(&str, ElementType); 9] = [
    ("f32", ElementType::Exactly(DType::F32)),
    ("f64", ElementType::Exactly(DType::F64)),
    ("f16", ElementType::Exactly(DType::F16)),
    ("bf16", ElementType::Exactly(DType::BF16)),
    ("i64", ElementType::Exactly(DType::I64)),
    ("i32", ElementType::Exactly(DType::I32)),
    ("u8", ElementType::Exactly(DType::U8)),
    ("bool", ElementType::Exactly(DType::BOOL)),
    ("int", ElementType::Integer),
];

impl Contract {
    /// Reads a contract as it crosses the border; the error says what is wrong with it.
    pub(crate) fn read(json: serde_json::Value) -> Result<Self, String> {
        let contract: Self = serde_json::from_value(json).map_err(|error| error.to_string())?;
        contract.check()?;
        Ok(contract)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(slot) = self.slots.keys().find(|name| !is_name(name)) {
            return Err(format!("it has a slot called `{}`, but {NAMES}", shown(slot)));
        }
        for (ports, direction) in [(&self.inputs, "input"), (&self.outputs, "output")] {
            for (index, port) in ports.iter().enumerate() {
                port.check(direction)?;
                if ports[..index].iter().any(|other| other.name == port.name) {
                    return Err(format!("it has two {direction}s called `{}`", port.name));
                }
                if port.shape.iter().filter(|dim| **dim == Dim::Any).count() > 1 {
                    return Err(format!("`{port}` has more than one `...`"));
                }
            }
        }
        if let Some(file) = &self.publishes
            && !is_file_name(file)
        {
            return Err(format!("it publishes `{}`, which is no name of a file", shown(file)));
        }
        self.slots.values().try_for_each(Self::check)
    }

    /// All ports, also those of slots.
    pub(crate) fn all_ports(&self) -> Vec<&Port> {
        let own = self.inputs.iter().chain(&self.outputs);
        own.chain(self.slots.values().flat_map(Self::all_ports)).collect()
    }

    /// The same with the sizes that are known in place of their symbols.
    pub(crate) fn with_sizes(&self, sizes: &[(String, u64)]) -> Self {
        let ports = |ports: &[Port]| ports.iter().map(|port| port.with_sizes(sizes)).collect();
        let slots = self.slots.iter();
        Self {
            inputs: ports(&self.inputs),
            outputs: ports(&self.outputs),
            slots: slots.map(|(name, slot)| (name.clone(), slot.with_sizes(sizes))).collect(),
            publishes: self.publishes.clone(),
        }
    }
}

/// What a name of a tensor, of a slot or of a dimension is.
const NAMES: &str = "a name has at most 200 bytes, at least one, and no control characters";

/// Whether messages can show it.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=200).contains(&text.len()) && !text.contains(char::is_control)
}

/// Whether it names a file in a folder, and none elsewhere or hidden.
fn is_file_name(text: &str) -> bool {
    is_name(text) && !text.starts_with('.') && !text.contains(['/', '\\', ':'])
}

pub(crate) fn find<'a>(ports: &'a [Port], name: &str) -> Option<&'a Port> {
    ports.iter().find(|port| port.name == name)
}

impl Port {
    fn check(&self, direction: &str) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!(
                "it has an {direction} called `{}`, but {NAMES}",
                shown(&self.name)
            ));
        }
        if self.shape.len() > MAX_RANK {
            let rank = self.shape.len();
            return Err(format!(
                "`{}` has {rank} dimensions, at most {MAX_RANK} are possible",
                self.name
            ));
        }
        let symbols = self.shape.iter().filter_map(|dim| match dim {
            Dim::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        });
        match symbols.into_iter().find(|symbol| !is_name(symbol)) {
            None => Ok(()),
            Some(symbol) => {
                let symbol = shown(symbol);
                Err(format!("`{}` has a dimension called `{symbol}`, but {NAMES}", self.name))
            }
        }
    }

    fn with_sizes(&self, sizes: &[(String, u64)]) -> Self {
        let mut port = self.clone();
        for dim in &mut port.shape {
            if let Dim::Symbol(symbol) = dim
                && let Some((_, size)) = sizes.iter().find(|(known, _)| known == symbol)
            {
                *dim = Dim::Size(*size);
            }
        }
        port
    }

    /// Which dimensions of two ports are the same, by index; `None` when the ranks do not fit.
    ///
    /// What a `...` covers is not compared.
    pub(crate) fn align(&self, other: &Self) -> Option<Vec<(usize, usize)>> {
        let split = |port: &Self| {
            let rank = port.shape.len();
            match port.shape.iter().position(|dim| *dim == Dim::Any) {
                Some(any) => (any, rank - any - 1, true),
                None => (rank, 0, false),
            }
        };
        let (front, back, open) = split(self);
        let (other_front, other_back, other_open) = split(other);
        let fits = match (open, other_open) {
            (false, false) => front == other_front,
            (true, false) => front + back <= other_front,
            (false, true) => other_front + other_back <= front,
            (true, true) => true,
        };
        if !fits {
            return None;
        }
        // A closed shape is all front, and may be counted from its end as well.
        let tail = |front: usize, back: usize, open: bool| if open { back } else { front };
        let common_front = front.min(other_front);
        let common_back = match (open, other_open) {
            (false, false) => 0,
            _ => tail(front, back, open).min(tail(other_front, other_back, other_open)),
        };
        let (rank, other_rank) = (self.shape.len(), other.shape.len());
        let ends = (1..=common_back).rev().map(|k| (rank - k, other_rank - k));
        Some((0..common_front).map(|k| (k, k)).chain(ends).collect())
    }
}

impl ElementType {
    /// Whether a tensor of this type is what the port says.
    pub(crate) fn admits(self, dtype: DType) -> bool {
        match self {
            Self::Integer => dtype.is_integer(),
            Self::Exactly(exact) => exact == dtype,
        }
    }

    /// Whether a tensor of one type may be the tensor of the other.
    pub(crate) fn agrees(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer, Self::Exactly(dtype)) | (Self::Exactly(dtype), Self::Integer) => {
                dtype.is_integer()
            }
            _ => self == other,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Exactly(dtype) if dtype.is_float())
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.name, if self.optional { "?" } else { "" }, self.dtype)?;
        let dims: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer => f.write_str("int"),
            Self::Exactly(dtype) => dtype.fmt(f),
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => size.fmt(f),
            Self::Symbol(symbol) => f.write_str(symbol),
            Self::Any => f.write_str("..."),
        }
    }
}

impl Serialize for ElementType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ElementType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = ELEMENT_TYPES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, element)| *element)
            .ok_or_else(|| de::Error::custom(format!("unknown element type `{text}`")))
    }
}

impl Serialize for Dim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Size(size) => serializer.serialize_u64(*size),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for Dim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a dimension is a size, a symbol or `...`")]
        enum Written {
            Size(u64),
            Text(String),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Size(size) => Self::Size(size),
            Written::Text(text) if text == "..." => Self::Any,
            Written::Text(text) => Self::Symbol(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Contract, Dim, ElementType, Port};
    use ablate_abi::v1::DType;
    use serde_json::json;

    fn port(dims: &[&str]) -> Port {
        let dim = |text: &&str| match text.parse() {
            Ok(size) => Dim::Size(size),
            Err(_) if *text == "..." => Dim::Any,
            Err(_) => Dim::Symbol((*text).to_owned()),
        };
        let shape = dims.iter().map(dim).collect();
        let dtype = ElementType::Exactly(DType::F32);
        Port { name: "x".into(), dtype, shape, optional: false }
    }

    #[test]
    fn reads_what_components_write() {
        let json = json!({
            "inputs": [{ "name": "codes", "dtype": "int", "shape": ["B", 80, "..."], "optional": true }],
            "outputs": [],
            "slots": { "inner": { "inputs": [], "outputs": [
                { "name": "y", "dtype": "bf16", "shape": [], "optional": false },
            ], "slots": {} } },
        });
        let contract = Contract::read(json.clone()).unwrap();
        assert_eq!(contract.inputs[0].to_string(), "codes?: int[B, 80, ...]");
        assert_eq!(contract.slots["inner"].outputs[0].to_string(), "y: bf16[]");
        assert_eq!(serde_json::to_value(&contract).unwrap(), json);
    }

    #[test]
    fn says_what_is_wrong_with_a_contract() {
        let read = |port: &serde_json::Value| {
            Contract::read(json!({ "inputs": [port, port] })).unwrap_err()
        };
        assert_eq!(
            read(&json!({ "name": "x", "dtype": "f8", "shape": [] })),
            "unknown element type `f8`"
        );
        assert_eq!(
            read(&json!({ "name": "x", "dtype": "f32", "shape": [-1] })),
            "a dimension is a size, a symbol or `...`"
        );
        assert_eq!(
            read(&json!({ "name": "x", "dtype": "f32", "shape": [] })),
            "it has two inputs called `x`"
        );
        assert_eq!(
            read(&json!({ "name": "x\ny", "dtype": "f32", "shape": [] })),
            "it has an input called `x\\ny`, but a name has at most 200 bytes, at least one, and no \
             control characters"
        );
        assert!(read(&json!({ "name": "n".repeat(300), "dtype": "f32", "shape": [] })).len() < 450);
        assert!(
            read(&json!({ "name": "x", "dtype": "f32", "shape": [""] }))
                .starts_with("`x` has a dimension called ``, but a name has")
        );
        assert_eq!(
            read(&json!({ "name": "x", "dtype": "f32", "shape": vec![1; 9] })),
            "`x` has 9 dimensions, at most 8 are possible"
        );
        let twice =
            json!({ "outputs": [{ "name": "x", "dtype": "f32", "shape": ["...", "..."] }] });
        assert_eq!(
            Contract::read(twice).unwrap_err(),
            "`x: f32[..., ...]` has more than one `...`"
        );
    }

    #[test]
    fn dimensions_are_paired_around_what_dots_cover() {
        let align = |a: &[&str], b: &[&str]| port(a).align(&port(b));
        assert_eq!(align(&["B", "T"], &["N", "4"]), Some(vec![(0, 0), (1, 1)]));
        assert_eq!(align(&["B", "T"], &["N", "4", "D"]), None);
        assert_eq!(align(&["...", "D"], &["N", "4", "D"]), Some(vec![(1, 2)]));
        assert_eq!(align(&["N", "4", "D"], &["B", "..."]), Some(vec![(0, 0)]));
        assert_eq!(align(&["N"], &["B", "...", "D"]), None);
        assert_eq!(align(&["B", "D"], &["B", "...", "D"]), Some(vec![(0, 0), (1, 2)]));
        assert_eq!(align(&["A", "...", "D"], &["B", "C", "..."]), Some(vec![(0, 0)]));
        assert_eq!(align(&["..."], &[]), Some(vec![]));
    }
}
