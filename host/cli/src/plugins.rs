//! `ablate plugins`: what is installed, and what it needs.

use crate::arguments::{Format, PluginsCommand};
use crate::failure::Failure;
use crate::printer;
use crate::workplace::Workplace;
use ablate_catalog::{Catalog, ComponentDescription, Kind, Plugin};
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn plugins(command: PluginsCommand) -> Result<u8, Failure> {
    match command {
        PluginsCommand::List { folder, format } => list(&Workplace::open(&folder, None)?, format),
        PluginsCommand::Info { name, folder, format } => {
            info(&Workplace::open(&folder, None)?, &name, format)
        }
        PluginsCommand::Check(arguments) => crate::check_plugin::check(&arguments),
        PluginsCommand::Build => {
            let mut workplace = Workplace::open(&[], None)?;
            workplace.build()?;
            list(&workplace, Format::Term)
        }
    }
}

fn list(workplace: &Workplace, format: Format) -> Result<u8, Failure> {
    let catalog = &workplace.catalog;
    if format == Format::Json {
        let plugins: Vec<Value> = catalog.plugins().iter().map(to_json).collect();
        printer::json(&json!({ "plugins": plugins }))?;
    } else {
        printer::data(&listing(catalog));
    }
    for broken in catalog.broken() {
        let text = format!("`{}` is left out: {}", broken.file.display(), broken.message);
        printer::warning(&text, &broken.hints);
    }
    for duplicate in catalog.duplicates() {
        printer::warning(&duplicate.to_string(), &duplicate.hints());
    }
    if !catalog.unbuilt().is_empty() {
        let names: Vec<String> = catalog.unbuilt().iter().map(|name| format!("`{name}`")).collect();
        printer::note(&format!("not built: {}", names.join(", ")));
        printer::note("next: ablate plugins build");
    } else if format == Format::Term {
        printer::note("next: ablate plugins info NAME");
    }
    Ok(0)
}

fn to_json(plugin: &Plugin) -> Value {
    let description = &plugin.description;
    json!({
        "name": plugin.name(),
        "version": description.version,
        "library": plugin.library,
        "sha256": plugin.sha256,
        "abi": description.abi,
        "sdk": description.sdk,
        "rustc": description.rustc,
        "burn": description.burn,
        "origin": plugin.origin.to_string(),
        "components": description.components.iter().map(|component| json!({
            "kind": component.kind.to_string(),
            "name": component.name,
            "role": component.role,
            "doc": component.doc,
        })).collect::<Vec<_>>(),
    })
}

fn listing(catalog: &Catalog) -> String {
    let mut text = String::new();
    for plugin in catalog.plugins() {
        let description = &plugin.description;
        let burn = description.burn.as_ref().map_or("no Burn".to_owned(), |v| format!("Burn {v}"));
        let sha256 = &plugin.sha256[..12.min(plugin.sha256.len())];
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} {}  {}  {burn}  {}  {sha256}",
            plugin.name(),
            description.version,
            description.abi,
            plugin.origin
        );
        let width = description.components.iter().map(|c| c.name.len()).max().unwrap_or(0);
        for component in &description.components {
            let kind = kind_and_role(component);
            let _ = writeln!(text, "  {kind:<16} {:<width$}  {}", component.name, component.doc);
        }
        for note in plugin.notes() {
            let _ = writeln!(text, "  note: {note}");
        }
    }
    if text.is_empty() {
        text.push_str("no plugins\n");
    }
    text
}

fn kind_and_role(component: &ComponentDescription) -> String {
    match (component.kind, &component.role) {
        (Kind::Block, Some(role)) => format!("block {role}"),
        (kind, _) => kind.to_string(),
    }
}

fn info(workplace: &Workplace, name: &str, format: Format) -> Result<u8, Failure> {
    let catalog = &workplace.catalog;
    if let Some(plugin) = catalog.plugin(name) {
        if format == Format::Json {
            printer::json(&serde_json::to_value(&plugin.description)?)?;
        } else {
            let mut text = format!("library: {}\n", plugin.library.display());
            for component in &plugin.description.components {
                text.push_str(&component_text(plugin, component));
            }
            printer::data(&text);
        }
        return Ok(0);
    }
    let found: Vec<_> = catalog.components().filter(|found| found.component.name == name).collect();
    if found.is_empty() {
        let names = catalog.plugins().iter().map(|plugin| plugin.name().to_owned());
        let known: Vec<String> =
            names.chain(catalog.components().map(|found| found.component.name.clone())).collect();
        let mut failure = Failure::user(format!("no plugin and no component is called `{name}`"));
        if let Some(near) = ablate_config::nearest(name, known.iter().map(String::as_str)) {
            failure = failure.hint(format!("did you mean `{near}`?"));
        }
        return Err(failure.hint("`ablate plugins list` shows what there is"));
    }
    if format == Format::Json {
        let components: Vec<Value> = found
            .iter()
            .map(|found| serde_json::to_value(found.component))
            .collect::<Result<_, _>>()?;
        printer::json(&json!({ "components": components }))?;
    } else {
        let texts: Vec<String> =
            found.iter().map(|found| component_text(found.plugin, found.component)).collect();
        printer::data(&texts.concat());
    }
    Ok(0)
}

fn component_text(plugin: &Plugin, component: &ComponentDescription) -> String {
    let mut text = format!(
        "\n{} `{}` (plugin `{}` {})\n  {}\n",
        kind_and_role(component),
        component.name,
        plugin.name(),
        plugin.description.version,
        component.doc
    );
    let properties = component.schema.get("properties").and_then(Value::as_object);
    for (key, schema) in properties.into_iter().flatten() {
        let default = component.defaults.as_ref().and_then(|defaults| defaults.get(key));
        let default = default.map_or("required".to_owned(), |value| format!("default {value}"));
        let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {key} ({default}): {doc}");
    }
    for slot in &component.slots {
        let named = |block: &Option<Value>| {
            block.as_ref()?.get("use")?.as_str().map(|name| format!("`{name}`"))
        };
        let facts = [
            Some(format!("role `{}`", slot.role)),
            slot.many.then(|| "a list".to_owned()),
            slot.optional.then(|| "may be empty".to_owned()),
            named(&slot.default).map(|name| format!("default {name}")),
            named(&slot.null).map(|name| format!("null component {name}")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let _ = writeln!(text, "    slot {} ({}): {}", slot.name, facts.join(", "), slot.doc);
    }
    text
}
