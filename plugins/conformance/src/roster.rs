//! What a plugin lists: its components as it describes them.

use ablate_abi::v1::{Kind, Plugin_Ref, PluginError};
use serde_json::{Map, Value};

/// A plugin's own description.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) json: Value,
    pub(crate) components: Vec<Listed>,
}

/// One component of it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) role: Option<String>,
    pub(crate) json: Value,
}

impl Roster {
    pub(crate) fn read(root: Plugin_Ref) -> Result<Self, String> {
        let text = (root.list())().into_result().map_err(|error| error.to_string())?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| format!("its description is no JSON: {error}"))?;
        let components = json.get("components").and_then(Value::as_array).into_iter().flatten();
        let components = components.map(|component| Listed {
            kind: Kind::from_name(word(component, "kind")).unwrap_or(Kind(0)),
            name: word(component, "name").to_owned(),
            role: component.get("role").and_then(Value::as_str).map(ToOwned::to_owned),
            json: component.clone(),
        });
        Ok(Self {
            name: word(&json, "name").to_owned(),
            version: word(&json, "version").to_owned(),
            components: components.collect(),
            json,
        })
    }

    /// A block that fits a slot: of that role and, if one is asked for, that name.
    pub(crate) fn block(&self, role: &str, name: Option<&str>) -> Option<&Listed> {
        self.components.iter().find(|component| {
            component.kind == Kind::BLOCK
                && component.role.as_deref() == Some(role)
                && name.is_none_or(|name| component.name == name)
        })
    }
}

impl Listed {
    /// The kind as it is shown.
    pub(crate) fn kind_name(&self) -> &str {
        word(&self.json, "kind")
    }

    /// The defaults, if the configuration has no required keys.
    pub(crate) fn defaults(&self) -> Option<&Map<String, Value>> {
        self.json.get("defaults").and_then(Value::as_object)
    }

    /// Configurations that the schema shows.
    pub(crate) fn examples(&self) -> &[Value] {
        let examples = self.json.get("schema").and_then(|schema| schema.get("examples"));
        examples.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The slots, as they are described.
    pub(crate) fn slots(&self) -> &[Value] {
        self.json.get("slots").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The ports whose gradients are on purpose not derivatives, each with the reason.
    pub(crate) fn surrogate_gradients(&self) -> Vec<(&str, &str)> {
        let list = self.json.get("surrogate_gradients").and_then(Value::as_array);
        let entry = |entry| (word(entry, "port"), word(entry, "reason"));
        list.into_iter().flatten().map(entry).collect()
    }

    /// `config` over the defaults, without the keys of slots.
    pub(crate) fn complete(&self, config: &Value) -> Value {
        let mut complete = self.defaults().cloned().unwrap_or_default();
        for (key, value) in config.as_object().into_iter().flatten() {
            complete.insert(key.clone(), value.clone());
        }
        for slot in self.slots() {
            complete.remove(word(slot, "name"));
        }
        Value::Object(complete)
    }

    /// Whether `config` names a file whose content decides results, such as trained weights.
    pub(crate) fn reads_files(&self, config: &Value) -> bool {
        let properties = self.json.get("schema").and_then(|schema| schema.get("properties"));
        let properties = properties.and_then(Value::as_object).into_iter().flatten();
        let mut inputs = properties.filter(|(_, schema)| word(schema, "x-ablate") == "input");
        inputs.any(|(key, _)| config.get(key).is_some_and(|value| !value.is_null()))
    }

    /// The tensor contract under `config`, as text.
    pub(crate) fn describe(&self, root: Plugin_Ref, config: &Value) -> Result<String, PluginError> {
        let text = config.to_string();
        let answer = (root.describe())(self.kind, self.name.as_str().into(), text.as_str().into());
        Ok(answer.into_result()?.into_string())
    }
}

/// A text of a JSON object; empty if there is none.
pub(crate) fn word<'a>(json: &'a Value, key: &str) -> &'a str {
    json.get(key).and_then(Value::as_str).unwrap_or_default()
}
