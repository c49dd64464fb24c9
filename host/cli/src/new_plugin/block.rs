//! The code of a new block for a given contract: outputs from inputs in the simplest way that has
//! a gradient.

use ablate_train::{Contract, Dim, Port};
use std::fmt::Write;

/// What goes into the template of a block.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) description: &'static str,
    pub(super) tensor_imports: String,
    pub(super) ports: String,
    pub(super) forward: String,
    pub(super) functions: String,
    pub(super) test: String,
    /// The parameter of `forward` that is the call.
    pub(super) call: &'static str,
    /// Whether nothing simple gives the outputs, so that all is left to the author.
    pub(super) open: bool,
}

/// How an output is made.
#[derive(Debug, PartialEq)]
enum Made {
    /// The sum of float inputs of its shape, times the scale.
    Sum(Vec<usize>),
    /// The mean of a float input over a dimension, under a mask if there is one, times the scale.
    Mean { input: usize, dim: usize, mask: Option<usize> },
    /// An input as it is.
    Same(usize),
    /// Whether any place of a mask along a dimension counts.
    Any { input: usize, dim: usize },
    /// All true.
    True,
}

/// The contract of a block whose role nobody has told anything about.
pub(super) fn shape_preserving() -> Contract {
    let port =
        |name: &str| serde_json::json!({ "name": name, "dtype": "f32", "shape": ["B", "T", "D"] });
    let contract = serde_json::json!({ "inputs": [port("features")], "outputs": [port("output")] });
    serde_json::from_value(contract).expect("a contract")
}

/// The code of a block with this contract.
pub(super) fn code(contract: &Contract, type_name: &str) -> Code {
    let ports = ports(contract);
    let outputs: Vec<&Port> = contract.outputs.iter().filter(|port| !port.optional).collect();
    let made: Option<Vec<Made>> = outputs.iter().map(|output| make(contract, output)).collect();
    let made = made.filter(|_| contract.inputs.iter().all(|port| port.optional || readable(port)));
    let Some(made) = made.filter(|made| !made.is_empty()) else {
        return Code {
            description: "Computes nothing yet.",
            tensor_imports: String::new(),
            ports,
            forward: "        let _ = (inputs, self.scale);\n        \
                      Err(Error::unsupported(\"this block computes nothing yet\"))"
                .to_owned(),
            functions: String::new(),
            test: left_open(type_name),
            call: "_",
            open: true,
        };
    };
    let writer = Writer { contract, outputs: &outputs, made: &made };
    let is_mean = |made: &Made| matches!(made, Made::Mean { .. });
    Code {
        description: if made.iter().any(is_mean) {
            "The mean over what counts, times a factor."
        } else {
            "Its input, times a factor."
        },
        tensor_imports: writer.imports(),
        ports,
        forward: writer.forward(),
        call: if made.contains(&Made::True) { "call" } else { "_" },
        functions: writer.functions(),
        test: writer.test(type_name),
        open: false,
    }
}

fn ports(contract: &Contract) -> String {
    let inputs = contract.inputs.iter().map(|port| ("input", port));
    let outputs = contract.outputs.iter().map(|port| ("output", port));
    let lines = inputs.chain(outputs).map(|(way, port)| format!("            .{way}(\"{port}\")"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the SDK gives it to a block as a tensor of a rank that is known here.
fn readable(port: &Port) -> bool {
    let rank = port.shape.len();
    method(port).is_some() && (1..=6).contains(&rank) && !port.shape.contains(&Dim::Any)
}

/// The accessor of its element type.
fn method(port: &Port) -> Option<&'static str> {
    match port.dtype.to_string().as_str() {
        "f32" => Some("float"),
        "bool" => Some("bool"),
        "int" | "i64" | "i32" => Some("int"),
        _ => None,
    }
}

/// The one dimension in which a shape is 1 and another is not.
fn reduced(output: &Port, input: &Port) -> Option<usize> {
    if output.shape.len() != input.shape.len() {
        return None;
    }
    let pairs = output.shape.iter().zip(&input.shape).enumerate();
    let differing: Vec<(usize, &Dim)> =
        pairs.filter(|(_, (a, b))| a != b).map(|(at, (a, _))| (at, a)).collect();
    match differing.as_slice() {
        [(at, Dim::Size(1))] => Some(*at),
        _ => None,
    }
}

fn make(contract: &Contract, output: &Port) -> Option<Made> {
    if !readable(output) {
        return None;
    }
    let kind = method(output);
    let inputs = || {
        let inputs = contract.inputs.iter().enumerate();
        inputs.filter(|(_, port)| {
            readable(port) && (!port.optional || reference(contract, port).is_some())
        })
    };
    let alike = || inputs().filter(|(_, port)| method(port) == kind);
    let same: Vec<usize> =
        alike().filter(|(_, port)| port.shape == output.shape).map(|(at, _)| at).collect();
    let reduced = || alike().find_map(|(input, port)| Some((input, reduced(output, port)?)));
    match kind? {
        "float" if !same.is_empty() => Some(Made::Sum(same)),
        "float" => {
            let (input, dim) = reduced()?;
            let shape = &contract.inputs[input].shape;
            let covers = |port: &Port| {
                method(port) == Some("bool") && dim == 1 && shape.get(..2) == Some(&port.shape[..])
            };
            let mask = inputs().find(|(_, port)| covers(port)).map(|(at, _)| at);
            Some(Made::Mean { input, dim, mask })
        }
        "bool" => Some(match (same.first(), reduced()) {
            (Some(&input), _) => Made::Same(input),
            (None, Some((input, dim))) => Made::Any { input, dim },
            (None, None) if sizes(contract, output).is_some() => Made::True,
            (None, None) => return None,
        }),
        _ => same.first().map(|&input| Made::Same(input)),
    }
}

/// A float input that is always there and begins with the shape of a mask.
fn reference<'a>(contract: &'a Contract, mask: &Port) -> Option<&'a Port> {
    let mut floats = contract.inputs.iter().filter(|port| !port.optional && readable(port));
    floats.find(|port| {
        let fits = method(mask) == Some("bool") && port.shape.starts_with(&mask.shape);
        method(port) == Some("float") && fits
    })
}

/// Expressions for the sizes of an output.
fn sizes(contract: &Contract, output: &Port) -> Option<String> {
    let size = |dim: &Dim| match dim {
        Dim::Size(size) => Some(size.to_string()),
        Dim::Symbol(_) => contract.inputs.iter().filter(|port| !port.optional).find_map(|port| {
            let at = port.shape.iter().position(|other| other == dim)?;
            Some(format!("inputs.get(\"{}\")?.shape()[{at}]", port.name))
        }),
        Dim::Any => None,
    };
    let sizes: Option<Vec<String>> = output.shape.iter().map(size).collect();
    sizes.map(|sizes| sizes.join(", "))
}

/// A name in code for a tensor.
fn variable(name: &str) -> String {
    let mut text: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let keyword = ["in", "ref", "type", "use", "self", "loop", "match", "move", "mod", "inputs"];
    if keyword.contains(&text.as_str()) || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert_str(0, "the_");
    }
    text
}

const IMPORT: &str = "use ablate_sdk::burn::tensor::";

/// What every test of a block imports.
const CALL: &str = "    use ablate_sdk::testing::evaluation_call;\n";

/// Stands around a variable until it is known where it is used last.
const MARK: char = '\u{1}';

struct Writer<'a> {
    contract: &'a Contract,
    outputs: &'a [&'a Port],
    made: &'a [Made],
}

impl Writer<'_> {
    /// A use of an input, which becomes a clone unless it is the last one.
    fn used(&self, input: usize) -> String {
        format!("{MARK}{}{MARK}", variable(&self.contract.inputs[input].name))
    }

    fn expression(&self, output: &Port, made: &Made) -> String {
        match made {
            Made::Sum(inputs) => {
                let terms: Vec<String> = inputs.iter().map(|&input| self.used(input)).collect();
                match terms.as_slice() {
                    [term] => format!("{term}.mul_scalar(self.scale)"),
                    terms => format!("({}).mul_scalar(self.scale)", terms.join(" + ")),
                }
            }
            Made::Mean { input, mask: Some(mask), .. } => {
                let (input, mask) = (self.used(*input), self.used(*mask));
                format!("masked_mean({input}, {mask}).mul_scalar(self.scale)")
            }
            Made::Mean { input, dim, mask: None } => {
                format!("{}.mean_dim({dim}).mul_scalar(self.scale)", self.used(*input))
            }
            Made::Same(input) => self.used(*input),
            Made::Any { input, dim } => format!("{}.any_dim({dim})", self.used(*input)),
            Made::True => {
                let (rank, sizes) = (output.shape.len(), sizes(self.contract, output));
                let sizes = sizes.expect("looked at when it was chosen");
                format!("Tensor::<{rank}, Bool>::full([{sizes}], true, call.device())")
            }
        }
    }

    fn forward(&self) -> String {
        let expressions: Vec<String> = self
            .outputs
            .iter()
            .zip(self.made)
            .map(|(output, made)| self.expression(output, made))
            .collect();
        let mut text = String::new();
        for (index, port) in self.contract.inputs.iter().enumerate() {
            let used = expressions.iter().any(|text| text.contains(&self.used(index)));
            text.push_str(&self.read(port, used));
        }
        let mut chain = "        Ok(Tensors::new()".to_owned();
        for (output, expression) in self.outputs.iter().zip(&expressions) {
            // Writing to a string cannot fail.
            let _ = write!(chain, "\n            .with(\"{}\", {expression})", output.name);
        }
        chain.push_str("\n            .into())");
        text + &moved(&chain)
    }

    fn read(&self, port: &Port, used: bool) -> String {
        let (name, rank, variable) = (&port.name, port.shape.len(), variable(&port.name));
        let method = method(port).filter(|_| readable(port));
        let Some(method) = method.filter(|_| used || !port.optional) else { return String::new() };
        let read = format!("inputs.{method}::<{rank}>(\"{name}\")?");
        if !used {
            return format!("        // Not used yet.\n        let _ = {read};\n");
        }
        let reference = if port.optional { reference(self.contract, port) } else { None };
        let Some(reference) = reference else {
            return format!("        let {variable} = {read};\n");
        };
        let other = self::variable(&reference.name);
        let sizes: Vec<String> = (0..rank).map(|at| format!("{other}.dims()[{at}]")).collect();
        format!(
            "        // Without a mask everything counts.\n        \
             let {variable} = if inputs.contains(\"{name}\") {{\n            {read}\n        \
             }} else {{\n            \
             Tensor::full([{}], true, &{other}.device())\n        }};\n",
            sizes.join(", ")
        )
    }

    fn functions(&self) -> String {
        let masked = self.made.iter().find_map(|made| match made {
            Made::Mean { input, mask: Some(_), .. } => {
                Some(self.contract.inputs[*input].shape.len())
            }
            _ => None,
        });
        let Some(rank) = masked else { return String::new() };
        let ones = ", 1".repeat(rank - 2);
        format!(
            "
/// The mean over the frames whose mask is true, a single frame of zeros where there are none.
fn masked_mean(features: Tensor<{rank}>, mask: Tensor<2, Bool>) -> Tensor<{rank}> {{
    let [batch, frames] = mask.dims();
    // Filled, not multiplied: not even a NaN in the padding may reach a value or a gradient.
    let padding = mask.clone().bool_not().reshape([batch, frames{ones}]).expand(features.dims());
    let sums = features.mask_fill(padding, 0.0).sum_dim(1);
    let counts = mask.float().sum_dim(1).clamp_min(1.0).reshape([batch, 1{ones}]);
    sums / counts
}}
"
        )
    }

    /// The line that imports what the code names.
    fn imports(&self) -> String {
        let body = self.forward() + &self.functions();
        let uses =
            |name: &str| [">", "<", "::"].iter().any(|end| body.contains(&format!("{name}{end}")));
        match (uses("Bool"), uses("Tensor")) {
            (true, _) => format!("{IMPORT}{{Bool, Tensor}};\n"),
            (false, true) => format!("{IMPORT}Tensor;\n"),
            (false, false) => String::new(),
        }
    }

    fn test(&self, type_name: &str) -> String {
        let inputs: Vec<&str> =
            self.contract.inputs.iter().map(|port| port.name.as_str()).collect();
        let mean = match (self.made, inputs.as_slice()) {
            ([Made::Mean { input: 0, mask: Some(1), .. }, ..], [features, mask])
                if self.contract.inputs[0].shape.len() == 3 =>
            {
                Some((features, mask))
            }
            _ => None,
        };
        let name = |at: usize| self.outputs[at].name.as_str();
        if let Some((features, mask)) = mean {
            return known_means(type_name, features, mask, name(0));
        }
        self.constants(type_name)
    }

    /// Constant inputs, whose sums and means are known whatever their sizes are.
    fn constants(&self, type_name: &str) -> String {
        let names = if self.imports().is_empty() { "{Device, Tensor}" } else { "Device" };
        let mut text = format!(
            "    {IMPORT}{names};\n{CALL}\n    \
             #[test]\n    fn constants_stay_constant() {{\n        \
             let device = Device::flex();\n        let inputs = Tensors::new()\n"
        );
        let mut symbols: Vec<&Dim> = Vec::new();
        for port in self.contract.inputs.iter().filter(|port| !port.optional) {
            let sizes: Vec<String> = port.shape.iter().map(|dim| size(dim, &mut symbols)).collect();
            let (rank, sizes) = (port.shape.len(), sizes.join(", "));
            let (kind, value) = match method(port) {
                Some("float") => ("", "3.0"),
                Some("bool") => (", burn::tensor::Bool", "true"),
                _ => (", burn::tensor::Int", "0"),
            };
            let tensor = format!("Tensor::<{rank}{kind}>::full([{sizes}], {value}, &device)");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "            .with(\"{}\", {tensor})", port.name);
        }
        text.pop();
        let _ = write!(
            text,
            ";\n        let block = {type_name} {{ scale: 0.5 }};\n        \
             let outputs = block.forward(inputs, &evaluation_call()).expect(\"it fits\").tensors;"
        );
        for (output, made) in self.outputs.iter().zip(self.made) {
            let (name, rank) = (&output.name, output.shape.len());
            let wanted = match made {
                Made::Sum(inputs) => 1.5 * inputs.len() as f64,
                Made::Mean { .. } => 1.5,
                _ => continue,
            };
            let _ = write!(
                text,
                "\n        let found = outputs.float::<{rank}>(\"{name}\").expect(\"it is there\");\n        \
                 assert!(found.into_data().iter::<f32>().all(|value| value == {wanted:?}));"
            );
        }
        text.push_str("\n    }");
        text
    }
}

/// A small size for a dimension, another one for each symbol.
fn size<'a>(dim: &'a Dim, symbols: &mut Vec<&'a Dim>) -> String {
    if let Dim::Size(size) = dim {
        return size.to_string();
    }
    let at = symbols.iter().position(|known| *known == dim).unwrap_or_else(|| {
        symbols.push(dim);
        symbols.len() - 1
    });
    (at + 2).to_string()
}

/// Every use of a marked variable but the last becomes a clone.
fn moved(text: &str) -> String {
    let parts: Vec<&str> = text.split(MARK).collect();
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        out.push_str(part);
        let again = parts.iter().skip(at + 1).enumerate();
        let used_later = again.filter(|(later, _)| later % 2 == 1).any(|(_, other)| other == part);
        if at % 2 == 1 && used_later {
            out.push_str(".clone()");
        }
    }
    out
}

fn known_means(type_name: &str, features: &str, mask: &str, pooled: &str) -> String {
    format!(
        "    use ablate_sdk::burn::tensor::Device;
{CALL}
    #[test]
    fn averages_what_the_mask_leaves() {{
        let device = Device::flex();
        let frames = [[[1.0, 2.0], [3.0, 6.0], [100.0, f32::NAN]]];
        let inputs = Tensors::new()
            .with(\"{features}\", Tensor::<3>::from_floats(frames, &device))
            .with(\"{mask}\", Tensor::<2, Bool>::from_bool([[true, true, false]], &device));
        let block = {type_name} {{ scale: 0.5 }};
        let outputs = block.forward(inputs, &evaluation_call()).expect(\"it fits\").tensors;
        let found = outputs.float::<3>(\"{pooled}\").expect(\"it is there\").into_data();
        // The means of 1 and 3, and of 2 and 6, times a half.
        assert_eq!(found.iter::<f32>().collect::<Vec<_>>(), [1.0, 2.0]);
    }}"
    )
}

fn left_open(type_name: &str) -> String {
    format!(
        "{CALL}
    #[test]
    fn says_that_it_is_not_written() {{
        let answer = {type_name} {{ scale: 1.0 }}.forward(Tensors::new(), &evaluation_call());
        assert!(answer.is_err());
    }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_plugin::role::tests::contract;
    use serde_json::json;

    fn forward(
        inputs: &[(&str, &str, serde_json::Value)],
        outputs: &[(&str, &str, serde_json::Value)],
    ) -> String {
        code(&contract(inputs, outputs), "Test").forward
    }

    #[test]
    fn a_sequence_is_pooled_under_its_mask() {
        let found = forward(
            &[("features", "f32", json!(["B", "T", "D"])), ("mask", "bool", json!(["B", "T"]))],
            &[("pooled", "f32", json!(["B", 1, "D"])), ("mask", "bool", json!(["B", 1]))],
        );
        let wanted = "        let features = inputs.float::<3>(\"features\")?;
        let mask = inputs.bool::<2>(\"mask\")?;
        Ok(Tensors::new()
            .with(\"pooled\", masked_mean(features, mask.clone()).mul_scalar(self.scale))
            .with(\"mask\", mask.any_dim(1))
            .into())";
        assert_eq!(found, wanted);
    }

    #[test]
    fn inputs_of_the_shape_of_the_output_are_added() {
        let shape = || json!(["B", "T", "D"]);
        let found = forward(
            &[
                ("audio", "f32", shape()),
                ("text", "f32", shape()),
                ("speaker", "int", json!(["B"])),
            ],
            &[("fused", "f32", shape())],
        );
        let wanted = "        let audio = inputs.float::<3>(\"audio\")?;
        let text = inputs.float::<3>(\"text\")?;
        // Not used yet.
        let _ = inputs.int::<1>(\"speaker\")?;
        Ok(Tensors::new()
            .with(\"fused\", (audio + text).mul_scalar(self.scale))
            .into())";
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_nothing_simple_gives_is_left_open() {
        let found = contract(
            &[("x", "f32", json!(["B", "T", "D"]))],
            &[("y", "f32", json!(["B", "T", "E"]))],
        );
        assert!(code(&found, "Test").open);
        let any = contract(&[("x", "f32", json!(["..."]))], &[("y", "f32", json!(["..."]))]);
        assert!(code(&any, "Test").open);
        assert!(!code(&shape_preserving(), "Test").open);
    }
}
