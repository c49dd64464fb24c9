//! Keys in which variants differ, and the type of their column.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::table::{Cell, Kind};

/// One key that has not the same value in all variants.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key as it is typed, such as `train.batch_size`.
    pub key: String,
    /// The value by variant. A variant without the key is left out.
    pub values: BTreeMap<String, Value>,
}

impl Setting {
    /// The keys that have not the same value in all variants, sorted. `variants` gives each variant's name and all its
    /// keys with their values; null stands for a key that is not there.
    pub fn differing<'a>(
        variants: impl IntoIterator<Item = (&'a str, BTreeMap<String, Value>)>,
    ) -> Vec<Self> {
        let mut settings: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        let mut count = 0;
        for (name, keys) in variants {
            count += 1;
            for (key, value) in keys.into_iter().filter(|(_, value)| !value.is_null()) {
                settings.entry(key).or_default().insert(name.to_owned(), value);
            }
        }
        settings.retain(|_, values| {
            let mut all = values.values();
            let first = all.next();
            values.len() < count || all.any(|value| Some(value) != first)
        });
        settings.into_iter().map(|(key, values)| Self { key, values }).collect()
    }

    /// The narrowest type that holds all values.
    pub(crate) fn kind(&self) -> Kind {
        let all = |is: fn(&Value) -> bool| self.values.values().all(is);
        if all(Value::is_boolean) {
            Kind::Flag
        } else if all(Value::is_i64) {
            Kind::Integer
        } else if all(|value| value.as_f64().is_some()) {
            Kind::Number
        } else {
            Kind::Text
        }
    }

    /// The variant's value in a column of this kind.
    pub(crate) fn cell(&self, kind: Kind, variant: &str) -> Cell<'_> {
        let Some(value) = self.values.get(variant) else { return Cell::Missing };
        let cell = match kind {
            Kind::Flag => value.as_bool().map(Cell::Flag),
            Kind::Integer => value.as_i64().map(Cell::Integer),
            Kind::Number => value.as_f64().map(Cell::Number),
            _ => None,
        };
        cell.unwrap_or_else(|| match value {
            Value::String(text) => Cell::Text(text.into()),
            other => Cell::Text(other.to_string().into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::Setting;
    use crate::table::{Cell, Kind};

    fn keys(value: &Value) -> BTreeMap<String, Value> {
        value.as_object().unwrap().clone().into_iter().collect()
    }

    #[test]
    fn only_keys_with_different_values_are_settings() {
        let one = json!({ "same": 1, "size": 8, "rate": 1, "none": null, "window": 25, "use": "a", "on": true });
        let two = json!({ "same": 1, "size": 16, "rate": 0.5, "use": [1], "on": false });
        let settings = Setting::differing([("one", keys(&one)), ("two", keys(&two))]);
        let kinds: Vec<(&str, Kind)> =
            settings.iter().map(|setting| (setting.key.as_str(), setting.kind())).collect();
        let expected = [
            ("on", Kind::Flag),
            ("rate", Kind::Number),
            ("size", Kind::Integer),
            ("use", Kind::Text),
            ("window", Kind::Integer),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(settings[1].cell(Kind::Number, "one"), Cell::Number(1.0));
        assert_eq!(settings[3].cell(Kind::Text, "two"), Cell::Text("[1]".into()));
        assert_eq!(settings[4].cell(Kind::Integer, "two"), Cell::Missing);
    }
}
