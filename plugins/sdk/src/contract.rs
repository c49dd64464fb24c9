//! Tensor contracts: named inputs and outputs with element types and symbolic dimensions.

use crate::Error;
use serde_json::{Map, Value, json};

/// What a component takes and gives.
///
/// Ports are written `name: type[dimension, …]`. A dimension is a number or a symbol; equal
/// symbols of one component mean equal sizes. `...` stands for any dimensions. `name?` marks an
/// optional input. Type `int` is any integer.
///
/// ```
/// use ablate_sdk::Contract;
/// let contract = Contract::new()
///     .input("features: f32[B, T, D]")
///     .input("mask?: bool[B, T]")
///     .output("pooled: f32[B, W, D]");
/// assert!(contract.to_json().is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Contract {
    inputs: Vec<String>,
    outputs: Vec<String>,
    slots: Vec<(String, Contract)>,
}

impl Contract {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an input.
    #[must_use]
    pub fn input(mut self, port: impl Into<String>) -> Self {
        self.inputs.push(port.into());
        self
    }

    /// With an output.
    #[must_use]
    pub fn output(mut self, port: impl Into<String>) -> Self {
        self.outputs.push(port.into());
        self
    }

    /// With what the block in the slot `name` is given and must give, in this component's symbols.
    #[must_use]
    pub fn slot(mut self, name: &str, contract: Contract) -> Self {
        self.slots.push((name.to_owned(), contract));
        self
    }

    /// The contract as it crosses the border.
    ///
    /// # Errors
    /// If a port is not written as it should be.
    pub fn to_json(&self) -> Result<Value, Error> {
        let ports =
            |list: &[String]| list.iter().map(|port| parse(port)).collect::<Result<Vec<_>, _>>();
        let mut slots = Map::new();
        for (name, contract) in &self.slots {
            slots.insert(name.clone(), contract.to_json()?);
        }
        Ok(json!({
            "inputs": ports(&self.inputs)?,
            "outputs": ports(&self.outputs)?,
            "slots": slots,
        }))
    }
}

fn parse(port: &str) -> Result<Value, Error> {
    let wrong =
        || Error::contract(format!("port `{port}` is not written `name: type[dimension, …]`"));
    let (name, rest) = port.split_once(':').ok_or_else(wrong)?;
    let (dtype, shape) =
        rest.trim().strip_suffix(']').and_then(|r| r.split_once('[')).ok_or_else(wrong)?;
    let (name, optional) = match name.trim().strip_suffix('?') {
        Some(name) => (name, true),
        None => (name.trim(), false),
    };
    if name.is_empty()
        || !matches!(dtype, "f32" | "f64" | "f16" | "bf16" | "i64" | "i32" | "int" | "u8" | "bool")
    {
        return Err(wrong());
    }
    let mut dimensions = Vec::new();
    for dimension in shape.split(',').map(str::trim).filter(|d| !d.is_empty()) {
        if let Ok(size) = dimension.parse::<u64>() {
            dimensions.push(json!(size));
        } else if dimension == "..."
            || dimension.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            dimensions.push(json!(dimension));
        } else {
            return Err(wrong());
        }
    }
    Ok(json!({ "name": name, "dtype": dtype, "shape": dimensions, "optional": optional }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_parse_to_names_types_and_dimensions() {
        let contract = Contract::new()
            .input("features: f32[B, T, 80]")
            .input("mask?: bool[B,T]")
            .output("codes: int[..., L]")
            .slot("pooling", Contract::new().output("pooled: f32[B, W, 64]"));
        assert_eq!(
            contract.to_json().expect("well written"),
            json!({
                "inputs": [
                    { "name": "features", "dtype": "f32", "shape": ["B", "T", 80], "optional": false },
                    { "name": "mask", "dtype": "bool", "shape": ["B", "T"], "optional": true },
                ],
                "outputs": [{ "name": "codes", "dtype": "int", "shape": ["...", "L"], "optional": false }],
                "slots": { "pooling": {
                    "inputs": [],
                    "outputs": [{ "name": "pooled", "dtype": "f32", "shape": ["B", "W", 64], "optional": false }],
                    "slots": {},
                } },
            })
        );
    }

    #[test]
    fn names_the_port_that_is_not_well_written() {
        for port in ["features", "x: f32", "x: f32[B", ": f32[B]", "x: float[B]", "x: f32[B-1]"] {
            let error = Contract::new().input(port).to_json().expect_err("must fail").to_string();
            assert_eq!(error, format!("port `{port}` is not written `name: type[dimension, …]`"));
        }
    }
}
