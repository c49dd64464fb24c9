//! `ablate plugins`: what is installed, and what it needs.

use crate::arguments::{Format, PluginsCommand};
use crate::failure::Failure;
use crate::printer;
use crate::workplace::Workplace;
use ablate_catalog::{Broken, Catalog, ComponentDescription, Installed, Kind, Plugin};
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn plugins(command: PluginsCommand) -> Result<u8, Failure> {
    match command {
        PluginsCommand::List { folder, format } => list(&Workplace::open(&folder, None)?, format),
        PluginsCommand::Info { name, folder, format } => {
            info(&Workplace::open(&folder, None)?, &name, format)
        }
        PluginsCommand::Check(arguments) => crate::check_plugin::check(&arguments),
        PluginsCommand::New(arguments) => crate::new_plugin::new(&arguments),
        PluginsCommand::Build(arguments) => crate::build_plugin::build(&arguments),
        PluginsCommand::Add(arguments) => crate::add_plugin::add(&arguments),
        PluginsCommand::Remove { name } => crate::add_plugin::remove(&name),
    }
}

pub(crate) fn list(workplace: &Workplace, format: Format) -> Result<u8, Failure> {
    let catalog = &workplace.catalog;
    if format == Format::Json {
        let plugins: Vec<Value> = catalog.plugins().iter().map(to_json).collect();
        let broken: Vec<Value> = catalog.broken().iter().map(broken_to_json).collect();
        printer::json(&json!({ "plugins": plugins, "broken": broken }))?;
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

fn broken_to_json(Broken { file, kind, message, hints }: &Broken) -> Value {
    json!({ "library": file, "kind": kind, "message": message, "hints": hints })
}

pub(crate) fn to_json(plugin: &Plugin) -> Value {
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
        "installed": plugin.installed.as_ref().map(installed_to_json),
        "components": description.components.iter().map(|component| json!({
            "kind": component.kind.to_string(),
            "name": component.name,
            "role": component.role,
            "doc": component.doc,
        })).collect::<Vec<_>>(),
    })
}

/// What the list of installed plugins says.
pub(crate) fn installed_to_json(installed: &Installed) -> Value {
    json!({
        "version": installed.version,
        "sha256": installed.sha256,
        "source": installed.source,
        "added": installed.added,
    })
}

fn listing(catalog: &Catalog) -> String {
    let text: String = catalog.plugins().iter().map(entry).collect();
    if text.is_empty() { "no plugins\n".to_owned() } else { text }
}

/// A plugin with its components, a line each.
pub(crate) fn entry(plugin: &Plugin) -> String {
    let description = &plugin.description;
    let burn = description.burn.as_ref().map_or("no Burn".to_owned(), |v| format!("Burn {v}"));
    let sha256 = &plugin.sha256[..12.min(plugin.sha256.len())];
    let mut text = format!(
        "{} {}  {}  {burn}  {}  {sha256}\n",
        plugin.name(),
        description.version,
        description.abi,
        plugin.origin
    );
    let width = description.components.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for component in &description.components {
        let kind = kind_and_role(component);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {kind:<16} {:<width$}  {}", component.name, component.doc);
    }
    for note in plugin.notes() {
        let _ = writeln!(text, "  note: {note}");
    }
    if let Some(installed) = plugin.installed.as_ref().and_then(when_and_where) {
        let _ = writeln!(text, "  installed {installed}");
    }
    text
}

/// `2026-01-31 10:30:00 from the file …`; older lists do not say.
fn when_and_where(installed: &Installed) -> Option<String> {
    let (added, source) = (installed.added?, installed.source.as_ref()?);
    let added = added.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S");
    Some(format!("{added} from {source}"))
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
            let mut json = serde_json::to_value(&plugin.description)?;
            for key in ["library", "sha256", "origin", "installed"] {
                json[key] = to_json(plugin)[key].take();
            }
            printer::json(&json)?;
        } else {
            let mut text = format!("library: {}\n", plugin.library.display());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "origin: {}\nsha256: {}", plugin.origin, plugin.sha256);
            if let Some(installed) = plugin.installed.as_ref().and_then(when_and_where) {
                let _ = writeln!(text, "installed: {installed}");
            }
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
    if let Some(file) = &component.publishes {
        let _ = writeln!(text, "    publishes {file}: under `[artifact.NAME]`");
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
