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
        variant_text(&mut text, variant);
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
                "spec": variant.spec,
            })
        })
        .collect();
    json!({ "experiment": plan.experiment.name, "question": plan.experiment.question, "variants": variants })
}

fn variant_text(text: &mut String, variant: &PlannedVariant) {
    let role = if variant.baseline { " (baseline)" } else { "" };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{}{role}: {} parameters",
        variant.name,
        grouped(variant.checked.total().unwrap_or(0))
    );
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
