//! Whether a component's schema can be walked at all: a plugin writes it, and one that leads back to
//! itself would keep the host busy for ever, or end it.

use std::collections::HashMap;

use serde_json::Value as Json;

/// Keywords with schemas for the very same value.
const IN_PLACE: [&str; 6] = ["not", "if", "then", "else", "propertyNames", "unevaluatedProperties"];
/// Keywords with lists of schemas for the very same value.
const LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// References that `json_schema` does not follow.
const DYNAMIC: [&str; 2] = ["$dynamicRef", "$recursiveRef"];

/// More ways than this to read one value are a mistake, if not malice.
const MOST_WAYS: u64 = 10_000;
/// Deeper than this nothing is nested in schemas and defaults, so that a spec with them can be read.
const DEEPEST: usize = 40;

/// Looks for references that lead back without entering a value, and for too many alternatives.
pub(crate) fn check(schema: &Json, defaults: Option<&Json>) -> Result<(), String> {
    if deeper(schema, DEEPEST) || defaults.is_some_and(|defaults| deeper(defaults, DEEPEST)) {
        return Err(format!("it is nested deeper than {DEEPEST} levels"));
    }
    let mut ways = Ways { root: schema, known: HashMap::new() };
    ways.all(schema)
}

/// Whether lists and objects are nested in more than `levels`.
pub(crate) fn deeper(json: &Json, levels: usize) -> bool {
    match json {
        Json::Array(items) => levels == 0 || items.iter().any(|item| deeper(item, levels - 1)),
        Json::Object(entries) => {
            levels == 0 || entries.values().any(|value| deeper(value, levels - 1))
        }
        _ => false,
    }
}

struct Ways<'a> {
    root: &'a Json,
    /// In how many ways a schema reads a value; `None` while that is being counted.
    known: HashMap<*const Json, Option<u64>>,
}

impl<'a> Ways<'a> {
    /// Counts for every schema in the document; everything in it that could be one is taken for one.
    fn all(&mut self, json: &'a Json) -> Result<(), String> {
        match json {
            Json::Array(items) => items.iter().try_for_each(|item| self.all(item)),
            Json::Object(entries) => {
                self.count(json)?;
                entries.values().try_for_each(|value| self.all(value))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, schema: &'a Json) -> Result<u64, String> {
        match self.known.get(&std::ptr::from_ref(schema)) {
            Some(Some(ways)) => return Ok(*ways),
            Some(None) => return Err("it refers to itself for one and the same value".to_owned()),
            None => {}
        }
        self.known.insert(schema, None);
        let mut ways = 1u64;
        for inner in self.in_place(schema)? {
            ways = ways.saturating_add(self.count(inner)?);
            if ways > MOST_WAYS {
                return Err(format!("it has more than {MOST_WAYS} alternatives for one value"));
            }
        }
        self.known.insert(schema, Some(ways));
        Ok(ways)
    }

    /// The schemas that are asked about the value which this one is asked about.
    fn in_place(&self, schema: &'a Json) -> Result<Vec<&'a Json>, String> {
        let Some(entries) = schema.as_object() else { return Ok(Vec::new()) };
        if let Some(key) = DYNAMIC.into_iter().find(|key| entries.contains_key(*key)) {
            return Err(format!("`{key}` is not supported, only `$ref`"));
        }
        let mut inner: Vec<&Json> = IN_PLACE.iter().filter_map(|key| entries.get(*key)).collect();
        let lists = LISTS.iter().filter_map(|key| entries.get(*key)?.as_array());
        inner.extend(lists.flatten());
        let dependent = entries.get("dependentSchemas").and_then(Json::as_object);
        inner.extend(dependent.into_iter().flat_map(|schemas| schemas.values()));
        if let Some(reference) = entries.get("$ref").and_then(Json::as_str) {
            let target = reference.strip_prefix('#').map(decoded);
            let target = target.and_then(|pointer| self.root.pointer(&pointer));
            inner.push(target.ok_or_else(|| "a `$ref` leads nowhere in it".to_owned())?);
        }
        Ok(inner)
    }
}

/// A pointer in a reference, whose special characters are percent signs with two digits.
fn decoded(pointer: &str) -> String {
    let mut parts = pointer.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::json;

    #[test]
    fn recursion_that_enters_a_value_is_fine_and_one_that_does_not_is_refused() {
        let tree =
            json!({ "properties": { "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } } });
        assert_eq!(check(&tree, None), Ok(()));
        let generic = json!({ "$ref": "#/$defs/a%3Cb%3E", "$defs": { "a<b>": {} } });
        assert_eq!(check(&generic, None), Ok(()));
        let itself = "it refers to itself for one and the same value";
        for schema in [
            json!({ "$ref": "#" }),
            json!({ "anyOf": [{ "type": "string" }, { "$ref": "#" }] }),
            json!({ "properties": { "x": { "$ref": "#/$defs/a" } }, "$defs": {
                "a": { "oneOf": [{ "$ref": "#/$defs/b" }] }, "b": { "allOf": [{ "$ref": "#/$defs/a" }] },
            } }),
        ] {
            assert_eq!(check(&schema, None).expect_err("a circle"), itself, "{schema}");
        }
        let error = check(&json!({ "$ref": "#/nowhere" }), None).expect_err("nothing there");
        assert_eq!(error, "a `$ref` leads nowhere in it");
    }

    #[test]
    fn alternatives_that_double_at_each_of_many_steps_are_refused() {
        let steps = |count: usize| {
            let step = |next: usize| {
                let next = json!({ "$ref": format!("#/$defs/{next}") });
                json!({ "anyOf": [next, next] })
            };
            let mut defs: serde_json::Map<String, serde_json::Value> =
                (0..count).map(|index| (index.to_string(), step(index + 1))).collect();
            defs.insert(count.to_string(), json!({ "type": "string" }));
            json!({ "$defs": defs, "properties": { "x": { "$ref": "#/$defs/0" } } })
        };
        assert_eq!(check(&steps(5), None), Ok(()));
        let error = check(&steps(40), None).expect_err("two to the power of 40");
        assert_eq!(error, "it has more than 10000 alternatives for one value");
    }

    #[test]
    fn what_is_nested_too_deep_to_be_read_back_is_refused() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(check(&json!({}), Some(&nested(40))), Ok(()));
        let error = check(&json!({}), Some(&nested(41))).expect_err("too deep");
        assert_eq!(error, "it is nested deeper than 40 levels");
    }
}
