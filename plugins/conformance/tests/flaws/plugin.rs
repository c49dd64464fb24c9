//! The root of the plugin and what it says about itself.

use crate::{block, dataset, flaw, metric};
use abi_stable::prefix_type::PrefixTypeTrait;
use ablate_abi::v1::{
    BuildInfo, CallOutput, Component, Create, InitOptions, Kind, NamedTensor, Plugin, Plugin_Ref,
    PluginError, REVISION, RErr, ROk, RResult, RStr, RString, RVec, SharedHost, guard,
};
use serde_json::{Value, json};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The kit starts the plugin anew for every flaw, each time with services of its own.
static HOST: Mutex<Option<SharedHost>> = Mutex::new(None);

pub(crate) fn cancelled() -> bool {
    let host = HOST.lock().unwrap_or_else(PoisonError::into_inner);
    host.as_ref().is_some_and(SharedHost::cancelled)
}

pub(crate) fn root() -> Plugin_Ref {
    static ROOT: OnceLock<Plugin_Ref> = OnceLock::new();
    *ROOT.get_or_init(|| {
        let plugin = Plugin { revision: REVISION, build_info, init, list, describe, create, call };
        plugin.leak_into_prefix()
    })
}

extern "C" fn build_info() -> BuildInfo {
    BuildInfo {
        panic_aborts: false,
        debug: cfg!(debug_assertions),
        target: "toy".into(),
        sdk: "none".into(),
    }
}

extern "C" fn init(services: SharedHost, _: InitOptions) -> RResult<(), PluginError> {
    *HOST.lock().unwrap_or_else(PoisonError::into_inner) = Some(services);
    ROk(())
}

extern "C" fn list() -> RResult<RString, PluginError> {
    let version = if flaw::is("no-version") { "0.1" } else { "0.1.0" };
    let name = if flaw::is("bad-name") { "Toy Block" } else { "toy-block" };
    let doc = if flaw::is("no-doc") { "" } else { "A masked mean and a curve." };
    let gain = if flaw::is("bad-defaults") { json!(-1) } else { json!(0.5) };
    let key = if flaw::is("no-key-doc") { "" } else { "What is added of the mean." };
    let schema = |properties: Value| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let component =
        |kind: &str, name: &str, role: Option<&str>, doc: &str, config: (Value, Value)| {
            json!({
                "kind": kind, "name": name, "role": role, "doc": doc, "slots": [],
                "schema": schema(config.0), "defaults": config.1,
            })
        };
    let gains = json!({ "gain": { "type": "number", "minimum": 0, "description": key } });
    let nothing = || (json!({}), json!({}));
    let mut components = [
        component("block", name, Some("toy"), doc, (gains, json!({ "gain": gain }))),
        component("dataset", "toy-data", None, "Numbers.", nothing()),
        component("metric", "toy-metric", None, "The mean of all numbers.", nothing()),
    ];
    let with_example = flaw::is("required-key-with-example");
    if flaw::is("required-key") || with_example {
        components[0]["defaults"] = Value::Null;
        components[0]["schema"]["required"] = json!(["gain"]);
    }
    if with_example {
        components[0]["schema"]["examples"] = json!([{ "gain": 0.25 }]);
    }
    let description = json!({
        "name": "toy", "version": version, "abi": "v1", "sdk": "none", "rustc": "any",
        "target": "toy", "components": components,
    });
    ROk(description.to_string().into())
}

fn config(text: &str, keys: &[&str]) -> Result<Value, PluginError> {
    let wrong = |text: String| {
        if flaw::is("other-kind") { PluginError::other(text) } else { PluginError::config(text) }
    };
    let config: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let Some(object) = config.as_object() else { return Err(wrong("no object".to_owned())) };
    for (key, value) in object {
        if !keys.contains(&key.as_str()) && !flaw::is("unknown-keys") {
            return Err(wrong(format!("unknown key `{key}`")));
        }
        if keys.contains(&key.as_str()) && !value.is_number() {
            return Err(wrong(format!("`{key}` is no number")));
        }
    }
    Ok(config)
}

fn keys(kind: Kind) -> &'static [&'static str] {
    if kind == Kind::BLOCK { &["gain"] } else { &[] }
}

fn port(name: &str, dtype: &str, shape: Value) -> Value {
    json!({ "name": name, "dtype": dtype, "shape": shape, "optional": false })
}

extern "C" fn describe(
    kind: Kind,
    name: RStr<'_>,
    text: RStr<'_>,
) -> RResult<RString, PluginError> {
    guard(|| {
        if !["toy-block", "Toy Block", "toy-data", "toy-metric"].contains(&name.as_str()) {
            return Err(PluginError::config(format!("no component `{name}`")));
        }
        config(text.as_str(), keys(kind))?;
        Ok(contract(kind).to_string().into())
    })
}

pub(crate) fn contract(kind: Kind) -> Value {
    let float = if flaw::is("broken-contract") { "float" } else { "f32" };
    let features = port("features", "f32", json!(["B", "T", "D"]));
    let mask = port("mask", "bool", json!(["B", "T"]));
    match kind {
        Kind::BLOCK => json!({
            "inputs": [features, mask],
            "outputs": [
                port("pooled", float, json!(["B", 1, "D"])),
                port("mask", "bool", json!(["B", 1])),
            ],
        }),
        Kind::DATASET => {
            json!({ "inputs": [], "outputs": [port("features", "f32", json!(["B", 3]))] })
        }
        _ => json!({ "inputs": [port("x", "f32", json!(["B"]))], "outputs": [] }),
    }
}

extern "C" fn create(request: Create) -> RResult<Component, PluginError> {
    guard(|| {
        let config = config(&request.config, keys(request.kind))?;
        let mut made =
            Component { differentiable: None.into(), dataset: None.into(), metric: None.into() };
        match request.kind {
            Kind::BLOCK => made.differentiable = Some(block::make(&request, &config)).into(),
            Kind::DATASET => made.dataset = Some(dataset::make()).into(),
            _ => made.metric = Some(metric::make()).into(),
        }
        Ok(made)
    })
}

extern "C" fn call(
    name: RStr<'_>,
    _: RStr<'_>,
    _: RVec<NamedTensor>,
) -> RResult<CallOutput, PluginError> {
    RErr(PluginError::unsupported(format!("no call `{name}`")))
}
