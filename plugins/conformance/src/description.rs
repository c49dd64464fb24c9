//! Checks of what a plugin says about itself.

use crate::contract::Contract;
use crate::kit::Kit;
use crate::roster::word;
use crate::subject::Subject;
use crate::verdict::{Answer, Stop, fail, told};
use ablate_abi::v1::{ErrorKind, Kind, REVISION};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The plugin as a whole: names, versions, no component twice.
pub(crate) fn plugin(kit: &Kit) -> Answer {
    let json = &kit.roster.json;
    for key in ["name", "version", "abi"] {
        if word(json, key).is_empty() {
            return fail(format!("its description has no `{key}`"));
        }
    }
    check_name("the plugin", &kit.roster.name)?;
    let version: Vec<&str> =
        kit.roster.version.split(['-', '+']).next().unwrap_or("").split('.').collect();
    if version.len() != 3 || version.iter().any(|part| part.parse::<u64>().is_err()) {
        return fail(format!("`{}` is no version such as `1.2.3`", kit.roster.version));
    }
    if kit.root.revision() != REVISION {
        return fail(format!("its root says revision {}", kit.root.revision()));
    }
    let info = (kit.root.build_info())();
    if info.panic_aborts {
        return fail("it was built with `panic = \"abort\"`: a panic would end the process");
    }
    if kit.roster.components.is_empty() {
        return fail("it has no components");
    }
    let mut seen = BTreeSet::new();
    for listed in &kit.roster.components {
        if !seen.insert((listed.kind.0, listed.kind_name(), listed.name.as_str())) {
            return fail(format!("it has two {} `{}`", listed.kind_name(), listed.name));
        }
    }
    Ok(format!("{} components", kit.roster.components.len()))
}

fn check_name(what: &str, name: &str) -> Result<(), Stop> {
    let mut parts = name.split('-');
    let good = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if name.is_empty() || !parts.all(good) {
        return fail(format!("{what} is called `{name}`, which is not in kebab case"));
    }
    Ok(())
}

/// One component: name, doc, role, schema, defaults, examples, slots.
pub(crate) fn component(subject: &Subject<'_>) -> Answer {
    let listed = subject.listed;
    check_name("it", &listed.name)?;
    if listed.kind == Kind(0) {
        return fail(format!("`{}` is no kind of this revision", listed.kind_name()));
    }
    let doc = word(&listed.json, "doc");
    if doc.trim().is_empty() || doc.contains('\n') {
        return fail(format!("its doc is not one line of text: `{doc}`"));
    }
    if (listed.kind == Kind::BLOCK) != listed.role.as_ref().is_some_and(|role| !role.is_empty()) {
        return fail("blocks have a role, and nothing else has");
    }
    let schema = listed.json.get("schema").unwrap_or(&Value::Null);
    let validator = jsonschema::validator_for(schema)
        .or_else(|error| fail(format!("its schema is no JSON Schema: {error}")))?;
    if !schema.is_object() || schema.get("type") != Some(&json!("object")) {
        return fail("its schema is not one of an object");
    }
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        if word(property, "description").trim().is_empty() {
            return fail(format!("the configuration key `{key}` has no doc comment"));
        }
    }
    let required = schema.get("required").and_then(Value::as_array).is_some_and(|r| !r.is_empty());
    match listed.defaults() {
        Some(_) if required => return fail("it has required keys and yet defaults for all"),
        None if !required => return fail("no key is required, and yet it has no defaults"),
        _ => {}
    }
    let defaults = listed.defaults().cloned().map(Value::Object);
    for config in defaults.iter().chain(listed.examples()) {
        if let Some(error) = validator.iter_errors(config).next() {
            let place = error.instance_path().to_string();
            return fail(format!("{config} does not satisfy its own schema: {place} {error}"));
        }
    }
    slots(subject)?;
    if subject.config.is_null() || (required && listed.examples().is_empty()) {
        return Ok("a contract needs a configuration".to_owned());
    }
    let contract = described(subject)?;
    surrogates(subject, contract.as_ref())?;
    let ports = contract.map_or(0, |contract| contract.inputs.len() + contract.outputs.len());
    Ok(format!("{ports} ports, {} slots", listed.slots().len()))
}

/// The contract; none if the configuration has values that the component does not take, which is
/// for the check that makes it.
fn described(subject: &Subject<'_>) -> Result<Option<Contract>, Stop> {
    match subject.listed.describe(subject.kit.root, &subject.config) {
        Ok(text) => {
            let contract = Contract::read(&text)
                .or_else(|error| fail(format!("its contract is broken: {error}")))?;
            let names: Vec<&str> =
                subject.listed.slots().iter().map(|slot| word(slot, "name")).collect();
            if let Some(slot) = contract.slots.keys().find(|slot| !names.contains(&slot.as_str())) {
                return fail(format!("its contract speaks of a slot `{slot}` that it has not"));
            }
            let empty = match subject.listed.kind {
                Kind::METRIC => false,
                Kind::DATASET => contract.outputs.is_empty(),
                _ => contract.inputs.is_empty() || contract.outputs.is_empty(),
            };
            if empty {
                return fail("its contract has no inputs or no outputs");
            }
            Ok(Some(contract))
        }
        Err(error) if matches!(error.kind, ErrorKind::CONFIG | ErrorKind::DATA) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn slots(subject: &Subject<'_>) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for slot in subject.listed.slots() {
        let name = word(slot, "name");
        if !seen.insert(name) {
            return fail(format!("it has two slots `{name}`"));
        }
        for key in ["name", "role", "doc"] {
            if word(slot, key).trim().is_empty() {
                return fail(format!("slot `{name}` has no `{key}`"));
            }
        }
        let default = slot.get("default").filter(|default| !default.is_null());
        if let Some(default) = default
            && word(default, "use").is_empty()
        {
            return fail(format!("the default of slot `{name}` has no `use`: {default}"));
        }
        let properties = subject.listed.json.get("schema").and_then(|s| s.get("properties"));
        if properties.is_some_and(|properties| properties.get(name).is_some()) {
            return fail(format!("`{name}` is both a slot and a configuration key"));
        }
    }
    Ok(())
}

fn surrogates(subject: &Subject<'_>, contract: Option<&Contract>) -> Result<(), Stop> {
    for (port, reason) in subject.listed.surrogate_gradients() {
        if reason.trim().is_empty() {
            return fail(format!("the surrogate gradient of `{port}` has no reason"));
        }
        let known = contract.is_none_or(|contract| {
            let mut ports = contract.inputs.iter().chain(&contract.outputs);
            ports.any(|known| known.name == port && known.is_float())
        });
        if !known {
            return fail(format!("`{port}` of the surrogate gradients is no float port"));
        }
    }
    Ok(())
}

/// Unknown keys and wrong types are refused, with an error of kind `config`.
pub(crate) fn refuses_bad_config(subject: &Subject<'_>) -> Answer {
    let schema = subject.listed.json.get("schema").cloned().unwrap_or_default();
    let validator = jsonschema::validator_for(&schema)
        .or_else(|error| fail(format!("its schema is no JSON Schema: {error}")))?;
    let good = subject.config.as_object().cloned().unwrap_or_default();
    let mut bad = vec![("an unknown key", with(&good, "no-such-key-at-all", json!(1)))];
    for key in good.keys() {
        let values = [json!("conformance"), json!(17.5), json!([]), json!({ "a": 1 }), json!(true)];
        let mut values = values.into_iter().map(|value| with(&good, key, value));
        if let Some(config) = values.find(|config| !validator.is_valid(config)) {
            bad.push(("a value of a wrong type", config));
        }
    }
    bad.push(("a list in place of an object", json!([])));
    for (what, config) in &bad {
        match subject.listed.describe(subject.kit.root, config) {
            Ok(_) => return fail(format!("{what} was taken: {config}")),
            Err(error) if error.kind != ErrorKind::CONFIG => {
                return fail(format!("{what} was not refused as `config`: {}", told(&error)));
            }
            Err(_) => {}
        }
    }
    unknown_name(subject)?;
    Ok(format!("{} wrong configurations were refused", bad.len()))
}

fn with(config: &Map<String, Value>, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config.insert(key.to_owned(), value);
    Value::Object(config)
}

fn unknown_name(subject: &Subject<'_>) -> Result<(), Stop> {
    let describe = subject.kit.root.describe();
    match describe(subject.listed.kind, "no-such-component".into(), "{}".into()).into_result() {
        Ok(_) => fail("it described a component `no-such-component`"),
        Err(error) if error.kind == ErrorKind::PANIC => {
            fail(format!("a name that it does not have: {}", told(&error)))
        }
        Err(_) => Ok(()),
    }
}
