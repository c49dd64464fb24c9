//! `ablate describe`: what an experiment means, without running it.

use crate::arguments::{DescribeArguments, Format};
use crate::check::Depth;
use crate::failure::Failure;
use crate::plan::{Plan, PlannedVariant, Scope, plan};
use crate::printer;
use crate::table::as_typed;
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn describe(arguments: DescribeArguments) -> Result<u8, Failure> {
    let variant = arguments.variant.as_deref();
    let scope = Scope { variant, depth: Depth::Parts, ..Scope::default() };
    let plan = plan(&arguments.experiment, scope)?;
    if arguments.format == Format::Json {
        printer::json(&to_json(&plan))?;
        return Ok(0);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", plan.experiment.name);
    if !plan.experiment.question.is_empty() {
        let _ = writeln!(text, "{}", plan.experiment.question);
    }
    for variant in &plan.variants {
        variant_text(&mut text, &plan, variant);
    }
    printer::data(&text);
    printer::note(&format!("next: ablate sweep {}", as_typed(&arguments.experiment)));
    Ok(0)
}

fn to_json(plan: &Plan) -> Value {
    let variants: Vec<Value> = plan
        .variants
        .iter()
        .map(|variant| {
            json!({
                "name": variant.name,
                "baseline": variant.baseline,
                "parameters": variant.checked.total(),
                "components": variant.components.iter().map(|component| json!({
                    "path": component.path,
                    "kind": component.kind,
                    "use": component.name,
                    "plugin": component.plugin,
                    "library": component.library,
                    "sha256": component.sha256,
                    "parameters": variant.checked.parameters_of(&component.path),
                })).collect::<Vec<_>>(),
                "contracts": variant.checked.contracts,
                "artifacts": variant.spec.artifacts.iter().map(|artifact| json!({
                    "name": artifact.name,
                    "use": artifact.component.name,
                    "file": variant.checked.publishes.get(&format!("artifact.{}", artifact.name)),
                    "splits": artifact.splits,
                })).collect::<Vec<_>>(),
                "inputs": variant.inputs.iter().map(|input| json!({
                    "key": input.key,
                    "what": plan.describe_input(input),
                    "made": !variant.at_hand.missing.contains(&input.key),
                })).collect::<Vec<_>>(),
                "spec": variant.spec,
            })
        })
        .collect();
    json!({ "experiment": plan.experiment.name, "question": plan.experiment.question, "variants": variants })
}

fn variant_text(text: &mut String, plan: &Plan, variant: &PlannedVariant) {
    let role = if variant.baseline { " (baseline)" } else { "" };
    let parameters = match variant.checked.total() {
        Some(total) => format!("{} parameters", grouped(total)),
        None => "its parameters are counted once what it reads is made".to_owned(),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{}{role}: {parameters}", variant.name);
    for (key, value) in &variant.set {
        let _ = writeln!(text, "  sets {key} = {value}");
    }
    let width = variant.components.iter().map(|c| c.path.len()).max().unwrap_or(0);
    for component in &variant.components {
        let count = variant.checked.parameters_of(&component.path);
        let count =
            if count == 0 { String::new() } else { format!("  {} parameters", grouped(count)) };
        let _ = writeln!(
            text,
            "  {:<width$}  {} `{}`  plugin `{}` {}{count}",
            component.path, component.kind, component.name, component.plugin, component.version
        );
        for line in variant.checked.contracts.iter().filter(|line| line.component == component.path)
        {
            let arrow = if line.direction == "input" { "<-" } else { "->" };
            let shape = line.shape.iter().map(|dimension| match dimension {
                Value::String(symbol) => symbol.clone(),
                size => size.to_string(),
            });
            let shape = shape.collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                text,
                "  {:<width$}    {arrow} {}: {}[{shape}]",
                "", line.tensor, line.dtype
            );
        }
        for input in variant.inputs.iter().filter(|input| input.component == component.path) {
            let what = plan.describe_input(input);
            let there = if variant.at_hand.missing.contains(&input.key) { "" } else { ", made" };
            let _ = writeln!(text, "  {:<width$}    <= {}: {what}{there}", "", input.name);
        }
        if let Some(file) = variant.checked.publishes.get(&component.path) {
            let of = splits(variant, &component.path);
            let _ = writeln!(text, "  {:<width$}    => {file}, of {of}", "");
        }
    }
}

/// The splits that an artifact is of, in words.
fn splits(variant: &PlannedVariant, path: &str) -> String {
    let name = path.strip_prefix("artifact.").unwrap_or(path);
    let artifact = variant.spec.artifacts.iter().find(|artifact| artifact.name == name);
    match artifact.and_then(|artifact| artifact.splits.as_ref()) {
        Some(splits) => {
            let splits: Vec<String> = splits.iter().map(|split| format!("`{split}`")).collect();
            splits.join(", ")
        }
        None => "all splits".to_owned(),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
