//! Reads JSON Schemas as schemars 1 writes them: references, optional values, enums.

use serde_json::Value as Json;

/// What a schema asks for, by its `type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    List,
    Number,
    Integer,
    Bool,
    Text,
    Any,
    Nothing,
}

/// The schema behind references, within the schema `root`.
pub(crate) fn deref<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let mut schema = schema;
    // A reference that leads back to itself ends here rather than never.
    for _ in 0..16 {
        let target = match (schema.get("$ref").and_then(Json::as_str), schema.get("allOf")) {
            (Some("#"), _) => Some(root),
            (Some(reference), _) => {
                reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
            }
            (None, Some(Json::Array(all))) if all.len() == 1 => all.first(),
            _ => None,
        };
        match target {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The shapes that a value may have, without null, which TOML cannot say.
pub(crate) fn branches<'a>(root: &'a Json, schema: &'a Json) -> Option<Vec<&'a Json>> {
    let listed = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let given: Vec<_> = listed
        .iter()
        .map(|branch| deref(root, branch))
        .filter(|branch| shape(branch) != Shape::Nothing)
        .collect();
    (!given.is_empty()).then_some(given)
}

/// The strings of an enum without fields.
pub(crate) fn options<'a>(root: &'a Json, schema: &'a Json) -> Option<Vec<&'a str>> {
    if let Some(listed) = schema.get("enum").and_then(Json::as_array) {
        let names: Vec<_> = listed.iter().filter_map(Json::as_str).collect();
        let others = listed.iter().filter(|value| !value.is_string() && !value.is_null()).count();
        return (others == 0 && !names.is_empty()).then_some(names);
    }
    if let Some(value) = schema.get("const") {
        return value.as_str().map(|name| vec![name]);
    }
    let mut names = Vec::new();
    for branch in branches(root, schema)? {
        names.extend(options(root, branch)?);
    }
    Some(names)
}

/// The property that tells the branches of an enum with fields apart, and its value in each.
pub(crate) fn tag<'a>(branches: &[&'a Json]) -> Option<(String, Vec<&'a str>)> {
    let first = branches.first()?.get("properties")?.as_object()?;
    first.keys().find_map(|key| {
        let names: Option<Vec<&str>> = branches
            .iter()
            .map(|branch| branch.get("properties")?.get(key)?.get("const")?.as_str())
            .collect();
        Some((key.clone(), names?))
    })
}

pub(crate) fn shape(schema: &Json) -> Shape {
    let types = types(schema);
    match types.as_slice() {
        [] if schema.get("properties").is_some() => Shape::Object,
        [] => Shape::Any,
        ["null"] => Shape::Nothing,
        all => {
            let given: Vec<_> = all.iter().filter(|name| **name != "null").collect();
            match given.as_slice() {
                [name] => named(name),
                _ => Shape::Any,
            }
        }
    }
}

fn named(name: &str) -> Shape {
    match name {
        "object" => Shape::Object,
        "array" => Shape::List,
        "number" => Shape::Number,
        "integer" => Shape::Integer,
        "boolean" => Shape::Bool,
        "string" => Shape::Text,
        _ => Shape::Any,
    }
}

/// The types of a schema in words, for error messages.
pub(crate) fn type_names(schema: &Json) -> String {
    let names: Vec<&str> = types(schema)
        .into_iter()
        .filter(|name| *name != "null")
        .map(|name| match named(name) {
            Shape::Object => "a table",
            Shape::List => "a list",
            Shape::Number => "a number",
            Shape::Integer => "an integer",
            Shape::Bool => "true or false",
            Shape::Text => "a string",
            Shape::Any | Shape::Nothing => "a value",
        })
        .collect();
    if names.is_empty() && schema.get("properties").is_some() {
        return "a table".to_owned();
    }
    if names.is_empty() { "a value".to_owned() } else { names.join(" or ") }
}

fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}
