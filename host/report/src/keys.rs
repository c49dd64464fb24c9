//! The keys of a resolved spec as they are typed in an experiment: `model.pooling.use`, `train.batch_size`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys and values, without those that only say what is asked.
pub type Keys = BTreeMap<String, Value>;

/// The keys of a resolved spec.
pub fn flatten(spec: &Value) -> Keys {
    let mut keys = Keys::new();
    for (key, value) in entries(spec) {
        match key.as_str() {
            "question" => {}
            "dataset" | "model" => component(key, value, &mut keys),
            "blocks" => {
                for (name, block) in entries(value) {
                    component(&format!("blocks.{name}"), block, &mut keys);
                }
            }
            "losses" => listed("loss", value, &mut keys),
            "metrics" => listed("metric", value, &mut keys),
            "artifacts" => listed("artifact", value, &mut keys),
            _ => leaves(key, value, &mut keys),
        }
    }
    keys
}

/// Losses and metrics: their name is a key.
fn listed(kind: &str, items: &Value, keys: &mut Keys) {
    for item in items.as_array().into_iter().flatten() {
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        let prefix = format!("{kind}.{name}");
        for (key, value) in entries(item) {
            match key.as_str() {
                "name" => {}
                "component" => component(&prefix, value, keys),
                _ => leaves(&format!("{prefix}.{key}"), value, keys),
            }
        }
    }
}

fn component(prefix: &str, component: &Value, keys: &mut Keys) {
    for (key, value) in entries(component) {
        match key.as_str() {
            "config" => leaves(prefix, value, keys),
            "slots" => {
                for (name, held) in entries(value) {
                    slot(&format!("{prefix}.{name}"), held, keys);
                }
            }
            _ => leaves(&format!("{prefix}.{key}"), value, keys),
        }
    }
}

fn slot(prefix: &str, held: &Value, keys: &mut Keys) {
    for (form, value) in entries(held) {
        match form.as_str() {
            "one" => component(prefix, value, keys),
            "many" => {
                for (index, held) in value.as_array().into_iter().flatten().enumerate() {
                    slot(&format!("{prefix}[{index}]"), held, keys);
                }
            }
            _ => leaves(&format!("{prefix}.{form}"), value, keys),
        }
    }
}

/// Everything that is not a table, by its path.
fn leaves(prefix: &str, value: &Value, keys: &mut Keys) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                leaves(&format!("{prefix}.{key}"), value, keys);
            }
        }
        _ => drop(keys.insert(prefix.to_owned(), value.clone())),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The keys of a component or table: `key` itself and everything under it.
pub(crate) fn is_under(key: &str, top: &str) -> bool {
    let rest = key.strip_prefix(top);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The component whose name a key gives: `model.pooling` of `model.pooling.use`. Another key is its own.
pub(crate) fn owner(key: &str) -> &str {
    key.strip_suffix(".use").unwrap_or(key)
}

/// A value as it is typed.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        // `8.0` is typed as `8`.
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float}"),
            _ => number.to_string(),
        },
        _ => value.to_string(),
    }
}

/// The keys in which two specs differ. Where another component is used, only its name is listed.
pub fn differing(one: &Keys, other: &Keys) -> Vec<String> {
    let mut keys: Vec<&String> = one
        .iter()
        .filter(|(key, value)| other.get(*key) != Some(*value))
        .map(|(key, _)| key)
        .chain(other.keys().filter(|key| !one.contains_key(*key)))
        .collect();
    keys.sort();
    let replaced: Vec<&str> = keys.iter().filter_map(|key| key.strip_suffix(".use")).collect();
    let is_part = |key: &str| {
        replaced.iter().any(|top| is_under(key, top) && key.strip_suffix(".use") != Some(*top))
    };
    keys.iter().filter(|key| !is_part(key)).map(|key| (*key).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{differing, flatten, is_under, show};
    use serde_json::json;

    #[test]
    fn keys_are_those_that_are_typed() {
        let spec = json!({
            "question": "Which?",
            "device": "flex",
            "threads": null,
            "model": { "use": "rqvae", "config": { "levels": 2, "vq": { "decay": 0.5 } }, "slots": {
                "pooling": { "one": { "use": "mean", "config": { "window": 25.0 }, "slots": {} } },
                "encoder": { "ref": "shared" },
                "heads": { "many": [{ "one": { "use": "linear", "config": {}, "slots": {} } }] },
            } },
            "losses": [{ "name": "mse", "component": { "use": "masked-mse", "config": {}, "slots": {} }, "weight": 0.5 }],
            "train": { "optimizer": { "use": "adamw", "betas": [0.9, 0.999] } },
        });
        let keys = flatten(&spec);
        let listed: Vec<String> =
            keys.iter().map(|(key, value)| format!("{key}={}", show(value))).collect();
        let expected = [
            "device=flex",
            "loss.mse.use=masked-mse",
            "loss.mse.weight=0.5",
            "model.encoder.ref=shared",
            "model.heads[0].use=linear",
            "model.levels=2",
            "model.pooling.use=mean",
            "model.pooling.window=25",
            "model.use=rqvae",
            "model.vq.decay=0.5",
            "threads=none",
            "train.optimizer.betas=[0.9,0.999]",
            "train.optimizer.use=adamw",
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn another_component_is_one_difference() {
        let spec = |pooling: &str, window: u64, batch: u64| {
            flatten(&json!({
                "model": { "use": "rqvae", "config": {}, "slots": {
                    "pooling": { "one": { "use": pooling, "config": { "window": window }, "slots": {} } } } },
                "train": { "batch_size": batch },
            }))
        };
        let one = spec("mean", 1, 8);
        assert_eq!(
            differing(&one, &spec("sliding", 2, 16)),
            ["model.pooling.use", "train.batch_size"]
        );
        assert_eq!(differing(&one, &spec("mean", 2, 8)), ["model.pooling.window"]);
        assert!(
            is_under("model.pooling.window", "model.pooling")
                && !is_under("model.pool", "model.po")
        );
    }
}
